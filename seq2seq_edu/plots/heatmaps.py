"""Heat maps of attention weights: rows are target steps, columns source positions, 0 is the paper."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from unicodedata import east_asian_width

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from seq2seq_edu.plots.style import BOX, FAINT, INK, WEIGHTS, Floats, describe, luminance, visible

Links = Collection[tuple[int, int]]  # (target step, source position), 0-based


def heatmap(
    alignment: ArrayLike,
    target_tokens: Sequence[str],
    source_tokens: Sequence[str],
    *,
    gold: Links | None = None,
    possible: Links | None = None,
    title: str | None = None,
    values: bool | None = None,
    ax: Axes | None = None,
) -> Axes:
    r"""Draw attention weights: one row per target step t, one column per source position i.

    .. math:: \alpha_{t,i} \in [0, 1]

    Bahdanau, Cho and Bengio (2015), arXiv:1409.0473, figure 3. Taught in: attention_weights.

    Parameters
    ----------
    alignment : array of shape (m, n). Attention weights of one sentence; anything else is a ValueError.
    target_tokens, source_tokens : m and n strings. Names of rows and columns, shown as they are (`$` too).
    gold, possible : collections of (t, i), 0-based. True links, boxed solid (sure) and dashed (possible).
    title : str
    values : bool. Write the number in each cell (by default if the map is small), or else a colour bar.
    ax : Axes. Where to draw; by default a new figure that fits.

    Returns
    -------
    ax : Axes. Source labels are on top.

    Examples
    --------
    >>> ax = heatmap([[0.9, 0.1], [0.2, 0.8]], ["I", "ran"], ["我", "跑了"], gold={(0, 0), (1, 1)})
    >>> [text.get_text() for text in ax.texts]
    ['0.90', '0.10', '0.20', '0.80']
    """
    weights = checked_weights(alignment, target_tokens, source_tokens)
    sure = checked_links(gold, weights.shape, "gold")
    maybe = checked_links(possible, weights.shape, "possible") - sure
    m, n = weights.shape
    values = _readable(m, n) if values is None else values
    side = _side(m, n, values)
    if ax is None:
        width, height = _size(target_tokens, source_tokens, side)
        ax = plt.figure(figsize=(max(width, 2.8), height)).add_subplot()
    else:
        box = ax.get_window_extent()
        side = float(min(box.width / n, box.height / m) / ax.get_figure().dpi)  # type: ignore[union-attr]
    image = ax.imshow(weights, cmap=WEIGHTS, vmin=0.0, vmax=1.0, aspect="equal", interpolation="nearest")
    _label(ax, target_tokens, source_tokens, side)
    if values:
        _write(ax, weights)
    elif weights.any():  # a map of boxes alone needs no scale
        bar = ax.figure.colorbar(image, ax=ax, shrink=0.6, aspect=18, pad=0.02, ticks=[0, 0.5, 1])
        bar.outline.set_linewidth(0.5)  # type: ignore[operator]
        bar.ax.tick_params(length=0)
    _box(ax, maybe, (0, (3, 1.6)))
    _box(ax, sure, "solid")
    if title is not None:
        ax.set_title(title)
    describe(ax, _words(weights, target_tokens, source_tokens, sure | maybe))
    return ax


def maps(given: Mapping[str, tuple[Any, ...]], *, values: bool | None = None) -> list[Axes]:
    """Draw heat maps side by side, with cells of the same size.

    Parameters
    ----------
    given : title to (alignment, target_tokens, source_tokens[, gold[, possible]]). As for `heatmap`.
    values : bool. As for `heatmap`.

    Returns
    -------
    axes : list of Axes. One a map, in the given order.
    """
    if not given:
        raise ValueError("there is no map, expected at least one title with its weights")
    shapes = [np.shape(weights) for weights, *_ in given.values()]
    values = all(_readable(m, n) for m, n in shapes) if values is None else values
    side = min(_side(m, n, values) for m, n in shapes)
    sizes = [_size(targets, sources, side) for _, targets, sources, *_ in given.values()]
    figure = plt.figure(figsize=(sum(width for width, _ in sizes), max(height for _, height in sizes) + 0.3))
    grid = figure.subplots(1, len(given), width_ratios=[n for _, n in shapes], squeeze=False)[0]
    for ax, (title, (weights, targets, sources, *links)) in zip(grid, given.items(), strict=True):
        boxes = dict(zip(("gold", "possible"), links, strict=False))
        heatmap(weights, targets, sources, **boxes, title=title, values=values, ax=ax)
    return list(grid)


def checked_weights(alignment: ArrayLike, targets: Sequence[str], sources: Sequence[str]) -> Floats:
    """Return the weights as a float64 matrix, or say what is wrong with them."""
    weights = np.asarray(alignment, dtype=np.float64)
    if weights.ndim != 2 or 0 in weights.shape:
        raise ValueError(
            f"alignment has shape {weights.shape}, expected (m, n) of one sentence: pick one row of the batch"
        )
    for axis, (what, tokens) in enumerate((("target", targets), ("source", sources))):
        if len(tokens) != weights.shape[axis]:
            raise ValueError(
                f"alignment has shape {weights.shape} but there are {len(tokens)} {what} tokens, expected "
                f"{weights.shape[axis]}: is eos or padding on one side only, or is the map transposed?"
            )
    if not np.isfinite(weights).all():
        raise ValueError("alignment holds nan or inf: was a row with no real token normalised?")
    if weights.min() < -1e-6 or weights.max() > 1 + 1e-6:
        raise ValueError(
            f"alignment runs from {weights.min():.3g} to {weights.max():.3g}, expected weights in [0, 1]: "
            "are these scores, before the softmax?"
        )
    return weights


def checked_links(links: Links | None, shape: tuple[int, ...], name: str) -> set[tuple[int, int]]:
    """Return the links as a set of plain numbers, or say which one lies outside the map."""
    found = {(int(t), int(i)) for t, i in (links or ())}
    outside = sorted((t, i) for t, i in found if not (0 <= t < shape[0] and 0 <= i < shape[1]))
    if outside:
        raise ValueError(
            f"{name} has the link {outside[0]} outside the {shape[0]} x {shape[1]} map: links are 0-based "
            "(target step, source position)"
        )
    return found


def _readable(m: int, n: int) -> bool:
    """Tell whether a map is small enough for a number in each cell."""
    return m * n <= 200 and n <= 16


def _side(m: int, n: int, values: bool) -> float:
    """Return the side of a cell in inches."""
    return 0.5 if values else float(np.clip(9.0 / max(m, n), 0.13, 0.36))


def _widest(tokens: Sequence[str]) -> float:
    """Estimate the width of the longest token in em: a Chinese character counts 1, a letter about a half."""
    return max(sum(1.0 if east_asian_width(c) in "WF" else 0.55 for c in token) for token in tokens)


def _size(targets: Sequence[str], sources: Sequence[str], side: float) -> tuple[float, float]:
    """Return the inches that a map and its labels take; long source tokens are turned and need height."""
    em = 11 / 72
    widest = em * _widest(sources)
    width = em * (_widest(targets) + 2.5) + len(sources) * side + 0.5
    return width, len(targets) * side + (widest + 0.5 if widest > side else 0.55) + 0.45


def _label(ax: Axes, targets: Sequence[str], sources: Sequence[str], side: float) -> None:
    """Put source tokens on top and target tokens at the left, as plain text, as large as a cell allows."""
    size = float(np.clip(side * 72 * 0.62, 5.0, 11.0))
    upright = _widest(sources) * size <= side * 72 * 0.98
    turn: dict[str, Any] = {} if upright else {"rotation": 55, "ha": "left", "rotation_mode": "anchor"}
    plain: dict[str, Any] = {"parse_math": False, "fontsize": size, "color": INK}  # a $ starts no formula
    ax.xaxis.tick_top()
    ax.xaxis.set_label_position("top")
    ax.set_xticks(range(len(sources)), [visible(s) for s in sources], **plain, **turn)
    ax.set_yticks(range(len(targets)), [visible(s) for s in targets], **plain)
    ax.set_xticks(np.arange(1, len(sources)) - 0.5, minor=True)
    ax.set_yticks(np.arange(1, len(targets)) - 0.5, minor=True)
    ax.tick_params(length=0, pad=4)
    ax.tick_params(which="minor", length=0)
    ax.spines[:].set(visible=True, color=FAINT)
    if side > 0.2:  # a finer grid would be stronger than the weights
        ax.grid(which="minor", color=FAINT, linewidth=0.8)


def _write(ax: Axes, weights: Floats) -> None:
    """Write each weight in its cell, dark on light cells and light on dark ones."""
    for (t, i), weight in np.ndenumerate(weights):
        ink = "white" if luminance(WEIGHTS(weight)) < 0.213 else INK
        alpha = 1.0 if weight >= 0.005 else 0.4  # a cell that reads 0.00 should not shout
        ax.text(i, t, f"{abs(weight):.2f}", ha="center", va="center", fontsize=9, color=ink, alpha=alpha)


def _box(ax: Axes, links: set[tuple[int, int]], line: Any) -> None:
    """Box the linked cells, a little inside their border so that neighbours do not touch."""
    halo = {"edgecolor": "white", "linewidth": 3.4, "gid": "halo"}
    for t, i in sorted(links):
        for look in (halo, {"edgecolor": BOX, "linewidth": 2.0, "linestyle": line}):
            ax.add_patch(Rectangle((i - 0.43, t - 0.43), 0.86, 0.86, fill=False, **look))


def _words(weights: Floats, targets: Sequence[str], sources: Sequence[str], boxes: set[Any]) -> str:
    """Say where each row looks most, and how much of the weight the boxes hold."""
    m, n = weights.shape
    rows = []
    for target, row in list(zip(targets, weights, strict=True))[:12]:
        most = [visible(sources[i]) for i, weight in enumerate(row) if weight >= row.max() - 0.005]
        where = " and ".join(most) if len(most) < 3 else f"{len(most)} alike"
        rows.append(f"{visible(target)} – {where} {row.max():.2f}")
    first = "" if m <= 12 else f", the first 12 of {m}"
    held = sum(weights[link] for link in boxes) / m
    boxed = f" The boxed cells hold {held:.2f} of it all." if boxes else ""
    return f"a map of {m} rows by {n} columns; largest in each row{first}: {', '.join(rows)}.{boxed}"
