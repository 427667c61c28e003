"""Grading of a class: several submissions at once, a row as soon as each is done, and nothing done twice."""

import hashlib
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from seq2seq_edu.files import write_whole
from seq2seq_edu.grading import gradebook, intake, report
from seq2seq_edu.grading.gradebook import ByHand, Row
from seq2seq_edu.grading.intake import Problem, Submission
from seq2seq_edu.grading.judge import Result
from seq2seq_edu.grading.questions import Chapter

GRADES, SHARD = "grades.csv", "shard.txt"  # the second only where a folder does not hold all of a class


@dataclass(frozen=True)
class Grading:
    """What the submissions of a class have in common: `version` names the checks, `sandbox` the walls."""

    chapter: Chapter
    grade: Callable[[bytes], Result]
    out: Path
    sandbox: str
    seed: str
    version: str


def grade_class(
    grading: Grading,
    submissions: Sequence[Submission],
    jobs: int,
    shard: tuple[int, int],
    by_hand: Path | None,
) -> list[Row]:
    """Grade submissions into `grades.csv` and `feedback/`; rows that are there and still hold are kept."""
    out, columns = grading.out, gradebook.columns_of(grading.chapter)
    file, (part, parts) = out / GRADES, shard
    everybody = {one.student: one for one in submissions}
    mine = {student: one for student, one in everybody.items() if shard_of(student, parts) == part}
    marked = gradebook.read_by_hand(by_hand, columns, everybody)
    old = _rows_there(file, columns, mine, everybody.keys() - mine.keys())
    hand = [column for column, _ in gradebook.by_hand_columns(columns).values()]
    given = {(student, column): row[column] for student, row in old.items() for column in hand if row[column]}
    given |= marked
    held = {student: row for student, row in old.items() if _holds(grading, mine[student], row)}
    rows = {student: _fill(out, row, given) for student, row in held.items()}
    write_whole(file, gradebook.table(columns, (old | rows).values()).encode())  # later rows count
    (out / SHARD).unlink(missing_ok=True)
    if parts > 1:
        write_whole(out / SHARD, f"{part}/{parts}\n".encode())
    with file.open("a", encoding="utf-8") as table:
        for row in _graded(grading, [mine[student] for student in mine if student not in rows], given, jobs):
            rows[row["student"]] = row
            table.write(gradebook.table(columns, [row], header=False))
            table.flush()
    done = [rows[student] for student in sorted(rows)]
    write_whole(file, gradebook.table(columns, done).encode())
    return done


def shard_of(student: str, count: int) -> int:
    """Return which of so many machines grades a student, from 1: it depends on the name alone."""
    return int(hashlib.sha256(student.encode()).hexdigest(), 16) % count + 1


def _rows_there(file: Path, columns: list[str], mine: Collection[str], others: set[str]) -> dict[str, Row]:
    """Return the rows of an earlier run; refuse those of another table or another part of the class."""
    if not file.exists():
        return {}
    there, rows = gradebook.read_grades(file)
    if there != columns:
        raise ValueError(f"{file} is of other questions: give another --out, or move it away")
    strange = sorted(row["student"] for row in rows if row["student"] in others)
    if strange:
        raise ValueError(f"{file} holds another shard (with {strange[0]}): give each shard its own --out")
    return {row["student"]: row for row in rows if row["student"] in mine}


def _holds(grading: Grading, submission: Submission, row: Row) -> bool:
    """Tell whether nothing that went into a row has changed, and its pages are there."""
    try:
        digest = hashlib.sha256(intake.read_notebook(submission, grading.chapter.slug)).hexdigest()
    except Problem:
        return False
    now = {"sha256": digest, "seed": intake.printable(grading.seed)}
    now |= {"version": grading.version, "sandbox": grading.sandbox}
    noted = bool(submission.note) == row["notes"].startswith(intake.UNLISTED)
    return noted and now.items() <= row.items() and all(path.exists() for path in _pages(grading.out, row))


def _graded(grading: Grading, todo: Iterable[Submission], given: ByHand, jobs: int) -> Iterator[Row]:
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


def _grade(grading: Grading, submission: Submission, given: ByHand) -> Row:
    """Grade one submission, write its feedback, return its row."""
    chapter, student, version = grading.chapter, submission.student, grading.version
    result = _result(grading, submission)
    row = gradebook.row_of(student, result, chapter, grading.seed, version, submission.note)
    for path in _pages(grading.out, row):
        write_whole(path, report.page(path.suffix[1:], student, result, chapter, version).encode())
    return _fill(grading.out, row, given)


def _result(grading: Grading, submission: Submission) -> Result:
    """Return what the judge finds; whatever goes wrong costs this submission only, and is told."""
    try:
        return grading.grade(intake.read_notebook(submission, grading.chapter.slug))
    except Problem as problem:
        status, reason = problem.status, str(problem)
    except Exception as error:
        status, reason = "crashed", f"the grader itself failed, {type(error).__name__}: {error}"
    return Result(status, {}, [], [reason], "", 0.0, grading.sandbox)


def _pages(out: Path, row: Row) -> list[Path]:
    """Return where a student's feedback lies."""
    return [out / "feedback" / f"{report.safe_name(row['student'])}.{kind}" for kind in report.KINDS]


def _fill(out: Path, row: Row, given: ByHand) -> Row:
    """Put points given by hand into a row and into its pages; return the row."""
    row = gradebook.with_by_hand(row, given)
    for path in _pages(out, row):
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        new = report.fill(old, row)
        if new != old:
            write_whole(path, new.encode())
    return row


def merge(folders: Sequence[Path], out: Path, by_hand: Path | None) -> list[Row]:
    """Put the shards of a class together, or points given by hand into a table that is there."""
    marks = [folder / SHARD for folder in folders]
    shards = sorted(mark.read_text().strip() if mark.exists() else "1/1" for mark in marks)
    if shards != sorted(f"{k}/{len(folders)}" for k in range(1, len(folders) + 1)):
        raise ValueError(f"these are the shards {', '.join(shards)}: name all of one class, each once")
    tables = [gradebook.read_grades(folder / GRADES) for folder in folders]
    columns, rows = tables[0][0], {row["student"]: row for _, part in tables for row in part}
    runs = {(row["seed"], row["version"]) for row in rows.values()}
    if len(runs) > 1 or any(others != columns for others, _ in tables):
        raise ValueError("the tables have different questions, seeds or versions: grade all with the same")
    for page in [page for folder in folders for page in (folder / "feedback").glob("*")]:
        write_whole(out / "feedback" / page.name, page.read_bytes())
    given = gradebook.read_by_hand(by_hand, columns, rows)
    done = [_fill(out, rows[student], given) for student in sorted(rows)]
    write_whole(out / GRADES, gradebook.table(columns, done).encode())
    (out / SHARD).unlink(missing_ok=True)
    return done
