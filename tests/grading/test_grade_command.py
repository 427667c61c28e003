"""Grading a class: rows as they come, nothing done twice, shards that make a whole, points given by hand."""

import csv
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from seq2seq_edu.cli import main
from seq2seq_edu.grading import Chapter, batch, commands, judge, sandbox
from seq2seq_edu.grading.judge import Result
from seq2seq_edu.grading.questions import load, local, run

ROOT = Path(__file__).resolve().parents[2]
SLUG = "03_toy"
CHECKS = """
from seq2seq_edu.grading.questions import Chapter, expect
chapter = Chapter("03_toy")
double = chapter.question("3.1", "Double", kind="build", level=1, minutes=5, hints=("twice",),
                          constants=lambda rng: {"START": int(rng.integers(100))})

@double.check(points=1, hint="twice")
def twice(s):
    expect(s.double(4) == 8)

@double.check(points=2, hint="of any number", hidden=True)
def any_number(s):
    number = int(s.rng.integers(10**6)) + s.given["START"]
    expect(s.double(number) == 2 * number)

half = chapter.question("3.2", "Half", kind="build", level=1, minutes=5, hints=("half",))

@half.check(points=1.5, hint="a half")
def halves(s):
    expect(s.half(4) == 2)

chapter.question("3.3", "Say why", kind="explain", level=1, minutes=5, hints=("why",), by_hand=4)
"""
RIGHT = "def double(x): return 2 * x\ndef half(x): return x / 2"
ANSWERS = {
    "anna": RIGHT,
    "Anna": "def double(x): return 8\ndef half(x): return x / 2",
    "张三": "def half(x): return x / 2",
    "=cmd|calc": RIGHT,
    "ben": RIGHT + "\nslow = True",
    "crash": "os._exit",
    "zoe": "",
}
POINTS = {
    "anna": "4.5",
    "Anna": "2.5",
    "张三": "1.5",
    "=cmd|calc": "4.5",
    "ben": "4.5",
    "crash": "",
    "zoe": "0",
}
graded: list[str] = []  # what the stand-in for the judge has seen


def judged(
    notebook: bytes, chapter: Chapter, sandbox: object, *, seed: str, given: dict[str, dict[str, object]]
) -> Result:
    """Stand in for the judge: run trusted code here."""
    source = "".join(json.loads(notebook)["cells"][0]["source"])
    graded.append(source)
    if source == "os._exit":
        raise RuntimeError("=the judge fell over")
    time.sleep(0.1 * ("slow" in source))  # so that rows come in another order than names
    names: dict[str, object] = {}
    exec(source, names)
    found = {id: list(run(q, local(names), seed, given[id])) for id, q in chapter.questions.items()}
    seconds = time.monotonic() % 10
    digest = hashlib.sha256(notebook).hexdigest()
    return Result("graded", found, [], [f"seed {seed}"], digest, seconds, "bwrap")


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Put the stand-in in the place of the judge; write the checks and the class."""
    graded.clear()
    monkeypatch.setattr(judge, "grade", judged)
    monkeypatch.setattr(
        sandbox, "choose", lambda unsafe=False: sandbox.Sandbox("none" if unsafe else "bwrap")
    )
    monkeypatch.chdir(tmp_path)
    Path("checks").mkdir()
    Path("checks", f"{SLUG}.py").write_text(CHECKS)
    for student, source in ANSWERS.items():
        hand_in(student, source)


def hand_in(student: str, source: str) -> None:
    """Write somebody's notebook."""
    folder = Path("class", student)
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"cells": [{"cell_type": "code", "source": [source]}]})
    (folder / f"{SLUG}.ipynb").write_text(text)


def grade(out: str, *more: str) -> int:
    """Run the command grade."""
    return main(
        ["grade", "class", "--exercise", SLUG, "--checks", "checks", "--out", out, "--jobs", "2", *more]
    )


