"""Make slides for a class from the executed notebooks: a page a chapter, without network, nothing executed.

Usage: python tools/make_slides.py [NOTEBOOK ...] [--out _build/slides]      (default: notebooks/*.ipynb)

How a chapter is cut into slides: tools/slide_cells.py. How a slide is arranged so that it can be read from
the last row (a figure that finds no room takes the place of its code, one key later): docs/slides/slides.js.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import nbformat
from pygments.formatters import HtmlFormatter
from slide_cells import Slide, SlidesError, asked, cut, split_heading
from slide_html import Html

from seq2seq_edu import widgets

DOCS = Path(__file__).resolve().parents[1] / "docs"
NOTEBOOKS = DOCS.parent / "notebooks"
LOADED = {  # what the pages load from installed packages
    "sphinx_revealjs": ("_static/revealjs/dist/reveal.js", "_static/revealjs/dist/reveal.css"),
    "sphinx-mathjax-offline": ("static/mathjax/tex-svg-full.js",),
}


@dataclass
class Deck:
    """The slides of one chapter, in columns; `name` is that of its file."""

    name: str
    number: str
    title: str
    question: str
    columns: list[list[dict[str, Any]]] = field(default_factory=list)


def read(path: Path, html: Html) -> Deck:
    """Cut one notebook into slides."""
    cells: Any = nbformat.read(path, as_version=4).cells
    level, heading, text = split_heading(cells[0].source) if cells else (0, "", "")
    if level != 1 or cells[0].cell_type != "markdown":
        raise SlidesError(f"{path.name} has no title: its first cell should begin with '# 01 · Title'")
    number, _, title = heading.rpartition(" · ")
    question = re.search(r"^\*\*The one question:\*\*\s*(.+)$", text, re.MULTILINE)
    deck = Deck(path.stem, number, html.inline(title), html.inline(question[1] if question else ""))
    section = part = ""  # the headings that stand above a slide
    asks = False  # whether the part is a question; it is over with the next text
    for slide in cut(cells):
        level, heading = slide.heading
        title = html.inline(heading) if level else "Set-up" if slide.only_sets_up else ""
        if level == 0 and asks and slide.texts:
            part = ""
        above = [section] if level > 2 else [section, part] if level == 0 else []
        if slide.first:
            deck.columns.append([])
        deck.columns[-1].append(shown(slide, html, level, title, list(filter(None, above))))
        if level:
            section, part = (title, "") if level <= 2 else (section, title)
            asks = slide.asks
    return deck


def shown(slide: Slide, html: Html, level: int, title: str, above: list[str]) -> dict[str, Any]:
    """Return what the template is told of one slide."""
    areas = html.areas(slide)
    marks = {
        "asks": slide.asks,
        "predict": any("redict" in cell.source for cell in slide.texts),  # the result comes one key later
        "plays": any("s2s-widget" in inside for _, inside in areas),
    }
    notes = "".join(html.text(cell.source) for cell in slide.texts if asked(cell) == "notes")
    kinds = [{1: "cover", 2: "opens"}.get(level, "beat"), *filter(marks.get, marks)]
    told = {"id": slide.cells[0].get("id", ""), "level": level, "title": title, "above": above}
    return {**told, "kinds": " ".join(kinds), "areas": areas, "notes": notes}


def copy_static(folder: Path) -> None:
    """Put what the pages load beside them: reveal.js, MathJax, fonts, our own files, and those of widgets."""
    shutil.copytree(DOCS / "static" / "fonts", folder / "fonts", dirs_exist_ok=True)
    try:
        loaded = [Path(str(files(package) / name)) for package, names in LOADED.items() for name in names]
    except ModuleNotFoundError as error:
        cure = "`make slides` installs it, or pip install -e '.[book]'"
        raise SlidesError(f"{error.name} is missing: {cure}") from error
    own = (DOCS / place for place in ("static/letters.css", "slides/slides.css", "slides/slides.js"))
    for file in (*loaded, *own):
        shutil.copy(file, folder)
    colours = HtmlFormatter(style="a11y-high-contrast-light").get_style_defs([".code", ".highlight"])
    (folder / "code.css").write_text(colours, encoding="utf-8")
    (folder / "widgets.js").write_text(widgets.page_script(), encoding="utf-8")
    (folder / "widgets.css").write_text(widgets.page_style(), encoding="utf-8")


def build(paths: Sequence[Path], out: Path) -> list[Deck]:
    """Write the slides of some chapters, a page that lists them, and all that they load."""
    html = Html([path.stem for path in paths], out)
    decks = [read(path, html) for path in paths]
    copy_static(out / "static")
    for figures in {path.parent / "figures" for path in paths if (path.parent / "figures").is_dir()}:
        shutil.copytree(figures, out / "figures", dirs_exist_ok=True)
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(DOCS / "slides"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.get_template("index.html").stream(decks=decks).dump(str(out / "index.html"), "utf-8")
    for deck in decks:
        pages.get_template("slides.html").stream(deck=deck).dump(str(out / f"{deck.name}.html"), "utf-8")
    return decks


def main(arguments: list[str] | None = None) -> int:
    """Make the slides; return the exit status, 1 with one line on stderr if something is wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("notebooks", type=Path, nargs="*", help="default: notebooks/*.ipynb")
    parser.add_argument("--out", type=Path, default=DOCS.parent / "_build" / "slides")
    options = parser.parse_args(arguments)
    try:
        decks = build(options.notebooks or sorted(NOTEBOOKS.glob("*.ipynb")), options.out.resolve())
    except SlidesError as error:
        print(f"make_slides: {error}", file=sys.stderr)
        return 1
    for deck in decks:
        print(f"{sum(map(len, deck.columns)):4} slides  {deck.name}")
    print(f"open {os.path.relpath(options.out / 'index.html')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
