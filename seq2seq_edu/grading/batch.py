"""Grading of a class: several submissions at once, a row as soon as each is done, and nothing done twice."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from seq2seq_edu.files import write_whole
from seq2seq_edu.grading import gradebook, intake, report
from seq2seq_edu.grading.gradebook import Row
from seq2seq_edu.grading.intake import Problem, Submission
from seq2seq_edu.grading.judge import Result
from seq2seq_edu.grading.questions import Chapter

GRADES, SHARD = "grades.csv", "shard.txt"
Given = Mapping[tuple[str, str], str]


@dataclass(frozen=True)
class Grading:
    """What the submissions of a class have in common: `version` names the checks, `sandbox` the walls."""

    chapter: Chapter
    grade: Callable[[Path], Result]
    out: Path
    sandbox: str
    seed: str = "0"
    version: str = ""


def shard_of(student: str, count: int) -> int:
    """Return which of so many machines grades a student, from 1: it depends on the name alone."""
    return int(hashlib.sha256(student.encode()).hexdigest(), 16) % count + 1


def grade_class(
    grading: Grading,
    submissions: Sequence[Submission],
    *,
    jobs: int = 1,
    shard: tuple[int, int] = (1, 1),
    by_hand: Path | None = None,
) -> list[Row]:
    """Grade submissions into `grades.csv` and `feedback/`; rows that are there and still hold are kept."""
    columns, file = gradebook.columns_of(grading.chapter), grading.out / GRADES
    mine = [one for one in submissions if shard_of(one.student, shard[1]) == shard[0]]
    everybody = [one.student for one in submissions]
    given = gradebook.read_by_hand(by_hand, columns, everybody) if by_hand else {}
    old = _rows_there(file, columns, {one.student for one in mine}, set(everybody))
    given = {**gradebook.by_hand_points(old.values()), **given}
    kept = [old[one.student] for one in mine if one.student in old and _holds(grading, one, old[one.student])]
    rows = {row["student"]: _fill(grading.out, row, given) for row in kept}
    write_whole(file, gradebook.table(columns, list({**old, **rows}.values())).encode())  # later rows count
    _mark_shard(grading.out, shard)
    todo = [one for one in mine if one.student not in rows]
    with file.open("a", encoding="utf-8") as table:
        for row in _graded(grading, todo, given, jobs):
            rows[row["student"]] = row
            table.write(gradebook.table(columns, [row], header=False))
            table.flush()
    done = [rows[student] for student in sorted(rows)]
    write_whole(file, gradebook.table(columns, done).encode())
    return done


def _graded(grading: Grading, todo: Sequence[Submission], given: Given, jobs: int) -> Iterator[Row]:
    """Yield the row of each submission as soon as it is done."""
    with ThreadPoolExecutor(jobs) as pool:
        tasks = [pool.submit(_grade, grading, one, given) for one in todo]
        try:
            for task in tqdm(as_completed(tasks), "grade", len(tasks), unit="submission", disable=None):
                yield task.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            print("stopping: those in hand are brought to their end", file=sys.stderr)
            raise


def _rows_there(file: Path, columns: list[str], mine: set[str], everybody: set[str]) -> dict[str, Row]:
    """Return the rows of an earlier run; refuse those of another table or another part of the class."""
    if not file.exists():
        return {}
    there, rows = gradebook.read_grades(file)
    if there != columns:
        raise ValueError(f"{file} is of other questions: give another --out, or move it away")
    others = sorted({row["student"] for row in rows} & everybody - mine)
    if others:
        raise ValueError(f"{file} holds another shard (with {others[0]}): give each shard its own --out")
    return {row["student"]: row for row in rows if row["student"] in mine}


def _holds(grading: Grading, submission: Submission, row: Row) -> bool:
    """Tell whether nothing that went into a row has changed, and its pages are there."""
    if bool(submission.note) != row["notes"].startswith(intake.UNLISTED):
        return False
    try:
        with intake.opened(submission, grading.chapter.slug) as notebook:
            if notebook.stat().st_size > intake.LARGEST:
                return False
            digest = hashlib.sha256(notebook.read_bytes()).hexdigest()
    except (Problem, OSError):
        return False
    now = {
        "sha256": digest,
        "seed": intake.printable(grading.seed),
        "version": grading.version,
        "sandbox": grading.sandbox,
    }
    pages = [_page(grading.out, row["student"], kind).exists() for kind in report.KINDS]
    return all(row[column] == value for column, value in now.items()) and all(pages)


def _grade(grading: Grading, submission: Submission, given: Given) -> Row:
    """Grade one submission, write its feedback, return its row."""
    chapter, student = grading.chapter, submission.student
    result = _result(grading, submission)
    row = gradebook.row_of(student, result, chapter, grading.seed, grading.version, submission.note)
    row = gradebook.with_by_hand(row, given)
    for kind in report.KINDS:
        page = report.fill(report.page(kind, student, result, chapter, grading.version), row)
        write_whole(_page(grading.out, student, kind), page.encode())
    return row


def _result(grading: Grading, submission: Submission) -> Result:
    """Return what the judge finds; whatever goes wrong costs this submission only, and is told."""
    try:
        with intake.opened(submission, grading.chapter.slug) as notebook:
            return grading.grade(notebook)
    except Problem as problem:
        status, reason = problem.status, str(problem)
    except Exception as error:
        status, reason = "crashed", f"the grader itself failed, {type(error).__name__}: {error}"
    return Result(status, {}, [], [reason], "", 0.0, grading.sandbox)


def _page(out: Path, student: str, kind: str) -> Path:
    """Return where a student's feedback lies."""
    return out / "feedback" / f"{report.safe_name(student)}.{kind}"


