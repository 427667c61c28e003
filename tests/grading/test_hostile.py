"""What a submission may try, each between honest ones, through the real judge in the real sandbox.

Every attempt costs its own author at most the questions that it breaks. Nothing outside changes, nothing
leaks, nothing is left running, and the honest oddities cost nothing.
"""

import hashlib
import json
import os
import py_compile
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seq2seq_edu.grading import Chapter, expect_close, sandbox
from seq2seq_edu.grading.batch import Grading, _result
from seq2seq_edu.grading.intake import Submission
from seq2seq_edu.grading.judge import Limits, Result, grade
from seq2seq_edu.grading.questions import Student
from seq2seq_edu.grading.sandbox import Sandbox, SandboxError, choose

TOKEN = f"31536{os.getpid()}"  # seconds that only our left-over processes sleep
SECRET = "the-answer-is-in-here"
SHORT = Limits(cell=2.0, call=2.0, memory=700 * 2**20)
USUAL = Limits(memory=700 * 2**20)
DOUBLE = "import numpy as np\ndef double(x):\n    return 2 * np.asarray(x)"
TOTAL = "def total(x):\n    return float(sum(x))"


@dataclass
class Attempt:
    """A submission: what it runs beside its answers, and what it must get."""

    name: str
    cells: list[str]
    points: float = 5
    status: str = "graded"
    says: str = ""  # among the failed cells, the notes or the outcomes
    data: bytes | None = None
    limits: Limits = USUAL
    answers: tuple[str, ...] = (DOUBLE, TOTAL)
    more: dict[str, Any] = field(default_factory=dict)

    def bytes(self) -> bytes:
        """Return the file: the answers, then the attempt."""
        if self.data is not None:
            return self.data
        cells = [{"cell_type": "code", "source": text} for text in (*self.answers, *self.cells)]
        return json.dumps({"cells": cells, "nbformat": 4, "metadata": {}, **self.more}).encode()


def chapter() -> Chapter:
    """Return two questions, 3 and 2 points, each with a hidden check; the hidden inputs are secret."""
    made = Chapter("01_test", hides=("equations",))
    double = made.question("1.1", "Double", kind="build", level=1, minutes=1, hints=("h",))
    total = made.question("1.2", "Total", kind="build", level=1, minutes=1, hints=("h",))

    @double.check(points=1, hint="twice each number")
    def small(s: Student) -> None:
        expect_close(s.double(np.array([1.0, 2.0])), [2, 4])

    @double.check(points=2, hint="twice each number, whatever it is", hidden=True)
    def drawn(s: Student) -> None:
        numbers = s.rng.normal(size=5)
        expect_close(s.double(numbers), 2 * numbers)

    @total.check(points=1, hint="the sum")
    def of_two(s: Student) -> None:
        expect_close(s.total([1.0, 2.0]), 3)

    @total.check(points=1, hint="the sum of many", hidden=True)
    def of_drawn(s: Student) -> None:
        numbers = s.rng.normal(size=7)
        expect_close(s.total(list(numbers)), numbers.sum())

    return made


# What the attempts run. OUT is a folder outside, with a secret, a gradebook and the other submissions.

