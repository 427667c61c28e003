"""Curves and bars: numbers and names in, axes out; each keeps in words what can be seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from seq2seq_edu.plots.style import COLOURS, FAINT, GREY, INK, Floats, describe, number, panels, visible

Places = ArrayLike | Mapping[str, ArrayLike] | None
HALO = [withStroke(linewidth=2.5, foreground="white")]  # of words that stand on a picture


def curves(
    series: Mapping[str, ArrayLike],
    *,
    x: Places = None,
    xlabel: str = "step",
    ylabel: str = "loss (nats per target token)",
    smooth: int = 1,
    log: bool = False,
    title: str | None = None,
    size: str = "text",
    ax: Axes | None = None,
) -> Axes:
    """Draw one or several curves, each named at its right end.

    Parameters
    ----------
    series : name to array of shape (T,) or (seeds, T). Seeds give their mean, in a band from low to high.
    x : array of shape (T,), or name to such an array. Where the values stand; by default 1 .. T.
    xlabel, ylabel, title : str. Words on the axes (with the unit) and over the picture.
    smooth : int. Length of a running mean centred on each value; the raw curve stays visible, pale.
    log : bool. Logarithmic vertical axis.
    size, ax : a new figure, "small", "text" or "wide", or axes that exist

    Returns
    -------
    ax : Axes

    Examples
    --------
    >>> ax = curves({"attention": [3.0, 2.0, 1.0], "none": [3.0, 2.9, 2.8]})
    >>> sorted(text.get_text() for text in ax.texts)
    ['attention', 'none']
    """
    if smooth < 1:
        raise ValueError(f"smooth is {smooth}, expected 1 (no smoothing) or the length of a running mean")
    ax = panels(size=size) if ax is None else ax
    ends, ways = [], []
    for name, colour, places, runs in _series(series, x):
        if smooth > 1:
            ax.plot(places, runs.mean(0), color=colour, alpha=0.25, linewidth=0.8)
            runs = np.stack([_running_mean(run, min(smooth, len(run))) for run in runs])
        if len(runs) > 1:
            ax.fill_between(places, runs.min(0), runs.max(0), color=colour, alpha=0.18, linewidth=0)
        values = runs.mean(0)
        ax.plot(places, values, color=colour)
        ends.append((places[-1], values[-1], name, colour))
        ways.append(_way(name, places, values))
    if log:
        ax.set_yscale("log")
    finish(ax, xlabel, ylabel, title)
    _name_ends(ax, ends)
    describe(ax, f"{ylabel or 'value'} against {xlabel}; {'; '.join(ways)}.")
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

    Bahdanau, Cho and Bengio (2015), arXiv:1409.0473, figure 2. Taught in: why_attention.

    Parameters
    ----------
    lengths : k numbers, or k names of buckets. Where the scores stand.
    scores : name to array of shape (k,) or (seeds, k). Seeds give their mean, with whiskers from low to high.
    intervals : name to array of shape (2, k). Ends of an interval (a bootstrap's, say) for the whiskers.
    trained_to : float. Longest sentence seen in training, marked by a line (numbers only).
    xlabel, ylabel, title, ax : as for `curves`

    Returns
    -------
    ax : Axes
    """
    names = [x if isinstance(x, str) else number(x, ".4g") for x in lengths]  # a name may take two lines
    named = any(isinstance(length, str) for length in lengths)
    ax = panels() if ax is None else ax
    ends, points = [], []
    for name, colour, places, runs in _series(scores, range(len(names)) if named else lengths):
        values = runs.mean(0)
        low, high = _interval(name, runs, intervals or {})
        ax.plot(places, values, color=colour, marker="o", markersize=5, markeredgecolor="white")
        if (high > low).any():
            ax.vlines(places, low, high, color=colour, alpha=0.55, linewidth=3.0)
        ends.append((places[-1], values[-1], name, colour))
        points.append(f"{name}: {pairs([' '.join(word.split()) for word in names], values)}")
    if named:
        ax.set_xticks(range(len(names)), names, parse_math=False)
    else:
        ax.xaxis.set_major_locator(MaxNLocator(nbins="auto", steps=[1, 2, 5, 10], integer=True))
    finish(ax, xlabel, ylabel, title)
    ax.set_ylim(bottom=min(0.0, ax.get_ylim()[0]))
    if trained_to is not None:
        ax.axvline(trained_to, color=GREY, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
        place: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
        look: dict[str, Any] = {"va": "top", "fontsize": 9, "color": GREY}
        ax.annotate("longest in training", (trained_to, 1), (4, -2), **place, **look)
    _name_ends(ax, ends)
    describe(ax, f"{ylabel} by {xlabel}; {'; '.join(points)}.")
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
    weights : array of shape (n,), or name to such an array. Named ones stand side by side, with a legend.
    labels : n strings. Names under the bars, shown as they are.
    ylabel, title, ax : as for `curves`; by default the figure is as large as the bars ask for

    Returns
    -------
    ax : Axes

    Examples
    --------
    >>> [text.get_text() for text in bars([0.25, 0.75], ["我", "跑了"]).texts]
    ['0.25', '0.75']
    """
    named = weights if isinstance(weights, Mapping) else {"": weights}
    groups = {name: np.asarray(values, dtype=float) for name, values in named.items()}
    for height in [*groups.values()] or [np.zeros(0)]:
        if height.shape != (len(labels),) or not height.size or not np.isfinite(height).all():
            raise ValueError(f"weights have shape {height.shape}, expected {len(labels)} finite numbers")
    heights = np.stack([*groups.values()])
    if ax is None:
        ax = panels(size="small" if heights.size < 8 else "text" if heights.size < 16 else "wide")
    width = 0.78 / len(groups)
    for k, (name, height) in enumerate(groups.items()):
        places = np.arange(len(labels)) + (k - (len(groups) - 1) / 2) * width
        drawn = ax.bar(places, height, width * 0.94, color=COLOURS[k % len(COLOURS)], label=name)
        shown = [f"{value:.2f}".replace("-", "\N{MINUS SIGN}") for value in height]
        ax.bar_label(drawn, shown, padding=2, fontsize=9 if len(groups) < 3 else 8, color=INK)
    plain: dict[str, Any] = {"parse_math": False, "color": INK, "fontsize": 11}
    ax.set_xticks(range(len(labels)), [visible(label) for label in labels], **plain)
    ax.tick_params(axis="x", length=0)
    if heights.min() >= 0 and heights.max() <= 1:
        ax.set(ylim=(0, 1.08), yticks=[0, 0.5, 1])
    else:
        ax.axhline(0, color=GREY, linewidth=0.8)
        ax.margins(y=0.14)
    finish(ax, "", ylabel, title)
    if len(groups) > 1:
        ax.legend(loc="upper left", bbox_to_anchor=(0, 1.0), ncols=len(groups), handlelength=0.9, fontsize=10)
        ax.set_ylim(top=ax.get_ylim()[1] + 0.14 * np.ptp(ax.get_ylim()))
    said = [f"{name}: {pairs(labels, height, '.2f')}".removeprefix(": ") for name, height in groups.items()]
    describe(ax, f"bars{' of ' * bool(ylabel)}{ylabel}; {'; '.join(said)}.")
    return ax


def _series(series: Mapping[str, ArrayLike], x: Places) -> Iterator[tuple[str, str, Floats, Floats]]:
    """Yield of each series its name, its colour, its places (T,) and its values (seeds, T)."""
    if not series:
        raise ValueError("there is no series, expected at least one name with its values")
    for (name, values), colour in zip(series.items(), cycle(COLOURS), strict=False):
        runs = np.atleast_2d(np.asarray(values, dtype=np.float64))
        where = x.get(name) if isinstance(x, Mapping) else x
        places = np.asarray(range(1, runs.shape[-1] + 1) if where is None else where, dtype=float)
        if runs.ndim != 2 or 0 in runs.shape or places.shape != runs.shape[1:]:
            shape = f"{np.shape(values)} at places of shape {places.shape}"
            raise ValueError(f"{name!r} has shape {shape}, expected (T,) or (seeds, T), not empty, and (T,)")
        if np.isinf(runs).any():
            raise ValueError(f"{name!r} holds an infinite value: did the training diverge?")
        yield name, colour, places, runs


def _interval(name: str, runs: Floats, intervals: Mapping[str, ArrayLike]) -> Floats:
    """Return the lower and the upper ends, of shape (2, T): those given, or those of the seeds."""
    ends = np.asarray(intervals.get(name, [runs.min(0), runs.max(0)]), dtype=np.float64)
    if ends.shape != (2, runs.shape[1]):
        raise ValueError(f"interval of {name!r} has shape {ends.shape}, not (2, {runs.shape[1]}): low, high")
    return ends


def _running_mean(run: Floats, length: int) -> Floats:
    """Return the mean of the `length` values around each place (of fewer at both ends)."""
    window = np.ones(length)
    return np.convolve(run, window, "same") / np.convolve(np.ones(len(run)), window, "same")


def finish(ax: Axes, xlabel: str, ylabel: str, title: str | None) -> None:
    """Set the words, and a faint horizontal grid."""
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.grid(axis="y", color=FAINT, linewidth=0.8)
    if title is not None:
        ax.set_title(title)


def _name_ends(ax: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Write beside each end (x, y, name, colour) the name, pushed apart where they would overlap."""
    points = 72 / ax.get_figure(root=True).dpi  # type: ignore[union-attr]
    ends = sorted((end for end in ends if np.isfinite(end[1])), key=lambda end: end[1])
    heights = [ax.transData.transform(end[:2])[1] * points for end in ends]
    wanted = list(heights)
    for k in range(1, len(wanted)):
        wanted[k] = max(wanted[k], wanted[k - 1] + 14)
    shift = np.mean(np.subtract(wanted, heights)) if ends else 0.0
    for (x, y, name, colour), height, goal in zip(ends, heights, wanted, strict=True):
        place = (9, goal - shift - height)
        text = ax.annotate(name, (x, y), place, textcoords="offset points", va="center", color=colour)
        text.set(parse_math=False, path_effects=HALO)


def _way(name: str, places: Floats, values: Floats) -> str:
    """Say where a curve begins and ends, and its highest and lowest value where they are neither."""
    slack, ends = 0.1 * np.ptp(values) + 0.01 * np.abs(values).max(), (values[0], values[-1])
    peaks = [int(k) for k in (np.argmax(values), np.argmin(values))]
    beyond = [k for k in peaks if not min(ends) - slack <= values[k] <= max(ends) + slack]
    stops = {0, len(values) - 1, *beyond}
    said = [f"{number(values[k])} at {number(places[k], '.4g')}" for k in sorted(stops)]
    return f"{name} goes from {' to '.join(said)}"


def pairs(names: Sequence[str], values: Floats, form: str = ".2g") -> str:
    """Return names with their numbers; of more than twelve, the first and the last."""
    words = [f"{visible(name)} {number(value, form)}" for name, value in zip(names, values, strict=True)]
    return ", ".join(words if len(words) <= 12 else [words[0], "…", words[-1]])
