"""The plumbing of a chapter: start it, show a figure with its text, show packaged source, show a table."""

from __future__ import annotations

import ast
import inspect
import random
import sys
import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seq2seq_edu import plots
from seq2seq_edu.plots import parts


def start(seed: int = 0) -> None:
    """Set the seeds (random, NumPy, and PyTorch if it has been imported) and the style of the figures.

    Parameters
    ----------
    seed : int
        Any number from 0 to 2**32 - 1.

    Raises
    ------
    ValueError
        If the seed is outside that range.

    Examples
    --------
    >>> start(seed=3); a = np.random.rand()
    >>> start(seed=3); bool(a == np.random.rand())
    True
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed is {seed}, expected a whole number from 0 to 2**32 - 1 (NumPy's range)")
    random.seed(seed)
    np.random.seed(seed)
    torch = sys.modules.get("torch")  # importing it here would cost the NumPy chapters two seconds
    if torch is not None:
        torch.manual_seed(seed)
    plots.use_style()


def show(figure: Figure | Axes, alt: str) -> None:
    """Display a figure with a text for those who cannot see it, and close it.

    Parameters
    ----------
    figure : Figure or Axes
        What to show; axes stand for the figure they lie on.
    alt : str
        One or two sentences saying what the picture shows. It reaches screen readers and the book site.

    Raises
    ------
    ValueError
        If `alt` is empty, or there is no figure.

    Examples
    --------
    >>> figure, ax = plt.subplots()
    >>> show(figure, " ")
    Traceback (most recent call last):
        ...
    ValueError: alt is empty: say in a sentence what the figure shows, for those who cannot see it
    >>> plt.close(figure)
    """
    if not alt.strip():
        raise ValueError("alt is empty: say in a sentence what the figure shows, for those who cannot see it")
    whole = _figure_of(figure)
    alt = " ".join(alt.split())
    image, data, size = parts.img_tag(whole, alt)
    plt.close(whole)
    _display({"text/html": image, "image/png": data, "text/plain": alt}, {"image/png": size})


def _figure_of(figure: Figure | Axes) -> Figure:
    """Return the figure itself, or the one on which axes lie."""
    found: Any = figure
    while not isinstance(found, Figure):
        found = getattr(found, "figure", None)
        if found is None:
            raise ValueError(f"{type(figure).__name__} is not (or not any more) a figure, or axes on one")
    return found


def _display(bundle: dict[str, str], metadata: dict[str, dict[str, int]] | None = None) -> None:
    """Send one output in several formats; the reader's program takes the best that it knows."""
    display(bundle, raw=True, metadata=metadata)  # type: ignore[no-untyped-call]


def show_source(thing: Any, *, full: bool = False) -> None:
    """Display the packaged source of a function, method or class, so that nothing is hidden.

    Parameters
    ----------
    thing : function, method or class
        What to show.
    full : bool
        Show the whole docstrings; by default their first line, since the chapter says the rest.

    Raises
    ------
    ValueError
        If it has no Python source (a builtin, or an object of a class: pass the class).
    """
    try:
        source = textwrap.dedent(inspect.getsource(thing))
    except (TypeError, OSError) as error:
        raise ValueError(f"{thing!r} has no Python source to show: pass a function or a class") from error
    if not full:
        source = _first_lines(source)
    place = f"{thing.__module__}.{thing.__qualname__}"
    markdown = f"`{place}`\n\n```python\n{source.rstrip()}\n```"
    _display({"text/markdown": markdown, "text/plain": f"# {place}\n{source.rstrip()}"})


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
    return "\n".join(lines)


def show_table(
    rows: Sequence[Sequence[object]], header: Sequence[str], *, caption: str | None = None
) -> None:
    """Display a table: numbers to the right with three significant digits, text to the left.

    Parameters
    ----------
    rows : sequences of equal length
        Cells; a float is rounded, anything else is shown as `str` shows it.
    header : sequence of str
        Names of the columns.
    caption : str
        One line over the table.

    Raises
    ------
    ValueError
        If a row is not as long as the header.
    """
    for number, row in enumerate(rows):
        if len(row) != len(header):
            raise ValueError(f"row {number} has {len(row)} cells, expected {len(header)}: {list(header)}")
    cells = [[f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    numeric = [all(isinstance(row[c], (int, float)) for row in rows) for c in range(len(header))]
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in [list(header), *cells]]
    rule = ["---:" if right else "---" for right in numeric]
    lines = ["| " + " | ".join(row) + " |" for row in [escaped[0], rule, *escaped[1:]]]
    title = [f"**{caption}**", ""] if caption else []
    plain = [caption] if caption else []
    text = plain + ["  ".join(row) for row in [list(header), *cells]]
    _display({"text/markdown": "\n".join(title + lines), "text/plain": "\n".join(text)})
