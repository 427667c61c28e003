"""Points in the plane: encoder states, their convex hull, and the context vector inside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Polygon
from matplotlib.text import Annotation
from numpy.typing import ArrayLike

from seq2seq_edu.plots.charts import HALO, finish, pairs
from seq2seq_edu.plots.style import COLOURS, INK, Floats, describe, number, panels


def hull(
    encoder_states: ArrayLike,
    weights: ArrayLike,
    *,
    labels: Sequence[str] | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    r"""Draw encoder states in the plane, their convex hull, and the context vector inside it.

    .. math:: c_t = \sum_i \alpha_{t,i} h_i

    Parameters
    ----------
    encoder_states : array of shape (n, 2). The points h_i.
    weights : array of shape (n,). Attention weights; larger ones have larger points and stronger strings.
    labels : n strings. Names of the points; by default h_1 .. h_n.
    title, ax : as for `curves`

    Returns
    -------
    ax : Axes. The star is c_t.

    Examples
    --------
    >>> ax = hull([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]], [0.5, 0.25, 0.25])
    >>> ax.collections[-1].get_offsets()[0].tolist()
    [0.5, 0.5]
    """
    points, alpha = _checked_plane(encoder_states, weights)
    context = alpha @ points
    names = [f"$h_{{{i + 1}}}$" for i in range(len(points))] if labels is None else list(labels)
    if len(names) != len(points):
        raise ValueError(f"there are {len(names)} labels for {len(points)} points")
    ax = panels(size="small") if ax is None else ax
    ax.add_patch(Polygon(convex_hull(points), facecolor="#0072B212", edgecolor="#0072B255", linewidth=1.2))
    edge: dict[str, Any] = {"edgecolor": "white", "linewidth": 1}
    ax.scatter(points[:, 0], points[:, 1], s=30 + 620 * alpha, color=COLOURS[0], zorder=3, **edge)
    ax.scatter(context[0], context[1], s=170, marker="*", color=COLOURS[1], zorder=4, **edge)
    for point, weight, name in zip(points, alpha, names, strict=True):
        strength = {"alpha": 0.15 + 0.75 * weight, "linewidth": 0.6 + 4 * weight}
        ax.plot(*np.stack([point, context]).T, color=COLOURS[0], **strength)
        side = 1 if point[1] >= points[:, 1].mean() else -1  # above or below, away from the middle
        text = note(ax, f"{name}  {weight:.2f}", point, (0, side * (12 + 13 * np.sqrt(weight))), INK)
        text.set_parse_math(labels is None)
    note(ax, "$c_t$", context, 15 * _free_way(points - context), COLOURS[1]).set_fontsize(15)
    ax.set_aspect("equal", adjustable="datalim")
    ax.margins(0.3)
    finish(ax, "first coordinate", "second coordinate", title)
    ax.grid(False)
    star = ", ".join(number(c, ".2f") for c in context)
    describe(ax, f"points in the plane with weights {pairs(names, alpha, '.2f')}; a star, c_t, at ({star}).")
    return ax


def note(ax: Axes, words: str, point: ArrayLike, offset: ArrayLike, colour: str) -> Annotation:
    """Write words on a thin white halo near a point; `offset` is in printer's points (1/72 inch)."""
    (x, y), (right, up) = np.asarray(point), np.asarray(offset)
    text = ax.annotate(words, (x, y), (right, up), textcoords="offset points", color=colour)
    text.set(ha="center", va="center", path_effects=HALO)
    return text


def _free_way(strings: Floats) -> Floats:
    """Return the direction, of length 1, that is as far from every string as can be."""
    ahead = strings / np.maximum(np.linalg.norm(strings, axis=1, keepdims=True), 1e-12)
    turns = np.exp(1j * np.linspace(0, 2 * np.pi, 24, endpoint=False))
    ways = np.stack([turns.real, turns.imag], axis=1)
    return np.asarray(ways[(ways @ ahead.T).max(axis=1).argmin()])


def convex_hull(points: Floats) -> Floats:
    """Return the corners of the convex hull of points in the plane, counter-clockwise, by Andrew's chain.

    Parameters
    ----------
    points : array of shape (n, 2)

    Returns
    -------
    corners : array of shape (k, 2)
    """
    order = sorted({(float(a), float(b)) for a, b in points})
    corners: list[tuple[float, float]] = []
    for way in (order, order[::-1]):
        chain: list[tuple[float, float]] = []
        for x, y in way:
            while len(chain) > 1:
                (a, b), (c, d) = chain[-2:]
                if (c - a) * (y - b) > (d - b) * (x - a):  # a turn to the left
                    break
                chain.pop()
            chain.append((x, y))
        corners += chain[:-1]
    return np.array(corners or order)


def _checked_plane(states: ArrayLike, weights: ArrayLike) -> tuple[Floats, Floats]:
    """Return points and weights as float64 arrays, or say what is wrong with them."""
    points, alpha = np.asarray(states, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise ValueError(
            f"encoder_states has shape {points.shape}, not finite (n, 2): choose two coordinates"
        )
    if alpha.shape != (len(points),):
        raise ValueError(f"weights has shape {alpha.shape}, expected ({len(points)},), one for each point")
    if not (alpha >= -1e-6).all() or abs(alpha.sum() - 1) > 1e-3:
        raise ValueError(f"weights sum to {alpha.sum():.4g}, expected 1 and none below 0: are these scores?")
    return points, alpha.clip(0, 1)
