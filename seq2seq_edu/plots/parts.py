"""What the pictures are made of: colours and style, the cells of a heat map, points in the plane.

:mod:`seq2seq_edu.plots` puts these pieces together; a chapter calls only what stands there.
"""

from __future__ import annotations

import base64
import html
import io
import unicodedata
from collections.abc import Collection, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation
from numpy.typing import ArrayLike, NDArray
from PIL import Image

FONT_FAMILY = "Seq2seq Edu Sans SC"

# Okabe and Ito's colour-blind-safe colours, darkest first; the yellow is left out, it vanishes on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
INK, GREY, FAINT = "#222222", "#6b6b6b", "#dddddd"
BOX = "#E8452C"  # gold links: red-orange, drawn on a white halo so that it shows on navy and on yellow

Link = tuple[int, int]
Floats = NDArray[np.float64]

STYLE: dict[Any, Any] = {  # matplotlib's settings for this book
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


# The cells of a heat map


def checked_weights(alignment: ArrayLike, targets: Sequence[str], sources: Sequence[str]) -> Floats:
    """Return the weights as a float64 matrix, or say what is wrong with them.

    Parameters
    ----------
    alignment : array of shape (m, n)
        Attention weights of one sentence.
    targets, sources : sequences of m and of n strings
        Names of the rows and of the columns.

    Returns
    -------
    weights : float64 array of shape (m, n)
        Every number between 0 and 1.

    Raises
    ------
    ValueError
        If the tokens do not fit the shape, or a number is not a weight.
    """
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


def checked_links(links: Collection[Link] | None, shape: tuple[int, ...], name: str) -> set[Link]:
    """Return the links as a set, or say which one lies outside the map.

    Parameters
    ----------
    links : collection of (t, i), 0-based, or None
        Target step and source position of each link.
    shape : tuple (m, n)
        Of the map.
    name : str
        What the reader calls these links, for the message.

    Returns
    -------
    links : set of (t, i)
        Plain ints; empty for None.

    Raises
    ------
    ValueError
        If a link lies outside the map.
    """
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


def map_size(
    m: int, n: int, cell: float, targets: Sequence[str], sources: Sequence[str]
) -> tuple[float, float]:
    """Return the size of a figure that holds m x n square cells and their labels.

    Parameters
    ----------
    m, n : int
        Rows and columns.
    cell : float
        Side of a cell, in inches.
    targets, sources : sequences of m and of n strings
        The labels; long source tokens are turned and need height.

    Returns
    -------
    width, height : float
        Inches.
    """
    em = 11 / 72
    left = em * (max(map(_width, targets)) + 2.5)
    widest = em * max(map(_width, sources))
    top = widest + 0.5 if widest > cell else 0.55
    return max(left + n * cell + 0.5, 2.8), m * cell + top + 0.45


def cell_width(ax: Axes, m: int, n: int) -> float:
    """Return the side of one of m x n square cells in axes that exist already.

    Parameters
    ----------
    ax : Axes
        Where the map is drawn.
    m, n : int
        Rows and columns.

    Returns
    -------
    side : float
        Inches.
    """
    box = ax.get_window_extent()
    return float(min(box.width / n, box.height / m) / ax.get_figure().dpi)  # type: ignore[union-attr]


def label_cells(ax: Axes, targets: Sequence[str], sources: Sequence[str], cell: float) -> None:
    """Put source tokens on top and target tokens at the left, as plain text.

    Parameters
    ----------
    ax : Axes
        The map.
    targets, sources : sequences of strings
        Names of the rows and of the columns.
    cell : float
        Side of a cell, in inches; the letters are as large as it allows.
    """
    size = float(np.clip(cell * 72 * 0.62, 5.0, 11.0))
    upright = max(map(_width, sources)) * size <= cell * 72 * 0.98
    turn: dict[str, Any] = {} if upright else {"rotation": 55, "ha": "left", "rotation_mode": "anchor"}
    # A $ in a token must not start a formula.
    plain: dict[str, Any] = {"parse_math": False, "fontsize": size, "color": INK}
    ax.xaxis.tick_top()
    ax.xaxis.set_label_position("top")
    ax.set_xticks(range(len(sources)), [visible(s) for s in sources], **plain, **turn)
    ax.set_yticks(range(len(targets)), [visible(s) for s in targets], **plain)
    ax.tick_params(length=0, pad=4)
    ax.spines[:].set_visible(False)
    ax.set_xticks(np.arange(len(sources) + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(len(targets) + 1) - 0.5, minor=True)
    if cell > 0.2:  # finer grids would be brighter than the weights
        ax.grid(which="minor", color="white", linewidth=1.0)
    ax.tick_params(which="minor", length=0)


def visible(token: str) -> str:
    """Write a token so that it can be seen, even if it is empty or holds a line break.

    Parameters
    ----------
    token : str
        As the model knows it.

    Returns
    -------
    shown : str
        Never empty, on one line.

    Examples
    --------
    >>> [visible(token) for token in ("dog", "", "\\n")]
    ['dog', '∅', '\\\\n']
    """
    return token.replace("\n", "\\n") or "∅"


def write_values(ax: Axes, weights: Floats) -> None:
    """Write each weight in its cell, dark on light cells and light on dark ones.

    Parameters
    ----------
    ax : Axes
        The map.
    weights : array of shape (m, n)
        What it shows.
    """
    colours = mpl.colormaps["cividis"](weights)
    for (t, i), weight in np.ndenumerate(weights):
        ink = "white" if luminance(colours[t, i]) < 0.22 else INK
        alpha = 1.0 if weight >= 0.005 else 0.55  # a cell that reads 0.00 should not shout
        ax.text(i, t, f"{abs(weight):.2f}", ha="center", va="center", fontsize=9, color=ink, alpha=alpha)


def small_png(figure: Figure) -> tuple[bytes, int, int]:
    """Draw a figure as a small PNG: 256 colours, sharper than the screen.

    Parameters
    ----------
    figure : Figure
        What to draw; it stays open.

    Returns
    -------
    png : bytes
        The file.
    width, height : int
        Its size on the screen, in pixels of 1/96 inch.
    """
    raw, small = io.BytesIO(), io.BytesIO()
    figure.savefig(raw, format="png", bbox_inches="tight", pad_inches=0.08)
    image = Image.open(raw).convert("RGB")
    palette = image.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    palette.save(small, "PNG", optimize=True)
    dots = mpl.rcParams["savefig.dpi"]
    scale = 96 / (figure.dpi if dots == "figure" else dots)  # browsers count 96 pixels to the inch
    return small.getvalue(), round(image.width * scale), round(image.height * scale)


def img_tag(figure: Figure, alt: str) -> tuple[str, str, dict[str, int]]:
    """Draw a figure as an element of a page, picture included.

    Parameters
    ----------
    figure : Figure
        What to draw; it stays open.
    alt : str
        What can be seen, for those who cannot.

    Returns
    -------
    element : str
        ``<img alt=... src="data:...">``.
    data : str
        The PNG alone, in base64.
    size : dict
        Its "width" and "height" on the screen, in pixels.
    """
    png, width, height = small_png(figure)
    data = base64.b64encode(png).decode("ascii")
    source = f"data:image/png;base64,{data}"
    element = f'<img alt="{html.escape(alt)}" width="{width}" height="{height}" src="{source}">'
    return element, data, {"width": width, "height": height}


def luminance(colour: Any) -> float:
    """Return the relative luminance of a colour: how bright it looks.

    Parameters
    ----------
    colour : str or (r, g, b) or (r, g, b, a)
        Any colour that matplotlib knows; a, its opacity, does not count.

    Returns
    -------
    luminance : float
        From 0 (black) to 1 (white).

    Examples
    --------
    >>> round(luminance("white"), 2), round(luminance("black"), 2)
    (1.0, 0.0)
    """
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def draw_boxes(ax: Axes, links: set[Link], *, dashed: bool) -> None:
    """Box the linked cells, a little inside their border so that neighbours do not touch.

    Parameters
    ----------
    ax : Axes
        The map.
    links : set of (t, i)
        Cells to box.
    dashed : bool
        A dashed line (possible links) or a solid one (sure links).
    """
    for t, i in sorted(links):
        corner = (i - 0.43, t - 0.43)
        style: Any = (0, (3, 1.6)) if dashed else "solid"
        ax.add_patch(Rectangle(corner, 0.86, 0.86, fill=False, edgecolor="white", linewidth=3.4, gid="halo"))
        ax.add_patch(Rectangle(corner, 0.86, 0.86, fill=False, edgecolor=BOX, linewidth=2.0, linestyle=style))


# Points in the plane


def note(ax: Axes, words: str, point: ArrayLike, offset: ArrayLike, colour: str) -> Annotation:
    """Write words near a point of the picture.

    Parameters
    ----------
    ax : Axes
        The picture.
    words : str
        What to write, centred.
    point : array of shape (2,)
        In the units of the axes.
    offset : array of shape (2,)
        From the point to the middle of the words, in printer's points (1/72 inch).
    colour : str
        Of the letters; they stand on a thin white halo.

    Returns
    -------
    text : Annotation
        For further settings.
    """
    (x, y), (right, up) = np.asarray(point), np.asarray(offset)
    text = ax.annotate(words, (x, y), (right, up), textcoords="offset points", color=colour)
    text.set(ha="center", va="center", path_effects=[withStroke(linewidth=2.5, foreground="white")])
    return text


def free_direction(strings: Floats) -> Floats:
    """Return the direction that keeps furthest away from all of these.

    Parameters
    ----------
    strings : array of shape (n, 2)
        Directions of any length.

    Returns
    -------
    direction : array of shape (2,)
        Of length 1.

    Examples
    --------
    >>> free_direction(np.array([[3.0, 0.0], [2.0, 0.1]])).round(2).tolist()
    [-1.0, 0.0]
    """
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    candidates = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    lengths = np.maximum(np.linalg.norm(strings, axis=1, keepdims=True), 1e-12)
    nearest = (candidates @ (strings / lengths).T).max(axis=1)  # cosine of the angle to the nearest string
    return np.asarray(candidates[nearest.argmin()])


def convex_hull(points: Floats) -> Floats:
    """Return the corners of the convex hull of points in the plane, by Andrew's monotone chain.

    Parameters
    ----------
    points : array of shape (n, 2)
        In any order; repeated points do no harm.

    Returns
    -------
    corners : array of shape (k, 2)
        Counter-clockwise, from the leftmost point on.

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


def checked_plane(states: ArrayLike, weights: ArrayLike) -> tuple[Floats, Floats]:
    """Return points and weights as float64 arrays, or say what is wrong with them.

    Parameters
    ----------
    states : array of shape (n, 2)
        Points.
    weights : array of shape (n,)
        Attention weights.

    Returns
    -------
    points, weights : float64 arrays of shape (n, 2) and (n,)
        The weights between 0 and 1.

    Raises
    ------
    ValueError
        If the points are not in the plane, or the weights are negative or do not sum to 1.
    """
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
