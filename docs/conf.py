"""Settings of the book site for Sphinx, which tools/build_book.py calls once for each language."""

from __future__ import annotations

import json
import posixpath
import re
import sys
from html import escape
from importlib.resources import files
from pathlib import Path
from textwrap import shorten
from typing import Any

from babel import Locale
from docutils import nodes
from sphinx import addnodes

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from book_search import SearchBoth  # noqa: E402

project = html_title = "seq2seq-edu"
author = "The seq2seq-edu contributors"
extensions = ["myst_nb", "sphinx.ext.mathjax", "sphinx_copybutton", "sphinx_design"]
templates_path = ["."]  # language.html
html_theme = "sphinx_book_theme"
html_search_language = SearchBoth.lang
html_permalinks_icon = "#"
html_favicon = "static/icon.svg"
html_context = {"default_mode": "auto"}  # colours as the system has them
html_css_files = ["letters.css", "widgets.css", "book.css"]
html_js_files = [("book.js", {"defer": "defer"}), ("widgets.js", {"defer": "defer"})]
html_sourcelink_suffix = ""
html_use_index = html_domain_indices = False

# Notebooks are shown as committed. HTML is the first choice of an output: there a picture has its text.
nb_execution_mode = "off"
highlight_language = "none"  # of a block that does not say what it is; cells are Python
nb_mime_priority_overrides = [("html", "text/html", 0)]
nb_ipywidgets_js: dict[str, dict[str, str]] = {}
nb_merge_streams = True
nb_render_markdown_format = "myst"  # the tables of notebook.show_table
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence"]
myst_heading_anchors = 3
myst_update_mathjax = False  # it would look for formulas in what a program prints

# One file with all of TeX and the shapes of the letters: nothing is loaded later, and it works from a disk.
mathjax_path = "tex-svg-full.js"
mathjax3_config = {
    "options": {"ignoreHtmlClass": "bd-main", "processHtmlClass": "math", "enableMenu": False},
    "svg": {"displayAlign": "center"},
}

HEADING = re.compile(r"^(## \S+ [\d.]+ · .+) · (★+ \S+) · (\d+ \S+)$", re.MULTILINE)  # of an exercise
LONG_NAME = re.compile(r"(?<=\w)([._])(?=\w)")  # in a table it may end a line after a dot or a low line
FILE_NAME = re.compile(r"\[`?([\w./]+)`?\]\(((?:\.\./)*\1)\)")  # as a link; a site has pages, not files
# The page of a folder:
PLACES = {"README.md": "index", "exercises": "exercises/index", "docs/teaching": "INSTRUCTORS"}
WORDS = json.loads((HERE / "words.json").read_text(encoding="utf-8"))


def complete_settings(app: Any, config: Any) -> None:
    """Say where the files lie that a page loads, and which buttons stand above it."""
    mathjax = files("sphinx-mathjax-offline") / "static" / "mathjax" / mathjax_path
    config.html_static_path = ["static", str(mathjax), str(Path(app.srcdir) / "_static")]
    address = f"https://github.com/{config.book_repository}" if config.book_repository else ""
    colab = {"colab_url": "https://colab.research.google.com", "binderhub_url": "https://mybinder.org"}
    config.html_theme_options = {
        "article_header_end": ["language.html", "article-header-buttons.html"],
        "footer_content_items": ["footer.html"],
        "navbar_persistent": [],  # the buttons of a bar on top would be wired in place of those of the page
        "logo": {"image_light": html_favicon, "image_dark": html_favicon, "text": project, "alt_text": ""},
        "launch_buttons": {**colab, "notebook_interface": "jupyterlab"} if address else {},
        "pygments_light_style": "a11y-high-contrast-light",
        "pygments_dark_style": "a11y-high-contrast-dark",
        "repository_url": address,
        "repository_branch": "main",
        "search_bar_text": WORDS[config.language]["search"],
        "show_navbar_depth": 1,
        "use_fullscreen_button": False,
        "use_repository_button": bool(address),
    }