def _fill(out: Path, row: Row, given: Given) -> Row:
    """Put points given by hand into a row and into its pages; return the row."""
    row = gradebook.with_by_hand(row, given)
    for kind in report.KINDS:
        path = _page(out, row["student"], kind)
        if path.exists():
            old = path.read_text(encoding="utf-8")
            new = report.fill(old, row)
            if new != old:
                write_whole(path, new.encode())
    return row


def merge(folders: Sequence[Path], out: Path, by_hand: Path | None = None) -> list[Row]:
    """Put the shards of a class together, or points given by hand into a table that is there."""
    shards = sorted(_shard_there(folder) for folder in folders)
    if shards != sorted(f"{k}/{len(folders)}" for k in range(1, len(folders) + 1)):
        raise ValueError(f"these are the shards {', '.join(shards)}: name all of one class, each once")
    tables = [gradebook.read_grades(folder / GRADES) for folder in folders]
    columns, rows = tables[0][0], {row["student"]: row for _, part in tables for row in part}
    runs = {(row["seed"], row["version"]) for row in rows.values()}
    if len(runs) > 1 or any(others != columns for others, _ in tables):
        raise ValueError("the tables have different questions, seeds or versions: grade all with the same")
    for page in (page for folder in folders for page in sorted((folder / "feedback").glob("*"))):
        write_whole(out / "feedback" / page.name, page.read_bytes())
    given = gradebook.read_by_hand(by_hand, columns, rows) if by_hand else {}
    done = [_fill(out, rows[student], given) for student in sorted(rows)]
    write_whole(out / GRADES, gradebook.table(columns, done).encode())
    _mark_shard(out, (1, 1))
    return done


def _mark_shard(out: Path, shard: tuple[int, int]) -> None:
    """Note which part of a class a folder holds, if not all of it."""
    if shard == (1, 1):
        (out / SHARD).unlink(missing_ok=True)
    else:
        write_whole(out / SHARD, f"{shard[0]}/{shard[1]}\n".encode())


def _shard_there(folder: Path) -> str:
    """Return which part of a class a folder holds."""
    return (folder / SHARD).read_text().strip() if (folder / SHARD).exists() else "1/1"
