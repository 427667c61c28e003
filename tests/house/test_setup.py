"""The set-up: what the reader's machine is told, what is rebuilt when, and that all lists of libraries agree.

The set-up script runs here on a folder of its own, with pip and venv played by a function: no network.
"""

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from seq2seq_edu import __version__, doctor

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONDA_NAMES = {"pytorch": "torch"}
VERSION_OF_THIS = ".".join(map(str, sys.version_info[:2]))


def bounds(lines: list[str]) -> dict[str, str]:
    """Read `Babel>=2.14` as {"babel": ">=2.14"}."""
    pairs = [re.fullmatch(r"([\w.-]+)(.*)", line.strip()) for line in lines]
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


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("setup_env", ROOT / "tools" / "setup_env.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Bench:
    """The script in a folder with a space, pip and venv played: `calls` holds what they were asked."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.root = folder / "my project"
        self.root.mkdir()
        for name in ("pyproject.toml", "constraints.txt"):
            (self.root / name).write_text("first\n")
        self.script = load_script()
        self.patch = patch
        self.calls: list[list[str]] = []
        self.fetched = 0  # times the real text was asked for
        self.fail: dict[str, list[str]] = {}  # a word of the command, and what it then says before it fails
        self.place(self.root)
        patch.setattr(self.script, "run_quietly", self.play)
        patch.setattr(self.script, "has_nvidia_gpu", lambda: False)

    def place(self, root: Path) -> None:
        self.root = root
        self.patch.setattr(self.script, "ROOT", str(root))
        self.patch.setattr(self.script, "VENV", str(root / ".venv"))
        self.patch.setattr(self.script, "VENV_PYTHON", str(root / ".venv" / "bin" / "python"))
        self.patch.setattr(self.script, "STAMP", str(root / ".venv" / "setup.json"))
        self.patch.setattr(self.script, "LOG", str(root / ".venv" / "setup.log"))

    def play(self, command: list[str]) -> tuple[int, list[str]]:
        if command[-1].endswith("fetch_data.py"):
            self.fetched += 1
        else:
            self.calls.append(command)
        for word, lines in self.fail.items():
            if word in command:
                return 1, lines
        if "venv" in command:
            (self.root / ".venv" / "bin").mkdir()
            (self.root / ".venv" / "bin" / "python").symlink_to(sys.executable)
        return 0, []

    def run(self, *arguments: str) -> int:
        self.calls.clear()
        self.patch.setattr(sys, "argv", ["setup_env.py", *arguments])
        return self.script.main()

    def stamp(self) -> SimpleNamespace:
        return SimpleNamespace(**json.loads((self.root / ".venv" / "setup.json").read_text()))

    def pretend_python(self, *version: int) -> None:
        fake = SimpleNamespace(version_info=version, executable=sys.executable, platform=sys.platform)
        fake.argv, fake.stderr = sys.argv, sys.stderr
        self.patch.setattr(self.script, "sys", fake)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    if os.name == "nt":
        pytest.skip("the Makefile's set-up is for Linux and macOS; on Windows conda does it")
    return Bench(tmp_path, monkeypatch)


def test_first_run_installs_and_the_second_does_nothing(bench: Bench) -> None:
    assert bench.run() == 0
    assert bench.calls[0][1:3] == ["-m", "venv"]
    assert bench.calls[-1][-3:] == [str(bench.root / "constraints.txt"), "-e", ".[test]"]
    assert bench.fetched == 1
    assert bench.stamp().finished
    assert bench.run() == 0
    assert bench.calls == [] and bench.fetched == 1
    assert bench.run("--asked") == 0  # the same Python, by name
    assert bench.calls == []


def test_without_the_real_text_it_is_complete(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.fail[str(bench.root / "tools" / "fetch_data.py")] = ["multi30k: cannot download"]
    assert bench.run() == 0
    assert bench.stamp().finished
    assert "make data" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_changed_lists_are_installed_into_the_same_environment(bench: Bench, name: str) -> None:
    bench.run()
    (bench.root / name).write_text("second\n")
    assert bench.run() == 0
    assert bench.calls and "venv" not in bench.calls[0]


def test_extras_are_added_to_the_same_environment_and_stay(bench: Bench) -> None:
    assert bench.run() == 0
    assert bench.run("--extras", "book") == 0
    assert bench.calls[-1][-1] == ".[test,book]" and "venv" not in bench.calls[0]
    for arguments in ((), ("--extras", "book"), ("--asked",), ("--extras", "")):
        assert bench.run(*arguments) == 0 and bench.calls == [], "it is there already"
    assert bench.run("--extras", "browser,book") == 0
    assert bench.calls[-1][-1] == ".[test,book,browser]"
    (bench.root / "constraints.txt").write_text("second\n")
    assert bench.run() == 0
    assert bench.calls[-1][-1] == ".[test,book,browser]", "what was added once is renewed too"
    bench.place(bench.root.rename(bench.root.parent / "elsewhere"))
    assert bench.run() == 0
    assert "venv" in bench.calls[0] and bench.calls[-1][-1] == ".[test,book,browser]"


def test_extras_that_cannot_be_had_leave_what_works(bench: Bench) -> None:
    bench.run()
    bench.fail["-e"] = ["WARNING: NewConnectionError"]
    assert bench.run("--extras", "book") == 1
    assert bench.stamp().finished and bench.stamp().extras == []
    bench.fail.clear()
    assert bench.run() == 0 and bench.calls == []
    assert bench.run("--extras", "book") == 0 and bench.stamp().extras == ["book"]


def test_an_environment_of_before_extras_is_kept(bench: Bench) -> None:
    bench.run()
    stamp = json.loads((bench.root / ".venv" / "setup.json").read_text())
    del stamp["extras"]
    (bench.root / ".venv" / "setup.json").write_text(json.dumps(stamp))
    assert bench.run() == 0 and bench.calls == []


def test_extras_interrupted_are_made_again_with_them(bench: Bench) -> None:
    def interrupted(extras: list[str]) -> None:
        raise KeyboardInterrupt

    bench.run()
    with bench.patch.context() as patch:
        patch.setattr(bench.script, "install", interrupted)
        assert bench.run("--extras", "book") == 130
    assert bench.run() == 0
    assert "venv" in bench.calls[0] and bench.calls[-1][-1] == ".[test,book]"


@pytest.mark.parametrize("names", ["boook", "book,test"])
def test_unknown_extras_are_told_in_one_line(
    bench: Bench, capsys: pytest.CaptureFixture[str], names: str
) -> None:
    assert bench.run("--extras", names) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "expected some of: book, browser" in error and bench.calls == []


def test_the_extras_of_the_set_up_are_those_of_the_project() -> None:
    known = {*PROJECT["optional-dependencies"]} - {"test", "instructor"}
    assert known == {*load_script().EXTRAS}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has two builds")
def test_cpu_build_first_then_the_plain_one(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.fail["--index-url"] = ["ERROR: Could not find a version that satisfies the requirement torch"]
    assert bench.run() == 0
    cpu, plain = bench.calls[1:]
    assert bench.script.CPU_WHEELS in cpu and cpu[cpu.index("--retries") + 1] == "0"
    assert ".[test]" in plain and bench.script.CPU_WHEELS not in plain
    assert "plain build" in capsys.readouterr().out


def test_with_an_nvidia_gpu_the_cpu_build_is_not_tried(bench: Bench) -> None:
    bench.patch.setattr(bench.script, "has_nvidia_gpu", lambda: True)
    assert bench.run() == 0
    assert len(bench.calls) == 2


def test_interrupted_set_up_is_made_again(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(extras: list[str]) -> None:
        raise KeyboardInterrupt

    with bench.patch.context() as patch:
        patch.setattr(bench.script, "install", interrupted)
        assert bench.run() == 130
    assert not bench.stamp().finished
    (bench.root / ".venv" / "half").write_text("half a library")
    assert bench.run() == 0
    assert not (bench.root / ".venv" / "half").exists()
    assert "did not finish" in capsys.readouterr().out


def test_interrupted_update_is_made_again(bench: Bench) -> None:
    def interrupted(extras: list[str]) -> None:
        raise KeyboardInterrupt

    bench.run()
    (bench.root / "constraints.txt").write_text("second\n")
    with bench.patch.context() as patch:
        patch.setattr(bench.script, "install", interrupted)
        assert bench.run() == 130
    assert bench.run() == 0
    assert "venv" in bench.calls[0], "libraries half replaced are not trusted"


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"finished": true}'])
def test_spoilt_stamp_is_made_again(bench: Bench, content: str) -> None:
    bench.run()
    (bench.root / ".venv" / "setup.json").write_text(content)
    assert bench.run() == 0
    assert "venv" in bench.calls[0]
    assert bench.stamp().finished


def test_environment_whose_python_is_gone_is_made_again(bench: Bench) -> None:
    bench.run()
    (bench.root / ".venv" / "bin" / "python").unlink()
    (bench.root / ".venv" / "bin" / "python").symlink_to("/no/such/python")
    assert bench.run() == 0
    assert "venv" in bench.calls[0]


def test_moved_folder_is_made_again(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.run()
    bench.place(bench.root.rename(bench.root.parent / "elsewhere"))
    assert bench.run() == 0
    assert "venv" in bench.calls[0]
    assert "moved" in capsys.readouterr().out


def test_another_python_replaces_it_only_if_asked(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.run()
    bench.pretend_python(3, 99, 0)
    bench.script.make_environment(asked=False)
    assert len(bench.calls) == 3
    bench.script.make_environment(asked=True)
    assert "venv" in bench.calls[3]
    assert f"Replacing the .venv of Python {VERSION_OF_THIS} by one of Python 3.99" in capsys.readouterr().out


def test_environment_made_by_hand_is_kept(bench: Bench) -> None:
    (bench.root / ".venv" / "bin").mkdir(parents=True)
    (bench.root / ".venv" / "bin" / "python").symlink_to(sys.executable)
    assert bench.run() == 0
    assert "venv" not in bench.calls[0]
    assert bench.stamp().finished


def test_update_without_network_keeps_what_works(bench: Bench) -> None:
    bench.run()
    (bench.root / "constraints.txt").write_text("second\n")
    bench.fail["pip"] = ["WARNING: NewConnectionError", "ERROR: No matching distribution found for x"]
    assert bench.run() == 1
    assert bench.stamp().finished
    bench.fail.clear()
    assert bench.run() == 0
    assert "venv" not in bench.calls[0]


@pytest.mark.parametrize(
    ("said", "cure"),
    [
        (["WARNING: NewConnectionError", "ERROR: No matching distribution found for x"], "to the network"),
        (["WARNING: Retrying ... Read timed out."], "connect to the network"),
        (["ERROR: Could not install: an OSError: [Errno 28] No space left on device"], "free 3 GB"),
        (["ERROR: No matching distribution found for torch==2.13.0"], "no build of torch==2.13.0"),
        (["ERROR: something new", ""], "something new (all of it: .venv/setup.log)"),
    ],
)
def test_failed_install_is_one_line_with_its_cure(
    bench: Bench, capsys: pytest.CaptureFixture[str], said: list[str], cure: str
) -> None:
    bench.fail["-e"] = said
    assert bench.run() == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith("Set-up stopped: ")
    assert cure in error


def test_old_python_is_told_in_one_line(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.pretend_python(3, 9, 18)
    assert bench.script.main() == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "this is Python 3.9, and 3.10 or newer is needed" in error and "PYTHON=python3.1" in error
    assert not (bench.root / ".venv").exists() and bench.calls == []


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_missing_venv_module_is_told_in_one_line(
    bench: Bench, capsys: pytest.CaptureFixture[str], module: str
) -> None:
    bench.patch.setitem(sys.modules, module, None)
    assert bench.run() == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and f"sudo apt install python{VERSION_OF_THIS}-venv" in error


def test_old_intel_macs_are_sent_to_conda(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.pretend_python(3, 12, 1)
    bench.script.sys.platform = "darwin"
    bench.patch.setattr(bench.script.platform, "machine", lambda: "x86_64")
    assert bench.script.main() == 1
    assert "conda" in capsys.readouterr().err


def test_script_is_readable_by_old_pythons() -> None:
    source = (ROOT / "tools" / "setup_env.py").read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 6))
    newer = (ast.JoinedStr, ast.NamedExpr, ast.AnnAssign)
    assert not [node for node in ast.walk(ast.parse(source)) if isinstance(node, newer)]


def test_shown_lines_are_downloads_of_some_size(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    for line in (
        "Collecting numpy",
        "  Downloading numpy-2.4.6-cp311.whl.metadata (6.6 kB)",
        "Downloading https://files.example/a/b/torch-2.13.0-cp311.whl (192.0 MB)",
        "Installing collected packages: numpy, torch",
    ):
        bench.script.show(line)
    said = capsys.readouterr().out
    assert said == "  downloading torch-2.13.0-cp311.whl (192.0 MB)\n  unpacking and installing\n"


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
