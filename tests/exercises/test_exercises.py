"""Exercises: made from the solutions without drift or leak; right answers pass, wrong ones get their hint."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import re
import runpy
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from conftest import load_script

from seq2seq_edu.grading import Chapter, handout
from seq2seq_edu.grading.checker import Checker
from seq2seq_edu.grading.questions import (
    KINDS,
    Outcome,
    Question,
    earned,
    expect_shape,
    load,
    local,
    run,
)

ROOT = Path(__file__).resolve().parents[2]
SOLUTIONS, EXERCISES = ROOT / "solutions", ROOT / "exercises"
SLUGS = sorted(path.stem for path in SOLUTIONS.glob("[0-9][0-9]_*.ipynb"))
SEEDS = ("0", "1", "another")
MADE = "made to pass the visible checks"  # the wrong answers that a class learns of when it is graded
Cell = dict[str, Any]
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # wrong answers overflow


class Wrong(NamedTuple):
    """A wrong answer, the points it earns and words of the message it meets."""

    question: str
    name: str
    points: float
    words: str
    code: str


def cells(path: Path, kind: str = "code") -> list[Cell]:
    """Return the cells of a notebook, their sources as one text."""
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [{**cell, "source": "".join(cell["source"])} for cell in found if cell["cell_type"] == kind]


@cache
def chapter(slug: str) -> Chapter:
    """Return the questions of a chapter, with hidden checks."""
    return load(SOLUTIONS / "checks" / f"{slug}.py")


@cache
def wrong(slug: str) -> list[Wrong]:
    """Return the wrong answers of a chapter."""
    return [Wrong(*listed) for listed in runpy.run_path(str(SOLUTIONS / "wrong" / f"{slug}.py"))["WRONG"]]


def run_cells(path: Path, edition: str = "0") -> dict[str, Any]:
    """Run a notebook without its checks, in the edition of a seed."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for cell in cells(path):
        source = cell["source"]
        given = handout.GIVEN.match(source)
        if given:
            source = handout.given_cell(given[1], chapter(path.stem).given(given[1], edition))
        if not re.match(r"(check|hint)\b", source):
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(source, f"<{cell['id']}>", "exec"), namespace)
    return namespace


@cache
def solved(slug: str, edition: str = "0") -> dict[str, Any]:
    """Return the names of a solution notebook."""
    return run_cells(SOLUTIONS / f"{slug}.ipynb", edition)


def first_message(outcomes: list[Outcome]) -> str:
    """Return what a student is told."""
    return next((outcome.message for outcome in outcomes if not outcome.passed), "")


# Generated without drift and without leak


def test_there_are_enough() -> None:
    questions = [question for slug in SLUGS for question in chapter(slug).questions.values()]
    assert len(questions) >= 29
    assert {question.kind for question in questions} == set(KINDS)
    assert {question.level for question in questions} == {1, 2, 3, 4}


def test_exercises_are_what_the_tool_writes() -> None:
    texts = handout.notebooks(SOLUTIONS)
    for name, text in texts.items():
        same = (EXERCISES / name).exists() and (EXERCISES / name).read_text(encoding="utf-8") == text
        assert same, f"{name} is not what the solutions give: run tools/make_exercises.py"
    assert {path.name for path in EXERCISES.iterdir() if path.suffix in (".ipynb", ".py")} == {*texts}
    assert not (EXERCISES / "checks").exists(), "check() reads those of solutions/, without the hidden ones"


@pytest.mark.parametrize("slug", SLUGS)
def test_exercises_leak_nothing(slug: str) -> None:
    text = (EXERCISES / f"{slug}.ipynb").read_text(encoding="utf-8")
    assert "### BEGIN" not in text and "### END" not in text
    solution = cells(SOLUTIONS / f"{slug}.ipynb")
    answers = [cell["id"] for cell in solution if "### BEGIN SOLUTION" in cell["source"]]
    left = {cell["id"]: cell for cell in cells(EXERCISES / f"{slug}.ipynb")}
    assert answers, "no answers were cut"
    for id in answers:
        assert "raise NotImplementedError()" in left[id]["source"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in left.values())
    checks = handout.student_checks(SOLUTIONS / "checks" / f"{slug}.py")
    for question in chapter(slug).questions.values():
        for check in question.checks:
            assert (f"def {check.name}(" in checks) != check.hidden, f"{question.id} {check.name}"
    assert "hidden=True" not in checks and "HIDDEN TESTS" not in checks


