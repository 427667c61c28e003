"""What a class hands in: a folder for each student, or files and zip files named by student.

Names are data: they are compared and printed, never run, and no path inside a zip file is ever written to.
"""

from __future__ import annotations

import csv
import io
import os
import re
import stat
import tempfile
import unicodedata
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from seq2seq_edu.grading.judge import Limits

LARGEST = Limits().notebook  # bytes, also of a zip file
MEMBERS = 2000  # files in a zip file
DEEPEST = 6  # folders in folders
UNLISTED = "not on the class list"


class Problem(ValueError):
    """Why a submission cannot be graded: "missing" if nothing is there, "unreadable" if it is of no use."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(printable(reason))
        self.status = status


@dataclass(frozen=True)
class Submission:
    """What one student handed in: a notebook, or a zip file that holds it, or why there is none."""

    student: str
    file: Path | None = None
    problem: Problem | None = None
    note: str = ""


def printable(text: str) -> str:
    """Return the text in one form of Unicode, on one line, with what cannot be seen spelt out."""
    return "".join(
        c if c.isprintable() or unicodedata.category(c) == "Zs" else c.encode("unicode_escape").decode()
        for c in unicodedata.normalize("NFC", text)
    )


def read_submissions(folder: Path, slug: str, class_list: Path | None = None) -> list[Submission]:
    """Return what each student handed in, in order of names."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder: give the folder that holds the submissions")
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if not path.name.startswith("."):
            found.setdefault(_student(path, slug), []).append(path)
    submissions = {student: _submission(student, paths, slug) for student, paths in found.items()}
    if class_list is not None:
        known = {printable(row["student"].strip()) for _, row in read_table(class_list, ["student"])} - {""}
        for student in submissions.keys() - known:
            old = submissions[student]
            submissions[student] = Submission(student, old.file, old.problem, UNLISTED)
        for student in known - submissions.keys():
            submissions[student] = Submission(student, problem=Problem("missing", "nothing was handed in"))
    return [submissions[student] for student in sorted(submissions)]


def _student(path: Path, slug: str) -> str:
    """Return whose it is: the name of the folder or file, without that of the notebook."""
    name = path.name if path.is_dir() else path.stem
    number, _, topic = slug.partition("_")
    notebook = rf"(?:{re.escape(number)}_)?{re.escape(topic)}"
    return printable(re.sub(rf"^{notebook}[ _.-]+|[ _.-]+{notebook}$", "", name, flags=re.IGNORECASE))


def _submission(student: str, paths: Sequence[Path], slug: str) -> Submission:
    """Return the one file that a student handed in, or what is wrong."""
    try:
        if len(paths) > 1:
            raise Problem("unreadable", f"handed in more than once, keep one: {_some(p.name for p in paths)}")
        path = paths[0]
        if path.is_dir() and not path.is_symlink():
            path = path / _choose(list(_files(path)), slug, (".ipynb", ".zip"))
        if path.is_symlink() or not path.is_file():
            raise Problem("unreadable", f"{path.name} is a link or no file: copy the notebook itself")
        if path.suffix.lower() not in (".ipynb", ".zip"):
            raise Problem("unreadable", f"{path.name} is no notebook: hand in {slug}.ipynb or a zip file")
        return Submission(student, path)
    except (Problem, OSError) as error:
        return Submission(student, problem=_problem(error))


def _problem(error: Exception) -> Problem:
    """Return an error as the reason why something cannot be graded."""
    return error if isinstance(error, Problem) else Problem("unreadable", f"{type(error).__name__}: {error}")


def _files(folder: Path) -> Iterator[str]:
    """Yield the files of a folder, relative to it; links to folders are not followed."""
    for place, folders, names in os.walk(folder):
        here = Path(place).relative_to(folder)
        if len(here.parts) == DEEPEST:
            folders.clear()
        yield from sorted((here / name).as_posix() for name in names)


