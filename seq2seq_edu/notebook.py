"""The plumbing of a chapter: its start, figures with their text, a training as it goes, sources, tables."""

from __future__ import annotations

import ast
import inspect
import os
import random
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import clear_output, display
from matplotlib.figure import Figure

from seq2seq_edu import plots


def start(seed: int = 0) -> None:
    """Set the seeds (random, NumPy, and PyTorch if imported), and the style of figures and of printed arrays.

    Parameters
    ----------
    seed : int. From 0 to 2**32 - 1.
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed is {seed}, expected a whole number from 0 to 2**32 - 1 (NumPy's range)")
    random.seed(seed)
    np.random.seed(seed)
    np.set_printoptions(precision=3, suppress=True)
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # PyTorch's profiler need not say that it starts
    torch = sys.modules.get("torch")  # importing it here would cost the NumPy chapters two seconds
    if torch is not None:
        torch.manual_seed(seed)
    plots.use_style()


def show(figure: Any, alt: str | None = None) -> None:
    """Display a figure with a text for those who cannot see it, and close it.

    Parameters
    ----------
    figure : Figure, Axes, or several Axes of one figure
    alt : str
        What can be seen, for screen readers and the book site. By default the words that the functions of
        `plots` keep about their data; write a sentence only where those do not say what matters.
    """
    whole = _figure_of(figure)
    alt = " ".join((plots.alt_text(whole) if alt is None else alt).split())
    if not alt:
        raise ValueError("alt is empty: say in a sentence what the figure shows, for those who cannot see it")
    image, data, size = plots.img_tag(whole, alt)
    plt.close(whole)
    _display({"text/html": image, "image/png": data, "text/plain": alt}, {"image/png": size})


def live(records: Iterable[Any], *, every: int = 100) -> Iterator[Any]:
    """Pass on the records of a training, and draw its losses anew while it goes on.

    Parameters
    ----------
    records : iterable of dict. As `training.train` gives them: "step", "loss", at times "validation".
    every : int. Steps between two drawings; the last one shows all.

    Yields
    ------
    record : dict. Unchanged; what the loop adds to it before the next one is drawn too.
    """
    curves: dict[str, dict[int, float]] = {"loss": {}, "validation": {}}
    record: Any = None

    def draw() -> None:
        x = {name: list(points) for name, points in curves.items()}
        found = {name: list(points.values()) for name, points in curves.items() if points}
        ax = plots.curves(found, x=x, size="small")
        ax.set_ylim(bottom=0)
        clear_output(wait=True)
        show(ax)

    for record in records:
        yield record
        for name, points in curves.items():
            if name in record:
                points[record["step"]] = record[name]
        if record["step"] % every == 0:
            draw()
    if record is not None and record["step"] % every:
        draw()


def show_source(thing: Any) -> None:
    """Display the packaged source of a function, method or class, so that nothing is hidden.

    Parameters
    ----------
    thing : function, method or class. Of its docstrings the first line is shown: the chapter says the rest.
    """
    try:
        source = textwrap.dedent(inspect.getsource(thing))
    except (TypeError, OSError) as error:
        raise ValueError(f"{thing!r} has no Python source to show: pass a function or a class") from error
    source, place = _first_lines(source), f"{thing.__module__}.{thing.__qualname__}"
    markdown = f"`{place}`\n\n```python\n{source}\n```"
    _display({"text/markdown": markdown, "text/plain": f"# {place}\n{source}"})


def show_table(
    rows: Sequence[Sequence[object]], header: Sequence[str], *, caption: str | None = None
) -> None:
    """Display a table: numbers to the right with three significant digits, text to the left.

    Parameters
    ----------
    rows : sequences of equal length. A float is rounded, anything else is shown as `str` shows it.
    header : sequence of str. Names of the columns.
    caption : str. One line over the table.
    """
    for number, row in enumerate(rows):
        if len(row) != len(header):
            raise ValueError(f"row {number} has {len(row)} cells, expected {len(header)}: {list(header)}")
    cells = [[f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    cells.insert(0, list(header))
    numeric = [all(isinstance(row[c], (int, float)) for row in rows) for c in range(len(header))]
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in cells]
    escaped.insert(1, ["---:" if right else "---" for right in numeric])
    markdown = [f"**{caption}**", ""] * bool(caption) + [f"| {' | '.join(row)} |" for row in escaped]
    plain = [f"{caption}"] * bool(caption) + ["  ".join(row) for row in cells]
    _display({"text/markdown": "\n".join(markdown), "text/plain": "\n".join(plain)})


def _figure_of(figure: Any) -> Figure:
    """Return the figure itself, or the one on which axes lie."""
    found = next(iter(np.ravel(figure)), None)
    while not isinstance(found, Figure):
        found = getattr(found, "figure", None)
        if found is None:
            raise ValueError(f"{type(figure).__name__} is not (or not any more) a figure, or axes on one")
    return found


def _display(bundle: dict[str, str], metadata: dict[str, dict[str, int]] | None = None) -> None:
    """Send one output in several formats; the reader's program takes the best that it knows."""
    display(bundle, raw=True, metadata=metadata)  # type: ignore[no-untyped-call]


def _first_lines(source: str) -> str:
    """Cut every docstring down to its first line."""
    lines = source.splitlines()
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]
    for node in sorted(nodes, key=lambda node: node.lineno, reverse=True):
        text, first = ast.get_docstring(node), node.body[0]
        if text and first.end_lineno is not None and first.end_lineno > first.lineno:
            indent = " " * first.col_offset
            lines[first.lineno - 1 : first.end_lineno] = [f'{indent}"""{text.splitlines()[0]}"""']
    return "\n".join(lines).rstrip()
