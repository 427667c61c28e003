"""The judge: knows the checks and what is right, puts each to a notebook behind walls, and counts.

A notebook that hangs, crashes or grows too large is killed and started again, without the cell that did it
or with that one check lost: what it earned, it keeps.
"""

from __future__ import annotations

import builtins
import errno
import hashlib
import os
import stat
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from seq2seq_edu.grading import wire
from seq2seq_edu.grading.answering import LONGEST, Reply, Request
from seq2seq_edu.grading.questions import Chapter, Outcome, earned, run
from seq2seq_edu.grading.sandbox import PROCESSES, Sandbox
from seq2seq_edu.grading.watch import NoAnswer, SubmissionOver, Watch

LARGEST_REPLY = 16 * 2**20  # bytes
MOST = 100  # cells and notes that are kept
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
    notebook: int = 80 * 10**6  # of the file


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
    notebook: Path,
    chapter: Chapter,
    sandbox: Sandbox,
    *,
    seed: str = "0",
    given: Mapping[str, Mapping[str, Any]] | None = None,
    limits: Limits = Limits(),  # noqa: B008 (frozen)
) -> Result:
    """Grade one notebook."""
    began = time.monotonic()
    given = {id: chapter.given(id) for id in chapter.questions} if given is None else given
    session = _Session(sandbox, chapter, given, limits, began + limits.submission)
    try:
        session.open(notebook)
        found: dict[str, list[Outcome]] = {id: [] for id in chapter.questions}
        # First all that the student is told about: by then the notebook has seen nothing hidden to repeat.
        for hidden in (False, True):
            for id, question in chapter.questions.items():
                found[id] += run(question, session.ask, seed, given.get(id), hidden)
                found[id].sort(key=lambda outcome: question.checks.index(outcome.check))
    finally:
        session.stop()
    cells = [(i, *error) for i, error in sorted(session.cells.items())]
    seconds = time.monotonic() - began
    status = session.over.args[0] if session.over else "graded"
    return Result(status, found, cells, list(session.notes), session.sha256, seconds, sandbox.name)


@dataclass
class _Session:
    """The lives of one notebook."""

    sandbox: Sandbox
    chapter: Chapter
    given: Mapping[str, Mapping[str, Any]]
    limits: Limits
    end: float
    sha256: str = ""
    over: SubmissionOver | None = None
    cells: dict[int, tuple[str, str]] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)  # in order, each once
    skip: set[int] = field(default_factory=set)
    data: bytes = b""
    process: subprocess.Popen[bytes] | None = None

    def open(self, path: Path) -> None:
        """Read the file, if it is one and not a way to another."""
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            with open(os.open(path, flags), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise SubmissionOver("unreadable", "not a regular file")
                self.data = file.read(self.limits.notebook + 1)
            self.sha256 = hashlib.sha256(self.data).hexdigest()
            if len(self.data) > self.limits.notebook:
                raise SubmissionOver("unreadable", f"over {self.limits.notebook / 10**6:.0f} MB")
        except FileNotFoundError:
            self.over = SubmissionOver("missing", "no such file")
        except OSError as error:
            why = "a link" if error.errno == errno.ELOOP else error.strerror or ""
            self.over = SubmissionOver("unreadable", why)
        except SubmissionOver as over:
            self.over = over
        if self.over:
            self._note(self.over.args[1])

    def ask(self, request: Request) -> Reply:
        """Put a request to the notebook, alive or to be started; a reply is what a stranger says it is."""
        try:
            if self.process is None:
                self._start()
            reply = self._exchange(wire.encode(request), self.limits.call)
        except NoAnswer as gone:
            self.stop()
            if isinstance(gone, SubmissionOver) and self.over is None:
                self.over = gone
                self._note(gone.args[1])
            return {"error": "gone", "type": "", "message": gone.args[-1]}
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
        task = {
            "notebook": np.frombuffer(self.data, np.uint8),
            "hides": self.chapter.hides,
            "memory": self.limits.memory,
            "processes": PROCESSES if self.sandbox.name == "bwrap" else -1,
        }
        while True:
            if self.over:
                raise self.over
            self.process = self.sandbox.start(self.chapter.hides)
            os.set_blocking(self.process.stdin.fileno(), False)  # type: ignore[union-attr]
            running = -1
            try:
                message = self._exchange(wire.encode({**task, "skip": self.skip}), self.limits.start)
                while "ready" not in message:
                    running = self._cell(message)
                    message = self._exchange(b"", self.limits.cell)
                return self._compare()
            except SubmissionOver:
                raise
            except NoAnswer as gone:
                self.stop()
                if running < 0 or running in self.skip:
                    raise SubmissionOver("crashed", f"the notebook could not be started: it {gone}") from None
                self.skip.add(running)
                self.cells[running] = ("stopped", f"{gone}")
                self._note(f"started again without cell {running}, which {gone}")

    def _cell(self, message: Reply) -> int:
        """Note what the notebook says of a cell; return its place if it runs now."""
        if "unreadable" in message:
            raise SubmissionOver("unreadable", f"not a notebook: {_text(message['unreadable'])}")
        place = message.get("cell")
        if type(place) is not int or not 0 <= place < 10**6:
            raise NoAnswer("sent nonsense")
        if "error" in message and len(self.cells) < MOST:
            self.cells[place] = _text(message.get("type")), _text(message.get("message"))
        notes = message.get("notes")
        for note in notes if isinstance(notes, list) else ():
            self._note(f"cell {place} {_text(note)}")
        return place

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
        process, reason = self.process, f"took over {seconds:g} s"
        if process is None or process.stdin is None or process.stdout is None:
            raise NoAnswer("is not running")
        watch = Watch(process.pid, time.monotonic() + seconds, self.end, self.limits.memory, reason)
        try:
            left = memoryview(message)
            while left:
                watch.until(writable=process.stdin.fileno())
                left = left[os.write(process.stdin.fileno(), left[: 2**16]) :]
            watch.readable = process.stdout.fileno()
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
