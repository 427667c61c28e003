"""The judge: knows the checks and what is right, puts each to a notebook behind walls, and counts.

A notebook that hangs, crashes or grows too large is killed and started again, without the cell that did it
or with that one check lost: what it earned, it keeps.
"""

import builtins
import hashlib
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from seq2seq_edu.grading import wire
from seq2seq_edu.grading.answering import LONGEST, Reply, Request
from seq2seq_edu.grading.intake import Problem
from seq2seq_edu.grading.questions import Chapter, Outcome, earned, run
from seq2seq_edu.grading.sandbox import PROCESSES, Sandbox
from seq2seq_edu.grading.watch import NoAnswer, Watch

LARGEST_REPLY = 16 * 2**20  # bytes
MOST = 100  # cells and notes that are kept
Given = Mapping[str, Mapping[str, Any]]  # the constants of each question
BUILTIN = {name for name, kind in vars(builtins).items() if isinstance(kind, type)}
ERRORS = BUILTIN | {"AxisError", "LinAlgError"}  # types of errors that may be repeated


@dataclass(frozen=True)
class Limits:
    """What a submission may take: seconds (to start, of a cell, of a call, of all), bytes."""

    start: float = 30.0
    cell: float = 15.0
    call: float = 8.0
    submission: float = 90.0
    memory: int = 3 * 2**30  # of all its processes together


@dataclass(frozen=True)
class Result:
    """What came of a submission; `status` is graded, timeout, crashed, unreadable or missing."""

    status: str
    outcomes: dict[str, list[Outcome]]
    cells: list[tuple[int, str, str]]  # those that failed: place in the notebook, type of error, message
    notes: list[str]  # for the instructor
    sha256: str
    seconds: float
    sandbox: str

    @property
    def points(self) -> float:
        """What was earned."""
        return sum(map(earned, self.outcomes.values()))

    @property
    def total(self) -> float:
        """What could be earned."""
        return sum(one.check.points for some in self.outcomes.values() for one in some)


def grade(
    notebook: bytes,
    chapter: Chapter,
    sandbox: Sandbox,
    *,
    seed: str = "0",
    given: Given | None = None,
    limits: Limits = Limits(),  # noqa: B008 (frozen)
) -> Result:
    """Grade one notebook."""
    began = time.monotonic()
    given = {id: chapter.given(id) for id in chapter.questions} if given is None else given
    session = _Session(notebook, sandbox, chapter, given, limits, began + limits.submission)
    found: dict[str, list[Outcome]] = {id: [] for id in chapter.questions}
    try:
        # First all that the student is told about: by then the notebook has seen nothing hidden to repeat.
        for hidden in (False, True):
            for id, question in chapter.questions.items():
                found[id] += run(question, session.ask, seed, given.get(id), hidden)
                found[id].sort(key=lambda outcome: question.checks.index(outcome.check))
    finally:
        session.stop()
    cells = [(i, *error) for i, error in sorted(session.cells.items())]
    status = session.over.status if session.over else "graded"
    notes = [*session.notes, *([str(session.over)] if session.over else [])]
    digest, seconds = hashlib.sha256(notebook).hexdigest(), time.monotonic() - began
    return Result(status, found, cells, notes, digest, seconds, sandbox.name)