def _choose(names: list[str], slug: str, kinds: tuple[str, ...] = (".ipynb",)) -> str:
    """Return the file that is meant: of the right name, else the only one with its number or topic."""
    number, _, topic = slug.partition("_")
    seen = [n for n in names if not any(p.startswith((".", "__MACOSX")) for p in n.split("/"))]
    for kind in kinds:
        files = {n: PurePosixPath(n).name.lower() for n in seen if n.lower().endswith(kind)}
        if len(files) < sum(n in files for n in seen):
            raise Problem("unreadable", f"files of the same name: {_some(files)}")
        exact = [n for n, name in files.items() if name == slug + kind]
        like = rf"{re.escape(topic)}|(?<!\d)0*{re.escape(number.lstrip('0'))}(?!\d)"
        near = [n for n, name in files.items() if kind == ".zip" or re.search(like, name)]
        for some in (exact, near):
            if len(some) > 1:
                raise Problem("unreadable", f"{len(some)} files could be meant, keep one: {_some(some)}")
            if some:
                return some[0]
    others = [n for n in seen if n.lower().endswith(".ipynb")]
    raise Problem("missing", f"there is no {slug}.ipynb" + (f", only {_some(others)}" if others else ""))


def _some(names: Iterator[str] | Sequence[str] | dict[str, str]) -> str:
    """Return the first names, for a message."""
    every = list(names)
    return ", ".join(name[:80] for name in every[:4]) + (", ..." if len(every) > 4 else "")


@contextmanager
def opened(submission: Submission, slug: str) -> Iterator[Path]:
    """Give the notebook of a submission; one out of a zip file lies in a private folder until the end."""
    if submission.file is None:
        raise submission.problem or Problem("missing", "nothing was handed in")
    if submission.file.suffix.lower() != ".zip":
        yield submission.file
        return
    with tempfile.TemporaryDirectory(prefix="seq2seq-edu-") as folder:
        notebook = Path(folder) / f"{slug}.ipynb"
        notebook.write_bytes(_unpack(submission.file, slug))
        yield notebook


def _unpack(path: Path, slug: str) -> bytes:
    """Return the notebook in a zip file: that one member alone is read, and no further than the limit."""
    if path.stat().st_size > LARGEST:
        raise Problem("unreadable", f"{path.name} has over {LARGEST // 10**6} MB: hand in the notebook alone")
    data = path.read_bytes()
    if data.count(b"PK\1\2") > MEMBERS:  # before anything believes what the file says of itself
        raise Problem("unreadable", f"{path.name} holds over {MEMBERS} files: hand in the notebook alone")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            name = _choose(archive.namelist(), slug)
            info = archive.getinfo(name)
            if stat.S_ISLNK(info.external_attr >> 16):
                raise Problem("unreadable", f"{name} in {path.name} is a link: put in the notebook itself")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise Problem("unreadable", f"{path.name} is packed in an unusual way: use an ordinary zip")
            with archive.open(info) as file:
                notebook = file.read(LARGEST + 1)
    except Problem:
        raise
    except Exception as error:  # broken archives fail in many ways
        raise Problem("unreadable", f"{path.name} cannot be unpacked: {type(error).__name__}") from None
    if len(notebook) > LARGEST:
        raise Problem("unreadable", f"{name} in {path.name} has over {LARGEST // 10**6} MB")
    return notebook


def read_table(path: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """Read a CSV file that an instructor wrote."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="")
            rows = [(reader.line_num, {k: v for k, v in row.items() if k}) for row in reader]
    except (UnicodeDecodeError, csv.Error):
        raise ValueError(f"{path.name} is not CSV in UTF-8: save it as 'CSV UTF-8'") from None
    missing = [column for column in columns if column not in (reader.fieldnames or [])]
    if missing:
        raise ValueError(f"{path.name} has no column {', '.join(missing)}: its first line names {columns}")
    return rows
