"""The two pages of the site that are no page of the repository: its start page and its list of exercises."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
WORDS: dict[str, dict[str, str]] = json.loads((ROOT / "docs" / "words.json").read_text(encoding="utf-8"))
ROW = re.compile(
    r"^\| \[[^\]]+\]\((notebooks/[^)]+)\.ipynb\) \| ([^|]*) \| ([^|]*) \| (\d+) \|$", re.MULTILINE
)
EXERCISE = re.compile(r"^## \S+ (\S+) · (.+) · (★+) (\S+) · (\d+)", re.MULTILINE)
QUESTION = re.compile(r"^\*\*[^*\n]+(?:[:：]\*\*|\*\*[:：])\s*(.+)$", re.MULTILINE)


class BookError(Exception):
    """What is wrong with the sources of the book, in one line that names the page."""


def read_notebook(path: Path) -> list[Any]:
    """Return the cells of a notebook, with the source of each as one string."""
    try:
        cells: list[Any] = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return [{**cell, "source": "".join(cell["source"])} for cell in cells]
    except (ValueError, KeyError, TypeError) as error:
        name = f"{path.parent.name}/{path.name}"
        raise BookError(f"{name}: cannot be read as a notebook ({error!r})") from error


def title_of(path: Path) -> str:
    """Return the title of a notebook: the first line of its first cell."""
    title = re.match(r"# +(\S.*)", read_notebook(path)[0]["source"])
    if not title:
        raise BookError(f"{path.parent.name}/{path.name}: has no title; its first line should be '# Title'")
    return title[1].strip()


def found(pattern: str, text: str, lacks: str) -> str:
    """Return what README.md holds, or say what it lacks."""
    match = re.search(pattern, text, re.MULTILINE | re.DOTALL)
    if not match:
        raise BookError(f"README.md: {lacks}")
    return match[0]


def start_page(root: Path, pages: Path, language: str) -> str:
    """Return docs/landing.md with what its marks ask for: chapters, way to start and picture of README.md."""
    readme, words = (root / "README.md").read_text(encoding="utf-8"), WORDS[language]
    picture = found(r"^!\[[^\]]+\]\([^)\n]+\)$", readme, "shows no picture, and the start page needs one")
    rows = {row[1]: row for row in ROW.finditer(readme)}
    if not rows:
        raise BookError("README.md: no chapters | [title](notebooks/...) | book | question | minutes |")
    chapters = sorted((pages / "notebooks").glob("*.ipynb"))
    shown = live_alignment(chapters[0])
    lacks = "has no section 'Start', which the start page shows"
    parts = {
        "alignment": f"```{{raw}} html\n{shown}\n```" if shown else picture,
        "hours": str(round(sum(int(row[4]) for row in rows.values()) / 60)),
        "chapters": cards(chapters, rows, language),
        "start": found(r"^## Start\n.*?(?=^## |\Z)", readme, lacks),
    }
    teaching = sorted(path.stem for path in (pages / "docs" / "teaching").glob("*.md"))
    trees = {
        "chapters_part": [f"notebooks/{path.stem}" for path in chapters],
        "look_up_part": ["exercises/index", "notation", "references"],
        "teaching_part": ["INSTRUCTORS", *(f"docs/teaching/{name}" for name in teaching)],
    }
    landing = root / "docs" / ("landing.md" if language == "en" else f"landing.{language}.md")
    text = re.sub(r"<!-- (\w+) -->", lambda mark: parts[mark[1]], landing.read_text(encoding="utf-8"))
    return "\n".join([text, *(toctree(words[caption], entries) for caption, entries in trees.items())])


def live_alignment(path: Path) -> str:
    """Return the first alignment that a notebook shows to play with, as HTML; nothing if there is none."""
    for cell in read_notebook(path):
        for output in cell.get("outputs", []):
            text = "".join(output.get("data", {}).get("text/html", ""))
            if re.search(r'<div class="s2s-widget"[^>]*\bdata-widget="alignment"', text):
                return text
    return ""


def cards(chapters: list[Path], rows: dict[str, re.Match[str]], language: str) -> str:
    """Return the chapters as cards: title, question, minutes, heading of the book."""
    lines = [":::::{grid} 1 2 2 3", ":gutter: 3", ":class-container: chapters", ""]
    for path in chapters:
        row = rows.get(f"notebooks/{path.stem}")
        own = QUESTION.search(read_notebook(path)[0]["source"])  # a translated chapter's is in its language
        question = row[3] if row and language == "en" else own[1].strip() if own else ""
        lines += [f"::::{{grid-item-card}} {title_of(path)}", f":link: notebooks/{path.stem}"]
        lines += [":link-type: doc", question]
        if row:
            minutes = WORDS[language]["minutes"].format(row[4])
            lines += [":::{card-footer}", f"{minutes} · {row[2]}", ":::"]
        lines += ["::::", ""]
    return "\n".join([*lines, ":::::"])


def toctree(caption: str, entries: list[str]) -> str:
    """Return the directive that gives pages their place in the contents."""
    return "\n".join(["```{toctree}", ":hidden:", f":caption: {caption}", "", *entries, "```", ""])


def exercise_list(pages: Path, language: str) -> str:
    """Return the page that lists all exercises, from their headings."""
    words = WORDS[language]
    lines = [f"# {words['exercises']}", "", words["exercises_about"], ""]
    for path in sorted((pages / "exercises").glob("*.ipynb")):
        text = "\n".join(cell["source"] for cell in read_notebook(path) if cell["cell_type"] == "markdown")
        lines += [f"## [{title_of(path).partition(' · ')[2]}]({path.name})", ""]
        lines += [f"{{download}}`{words['checks']} <{path.stem}.zip>`", ""]
        lines += [words["exercises_head"], "|---|---|---|---|---:|"]
        lines += [f"| {' | '.join(row)} |" for row in EXERCISE.findall(text)] + [""]
    return "\n".join(lines)