@pytest.mark.parametrize("slug", SLUGS)
def test_a_reader_alone_has_the_checks_but_the_hidden_ones(slug: str) -> None:
    alone = load(SOLUTIONS / "checks" / f"{slug}.py", hidden=False)
    for id, question in chapter(slug).questions.items():
        visible = [check.name for check in question.checks if not check.hidden]
        assert [check.name for check in alone.questions[id].checks] == visible
        assert alone.unseen.get(id, 0) == len(question.checks) - len(visible)
        assert alone.given(id) == chapter(slug).given(id)


def test_no_code_of_a_hidden_part_runs_for_a_reader_alone(tmp_path: Path) -> None:
    path = tmp_path / "01_x.py"
    head = "from seq2seq_edu.grading import Chapter\nchapter = Chapter('01_x')\n"
    path.write_text(f"{head}### BEGIN HIDDEN TESTS\nprint(1 / 0)\n### END HIDDEN TESTS\n")
    assert load(path, hidden=False).questions == {}
    with pytest.raises(ZeroDivisionError):
        load(path)


def test_a_marker_left_open_leaks_no_check(tmp_path: Path) -> None:
    path = tmp_path / "01_x.py"
    path.write_text("chapter = 1\n### BEGIN HIDDEN TESTS\nb = 2\n")
    with pytest.raises(ValueError, match="BEGIN HIDDEN TESTS"):
        load(path, hidden=False)


@pytest.mark.parametrize("slug", SLUGS)
def test_the_chapter_lists_its_exercises(slug: str) -> None:
    tool = load_script(ROOT / "tools" / "make_exercises.py")
    texts = [cell["source"] for cell in cells(ROOT / "notebooks" / f"{slug}.ipynb", "markdown")]
    assert tool.chapter_text(chapter(slug)) in texts, "run tools/make_exercises.py"


# Questions and notebooks fit


@pytest.mark.parametrize("slug", SLUGS)
def test_headings_and_points_are_those_of_the_checks(slug: str) -> None:
    text = cells(SOLUTIONS / f"{slug}.ipynb", "markdown")
    headings = [cell["source"].splitlines()[0] for cell in text if cell["source"].startswith("## Exercise")]
    questions = list(chapter(slug).questions.values())
    assert headings == [
        f"## Exercise {q.id} · {q.title} · {'★' * q.level} {q.kind} · {q.minutes} min" for q in questions
    ]
    code = cells(SOLUTIONS / f"{slug}.ipynb")
    asked = [cell for cell in code if re.fullmatch(r'check\(".*"\)', cell["source"])]
    assert [cell["source"] for cell in asked] == [f'check("{q.id}")' for q in questions]
    visible = [sum(check.points for check in q.checks if not check.hidden) for q in questions]
    assert [cell["metadata"]["nbgrader"]["points"] for cell in asked] == visible
    for cell in text:
        if "### BEGIN SOLUTION" in cell["source"]:
            continue
        words = re.findall(
            r"[\w'-]+", re.sub(r"`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|\]\([^)]*\)", " x ", cell["source"])
        )
        assert len(words) <= 110, f"{cell['id']} has {len(words)} words"


@pytest.mark.parametrize("slug", SLUGS)
def test_the_solution_was_run_and_shows_that_it_passes(slug: str) -> None:
    path = SOLUTIONS / f"{slug}.ipynb"
    assert load_script(ROOT / "tools" / "check_notebooks.py").static_problems(path) == []
    said = {cell["source"]: "".join("".join(one["text"]) for one in cell["outputs"]) for cell in cells(path)}
    for id in chapter(slug).questions:
        assert said[f'check("{id}")'] == f"{id}  PASS\n", f"run tools/refresh_notebooks.py {path}"


@pytest.mark.parametrize("slug", SLUGS)
def test_given_cells_hold_the_constants_of_the_book(slug: str) -> None:
    sources = [cell["source"] for cell in cells(SOLUTIONS / f"{slug}.ipynb")]
    given = [source for source in sources if handout.GIVEN.match(source)]
    constants = {id: chapter(slug).given(id) for id in chapter(slug).questions}
    assert given == [handout.given_cell(id, values) for id, values in constants.items() if values]
    names = Counter(name for values in constants.values() for name in values)
    assert not [name for name, times in names.items() if times > 1], "one name in two questions"


