"""List the numbers in the prose of notebooks that nothing in the same notebook holds.

Usage: python tools/check_numbers.py [NOTEBOOK ...]          (default: notebooks/*.ipynb)

A number in a text cell or a folded answer should come from something that runs: an output of the chapter,
or its code (a setting, a bound, the arithmetic of a hand-worked example). Rounded numbers, percentages and
ranges are held by the number they were rounded from. Left alone: whole numbers up to twelve, years,
minutes, numbers of chapters, equations, exercises and papers, links, code, and the cells of exercises and
references. A cell tagged `numbers-given` is not read: its numbers come from the book or from papers, or are
worked out in the text itself. The exit status is 1 if a number is left over.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
GIVEN = "numbers-given"
LISTS = ("-exercises", "-references")  # ends of the ids of cells that hold nothing else
SMALL = 12  # whole numbers up to here count things; they are everywhere
NUMBER = re.compile(
    r"(?<![\w.])[-−]?\d+(?:[,\u2009\u202f]\d{3})*(?:\.\d+)?(?:e[-+]?\d+)?(?![\w]|\.\d)(\s?%)?"
)
BIBLIOGRAPHY = re.compile(
    r"""```.*?``` | `[^`]*` | \]\([^)]*\) | <[^>]+> | (?:https?:// | arXiv: | doi:)\S+   # code, links, tags
    | \b2\.3\.\d[\d.]* | \b(?:19|20)\d\d\b | \d+(?:\sto\s\d+)?\sminutes   # headings of the book, years
    | (?i:chapters?|exercises?|eqs?\.|equations?|tables?|figs?\.|sections?|parts?)
      \s[\d.,]+(?:\s(?:to|and|or)\s[\d.]+)?
    | \[\d\d\s[^\]]*\] | \[\d+\.\d+\s*\] | ^\#+\s\d[\d.]* | ^\s*\d+\.\s   # links to chapters, lists""",
    re.VERBOSE | re.MULTILINE | re.DOTALL,
)


class Loose(NamedTuple):
    """A number that nothing holds."""

    cell: str
    number: str
    context: str


def numbers(text: str) -> Iterator[tuple[str, Decimal, int]]:
    """Yield each number of a text: as it stands, its value, and where."""
    for match in NUMBER.finditer(text):
        digits = re.sub(r"[,\u2009\u202f]", "", match[0].rstrip("% \u202f")).replace("−", "-").strip()
        value = Decimal(digits)
        yield match[0].strip(), value / 100 if match[1] else value, match.start()


def loose(notebook: dict[str, Any]) -> list[Loose]:
    """Return the numbers of the text cells that no output and no code of the notebook holds."""
    held: set[Decimal] = set()
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            for text in ("".join(cell["source"]), *map(_words, cell["outputs"])):
                held.update(abs(value) for _, value, _ in numbers(text))
    found = []
    for cell in notebook["cells"]:
        given = GIVEN in cell["metadata"].get("tags", []) or cell.get("id", "").endswith(LISTS)
        if cell["cell_type"] == "markdown" and not given:
            text = BIBLIOGRAPHY.sub(lambda match: " " * len(match[0]), "".join(cell["source"]))
            for number, value, place in numbers(text):
                if not (number.isdecimal() and value <= SMALL) and not _is_held(abs(value), held):
                    context = " ".join(text[max(0, place - 40) : place + 40].split())
                    found.append(Loose(cell.get("id", ""), number, context))
    return found


def _is_held(value: Decimal, held: set[Decimal]) -> bool:
    """Tell whether a number, or one that rounds to it, or its hundredth, is there."""
    if value in held or value / 100 in held or value * 100 in held:
        return True
    unit = Decimal(1).scaleb(int(value.as_tuple().exponent))
    return any(abs(number - value) <= unit / 2 for number in held)


def _words(output: dict[str, Any]) -> str:
    """Return the text of an output; of a picture its alternative text."""
    data = output.get("data", {})
    texts = ["".join(data[kind]) for kind in ("text/plain", "text/html", "text/markdown") if kind in data]
    texts += ["".join(output.get("text", "")), str(output.get("evalue", ""))]
    pictures = r"data:image/[^\"']*|<svg.*?</svg>|<style.*?</style>"
    return re.sub(pictures, " ", " ".join(texts), flags=re.DOTALL)


def main() -> int:
    """Return the exit status: 1 if a number is left over."""
    paths = [Path(name) for name in sys.argv[1:]] or sorted((ROOT / "notebooks").glob("*.ipynb"))
    left = 0
    for path in paths:
        for item in loose(json.loads(path.read_text(encoding="utf-8"))):
            print(f"{path.name} {item.cell}: {item.number}    … {item.context} …")
            left += 1
    print(f"numbers that nothing holds: {left}")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
