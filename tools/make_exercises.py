"""Write exercises/ from solutions/: the notebooks without answers.

Usage: python tools/make_exercises.py

The list of exercises at the end of each chapter is written too.

The same solutions give the same bytes; a test compares them. Editions for a class: seq2seq-edu exercises.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import nbformat

from seq2seq_edu.files import write_whole
from seq2seq_edu.grading import Chapter, handout
from seq2seq_edu.grading.questions import load

ROOT = Path(__file__).resolve().parents[1]


def chapter_text(chapter: Chapter) -> str:
    """Return the text at the end of a chapter that lists its exercises."""
    place = f"exercises/{chapter.slug}.ipynb"
    rows = [
        f"| {q.id} | {q.title} | {'★' * q.level} {q.kind} | {q.minutes} |" for q in chapter.questions.values()
    ]
    lines = [
        "## Exercises",
        "",
        f"In [{place}](../{place}), each with a check that answers at once and hints that give nothing away:",
        "",
        "| | title | level | minutes |",
        "|---|---|---|---|",
        *rows,
    ]
    return "\n".join(lines)


def refresh_chapter(chapter: Chapter) -> None:
    """Write the list of exercises into the chapter's cell for it, if it is not there already."""
    path = ROOT / "notebooks" / f"{chapter.slug}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    [cell] = [cell for cell in notebook.cells if cell.id == f"ch{chapter.slug[:2]}-exercises"]
    if cell.source != chapter_text(chapter):
        cell.source = chapter_text(chapter)
        write_whole(path, f"{nbformat.writes(notebook)}\n".encode())
        print(f"updated  {path.relative_to(ROOT)}")


def main() -> int:
    """Return the exit status: 0, or 1 with one line that says what does not fit."""
    argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0]).parse_args()
    out = ROOT / "exercises"
    try:
        texts = handout.notebooks(ROOT / "solutions")
    except (ValueError, ModuleNotFoundError) as error:
        print(f"make_exercises: {error}", file=sys.stderr)
        return 1
    for name, text in texts.items():
        write_whole(out / name, text.encode())
    for path in out.glob("*.ipynb"):
        if path.name not in texts:
            path.unlink()
            print(f"removed  {path.relative_to(ROOT)}: it has no solution")
    for path in sorted((ROOT / "solutions" / "checks").glob("*.py")):
        refresh_chapter(load(path))
    print(f"written  {len(texts)} notebooks in {out.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