def read_page(app: Any, docname: str, source: list[str]) -> None:
    """Name pages by their titles, and give a chapter its exercises."""
    source[0] = FILE_NAME.sub(r"[](\2)", source[0])
    if translation(Path(app.config.book_root), docname, app.config.language).is_file():
        source[0] = source[0].replace("](../", "](")  # it was read in a folder below
    if not str(app.env.doc2path(docname)).endswith(".ipynb"):
        return
    notebook = json.loads(source[0])
    for cell in notebook["cells"]:
        cell["source"] = HEADING.sub(r"\1\n\n<p class='facts'>\2 · \3</p>\n", "".join(cell["source"]))
    beside = docname.replace("notebooks/", "exercises/")
    if beside != docname and beside in app.env.found_docs:
        tree = f"```{{toctree}}\n:hidden:\n\n{WORDS[app.config.language]['exercises']} </{beside}>\n```"
        notebook["cells"].append({"cell_type": "markdown", "id": "beside", "metadata": {}, "source": tree})
    source[0] = json.dumps(notebook)


def lead_outside(app: Any, document: nodes.document) -> None:
    """Lead a link to what is no page to the repository; it is plain text while that address is unknown."""
    docname, repository = app.env.docname, app.config.book_repository
    for link in list(document.findall(addnodes.pending_xref)):
        target, _, anchor = link["reftarget"].partition("#")
        place = posixpath.normpath(posixpath.join(posixpath.dirname(docname), target))
        found = Path(app.config.book_root) / place
        if link["reftype"] != "myst" or link.get("refdomain") == "doc" or not target or not found.exists():
            continue  # a link that leads nowhere is left to Sphinx, which complains
        words = link.children if link.astext() else [nodes.Text(target)]
        if place in PLACES:
            link["refdomain"], link["reftarget"], link["reftargetid"] = "doc", PLACES[place], anchor or None
            continue
        if repository:
            kind = "tree" if found.is_dir() else "blob"
            address = f"https://github.com/{repository}/{kind}/main/{place}{'#' * bool(anchor)}{anchor}"
            words = [nodes.reference("", "", *words, refuri=address)]
        link.replace_self(words)


def complete_page(app: Any, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Give the templates the words of the language; mark what is wide, and a page that is not translated."""
    words, language = WORDS[app.config.language], app.config.language
    folders = filter(None, app.config.book_others.split(","))
    others = [(folder, Locale.parse(folder).get_language_name()) for folder in folders]
    context |= {"words": words, "others": others, "html_lang": language.replace("_", "-")}
    if pagename != "search":  # on a page that is read, no word is marked: it would cut formulas
        scripts = context["script_files"]
        context["script_files"] = [s for s in scripts if "sphinx_highlight" not in str(s.filename)]
    if doctree is None:
        return
    for first in [*doctree.findall(nodes.paragraph)][:1]:
        text = escape(shorten(first.astext(), 200, placeholder=" ..."))
        context["metatags"] += f'<meta name="description" content="{text}">'
    body = re.sub(r"<th[^>]*>\s*(<p>\s*</p>)?\s*</th>", "<td></td>", context["body"])  # a header has a name
    body = re.sub(r'<code class="docutils.*?</code>', lambda code: LONG_NAME.sub(r"\1<wbr>", code[0]), body)
    body = re.sub(r'<img (?=[^>]*\bwidth="(5[6-9]\d|[6-9]\d\d|\d{4})")', '<img class="wide" ', body)
    root = Path(app.config.book_root)
    translated = (translation(root, pagename, language), root / f"{pagename}.{language}.md")
    if language != "en" and Path(pagename).name != "index" and not any(path.is_file() for path in translated):
        notice = f'<p class="note" lang="{context["html_lang"]}">{words["untranslated"]}</p>'
        body = f'{notice}<div lang="en">{body}</div>'
    context["body"] = body


def translation(root: Path, docname: str, language: str) -> Path:
    """Return where a notebook in another language lies."""
    return root / posixpath.dirname(docname) / language / f"{posixpath.basename(docname)}.ipynb"


def setup(app: Any) -> dict[str, Any]:
    """Register all this with Sphinx."""
    app.add_search_language(SearchBoth)
    app.add_config_value("book_root", "", "env")
    app.add_config_value("book_repository", "", "env")
    app.add_config_value("book_others", "", "html")  # the other languages, with commas
    app.connect("config-inited", complete_settings)
    app.connect("source-read", read_page)
    app.connect("doctree-read", lead_outside, priority=100)
    app.connect("html-page-context", complete_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
