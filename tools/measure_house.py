"""Measure how the project is built: rooms, floors and arrows of the package, and where its lines are.

Usage: python tools/measure_house.py [--root FOLDER]

A room is a sub-package or a file directly in the package; an arrow from one room to another stands for all
imports between them; floors count the longest way up through the arrows. Lines are raw; of Python, docstrings
and code (neither docstring, comment nor blank) are counted apart.
"""

from __future__ import annotations

import argparse
import ast
import subprocess
import sys
import time
from collections.abc import Iterable
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "seq2seq_edu"


def arrows(root: Path) -> dict[str, set[str]]:
    """Return which rooms each room imports from."""
    sys.path.insert(0, str(root))
    graph = grimp.build_graph(PACKAGE, exclude_type_checking_imports=True, cache_dir=None)
    rooms: dict[str, set[str]] = {name.split(".")[1]: set() for name in graph.modules if "." in name}
    for name in graph.modules:
        for other in graph.find_modules_directly_imported_by(name):
            if "." in name and "." in other:
                rooms[name.split(".")[1]].add(other.split(".")[1])
    return {room: used - {room} for room, used in rooms.items()}


def floors(rooms: dict[str, set[str]]) -> int | None:
    """Return the length of the longest way down, or None where imports go round in a circle."""
    try:
        TopologicalSorter(rooms).prepare()
    except CycleError:
        return None

    @cache
    def height(room: str) -> int:
        return 1 + max((height(other) for other in rooms[room]), default=0)

    return max(map(height, rooms))


def python_lines(path: Path) -> tuple[int, int, int]:
    """Return the lines of a file: all, code, docstring."""
    text = path.read_text(encoding="utf-8")
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, documented) and ast.get_docstring(node) is not None:
            docstrings.update(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    lines = dict(enumerate(text.splitlines(), start=1))
    rest = [line.strip() for number, line in lines.items() if number not in docstrings]
    return len(lines), sum(line != "" and not line.startswith("#") for line in rest), len(docstrings)


def total(paths: Iterable[Path]) -> int:
    """Return the raw lines of text files."""
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)


def main(arguments: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT, help="a checkout of the project")
    root = parser.parse_args(arguments).root.resolve()
    rooms = arrows(root)
    names = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True).stdout
    files = [root / name for name in names.splitlines()]
    sources = [path for path in files if path.suffix == ".py" and root / PACKAGE in path.parents]
    raw, code, docstring = (sum(column) for column in zip(*map(python_lines, sources), strict=True))
    print(f"rooms            {len(rooms)}  ({', '.join(sorted(rooms))})")
    print(f"floors           {floors(rooms) or 'none: a circle'}")
    print(f"arrows           {sum(map(len, rooms.values()))}")
    print(f"package          {raw} lines of Python: {code} code, {docstring} docstring")
    scripts = [path for path in files if path.suffix in (".js", ".css") and root / PACKAGE in path.parents]
    print(f"widgets          {total(scripts)} lines of JavaScript and CSS")
    for folder in ("tests", "tools", "docs"):
        kinds = (".py", ".js", ".css", ".html", ".json", ".toml")
        inside = [p for p in files if root / folder in p.parents and p.suffix in kinds]
        print(f"{folder:<16} {total(inside)} lines")
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {PACKAGE}"], cwd=root, check=True)
    print(f"import           {time.perf_counter() - start:.2f} s, the start of Python included")
    return 0


if __name__ == "__main__":
    sys.exit(main())
