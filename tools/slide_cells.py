"""Cut a notebook into slides: which cells are seen together, and where a new column begins.

A chapter is a row of beats: a text, its code, the result. `#` and `##` begin a column, `###` and each beat a
slide of their own below it. A cell's `slideshow.slide_type` (JupyterLab: the sidebar on the right) overrides
this: slide, subslide, - (on the slide that is there), fragment (there, but one key later), notes, skip.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

TYPES = ("slide", "subslide", "fragment", "-", "skip", "notes")
SETTINGS = re.compile(r"import |from |notebook\.start\(|np\.set_printoptions\(|plt\.rcParams|os\.environ")
TOGETHER = 14  # lines of code that several cells may have on one slide
FULL = 260  # letters of a text that a set-up is not put below
CLOSING = 420  # letters of a text that still stands below the result it speaks of


class SlidesError(Exception):
    """What is wrong with a notebook or with this machine, in one line."""


@dataclass
class Slide:
    """Cells that are seen together; `first` says whether a new column begins."""

    first: bool
    cells: list[Any] = field(default_factory=list)

    @property
    def codes(self) -> list[Any]:
        """The code cells, without those that only say how to draw."""
        return [cell for cell in self.cells if cell.cell_type == "code" and not draws(cell)]

    @property
    def texts(self) -> list[Any]:
        """The text cells."""
        return [cell for cell in self.cells if cell.cell_type != "code"]

    @property
    def heading(self) -> tuple[int, str]:
        """The level of the heading that the slide begins with (0: none), and its words."""
        return split_heading(self.cells[0].source)[:2] if self.cells[0] in self.texts else (0, "")

    @property
    def only_sets_up(self) -> bool:
        """Whether there is nothing but imports, settings and parameters."""
        return not self.texts and all(map(sets_up, self.cells))

    @property
    def asks(self) -> bool:
        """Whether there is a question with a folded answer."""
        return any("<details" in cell.source for cell in self.texts)


def cut(cells: Sequence[Any]) -> list[Slide]:
    """Put the cells of a notebook on slides, in their order."""
    slides: list[Slide] = []
    for number, cell in enumerate(cells):
        before_code = number + 1 < len(cells) and cells[number + 1].cell_type == "code"
        kind = asked(cell) or place(cell, slides[-1] if slides else None, before_code)
        if kind == "skip":
            continue
        if not slides or kind in ("slide", "subslide"):
            slides.append(Slide(first=kind == "slide" or not slides))
        slides[-1].cells.append(cell)
    return slides


def asked(cell: Any) -> str:
    """Return the slide type that the author gave a cell, or nothing."""
    kind = str(cell.metadata.get("slideshow", {}).get("slide_type", ""))
    if kind and kind not in TYPES:
        raise SlidesError(f"cell {cell.get('id')} has slide_type {kind!r}: choose from {', '.join(TYPES)}")
    return kind


def place(cell: Any, slide: Slide | None, before_code: bool) -> str:
    """Return where a cell goes by itself: slide, subslide, or - for the slide that is there."""
    if cell.cell_type != "code":
        level, _, _ = split_heading(cell.source)
        if level:
            return "slide" if level <= 2 else "subslide"
        short = len(cell.source) <= CLOSING and "<details" not in cell.source
        return "-" if slide and slide.codes and short and not before_code else "subslide"
    if slide is None or slide.asks:
        return "subslide"  # beside the question it would give the answer away
    if not slide.codes:
        full = sum(len(text.source) for text in slide.texts) > FULL
        return "subslide" if sets_up(cell) and full else "-"
    if all(map(sets_up, [*slide.codes, cell])):
        return "-"
    shown = [] if draws(cell) else [*slide.codes, cell]  # what draws is folded, and imports are one line
    length = sum(1 if imports(code) else len(code.source.splitlines()) for code in shown)
    return "subslide" if any(code.outputs for code in slide.codes) or length > TOGETHER else "-"


def split_heading(source: str) -> tuple[int, str, str]:
    """Return the level of the heading that a text begins with (0: none), the heading, and the rest."""
    found = re.match(r"(#{1,6})[ \t]+(\S.*)\n?", source)
    return (len(found[1]), found[2].strip(), source[found.end() :].strip()) if found else (0, "", source)


def sets_up(cell: Any) -> bool:
    """Return whether a cell holds nothing but imports and settings, or what a reader may change."""
    return "parameters" in cell.metadata.get("tags", []) or imports(cell)


def imports(cell: Any) -> bool:
    """Return whether a cell holds nothing but imports and settings."""
    tree = statements(cell)
    return bool(tree) and all(SETTINGS.match(ast.unparse(statement)) for statement in tree)


def draws(cell: Any) -> bool:
    """Return whether a cell only says how to draw: functions with axes in them, and no result."""
    if cell.cell_type != "code" or cell.outputs:
        return False
    tree = statements(cell)
    nodes = [node for statement in tree for node in ast.walk(statement)]
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    return bool(tree) and all(isinstance(statement, ast.FunctionDef) for statement in tree) and "ax" in names


def statements(cell: Any) -> list[ast.stmt]:
    """Return the statements of a cell, without commands of IPython; none if the rest is not Python."""
    try:
        return ast.parse(re.sub(r"^[%!].*$", "", cell.source, flags=re.MULTILINE)).body
    except SyntaxError:
        return []