def rows(out: str) -> list[dict[str, str]]:
    """Return a table as others read it, without the seconds."""
    with Path(out, "grades.csv").open(encoding="utf-8", newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def totals(out: str) -> dict[str, str]:
    """Return what each student has."""
    return {row["student"].lstrip("'"): row["total"] for row in rows(out)}


def test_a_class_becomes_a_table_and_pages(capsys: pytest.CaptureFixture[str]) -> None:
    assert grade("out") == 0
    assert totals("out") == POINTS and list(totals("out")) == sorted(POINTS)
    table = {row["student"]: row for row in rows("out")}
    ids = ["3.1", "3.2", "3.3 by hand (of 4)"]
    facts = ["total", "maximum", "status", "sandbox", "sha256", "seed", "version", "notes"]
    assert list(table["anna"]) == ["student", *ids, *facts]
    assert [table["Anna"][column] for column in (*ids, "maximum", "status")] == [
        "1",
        "1.5",
        "",
        "8.5",
        "graded",
    ]
    assert table["crash"]["status"] == "crashed" and "RuntimeError" in table["crash"]["notes"]
    assert table["'=cmd|calc"]["sandbox"] == "bwrap"
    assert len(list(Path("out/feedback").iterdir())) == 2 * len(ANSWERS)
    assert "6 graded, 1 crashed" in capsys.readouterr().out


def test_the_same_input_and_seed_give_the_same_table() -> None:
    grade("one")
    grade("two", "--jobs", "1")
    grade("other", "--seed", "7")
    assert rows("one") == rows("two")
    assert rows("one") != rows("other") and totals("one") == totals("other")
    for page in Path("one/feedback").iterdir():
        assert page.read_bytes() == Path("two/feedback", page.name).read_bytes()
        assert "seed" not in page.read_text("utf-8")  # from which hidden inputs could be found out


def test_the_constants_are_those_of_the_edition(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(
        judge, "grade", lambda *a, given, **k: seen.append(given["3.1"]) or judged(*a, given=given, **k)
    )
    grade("out")
    grade("out", "--edition", "spring")
    chapter = load(Path("checks", f"{SLUG}.py"))
    assert seen[0] == chapter.given("3.1") and seen[-1] == chapter.given("3.1", "spring") != seen[0]
    assert len(seen) == 2 * len(ANSWERS)  # another edition is graded anew


# Nothing is done twice, and nothing that has changed is kept.


def test_what_holds_is_kept() -> None:
    grade("out")
    before = rows("out")
    graded.clear()
    grade("out")
    assert rows("out") == before and graded == ["os._exit"]  # where the judge failed, it tries again


@pytest.mark.parametrize(
    ("change", "again"),
    [
        (lambda: hand_in("anna", RIGHT + "\n"), 2),
        (lambda: Path("out/feedback/anna.html").unlink(), 2),
        (lambda: Path("checks", f"{SLUG}.py").write_text(CHECKS + "\n"), len(ANSWERS)),
        (lambda: hand_in("new", RIGHT), 2),
    ],
)
def test_what_has_changed_is_graded_again(change: Callable[[], object], again: int) -> None:
    grade("out")
    graded.clear()
    change()
    grade("out")
    assert len(graded) == again
    grade("fresh")
    assert rows("out") == rows("fresh")


def test_another_seed_or_sandbox_is_graded_again(capsys: pytest.CaptureFixture[str]) -> None:
    grade("out")
    for more in (["--seed", "2"], ["--seed", "2", "--unsafe-no-sandbox"]):
        graded.clear()
        grade("out", *more)
        assert len(graded) == len(ANSWERS)
    assert "NO SANDBOX" in capsys.readouterr().err


@pytest.mark.parametrize("cut", [1, 2, 4, 40, 130])
def test_a_half_written_last_row_spoils_nothing(cut: int) -> None:
    grade("out")
    whole = rows("out")
    file = Path("out/grades.csv")
    lines = file.read_bytes().splitlines(keepends=True)
    order = [lines[0], *lines[1:-2], next(line for line in lines if "张三".encode() in line)]
    file.write_bytes(
        b"".join(order)[:-cut] if cut < 130 else b"".join(order[:-1]) + order[-1][:5]
    )  # in a letter
    graded.clear()
    assert grade("out") == 0
    assert rows("out") == whole and 1 <= len(graded) <= 4


KILLED = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_grade_command as t
def judged(notebook, *args, **options):
    if b"slow" in notebook:
        os.kill(os.getpid(), 9)
    return t.judged(notebook, *args, **options)
t.judge.grade = judged
t.sandbox.choose = lambda unsafe: t.sandbox.Sandbox("bwrap")
t.main(["grade", "class", "--exercise", t.SLUG, "--checks", "checks", "--out", "out", "--jobs", "1"])
"""


@pytest.mark.skipif(os.name != "posix", reason="there is no SIGKILL here")
def test_after_a_kill_it_goes_on_where_it_was() -> None:
    grade("whole")
    words = [sys.executable, "-c", KILLED, str(ROOT / "tests" / "grading")]
    assert subprocess.run(words, capture_output=True).returncode == -signal.SIGKILL
    left = rows("out")
    assert 1 <= len(left) < len(ANSWERS)
    graded.clear()
    grade("out")
    assert rows("out") == rows("whole")
    assert len(graded) <= len(ANSWERS) - len(left) + 1  # and the one where the judge fails
    names = [path.name for path in Path("out").rglob("*.tmp")]
    assert not names


# Shards, and points given by hand.


def test_shards_put_together_are_the_whole() -> None:
    grade("whole")
    for k in (1, 2, 3):
        grade(f"shard{k}", "--shard", f"{k}/3")
    assert sum(len(rows(f"shard{k}")) for k in (1, 2, 3)) == len(ANSWERS)
    assert main(["grade-merge", "shard3", "shard1", "shard2", "--out", "all"]) == 0
    assert rows("all") == rows("whole")
    for page in Path("whole/feedback").iterdir():
        assert page.read_bytes() == Path("all/feedback", page.name).read_bytes()


def test_what_does_not_belong_together_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for k in (1, 2, 3):
        grade(f"shard{k}", "--shard", f"{k}/3")
    grade("seed", "--shard", "3/3", "--seed", "9")
    assert main(["grade-merge", "shard1", "shard2", "seed", "--out", "all"]) == 2
    assert "different questions, seeds or versions" in capsys.readouterr().err
    assert main(["grade-merge", "shard1", "shard2", "--out", "all"]) == 2  # one is missing
    assert main(["grade-merge", "shard1", "shard1", "shard2", "--out", "all"]) == 2
    assert "the shards 1/3, 1/3, 2/3: name all" in capsys.readouterr().err
    assert not Path("all/grades.csv").exists()
    assert grade("shard1", "--shard", "2/3") == 2
    assert "give each shard its own --out" in capsys.readouterr().err


def test_points_by_hand_join_the_others(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("hand.csv").write_text("student,question,points\nanna,3.3,3\n张三,3.3,0.5\ncrash,3.3,1\n", "utf-8")
    grade("late")
    assert main(["grade-merge", "late", "--out", "late", "--by-hand", "hand.csv"]) == 0
    grade("early", "--by-hand", "hand.csv")
    assert rows("early") == rows("late")
    assert totals("early") == POINTS | {"anna": "7.5", "张三": "2", "crash": "1"}
    assert "3 of 4" in Path("early/feedback/anna.html").read_text("utf-8")
    assert "7.5" in Path("late/feedback/anna.md").read_text("utf-8")
    hand_in("anna", RIGHT + "\n")
    grade("early")
    assert totals("early")["anna"] == "7.5"  # they stay until others come

    def interrupted(tasks: Iterator[Any], *rest: Any, **options: Any) -> Iterator[Any]:
        yield next(tasks)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(batch, "tqdm", interrupted)  # Ctrl-C while the command waits for its rows
        assert grade("early", "--seed", "2") == 130
    grade("early", "--seed", "2")
    assert totals("early")["anna"] == "7.5"  # nor does a stop in between lose them
    before = Path("early/grades.csv").read_bytes()
    Path("hand.csv").write_text("student,question,points\nanna,3.3,3\nnobody,3.3,1\n", "utf-8")
    assert grade("early", "--by-hand", "hand.csv") == 2
    assert main(["grade-merge", "early", "--out", "early", "--by-hand", "hand.csv"]) == 2
    assert capsys.readouterr().err.count("hand.csv, line 3: no student 'nobody'") == 2
    assert Path("early/grades.csv").read_bytes() == before


def test_everybody_has_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    Path("class/two").mkdir()
    for name in (f"{SLUG} (1).ipynb", f"{SLUG} (2).ipynb"):
        Path("class/two", name).write_text("{}")
    Path("class/spoilt.zip").write_bytes(b"PK")
    Path("list.csv").write_text("student\n" + "\n".join([*ANSWERS, "two", "absent"]) + "\n", "utf-8")
    grade("out", "--class-list", "list.csv")
    table = {row["student"]: row for row in rows("out")}
    assert {name: table[name]["status"] for name in ("two", "spoilt", "absent")} == {
        "two": "unreadable", "spoilt": "unreadable", "absent": "missing",
    }  # fmt: skip
    assert all(table[name]["total"] == "" and table[name]["notes"] for name in ("two", "spoilt", "absent"))
    assert table["spoilt"]["notes"].startswith("not on the class list; spoilt.zip cannot be unpacked")
    assert Path("out/feedback/absent.html").exists()
    assert f"two: unreadable, 2 files could be meant, keep one: {SLUG} (1).ipynb" in capsys.readouterr().out
    grade("out")
    assert [row["student"] for row in rows("out") if "class list" in row["notes"]] == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--exercise", "04_other"], "no checks for '04_other' in checks, choose from: 03_toy"),
        (["--checks", "nowhere"], "no folder nowhere"),
        (["--out", "class/out"], "lies in the folder of the submissions"),
        (["--out", "."], "lies in|is no table"),
    ],
)
def test_wrong_options_are_told(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("grades.csv").write_text("my own table\n")
    assert grade("out", *words) == 2
    error = capsys.readouterr().err
    assert any(part in error for part in message.split("|")) and not graded
    assert Path("grades.csv").read_text() == "my own table\n"


@pytest.mark.parametrize("words", [["--shard", "3/2"], ["--shard", "0/2"], ["--jobs", "0"], ["--shard", "x"]])
def test_wrong_numbers_are_told(words: list[str]) -> None:
    with pytest.raises(SystemExit):
        grade("out", *words)


def test_without_walls_nothing_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none(unsafe: bool = False) -> sandbox.Sandbox:
        raise sandbox.SandboxError("install bubblewrap")

    monkeypatch.setattr(sandbox, "choose", none)
    assert grade("out") == 2
    assert "install bubblewrap" in capsys.readouterr().err and not graded and not Path("out").exists()


def test_many_at_once_are_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    all_of_them = threading.Barrier(len(ANSWERS))

    def meeting(*args: Any, **kwargs: Any) -> Result:
        all_of_them.wait(timeout=60)  # nobody goes on until all have come
        return judged(*args, **kwargs)

    monkeypatch.setattr(judge, "grade", meeting)
    grade("out", "--jobs", str(len(ANSWERS)))
    assert totals("out") == POINTS


# With the judge and the walls.


@pytest.fixture
def walls() -> sandbox.Sandbox:
    """Return the walls of this machine, or skip the test and say why."""
    try:
        return sandbox.choose()
    except sandbox.SandboxError as error:
        pytest.skip(f"no sandbox here: {error}")


@pytest.mark.parametrize("slug", ["03_attention_weights"])
def test_a_solution_is_graded_behind_walls(
    slug: str, walls: sandbox.Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    Path("real/hacker").mkdir(parents=True)
    Path("real/anna").mkdir()
    Path("real/anna", f"{slug}.ipynb").write_bytes((ROOT / "solutions" / f"{slug}.ipynb").read_bytes())
    Path("real/hacker", f"{slug}.ipynb").write_text("{")
    words = ["grade", "real", "--exercise", slug, "--out", "out", "--jobs", "1"]
    assert commands.CHECKS.is_dir() and main(words) == 0
    anna, hacker = rows("out")
    checked = load(commands.CHECKS / f"{slug}.py").questions.values()
    assert anna["status"] == "graded" and anna["sandbox"] == walls.name
    assert float(anna["total"]) == sum(question.points for question in checked)
    assert (hacker["status"], hacker["total"]) == ("unreadable", "") and hacker["notes"]
    before = Path("out", batch.GRADES).read_bytes()
    assert main(words) == 0 and Path("out", batch.GRADES).read_bytes()[:200] == before[:200]
