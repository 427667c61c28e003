"""The set-up: what the reader's machine is told, what is rebuilt when, and that all lists of libraries agree.

The set-up script runs here on a folder of its own, with pip and venv played by a function: no network.
"""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import load_script

from seq2seq_edu import __version__, doctor

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONDA_NAMES = {"pytorch": "torch"}


def bounds(lines: list[str]) -> dict[str, str]:
    """Read `Babel>=2.14` as {"babel": ">=2.14"}."""
    pairs = [re.fullmatch(r"([\w.-]+)(.*)", line.partition(";")[0].strip()) for line in lines]
    return {pair.group(1).lower(): pair.group(2) for pair in pairs if pair}


ASKED = bounds([*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"]])
EXTRAS = bounds([*PROJECT["optional-dependencies"]["book"], *PROJECT["optional-dependencies"]["browser"]])


# The lists


def test_pyproject_has_lower_bounds_only() -> None:
    assert all(re.fullmatch(r">=[\d.]+", bound) for bound in ASKED.values()), ASKED
    assert ASKED["torch"] == ">=2.6"
    assert all(re.fullmatch(r">=[\d.]+(,!=9\.0\.\*)?", bound) for bound in EXTRAS.values()), EXTRAS
    assert PROJECT["requires-python"] == ">=3.10"


def test_environment_of_conda_is_the_same() -> None:
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    lines = re.findall(r"^ +- +([\w.-]+>=[\w.]+)$", text, flags=re.MULTILINE)
    listed = {CONDA_NAMES.get(name, name): bound for name, bound in bounds(lines).items()}
    assert listed.pop("python") == PROJECT["requires-python"]
    assert listed == ASKED
    assert text.rstrip().endswith("- -e ."), "the package itself is installed last"
    assert set(re.findall(r"^channels:\n +- (.*)$", text, flags=re.MULTILINE)) == {"conda-forge"}


def test_constraints_pin_what_is_asked_for() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r'[a-z\d.-]+==[\w.]+( ; python_version (<|>=) "3\.11")?', pin) for pin in pins)
    assert "torch==2.13.0" in pins
    names = [pin.split("==")[0] for pin in pins]
    assert {*ASKED, *EXTRAS} <= set(names)
    for pin in pins:
        if ";" not in pin:
            assert names.count(pin.split("==")[0]) == 1, f"two versions of {pin}"


def test_pins_satisfy_the_lower_bounds() -> None:
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        name, _, version = line.split(" ;")[0].partition("==")
        bound = (ASKED | EXTRAS).get(name)
        if bound:
            least = [int(part) for part in bound[2:].partition(",")[0].split(".")]
            assert [int(part) for part in version.split(".")[: len(least)]] >= least, line


def test_doctor_and_project_agree() -> None:
    assert PROJECT["requires-python"] == ">=" + ".".join(map(str, doctor.OLDEST_PYTHON))
    assert ASKED["torch"] == ">=" + ".".join(map(str, doctor.OLDEST_TORCH))
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {__version__}\n" in citation


def test_the_news_do_not_open_over_the_notebook() -> None:
    path = ROOT / "labconfig" / "default_setting_overrides.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    assert settings["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"


# The script


