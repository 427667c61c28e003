"""Waiting for a stranger: an answer comes in time and within memory, or not at all."""

import os
import select
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from seq2seq_edu.grading.intake import Problem

LOOK = 0.05  # seconds between two looks at the memory


class NoAnswer(Exception):
    """The notebook does not answer: the message says why."""


@dataclass
class Watch:
    """The way to a notebook's process and back, with an eye on its time and its memory."""

    process: subprocess.Popen[bytes]
    seconds: float
    end_of_all: float  # by the clock of `began`
    memory: int  # bytes of all its processes together
    began: float = field(default_factory=time.monotonic)
    looked: float = 0.0  # when it last looked at the memory

    def write(self, data: bytes) -> None:
        """Send the bytes, as soon as there is room."""
        place = self.process.stdin.fileno()  # type: ignore[union-attr]
        os.set_blocking(place, False)
        left = memoryview(data)
        while left:
            self._wait([], [place])
            left = left[os.write(place, left[: 2**16]) :]

    def read(self, size: int) -> bytes:
        """Return so many bytes, as soon as they are there; fewer if the process has ended."""
        place, data = self.process.stdout.fileno(), bytearray()  # type: ignore[union-attr]
        while len(data) < size:
            self._wait([place], [])
            part = os.read(place, min(size - len(data), 2**20))
            if not part:
                break
            data += part
        return bytes(data)

    def _wait(self, reads: list[int], writes: list[int]) -> None:
        """Wait until there is something to read, or room to write."""
        while True:
            now = time.monotonic()
            if now > self.end_of_all:
                raise Problem("was not reached: the time of the submission was over", "timeout")
            if now > self.began + self.seconds:
                raise NoAnswer(f"took over {self.seconds:g} s")
            if now > self.looked + LOOK:
                self.looked = now
                if all(held(self.process.pid, once) > self.memory for once in (False, True)):
                    raise NoAnswer(f"took over {self.memory / 2**30:.1f} GiB of memory")
            if any(select.select(reads, writes, [], LOOK)):
                return


def held(pid: int, shared_once: bool) -> int:
    """Return the bytes of memory of a process and all that come from it; to count sharing right is slow."""
    import psutil  # on Linux it needs what other systems lack

    size = 0
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        info = process.memory_info()
        with suppress(psutil.AccessDenied):
            info = process.memory_full_info() if shared_once else info
        size = int(getattr(info, "pss", info.rss))
    with suppress(OSError):  # it has ended, or this is no Linux; psutil would read all processes there are
        for task in os.listdir(f"/proc/{pid}/task"):
            for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split():
                size += held(int(child), shared_once)
    return size