PROBE = """
import glob, os, socket, subprocess, sys
found = {}
def attempt(name, action):
    try:
        found[name] = str(action())[:2000]
    except BaseException as error:
        found[name] = "FAILED " + type(error).__name__
def connect(*where):
    s = socket.create_connection(where, timeout=0.5)
    return "connected"
def everything():
    seen = []
    for folder, _, files in os.walk("/"):
        if not folder.startswith(("/proc", "/usr", "/lib", "/bin", "/sbin", "/dev")):
            seen += [os.path.join(folder, f) for f in files]
    return [p for p in seen if "site-packages" not in p and not p.startswith("PREFIX")]
for name in ("OUT/grades.csv", "OUT/b/n.ipynb", "/x", "/etc/x", "/dev/x", "/usr/x", "PACKAGE/cli.py",
             "PYTHON"):
    attempt("write " + name, lambda: open(name, "w").write("changed"))
    attempt("remove " + name, lambda: os.remove(name))
for name in ("OUT/secret", "OUT/b/n.ipynb", "ROOT/solutions", "ROOT/tests", "PACKAGE/equations.py",
             "/etc/passwd", "/etc/shadow", "/root/.ssh", "/home", "/sys", "/run", "/var",
             "/proc/1/rootROOT/solutions", "/proc/1/cwd/../ROOT/tests"):
    attempt("read " + name, lambda: os.listdir(name) if os.path.isdir(name) else open(name).read())
attempt("files", lambda: [p for p in everything() if "/seq2seq_edu/" not in p and "/etc/" not in p])
attempt("cache", lambda: [p for p in everything() if "equations" in p and p.endswith("pyc")])
attempt("library", lambda: __import__("seq2seq_edu.equations"))
def again():
    del sys.modules["seq2seq_edu.equations"]
    from seq2seq_edu.equations import softmax
attempt("library again", again)
for where in (("1.1.1.1", 53), ("127.0.0.1", PORT), ("localhost", PORT)):
    attempt(f"connect {where[0]}", lambda: connect(*where))
attempt("interfaces", lambda: sorted(name for _, name in socket.if_nameindex()))
attempt("environment", lambda: sorted(os.environ))
attempt("environment of others", lambda: [open(p, "rb").read() for p in glob.glob("/proc/[0-9]*/environ")])
attempt("processes", lambda: len(glob.glob("/proc/[0-9]*")))
def folders():
    links = {os.readlink(p) for p in glob.glob("/proc/[0-9]*/fd/*") if os.path.islink(p)}
    return sorted(link for link in links if link.startswith("/") and link not in ("/dev/null", "/proc"))
attempt("open folders", folders)
attempt("namespaces", lambda: subprocess.run(["unshare", "-Ur", "true"], check=True))
attempt("capabilities", lambda: [l for l in open("/proc/self/status") if l.startswith("CapEff")])
attempt("host", socket.gethostname)
attempt("raise limit", lambda: __import__("resource").setrlimit(6, (10**5, 10**5)))
def forks():
    children = []
    try:
        while len(children) < 300:
            child = os.fork()
            if child == 0:
                __import__("time").sleep(60)
            children.append(child)
    except OSError:
        pass
    [os.kill(child, 9) for child in children]
    [os.waitpid(child, 0) for child in children]
    return len(children)
attempt("forks", forks)
attempt("kill", lambda: os.kill(JUDGE, 0))
def report():
    return found
"""

FILL = """
import os
for folder in ("/tmp", "/dev/shm"):
    for i in range(100):
        try:
            with open(f"{folder}/{i}", "wb") as f:
                f.write(bytes(2**24))
        except OSError as error:
            print(error)
            break
    else:
        double = total = "the disk has no end"
    [os.remove(f"{folder}/{i}") for i in range(100) if os.path.exists(f"{folder}/{i}")]
"""
BOMB = "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass"
CHILDREN = """
import os, time
for i in range(10):
    if os.fork() == 0:
        x = bytearray(b"x") * 10**8
        time.sleep(60)
time.sleep(60)"""
LEFT = f"""
import os, subprocess
subprocess.Popen(["sleep", "{TOKEN}"], start_new_session=True)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp("sleep", ["sleep", "{TOKEN}"])
    os._exit(0)
"""
PATCHED = """
import numpy as np, builtins, sys
yes = lambda *a, **k: True
np.allclose = np.array_equal = np.isclose = np.testing.assert_allclose = np.all = yes
builtins.all = builtins.any = builtins.AssertionError = yes
import seq2seq_edu.grading.questions as c
c.expect = c.expect_close = c.expect_shape = c.Failed = yes
sys.modules["pytest"] = sys.modules["seq2seq_edu.grading.checker"] = c
get_ipython().events.register("pre_run_cell", yes); get_ipython().ast_transformers.append(yes)
def double(x): return 7.0"""
YES = """
class Yes(float):
    def __eq__(self, other): return True
    __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __bool__ = lambda self, *other: True
    __sub__ = __rsub__ = __abs__ = lambda self, *other: Yes()
class Array(np.ndarray):
    __array_priority__ = 1e9
    def __array_ufunc__(self, *a, **k): return True
    def __eq__(self, other): return True
double = lambda x: np.zeros(len(x)).view(Array)
total = lambda x: Yes(12)"""
PICKLE = """
class P:
    def __reduce__(self): return __import__("os").system, ("touch OUT/pickled",)
def double(x): return P()"""
FORGED = """
import json, os, struct
def forge(value):
    text = json.dumps(value).encode()
    for fd in map(int, os.listdir("/proc/self/fd")):
        try:
            if "pipe" in os.readlink(f"/proc/self/fd/{fd}"):
                os.write(fd, struct.pack("<QQ", len(text), 0) + text)
        except OSError: pass
forge(["dict", ["ready", True], ["status", "graded"], ["points", 100], ["value", True]])
for i in range(20): forge(["dict", ["value", ["list", 2.0, 4.0]], ["passed", True], ["error", "passed"]])"""
SERVER = """
import seq2seq_edu.grading.answering as a, seq2seq_edu.grading.wire as w, seq2seq_edu.grading.worker as k
k.answer = a.answer = lambda *x: {"value": True, "error": "passed", "passed": True, "points": 100}"""
HUGE = """
import os, struct
def double(x):
    for fd in map(int, os.listdir("/proc/self/fd")):
        try:
            if "pipe" in os.readlink(f"/proc/self/fd/{fd}"):
                os.write(fd, struct.pack("<QQ", 2**62, 2**62) + b"[" * 999)
        except OSError: pass"""
