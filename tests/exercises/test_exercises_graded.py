"""The exercises through the real grader: solutions earn all, stubs nothing, wrong answers what they should.

And the visible checks say the same in the reader's kernel and behind the walls.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from test_exercises import EXERCISES, SLUGS, SOLUTIONS, chapter, run_cells, wrong

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


@pytest.mark.parametrize("slug", SLUGS)
def test_the_solution_earns_all(slug: str, walls: sandbox.Sandbox) -> None:
    result = judge.grade(SOLUTIONS / f"{slug}.ipynb", chapter(slug), walls, seed=SEED, limits=PATIENT)
    missed = [one.message for some in result.outcomes.values() for one in some if not one.passed]
    assert (result.status, missed, result.cells) == ("graded", [], [])
    assert result.points == result.total == sum(q.points for q in chapter(slug).questions.values())


@pytest.mark.parametrize("slug", SLUGS)
def test_the_stub_earns_nothing_and_says_so(slug: str, walls: sandbox.Sandbox) -> None:
    result = judge.grade(EXERCISES / f"{slug}.ipynb", chapter(slug), walls, seed=SEED, limits=PATIENT)
    assert (result.status, result.points, result.cells) == ("graded", 0, [])
    assert {one.message for some in result.outcomes.values() for one in some} == {"not answered yet"}


ROUNDS = [(slug, k) for slug in SLUGS for k in range(max(Counter(w.question for w in wrong(slug)).values()))]


@pytest.mark.parametrize(("slug", "k"), [pytest.param(*one, id=f"{one[0]}-{one[1]}") for one in ROUNDS])
def test_wrong_answers_earn_the_same_on_both_sides(
    slug: str, k: int, walls: sandbox.Sandbox, tmp_path: Path
) -> None:
    """The k-th wrong answer to every question of a chapter, in one notebook."""
    asked = {item.question: [w for w in wrong(slug) if w.question == item.question] for item in wrong(slug)}
    items = [listed[k] for listed in asked.values() if k < len(listed)]
    notebook = json.loads((SOLUTIONS / f"{slug}.ipynb").read_text(encoding="utf-8"))
    blank = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    notebook["cells"] += [{**blank, "id": f"wrong-{n}", "source": item.code} for n, item in enumerate(items)]
    path = tmp_path / f"{slug}.ipynb"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    result = judge.grade(path, chapter(slug), walls, seed="0", limits=PATIENT)
    names = run_cells(path)
    for item in items:
        question = chapter(slug).questions[item.question]
        here = list(run(question, local(names), given=chapter(slug).given(question.id)))
        there = result.outcomes[question.id]
        assert earned(there) == earned(here) == item.points, item.name
        seen = [(one.kind, one.message) for one in here if not one.check.hidden]
        assert [(one.kind, one.message) for one in there if not one.check.hidden] == seen, item.name