@pytest.mark.parametrize("slug", SLUGS)
def test_a_question_is_whole(slug: str) -> None:
    for id, question in chapter(slug).questions.items():
        assert id.split(".")[0] == str(int(slug[:2]))
        assert any(not check.hidden for check in question.checks), id
        assert len(question.hints) >= 2, id
        assert len({check.name for check in question.checks}) == len(question.checks), id
        assert all(check.hint.strip() for check in question.checks), id
        if question.kind == "predict":
            assert question.constants, f"{id}: a prediction without constants is the same in every class"
        assert sum(item.question == id for item in wrong(slug)) >= 3, id


# Right, unanswered and wrong answers


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("slug", SLUGS)
def test_the_solution_earns_all(slug: str, seed: str) -> None:
    for id, question in chapter(slug).questions.items():
        names = solved(slug, seed if question.constants else "0")
        outcomes = list(run(question, local(names), seed, chapter(slug).given(id, seed)))
        assert earned(outcomes) == question.points, f"{id}: {first_message(outcomes)}"


@pytest.mark.parametrize("slug", SLUGS)
def test_the_stub_earns_nothing_and_says_so(slug: str) -> None:
    names = run_cells(EXERCISES / f"{slug}.ipynb")
    for question in chapter(slug).questions.values():
        outcomes = list(run(question, local(names), given=chapter(slug).given(question.id)))
        assert earned(outcomes) == 0, question.id
        assert first_message(outcomes) == "not answered yet", question.id


@pytest.mark.parametrize("slug", SLUGS)
def test_a_wrong_answer_earns_its_points_and_meets_its_hint_and_every_check_fails_once(slug: str) -> None:
    questions, failed, amiss = chapter(slug).questions, set(), []
    for item in wrong(slug):
        question = questions[item.question]
        with answered(slug, item) as names:
            outcomes = list(run(question, local(names), given=chapter(slug).given(question.id)))
        failed |= {(question.id, outcome.check.name) for outcome in outcomes if not outcome.passed}
        said = first_message(outcomes)
        if not earned(outcomes) == item.points < question.points or item.words not in said:
            amiss.append(f"{item.question} {item.name}: {earned(outcomes)} points, {said!r}")
        if all(one.passed for one in outcomes if not one.check.hidden) != item.name.startswith(MADE):
            amiss.append(f"{item.question} {item.name}: what do the visible checks say?")
    assert not amiss, "\n".join(amiss)
    assert {(q.id, check.name) for q in questions.values() for check in q.checks} - failed == set()


# Answers of the right shape that say nothing


def plain(value: Any, fill: Callable[[Any], Any]) -> Any:
    """Return a value with every number of it replaced; its types, shapes and lengths stay."""
    if isinstance(value, torch.Tensor):
        return torch.from_numpy(np.asarray(fill(value.detach().numpy()))).to(value.dtype)
    if isinstance(value, np.ndarray):
        return np.asarray(fill(value)).astype(value.dtype)
    if isinstance(value, (bool, int, float, np.generic)):
        return type(value)(fill(np.asarray(value)))
    if isinstance(value, dict):
        return {name: plain(part, fill) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)([plain(part, fill) for part in value])
    return "" if isinstance(value, str) else value


def shape_of(value: Any) -> Any:
    """Return the shape of a value, or its type where it has none."""
    with contextlib.suppress(ValueError, TypeError):
        return np.shape(value)
    return type(value)


def handed_back(result: Any, arguments: Sequence[Any]) -> Any:
    """Return the first argument of the result's shape, or else the first one; of several results, for each."""
    if isinstance(result, tuple):
        return tuple(handed_back(part, arguments) for part in result)
    alike = [one for one in arguments if shape_of(one) == shape_of(result)]
    return [*alike, *arguments, None][0]


EMPTY_ANSWERS: dict[str, Callable[[Any, Sequence[Any]], Any]] = {
    "zeros": lambda result, _: plain(result, np.zeros_like),
    "ones": lambda result, _: plain(result, np.ones_like),
    "equal shares": lambda result, _: plain(result, lambda a: np.full(a.shape, 1 / (a.shape or [2])[-1])),
    "nothing": lambda result, _: None,
    "the input": handed_back,
}


