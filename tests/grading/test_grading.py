"""The grader's parts: what passes between judge and worker, how a notebook is run, how it is counted."""

import io
import json
import math
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2seq_edu.grading import Chapter, expect, expect_close, fail, sandbox, watch, wire
from seq2seq_edu.grading.answering import answer, describe
from seq2seq_edu.grading.judge import Limits, Result, grade
from seq2seq_edu.grading.questions import Student, local
from seq2seq_edu.grading.sandbox import Sandbox, SandboxError, choose

NONE = Sandbox("none")  # these notebooks are ours

# What may pass


def decode(message: bytes) -> Any:
    """Return the plain data of a message."""
    return wire.read(io.BytesIO(message))


def same(a: Any, b: Any) -> bool:
    """Say whether two pieces of plain data are equal, kinds and dtypes included."""
    if type(a) is not type(b):
        return False
    if isinstance(a, (np.ndarray, torch.Tensor)):
        return a.dtype == b.dtype and a.shape == b.shape and a.tolist().__repr__() == b.tolist().__repr__()
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return len(a) == len(b) and all(map(same, [*a, *a.values()], [*b, *b.values()]))
    return bool(a == b or (isinstance(a, float) and math.isnan(a) and math.isnan(b)))


def arrays() -> st.SearchStrategy[Any]:
    """Draw small arrays of every dtype and shape, no axis and empty ones included."""
    shapes = st.lists(st.integers(0, 3), max_size=3).map(tuple)
    plain = st.builds(
        lambda dtype, shape, seed: (np.random.default_rng(seed).normal(size=shape) * 9).astype(dtype),
        st.sampled_from(wire.DTYPES),
        shapes,
        st.integers(0, 99),
    )
    return plain.map(np.asarray) | st.builds(torch.zeros, shapes)


KEYS = st.text(max_size=5) | st.integers() | st.tuples(st.integers(), st.text(max_size=3))
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | arrays()
PLAIN = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=4)
        | st.sets(KEYS, max_size=4)
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=60)
@given(PLAIN)
def test_plain_data_comes_through_as_it_was(value: Any) -> None:
    stream = io.BytesIO(wire.encode(value) + wire.encode("next"))
    assert same(wire.read(stream), value) and wire.read(stream) == "next"


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=60), st.recursive(LEAVES.filter(lambda x: not hasattr(x, "shape")), st.lists))
def test_garbage_is_a_value_error_and_nothing_else(garbage: bytes, value: Any) -> None:
    texts = [garbage, json.dumps(value).encode()]
    for text in texts:
        for message in (text, struct.pack("<QQ", len(text), 0) + text):
            try:
                decode(message)
            except (ValueError, EOFError):
                pass


@settings(deadline=None, max_examples=100)
@given(PLAIN, st.integers(0, 10**6), st.integers(0, 255))
def test_a_damaged_message_is_a_value_error_or_other_plain_data(value: Any, place: int, byte: int) -> None:
    message = bytearray(wire.encode(value))
    message[place % len(message)] = byte
    try:
        wire.encode(decode(bytes(message)))
    except (ValueError, EOFError):
        pass


@pytest.mark.parametrize(
    "text",
    [
        '["array","float64",-1]',
        '["array","object",1]',
        '["array","float64",1e3]',
        f'["array","uint8"{",1" * 40}]',
        f'["array","uint8",0,{10**40}]',
        '["array","float64",99999999]',
        '["handle",0]',
        '["list",["set",["list"]]]',
        '{"a":1}',
        "[]",
        "[[]]",
        '["dict",[1]]',
        '["dict",[["list"],1]]',
        '["float","nothing"]',
        "[" * 100_000,
        '["list",' * 5000 + "1" + "]" * 5000,
        "9" * 10_000,
    ],
)
def test_forged_messages_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a message"):
        decode(struct.pack("<QQ", len(text), 0) + text.encode())


