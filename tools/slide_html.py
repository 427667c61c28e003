"""Turn the cells of a slide into HTML: text with formulas, code, and what the code gave."""

from __future__ import annotations

import html
import posixpath
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from IPython.lib.lexers import IPython3Lexer
from nbconvert.filters.ansi import ansi2html
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments import highlight
from pygments.formatters import HtmlFormatter
from slide_cells import Slide, asked, draws, imports, split_heading

PREFERRED = ("text/html", "image/svg+xml", "image/png", "image/jpeg", "text/markdown", "text/plain")
IN_LINE = re.compile(r'(\(?)(<span class="math">\\\(.*?\\\)</span>)([.,;:?!)]*)', re.DOTALL)
LONG = 10  # lines of an error message that are shown; the rest is folded


class Renderer(IPythonRenderer):
    """Mark formulas for MathJax, and send links to slides or to the site where they are."""

    def __init__(self, links: Mapping[str, str]) -> None:
        super().__init__(escape=False, exclude_anchor_links=True)  # embed_images would close <details> early
        self.links = links

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
        target = self.links.get(posixpath.normpath(url.partition("#")[0]), "")
        return f'<a href="{html.escape(target)}">{text}</a>' if target else text

    def table(self, text: str) -> str:
        """Let a wide table scroll."""
        return f'<div class="scroll"><table>{text}</table></div>'


class Html:
    """Write the HTML of cells; `links` says where a link of a notebook leads on the slides."""

    def __init__(self, links: Mapping[str, str]) -> None:
        self.links = links
        self.lexer, self.formatter = IPython3Lexer(), HtmlFormatter(nowrap=True)

    def text(self, source: str) -> str:
        """Return Markdown as HTML; an answer opens one key later."""
        made = str(MarkdownWithMath(renderer=Renderer(self.links)).render(source))
        made = IN_LINE.sub(tied, made)
        return re.sub(r"<details>", '<details class="fragment unfold">', made)

    def inline(self, source: str) -> str:
        """Return one line of Markdown without a paragraph around it."""
        return re.sub(r"^<p>(.*)</p>$", r"\1", self.text(source).strip(), flags=re.DOTALL)

    def code(self, source: str) -> str:
        """Return coloured code."""
        shown = re.sub(r"\n{3,}", "\n\n", source)  # a slide has no room for two empty lines
        coloured = highlight(shown, self.lexer, self.formatter)
        return f"<pre class=code><code>{coloured.rstrip()}</code></pre>"

    def areas(self, slide: Slide) -> list[dict[str, Any]]:
        """Return the parts of a slide in order: text t, code c, output o, closing text k (of an output)."""
        areas: list[dict[str, Any]] = []
        for number, cell in enumerate(slide.cells):
            step = " fragment" if asked(cell) == "fragment" else ""
            if cell.cell_type == "code":
                code, output = self.code_cell(cell)
                add(areas, "c", piece(cell, "cell" + step, code))
                if output:
                    add(areas, "o", piece(cell, "result" + step, output))
            elif asked(cell) != "notes":
                text = self.text(cell.source if number else split_heading(cell.source)[2])
                closes = any(area["kind"] == "c" for area in areas)
                add(areas, "k" if closes else "t", piece(cell, "cell" + step, text))
        return areas

    def code_cell(self, cell: Any) -> tuple[str, str]:
        """Return the code of a cell, folded if a class need not read it, and what it gave."""
        code, output = self.code(cell.source), "".join(map(self.output, cell.outputs))
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
        data = output.get("data", {})
        kind = next((kind for kind in PREFERRED if kind in data), None)
        if kind is None:
            return ""
        value = data[kind]
        if kind in ("text/html", "image/svg+xml"):
            return f"<div>{value}</div>"
        if kind.startswith("image/"):
            size = output.metadata.get(kind, {})
            sizes = "".join(f' {side}="{size[side]}"' for side in ("width", "height") if side in size)
            alt = html.escape(data.get("text/plain", ""))
            return f'<div><img alt="{alt}"{sizes} src="data:{kind};base64,{value.strip()}"></div>'
        if kind == "text/markdown":
            return f"<div>{self.text(value)}</div>"
        return f'<pre class="value">{ansi2html(value)}</pre>'


def tied(formula: re.Match[str]) -> str:
    """Keep a formula and the punctuation beside it on one line."""
    return f'<span class="tied">{formula[0]}</span>' if formula[1] or formula[3] else formula[0]


def add(areas: list[dict[str, Any]], kind: str, made: str) -> None:
    """Put a piece into the last area if it is of that kind, else into a new one."""
    if not areas or areas[-1]["kind"] != kind:
        areas.append({"kind": kind, "pieces": []})
    areas[-1]["pieces"].append(made)


def piece(cell: Any, kind: str, inside: str) -> str:
    """Return an element that knows its cell."""
    return f'<div class="{kind}" data-cell="{html.escape(cell.get("id", ""))}">{inside}</div>'


def fold(title: str, inside: str) -> str:
    """Return what opens at a click."""
    return f"<details><summary>{title}</summary>{inside}</details>"


def failure(lines: list[str]) -> str:
    """Return an error message; of a long one the end, with the rest folded."""
    whole = ansi2html("\n".join(lines))
    if len(lines) <= LONG:
        return f'<pre class="error">{whole}</pre>'
    folded = fold(f"All {len(lines)} lines of the message", f'<pre class="error">{whole}</pre>')
    return f'<pre class="error">{ansi2html(lines[-1])}</pre>{folded}'


def links_of(names: list[str], site: Path) -> dict[str, str]:
    """Return where links of a chapter lead: to slides, or to a page of the site that is there."""
    links = {f"{name}.ipynb": f"{name}.html" for name in names}
    for page in site.glob("**/*.html"):
        file = page.relative_to(site)
        for ending in (".md", ".ipynb"):
            place = posixpath.relpath(file.with_suffix(ending).as_posix(), "notebooks")
            links.setdefault(place, posixpath.join("..", "html", site.name, file.as_posix()))
    return links
