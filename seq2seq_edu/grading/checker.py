"""What a reader calls in an exercise: `check("4.2")`, `hint("4.2")`, `check.progress()`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from seq2seq_edu.grading.questions import Chapter, Question, load, local, run

BARS = {"passed": "PASS", "failed": "NOT YET", "unanswered": "not answered yet", "": "not tried yet"}
SOLUTIONS = Path(__file__).resolve().parents[2] / "solutions" / "checks"
GRADING = "SEQ2SEQ_EDU_GRADING"  # set where a notebook is graded: there the judge runs the checks
NBGRADER = "NBGRADER_EXECUTION"  # set by nbgrader, which takes a cell that raises nothing for right


class Checker:
    """The checks of the exercises, and what came of them in this kernel."""

    def __init__(self) -> None:
        self._chapters: dict[Path, Chapter] = {}
        self._states: dict[str, str] = {}
        self._hints: dict[str, int] = {}

    def __call__(self, id: str, full: bool = False) -> None:
        """Print whether the answer to an exercise is right, or the likely mistake.

        Parameters
        ----------
        id : str
            Number of the exercise, such as "4.2".
        full : bool
            Whether to run the grader's checks too, for a reader alone: they lie in the project's `solutions`.

        Raises
        ------
        ValueError
            If there is no such exercise, or no such folder.
        AssertionError
            Under nbgrader, if the answer is not right.
        """
        if os.environ.get(GRADING):
            return
        chapter, question = self._find(id)
        given, unseen = chapter.given(question.id), 0 if full else chapter.unseen.get(question.id, 0)
        if full and not SOLUTIONS.is_dir():
            raise ValueError("there is no folder `solutions` here: only the visible checks can be run")
        if full:
            question = load(SOLUTIONS / f"{chapter.slug}.py").questions[question.id]
        outcomes = list(run(question, local(sys._getframe(1).f_globals), given=given))
        wrong = [outcome for outcome in outcomes if not outcome.passed]
        if not wrong:
            self._states[question.id] = "passed"
            print(f"{question.id}  PASS" + (f"  ({unseen} more when graded)" if unseen else ""))
            return
        first = wrong[0]
        self._states[question.id] = first.kind if first.kind == "unanswered" else "failed"
        said = first.message if first.kind == "unanswered" else f"NOT YET: {first.message}"
        if os.environ.get(NBGRADER):
            raise AssertionError(f"{question.id}  {said}")
        print(f"{question.id}  {said}")

    def hint(self, id: str, level: int | None = None) -> None:
        """Print a hint: at each call the next one, from an idea to nearly there.

        Parameters
        ----------
        id : str
            Number of the exercise.
        level : int, optional
            Which hint, from 1.

        Raises
        ------
        ValueError
            If there is no such exercise or hint.
        """
        if os.environ.get(GRADING):
            return
        _, question = self._find(id)
        last = len(question.hints)
        number = min(self._hints.get(question.id, 0) + 1, last) if level is None else level
        if not 1 <= number <= last:
            raise ValueError(f"exercise {question.id} has hints 1 to {last}, not {level}")
        self._hints[question.id] = number
        print(f"{question.id}  hint {number} of {last}: {question.hints[number - 1]}")

    def progress(self) -> None:
        """Print the exercises of this notebook and what their checks said last."""
        if os.environ.get(GRADING):
            return
        folder = _folder()
        seen = {id.split(".")[0] for id in (*self._states, *self._hints)}
        for path in sorted(folder.glob("*.py")):
            if seen and path.name.split("_")[0].lstrip("0") not in seen:
                continue
            chapter = self._chapter(path)
            done = sum(self._states.get(id) == "passed" for id in chapter.questions)
            print(f"{chapter.slug}: {done} of {len(chapter.questions)} passed")
            for question in chapter.questions.values():
                stars = "★" * question.level + " " * (4 - question.level)
                state = BARS[self._states.get(question.id, "")]
                print(f"  {question.id:<5} {stars} {question.minutes:>3} min  {state:<17} {question.title}")

    def _find(self, id: str) -> tuple[Chapter, Question]:
        """Return a chapter and its question."""
        number = str(id).split(".")[0]
        files = sorted(_folder().glob(f"{number:0>2}_*.py"))
        for path in files:
            chapter = self._chapter(path)
            if str(id) in chapter.questions:
                return chapter, chapter.questions[str(id)]
        known = ", ".join(id for path in files for id in self._chapter(path).questions)
        raise ValueError(
            f"there is no exercise {id}: " + (f"this chapter has {known}" if known else "no such chapter")
        )

    def _chapter(self, path: Path) -> Chapter:
        """Return the chapter of a file, read once."""
        if path not in self._chapters:
            self._chapters[path] = load(path, hidden=path.parent == Path.cwd() / "checks")
        return self._chapters[path]


def _folder() -> Path:
    """Return the folder of the checks: that of a class beside the notebook, else the project's."""
    for folder in (Path.cwd() / "checks", SOLUTIONS):
        if folder.is_dir():
            return folder
    raise ValueError("there is no folder `checks` beside this notebook: copy it from where the notebook came")


check = Checker()
hint = check.hint
