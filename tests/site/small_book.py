"""A repository of three chapters, for the tests of the book site."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
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
LINKS = "[two](02_two.ipynb), [notation.md](../notation.md), [records](../results), [all](../exercises)"
TEXTS = {
    "README.md": README,
    "notation.md": "# Notation\n\n$x$ is taught in [two](notebooks/02_two.ipynb).\n",
    "references.md": "# References\n\nNone.\n",
    "CONTRIBUTING.md": "# Help\n",
    "INSTRUCTORS.md": "# Teaching\n\n[plans](docs/teaching/plans.md), [answers](solutions/02_two.ipynb)\n",
    "docs/teaching/plans.md": "# Plans\n\n[back](../../INSTRUCTORS.md)\n",
    "results/one.json": "{}",
}


def cell(source: str, kind: str = "markdown", **more: Any) -> dict[str, Any]:
    """Make a cell; its id comes from its text."""
    code = {"execution_count": 1, "outputs": []} if kind == "code" else {}
    name = "".join(c for c in source.lower() if "a" <= c <= "z")[:20] or "cell"
    return {"cell_type": kind, "id": name, "metadata": {}, "source": source, **code, **more}


def put(root: Path, place: str, text: str) -> None:
    """Write a text."""
    (root / place).parent.mkdir(parents=True, exist_ok=True)
    (root / place).write_text(text, encoding="utf-8")


def put_notebook(root: Path, place: str, *cells: dict[str, Any]) -> None:
    """Write a notebook, with the metadata that a program needs to read it."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    put(root, place, json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))


def small_book(root: Path) -> Path:
    """Write a repository of three chapters, one with exercises."""
    for place, text in TEXTS.items():
        put(root, place, text)
    for name in ("landing.md", "landing.zh_CN.md"):
        put(root, f"docs/{name}", (ROOT / "docs" / name).read_text(encoding="utf-8"))
    (root / "docs" / "map.png").write_bytes((ROOT / "docs" / "alignment.png").read_bytes())
    title = cell("# 00 · Start here\n\n**The one question:** what *is* it?")
    put_notebook(root, "notebooks/00_start_here.ipynb", title, cell(LINKS))
    put_notebook(root, "notebooks/02_two.ipynb", cell("# 02 · Two"), cell("x = 1", "code"))
    put_notebook(root, "notebooks/classroom.ipynb", cell("# Classroom · Play"))
    task = cell("## Exercise 2.1 · Add · ★★ build · 15 min\n\nAdd [two](../notebooks/02_two.ipynb).")
    put_notebook(root, "exercises/02_two.ipynb", cell("# Exercises · 02 · Two"), task)
    put_notebook(root, "solutions/02_two.ipynb", cell("# Answers"))
    checks = "from seq2seq_edu.grading import Chapter\nchapter = Chapter('02_two')\n"
    put(root, "solutions/checks/02_two.py", checks)
    return root