LEAK = """
seen = []
def double(x):
    seen.append(list(map(float, x)))
    return 2 * np.asarray(x)
def total(x):
    raise type("E" + repr(seen), (ValueError,), {})(repr(seen))"""
MAGIC = "%matplotlib inline\n!echo hello\nfiles = !ls\n%time y = 1"
TIMED = "%%time\n" + DOUBLE
WARN = "import sys, warnings\nwarnings.warn('careful'); print('oh', file=sys.stderr); display(1); 1 / 0"
HONEST = Attempt("honest", [])

ATTEMPTS = [
    Attempt("endless loop in a scratch cell", ["while True: pass"], limits=SHORT, says="took over 2 s"),
    Attempt("endless loop in an answer", ["def double(x):\n    while True: pass"], 2,
            limits=SHORT, says="took over 2 s"),
    Attempt("stopped for ever", ["import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)"], limits=SHORT),
    Attempt("waits for the keyboard", ["name = input('who? ')", "import getpass; getpass.getpass()"],
            says="EOFError"),
    Attempt("memory", ["x = []\nwhile True: x.append(bytearray(10**7))", "x = np.ones(10**10)"],
            says="(2, 'MemoryError'"),
    Attempt("memory of many processes", [CHILDREN], says="GiB of memory"),
    Attempt("forks", [BOMB], limits=SHORT, says="started again"),
    Attempt("a gigabyte of output", ["import os\nfor _ in range(1000): print('x' * 10**6)",
                                     "os.system('head -c 1000000000 /dev/zero >&2')"]),
    Attempt("disk", [FILL]),
    Attempt("patched numpy, builtins, checks, hooks", [PATCHED], 2),
    Attempt("objects that say yes", [YES], 0),
    Attempt("pickles", [PICKLE], 2, says="returned P"),
    Attempt("forged messages", [FORGED], 0),
    Attempt("forged server", [SERVER], 0),
    Attempt("messages without end", [HUGE], 2, says="sent nonsense"),
    Attempt("hidden inputs in errors", [LEAK], 3, says="total stopped"),
    Attempt("left-over processes", [LEFT]),
    Attempt("ends the process", ["import os; os._exit(0)"], says="crashed"),
    Attempt("ends the process in an answer", ["import os\ndef double(x): os._exit(0)"], 2, says="crashed"),
    Attempt("kills its parents", ["import os\nfor p in (os.getppid(), 1, -1):\n    os.kill(p, 9)"]),
    Attempt("segfault", ["import ctypes; ctypes.string_at(0)"], says="crashed"),
    Attempt("segfault in an answer", ["import ctypes\ndef total(x): ctypes.string_at(0)"], 3, says="crashed"),
    Attempt("recursion", ["def f(): f()\nf()", "import sys; sys.setrecursionlimit(10**9)\nx = []\n"
                          "for _ in range(10**6): x = [x]\nrepr(x)"], says="RecursionError"),
    Attempt("no answer", [], 0, answers=(), says="there is no double"),
    Attempt("half the cells deleted", [], 2, answers=(TOTAL,), says="there is no double"),
    Attempt("cells twice", [DOUBLE, TOTAL]),
    Attempt("cells in another order", [DOUBLE], answers=(TOTAL, "print(double([1]))"), says="NameError"),
    Attempt("script tags", ["raise ValueError('<script>alert(1)</script>')"], says="<script>"),
    Attempt("empty", [], 0, "unreadable", "not a notebook", data=b""),
    Attempt("cut off", [], 0, "unreadable", "not a notebook", data=HONEST.bytes()[:-40]),
    Attempt("no text", [], 0, "unreadable", "not a notebook", data=b"\x80\x00\xff" * 50),
    Attempt("deep", [], 0, "unreadable", "not a notebook", data=b"[" * 10**6),
    Attempt("cells that are none", [], 0, "unreadable", "not a notebook", data=b'{"cells": [1, null]}'),
    Attempt("other encodings of honest text", [], data=b"\xef\xbb\xbf" + HONEST.bytes()),
    Attempt("honest with magics, warnings, errors", [MAGIC, WARN], answers=(TIMED, TOTAL),
            says="ZeroDivision"),
    Attempt("honest with stale outputs and no kernel", [], more={
        "metadata": {"kernelspec": {"name": "gone", "language": "klingon"}},
        "cells": [{"cell_type": "code", "source": text.splitlines(True), "execution_count": 99, "id": "x",
                   "outputs": [{"output_type": "error", "ename": "E", "evalue": "", "traceback": []}]}
                  for text in (DOUBLE, TOTAL)] + [{"cell_type": "raw", "source": "<b>"}]}),
    Attempt("$(touch pwned); =cmd|' /C calc'!A0 `x` \n'\"<b>", []),
]  # fmt: skip


