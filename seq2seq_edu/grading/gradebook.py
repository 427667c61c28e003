"""The rows of `grades.csv`: points, status and reasons, written so that no text of a student is a formula."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from seq2seq_edu.grading.intake import printable, read_table
from seq2seq_edu.grading.judge import Result
from seq2seq_edu.grading.questions import Chapter, Outcome, Question, earned

Row = dict[str, str]
FACTS = ("total", "maximum", "status", "sandbox", "sha256", "seed", "version", "seconds", "notes")
FORMULA = tuple("=+-@＝＋－＠")  # what a spreadsheet may take for the start of one
LONGEST = 500  # characters of the notes in a row


def _by_hand_column(question: Question) -> str:
    """Return the column of points that an instructor gives: the question, and the most it can earn."""
    return f"{question.id} by hand (of {question.by_hand:g})"


def by_hand_columns(columns: Sequence[str]) -> dict[str, tuple[str, float]]:
    """Return what is marked by hand."""
    found = [re.fullmatch(r"(.+) by hand \(of (.+)\)", column) for column in columns]
    return {match[1]: (match[0], float(match[2])) for match in found if match}


def columns_of(chapter: Chapter) -> list[str]:
    """Return the columns of `grades.csv`."""
    questions = chapter.questions.values()
    checked = [question.id for question in questions if question.checks]
    return [
        "student",
        *checked,
        *(_by_hand_column(question) for question in questions if question.by_hand),
        *FACTS,
    ]


def row_of(student: str, result: Result, chapter: Chapter, seed: str, version: str, note: str = "") -> Row:
    """Return the row of one submission; where no check has run there are no points, rather than 0."""
    row = dict.fromkeys(columns_of(chapter), "")
    row.update({id: f"{earned(outcomes):g}" for id, outcomes in outcomes_of(result).items() if id in row})
    row |= {"student": student, "maximum": f"{most_points(chapter):g}", "status": result.status}
    row |= {"sandbox": result.sandbox, "sha256": result.sha256, "seed": seed, "version": version}
    row["seconds"] = f"{result.seconds:.2f}"
    row["notes"] = " ".join("; ".join([*filter(None, [note]), *result.notes]).split())[:LONGEST]
    return _with_total({column: printable(text) for column, text in row.items()})


def outcomes_of(result: Result) -> dict[str, list[Outcome]]:
    """Return what the checks found, or nothing if the notebook was gone before the first of them."""
    kinds = {outcome.kind for outcomes in result.outcomes.values() for outcome in outcomes}
    return result.outcomes if result.status == "graded" or kinds - {"gone"} else {}


def most_points(chapter: Chapter) -> float:
    """Return all points of a chapter, those given by hand too."""
    return sum(question.points + question.by_hand for question in chapter.questions.values())


def _with_total(row: Row) -> Row:
    """Return a row with the sum of its points, those given by hand too; without any there is no sum."""
    columns = list(row)
    points = [row[column] for column in columns[1 : columns.index("total")] if row[column]]
    return row | {"total": f"{sum(map(float, points)):g}" if points else ""}


def cell(text: str) -> str:
    """Return a text as it stands in a table: what could be a formula gets an apostrophe."""
    return f"'{text}" if text.startswith("'") or text.lstrip().startswith(FORMULA) else text


def table(columns: Sequence[str], rows: Sequence[Row], header: bool = True) -> str:
    """Return rows as CSV, one line each, every cell in quotes (some spreadsheets cut at semicolons)."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([list(columns)] if header else [])
    writer.writerows([cell(row[column]) for column in columns] for row in rows)
    return text.getvalue()


def read_grades(path: Path) -> tuple[list[str], list[Row]]:
    """Read a table back; a last line that was not finished when the computer stopped is left out."""
    whole = path.read_text(encoding="utf-8-sig", errors="replace").rpartition("\n")[0]
    lines = list(csv.reader(io.StringIO(whole)))
    columns = lines[0] if lines else []
    if columns[:1] != ["student"] or columns[-len(FACTS) :] != list(FACTS):
        raise ValueError(f"{path} is no table of grades: choose another folder, or move it away")
    cells = [[text[1:] if text.startswith("'") else text for text in line] for line in lines[1:]]
    return columns, [dict(zip(columns, line, strict=True)) for line in cells if len(line) == len(columns)]


def read_by_hand(path: Path, columns: Sequence[str], students: Iterable[str]) -> dict[tuple[str, str], str]:
    """Read the points that an instructor gave: a CSV file with the columns student, question and points."""
    questions, known = by_hand_columns(columns), set(students)
    given: dict[tuple[str, str], str] = {}
    wrong = []
    for line, row in read_table(path, ["student", "question", "points"]):
        student, id = printable(row["student"].strip()), row["question"].strip()
        column, most = questions.get(id, ("", 0.0))
        if student not in known:
            wrong.append(f"line {line}: no student {student!r}, write the name as in grades.csv")
        elif not column:
            ids = ", ".join(questions) or "none is"
            wrong.append(f"line {line}: question {id!r} is not marked by hand, choose from: {ids}")
        elif (student, column) in given:
            wrong.append(f"line {line}: {student!r} has points for {id} already, keep one of the lines")
        elif not 0 <= (points := _number(row["points"])) <= most:
            wrong.append(f"line {line}: points {row['points']!r}, expected a number from 0 to {most:g}")
        else:
            given[student, column] = f"{points:g}"
    if wrong:
        raise ValueError(f"{path.name}, " + "; ".join(wrong[:5]) + (" ..." if len(wrong) > 5 else ""))
    return given


def _number(text: str) -> float:
    """Return a number, or one that no range contains."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def by_hand_points(rows: Iterable[Row]) -> dict[tuple[str, str], str]:
    """Return the points in a table that an instructor gave, as `read_by_hand` does."""
    return {
        (row["student"], column): row[column]
        for row in rows
        for column, _ in by_hand_columns(list(row)).values()
        if row[column]
    }


def with_by_hand(row: Row, given: Mapping[tuple[str, str], str]) -> Row:
    """Return a row with the points that an instructor gave, and their sum with the others."""
    columns = [column for column, _ in by_hand_columns(list(row)).values()]
    return _with_total(row | {column: given.get((row["student"], column), row[column]) for column in columns})
