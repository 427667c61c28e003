"""Pictures of attention: arrays and labels in, axes out.

Nothing here knows a model. Every function takes numbers and names, draws on the axes it is given (or on a
figure of its own, sized to fit) and returns those axes, so that a chapter can add to the picture. Colours are
safe for colour-blind readers, heat maps use `cividis` from 0 to 1, and series are named beside their line.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.patches import Polygon
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike

from seq2seq_edu.plots import parts
from seq2seq_edu.plots.parts import (
    BOX,
    COLOURS,
    FAINT,
    FONT_FAMILY,
    GREY,
    INK,
    Floats,
    Link,
    convex_hull,
    luminance,
)

__all__ = [
    "BOX", "COLOURS", "FAINT", "FONT_FAMILY", "FONT_FILE", "GREY", "INK",
    "bars", "convex_hull", "curves", "heatmap", "hull", "length_curve", "luminance", "use_style",
]  # fmt: skip

FONT_FILE = Path(__file__).parents[1] / "fonts" / "NotoSansCJKsc-subset.otf"


def use_style() -> None:
    """Register the Chinese font that comes with the package and set matplotlib's defaults for this book.

    Raises
    ------
    FileNotFoundError
        If the font file is not where the package keeps it (a broken installation).

    Examples
    --------
    >>> use_style()
    >>> mpl.rcParams["image.cmap"]
    'cividis'
    """
    if not FONT_FILE.is_file():
        raise FileNotFoundError(f"no font at {FONT_FILE}: reinstall the package, its files are incomplete")
    known = {entry.fname for entry in font_manager.fontManager.ttflist}
    if str(FONT_FILE) not in known:
        font_manager.fontManager.addfont(FONT_FILE)
    mpl.rcParams.update(parts.STYLE)


def heatmap(
    alignment: ArrayLike,
    target_tokens: Sequence[str],
    source_tokens: Sequence[str],
    *,
    gold: Collection[Link] | None = None,
    possible: Collection[Link] | None = None,
    title: str | None = None,
    values: bool | None = None,
    ax: Axes | None = None,
) -> Axes:
    r"""Draw attention weights: one row per target step t, one column per source position i.

    .. math:: \alpha_{t,i} \in [0, 1]

    Parameters
    ----------
    alignment : array of shape (m, n)
        Attention weights of one sentence; every number between 0 and 1.
    target_tokens, source_tokens : sequences of m and of n strings
        Names of the rows and of the columns, shown as they are (`$` and `_` are plain characters).
    gold, possible : collections of (t, i), 0-based
        True links, boxed with a solid line (sure) and a dashed line (possible).
    title : str
        Text over the map.
    values : bool
        Write the number in each cell; by default only in maps small enough to read. Otherwise a colour bar.
    ax : Axes
        Where to draw; by default a new figure of a fitting size.

    Returns
    -------
    ax : Axes
        The picture; source labels are on top.

    Raises
    ------
    ValueError
        If the tokens do not fit the shape, a number is not a weight, or a link lies outside the map.

    Examples
    --------
    >>> ax = heatmap([[0.9, 0.1], [0.2, 0.8]], ["I", "ran"], ["我", "跑了"], gold={(0, 0), (1, 1)})
    >>> [text.get_text() for text in ax.texts]
    ['0.90', '0.10', '0.20', '0.80']

    References
    ----------
    Bahdanau, Cho and Bengio (2015), arXiv:1409.0473, figure 3. Taught in: attention_weights.
    """
    weights = parts.checked_weights(alignment, target_tokens, source_tokens)
    sure = parts.checked_links(gold, weights.shape, "gold")
    maybe = parts.checked_links(possible, weights.shape, "possible") - sure
    m, n = weights.shape
    if values is None:
        values = m * n <= 200 and n <= 16
    cell = 0.5 if values else float(np.clip(9.0 / max(m, n), 0.13, 0.36))  # inches
    own_figure = ax is None
    if ax is None:
        ax = plt.figure(figsize=parts.map_size(m, n, cell, target_tokens, source_tokens)).add_subplot()
    image = ax.imshow(weights, cmap="cividis", vmin=0.0, vmax=1.0, aspect="equal", interpolation="nearest")
    side = cell if own_figure else parts.cell_width(ax, m, n)
    parts.label_cells(ax, target_tokens, source_tokens, side)
    if values:
        parts.write_values(ax, weights)
    elif ax.figure is not None:
        bar = ax.figure.colorbar(image, ax=ax, shrink=0.6, aspect=18, pad=0.02, ticks=[0, 0.5, 1])
        bar.outline.set_visible(False)
        bar.ax.tick_params(length=0)
    parts.draw_boxes(ax, maybe, dashed=True)
    parts.draw_boxes(ax, sure, dashed=False)
    if title is not None:
        ax.set_title(title)
    return ax


def curves(
    series: Mapping[str, ArrayLike],
    *,
    x: ArrayLike | Mapping[str, ArrayLike] | None = None,
    xlabel: str = "step",
    ylabel: str = "loss (nats per target token)",
    smooth: int = 1,
    log: bool = False,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw one or several curves, each named at its right end.

    Parameters
    ----------
    series : name to array of shape (T,), or of shape (seeds, T)
        Several seeds give their mean, with a band from the smallest to the largest.
    x : array of shape (T,), or name to such an array
        Where the values stand; by default 1 .. T.
    xlabel, ylabel, title : str
        Words on the axes (with the unit) and over the picture.
    smooth : int
        Length of a running mean centred on each value; the raw curve stays visible, pale.
    log : bool
        Logarithmic vertical axis.
    ax : Axes
        Where to draw; by default a new figure.

    Returns
    -------
    ax : Axes
        The picture, with a curve for each name.

    Raises
    ------
    ValueError
        If there is no series, a shape or length does not fit, or a value is infinite.

    Examples
    --------
    >>> ax = curves({"attention": [3.0, 2.0, 1.0], "none": [3.0, 2.9, 2.8]})
    >>> sorted(text.get_text() for text in ax.texts)
    ['attention', 'none']
    """
    if not series:
        raise ValueError("series is empty, expected at least one name with its values")
    if smooth < 1:
        raise ValueError(f"smooth is {smooth}, expected 1 (no smoothing) or the length of a running mean")
    ax = _axes(ax)
    ends = []
    for number, (name, values) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        runs = _runs(name, values)
        where = x.get(name) if isinstance(x, Mapping) else x
        places = np.arange(1, runs.shape[1] + 1) if where is None else np.asarray(where, dtype=float)
        if places.shape != (runs.shape[1],):
            raise ValueError(
                f"x of {name!r} has shape {places.shape}, expected ({runs.shape[1]},) as the values"
            )
        if smooth > 1:
            ax.plot(places, runs.mean(0), color=colour, alpha=0.25, linewidth=0.8)
            runs = np.stack([_running_mean(run, smooth) for run in runs])
        if len(runs) > 1:
            ax.fill_between(places, runs.min(0), runs.max(0), color=colour, alpha=0.18, linewidth=0)
        mean = runs.mean(0)
        ax.plot(places, mean, color=colour)
        ends.append((float(places[-1]), float(mean[-1]), name, colour))
    if log:
        ax.set_yscale("log")
    _finish(ax, xlabel, ylabel, title)
    _name_ends(ax, ends)
    return ax


