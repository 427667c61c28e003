"""Turn the cells of a slide into HTML: text with formulas, code, and what the code gave."""

from __future__ import annotations

import html
import posixpath
import re
from collections.abc import Collection, Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from IPython.lib.lexers import IPython3Lexer
from nbconvert.filters.ansi import ansi2html
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments import highlight
from pygments.formatters import HtmlFormatter
from slide_cells import Slide, asked, draws, imports, split_heading

PREFERRED = ("text/html", "image/svg+xml", "image/png", "image/jpeg", "text/markdown", "text/plain")
FORMULA = r'<span class="math">[^<]*</span>'  # and the punctuation that must not leave it:
TIED = re.compile(rf"\({FORMULA}[.,;:?!)]*|{FORMULA}[.,;:?!)]+")
LONG = 10  # lines of an error message that are shown; of more, the last, and the rest is folded


class Renderer(IPythonRenderer):
    """Mark formulas for MathJax, and send links to slides or to the site where they are."""

    def __init__(self, chapters: Collection[str], folder: Path) -> None:
        super().__init__(escape=False, exclude_anchor_links=True)  # embed_images would close <details> early
        self.chapters, self.folder = chapters, folder

    def inline_math(self, body: str) -> str:
        """Mark a formula in a line."""
        return rf'<span class="math">\({html.escape(body, quote=False)}\)</span>'

    def block_math(self, body: str) -> str:
        """Mark a formula on a line of its own."""
        return rf'<span class="math display">\[{html.escape(body, quote=False)}\]</span>'

    def latex_environment(self, name: str, body: str) -> str:
        """Mark an environment, which is a formula on a line of its own."""
        return self.block_math(rf"\begin{{{name}}}{body}\end{{{name}}}")

    def link(self, text: str, url: str, title: str | None = None) -> str:
        """Link to other slides, to the site if it lies beside, or to the web; else only name it."""
        if re.match(r"https?:", url):
            return f'<a href="{html.escape(url)}" target="_blank" rel="noopener">{text}</a>'
        place = re.sub(r"\.(md|ipynb)$", ".html", url.partition("#")[0])
        if place.removesuffix(".html") not in self.chapters:
            place = posixpath.normpath(f"../html/en/notebooks/{place}")
            if not (self.folder / place).is_file():
                return text
        return f'<a href="{html.escape(place)}">{text}</a>'

    def table(self, text: str) -> str:
        """Let a wide table scroll."""
        return f'<div class="scroll"><table>{text}</table></div>'


class Html:
    """Write the HTML of cells, for slides of these chapters that will lie in this folder."""

    def __init__(self, chapters: Collection[str] = (), folder: Path = Path()) -> None:
        self.renderer = Renderer(chapters, folder)
        self.lexer, self.formatter = IPython3Lexer(), HtmlFormatter(nowrap=True)

    def text(self, source: str) -> str:
        """Return Markdown as HTML; an answer opens one key later."""
        made = TIED.sub(r'<span class="tied">\g<0></span>', MarkdownWithMath(self.renderer).render(source))
        return made.replace("<details>", '<details class="fragment unfold">')

    def inline(self, source: str) -> str:
        """Return one line of Markdown without a paragraph around it."""
        return self.text(source).strip().removeprefix("<p>").removesuffix("</p>")

    def areas(self, slide: Slide) -> list[tuple[str, str]]:
        """Return the parts of a slide in order: text t, code c, output o, closing text k (of an output)."""
        parts = groupby(self.pieces(slide), key=itemgetter(0))
        return [(part, "\n".join(made for _, made in pieces)) for part, pieces in parts]

    def pieces(self, slide: Slide) -> Iterator[tuple[str, str]]:
        """Yield what is seen of each cell, with its part; each piece knows its cell."""
        part = "t"
        for number, cell in enumerate(slide.cells):
            step = "fragment" if asked(cell) == "fragment" else ""
            form = f'<div class="{{}} {step}" data-cell="{html.escape(cell.get("id", ""))}">{{}}</div>'
            if cell.cell_type == "code":
                part, (code, output) = "k", self.code_cell(cell)
                yield "c", form.format("cell", code)
                if output:
                    yield "o", form.format("result", output)
            elif asked(cell) != "notes":
                source = cell.source if number else split_heading(cell.source)[2]
                yield part, form.format("cell", self.text(source))

    def code_cell(self, cell: Any) -> tuple[str, str]:
        """Return the code of a cell, folded if a class need not read it, and what it gave."""
        shown = re.sub(r"\n{3,}", "\n\n", cell.source)  # a slide has no room for two empty lines
        coloured = highlight(shown, self.lexer, self.formatter).rstrip()
        code = f"<pre class=code><code>{coloured}</code></pre>"
        output = "".join(map(self.output, cell.outputs))
        if imports(cell):
            return fold("Imports and settings", code + output), ""
        if draws(cell):
            return fold("How it is drawn", code), output
        return fold("Its code", code) if 'class="s2s-widget"' in output else code, output

    def output(self, output: Any) -> str:
        """Return one output of a cell."""
        if output.output_type == "stream":
            return f'<pre class="{output.name}">{ansi2html(output.text.rstrip())}</pre>'
        if output.output_type == "error":
            return failure("\n".join(output.traceback).splitlines())
        kind = next((kind for kind in PREFERRED if kind in output.data), "")
        value = output.data.get(kind, "")
        if kind == "text/plain":
            return f'<pre class="value">{ansi2html(value)}</pre>'
        if kind == "text/markdown":
            value = self.text(value)
        elif kind in ("image/png", "image/jpeg"):
            sides = output.metadata.get(kind, {})
            size = "".join(f' {side}="{sides[side]}"' for side in ("width", "height") if side in sides)
            alt = html.escape(output.data.get("text/plain", ""))
            value = f'<img alt="{alt}"{size} src="data:{kind};base64,{value.strip()}">'
        return f"<div>{value}</div>" if value else ""


def fold(title: str, inside: str) -> str:
    """Return what opens at a click."""
    return f"<details><summary>{title}</summary>{inside}</details>"


def failure(lines: list[str]) -> str:
    """Return an error message; of a long one the end, with the rest folded."""
    whole, last = (f'<pre class="error">{ansi2html(text)}</pre>' for text in ("\n".join(lines), lines[-1]))
    return whole if len(lines) <= LONG else last + fold(f"All {len(lines)} lines of the message", whole)