@dataclass
class _Session:
    """The lives of one notebook."""

    notebook: bytes
    sandbox: Sandbox
    chapter: Chapter
    given: Given
    limits: Limits
    end: float
    over: Problem | None = None
    cells: dict[int, tuple[str, str]] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)  # in order, each once
    skip: set[int] = field(default_factory=set)
    process: subprocess.Popen[bytes] | None = None
    running: int = -1  # the cell that runs now

    def ask(self, request: Request) -> Reply:
        """Put a request to the notebook, alive or to be started; a reply is what a stranger says it is."""
        try:
            if self.process is None:
                self._start()
            reply = self._exchange(wire.encode(request), self.limits.call)
        except (NoAnswer, Problem) as gone:
            self.stop()
            if isinstance(gone, Problem):
                self.over = gone
            return {"error": "gone", "type": "", "message": str(gone)}
        if "error" not in reply:
            return {"value": reply.get("value")}
        kind = reply["error"] if reply["error"] in ("missing", "unanswered", "not plain") else "raised"
        type = reply.get("type") if str(reply.get("type")) in ERRORS else "an error of its own"
        return {"error": kind, "type": type, "message": _text(reply.get("message"))}

    def stop(self) -> None:
        """End the life of the notebook."""
        if self.process is not None:
            self.sandbox.stop(self.process)
            self.process = None

    def _start(self) -> None:
        """Run the cells, once more without each that ends or hangs the notebook."""
        while self.over is None:
            self.process, self.running = self.sandbox.start(self.chapter.hides), -1
            try:
                return self._run_cells()
            except NoAnswer as gone:
                self.stop()
                place = self.running
                if place < 0 or place in self.skip:
                    raise Problem(f"the notebook could not be started: it {gone}", "crashed") from None
                self.skip.add(place)
                self.cells[place] = ("stopped", str(gone))
                self._note(f"started again without cell {place}, which {gone}")
        raise self.over

    def _run_cells(self) -> None:
        """Have the notebook run, and hear what it says of each cell."""
        task = {
            "notebook": np.frombuffer(self.notebook, np.uint8),
            "hides": self.chapter.hides,
            "memory": self.limits.memory,
            "processes": PROCESSES if self.sandbox.name == "bwrap" else -1,
            "skip": self.skip,
        }
        message = self._exchange(wire.encode(task), self.limits.start)
        while "ready" not in message:
            self._hear(message)
            message = self._exchange(b"", self.limits.cell)
        self._compare()

    def _hear(self, message: Reply) -> None:
        """Note what the notebook says of the cell that runs or has run."""
        if "unreadable" in message:
            raise Problem(f"not a notebook: {_text(message['unreadable'])}")
        place, notes = message.get("cell"), message.get("notes")
        if type(place) is not int or not 0 <= place < 10**6:
            raise NoAnswer("sent nonsense")
        if "error" in message and len(self.cells) < MOST:
            self.cells[place] = _text(message.get("type")), _text(message.get("message"))
        for note in notes if isinstance(notes, list) else ():
            self._note(f"cell {place} {_text(note)}")
        self.running = place

    def _compare(self) -> None:
        """Note constants that are not those of this edition: the notebook may be of another one."""
        constants = {name: value for some in self.given.values() for name, value in some.items()}
        request = {"do": "names", "name": "", "args": list(constants)}
        values = self._exchange(wire.encode(request), self.limits.call).get("value") if constants else {}
        for name, value in constants.items():
            if not isinstance(values, dict) or repr(values.get(name)) != repr(value):
                self._note(f"{name} is not what this edition prints")

    def _note(self, text: str) -> None:
        """Note something for the instructor, once."""
        if len(self.notes) < MOST:
            self.notes[text] = None

    def _exchange(self, message: bytes, seconds: float) -> Reply:
        """Send bytes if there are any, and return the next message, within the time."""
        if self.process is None:
            raise NoAnswer("is not running")
        watch = Watch(self.process, seconds, self.end, self.limits.memory)
        try:
            watch.write(message)
            reply = wire.read(watch, largest=LARGEST_REPLY)  # type: ignore[arg-type]
        except (EOFError, BrokenPipeError):
            raise NoAnswer("crashed the notebook") from None
        except ValueError:
            raise NoAnswer("sent nonsense") from None
        if not isinstance(reply, dict):
            raise NoAnswer("sent nonsense")
        return reply


def _text(value: Any) -> str:
    """Return a stranger's text in one short line that any file can hold."""
    if not isinstance(value, str):
        return ""
    whole = value[:LONGEST].encode("utf-8", "replace").decode()
    return " ".join("".join(c if c.isprintable() else " " for c in whole).split())
