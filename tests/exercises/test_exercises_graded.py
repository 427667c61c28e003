"""The exercises through the real grader: solutions earn all, stubs nothing, wrong answers what they should.

And the visible checks say the same in the reader's kernel and behind the walls.
"""

from __future__ import annotations

import itertools
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from test_exercises import EXERCISES, SLUGS, SOLUTIONS, answered, chapter, wrong

from seq2seq_edu.grading import judge, sandbox
from seq2seq_edu.grading.questions import earned, local, run

SEED = "a class of our own"
PATIENT = judge.Limits(start=120, cell=120, call=120, submission=900)  # no verdict by the clock
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


@pytest.fixture(scope="module")
def walls() -> sandbox.Sandbox:
    """Give the sandbox, or skip and say why."""
    try:
        return sandbox.choose()
    except sandbox.SandboxError as error:
        pytest.skip(f"no sandbox here: {' '.join(str(error).split())}")


def results(folder: Path, walls: sandbox.Sandbox) -> dict[str, judge.Result]:
    """Grade the notebook of every chapter in a folder, two at a time."""

    def grade(slug: str) -> judge.Result:
        notebook = (folder / f"{slug}.ipynb").read_bytes()
        return judge.grade(notebook, chapter(slug), walls, seed=SEED, limits=PATIENT)

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(SLUGS, pool.map(grade, SLUGS), strict=True))


def test_solutions_earn_all(walls: sandbox.Sandbox) -> None:
    for slug, result in results(SOLUTIONS, walls).items():
        missed = [one.message for some in result.outcomes.values() for one in some if not one.passed]
        assert (result.status, missed, result.cells) == ("graded", [], []), slug
        assert result.points == result.total == sum(q.points for q in chapter(slug).questions.values())


def test_stubs_earn_nothing_and_say_so(walls: sandbox.Sandbox) -> None:
    for slug, result in results(EXERCISES, walls).items():
        assert (result.status, result.points, result.cells) == ("graded", 0, []), slug
        assert {one.message for some in result.outcomes.values() for one in some} == {"not answered yet"}


SWITCH = """
_kept, _wrong = {}, WRONG
def answer_wrongly(k):
    for name in {*globals()} - {*_kept}:
        del globals()[name]
    globals().update(_kept)
    for code in _wrong[k]:
        exec(code, globals())
_kept.update(globals())
"""


@pytest.mark.parametrize("slug", SLUGS)
def test_wrong_answers_earn_the_same_on_both_sides(slug: str, walls: sandbox.Sandbox) -> None:
    """Round k has the k-th wrong answer to every question; one notebook behind the walls goes through all."""
    asked = [[item for item in wrong(slug) if item.question == id] for id in chapter(slug).questions]
    rounds = [[item for item in some if item] for some in itertools.zip_longest(*asked)]
    codes = [[item.code for item in items] for items in rounds]
    notebook = json.loads((SOLUTIONS / f"{slug}.ipynb").read_text(encoding="utf-8"))
    notebook["cells"].append({"cell_type": "code", "source": SWITCH.replace("WRONG", repr(codes))})
    data, given = json.dumps(notebook).encode(), {id: chapter(slug).given(id) for id in chapter(slug).questions}
    end = time.monotonic() + PATIENT.submission
    session = judge._Session(data, walls, chapter(slug), given, PATIENT, end)
    try:
        for k, items in enumerate(rounds):
            switched = {"do": "call", "name": "answer_wrongly", "args": (k,), "kwargs": {}}
            assert session.ask(switched) == {"value": None}
            with answered(slug, *items) as names:
                for item in items:
                    question = chapter(slug).questions[item.question]
                    here = list(run(question, local(names), given=given[question.id]))
                    there = list(run(question, session.ask, given=given[question.id]))
                    assert earned(there) == earned(here) == item.points, item.name
                    seen = [(one.kind, one.message) for one in here if not one.check.hidden]
                    assert [(one.kind, one.message) for one in there if not one.check.hidden] == seen
    finally:
        session.stop()
