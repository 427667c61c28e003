"""What a reader calls in an exercise: `check("4.2")`, `hint("4.2")`, `check.progress()`."""

import os
import sys
from functools import cache
from pathlib import Path

from seq2seq_edu.grading.questions import Chapter, Question, load, local, run

BARS = {"": "not tried yet", "unanswered": "not answered yet", "failed": "NOT YET"}
BARS |= {"so far": "PASS so far", "passed": "PASS"}
SOLUTIONS = Path(__file__).resolve().parents[2] / "solutions" / "checks"
GRADING = "SEQ2SEQ_EDU_GRADING"  # set where a notebook is graded: there the judge runs the checks
NBGRADER = "NBGRADER_EXECUTION"  # set by nbgrader, which takes a cell that raises nothing for right


class Checker:
    """The checks of the exercises, and what came of them in this kernel."""

    def __init__(self) -> None:
        self._states: dict[str, str] = {}  # what the check said last, by exercise
        self._hints: dict[str, int] = {}  # how many were given

    def __call__(self, id: str, full: bool = True, *, quick: bool = False) -> None:
        """Print whether the answer to an exercise, such as "4.2", is right, or the likely mistake.

        `quick` leaves out the checks that compare with a reference; `full` is what happens anyway.
        Under nbgrader, which knows the visible checks only, a wrong answer is an AssertionError.
        """
        if os.environ.get(GRADING):
            return
        chapter, question = self._find(id)
        part = quick or not full or bool(os.environ.get(NBGRADER))
        names, given = local(sys._getframe(1).f_globals), chapter.given(question.id)
        outcomes = run(question, names, given=given, hidden=False if part else None)
        wrong = next((outcome for outcome in outcomes if not outcome.passed), None)
        if wrong is None:
            left = sum(check.hidden for check in question.checks) if part else 0
            state, said = "so far" if left else "passed", _passed(left, chapter.unseen.get(question.id, 0))
        elif wrong.kind == "unanswered":
            state, said = "unanswered", wrong.message
        else:
            state, said = "failed", f"NOT YET: {wrong.message}"
        self._states[question.id] = state
        if wrong and os.environ.get(NBGRADER):
            raise AssertionError(f"{question.id}  {said}")
        print(f"{question.id}  {said}")

    def hint(self, id: str) -> None:
        """Print a hint for an exercise: at each call the next one, from an idea to nearly there."""
        if os.environ.get(GRADING):
            return
        _, question = self._find(id)
        last = len(question.hints)
        self._hints[question.id] = number = min(self._hints.get(question.id, 0) + 1, last)
        print(f"{question.id}  hint {number} of {last}: {question.hints[number - 1]}")

    def progress(self) -> None:
        """Print the exercises of this notebook and what their checks said last."""
        if os.environ.get(GRADING):
            return
        numbers = sorted({id.split(".")[0] for id in (*self._states, *self._hints)}, key=int)
        patterns = [f"{number:0>2}_*.py" for number in numbers] or ["*.py"]
        for chapter in (chapter for pattern in patterns for chapter in _chapters(pattern)):
            done = sum(self._states.get(id) == "passed" for id in chapter.questions)
            print(f"{chapter.slug}: {done} of {len(chapter.questions)} passed")
            for id, question in chapter.questions.items():
                stars, state = "★" * question.level, BARS[self._states.get(id, "")]
                print(f"  {id:<5} {stars:<4} {question.minutes:>3} min  {state:<17} {question.title}")

    def _find(self, id: str) -> tuple[Chapter, Question]:
        """Return a chapter and its question."""
        number = str(id).split(".")[0]
        chapters = _chapters(f"{number:0>2}_*.py")
        for chapter in chapters:
            if str(id) in chapter.questions:
                return chapter, chapter.questions[str(id)]
        known = ", ".join(id for chapter in chapters for id in chapter.questions)
        there = f"this chapter has {known}" if known else "no such chapter"
        raise ValueError(f"there is no exercise {id}: {there}")


def _passed(left: int, unseen: int) -> str:
    """Return what PASS means: the checks left out by a quick look, and those that only the grader has."""
    if left:
        return f"PASS so far  (quick: checks left out: {left})"
    if unseen:
        return f"PASS as far as this copy can see  (checks kept for the grading: {unseen})"
    return "PASS"


def _chapters(pattern: str) -> list[Chapter]:
    """Return the chapters of a class beside the notebook, else the project's."""
    for folder in (Path.cwd() / "checks", SOLUTIONS):
        if folder.is_dir():
            return [_load(path) for path in sorted(folder.glob(pattern))]
    raise ValueError("there is no folder `checks` beside this notebook: copy it from where the notebook came")


_load = cache(load)  # each file once
check = Checker()
hint = check.hint
