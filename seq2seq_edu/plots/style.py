"""Colours, font and sizes of the book's figures, the axes they stand on, and the small PNG they become."""

from __future__ import annotations

import base64
import html
import io
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float64]

FONT_FAMILY = "Seq2seq Edu Sans SC"
FONT_FILE = Path(__file__).parents[1] / "fonts" / "NotoSansCJKsc-subset.otf"

# Okabe and Ito's colour-blind-safe colours, darkest first; the yellow is left out, it vanishes on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
INK, GREY, FAINT = "#222222", "#6b6b6b", "#dddddd"
BOX = "#E8452C"  # gold links: red-orange, on a white halo so that it shows on every cell

# Weights: 0 is the colour of the paper, so that what is seen is where the weight lies; 1 is a deep violet.
# Nine steps at equal distances in CAM02-UCS (the smallest colour step is 0.83 of the largest; cividis 0.49,
# Purples 0.30). Lightness falls all the way: the map says the same in grey, in print, to the colour-blind.
RAMP = (
    "#ffffff", "#dee2f3", "#bbc7f1", "#9ca8f6", "#8585fa", "#775df1", "#6739cb", "#502a8e", "#361e55",
)  # fmt: skip
WEIGHTS = LinearSegmentedColormap.from_list("weights", RAMP)

SIZES = {"small": (4.6, 3.0), "text": (6.4, 3.2), "wide": (9.6, 3.2)}  # inches; the only sizes of figures

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
    "mathtext.fontset": "stix",
    "figure.figsize": SIZES["text"],
    "figure.dpi": 100,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 120,  # 1.25 dots a pixel: sharp enough, and a chapter of many figures stays under 500 kB
    "savefig.facecolor": "white",
}


def use_style() -> None:
    """Register the Chinese font that comes with the package and set matplotlib's defaults for this book."""
    if not FONT_FILE.is_file():
        raise FileNotFoundError(f"no font at {FONT_FILE}: reinstall the package, its files are incomplete")
    if all(entry.fname != str(FONT_FILE) for entry in font_manager.fontManager.ttflist):
        font_manager.fontManager.addfont(FONT_FILE)
    mpl.rcParams.update(STYLE)


def panels(n: int = 1, size: str = "text", **options: Any) -> Any:
    """Return the axes of a new figure of one of the book's three sizes: one, or `n` side by side.

    Parameters
    ----------
    n : int
    size : "small", "text" or "wide". 4.6, 6.4 or 9.6 inches.
    **options : for ``plt.subplots``, such as ``sharey=True``

    Returns
    -------
    axes : Axes, or array of n Axes
    """
    if size not in SIZES:
        raise ValueError(f"size is {size!r}, expected one of {', '.join(SIZES)}")
    return plt.subplots(1, n, figsize=SIZES[size], **options)[1]


def describe(ax: Axes, words: str) -> None:
    """Keep what can be seen on the axes, in words, for `alt_text`."""
    ax.set_label(f"{ax.get_label()} {words}".strip())  # type: ignore[no-untyped-call]


def alt_text(figure: Figure) -> str:
    """Return what the functions of this room drew on a figure, in words; empty if that was nothing."""
    found = []
    for ax in figure.axes:
        words, title = str(ax.get_label()), ax.get_title(loc="left") or ax.get_title()
        if words and not words.startswith("<"):  # matplotlib's own: <colorbar>
            found.append(f"{title} – {words}" if title else words)
    return " ".join(found)


def number(value: float, form: str = ".2g") -> str:
    """Write a number as a figure's text holds it: few digits, no exponent, no minus before a zero."""
    rounded = float(format(value, form))
    return f"{rounded:g}" if abs(rounded) < 1e5 else f"{rounded:.0f}"


def visible(token: str) -> str:
    """Write a token so that it can be seen, even if it is empty or holds a line break."""
    return token.replace("\n", "\\n") or "∅"


def luminance(colour: Any) -> float:
    """Return how bright a colour looks, from 0 (black) to 1 (white)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def img_tag(figure: Figure, alt: str) -> tuple[str, str, dict[str, int]]:
    """Return a figure as an element of a page, its PNG of 256 colours alone, and its size in pixels."""
    raw, small = io.BytesIO(), io.BytesIO()
    figure.savefig(raw, format="png", bbox_inches="tight", pad_inches=0.08)
    image = Image.open(raw).convert("RGB")
    palette = image.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    palette.save(small, "PNG", optimize=True)
    data = base64.b64encode(small.getvalue()).decode("ascii")
    dots = mpl.rcParams["savefig.dpi"]
    scale = 96 / (figure.dpi if dots == "figure" else dots)  # browsers count 96 pixels to the inch
    size = {"width": round(image.width * scale), "height": round(image.height * scale)}
    shape = f'width="{size["width"]}" height="{size["height"]}"'
    return f'<img alt="{html.escape(alt)}" {shape} src="data:image/png;base64,{data}">', data, size