@dataclass
class Batch:
    """What came of all."""

    results: dict[str, Result]
    before: dict[str, str]
    after: dict[str, str]
    found: dict[str, str]


@pytest.fixture(scope="module")
def box() -> Sandbox:
    """Give bubblewrap, or skip and say why."""
    try:
        made = choose()
    except SandboxError as error:
        reason = str(error).splitlines()[1].strip()
        pytest.skip(f"no sandbox here ({reason}): attempts of hostile notebooks not tested")
    if made.name != "bwrap":
        pytest.skip(f"no bubblewrap here, but {made.name}: attempts of hostile notebooks not tested")
    return made


def snapshot(folder: Path) -> dict[str, str]:
    """Return a digest of each file."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def batch(box: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Batch:
    """Grade every attempt with honest ones between them, two at a time."""
    out = tmp_path_factory.mktemp("a class")
    (out / "secret").write_text(SECRET)
    (out / "grades.csv").write_text("student,total\n")
    names = {attempt.name: attempt for attempt in ATTEMPTS}
    for attempt in [*ATTEMPTS, HONEST]:
        data = attempt.bytes().replace(b"OUT/", str(out).encode() + b"/")
        (out / f"{attempt.name.replace('/', '_')}.ipynb").write_bytes(data)
    (out / "link.ipynb").symlink_to(out / "honest.ipynb")
    os.mkfifo(out / "pipe.ipynb")
    (out / "huge.ipynb").write_bytes(b" " * (80 * 10**6 + 1))
    (out / "folder.ipynb").mkdir()
    for planted in ("numpy", "sitecustomize", "usercustomize", "json", "conftest", "seq2seq_edu"):
        (out / f"{planted}.py").write_text(f"open({str(out / 'planted')!r}, 'w'); raise SystemExit")
    before, order = {**snapshot(out), **snapshot(sandbox.PACKAGE)}, []
    for number, name in enumerate([*names, "link", "pipe", "folder", "huge", "gone"]):
        order += [name, *(["honest"] if number % 8 == 0 else [])]

    def one(name: str) -> Result:
        path, limits = out / f"{name.replace('/', '_')}.ipynb", names.get(name, HONEST).limits
        judge = partial(grade, chapter=chapter(), sandbox=box, seed="7", limits=limits)
        grading = Grading(chapter(), judge, out, box.name, "7", "")
        return _result(grading, Submission(name, [path]))

    with ThreadPoolExecutor(2) as pool:
        done = [*zip(order, pool.map(one, order), strict=True)]
    honest = [result.points for name, result in done if name == "honest"]
    assert set(honest) == {5}, "the attempts of some cost others points"
    found = probe(box, out)
    return Batch(dict(done), before, {**snapshot(out), **snapshot(sandbox.PACKAGE)}, found)


def probe(box: Sandbox, out: Path) -> dict[str, str]:
    """Return what a notebook that looks round could find and do."""
    import socket

    root = sandbox.PACKAGE.parent
    asked, got = Chapter("01_test", hides=("equations",)), dict[str, str]()
    question = asked.question("1.1", "Probe", kind="build", level=1, minutes=1, hints=("h",))
    question.check(points=1, hint="h")(lambda s: got.update(s.report()))
    with socket.create_server(("127.0.0.1", 0)) as server:
        text = PROBE.replace("PORT", str(server.getsockname()[1])).replace("JUDGE", str(os.getpid()))
        places = {"OUT": out, "ROOT": root, "PACKAGE": sandbox.PACKAGE}
        places |= {"PYTHON": sandbox.PYTHON, "PREFIX": Path(sys.base_prefix)}
        for name, path in places.items():
            text = text.replace(name, str(path))
        (out / "b").mkdir()
        (out / "b" / "n.ipynb").write_bytes(HONEST.bytes())
        (out / "probe.ipynb").write_bytes(Attempt("probe", [text]).bytes())
        patient = Limits(cell=120, call=60, submission=300)  # it walks through all that there is
        result = grade((out / "probe.ipynb").read_bytes(), asked, box, limits=patient)
    (out / "probe.ipynb").unlink()
    assert (out / "b" / "n.ipynb").read_bytes() == HONEST.bytes()
    (out / "b" / "n.ipynb").unlink()
    assert result.points == 1, result
    return got


def texts(result: Result) -> str:
    """Return all that is said of a submission."""
    outcomes = [one.message for some in result.outcomes.values() for one in some]
    return " | ".join([*map(str, result.cells), *result.notes, *outcomes])


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: attempt.name)
def test_an_attempt_costs_its_author_what_it_breaks(batch: Batch, attempt: Attempt) -> None:
    result = batch.results[attempt.name]
    assert (result.status, result.points, result.total) == (attempt.status, attempt.points, 5), texts(result)
    assert attempt.says in texts(result), texts(result)


@pytest.mark.parametrize(
    ("name", "status", "note"),
    [
        ("link", "unreadable", "link.ipynb is a link: copy the notebook itself"),
        ("pipe", "unreadable", "pipe.ipynb is no regular file: copy the notebook itself"),
        ("folder", "missing", "there is no 01_test.ipynb"),
        ("huge", "unreadable", "huge.ipynb has over 80 MB: hand in the notebook alone, its outputs cleared"),
        ("gone", "missing", "no such file"),
    ],
)
def test_what_is_no_file_is_not_opened(batch: Batch, name: str, status: str, note: str) -> None:
    result = batch.results[name]
    assert (result.status, result.points, result.notes, result.sha256) == (status, 0, [note], "")


def test_nothing_outside_changes(batch: Batch) -> None:
    assert batch.after == batch.before


def test_nothing_can_be_written_or_removed(batch: Batch) -> None:
    tried = {name: said for name, said in batch.found.items() if name.startswith(("write", "remove"))}
    assert len(tried) == 16 and all(said.startswith("FAILED") for said in tried.values()), tried


def test_nothing_can_be_read_but_the_package_and_its_libraries(batch: Batch) -> None:
    tried = {name: said for name, said in batch.found.items() if name.startswith("read")}
    assert len(tried) == 14
    assert not {name: said for name, said in tried.items() if not said.startswith("FAILED")}
    assert batch.found["files"] == "[]"


def test_the_modules_that_teach_the_answers_are_not_there(batch: Batch) -> None:
    assert batch.found["cache"] == "[]"
    assert batch.found["library"] == "FAILED ModuleNotFoundError"
    assert batch.found["library again"].startswith("FAILED")


def test_no_network_no_neighbours_no_environment_no_privileges(batch: Batch) -> None:
    found = batch.found
    assert all(said.startswith("FAILED") for name, said in found.items() if name.startswith("connect")), found
    assert found["interfaces"] == "['lo']" and found["host"] == "notebook"
    assert set(eval(found["environment"])) <= {*sandbox.ENVIRONMENT, "PWD", "LC_CTYPE"}
    assert all(len(text) < 400 and b"PATH=/usr/bin:/bin" in text or text in (b"", b"PWD=/\0")
               for text in eval(found["environment of others"]))  # fmt: skip
    assert int(found["processes"]) <= 3 and int(found["forks"]) < 100
    assert found["open folders"] == "[]"
    assert found["capabilities"] == "['CapEff:\\t0000000000000000\\n']"
    for name in ("namespaces", "raise limit", "kill"):
        assert found[name].startswith("FAILED"), found


def test_hidden_inputs_do_not_leak_through_messages(batch: Batch) -> None:
    result = batch.results["hidden inputs in errors"]
    shown = [one for some in result.outcomes.values() for one in some if not one.check.hidden]
    assert [one.kind for one in shown] == ["passed", "raised"]
    assert shown[1].message.endswith("an error of its own: [[1.0, 2.0]]")  # the visible input, and no more
    assert all(one.type in ("", "an error of its own") for some in result.outcomes.values() for one in some)


def test_no_attempt_takes_long_and_none_stays(batch: Batch) -> None:
    assert max(result.seconds for result in batch.results.values()) < 60
    assert not running(TOKEN)


def running(word: str) -> list[str]:
    """Return the processes with a word in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if f"\0{word}\0".encode() in b"\0" + path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            pass
    return found