def test_a_message_cannot_make_the_reader_slow_or_large() -> None:
    minus = [-1, -2]  # their hashes are equal, and so are those of all tuples of them
    equal = [tuple(minus[i >> k & 1] for k in range(12)) for i in range(4096)]
    text = json.dumps(["set", *(["tuple", *items] for items in equal)])
    with pytest.raises(ValueError, match="not a message"):
        decode(struct.pack("<QQ", len(text), 0) + text.encode())
    lists = "[" + "[]," * (wire.LONGEST // 3) + "[]]"
    with pytest.raises(ValueError, match="not a message"):
        decode(struct.pack("<QQ", len(lists), 0) + lists.encode())
    for sizes in ((2**60, 0), (0, 2**60), (wire.LONGEST + 1, 0)):
        with pytest.raises(ValueError, match="too large"):
            wire.read(io.BytesIO(struct.pack("<QQ", *sizes)))
    with pytest.raises(wire.NotPlain, match="MiB"):
        wire.encode(["word"] * 10**6)


def test_a_truth_value_is_true_or_false_and_no_third_thing() -> None:
    message = bytearray(wire.encode(np.array([True, False])))
    message[-2:] = b"\2\0"
    assert decode(bytes(message)).tobytes() == b"\1\0"


class Yes:
    """Says yes to everything."""

    def __eq__(self, other: object) -> bool:
        return True

    def __reduce__(self) -> Any:
        return eval, ("1/0",)


class YesArray(np.ndarray):
    """An array that says yes."""

    def __eq__(self, other: object) -> Any:
        return True


@pytest.mark.parametrize(
    "value",
    [Yes(), object, len, {"a": Yes()}, 1j, b"bytes", np.array(["text"]), np.array([Yes()]), 10**9999],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_plain_data_stays_outside(value: Any) -> None:
    with pytest.raises(wire.NotPlain):
        wire.encode(value)


def test_an_array_that_says_yes_arrives_as_its_numbers() -> None:
    got = decode(wire.encode(np.zeros(3).view(YesArray)))
    assert type(got) is np.ndarray and not (got == 1).any()


# How a request is answered


def test_a_request_is_answered_or_told_why_not() -> None:
    class Evil(BaseException):
        def __str__(self) -> str:
            raise KeyboardInterrupt

    def stub() -> None:
        raise NotImplementedError

    def leave() -> None:
        raise SystemExit

    def hurt() -> None:
        raise Evil

    place = {"f": len, "stub": stub, "leave": leave, "hurt": hurt, "thing": Yes, "number": 3}
    ask = {name: answer({"do": "call", "name": name, "args": ()}, place, {}) for name in (*place, "none")}
    assert {name: reply["error"] for name, reply in ask.items()} == {
        **dict.fromkeys(("f", "leave", "hurt", "number"), "raised"),
        **{"stub": "unanswered", "thing": "not plain", "none": "missing"},
    }
    assert ask["hurt"] == {"error": "raised", "type": "Evil", "message": ""}


def test_an_error_is_described_without_running_code_of_its_own() -> None:
    class Meta(type):
        @property
        def __name__(cls) -> str:  # type: ignore[override]
            raise SystemExit

    error = Meta("Strange", (ValueError,), {})("x" * 1000)
    assert describe("raised", error) == {"error": "raised", "type": "Strange", "message": "x" * 300}


def test_objects_are_made_only_when_asked_for_and_live_on_their_side() -> None:
    class Box:
        def __init__(self, value: int) -> None:
            self.value = value

        def get(self) -> int:
            return self.value

    s = Student(local({"Box": Box, "open": lambda box: box.value + 1}), np.random.default_rng(0))
    box = s.new.Box(4)
    assert (box.get(), s.open(box)) == (4, 5)


# How a notebook is run


def notebook(*cells: str | dict[str, Any], **extra: Any) -> dict[str, Any]:
    """Return a notebook of code cells (a dict is a cell of another kind)."""
    made = [cell if isinstance(cell, dict) else {"cell_type": "code", "source": cell} for cell in cells]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": made, **extra}


def chapter_of(*names: str, constants: Any = None) -> tuple[Chapter, dict[str, Any]]:
    """Return a chapter whose checks note what each function returns, and where they note it."""
    chapter, got = Chapter("01_test", hides=("equations",)), dict[str, Any]()
    for number, name in enumerate(names, 1):
        question = chapter.question(
            f"1.{number}", name, kind="build", level=1, minutes=1, hints=("h",), constants=constants
        )

        def look(s: Student, name: str = name) -> None:
            got[name] = getattr(s, name)()

        question.check(points=1, hint=f"{name} is wrong")(look)
    return chapter, got


@pytest.fixture
def graded() -> Callable[..., tuple[Result, dict[str, Any]]]:
    """Return a function that grades cells and returns the result and what the functions said."""

    def grade_it(*cells: Any, ask: tuple[str, ...] = (), **limits: Any) -> tuple[Result, dict[str, Any]]:
        chapter, got = chapter_of(*ask)
        return grade(json.dumps(notebook(*cells)).encode(), chapter, NONE, limits=Limits(**limits)), got

    return grade_it


def test_cells_run_in_order_and_go_on_after_an_error(graded: Any) -> None:
    result, got = graded(
        "x = 1",
        {"cell_type": "markdown", "source": "x = 99"},
        "1 / 0",
        {"cell_type": "code", "source": ["x +=", " 1\n"]},
        "def f(): return x",
        ask=("f",),
    )
    assert got == {"f": 2} and (result.status, result.points, result.total) == ("graded", 1, 1)
    assert result.cells == [(2, "ZeroDivisionError", "division by zero")]


def test_what_a_notebook_expects_of_jupyter_is_there(graded: Any) -> None:
    result, got = graded(
        "%matplotlib inline\nx = 1",
        "%%time\nx += 1",
        "%time x += 1\n!ls\nfiles = !ls\nx?",
        "display(x); get_ipython().run_line_magic('load_ext', 'autoreload')",
        "from dataclasses import dataclass\n@dataclass\nclass A:\n    n: int = 1",
        "import inspect\ndef f(): return [x, files, inspect.getsource(f)[:9], A.__module__]",
        "from seq2seq_edu.grading.checker import check\ncheck('1.1')",
        "exit()",
        "input()",
        ask=("f",),
    )
    assert got == {"f": [3, [], "def f(): ", "__main__"]}
    assert [(i, type) for i, type, _ in result.cells] == [(7, "SystemExit"), (8, "EOFError")]


def test_print_does_not_reach_the_judge(graded: Any) -> None:
    noise = "import os, sys\nprint('x' * 10**5); os.write(1, b'x'); os.write(2, b'y'); os.system('echo z')"
    result, got = graded(noise, "def f():\n    print('x'); return 3", ask=("f",))
    assert got == {"f": 3} and result.cells == []


def test_a_child_that_a_notebook_splits_off_says_nothing(graded: Any) -> None:
    _, got = graded("import os\nchild = os.fork()", "def f(): return child > 0", ask=("f",))
    assert got == {"f": True}


def test_a_cell_that_hangs_or_crashes_is_left_out_and_named(graded: Any) -> None:
    result, got = graded(
        "x = 1", "while True: pass", "import os; os._exit(3)", "def f(): return x", ask=("f",), cell=1.0
    )
    assert got == {"f": 1} and result.status == "graded"
    assert result.cells == [(1, "stopped", "took over 1 s"), (2, "stopped", "crashed the notebook")]
    assert "started again without cell 1, which took over 1 s" in result.notes


def test_a_call_that_crashes_costs_its_check_alone(graded: Any) -> None:
    result, got = graded(
        "import os\ndef f(): os._exit(0)\ndef g(): return 1\ndef h(): os.kill(os.getpid(), 9)",
        ask=("f", "g", "h"),
    )
    assert got == {"g": 1} and result.points == 1
    assert result.outcomes["1.1"][0].message == "f crashed the notebook"
    assert [result.outcomes[id][0].kind for id in ("1.1", "1.2", "1.3")] == ["gone", "passed", "gone"]


def test_the_time_of_a_submission_ends(graded: Any) -> None:
    result, got = graded(
        "def f(): return 1\ndef g():\n    while True: pass", ask=("f", "g", "f"), submission=2.5, call=60
    )
    assert result.status == "timeout" and got == {"f": 1} and result.points == 1
    assert result.seconds < 10 and result.total == 3
    assert "the time of the submission was over" in result.outcomes["1.3"][0].message


def test_memory_of_all_processes_together_is_limited(graded: Any) -> None:
    grow = "import os, time\nfor i in range(8):\n    if os.fork() == 0:\n        "
    grow += "x = bytearray(10**8); time.sleep(60)"
    result, got = graded(grow + "\ntime.sleep(60)", "def f(): return 1", ask=("f",), memory=500 * 2**20)
    assert got == {"f": 1}
    assert result.cells == [(0, "stopped", "took over 0.5 GiB of memory")]


def test_memory_of_one_process_is_an_error_like_another(graded: Any) -> None:
    result, _ = graded("import numpy as np\nx = np.zeros(10**10)", memory=500 * 2**20, ask=("f",))
    assert result.cells[0][:2] == (0, "MemoryError") or "Memory" in result.cells[0][1]


@pytest.mark.parametrize(
    ("data", "note"),
    [
        (b"", "not a notebook"),
        (b'{"cells": [', "not a notebook"),
        (b"\xff\xfe\xfa", "not a notebook"),
        (b"[" * 10**5, "RecursionError"),
        (b'{"cells": 3}', "TypeError"),
        (b'{"cells": ["x"]}', "not a notebook"),
    ],
)
def test_what_is_no_notebook_has_a_reason(data: bytes, note: str) -> None:
    chapter, _ = chapter_of("f")
    result = grade(data, chapter, NONE)
    assert (result.status, result.points, result.total) == ("unreadable", 0, 1)
    assert note in " ".join(result.notes), result.notes
    assert result.outcomes["1.1"][0].kind == "gone"


def test_a_notebook_of_another_edition_is_noted() -> None:
    chapter, _ = chapter_of("f", constants=lambda rng: {"scores": [0.5, 1.0], "n": 3})
    other = json.dumps(notebook("scores = [0.5, 2.0]\nn = 3", "def f(): return 1")).encode()
    assert grade(other, chapter, NONE).notes == ["scores is not what this edition prints"]
    other = json.dumps(notebook("scores = [0.5, 2.0]\nn = object()")).encode()
    assert len(grade(other, chapter, NONE).notes) == 2


def test_answers_taken_from_a_library_are_noted_and_not_punished(graded: Any) -> None:
    cell = "try:\n    from seq2seq_edu.equations import softmax\nexcept ImportError: softmax = 'not here'"
    other = "def f(): return softmax\ndef g(q): return torch.nn.functional.scaled_dot_product_attention(q)"
    result, got = graded(cell, other, ask=("f",))
    assert got == {"f": "not here"} and result.points == 1
    assert "cell 0 imports seq2seq_edu.equations" in result.notes
    assert "cell 1 uses scaled_dot_product_attention" in result.notes


def test_a_strangers_text_is_short_and_can_be_written(graded: Any) -> None:
    result, _ = graded("raise ValueError('a\\nb\\x1b[31m\\ud800\\u202e' + 'x' * 1000)", ask=("f",))
    text = result.cells[0][2]
    assert text.startswith("a b [31m?") and len(text) < 310 and text.encode() and text.isprintable()


def test_outcomes_come_in_the_order_of_the_checks_and_the_seed_decides_the_inputs() -> None:
    chapter, drawn = Chapter("01_test"), list[float]()
    question = chapter.question("1.1", "q", kind="build", level=1, minutes=1, hints=("h",))
    for name, hidden in (("a", False), ("b", True), ("c", False)):

        def look(s: Student, name: str = name) -> None:
            drawn.append(number := float(s.rng.random()))
            expect_close(s.double(number), 2 * number)

        look.__name__ = name
        question.check(points=1, hint="h", hidden=hidden)(look)
    data = json.dumps(notebook("def double(x): return 2 * x")).encode()
    results = [grade(data, chapter, NONE, seed=seed) for seed in ("1", "1", "2")]
    assert [one.check.name for one in results[0].outcomes["1.1"]] == ["a", "b", "c"]
    assert drawn[:3] == drawn[3:6] and not set(drawn[:3]) & set(drawn[6:])
    assert all(result.points == 3 and len(result.sha256) == 64 for result in results)


# The walls


def options(command: list[str], option: str) -> list[str]:
    """Return what follows each use of an option."""
    return [command[i + 1] for i, word in enumerate(command) if word == option]


@pytest.mark.parametrize("name", ["docker", "podman"])
def test_the_command_line_of_a_container(name: str) -> None:
    command = Sandbox(name, f"/usr/bin/{name}").command(("equations",))
    assert command[:4] == [f"/usr/bin/{name}", "run", "--rm", "--interactive"]
    assert options(command, "--network") == ["none"] and options(command, "--cap-drop") == ["ALL"]
    assert options(command, "--user") == ["65534:65534"] and options(command, "--pids-limit") == ["100"]
    assert options(command, "--memory") == options(command, "--memory-swap") == ["3g"]
    assert options(command, "--security-opt") == ["no-new-privileges"] and "--read-only" in command
    assert "SEQ2SEQ_EDU_GRADING=1" in options(command, "--env")
    mounts = options(command, "--mount")
    package = sandbox.PACKAGE
    assert f'type=bind,"target={package}","source={package}",readonly' in mounts
    assert f'type=bind,"target={package}/equations.py","source=/dev/null",readonly' in mounts
    assert all(mount.endswith(",readonly") for mount in mounts if mount.startswith("type=bind"))
    assert str(package.parent) not in [mount.split('"')[3] for mount in mounts if "source" in mount]
    image = command.index(sandbox.IMAGE)
    assert command[image - 2 : image] == ["--entrypoint", str(sandbox.PYTHON)]
    assert command[image + 1 : image + 4] == ["-I", "-S", "-c"] and command[-1].endswith(sandbox.WORKER)
    other = Sandbox(name, name).command()
    assert options(other, "--name") != options(command, "--name")


def test_a_container_is_removed_by_its_name(tmp_path: Path) -> None:
    tool = tmp_path / "docker"
    said = tmp_path / "said"
    tool.write_text(f'#!/bin/sh\necho "$@" >> "{said}"\ncase $1 in run) exec sleep 600;; esac\n')
    tool.chmod(0o755)
    box = Sandbox("docker", str(tool))
    process = box.start()
    while not (said.exists() and said.read_text().endswith("\n")):
        assert process.poll() is None
        time.sleep(0.01)
    box.stop(process)
    label = options(list(process.args), "--name")[0]  # type: ignore[call-overload]
    assert said.read_text().splitlines()[-1] == f"rm --force {label}"
    assert process.returncode is not None


def test_a_project_below_a_folder_that_is_shown_is_emptied_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "PACKAGE", Path("/usr/src/the app/seq2seq_edu"))
    monkeypatch.setattr(sandbox, "LIBRARIES", ["/usr/src/the app/.venv/lib/python3/site-packages"])
    seen = [*sandbox._visible(("equations",))]
    project = seen.index(("empty", "/usr/src/the app"))
    assert seen.index(("show", "/usr")) < project < seen.index(("show", sandbox.LIBRARIES[0]))
    assert seen[-2:] == [
        ("show", "/usr/src/the app/seq2seq_edu"),
        ("hide", "/usr/src/the app/seq2seq_edu/equations.py"),
    ]


def test_without_walls_nothing_runs_unless_one_insists(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxError, match="(?s)bwrap: not installed.*Install bubblewrap"):
        choose()
    for name in ("bwrap", "docker"):  # there, and useless
        (tmp_path / name).write_text(f"#!/bin/sh\necho {name} is not allowed here >&2\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    with pytest.raises(SandboxError, match="(?s)bwrap is not allowed here.*docker is not allowed here"):
        choose()
    assert choose(unsafe=True).name == "none" and "NO SANDBOX" in sandbox.BANNER


def test_the_judge_needs_no_unix_to_be_imported() -> None:
    code = "import sys\nfor m in ('resource', 'fcntl', 'pwd'): sys.modules[m] = None\n"
    code += "import seq2seq_edu.grading.judge, seq2seq_edu.grading.worker"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_not_there_has_no_memory() -> None:
    assert watch.held(2**30, False) == watch.held(2**30, True) == 0


def test_checks_can_fail_and_expect() -> None:
    for wrong in (lambda: fail("no"), lambda: expect(False, "no")):
        with pytest.raises(AssertionError, match="no"):
            wrong()


def test_a_reader_and_the_grader_of_numpy_wait_for_no_large_library() -> None:
    face = "from seq2seq_edu.grading import check, hint, Chapter"
    grader = "from seq2seq_edu.grading import batch, commands, handout, judge, report, worker"
    for program, heavy in ((face, ("torch", "jinja2", "tqdm", "nbformat")), (grader, ("torch", "nbformat"))):
        code = f"import sys\n{program}\nprint([m for m in {heavy} if m in sys.modules])"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == "[]\n"
