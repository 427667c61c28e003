"""A repository of three chapters, for the tests of the book site."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DOT = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
README = """# Small book

![A map, told in words.](docs/map.png)

## Start

`make lab`, then [chapter 00](notebooks/00_start_here.ipynb).

## Chapters

| chapter | book | its question | minutes |
|---|---|---|---|
| [00 Start here](notebooks/00_start_here.ipynb) | 2.3.2 | What is it? | 15 |
| [02 Two](notebooks/02_two.ipynb) | 2.3.2.2 | Is 2 < 3? | 50 |
"""


def cell(source: str, kind: str = "markdown", **more: Any) -> dict[str, Any]:
    """Make a cell; its id comes from its text."""
    code = {"execution_count": 1, "outputs": []} if kind == "code" else {}
    name = "".join(c for c in source.lower() if "a" <= c <= "z")[:20] or "cell"
    return {"cell_type": kind, "id": name, "metadata": {}, "source": source, **code, **more}


def put_notebook(root: Path, place: str, *cells: dict[str, Any]) -> None:
    """Write a notebook, with the metadata that a program needs to read it."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = {"cells": list(cells), "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    (root / place).parent.mkdir(parents=True, exist_ok=True)
    (root / place).write_text(json.dumps(notebook), encoding="utf-8")


def put(root: Path, place: str, text: str) -> None:
    """Write a text."""
    (root / place).parent.mkdir(parents=True, exist_ok=True)
    (root / place).write_text(text, encoding="utf-8")


def small_book(root: Path) -> Path:
    """Write a repository of three chapters, one with exercises."""
    put(root, "README.md", README)
    for name in ("landing.md", "landing.zh_CN.md"):
        put(root, f"docs/{name}", (ROOT / "docs" / name).read_text(encoding="utf-8"))
    (root / "docs" / "map.png").write_bytes((ROOT / "docs" / "alignment.png").read_bytes())
    put(root, "notation.md", "# Notation\n\n$x$ is taught in [two](notebooks/02_two.ipynb).\n")
    put(root, "references.md", "# References\n\nNone.\n")
    teaching = "# Teaching\n\n[plans](docs/teaching/plans.md), [answers](solutions/02_two.ipynb)\n"
    put(root, "INSTRUCTORS.md", teaching)
    put(root, "docs/teaching/plans.md", "# Plans\n\n[back](../../INSTRUCTORS.md)\n")
    put(root, "results/one.json", "{}")
    put_notebook(root, "solutions/02_two.ipynb", cell("# Answers"))
    links = "[two](02_two.ipynb), [notation.md](../notation.md), [records](../results), [all](../exercises)"
    title = cell("# 00 · Start here\n\n**The one question:** what *is* it?")
    put_notebook(root, "notebooks/00_start_here.ipynb", title, cell(links))
    code = cell("x = 1", "code")
    put_notebook(root, "notebooks/02_two.ipynb", cell("# 02 · Two"), code)
    put_notebook(root, "notebooks/classroom.ipynb", cell("# Classroom · Play"))
    task = cell("## Exercise 2.1 · Add · ★★ build · 15 min\n\nAdd [two](../notebooks/02_two.ipynb).")
    put_notebook(root, "exercises/02_two.ipynb", cell("# Exercises · 02 · Two"), task)
    checks = "from seq2seq_edu.grading import Chapter\nchapter = Chapter('02_two')\n"
    put(root, "solutions/checks/02_two.py", checks)
    return root


def live(name: str, state: str) -> dict[str, Any]:
    """Make an output that shows a widget to play with, and its picture."""
    head = f'<div class="s2s-widget" data-widget="{name}" data-state="{state}">'
    data = {"text/html": [head, f'<img alt="a map" src="{DOT}"></div>'], "text/plain": "a map"}
    return {"output_type": "display_data", "metadata": {}, "data": data}
