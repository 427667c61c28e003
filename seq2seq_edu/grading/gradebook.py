"""The rows of `grades.csv`: points, status and reasons, written so that no text of a student is a formula."""

import csv
import io
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path

from seq2seq_edu.grading.intake import printable, read_table
from seq2seq_edu.grading.judge import Result
from seq2seq_edu.grading.questions import Chapter, Outcome, earned

Row = dict[str, str]
ByHand = Mapping[tuple[str, str], str]  # points that an instructor gave, by student and column
FACTS = "total maximum status sandbox sha256 seed version seconds notes".split()
FORMULA = tuple("=+-@＝＋－＠")  # what a spreadsheet may take for the start of one
LONGEST = 500  # characters of the notes in a row


def columns_of(chapter: Chapter) -> list[str]:
    """Return the columns of `grades.csv`."""
    questions = chapter.questions.values()
    by_hand = (f"{q.id} by hand (of {q.by_hand:g})" for q in questions if q.by_hand)
    return ["student", *(q.id for q in questions if q.checks), *by_hand, *FACTS]


def by_hand_columns(columns: Iterable[str]) -> dict[str, tuple[str, float]]:
    """Return the column and the most points of each question that is marked by hand."""
    found = [re.fullmatch(r"(.+) by hand \(of (.+)\)", column) for column in columns]
    return {match[1]: (match[0], float(match[2])) for match in found if match}


def row_of(student: str, result: Result, chapter: Chapter, seed: str, version: str, note: str = "") -> Row:
    """Return the row of one submission; where no check has run there are no points, rather than 0."""
    notes = "; ".join([*filter(None, [note]), *result.notes])
    values = {id: f"{earned(outcomes):g}" for id, outcomes in outcomes_of(result).items()}
    values |= {"student": student, "maximum": f"{most_points(chapter):g}", "status": result.status}
    values |= {"sandbox": result.sandbox, "sha256": result.sha256, "seed": seed, "version": version}
    values |= {"seconds": f"{result.seconds:.2f}", "notes": " ".join(notes.split())[:LONGEST]}
    return with_by_hand({column: printable(values.get(column, "")) for column in columns_of(chapter)}, {})


def outcomes_of(result: Result) -> dict[str, list[Outcome]]:
    """Return what the checks found, or nothing if the notebook was gone before the first of them."""
    kinds = {outcome.kind for outcomes in result.outcomes.values() for outcome in outcomes}
    return result.outcomes if result.status == "graded" or kinds - {"gone"} else {}


def most_points(chapter: Chapter) -> float:
    """Return all points of a chapter, those given by hand too."""
    return sum(question.points + question.by_hand for question in chapter.questions.values())


def with_by_hand(row: Row, given: ByHand) -> Row:
    """Return a row with the points that an instructor gave, and the sum of all if there are any."""
    columns = list(row)
    by_hand = [column for column, _ in by_hand_columns(columns).values()]
    row = row | {column: given.get((row["student"], column), row[column]) for column in by_hand}
    points = [float(row[column]) for column in columns[1 : columns.index("total")] if row[column]]
    return row | {"total": f"{sum(points):g}" if points else ""}


def cell(text: str) -> str:
    """Return a text as it stands in a table: what could be a formula gets an apostrophe."""
    return f"'{text}" if text.startswith("'") or text.lstrip().startswith(FORMULA) else text


def table(columns: Sequence[str], rows: Iterable[Row], header: bool = True) -> str:
    """Return rows as CSV, one line each, every cell in quotes (some spreadsheets cut at semicolons)."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([columns] if header else [])
    writer.writerows([cell(row[column]) for column in columns] for row in rows)
    return text.getvalue()


def read_grades(path: Path) -> tuple[list[str], list[Row]]:
    """Read a table back; a last line that was not finished when the computer stopped is left out."""
    whole = path.read_text(encoding="utf-8-sig", errors="replace").rpartition("\n")[0]
    columns, *lines = [*csv.reader(io.StringIO(whole))] or [[]]
    if columns[:1] != ["student"] or columns[-len(FACTS) :] != FACTS:
        raise ValueError(f"{path} is no table of grades: choose another folder, or move it away")
    cells = [[text.removeprefix("'") for text in line] for line in lines if len(line) == len(columns)]
    return columns, [dict(zip(columns, line, strict=True)) for line in cells]


def read_by_hand(path: Path | None, columns: Iterable[str], students: Container[str]) -> ByHand:
    """Read the points that an instructor gave: a CSV file with the columns student, question and points."""
    if path is None:
        return {}
    questions, given, wrong = by_hand_columns(columns), dict[tuple[str, str], str](), []
    for line, row in read_table(path, ["student", "question", "points"]):
        student, id = printable(row["student"].strip()), row["question"].strip()
        column, most = questions.get(id, ("", 0.0))
        number = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*", row["points"])
        if student not in students:
            wrong.append(f"line {line}: no student {student!r}, write the name as in grades.csv")
        elif not column:
            ids = ", ".join(questions) or "none is"
            wrong.append(f"line {line}: question {id!r} is not marked by hand, choose from: {ids}")
        elif (student, column) in given:
            wrong.append(f"line {line}: {student!r} has points for {id} already, keep one of the lines")
        elif number is None or float(number[1]) > most:
            wrong.append(f"line {line}: points {row['points']!r}, expected a number from 0 to {most:g}")
        else:
            given[student, column] = f"{float(number[1]):g}"
    if wrong:
        raise ValueError(f"{path.name}, " + "; ".join(wrong[:5]) + (" ..." if len(wrong) > 5 else ""))
    return given