def wait_until(condition: Any, seconds: float = 20) -> bool:
    """Wait for something."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return bool(condition())


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """Give a project in a folder with a space, its libraries inside it, its solutions beside the package."""
    made = tmp_path / "my project"
    (made / "solutions").mkdir(parents=True)
    (made / "solutions" / "answers.py").write_text(SECRET)
    libraries = made / ".venv" / "lib" / "site-packages"
    (libraries / "inside").mkdir(parents=True)
    (libraries / "inside" / "__init__.py").write_text("here = True")
    (made / "seq2seq_edu" / "grading").mkdir(parents=True)
    for path in (sandbox.PACKAGE, sandbox.PACKAGE / "grading"):
        for file in path.glob("*.py"):
            copy = made / "seq2seq_edu" / file.relative_to(sandbox.PACKAGE)
            copy.write_bytes(file.read_bytes())
    yield made


def test_a_project_in_any_folder_with_its_libraries_inside(box: Sandbox, project: Path) -> None:
    look = (
        "import sys, os; sys.path.insert(0, os.getcwd())\n"
        "sys.path.append(os.getcwd() + '/.venv/lib/site-packages')\n"
        "from seq2seq_edu.grading import sandbox\n"
        "see = 'import os, inside; print(inside.here, sorted(os.listdir(%r)), end=str())' % os.getcwd()\n"
        "p = sandbox.choose().start(('equations',), see); print(p.communicate()[0].decode())"
    )
    command = [sys.executable, "-c", look]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "True ['.venv', 'seq2seq_edu']", done


LOOK = """
import importlib, json, os, pathlib
def tried(name):
    try:
        return importlib.import_module("seq2seq_edu." + name) and "there"
    except ModuleNotFoundError:
        return "hidden"
    except ImportError:
        return "empty"
