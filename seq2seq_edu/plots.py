"""Pictures of attention: arrays and labels in, axes out.

Nothing here knows a model. Every function takes numbers and names, draws on the axes it is given (or on a
figure of its own, sized to fit) and returns those axes, so that a chapter can add to the picture. Colours are
safe for colour-blind readers, heat maps use `cividis` from 0 to 1, and series are named beside their line.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Polygon, Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation
from numpy.typing import ArrayLike, NDArray

FONT_FILE = Path(__file__).parent / "fonts" / "NotoSansCJKsc-subset.otf"
FONT_FAMILY = "Seq2seq Edu Sans SC"

# Okabe and Ito's colour-blind-safe colours, darkest first; the yellow is left out, it vanishes on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
INK, GREY, FAINT = "#222222", "#6b6b6b", "#dddddd"
BOX = "#E8452C"  # gold links: red-orange, drawn on a white halo so that it shows on navy and on yellow

Link = tuple[int, int]
Floats = NDArray[np.float64]


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
    mpl.rcParams.update(
        {
            "font.family": [FONT_FAMILY, "DejaVu Sans"],  # glyph by glyph: DejaVu fills the gaps
            "font.size": 11,
            "axes.titlesize": 12,
            "axes.titlepad": 10,
            "axes.titlelocation": "left",
            "axes.labelsize": 11,
            "axes.labelcolor": GREY,
            "axes.edgecolor": GREY,
            "axes.linewidth": 0.8,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.axisbelow": True,
            "axes.prop_cycle": cycler(color=COLOURS),
            "text.color": INK,
            "xtick.color": GREY,
            "ytick.color": GREY,
            "xtick.labelsize": 10,
            "ytick.labelsize": 10,
            "lines.linewidth": 2.0,
            "lines.solid_capstyle": "round",
            "legend.frameon": False,
            "image.cmap": "cividis",
            "mathtext.fontset": "stix",
            "figure.figsize": (6.4, 3.6),
            "figure.dpi": 100,
            "figure.constrained_layout.use": True,
            "savefig.dpi": 144,
            "savefig.facecolor": "white",
        }
    )


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
    weights = _checked_weights(alignment, target_tokens, source_tokens)
    sure = _checked_links(gold, weights.shape, "gold")
    maybe = _checked_links(possible, weights.shape, "possible") - sure
    m, n = weights.shape
    if values is None:
        values = m * n <= 200 and n <= 16
    cell = 0.5 if values else float(np.clip(9.0 / max(m, n), 0.13, 0.36))  # inches
    own_figure = ax is None
    if ax is None:
        ax = plt.figure(figsize=_map_size(m, n, cell, target_tokens, source_tokens)).add_subplot()
    image = ax.imshow(weights, cmap="cividis", vmin=0.0, vmax=1.0, aspect="equal", interpolation="nearest")
    _label_cells(ax, target_tokens, source_tokens, cell if own_figure else _cell_width(ax, m, n))
    if values:
        _write_values(ax, weights)
    elif ax.figure is not None:
        bar = ax.figure.colorbar(image, ax=ax, shrink=0.6, aspect=18, pad=0.02, ticks=[0, 0.5, 1])
        bar.outline.set_visible(False)
        bar.ax.tick_params(length=0)
    _draw_boxes(ax, maybe, dashed=True)
    _draw_boxes(ax, sure, dashed=False)
    if title is not None:
        ax.set_title(title)
    return ax


def _checked_weights(alignment: ArrayLike, targets: Sequence[str], sources: Sequence[str]) -> Floats:
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


def _checked_links(links: Collection[Link] | None, shape: tuple[int, ...], name: str) -> set[Link]:
    """Return the links as a set of 0-based (t, i) inside the map."""
    found = {(int(t), int(i)) for t, i in (links or ())}
    outside = sorted((t, i) for t, i in found if not (0 <= t < shape[0] and 0 <= i < shape[1]))
    if outside:
        raise ValueError(
            f"{name} has the link {outside[0]} outside the {shape[0]} x {shape[1]} map: links are 0-based "
            "(target step, source position)"
        )
    return found


def _width(token: str) -> float:
    """Estimate the width of a token in em: a Chinese character counts 1, a letter about a half."""
    return sum(1.0 if unicodedata.east_asian_width(letter) in "WF" else 0.55 for letter in token)


def _map_size(
    m: int, n: int, cell: float, targets: Sequence[str], sources: Sequence[str]
) -> tuple[float, float]:
    """Return the size in inches of a figure that holds m x n square cells and their labels."""
    em = 11 / 72
    left = em * (max(map(_width, targets)) + 2.5)
    widest = em * max(map(_width, sources))
    top = widest + 0.5 if widest > cell else 0.55
    return max(left + n * cell + 0.5, 2.8), m * cell + top + 0.45


def _cell_width(ax: Axes, m: int, n: int) -> float:
    """Return the width in inches of one of m x n square cells in axes that exist already."""
    box = ax.get_window_extent()
    return float(min(box.width / n, box.height / m) / ax.get_figure().dpi)  # type: ignore[union-attr]


def _label_cells(ax: Axes, targets: Sequence[str], sources: Sequence[str], cell: float) -> None:
    """Put source tokens on top and target tokens at the left, as plain text."""
    size = float(np.clip(cell * 72 * 0.62, 5.0, 11.0))
    upright = max(map(_width, sources)) * size <= cell * 72 * 0.98
    turn: dict[str, Any] = {} if upright else {"rotation": 55, "ha": "left", "rotation_mode": "anchor"}
    # A $ in a token must not start a formula.
    plain: dict[str, Any] = {"parse_math": False, "fontsize": size, "color": INK}
    ax.xaxis.tick_top()
    ax.xaxis.set_label_position("top")
    ax.set_xticks(range(len(sources)), [_visible(s) for s in sources], **plain, **turn)
    ax.set_yticks(range(len(targets)), [_visible(s) for s in targets], **plain)
    ax.tick_params(length=0, pad=4)
    ax.spines[:].set_visible(False)
    ax.set_xticks(np.arange(len(sources) + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(len(targets) + 1) - 0.5, minor=True)
    if cell > 0.2:  # finer grids would be brighter than the weights
        ax.grid(which="minor", color="white", linewidth=1.0)
    ax.tick_params(which="minor", length=0)


def _visible(token: str) -> str:
    """Show a token that is empty or holds a line break so that it can be seen."""
    return token.replace("\n", "\\n") or "∅"


def _write_values(ax: Axes, weights: Floats) -> None:
    """Write each weight in its cell, dark on light cells and light on dark ones."""
    colours = mpl.colormaps["cividis"](weights)
    for (t, i), weight in np.ndenumerate(weights):
        ink = "white" if luminance(colours[t, i]) < 0.22 else INK
        alpha = 1.0 if weight >= 0.005 else 0.55  # a cell that reads 0.00 should not shout
        ax.text(i, t, f"{abs(weight):.2f}", ha="center", va="center", fontsize=9, color=ink, alpha=alpha)


def luminance(colour: Any) -> float:
    """Return the relative luminance of a colour, from 0 (black) to 1 (white).

    Examples
    --------
    >>> round(luminance("white"), 2), round(luminance("black"), 2)
    (1.0, 0.0)
    """
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _draw_boxes(ax: Axes, links: set[Link], *, dashed: bool) -> None:
    """Box the linked cells, a little inside their border so that neighbours do not touch."""
    for t, i in sorted(links):
        corner = (i - 0.43, t - 0.43)
        style: Any = (0, (3, 1.6)) if dashed else "solid"
        ax.add_patch(Rectangle(corner, 0.86, 0.86, fill=False, edgecolor="white", linewidth=3.4, gid="halo"))
        ax.add_patch(Rectangle(corner, 0.86, 0.86, fill=False, edgecolor=BOX, linewidth=2.0, linestyle=style))


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
    ax.set_xticks(range(len(labels)), [_visible(label) for label in labels], **plain)
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
    points, alpha = _checked_plane(encoder_states, weights)
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
        text = _note(ax, f"{name}  {weight:.2f}", point, (0, side * (12 + 13 * np.sqrt(weight))), INK)
        text.set_parse_math(labels is None)
    _note(ax, "$c_t$", context, 15 * _free_direction(points - context), COLOURS[1]).set_fontsize(15)
    ax.set_aspect("equal", adjustable="datalim")
    ax.margins(0.3)
    _finish(ax, "first coordinate", "second coordinate", title)
    ax.grid(False)
    return ax


def _note(ax: Axes, words: str, point: ArrayLike, offset: ArrayLike, colour: str) -> Annotation:
    """Write words centred at an offset, in points, from a place of the picture."""
    (x, y), (right, up) = np.asarray(point), np.asarray(offset)
    note = ax.annotate(words, (x, y), (right, up), textcoords="offset points", color=colour)
    note.set(ha="center", va="center", path_effects=[withStroke(linewidth=2.5, foreground="white")])
    return note


def _free_direction(strings: Floats) -> Floats:
    """Return the unit vector that keeps furthest away from all these directions."""
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    candidates = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    lengths = np.maximum(np.linalg.norm(strings, axis=1, keepdims=True), 1e-12)
    nearest = (candidates @ (strings / lengths).T).max(axis=1)  # cosine of the angle to the nearest string
    return np.asarray(candidates[nearest.argmin()])


def convex_hull(points: Floats) -> Floats:
    """Return the corners of the convex hull of points in the plane, counter-clockwise (monotone chain).

    Examples
    --------
    >>> convex_hull(np.array([[0.0, 0.0], [2.0, 0.0], [0.5, 0.5], [0.0, 2.0]])).tolist()
    [[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]]
    """
    order = sorted({(float(a), float(b)) for a, b in points})
    if len(order) < 3:
        return np.array(order)

    def chain(sequence: list[tuple[float, float]]) -> list[tuple[float, float]]:
        found: list[tuple[float, float]] = []
        for p in sequence:
            while len(found) > 1 and _turn(found[-2], found[-1], p) <= 0:
                found.pop()
            found.append(p)
        return found[:-1]

    return np.array(chain(order) + chain(order[::-1]))


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    """Return a number above 0 where the path a, b, c turns left."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _checked_plane(states: ArrayLike, weights: ArrayLike) -> tuple[Floats, Floats]:
    """Return points and weights as float64 arrays, or say what is wrong with them."""
    points, alpha = np.asarray(states, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise ValueError(
            f"encoder_states has shape {points.shape}, expected finite (n, 2): choose two coordinates"
        )
    if alpha.shape != (len(points),):
        raise ValueError(f"weights has shape {alpha.shape}, expected ({len(points)},), one for each point")
    if not (alpha >= -1e-6).all() or abs(alpha.sum() - 1) > 1e-3:
        raise ValueError(f"weights sum to {alpha.sum():.4g}, expected 1 and none below 0: are these scores?")
    return points, alpha.clip(0, 1)


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
