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
WIDGET = "application/vnd.jupyter.widget-view+json"


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


def pytest_configure(config: Any) -> None:
    """Make nbval compare as described."""
    plain = plugin.IPyNbCell.sanitize
    compare = plugin.IPyNbCell.compare_outputs

    def sanitize(self: Any, text: Any) -> Any:
        cleaned = plain(self, figure_text(text) if isinstance(text, str) else text)
        return Output(cleaned) if isinstance(cleaned, str) else cleaned

    def compare_outputs(self: Any, test: Any, ref: Any, skip_compare: Any = None) -> bool:
        if any(WIDGET in output.get("data", {}) for output in ref):
            return True  # a widget's state is not in its output
        return bool(compare(self, test, ref, skip_compare))

    plugin.IPyNbCell.sanitize = sanitize
    plugin.IPyNbCell.compare_outputs = compare_outputs
