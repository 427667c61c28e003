"""The start page of the site and its list of exercises, made from README.md and the notebooks."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any, NamedTuple

from book_links import BookError, Links
from book_pages import WORDS, Page, question_of, read_notebook

ALIGNMENT = re.compile(r'<div class="s2s-widget"[^>]*\bdata-widget="alignment"')
LINE = re.compile(
    r"^\| \[[^\]]+\]\((notebooks/[^)]+\.ipynb)\) \| ([^|]*) \| ([^|]*) \| (\d+) \|$", re.MULTILINE
)
EXERCISE = re.compile(r"^## \S+ (\S+) · (.+) · (★+) (\S+) · (\d+)", re.MULTILINE)


class Row(NamedTuple):
    """A line of README's table of chapters."""

    book: str
    question: str
    minutes: int


def chapter_rows(readme: str) -> dict[str, Row]:
    """Read README's table of chapters, by the place of the notebook."""
    rows = {m[1]: Row(m[2].strip(), m[3].strip(), int(m[4])) for m in LINE.finditer(readme)}
    if not rows:
        raise BookError("README.md: no chapters | [title](notebooks/...) | book | question | minutes |")
    return rows


def section(text: str, heading: str) -> str:
    """Return a section of README.md, from its heading to the next of that level."""
    match = re.search(rf"^## {re.escape(heading)}\n.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if not match:
        raise BookError(f"README.md: has no section '{heading}', which the start page shows")
    return match[0]


def live_alignment(path: Path) -> str | None:
    """Return the first alignment that a notebook shows to play with, as HTML."""
    for cell in read_notebook(path)["cells"]:
        for output in cell.get("outputs", []):
            text = "".join(output.get("data", {}).get("text/html", ""))
            if ALIGNMENT.search(text):
                return text
    return None


def still_alignment(readme: str, links: Links) -> str:
    """Return README's picture of an alignment, with its text for those who cannot see it."""
    match = re.search(r"^!\[[^\]]+\]\([^)]+\)$", readme, re.MULTILINE)
    if not match:
        raise BookError("README.md: shows no picture, and the start page needs one")
    return links.rewrite(match[0], "README.md", "index.md")


def landing(root: Path, pages: list[Page], language: str, live: bool, links: Links) -> str:
    """Return the Markdown of the start page: docs/landing.md, with what its marks ask for."""
    readme = (root / "README.md").read_text(encoding="utf-8")
    name = "landing.md" if language == "en" else f"landing.{language}.md"
    text = links.rewrite((root / "docs" / name).read_text(encoding="utf-8"), f"docs/{name}", "index.md")
    chapters = [page for page in pages if page.part == "chapters"]
    shown = live_alignment(root / chapters[0].place) if live and chapters else None
    if shown:
        picture = f'```{{raw}} html\n<div class="hero">{shown}</div>\n```'
        text = re.sub(r"<!-- (if live|end if) -->", "", text)
    else:
        picture = still_alignment(readme, links)
        text = re.sub(r"<!-- if live -->.*?<!-- end if -->", "", text, flags=re.DOTALL)
    rows = chapter_rows(readme)
    hours = round(sum(row.minutes for row in rows.values()) / 60)
    words = WORDS[language]
    class_page = f"[{words['class_exercises']}](exercises/index.md)"
    for page in chapters:
        if page.name == "notebooks/classroom":
            class_page = f"[{words['class_page']}]({page.file})"
    parts = {
        "alignment": picture,
        "chapters": chapter_list(root, pages, rows, words),
        "hours": words["hours"].format(hours),
        "class page": class_page,
        "start": links.rewrite(section(readme, "Start"), "README.md", "index.md"),
    }
    return re.sub(r"<!-- ([\w ]+) -->", lambda match: parts[match[1]], text)


def chapter_list(root: Path, pages: list[Page], rows: dict[str, Row], words: dict[str, Any]) -> str:
    """Return the chapters as a list in HTML."""
    exercises = {page.name for page in pages if page.part == "exercises"}
    chapters = [page for page in pages if page.part == "chapters"]
    items = [chapter_item(root, page, rows.get(page.original), exercises, words) for page in chapters]
    return "\n".join(["```{raw} html", '<ol class="path">', *items, "</ol>", "```"])


def chapter_item(root: Path, page: Page, row: Row | None, exercises: set[str], words: dict[str, Any]) -> str:
    """Return one chapter of the list: number, title, question, minutes, heading of the book, exercises."""
    number, _, title = page.title.partition(" · ")
    if not number.isdigit():
        number, title = "", page.title
    translated = page.place != page.original
    question = row.question if row and not translated else question_of(read_notebook(root / page.place))
    facts = [words["minutes"].format(row.minutes), html.escape(row.book)] if row else []
    beside = page.name.replace("notebooks/", "exercises/")
    if beside in exercises:
        facts.append(f'<a href="{beside}.html">{words["exercises"]} {html.escape(number)}</a>')
    spans = "".join(f"<span>{fact}</span>" for fact in facts)
    return (
        f'<li><b>{html.escape(number)}</b><a class="title" href="{page.name}.html">{html.escape(title)}</a>'
        f'<span class="question">{html.escape(question)}</span><span class="facts">{spans}</span></li>'
    )


def exercise_list(root: Path, pages: list[Page], words: dict[str, Any]) -> str:
    """Return the Markdown of the page that lists all exercises, from their headings."""
    lines = [f"# {words['exercises']}", "", words["exercises_about"], ""]
    for page in pages:
        if page.part != "exercises":
            continue
        cells = read_notebook(root / page.place)["cells"]
        text = "\n".join(cell["source"] for cell in cells if cell["cell_type"] == "markdown")
        lines += [f"## [{page.title.partition(' · ')[2]}](/{page.file})", ""]
        lines += [f"| | {' | '.join(words['exercises_head'])} |", "|---|---|---|---|---:|"]
        lines += [f"| {' | '.join(found)} |" for found in EXERCISE.findall(text)] + [""]
    return "\n".join(lines)