class Bench:
    """The script in a folder with a space, pip and venv played: `calls` holds what they were asked."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.root = folder / "my project"
        self.root.mkdir()
        for name in ("pyproject.toml", "constraints.txt"):
            (self.root / name).write_text("first\n")
        self.script = load_script(ROOT / "tools" / "setup_env.py")
        self.calls: list[str] = []
        self.fail: dict[str, str] = {}  # a word of the command, and what it then says before it fails
        patch.setattr(self.script, "run", self.play)
        patch.setattr(self.script, "has_nvidia_gpu", lambda: True)
        self.patch = patch
        self.place(self.root)

    def place(self, root: Path) -> None:
        self.root, self.venv = root, root / ".venv"
        for name, path in (("ROOT", root), ("VENV", self.venv), ("STAMP", self.venv / "setup.json")):
            self.patch.setattr(self.script, name, str(path))

    def play(self, command: list[str]) -> tuple[int, str]:
        asked = " ".join(command)
        self.calls.append(asked)
        for word, said in self.fail.items():
            if word in asked:
                if said == "Ctrl-C":
                    raise KeyboardInterrupt
                return 1, said
        if "-m venv" in asked:
            (self.venv / "bin").mkdir()
            (self.venv / "bin" / "python").symlink_to(sys.executable)
        return 0, ""

    def run(self, *arguments: str) -> int:
        self.calls.clear()
        status: int = self.script.main([*arguments])
        return status

    def is_new(self) -> bool:
        return any("-m venv" in call for call in self.calls)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    if os.name == "nt":
        pytest.skip("the Makefile's set-up is for Linux and macOS; on Windows conda does it")
    return Bench(tmp_path, monkeypatch)


def test_it_is_done_once_and_again_when_the_lists_change(bench: Bench) -> None:
    assert bench.run() == 0 and bench.is_new()
    assert bench.calls[-2].endswith("-e .[test]") and bench.calls[-1].endswith("fetch_data.py")
    assert bench.run() == 0 and bench.run("--asked") == 0 and bench.calls == []
    (bench.root / "constraints.txt").write_text("second\n")
    assert bench.run() == 0 and bench.calls and not bench.is_new()


def test_extras_are_added_and_stay(bench: Bench) -> None:
    bench.run()
    assert bench.run("--extras", "book") == 0 and not bench.is_new()
    assert bench.calls[0].endswith("-e .[test,book]")
    assert bench.run() == 0 and bench.run("--extras", "book") == 0 and bench.calls == []
    bench.place(bench.root.rename(bench.root.parent / "elsewhere"))
    assert bench.run() == 0 and bench.is_new(), "the folder was moved"
    assert bench.calls[1].endswith("-e .[test,book]")


@pytest.mark.parametrize("content", ["", "[]", "{}"])
def test_what_is_spoilt_or_unfinished_is_made_again(bench: Bench, content: str) -> None:
    bench.run()
    (bench.venv / "setup.json").write_text(content)
    assert bench.run() == 0 and bench.is_new()
    bench.fail["-e"] = "Ctrl-C"
    assert bench.run("--extras", "book") == 130
    bench.fail.clear()
    assert bench.run() == 0 and bench.is_new() and bench.calls[1].endswith("-e .[test,book]")
    (bench.venv / "bin" / "python").unlink()
    assert bench.run() == 0 and bench.is_new(), "its Python is gone"


def test_another_python_replaces_it_only_if_asked(bench: Bench) -> None:
    bench.run()
    fake = SimpleNamespace(version_info=(3, 99, 0), executable=sys.executable, platform="linux")
    bench.patch.setattr(bench.script, "sys", fake)
    assert bench.run() == 0 and bench.calls == []
    assert bench.run("--asked") == 0 and bench.is_new()


def test_an_environment_made_by_hand_is_kept(bench: Bench) -> None:
    (bench.venv / "bin").mkdir(parents=True)
    (bench.venv / "bin" / "python").symlink_to(sys.executable)
    assert bench.run() == 0 and bench.calls and not bench.is_new()


def test_without_an_nvidia_gpu_the_small_build_of_torch_is_tried_first(bench: Bench) -> None:
    bench.patch.setattr(bench.script, "has_nvidia_gpu", lambda: False)
    bench.patch.setattr(sys, "platform", "linux")
    bench.fail["--index-url"] = "ERROR: No matching distribution"
    assert bench.run() == 0
    assert bench.script.CPU_WHEELS in bench.calls[1] and bench.calls[2].endswith("-e .[test]")


@pytest.mark.parametrize(
    ("word", "said", "cure"),
    [
        ("-e", "WARNING: NewConnectionError\nERROR: No matching distribution found for x", "to the network"),
        ("-e", "OSError: [Errno 28] No space left on device", "free 3 GB"),
        ("-e", "ERROR: No matching distribution found for torch==2.13.0", "PYTHON=python3.12"),
        ("-m venv", "ensurepip is not available", "apt install python3-venv"),
        ("-e", "ERROR: something new", "ERROR: something new (all of it: .venv/setup.log)"),
    ],
)
def test_a_failure_is_one_line_with_its_cure(
    bench: Bench, capsys: pytest.CaptureFixture[str], word: str, said: str, cure: str
) -> None:
    bench.fail[word] = said
    assert bench.run() == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith("Set-up stopped: ") and cure in error


def test_a_failed_update_keeps_what_works(bench: Bench) -> None:
    bench.run()
    bench.fail["-e"] = "NewConnectionError"
    assert bench.run("--extras", "book") == 1
    assert bench.run() == 0 and bench.calls == []


def test_an_old_python_is_told_in_one_line(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.patch.setattr(bench.script, "OLDEST", (9, 9))
    assert bench.run() == 1 and bench.calls == [] and not bench.venv.exists()
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "3.10 or newer is needed" in error and "PYTHON=python3.1" in error
    source = (ROOT / "tools" / "setup_env.py").read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 6))
    newer = (ast.JoinedStr, ast.NamedExpr, ast.AnnAssign)
    assert not [node for node in ast.walk(ast.parse(source)) if isinstance(node, newer)]


# The Makefile


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make as a reader does, though the tests may run under make themselves."""
    own = ("MAKEFLAGS", "MAKELEVEL", "PYTHON", "EXTRAS")
    clean = {name: value for name, value in os.environ.items() if name not in own}
    command = ["make", *arguments]
    return subprocess.run(command, cwd=ROOT, env=clean, capture_output=True, text=True, timeout=20)


@pytest.mark.skipif(os.name == "nt", reason="make is for Linux and macOS")
@pytest.mark.parametrize("target", ["lab", "test", "book"])
def test_make_says_which_python_is_missing(target: str) -> None:
    done = make(target, "PYTHON=python3.999")
    assert done.returncode != 0
    assert done.stderr.startswith("Set-up stopped: there is no python3.999 here")


@pytest.mark.skipif(os.name == "nt", reason="make is for Linux and macOS")
def test_make_lab_passes_its_options_on() -> None:
    done = make("--dry-run", "lab", "LAB_ARGS=--no-browser --port 8899")
    assert done.stdout.rstrip().endswith("/lab/tree/notebooks/00_start_here.ipynb --no-browser --port 8899")
    assert "tools/setup_env.py" in done.stdout and "--extras" not in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="make is for Linux and macOS")
def test_make_book_sets_up_what_it_needs_and_passes_its_options_on() -> None:
    done = make("--dry-run", "book", "BOOK_ARGS=--repository ada/book")
    assert '"python3" tools/setup_env.py  --extras book\n' in done.stdout
    assert done.stdout.rstrip().endswith("tools/build_book.py --repository ada/book")
    assert "--extras book,browser\n" in make("--dry-run", "test", "EXTRAS=book,browser").stdout
