"""Make slides for a class from the executed notebooks: a page a chapter, without network, nothing executed.

Usage: python tools/make_slides.py [NOTEBOOK ...] [--out _build/slides]      (default: notebooks/*.ipynb)

How a chapter is cut into slides: tools/slide_cells.py. How a slide is arranged so that it can be read from
the last row (a figure that finds no room takes the place of its code, one key later): docs/slides/slides.js.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import nbformat
from slide_cells import Slide, SlidesError, asked, cut, split_heading
from slide_html import Html, links_of

from seq2seq_edu import widgets

ROOT = Path(__file__).resolve().parents[1]
LOOK = ROOT / "docs" / "slides"
LETTERS = ROOT / "docs" / "static"
PACKAGES = {  # what is loaded from installed packages: package, its folder, files
    "reveal": ("sphinx_revealjs", "_static/revealjs/dist", ("reveal.js", "reveal.css")),
    "mathjax": ("sphinx-mathjax-offline", "static/mathjax", ("tex-svg-full.js",)),
}


@dataclass
class Deck:
    """The slides of one chapter."""

    name: str  # of the file
    number: str
    title: str
    question: str
    columns: list[list[dict[str, Any]]]

    @property
    def count(self) -> int:
        """How many slides there are."""
        return sum(map(len, self.columns))


def read(path: Path, html: Html) -> Deck:
    """Cut one notebook into slides."""
    cells: Any = nbformat.read(path, as_version=4).cells
    level, heading, text = split_heading(cells[0].source) if cells else (0, "", "")
    if level != 1 or cells[0].cell_type != "markdown":
        raise SlidesError(f"{path.name} has no title: its first cell should begin with '# 01 · Title'")
    number, _, title = heading.rpartition(" · ")
    question = re.search(r"^\*\*The one question:\*\*\s*(.+)$", text, re.MULTILINE)
    columns = list(arranged(cut(cells), html))
    return Deck(path.stem, number, html.inline(title), html.inline(question[1] if question else ""), columns)


def arranged(slides: Iterable[Slide], html: Html) -> Iterator[list[dict[str, Any]]]:
    """Yield what the page shows of each column of slides."""
    column: list[dict[str, Any]] = []
    section = part = ""  # the headings that stand above a slide
    question = False  # whether the part is one; it is over with the next text
    for slide in slides:
        if slide.first and column:
            yield column
            column = []
        level, heading = slide.heading
        title = html.inline(heading) if level else "Set-up" if slide.only_sets_up else ""
        if level:
            question = slide.asks
        elif question and slide.texts:
            part = ""
        above = [section] if level > 2 else [section, part] if level == 0 else []
        column.append(shown(slide, html, title, [words for words in above if words]))
        if level in (1, 2):
            section, part = title, ""
        elif level:
            part = title
    if column:
        yield column


def shown(slide: Slide, html: Html, title: str, above: list[str]) -> dict[str, Any]:
    """Return what the template is told of one slide."""
    areas = html.areas(slide)
    flags = {
        "asks": slide.asks,
        "predict": any("redict" in cell.source for cell in slide.texts),  # the result comes one key later
        "plays": any("s2s-widget" in piece for area in areas for piece in area["pieces"]),
    }
    notes = "".join(html.text(cell.source) for cell in slide.texts if asked(cell) == "notes")
    kinds = " ".join(name for name, there in flags.items() if there)
    told = {"id": slide.cells[0].get("id", ""), "level": slide.heading[0], "title": title, "above": above}
    return {**told, "areas": areas, "notes": notes, "kinds": kinds}


def copy_static(folder: Path) -> None:
    """Put what the pages load beside them: reveal.js, MathJax, fonts, our own files, and those of widgets."""
    folder.mkdir(parents=True, exist_ok=True)
    for package, place, names in PACKAGES.values():
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise SlidesError(f"{package} is missing: `make slides` installs it, or pip install -e '.[book]'")
        for name in names:
            shutil.copyfile(Path(spec.submodule_search_locations[0]) / place / name, folder / name)
    shutil.copytree(LETTERS / "fonts", folder / "fonts", dirs_exist_ok=True)
    for file in (LETTERS / "letters.css", LOOK / "slides.css", LOOK / "slides.js"):
        shutil.copyfile(file, folder / file.name)
    (folder / "widgets.js").write_text(widgets.page_script(), encoding="utf-8")
    (folder / "widgets.css").write_text(widgets.page_style(), encoding="utf-8")


def build(paths: Sequence[Path], out: Path) -> list[Deck]:
    """Write the slides of some chapters, a page that lists them, and all that they load."""
    html = Html(links_of([path.stem for path in paths], out.parent / "html" / "en"))
    decks = [read(path, html) for path in paths]
    copy_static(out / "static")
    for figures in {path.parent / "figures" for path in paths if (path.parent / "figures").is_dir()}:
        shutil.copytree(figures, out / "figures", dirs_exist_ok=True)
    pages = jinja2.Environment(loader=jinja2.FileSystemLoader(LOOK), undefined=jinja2.StrictUndefined)
    (out / "index.html").write_text(pages.get_template("index.html").render(decks=decks), encoding="utf-8")
    for deck in decks:
        text = pages.get_template("slides.html").render(deck=deck)
        (out / f"{deck.name}.html").write_text(text, encoding="utf-8")
    return decks


def main(arguments: list[str] | None = None) -> int:
    """Make the slides; return the exit status, 1 with one line on stderr if something is wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("notebooks", type=Path, nargs="*", help="default: notebooks/*.ipynb")
    parser.add_argument("--out", type=Path, default=ROOT / "_build" / "slides")
    options = parser.parse_args(arguments)
    paths = options.notebooks or sorted((ROOT / "notebooks").glob("*.ipynb"))
    try:
        decks = build(paths, options.out.resolve())
    except SlidesError as error:
        print(f"make_slides: {error}", file=sys.stderr)
        return 1
    for deck in decks:
        print(f"{deck.count:4} slides  {deck.name}")
    print(f"open {os.path.relpath(options.out / 'index.html')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
