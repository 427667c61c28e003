"""Settings of the book site for Sphinx, which tools/build_book.py calls once for each language."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from typing import Any

from sphinx.errors import ExtensionError

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from book_search import SearchBoth  # noqa: E402

project = "seq2seq-edu"
author = "The seq2seq-edu contributors"
extensions = ["myst_nb", "sphinx.ext.mathjax"]
html_theme = "theme"
html_theme_path = ["."]
html_theme_options = {"enable_search_shortcuts": False}  # a key pressed by chance moves nobody
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_search_language = SearchBoth.lang
html_permalinks_icon = "#"
html_use_index = False
html_domain_indices = False
templates_path: list[str] = []

# Notebooks are shown as committed. HTML is the first choice of an output: there a picture has its text.
nb_execution_mode = "off"
highlight_language = "none"  # of a block that does not say what it is; cells are Python
nb_mime_priority_overrides = [("html", "text/html", 0)]
nb_ipywidgets_js: dict[str, dict[str, str]] = {}
nb_merge_streams = True
nb_render_markdown_format = "myst"  # the tables of notebook.show_table
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
myst_update_mathjax = False  # it would look for formulas in what a program prints

# One file with all of TeX and the shapes of the letters: nothing is loaded later, and it works from a disk.
mathjax_path = "tex-svg-full.js"
mathjax3_config = {
    "options": {
        "ignoreHtmlClass": "book",
        "processHtmlClass": "math",
        "enableMenu": False,  # its parts are not here; and each formula would be a stop of the Tab key
    },
    "svg": {"displayAlign": "center"},
}

WORDS = json.loads((HERE / "words.json").read_text(encoding="utf-8"))


def read_book(app: Any, config: Any) -> None:
    """Read what tools/build_book.py wrote about the pages, and say where the files lie that a page loads."""
    config.book = json.loads((Path(app.srcdir) / "book.json").read_text(encoding="utf-8"))
    config.html_title = config.book["title"]
    spec = importlib.util.find_spec("sphinx-mathjax-offline")
    if spec is None or not spec.submodule_search_locations:
        raise ExtensionError("sphinx-mathjax-offline is not installed: pip install -e '.[book]'")
    place = Path(spec.submodule_search_locations[0]) / "static" / "mathjax" / mathjax_path
    config.html_static_path = [str(place), str(Path(app.srcdir) / "_static")]


def complete(app: Any, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Give the templates the words of the language and what belongs to this page."""
    context["words"] = WORDS[app.config.language]
    context["book"] = app.config.book
    context["page"] = app.config.book["pages"].get(pagename, {})
    context["html_lang"] = app.config.language.replace("_", "-")
    if "body" in context:
        context["body"] = boxed(context["body"])


def boxed(body: str) -> str:
    """Let what is wide scroll in a box of its own, and choose where lines in a table may end."""
    body = re.sub(r"<table\b.*?</table>", lambda table: box(table[0]), body, flags=re.DOTALL)
    return re.sub(r"<img (?=[^>]*\bwidth=\"(\d+)\")", lambda img: img[0] + wide(int(img[1])), body)


def wide(pixels: int) -> str:
    """Mark a figure that would be too small to read if it were squeezed into a phone."""
    return 'class="wide" ' if pixels > 560 else ""


def box(table: str) -> str:
    """Let a long name break after a dot or a low line; keep a short cell, such as 10–15, on one line."""
    code = r'(?<=<code class="docutils literal notranslate">).*?(?=</code>)'
    table = re.sub(code, lambda name: breakable(name[0]), table)
    table = re.sub(r"<td(?: class=\"([\w-]+)\")?>(.*?)</td>", cell, table, flags=re.DOTALL)
    table = re.sub(r"<th[^>]*>\s*(<p>\s*</p>)?\s*</th>", "<td></td>", table)  # a header must have a name
    return f'<div class="scroll">{table}</div>'


def cell(found: re.Match[str]) -> str:
    """Give a cell of a table the class short or long, by the length of its text."""
    length = len(re.sub(r"<[^>]*>", "", found[2]).strip())
    size = "short" if length < 18 and "<a" not in found[2] else "long" if length > 40 else ""
    return f'<td class="{" ".join(filter(None, [size, found[1]]))}">{found[2]}</td>'


def breakable(name: str) -> str:
    """Allow a line to end after a dot or a low line inside a name."""
    return re.sub(r"(?<=\w)([._])(?=\w)", r"\1<wbr>", re.sub("</?span[^>]*>", "", name))


def setup(app: Any) -> dict[str, Any]:
    """Register all this with Sphinx."""
    app.add_search_language(SearchBoth)
    app.add_config_value("book_signature", "", "html")  # changes when a launch link or a widget changes
    app.connect("config-inited", read_book)
    app.connect("html-page-context", complete)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
