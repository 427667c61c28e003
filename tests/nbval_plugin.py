"""How notebook outputs are compared: numbers nearly, words exactly, figures by their text.

`tools/check_notebooks.py` loads this beside nbval (`pytest -p nbval_plugin`). nbval asks whether two strings
differ after sanitising; here sanitising returns a string that compares in the way described.
"""

from __future__ import annotations

import html
import re
from typing import Any

from nbval import plugin

RELATIVE, ABSOLUTE = 1e-3, 1e-4
# A number with a point or an exponent. Whole numbers (counts, ids, shapes) are words: they must be equal.
NUMBER = re.compile(
    r"(?<![\w.])[-+\u2212]?(?:\d+\.\d*|\.\d+)(?:[eE][-+]?\d+)?|(?<![\w.])[-+]?\d+[eE][-+]?\d+"
)
IMAGE = re.compile(r"<img\b[^>]*\bsrc=[\"']data:[^>]*>")
ALT = re.compile(r"\balt=\"([^\"]*)\"")
PACKED = re.compile(r"[A-Za-z0-9+/=]{100,}")
STATE = re.compile(r'\bdata-state="([^"]*)"')  # of a widget, in the output that stands for it


class Output(str):
    """Text of an output, equal to another where the words are the same and the numbers are close."""

    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and same(str(self), str(other))

    def __ne__(self, other: object) -> bool:
        return not self == other


def same(one: str, other: str) -> bool:
    """Tell whether two outputs agree."""
    if one == other:
        return True
    if words(one) != words(other):
        return False
    return all(close(a, b) for a, b in zip(numbers(one), numbers(other), strict=True))


def words(text: str) -> str:
    """Return the text with its numbers taken out, and the blanks that NumPy pads numbers with."""
    bare = NUMBER.sub("#", text)
    if bare == text:
        return text
    return re.sub(r"(?<=\[) +| +(?=[\],])", "", re.sub(r"(?<=\S)[ \t]+", " ", bare))


def numbers(text: str) -> list[float]:
    """Return the numbers of the text, in order."""
    return [float(found.replace("\u2212", "-")) for found in NUMBER.findall(text)]


def close(a: float, b: float) -> bool:
    """Tell whether two numbers differ by no more than the tolerance."""
    return abs(a - b) <= ABSOLUTE + RELATIVE * max(abs(a), abs(b))


def figure_text(text: str) -> str:
    """Put the alternative text in the place of every image that is part of the page."""
    return IMAGE.sub(lambda match: "image: " + "".join(ALT.findall(html.unescape(match[0]))), text)


def split_states(text: str) -> tuple[str, list[str]]:
    """Return the text without the states of its widgets, and those states.

    A state has no blank for a hundred thousand characters: patterns for paths and times have nothing to find
    in it, and would look for minutes. Numbers packed as bytes differ in their last bits between machines, and
    so in their letters: tests of the widgets judge them.
    """
    states = [PACKED.sub("packed", html.unescape(state)) for state in STATE.findall(text)]
    return STATE.sub("state", text), states


def pytest_configure(config: Any) -> None:
    """Make nbval compare as described."""
    plain = plugin.IPyNbCell.sanitize

    def sanitize(self: Any, text: Any) -> Any:
        if not isinstance(text, str):
            return plain(self, text)
        bare, states = split_states(figure_text(text))
        return Output("\n".join([plain(self, bare), *states]))

    plugin.IPyNbCell.sanitize = sanitize