def length_curve(
    lengths: Sequence[float] | Sequence[str],
    scores: Mapping[str, ArrayLike],
    *,
    intervals: Mapping[str, ArrayLike] | None = None,
    trained_to: float | None = None,
    xlabel: str = "source length (tokens)",
    ylabel: str = "BLEU",
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw scores against sentence length, one curve for each model, with whiskers for what is uncertain.

    Parameters
    ----------
    lengths : sequence of k numbers or of k names of buckets
        Where the scores stand.
    scores : name to array of shape (k,), or of shape (seeds, k)
        Several seeds give their mean, with whiskers from the smallest to the largest.
    intervals : name to array of shape (2, k)
        Lower and upper ends of an interval (a bootstrap's, say); they replace the whiskers over seeds.
    trained_to : float
        Longest sentence seen in training, marked by a line (numbers only).
    xlabel, ylabel, title : str
        Words on the axes and over the picture.
    ax : Axes
        Where to draw; by default a new figure.

    Returns
    -------
    ax : Axes
        The picture, with a curve for each model.

    Raises
    ------
    ValueError
        If there is no series or a shape does not fit `lengths`.

    Examples
    --------
    >>> ax = length_curve([5, 20], {"attention": [0.9, 0.8], "none": [0.9, 0.2]}, ylabel="exact match")
    >>> ax.get_ylabel()
    'exact match'

    References
    ----------
    Bahdanau, Cho and Bengio (2015), arXiv:1409.0473, figure 2. Taught in: why_attention.
    """
    if not scores:
        raise ValueError("scores is empty, expected at least one name with its values")
    named = any(isinstance(length, str) for length in lengths)
    places = np.arange(len(lengths)) if named else np.asarray(lengths, dtype=float)
    ax = _axes(ax)
    ends = []
    for number, (name, values) in enumerate(scores.items()):
        colour = COLOURS[number % len(COLOURS)]
        runs = _runs(name, values)
        if runs.shape[1] != len(places):
            raise ValueError(f"{name!r} has {runs.shape[1]} scores, expected {len(places)}, one per length")
        low, high = _whiskers(name, runs, intervals)
        mean = runs.mean(0)
        ax.plot(places, mean, color=colour, marker="o", markersize=5, markeredgecolor="white")
        if (high > low).any():
            ax.vlines(places, low, high, color=colour, alpha=0.55, linewidth=3.0)
        ends.append((float(places[-1]), float(mean[-1]), name, colour))
    if named:
        ax.set_xticks(places, [str(length) for length in lengths], parse_math=False)
    _finish(ax, xlabel, ylabel, title)
    ax.set_ylim(bottom=min(0.0, ax.get_ylim()[0]))
    if trained_to is not None:
        ax.axvline(trained_to, color=GREY, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
        ax.annotate(
            "longest in training", (trained_to, 1), (4, -2), xycoords=("data", "axes fraction"),
            textcoords="offset points", va="top", fontsize=9, color=GREY,
        )  # fmt: skip
    _name_ends(ax, ends)
    return ax


def bars(
    weights: ArrayLike | Mapping[str, ArrayLike],
    labels: Sequence[str],
    *,
    ylabel: str = "weight",
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw numbers as bars with the value on each: weights, or scores of any sign.

    Parameters
    ----------
    weights : array of shape (n,), or name to such an array
        Heights; several named arrays stand side by side, with a legend.
    labels : sequence of n strings
        Names under the bars, shown as they are.
    ylabel, title : str
        Words beside and over the picture.
    ax : Axes
        Where to draw; by default a new figure.

    Returns
    -------
    ax : Axes
        The picture; the values stand on the bars.

    Raises
    ------
    ValueError
        If a shape does not fit `labels`.

    Examples
    --------
    >>> [text.get_text() for text in bars([0.25, 0.75], ["我", "跑了"]).texts]
    ['0.25', '0.75']
    """
    groups = dict(weights) if isinstance(weights, Mapping) else {"": weights}
    if not groups:
        raise ValueError("weights is empty, expected at least one array")
    ax = _axes(ax, (max(3.6, 0.5 + 0.42 * len(labels) * (len(groups) + 0.6)), 2.8))
    heights = {name: np.asarray(values, dtype=float) for name, values in groups.items()}
    width = 0.78 / len(groups)
    for number, (name, height) in enumerate(heights.items()):
        if height.shape != (len(labels),) or not np.isfinite(height).all():
            raise ValueError(f"weights have shape {height.shape}, expected {len(labels)} finite numbers")
        places = np.arange(len(labels)) + (number - (len(groups) - 1) / 2) * width
        drawn = ax.bar(places, height, width * 0.94, color=COLOURS[number % len(COLOURS)], label=name)
        shown = [f"{value:.2f}".replace("-", "\N{MINUS SIGN}") for value in height]
        ax.bar_label(drawn, shown, padding=2, fontsize=9 if len(groups) < 3 else 8, color=INK)
    plain: dict[str, Any] = {"parse_math": False, "color": INK, "fontsize": 11}
    ax.set_xticks(range(len(labels)), [parts.visible(label) for label in labels], **plain)
    everything = np.concatenate(list(heights.values()))
    if everything.min() >= 0 and everything.max() <= 1:
        ax.set_ylim(0, 1.08)
        ax.set_yticks([0, 0.5, 1])
    else:
        ax.axhline(0, color=GREY, linewidth=0.8)
        ax.margins(y=0.14)
    _finish(ax, "", ylabel, title)
    ax.tick_params(axis="x", length=0)
    if len(groups) > 1:
        ax.legend(loc="upper left", bbox_to_anchor=(0, 1.0), ncols=len(groups), handlelength=0.9, fontsize=10)
        ax.set_ylim(top=ax.get_ylim()[1] + 0.14 * np.ptp(ax.get_ylim()))
    return ax


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
    encoder_states : array of shape (n, 2)
        Points h_1 .. h_n.
    weights : array of shape (n,)
        Attention weights; they are the sizes of the points and the strength of the strings to c_t.
    labels : sequence of n strings
        Names of the points, shown as they are; by default h_1 .. h_n.
    title : str
        Text over the picture.
    ax : Axes
        Where to draw; by default a new figure.

    Returns
    -------
    ax : Axes
        The picture; the star is c_t.

    Raises
    ------
    ValueError
        If the points are not in the plane, or the weights are negative or do not sum to 1.

    Examples
    --------
    >>> ax = hull([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]], [0.5, 0.25, 0.25])
    >>> [float(number) for number in ax.collections[-1].get_offsets()[0]]
    [0.5, 0.5]
    """
    points, alpha = parts.checked_plane(encoder_states, weights)
    context = alpha @ points
    names = [f"$h_{{{i + 1}}}$" for i in range(len(points))] if labels is None else list(labels)
    if len(names) != len(points):
        raise ValueError(f"there are {len(names)} labels for {len(points)} points")
    ax = _axes(ax, (4.6, 4.0))
    ax.add_patch(Polygon(convex_hull(points), facecolor="#0072B212", edgecolor="#0072B255", linewidth=1.2))
    for point, weight in zip(points, alpha, strict=True):
        ends = np.stack([point, context])
        strength = {"alpha": 0.15 + 0.75 * weight, "linewidth": 0.6 + 4 * weight}
        ax.plot(ends[:, 0], ends[:, 1], color=COLOURS[0], **strength)
    edge: dict[str, Any] = {"edgecolor": "white", "linewidth": 1}
    ax.scatter(points[:, 0], points[:, 1], s=30 + 620 * alpha, color=COLOURS[0], zorder=3, **edge)
    ax.scatter(context[0], context[1], s=170, marker="*", color=COLOURS[1], zorder=4, **edge)
    middle = points.mean(0)
    for point, weight, name in zip(points, alpha, names, strict=True):
        side = 1 if point[1] >= middle[1] else -1  # above or below, away from the middle
        text = parts.note(ax, f"{name}  {weight:.2f}", point, (0, side * (12 + 13 * np.sqrt(weight))), INK)
        text.set_parse_math(labels is None)
    beside = 15 * parts.free_direction(points - context)
    parts.note(ax, "$c_t$", context, beside, COLOURS[1]).set_fontsize(15)
    ax.set_aspect("equal", adjustable="datalim")
    ax.margins(0.3)
    _finish(ax, "first coordinate", "second coordinate", title)
    ax.grid(False)
    return ax


def _axes(ax: Axes | None, size: tuple[float, float] | None = None) -> Axes:
    """Return the axes given, or new ones."""
    return plt.figure(figsize=size).add_subplot() if ax is None else ax


def _runs(name: str, values: ArrayLike) -> Floats:
    """Return values as (seeds, T)."""
    runs = np.atleast_2d(np.asarray(values, dtype=np.float64))
    if runs.ndim != 2 or 0 in runs.shape:
        raise ValueError(f"{name!r} has shape {np.shape(values)}, expected (T,) or (seeds, T), not empty")
    if np.isinf(runs).any():
        raise ValueError(f"{name!r} holds an infinite value: did the training diverge?")
    return runs


def _running_mean(run: Floats, length: int) -> Floats:
    """Return the mean of the `length` values around each place (of fewer at both ends)."""
    total = np.concatenate([[0.0], np.cumsum(run)])
    middle = np.arange(len(run))
    begin = np.maximum(middle - (length - 1) // 2, 0)
    stop = np.minimum(middle + length // 2 + 1, len(run))
    return np.asarray((total[stop] - total[begin]) / (stop - begin))


def _whiskers(name: str, runs: Floats, intervals: Mapping[str, ArrayLike] | None) -> Any:
    """Return the lower and the upper ends, of shape (2, k)."""
    if intervals is None or name not in intervals:
        return np.stack([runs.min(0), runs.max(0)])
    ends = np.asarray(intervals[name], dtype=np.float64)
    if ends.shape != (2, runs.shape[1]):
        raise ValueError(
            f"interval of {name!r} has shape {ends.shape}, expected (2, {runs.shape[1]}): low, high"
        )
    return ends


def _finish(ax: Axes, xlabel: str, ylabel: str, title: str | None) -> None:
    """Set the words, and a faint horizontal grid."""
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    ax.grid(axis="y", color=FAINT, linewidth=0.8)
    if title is not None:
        ax.set_title(title)


def _name_ends(ax: Axes, ends: list[tuple[float, float, str, str]]) -> None:
    """Write each name beside the end of its curve, pushed apart where they would overlap."""
    figure = ax.get_figure()
    points = 72 / (figure.dpi if figure is not None else 100)
    ends = sorted(end for end in ends if np.isfinite(end[1]))
    ends.sort(key=lambda end: end[1])
    heights = [float(ax.transData.transform((x, y))[1]) * points for x, y, _, _ in ends]
    wanted = list(heights)
    for k in range(1, len(wanted)):
        wanted[k] = max(wanted[k], wanted[k - 1] + 14)
    shift = float(np.mean(np.subtract(wanted, heights))) if ends else 0.0
    for (x, y, name, colour), height, goal in zip(ends, heights, wanted, strict=True):
        place = (9, goal - shift - height)
        text = ax.annotate(name, (x, y), place, textcoords="offset points", va="center", color=colour)
        text.set_parse_math(False)
        text.set_path_effects([withStroke(linewidth=2.5, foreground="white")])