def saying(function: Callable[..., Any], empty: Callable[[Any, Sequence[Any]], Any]) -> Callable[..., Any]:
    """Return a function that answers as another one does in form, and in nothing else."""

    def say(*arguments: Any, **named: Any) -> Any:
        values = arguments[1:] if arguments and isinstance(arguments[0], torch.nn.Module) else arguments
        return empty(function(*arguments, **named), [*values, *named.values()])

    return say


def empty_versions(slug: str, id: str, empty: Callable[[Any, Sequence[Any]], Any]) -> dict[str, Any]:
    """Return the answers to a question, of which each function or method says nothing, or does nothing."""
    cells_of = {cell["id"]: cell["source"] for cell in cells(SOLUTIONS / f"{slug}.ipynb")}
    start = f"ex{slug[:2]}-{id.replace('.', '-')}-answer"
    source = "\n".join(text for name, text in cells_of.items() if name == start or name.startswith(f"{start}-"))
    made: dict[str, Any] = {}
    for node in ast.parse(source).body:
        thing = solved(slug)[node.name] if isinstance(node, (ast.FunctionDef, ast.ClassDef)) else None
        if isinstance(node, ast.ClassDef):
            methods = [part.name for part in node.body if isinstance(part, ast.FunctionDef)]
            names = [name for name in methods if name != "__init__"]
            made[node.name] = type(node.name, (thing,), {k: saying(getattr(thing, k), empty) for k in names})
        elif isinstance(node, ast.FunctionDef):
            says = any(isinstance(part, ast.Return) for part in ast.walk(node))
            made[node.name] = saying(thing, empty) if says else lambda *_, **__: None
    return made


def earned_by_nothing(slug: str, question: Question) -> list[str]:
    """Return the checks of a question that an empty answer passes, each with that answer."""
    found = []
    for name, empty in EMPTY_ANSWERS.items():
        names = {**solved(slug), **empty_versions(slug, question.id, empty)}
        for outcome in run(question, local(names), given=chapter(slug).given(question.id)):
            if outcome.passed and outcome.check.points:
                found.append(f"{question.id} {outcome.check.name}: {name}")
    return found


@pytest.mark.parametrize("slug", SLUGS)
def test_answers_that_say_nothing_earn_nothing(slug: str) -> None:
    found = [line for question in chapter(slug).questions.values() for line in earned_by_nothing(slug, question)]
    assert not found, "\n".join(found)


def test_a_check_of_shapes_alone_is_found_out() -> None:
    question = chapter("03_attention_weights").questions["3.1"]
    weak = Question("3.1", "t", kind="build", level=1, minutes=1, hints=("a", "b"))

    @weak.check(points=1, hint="shape")
    def right_shape(s: Any) -> None:
        expect_shape(s.softmax(np.zeros((2, 3))), (2, 3), "weights")

    assert earned_by_nothing("03_attention_weights", question) == []
    found = earned_by_nothing("03_attention_weights", weak)
    assert found == [f"3.1 right_shape: {name}" for name in ("zeros", "ones", "equal shares", "the input")]


@contextlib.contextmanager
def answered(slug: str, *items: Wrong) -> Iterator[dict[str, Any]]:
    """Give the names of the solution notebook with wrong answers run after it; then all is as before."""
    names = solved(slug)
    kept = dict(names)
    try:
        for item in items:
            exec(compile(item.code, f"<{item.name}>", "exec"), names)
        yield names
    finally:
        names.clear()
        names.update(kept)


# Editions for a class


DREW = [(slug, q.id) for slug in SLUGS for q in chapter(slug).questions.values() if q.constants]


def test_editions_differ_in_what_is_accepted() -> None:
    seeds = [str(k) for k in range(8)]
    for slug, id in DREW:
        question = chapter(slug).questions[id]
        assert len({repr(chapter(slug).given(id, seed)) for seed in seeds}) >= 3, id
        if question.kind == "predict":
            theirs = [chapter(slug).given(id, seed) for seed in seeds[1:]]
            sums = [earned(run(question, local(solved(slug)), given=given)) for given in theirs]
            assert min(sums) < question.points, f"{id}: one answer fits every class"


