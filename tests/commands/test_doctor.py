"""`seq2seq-edu doctor`: each problem that it looks for is found, with a cure, and nothing is left behind."""

import hashlib
import importlib.metadata
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from seq2seq_edu import doctor
from seq2seq_edu.data import corpora
from seq2seq_edu.doctor import Finding


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a data folder in which two small files stand for the published ones."""
    files = {"one/train.de.gz": b"eins", "two/cmn.txt": b"two"}
    for name, content in files.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(content)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    monkeypatch.setattr(corpora, "SHA256", hashes)
    monkeypatch.setenv("SEQ2SEQ_EDU_DATA", str(tmp_path))
    return tmp_path


def test_this_machine_runs_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEQ2SEQ_EDU_DATA", str(tmp_path / "data"))
    for finding in doctor.examine():
        assert finding.ok, finding
    assert list(tmp_path.iterdir()) == []


def test_old_python_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 18, "final", 0))
    finding = doctor.check_python()
    assert not finding.ok and finding.found.startswith("3.9.18") and "PYTHON=" in finding.cure


def test_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["numpy>=1.26", "no-such.library>=2", 'pytest>=8; extra == "test"', 'tomli-w; extra == "test"']
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: lines)
    finding = doctor.check_libraries()
    assert not finding.ok and finding.found == "not installed: no-such.library" and finding.cure


def test_package_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def requires(name: str) -> list[str]:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", requires)
    assert not doctor.check_libraries().ok


@pytest.mark.parametrize(
    ("version", "ok"),
    [("2.5.1", False), ("2.6.0", True), ("2.13.0+cpu", True), ("10.0", True), ("1.13.1", False)],
)
def test_versions_of_torch_are_compared_as_numbers(
    monkeypatch: pytest.MonkeyPatch, version: str, ok: bool
) -> None:
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(__version__=version))
    finding = doctor.check_torch()
    assert finding.ok is ok and finding.found == version and bool(finding.cure) is not ok


def test_torch_that_does_not_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert not doctor.check_torch().ok
    assert doctor.check_device().ok, "told once is enough"


@pytest.mark.parametrize(
    ("cuda", "driver", "found", "cure"),
    [(True, True, "CUDA: H", False), (False, True, "CPU, 7 threads", True), (False, False, "CPU, 7", False)],
)
def test_device(monkeypatch: pytest.MonkeyPatch, cuda: bool, driver: bool, found: str, cure: bool) -> None:
    gpu = SimpleNamespace(is_available=lambda: cuda, get_device_name=lambda number: "H")
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=gpu, get_num_threads=lambda: 7))
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/" + name if driver else None)
    finding = doctor.check_device()
    assert finding.ok and finding.found.startswith(found) and bool(finding.cure) is cure


def test_font_missing_or_spoilt_or_without_chinese(tmp_path: Path) -> None:
    assert doctor.check_fonts().ok
    assert "missing" in doctor.check_fonts(tmp_path).found
    (tmp_path / "font.otf").write_bytes(b"not a font")
    assert "does not load" in doctor.check_fonts(tmp_path).found
    (tmp_path / "font.otf").unlink()
    matplotlib_data = Path(importlib.import_module("matplotlib").get_data_path())
    shutil.copy(matplotlib_data / "fonts" / "ttf" / "DejaVuSans.ttf", tmp_path)
    finding = doctor.check_fonts(tmp_path)
    assert not finding.ok and f"lacks {len(doctor.SAMPLE)} characters" in finding.found and finding.cure


def test_data_all_there(published: Path) -> None:
    assert doctor.check_data() == Finding("data", True, f"2 of 2 files in {published}")


def test_data_still_to_be_downloaded_is_no_problem(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (published / "two" / "cmn.txt").unlink()
    finding = doctor.check_data()
    assert finding.ok and finding.found.startswith("1 of 2") and "SEQ2SEQ_EDU_DATA" in finding.cure
    monkeypatch.setenv("SEQ2SEQ_EDU_DATA", str(published / "nowhere"))
    assert doctor.check_data().found.startswith("0 of 2")
    assert not (published / "nowhere").exists()


def test_data_cut_short(published: Path) -> None:
    (published / "one" / "train.de.gz").write_bytes(b"ein")
    finding = doctor.check_data()
    assert not finding.ok and "one/train.de.gz" in finding.found and "remove" in finding.cure


def test_disk_nearly_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = {tmp_path: doctor.DISK_NEEDED - 1}
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=free[place]))
    monkeypatch.chdir(tmp_path)
    finding = doctor.check_disk()
    assert not finding.ok and finding.found == "1.0 GB free" and finding.cure


def test_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(dir: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.chdir(tmp_path)
    assert doctor.check_output().ok
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    finding = doctor.check_output()
    assert not finding.ok and "Permission denied" in finding.found and "--out" in finding.cure


def test_jupyter_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    versions: Callable[[str], str | None] = {"jupyterlab": "4.6.6", "ipykernel": "7.4.0"}.get
    monkeypatch.setattr(doctor, "_version", versions)
    finding = doctor.check_jupyter()
    assert not finding.ok and "ipywidgets missing" in finding.found and finding.cure


def test_status_and_report(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    fine, problem = Finding("a", True, "b"), Finding("c", False, "d", "e")
    monkeypatch.setattr(doctor, "examine", lambda: [fine, Finding("n", True, "x", "y")])
    assert doctor.main() == 0
    said = capsys.readouterr().out
    assert said.startswith("ok ") and "\nnote " in said and said.endswith("Everything is in place.\n")
    monkeypatch.setattr(doctor, "examine", lambda: [problem, fine, problem])
    assert doctor.main() == 1
    said = capsys.readouterr().out
    assert said.count("PROBLEM") == said.count("-> e") == 2
    assert said.splitlines()[-1].startswith("2 problems:")
