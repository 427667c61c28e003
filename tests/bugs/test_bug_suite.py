"""The bug suite: each bug of `bugs.py` is planted in a copy of the package, and its test must fail there.

Every copy is tried in a process of its own, forked from one that has PyTorch loaded, so a bug costs about
one second. A test counts as failed only if an assertion of it failed: a copy that cannot be imported proves
nothing.
"""

import json
import multiprocessing
import os
import shutil
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from bugs import BUGS, Bug

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "seq2seq_edu"
LIMIT = 300  # seconds for one copy, on a busy machine
AT_ONCE = 2
LOADED = [
    "torch",
    "numpy",
    "pytest",
    "sacrebleu",
    "safetensors.torch",
    "sentencepiece",
    "pooch",
    "opencc",
    "tqdm",
]
CONTROLS = (  # edits that are no bugs: the first must survive, the second must not count as killed
    Bug(
        "harmless edit",
        "models/attention.py",
        "# over source positions",
        "# over the source",
        BUGS[0].killed_by,
    ),
    Bug("edit that breaks the import", "models/attention.py", "class Memory(", "class (", BUGS[0].killed_by),
)
Outcome = dict[str, list[str]]  # "passed", "assertion", "error": names of the tests


class Outcomes:
    """A pytest plugin that notes how each test ended."""

    def __init__(self) -> None:
        self.found: Outcome = {"passed": [], "assertion": [], "error": []}

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo) -> Generator:
        """Sort each test by its end; what goes wrong outside of the test itself is an error."""
        report = (yield).get_result()
        if report.failed:
            kinds = (AssertionError, pytest.fail.Exception)
            asserted = (
                report.when == "call" and call.excinfo is not None and call.excinfo.errisinstance(kinds)
            )
            self.found["assertion" if asserted else "error"].append(
                f"{item.path.relative_to(ROOT / 'tests').as_posix()}::{item.name}"
            )
        elif report.when == "call" and report.passed:
            self.found["passed"].append(f"{item.path.relative_to(ROOT / 'tests').as_posix()}::{item.name}")


def plant(folder: Path, bug: Bug | None) -> None:
    """Copy the package, with the bug if there is one."""
    shutil.copytree(PACKAGE, folder / "seq2seq_edu", ignore=shutil.ignore_patterns("__pycache__", "fonts"))
    if bug is not None:
        path = folder / "seq2seq_edu" / bug.file
        path.write_text(path.read_text(encoding="utf-8").replace(bug.old, bug.new), encoding="utf-8")


def try_tests(folder: str, tests: list[str]) -> None:
    """Run tests against the copy in a folder, in this process, and write what came out beside it."""
    sys.dont_write_bytecode = True
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    for name in [name for name in sys.modules if name.split(".")[0] in ("seq2seq_edu", "bugs", "conftest")]:
        del sys.modules[name]
    sys.path.insert(0, folder)
    with open(os.path.join(folder, "output.txt"), "w", encoding="utf-8") as output:
        sys.stdout = sys.stderr = output
        import seq2seq_edu

        if Path(seq2seq_edu.__file__).parent.parent != Path(folder):
            raise RuntimeError(f"tried {seq2seq_edu.__file__}, not the copy in {folder}")
        outcomes = Outcomes()
        config = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT), "-o", "addopts="]
        chosen = [str(ROOT / "tests" / test) for test in tests]
        pytest.main([*config, "-p", "no:cacheprovider", "-q", "--tb=line", *chosen], plugins=[outcomes])
        Path(folder, "outcomes.json").write_text(json.dumps(outcomes.found), encoding="utf-8")


def outcome(folder: Path) -> Outcome:
    """Read what came out of one copy."""
    path = folder / "outcomes.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def run_all(jobs: dict[Path, list[str]]) -> None:
    """Try every copy, two at once."""
    forking = sys.platform == "linux"  # elsewhere a fork after loading PyTorch is not safe, or not possible
    context = multiprocessing.get_context("forkserver" if forking else "spawn")
    if forking:
        context.set_forkserver_preload(LOADED)
    running: list[multiprocessing.process.BaseProcess] = []
    for folder, tests in jobs.items():
        if len(running) == AT_ONCE:
            finish(running.pop(0))
        running.append(context.Process(target=try_tests, args=(str(folder), tests)))
        running[-1].start()
    for process in running:
        finish(process)


def finish(process: multiprocessing.process.BaseProcess) -> None:
    """Wait for one process, and end it if it hangs."""
    process.join(LIMIT)
    if process.is_alive():
        process.kill()
        process.join()


class Table:
    """A pytest plugin that prints the table of bugs at the end."""

    def __init__(self, killed: dict[str, bool]) -> None:
        self.killed = killed

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print which bug was killed by which test."""
        terminalreporter.section(f"bug suite: {sum(self.killed.values())}/{len(BUGS)} killed")
        for bug in BUGS:
            state = "killed  " if self.killed[bug.name] else "SURVIVED"
            terminalreporter.line(f"{state}  {bug.name:40}  {bug.killed_by}")
            if bug.seen:
                terminalreporter.line(f"{'':10}{'':40}  seen in {bug.seen}")


@pytest.fixture(scope="module")
def folders(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[dict[str | None, Path]]:
    """Try the package as it is ("None") and every bug; give the folder of each."""
    base = tmp_path_factory.mktemp("bugs")
    found: dict[str | None, Path] = {None: base / "as_it_is"}
    plant(found[None], None)
    jobs = {found[None]: sorted({bug.killed_by for bug in BUGS})}
    for number, bug in enumerate([*BUGS, *CONTROLS]):
        found[bug.name] = base / str(number)
        plant(found[bug.name], bug)
        jobs[found[bug.name]] = [bug.killed_by]
    run_all(jobs)
    killed = {bug.name: outcome(found[bug.name]).get("assertion") == [bug.killed_by] for bug in BUGS}
    request.config.pluginmanager.register(Table(killed))
    yield found


def said(folder: Path) -> str:
    """Return what a copy printed, for the message of a failure."""
    path = folder / "output.txt"
    return path.read_text(encoding="utf-8") if path.is_file() else "it did not start"


def test_the_list_is_sound() -> None:
    assert len({bug.name for bug in BUGS}) == len(BUGS) >= 15
    for bug in [*BUGS, *CONTROLS]:
        count = (PACKAGE / bug.file).read_text(encoding="utf-8").count(bug.old)
        assert count == 1, (
            f"{bug.name}: its old text stands {count} times in {bug.file}; bring bugs.py up to date"
        )
        assert bug.new != bug.old


def test_every_test_passes_on_the_package_as_it_is(folders: dict[str | None, Path]) -> None:
    result = outcome(folders[None])
    assert result and not result["assertion"] and not result["error"], said(folders[None])
    assert sorted(result["passed"]) == sorted({bug.killed_by for bug in BUGS})


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_bug_is_killed(bug: Bug, folders: dict[str | None, Path]) -> None:
    result = outcome(folders[bug.name])
    assert result, f"{bug.killed_by} gave no result within {LIMIT} s:\n{said(folders[bug.name])}"
    assert not result["passed"], f"{bug.name} survives {bug.killed_by}"
    assert result["assertion"] == [bug.killed_by], said(folders[bug.name])


def test_an_edit_that_is_no_bug_survives_and_a_broken_one_does_not_count(
    folders: dict[str | None, Path],
) -> None:
    harmless, broken = (outcome(folders[bug.name]) for bug in CONTROLS)
    assert harmless == {"passed": [CONTROLS[0].killed_by], "assertion": [], "error": []}
    assert broken["passed"] == broken["assertion"] == []
