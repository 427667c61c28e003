"""What comes out of grading: no text of a student is a formula or HTML, and every sum is right."""

import csv
import io
from html.parser import HTMLParser
from pathlib import Path

import pytest

from seq2seq_edu.grading import Chapter, gradebook, report
from seq2seq_edu.grading.judge import Result
from seq2seq_edu.grading.questions import Outcome

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=y>&lt;`**_[a](javascript:b)<!--total-->9<!--/-->"


def chapter() -> Chapter:
    """Return questions of 3 + 5 points, and one of 4 by hand."""
    made = Chapter("03_toy")
    one = made.question("3.1", "One & <only>", kind="build", level=1, minutes=5, hints=("",))
    one.check(1, "visible hint")(lambda s: None)
    one.check(2, "hidden hint", hidden=True)(lambda s: None)
    two = made.question("3.2", "Two", kind="repair", level=2, minutes=5, hints=("",))
    two.check(0.1, "first")(lambda s: None)
    two.check(0.2, "second")(lambda s: None)
    two.check(4.7, "third")(lambda s: None)
    made.question("3.3", "Say why", kind="explain", level=1, minutes=5, hints=("",), by_hand=4)
    for check in (*one.checks, *two.checks):
        assert check.name == "<lambda>"
    return made


def result(*kinds: str, message: str = "", status: str = "graded", **more: object) -> Result:
    """Return a result whose checks, in order, came out like this."""
    questions = chapter().questions
    checks = [(id, check) for id, question in questions.items() for check in question.checks]
    outcomes: dict[str, list[Outcome]] = {id: [] for id in questions}
    for (id, check), kind in zip(checks, kinds, strict=True):
        outcomes[id].append(Outcome(check, kind, message, "ValueError"))
    facts = {"cells": [], "notes": [], "sha256": "ab" * 32, "seconds": 0.25, "sandbox": "bwrap", **more}
    return Result(status, outcomes, **facts)  # type: ignore[arg-type]


GOOD = result(*["passed"] * 5)
NONE = result(*["gone"] * 5, status="unreadable", notes=["not a notebook: cut short"])


def row(student: str = "anna", found: Result = GOOD) -> gradebook.Row:
    """Return the row of a result."""
    return gradebook.row_of(student, found, chapter(), "0", "1")


@pytest.mark.parametrize(
    ("kinds", "points"),
    [
        ("passed passed passed passed passed", ("3", "5", "8")),
        ("failed passed failed passed failed", ("2", "0.2", "2.2")),
        ("passed failed passed passed failed", ("1", "0.3", "1.3")),
        ("missing unanswered raised gone failed", ("0", "0", "0")),
    ],
)
def test_credit_is_partial_and_adds_up(kinds: str, points: tuple[str, str, str]) -> None:
    made = row(found=result(*kinds.split()))
    assert (made["3.1"], made["3.2"], made["total"]) == points
    assert made["maximum"] == "12" and made["3.3 by hand (of 4)"] == ""
    marked = gradebook.with_by_hand(made, {("anna", "3.3 by hand (of 4)"): "2.5"})
    assert float(marked["total"]) == pytest.approx(float(points[2]) + 2.5)


def test_a_failed_submission_has_a_reason_and_no_zero() -> None:
    made = row(found=NONE)
    assert (made["3.1"], made["3.2"], made["total"]) == ("", "", "")
    assert made["status"] == "unreadable" and made["notes"] == "not a notebook: cut short"
    for page in pages("anna", NONE):
        assert "could not be read" in page and "cut short" in page
        assert "–" in page and "0 of" not in page
    late = result("passed", "gone", "gone", "gone", "gone", status="timeout")
    assert row(found=late)["total"] == "1"  # what was earned in time is kept


TEXTS = ["=1+1", "+1", "-1", "@x", "\t=1", " =cmd|calc", "'=1", "'", "＝1", "a;=1", 'a"b', ""]


@pytest.mark.parametrize("text", TEXTS)
def test_no_cell_is_a_formula_and_none_is_changed(tmp_path: Path, text: str) -> None:
    made = row() | {"student": text, "notes": text}
    (tmp_path / "grades.csv").write_text(gradebook.table([*made], [made]), encoding="utf-8")
    with (tmp_path / "grades.csv").open(encoding="utf-8", newline="") as file:
        raw = list(csv.reader(file))[1]
    assert not raw[0].strip().startswith(("=", "+", "-", "@", "＝")) and not raw[-1].strip().startswith("=")
    assert gradebook.read_grades(tmp_path / "grades.csv") == ([*made], [made])


def test_a_spreadsheet_that_cuts_at_semicolons_sees_no_formula() -> None:
    text = gradebook.table(["student"], [{"student": "a;=cmd|calc"}], header=False)
    assert list(csv.reader(io.StringIO(text), delimiter=";")) == [["a;=cmd|calc"]]


def test_a_row_is_one_short_line_whatever_the_notes() -> None:
    made = row(found=result(*["passed"] * 5, notes=["a\nb\x00", "c" * 9999, "\u202e\udcff"]))
    line = gradebook.table([*made], [made], header=False)
    assert line.count("\n") == 1 and len(line) < 1000
    line.encode()


def test_a_table_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "grades.csv").write_text("name,mark\nx,1\n")
    with pytest.raises(ValueError, match="no table of grades"):
        gradebook.read_grades(tmp_path / "grades.csv")


# Points given by hand.


def by_hand(tmp_path: Path, lines: str) -> dict[tuple[str, str], str]:
    """Read a file of points given by hand to anna and 张三."""
    (tmp_path / "hand.csv").write_text(f"student,question,points\n{lines}\n", encoding="utf-8")
    return gradebook.read_by_hand(tmp_path / "hand.csv", [*row()], ["anna", "张三"])


def test_points_by_hand_are_read(tmp_path: Path) -> None:
    column = "3.3 by hand (of 4)"
    expected = {("anna", column): "3.5", ("张三", column): "0"}
    assert by_hand(tmp_path, "anna,3.3,3.5\n张三, 3.3 ,0") == expected


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("anna,3.3,1\nben,3.3,1", "line 3: no student 'ben'"),
        ("anna,3.1,1", "line 2: question '3.1' is not marked by hand, choose from: 3.3"),
        ("anna,3.3,5", "line 2: points '5', expected a number from 0 to 4"),
        ("anna,3.3,-1", "line 2: points '-1'"),
        ("anna,3.3,nan", "line 2: points 'nan'"),
        ("anna,3.3,", "line 2: points ''"),
        ("anna,3.3,1\n\nanna,3.3,2", "line 4: 'anna' has points for 3.3 already"),
        ("x,3.3,1\ny,3.3,1", "line 2: no student 'x'.*; line 3: no student 'y'"),
    ],
)
def test_wrong_points_by_hand_name_the_line_and_the_cure(tmp_path: Path, lines: str, words: str) -> None:
    with pytest.raises(ValueError, match=f"hand.csv, .*{words}"):
        by_hand(tmp_path, lines)


def test_points_by_hand_reach_a_page_that_is_there() -> None:
    made = row()
    for page in pages("anna", GOOD):
        assert "up to 4, not marked yet" in page
        marked = page
        for points, total in [("2", ">10<"), ("0", ">8<")]:  # they may change again
            marked = report.fill(
                marked, gradebook.with_by_hand(made, {("anna", "3.3 by hand (of 4)"): points})
            )
            assert f">{points} of 4<" in marked and "not marked" not in marked and total in marked


# Pages.


def pages(student: str, found: Result) -> tuple[str, str]:
    """Return both pages of a student."""
    made = row(student, found)
    html, markdown = (report.page(kind, student, found, chapter(), "1") for kind in report.KINDS)
    return report.fill(html, made), report.fill(markdown, made)


class Elements(HTMLParser):
    """Collects what a browser would make of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_page_holds_no_element_of_a_students_making() -> None:
    found = result(*["failed"] * 5, message=EVIL, cells=[(3, EVIL, EVIL)], notes=[EVIL])
    page, markdown = pages(EVIL, found)
    honest = result(*["failed"] * 5, cells=[(3, "", "")])
    elements, harmless = Elements(page), Elements(pages("anna", honest)[0])
    assert elements.tags == harmless.tags and elements.attributes == harmless.attributes
    assert "script" not in elements.tags and not {"src", "href", "onerror"} & elements.attributes
    assert EVIL in elements.text  # as they wrote it
    assert "<script" not in markdown and "<img" not in markdown and "](" not in markdown.replace("\\](", "")
    assert "default-src 'none'" in page


def test_of_a_hidden_check_a_page_tells_the_hint_alone() -> None:
    found = result("failed", "raised", "passed", "passed", "passed", message="secret 7.25")
    for page in pages("anna", found):
        assert page.count("secret 7.25") == 1  # the visible check
        assert "hidden hint (the code stopped with ValueError)" in page
    for page in pages("anna", GOOD):
        assert "hidden hint" not in page


def test_pages_are_for_students() -> None:
    for page in pages("anna", result(*["passed"] * 5, notes=["cell 3 calls beam_search"])):
        assert "beam_search" not in page and "ab" * 32 in page
    for page in pages("anna", result(*["unanswered"] * 5)):
        assert page.count("not answered yet") == 5


def test_file_names_are_safe_and_no_two_are_alike() -> None:
    students = [
        "anna",
        "Anna",
        "ANNA",
        "../../x",
        "x",
        "/x",
        'a"b',
        "a'b",
        "a b",
        "张三",
        "张 三",
        "con",
        "CON",
    ]
    students += ["", ".", "=cmd|calc", "a" * 300, "a" * 301, "José", "jose", "ß", "ss", "nul.txt"]
    students += [report.safe_name("Anna")]  # somebody may have taken this name on purpose
    names = [report.safe_name(student) for student in students]
    assert len({name.casefold() for name in names}) == len(students)
    for name in names:
        assert name and len(name.encode()) < 200 and not set(name) & set("/\\:*?\"<>|. '\n") and name != "con"
    assert report.safe_name("zhang-san_2") == "zhang-san_2"
    assert report.safe_name("张三").startswith("张三-")
