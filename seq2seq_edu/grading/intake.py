"""What a class hands in: a folder for each student, or files and zip files named by student.

Names are data: they are compared and printed, never run, and no path inside a zip file is ever written to.
"""

import csv
import errno
import io
import os
import re
import stat
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

LARGEST = 80 * 10**6  # bytes of a notebook, and of a zip file
MEMBERS = 2000  # files in a zip file
DEEPEST = 6  # folders in folders
UNLISTED = "not on the class list"


class Problem(Exception):
    """Why a submission cannot be graded: its status is "missing", "unreadable", "timeout" or "crashed"."""

    def __init__(self, reason: str, status: str = "unreadable") -> None:
        super().__init__(printable(reason))
        self.status = status


@dataclass(frozen=True)
class Submission:
    """What one student handed in: files, folders and zip files of that name, of which there should be one."""

    student: str
    paths: Sequence[Path] = ()
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
    submissions = {student: Submission(student, paths) for student, paths in found.items()}
    if class_list is not None:
        known = {printable(row["student"].strip()) for _, row in read_table(class_list, ["student"])} - {""}
        for student in submissions.keys() - known:
            submissions[student] = replace(submissions[student], note=UNLISTED)
        submissions |= {student: Submission(student) for student in known - submissions.keys()}
    return [submissions[student] for student in sorted(submissions)]


def _student(path: Path, slug: str) -> str:
    """Return whose it is: the name of the folder or file, without that of the notebook."""
    name = path.name if path.is_dir() else path.stem
    number, _, topic = slug.partition("_")
    notebook = rf"(?:{re.escape(number)}_)?{re.escape(topic)}"
    return printable(re.sub(rf"^{notebook}[ _.-]+|[ _.-]+{notebook}$", "", name, flags=re.IGNORECASE))


def read_notebook(submission: Submission, slug: str) -> bytes:
    """Return the one notebook that a student handed in, out of its zip file if it is in one."""
    if not submission.paths:
        raise Problem("nothing was handed in", "missing")
    if len(submission.paths) > 1:
        raise Problem(f"handed in more than once, keep one: {_some(p.name for p in submission.paths)}")
    [path] = submission.paths
    if path.is_dir() and not path.is_symlink():
        path /= _choose([*_files(path)], slug, (".ipynb", ".zip"))
    kind = path.suffix.lower()
    if kind not in (".ipynb", ".zip"):
        raise Problem(f"{path.name} is no notebook: hand in {slug}.ipynb or a zip file")
    return _unpack(path, slug) if kind == ".zip" else _read_file(path)


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
    like = rf"{re.escape(topic)}|(?<!\d)0*{re.escape(number.lstrip('0'))}(?!\d)"
    seen = [n for n in names if not any(p.startswith((".", "__MACOSX")) for p in n.split("/"))]
    for kind in kinds:
        files = {n: PurePosixPath(n).name.lower() for n in seen if n.lower().endswith(kind)}
        if len(files) < sum(n in files for n in seen):
            raise Problem(f"files of the same name: {_some(files)}")
        exact = [n for n, name in files.items() if name == slug + kind]
        meant = exact or [n for n, name in files.items() if kind == ".zip" or re.search(like, name)]
        if len(meant) > 1:
            raise Problem(f"{len(meant)} files could be meant, keep one: {_some(meant)}")
        if meant:
            return meant[0]
    others = [n for n in seen if n.lower().endswith(".ipynb")]
    raise Problem(f"there is no {slug}.ipynb" + (f", only {_some(others)}" if others else ""), "missing")


def _some(names: Iterable[str]) -> str:
    """Return the first names, for a message."""
    every = list(names)
    return ", ".join(name[:80] for name in every[:4]) + (", ..." if len(every) > 4 else "")


def _read_file(path: Path) -> bytes:
    """Return the bytes of a file, if it is one and not a way to another."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        with open(os.open(path, flags), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Problem(f"{path.name} is no regular file: copy the notebook itself")
            data = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise Problem("no such file", "missing") from None
    except OSError as error:
        link = f"{path.name} is a link: copy the notebook itself"
        raise Problem(link if error.errno == errno.ELOOP else f"{path.name}: {error.strerror}") from None
    if len(data) > LARGEST:
        cure = "hand in the notebook alone, its outputs cleared"
        raise Problem(f"{path.name} has over {LARGEST // 10**6} MB: {cure}")
    return data


def _unpack(path: Path, slug: str) -> bytes:
    """Return the notebook in a zip file: that one member alone is read, and no further than the limit."""
    data = _read_file(path)
    if data.count(b"PK\1\2") > MEMBERS:  # before anything believes what the file says of itself
        raise Problem(f"{path.name} holds over {MEMBERS} files: hand in the notebook alone")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            name = _choose(archive.namelist(), slug)
            info = archive.getinfo(name)
            if stat.S_ISLNK(info.external_attr >> 16):
                raise Problem(f"{name} in {path.name} is a link: put in the notebook itself")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise Problem(f"{path.name} is packed in an unusual way: use an ordinary zip")
            with archive.open(info) as file:
                notebook = file.read(LARGEST + 1)
    except Problem:
        raise
    except Exception as error:  # broken archives fail in many ways
        raise Problem(f"{path.name} cannot be unpacked: {type(error).__name__}") from None
    if len(notebook) > LARGEST:
        raise Problem(f"{name} in {path.name} has over {LARGEST // 10**6} MB")
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
