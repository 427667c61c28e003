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
posix = pytest.mark.skipif(os.name == "nt", reason="make and its set-up are for Linux and macOS")


def bounds(lines: list[str]) -> dict[str, str]:
    """Read `Babel>=2.14` as {"babel": ">=2.14"}."""
    pairs = [re.fullmatch(r"([\w.-]+)(.*)", line.partition(";")[0].strip()) for line in lines]
    return {pair.group(1).lower(): pair.group(2) for pair in pairs if pair}


ASKED = bounds([*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"]])
EXTRAS = bounds([*PROJECT["optional-dependencies"]["book"], *PROJECT["optional-dependencies"]["browser"]])


# The lists


def test_pyproject_has_lower_bounds_only_and_doctor_knows_them() -> None:
    assert all(re.fullmatch(r">=[\d.]+", bound) for bound in ASKED.values()), ASKED
    assert all(re.fullmatch(r">=[\d.]+(,!=9\.0\.\*)?", bound) for bound in EXTRAS.values()), EXTRAS
    assert PROJECT["requires-python"] == ">=3.10" == ">=" + ".".join(map(str, doctor.OLDEST_PYTHON))
    assert ASKED["torch"] == ">=2.6" == ">=" + ".".join(map(str, doctor.OLDEST_TORCH))
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_environment_of_conda_is_the_same() -> None:
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    lines = re.findall(r"^ +- +([\w.-]+>=[\w.]+)$", text, flags=re.MULTILINE)
    listed = {{"pytorch": "torch"}.get(name, name): bound for name, bound in bounds(lines).items()}
    assert listed == {**ASKED, "python": PROJECT["requires-python"]}
    assert text.rstrip().endswith("- -e ."), "the package itself is installed last"
    assert set(re.findall(r"^channels:\n +- (.*)$", text, flags=re.MULTILINE)) == {"conda-forge"}


def test_constraints_pin_what_is_asked_for_above_its_lower_bound() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r'[a-z\d.-]+==[\w.]+( ; python_version (<|>=) "3\.11")?', pin) for pin in pins)
    assert "torch==2.13.0" in pins
    names = [pin.split("==")[0] for pin in pins]
    assert {*ASKED, *EXTRAS} <= set(names)
    for name, pin in zip(names, pins, strict=True):
        assert ";" in pin or names.count(name) == 1, f"two versions of {pin}"
        if bound := (ASKED | EXTRAS).get(name, "").partition(",")[0]:
            version, least = (re.findall(r"\d+", v) for v in (pin.split(" ;")[0].split("==")[1], bound))
            assert [*map(int, version)] >= [*map(int, least)], pin


def test_the_news_do_not_open_over_the_notebook() -> None:
    path = ROOT / "labconfig" / "default_setting_overrides.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    assert settings["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"


# The script


