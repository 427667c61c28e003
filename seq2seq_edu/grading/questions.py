"""Questions and their checks: one source for the reader's kernel, the grader and the tests.

A chapter's checks are a file `checks/NN_slug.py` that makes a `Chapter` called `chapter`. A check speaks to a
`Student`, who stands for a notebook: in the kernel, behind the sandbox and in the tests it is the same.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from seq2seq_edu.grading import wire
from seq2seq_edu.grading.answering import Reply, Request, answer

KINDS = ("predict", "build", "repair", "experiment", "explain")
HIDDEN = re.compile(r"^### BEGIN HIDDEN TESTS$.*?^### END HIDDEN TESTS$", re.MULTILINE | re.DOTALL)
CHECK = re.compile(r"^@(\w+)\.check\(", re.MULTILINE)
Ask = Callable[[Request], Reply]
Given = Mapping[str, Any] | None


class Failed(AssertionError):
    """An answer is not right: the message is the likely mistake, in one sentence."""


class StudentError(Exception):
    """The notebook could not answer: nothing there, not filled in, an exception, or an object for data."""

    def __init__(self, kind: str, name: str, reply: Reply) -> None:
        self.kind, self.type = kind, reply.get("type", "")
        detail = reply.get("message", "")
        texts = {
            "missing": f"there is no {name} in the notebook: run the cell that defines it",
            "unanswered": "not answered yet",
            "raised": f"{name} stopped with {self.type}: {detail}",
            "not plain": f"{name} returned {detail}",
            "gone": f"{name} {detail}",
        }
        super().__init__(texts[kind])


class _Remote:
    """Something on the notebook's side: what is called on it runs there, and plain data come back."""

    def __init__(self, ask: Ask, **request: Any) -> None:
        self._ask, self._request = ask, request

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)

        def call(*args: Any, **kwargs: Any) -> Any:
            reply = self._ask({**self._request, "name": name, "args": args, "kwargs": kwargs})
            if "error" in reply:
                raise StudentError(reply["error"], name, reply)
            made = self._request["do"] == "new"
            return RemoteObject(self._ask, reply["value"]) if made else reply["value"]

        return call


class RemoteObject(_Remote, wire.Handle):
    """An object that a notebook made, and keeps."""

    def __init__(self, ask: Ask, number: int) -> None:
        super().__init__(ask, do="method", handle=number)
        self.number = number


class Student(_Remote):
    """A notebook, as a check sees it: `s.softmax(x)` calls its function, `s.new.Decoder(5)` makes an object.

    `s.rng` is what a check draws its inputs from, `s.given` are the constants printed in the question.
    """

    def __init__(self, ask: Ask, rng: np.random.Generator, given: Given = None) -> None:
        super().__init__(ask, do="call")
        self.rng, self.given, self.new = rng, dict(given or {}), _Remote(ask, do="new")


def local(namespace: dict[str, Any]) -> Ask:
    """Return how a notebook in this process is asked: through the same bytes as one in the sandbox."""
    objects: dict[int, Any] = {}

    def ask(request: Request) -> Reply:
        heard = wire.read(io.BytesIO(wire.encode(request)), objects)
        return wire.read(io.BytesIO(wire.encode(answer(heard, namespace, objects))))

    return ask


@dataclass(frozen=True)
class Check:
    """One thing that a right answer does, with its points and the hint for those whose answer does not."""

    name: str
    points: float
    hint: str
    hidden: bool
    run: Callable[[Student], None]


@dataclass
class Question:
    """One exercise: what it asks for, its hints from an idea to nearly there, its checks, its constants."""

    id: str
    title: str
    kind: str
    level: int
    minutes: int
    hints: tuple[str, ...]
    constants: Callable[[np.random.Generator], dict[str, Any]] | None = None
    by_hand: float = 0  # points for a written answer, given by the instructor
    checks: list[Check] = field(default_factory=list)

    def check(self, points: float, hint: str, hidden: bool = False) -> Callable[[Any], Any]:
        """Add the decorated function to the checks; only the grader has the hidden ones.

        The hint is the likely mistake in one sentence, for all that the check does not name itself.
        """

        def add(function: Callable[[Student], None]) -> Callable[[Student], None]:
            self.checks.append(Check(function.__name__, points, hint, hidden, function))
            return function

        return add

    @property
    def points(self) -> float:
        """All points of the question that the checks give."""
        return sum(check.points for check in self.checks)


