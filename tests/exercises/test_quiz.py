"""The quiz: one right option a question, equal to what one works out by hand; the page gives nothing away."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest
from conftest import load_script

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "teaching" / "quiz.md"
quiz = load_script(ROOT / "solutions" / "quiz.py")

NUMBERS = range(1, len(quiz.IDEAS) + 1)
FORMS = [(form, number) for form in "AB" for number in NUMBERS]


def question(form: str, number: int) -> quiz.Question:
    """Return a question."""
    return quiz.IDEAS[number - 1].question(form)


def words(form: str, number: int) -> str:
    """Return the words of the right option, or the number."""
    asked = question(form, number)
    return dict(zip("abcd", (w for w, _ in asked.options), strict=False)).get(asked.answer, asked.answer)


def share(*weights: Fraction | int, of: slice) -> Fraction:
    """Return a part of weights that are exponentials already."""
    return Fraction(sum(weights[of]), sum(weights))


def mean_surprise(*sentences: tuple[int, int]) -> Fraction:
    """Return all nats divided by all words."""
    return Fraction(sum(n * nats for n, nats in sentences), sum(n for n, _ in sentences))


def in_triangle(point: tuple[int, int], a: tuple[int, int], b: tuple[int, int], c: tuple[int, int]) -> bool:
    """Tell whether a point lies on one side of all three edges."""
    sides = []
    for p, q in ((a, b), (b, c), (c, a)):
        sides.append((q[0] - p[0]) * (point[1] - p[1]) - (q[1] - p[1]) * (point[0] - p[0]))
    return all(side > 0 for side in sides) or all(side < 0 for side in sides)


HALF = Fraction(1, 2)
BY_HAND = {  # number: the right answer of form A and of form B, without the package
    1: (share(2, 3, 5, of=slice(2, 3)), share(1, 3, 4, of=slice(1, 2))),
    2: (share(HALF, HALF, 1, of=slice(2, 3)), share(HALF, HALF, 1, 1, of=slice(2, 4))),
    3: (Fraction(5), 6 * Fraction(1, 4)),
    4: ("3/4 at both steps", "4/5 at both steps"),
    5: ("(1, 2)", "(2, 1)"),
    6: ("each word keeps its weight, and the context stays",) * 2,
    7: ("those of step $t+1$, not those of step $t$", "those of step $t$ and of step $t+1$"),
    8: ("1 alone, 3 fed with the right ones", "2 alone, 4 fed with the right ones"),
    9: ("`love`", "`yesterday`"),
    10: (mean_surprise((2, 3), (6, 1)), mean_surprise((2, 5), (8, 1))),
    11: ("2", "3"),
    12: ("the padding and not the words", "the words and not the padding"),
    13: ("猫 again, though the map is another",) * 2,
    14: ("map 2", "both have the same"),
    15: ("it grows with attention, and stays without it",) * 2,
    16: ("0.24 and 0.36", "0.25 and 0.27"),
}


@pytest.mark.parametrize(("form", "number"), FORMS)
def test_the_answer_is_what_one_works_out_by_hand(form: str, number: int) -> None:
    expected, found = BY_HAND[number]["AB".index(form)], words(form, number)
    assert found == expected if isinstance(expected, str) else Fraction(found) == expected


@pytest.mark.parametrize(("form", "number"), [f for f in FORMS if question(*f).options])
def test_exactly_one_option_is_right(form: str, number: int) -> None:
    asked = question(form, number)
    assert len(asked.right) == 1
    assert len(asked.options) == len({words for words, _ in asked.options}) == 4
    claims = [claim for _, claim in asked.options]
    assert all(a != b for a, b in itertools.combinations(claims, 2)), "two options claim the same"


def test_numbers_are_exact_enough_to_be_marked() -> None:
    for form, number in FORMS:
        asked = question(form, number)
        if not asked.options:
            assert math.isclose(float(asked.answer), asked.found) and len(asked.answer) <= 5


def test_the_hull_is_a_triangle() -> None:
    for form in "AB":
        states, points = getattr(quiz.IDEAS[4], form)
        assert [p for p in points if in_triangle(p, *states)] == [question(form, 5).found]
        boxed = [p for p in points if all(min(c) <= x <= max(c) for x, *c in zip(p, *states, strict=True))]
        assert len(boxed) == 2, "one wrong point lies inside the box: the bounds are not enough"


def test_a_question_with_two_right_options_would_be_found() -> None:
    asked = quiz.Question("?", 1, (("one", 1), ("uno", 1), ("two", 2), ("three", 3)))
    assert asked.right == ["a", "b"]


def test_both_forms_ask_the_same_ideas_with_other_numbers() -> None:
    assert 12 <= len(quiz.IDEAS) <= 16
    for what in ("name", "ask", "why"):
        assert len({getattr(idea, what) for idea in quiz.IDEAS}) == len(quiz.IDEAS)
    for number, idea in enumerate(quiz.IDEAS, start=1):
        A, B = question("A", number), question("B", number)
        assert A.text != B.text, f"form B of {idea.name} has the numbers of form A"
        assert len(A.options) == len(B.options)


def test_every_idea_is_taught_in_a_chapter() -> None:
    chapters = {path.stem.split("_", 1)[1] for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")}
    assert {idea.chapter for idea in quiz.IDEAS} <= chapters


def test_no_way_of_guessing_pays() -> None:
    for form in "AB":
        letters = [question(form, number).answer for number in NUMBERS if question(form, number).options]
        assert max(Counter(letters).values()) < len(letters) / 2 and set(letters) == set("abcd")
    same = sum(question("A", number).answer == question("B", number).answer for number in NUMBERS)
    assert same <= 3, "who remembers the letters of form A knows form B"


def test_the_page_is_the_one_that_is_computed() -> None:
    assert PAGE.read_text(encoding="utf-8") == quiz.page(), "python solutions/quiz.py > docs/teaching/quiz.md"


def test_the_page_shows_no_answer() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert not re.search(r"<details|<!--|\[x\]|✓|solution|correct", page, flags=re.IGNORECASE)
    for idea in quiz.IDEAS:
        assert idea.why not in page and idea.name not in page
    lines = page.splitlines()
    options = [line for line in lines if line.startswith("-")]
    assert len(options) == 4 * sum(bool(question(*f).options) for f in FORMS)
    assert all(re.fullmatch(r"- [abcd]\) [^*]+", line) for line in options), "no option is marked"
    assert all(line == "Answer: ______" for line in lines if line.startswith("Answer"))
    asked = [line[2:].split(".")[0] for line in lines if line.startswith("**")]
    assert asked == [f"{form}{number}" for form, number in FORMS]


def test_the_key_has_a_line_for_each_idea() -> None:
    lines = "\n".join(quiz.key()).splitlines()
    assert len(lines) == len(quiz.IDEAS) + 2 and all(line.count("|") == 7 for line in lines)
    assert f"| {question('A', 5).answer} | {question('B', 5).answer} |" in lines[6]