class Bench:
    """The script in a folder with a space, pip and venv played: `calls` holds what they were asked."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.script = load_script(ROOT / "tools" / "setup_env.py")
        self.patch, self.calls = patch, list[str]()
        self.fail: dict[str, str] = {}  # a word of the command, and what it then says before it fails
        patch.setattr(self.script, "run", self.play)
        patch.setattr(self.script, "has_nvidia_gpu", lambda: True)
        (folder / "my project").mkdir()
        self.place(folder / "my project")
        for name in ("pyproject.toml", "constraints.txt"):
            (self.root / name).write_text("first\n")

    def place(self, root: Path) -> None:
        self.root, self.venv = root, root / ".venv"
        self.patch.setattr(self.script, "ROOT", str(root))
        self.patch.chdir(root)  # the script goes there; after the test it is left again

    def play(self, command: list[str]) -> tuple[int, str]:
        asked = " ".join(command)
        self.calls.append(asked)
        for said in (said for word, said in self.fail.items() if word in asked):
            if said == "Ctrl-C":
                raise KeyboardInterrupt
            return 1, said
        if "-m venv" in asked:
            self.interpreter()
        return 0, ""

    def interpreter(self) -> None:
        (self.venv / "bin").mkdir(parents=True)
        (self.venv / "bin" / "python").symlink_to(sys.executable)

    def run(self, *arguments: str) -> list[str]:
        """Run the script, which must succeed; return what it did: venv, the extras, data."""
        assert self.status(*arguments) == 0
        words = {"-m venv": "venv", "--index-url": "cpu", "-e": "", "fetch_data": "data"}
        done = [next(name for word, name in words.items() if word in call) for call in self.calls]
        return [name or call.partition("-e ")[2] for name, call in zip(done, self.calls, strict=True)]

    def status(self, *arguments: str) -> int:
        self.calls.clear()
        status: int = self.script.main([*arguments])
        return status


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    if os.name == "nt":
        pytest.skip("the Makefile's set-up is for Linux and macOS; on Windows conda does it")
    return Bench(tmp_path, monkeypatch)


def test_it_is_done_once_and_again_when_the_lists_change(bench: Bench) -> None:
    assert bench.run() == ["venv", ".[test]", "data"]
    assert bench.run() == bench.run("--asked") == []
    (bench.root / "constraints.txt").write_text("second\n")
    assert bench.run() == [".[test]", "data"]


def test_extras_are_added_and_stay(bench: Bench) -> None:
    bench.run()
    assert bench.run("--extras", "book") == [".[test,book]", "data"]
    assert bench.run() == bench.run("--extras", "book") == []
    bench.place(bench.root.rename(bench.root.parent / "elsewhere"))
    assert bench.run() == ["venv", ".[test,book]", "data"], "the folder was moved"


@pytest.mark.parametrize("content", ["", "[]", "{}"])
def test_what_is_spoilt_or_unfinished_is_made_again(bench: Bench, content: str) -> None:
    bench.run()
    (bench.venv / "setup.json").write_text(content)
    assert bench.run()[0] == "venv"
    bench.fail["-e"] = "Ctrl-C"
    assert bench.status("--extras", "book") == 130
    bench.fail.clear()
    assert bench.run()[:2] == ["venv", ".[test,book]"]
    (bench.venv / "bin" / "python").unlink()
    assert bench.run()[0] == "venv", "its Python is gone"


def test_another_python_replaces_it_only_if_asked(bench: Bench) -> None:
    bench.run()
    fake = SimpleNamespace(version_info=(3, 99, 0), executable=sys.executable, platform="linux")
    bench.patch.setattr(bench.script, "sys", fake)
    assert bench.run() == [] and bench.run("--asked")[0] == "venv"


def test_an_environment_made_by_hand_is_kept(bench: Bench) -> None:
    bench.interpreter()
    assert bench.run() == [".[test]", "data"]


def test_without_an_nvidia_gpu_the_small_build_of_torch_is_tried_first(bench: Bench) -> None:
    bench.patch.setattr(bench.script, "has_nvidia_gpu", lambda: False)
    bench.patch.setattr(sys, "platform", "linux")
    bench.fail["--index-url"] = "ERROR: No matching distribution"
    assert bench.run() == ["venv", "cpu", ".[test]", "data"] and bench.script.CPU_WHEELS in bench.calls[1]


@pytest.mark.parametrize(
    ("word", "said", "cure"),
    [
        ("-e", "WARNING: NewConnectionError\nERROR: No matching distribution found for x", "to the network"),
        ("-e", "OSError: [Errno 28] No space left on device", "free 3 GB"),
        ("-e", "ERROR: No matching distribution found for torch==2.13.0", "PYTHON=python3.12"),
        ("-m venv", "ensurepip is not available", "apt install python3-venv"),
        ("-e", "ERROR: something new", "ERROR: something new (all of it: .venv/setup.log)"),
        ("", "", "3.10 or newer is needed: install one (https://www.python.org/downloads) and add PYTHON="),
    ],
)
def test_a_failure_is_one_line_with_its_cure(
    bench: Bench, capsys: pytest.CaptureFixture[str], word: str, said: str, cure: str
) -> None:
    if word:
        bench.fail[word] = said
    else:
        bench.patch.setattr(bench.script, "OLDEST", (9, 9))
    assert bench.status() == 1 and (word or not bench.venv.exists())
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith("Set-up stopped: ") and cure in error


def test_a_failed_update_keeps_what_works(bench: Bench) -> None:
    bench.run()
    bench.fail["-e"] = "NewConnectionError"
    assert bench.status("--extras", "book") == 1
    assert bench.run() == []


def test_an_old_python_can_read_the_script() -> None:
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


@posix
@pytest.mark.parametrize("target", ["lab", "test", "book"])
def test_make_says_which_python_is_missing(target: str) -> None:
    done = make(target, "PYTHON=python3.999")
    assert done.returncode and done.stderr.startswith("Set-up stopped: there is no python3.999 here")


@posix
@pytest.mark.parametrize(
    ("asked", "extras", "end"),
    [
        ("lab LAB_ARGS=--no-browser", "", "/lab/tree/notebooks/00_start_here.ipynb --no-browser"),
        ("book BOOK_ARGS=--repository=ada/book", "  --extras book", "build_book.py --repository=ada/book"),
        ("slides", "  --extras book", "tools/make_slides.py"),
        ("test EXTRAS=book,browser", "  --extras book,browser", "tools/check_notebooks.py"),
    ],
)
def test_make_sets_up_what_it_needs_and_passes_options_on(asked: str, extras: str, end: str) -> None:
    done = make("--dry-run", *asked.split())
    first = re.search(r'"python3" tools/setup_env\.py(.*)', done.stdout)
    assert first and first[1].strip() == extras.strip() and done.stdout.rstrip().endswith(end)