@dataclass
class Chapter:
    """The questions of one notebook."""

    slug: str
    hides: tuple[str, ...] = ()  # modules that teach the answers: not there where the notebook is graded
    questions: dict[str, Question] = field(default_factory=dict)
    edition: dict[str, dict[str, Any]] | None = None  # constants, if the file is of a class edition
    unseen: dict[str, int] = field(default_factory=dict)  # how many checks of a question were left out

    def question(self, id: str, title: str, **what: Any) -> Question:
        """Add a question; `what` are the other fields of `Question`."""
        if id in self.questions:
            raise ValueError(f"question {id} is there twice")
        question = Question(id, title, **what)
        if question.kind not in KINDS or not 1 <= question.level <= 4 or not question.hints:
            raise ValueError(f"question {id}: expected a kind of {KINDS}, a level from 1 to 4, and hints")
        self.questions[id] = question
        return question

    def given(self, id: str, seed: str = "0") -> dict[str, Any]:
        """Return the constants of a question in the edition of a seed ("0" is the book's)."""
        if self.edition is not None:
            return self.edition.get(id, {})
        constants = self.questions[id].constants
        return {} if constants is None else constants(generator(seed, id, "given"))


def generator(*names: str) -> np.random.Generator:
    """Return the random numbers that belong to these names (a seed, a question, a check)."""
    digest = hashlib.sha256("\n".join(names).encode("utf-8", "surrogateescape")).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))


@dataclass(frozen=True)
class Outcome:
    """What a check found; `kind` is "passed", "failed" or that of a StudentError."""

    check: Check
    kind: str
    message: str = ""
    type: str = ""

    @property
    def passed(self) -> bool:
        """Whether the answer is right."""
        return self.kind == "passed"


def earned(outcomes: Iterable[Outcome]) -> float:
    """Return the points of the checks that passed."""
    return sum(outcome.check.points for outcome in outcomes if outcome.passed)


def run(
    question: Question, ask: Ask, seed: str = "0", given: Given = None, hidden: bool | None = None
) -> Iterator[Outcome]:
    """Yield what each check of a question finds, in order; by default the hidden ones, too."""
    for check in question.checks:
        if hidden is None or hidden == check.hidden:
            yield _try(check, Student(ask, generator(seed, question.id, check.name), given))


def _try(check: Check, student: Student) -> Outcome:
    """Return what a check finds."""
    try:
        check.run(student)
    except Failed as error:
        return Outcome(check, "failed", str(error) or check.hint, "Failed")
    except StudentError as error:
        return Outcome(check, error.kind, str(error), error.type)
    except Exception as error:  # an answer of another type or shape than the check reckoned with
        return Outcome(check, "failed", check.hint, type(error).__name__)
    return Outcome(check, "passed")


def load(path: Path, hidden: bool = True) -> Chapter:
    """Return the chapter that a file of checks makes; without the hidden checks, none of their code runs."""
    source = path.read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": path.stem, "__file__": str(path)}
    exec(compile(source if hidden else cut_hidden(source), str(path), "exec"), names)
    chapter = names.get("chapter")
    if not isinstance(chapter, Chapter):
        raise ValueError(f"{path.name} makes no `chapter = Chapter(...)`")
    cut = "" if hidden else "".join(HIDDEN.findall(source))
    chapter.unseen |= Counter(names[name].id for name in CHECK.findall(cut))
    return chapter


def cut_hidden(source: str) -> str:
    """Return a file of checks without its hidden parts, every other line in its place."""
    kept = HIDDEN.sub(lambda part: "\n" * part[0].count("\n"), source)
    if "HIDDEN TESTS" in kept:
        raise ValueError("### BEGIN HIDDEN TESTS and ### END HIDDEN TESTS go in pairs: one stands alone")
    return kept


def fail(message: str = "") -> NoReturn:
    """Say that an answer is not right: the likely mistake, never the answer; by default the check's hint."""
    raise Failed(message)


def expect(condition: object, message: str = "") -> None:
    """Say that an answer is not right unless a condition holds; the message is as for `fail`."""
    if not bool(condition):
        raise Failed(message)


def expect_shape(actual: Any, shape: tuple[int, ...], name: str) -> None:
    """Say that an answer, called `name` in the question, is no array of a shape; the message gives both."""
    got = () if isinstance(actual, (int, float)) else getattr(actual, "shape", None)
    if got is None or tuple(got) != shape:
        found = type(actual).__name__ if got is None else tuple(got)
        raise Failed(f"{name}: expected shape {shape}, got {found}")


def expect_close(actual: Any, expected: Any, message: str = "", tolerance: float = 1e-5) -> None:
    """Say that an answer is not right unless its shape is the expected one and its numbers are close.

    The tolerance is the largest difference, absolute and relative; the message is as for `fail`.
    """
    try:
        got, right = np.asarray(actual, dtype=float), np.asarray(expected, dtype=float)
    except (TypeError, ValueError):
        raise Failed(message) from None
    if got.shape != right.shape or not np.allclose(got, right, rtol=tolerance, atol=tolerance):
        raise Failed(message)