def test_an_edition_for_a_class_carries_its_constants_and_not_its_text(tmp_path: Path) -> None:
    secret = "spring 2027"
    written = handout.write(SOLUTIONS, tmp_path, secret)
    assert {*written} == {path for path in tmp_path.rglob("*") if path.is_file()}
    assert len(written) == 2 * len(SLUGS)
    slug, id = DREW[0]
    theirs = load(tmp_path / "checks" / f"{slug}.py")
    hidden = {name: sum(c.hidden for c in q.checks) for name, q in chapter(slug).questions.items()}
    assert theirs.unseen == {name: number for name, number in hidden.items() if number}
    assert theirs.given(id) == chapter(slug).given(id, secret) != chapter(slug).given(id)
    assert secret not in (tmp_path / "checks" / f"{slug}.py").read_text(encoding="utf-8")
    notebook = (tmp_path / f"{slug}.ipynb").read_text(encoding="utf-8")
    assert secret not in notebook
    sources = [cell["source"] for cell in cells(tmp_path / f"{slug}.ipynb")]
    assert handout.given_cell(id, theirs.given(id)) in sources


# What a reader sees


def test_check_hint_and_progress(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(EXERCISES)
    check = Checker()
    exec("check('3.1')", {"check": check})
    assert capsys.readouterr().out.startswith("3.1  NOT YET: there is no ")
    exec("check('3.1')", run_cells(EXERCISES / "03_attention_weights.ipynb") | {"check": check})
    assert capsys.readouterr().out == "3.1  not answered yet\n"
    hidden = sum(item.hidden for item in chapter("03_attention_weights").questions["3.1"].checks)
    for quick in ("quick=True", "full=False"):
        exec(f"check('3.1', {quick})", solved("03_attention_weights") | {"check": check})
        assert capsys.readouterr().out == f"3.1  PASS so far  (quick: checks left out: {hidden})\n"
    for whole in ("", ", full=True", ", True"):
        exec(f"check('3.1'{whole})", solved("03_attention_weights") | {"check": check})
        assert capsys.readouterr().out == "3.1  PASS\n"
    for _ in range(9):
        check.hint("3.1")
    lines = capsys.readouterr().out.splitlines()
    last = len(chapter("03_attention_weights").questions["3.1"].hints)
    assert lines[0].startswith(f"3.1  hint 1 of {last}: ")
    assert lines[-1].startswith(f"3.1  hint {last} of {last}: ")
    check.progress()
    out = capsys.readouterr().out
    assert out.startswith("03_attention_weights: 1 of ") and re.search(r"3\.1 .* PASS ", out)
    assert "04_" not in out


def test_alone_a_check_sees_what_the_grader_sees(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fooled = "def softmax(scores): return (scores == scores.max(-1, keepdims=True)) + 0.0"
    monkeypatch.chdir(EXERCISES)
    names: dict[str, Any] = {"check": Checker()}
    exec(fooled, names)
    exec("check('3.1')", names)
    assert capsys.readouterr().out.startswith("3.1  NOT YET: ")


def test_in_a_class_pass_says_how_far_it_sees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    handout.write(SOLUTIONS, tmp_path, "spring 2027")
    monkeypatch.chdir(tmp_path)
    check = Checker()
    for how in ("", ", full=True", ", quick=True"):
        exec(f"check('3.1'{how})", solved("03_attention_weights") | {"check": check})
        hidden = sum(item.hidden for item in chapter("03_attention_weights").questions["3.1"].checks)
        kept = f"checks kept for the grading: {hidden}"
        assert capsys.readouterr().out == f"3.1  PASS as far as this copy can see  ({kept})\n"
    check.progress()
    assert "03_attention_weights: 1 of " in capsys.readouterr().out


@pytest.mark.parametrize(("id", "complaint"), [("3.99", "this chapter has 3.1"), ("77.1", "no such chapter")])
def test_an_unknown_exercise_is_refused(id: str, complaint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXERCISES)
    with pytest.raises(ValueError, match=complaint):
        Checker()(id)


def test_a_question_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a kind"):
        Chapter("x").question("1.1", "t", kind="guess", level=1, minutes=1, hints=("a",))
    assert Question("1.1", "t", "build", 1, 1, ("a",)).points == 0
