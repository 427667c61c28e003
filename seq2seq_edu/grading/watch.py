"""Waiting for a stranger: an answer comes in time and within memory, or not at all."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LOOK = 0.05  # seconds between two looks at the memory


class NoAnswer(Exception):
    """The notebook does not answer: the message says why."""


class SubmissionOver(NoAnswer):
    """Nor will it: the status of the submission is the first argument."""


@dataclass
class Watch:
    """Waits for the notebook with an eye on its time and its memory; `wire.read` reads from it."""

    pid: int
    end: float  # by this clock: time.monotonic
    end_of_all: float
    memory: int  # bytes of all its processes together
    reason: str  # what is said when the time is over
    readable: int = -1  # file descriptor
    looked: float = 0.0  # when it last looked at the memory

    def read(self, size: int) -> bytes:
        """Return some bytes, as soon as there are any."""
        self.until(readable=self.readable)
        return os.read(self.readable, min(size, 2**20))

    def until(self, readable: int = -1, writable: int = -1) -> None:
        """Wait until there is something to read, or room to write."""
        reads, writes = ([number] if number >= 0 else [] for number in (readable, writable))
        while True:
            now = time.monotonic()
            if now > self.end_of_all:
                raise SubmissionOver("timeout", "was not reached: the time of the submission was over")
            if now > self.end:
                raise NoAnswer(self.reason)
            if now > self.looked + LOOK:
                self.looked = now
                if self._too_large():
                    raise NoAnswer(f"took over {self.memory / 2**30:.1f} GiB of memory")
            if any(select.select(reads, writes, [], LOOK)):
                return

    def _too_large(self) -> bool:
        """Tell whether all its processes together hold too much; what they share counts once."""
        return all(sum(map(held, _tree(self.pid))) > self.memory for held in (_resident, _share))


def _tree(pid: int) -> Iterator[int]:
    """Yield a process and all that come from it (on Linux; psutil would read all there are)."""
    yield pid
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split():
                yield from _tree(int(child))
    except OSError:  # it has just ended, or this is no Linux
        return


def _resident(pid: int) -> int:
    """Return the bytes of memory of a process."""
    import psutil  # on Linux it needs what other systems lack

    with suppress(psutil.Error):
        return int(psutil.Process(pid).memory_info().rss)
    return 0


def _share(pid: int) -> int:
    """Return the bytes of memory of a process, its part of those it shares; slow, so asked second."""
    import psutil

    with suppress(psutil.Error):
        info = psutil.Process(pid).memory_full_info()
        return int(getattr(info, "pss", info.rss))
    return _resident(pid)