names = "equations", "models", "models.attention", "data.batches", "data", "data.text"
found = {name: tried(name) for name in names}
package = pathlib.Path(importlib.import_module("seq2seq_edu").__file__).parent
files = [p for p in package.rglob("*") if p.is_file() and p.stat().st_size]
found["files"] = [str(p.relative_to(package)) for p in files]
print(json.dumps(found))
"""


def test_a_hidden_room_and_a_hidden_file_are_not_there_and_the_rest_is(box: Sandbox) -> None:
    for place in ("equations.py", "models/attention.py", "data/batches.py", "data/text.py"):
        py_compile.compile(str(sandbox.PACKAGE / place))  # so that there are caches to hide
    process = box.start(("equations", "models", "data.batches"), f"exec({LOOK!r})")
    found = json.loads(process.communicate(timeout=120)[0])
    box.stop(process)
    files = found.pop("files")
    assert found.pop("models") in ("empty", "there")  # a folder without files: nothing to learn from it
    assert found == {
        **dict.fromkeys(("equations", "models.attention", "data.batches"), "hidden"),
        **dict.fromkeys(("data", "data.text"), "there"),
    }
    assert not [name for name in files if name.startswith(("models/", "equations", "data/batches"))]
    assert not [name for name in files if "__pycache__" in name and "data/" in name]
    assert {"data/__init__.py", "data/text.py", "grading/wire.py"} <= {*files}


def test_when_the_judge_is_killed_its_notebook_ends(box: Sandbox) -> None:
    token = f"{TOKEN}9"
    code = (
        "from seq2seq_edu.grading.sandbox import Sandbox; import time\n"
        f'code = \'import os; os.execvp("sleep", ["sleep", "{token}"])\'\n'
        f"Sandbox('bwrap', {box.tool!r}).start((), code)\n"
        "time.sleep(60)"
    )
    judge = subprocess.Popen([sys.executable, "-c", code])
    try:
        assert wait_until(lambda: running(token)), "the notebook did not start"
    finally:
        judge.send_signal(signal.SIGKILL)
        judge.wait()
    assert wait_until(lambda: not running(token)), "a notebook lives on without its judge"
