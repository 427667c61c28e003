"""Axis picker: choose the axis of the softmax and the mask on a block of scores, and see what breaks."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from seq2seq_edu import equations, plots
from seq2seq_edu.widgets.base import Numbers, Widget, names

SOURCES = [["你", "的", "猫", "在", "哪里"], ["你", "好", "吗", "<pad>", "<pad>"]]
TARGETS = [["where", "is", "your", "cat"], ["how", "are", "you", "?"]]
SCORES = [  # what a dot product may give; the states of padding are zero, and so are its scores
    [[-1, -0.6, -0.4, 0.6, 2.2], [-0.4, 0.2, -1, 2, 0.4],
     [2, 1.2, 0.2, -0.8, -1.2], [0.4, 0.2, 2.4, -0.6, -1]],
    [[-0.6, 1.8, 0.4, 0, 0], [-0.8, -0.2, -1.2, 0, 0], [1.6, -0.4, -1, 0, 0], [-1.2, -0.6, 2, 0, 0]],
]  # fmt: skip
MASK = [[True] * 5, [True, True, True, False, False]]
LENGTH_MAX, CELLS_MAX = 60, 7200  # two sentences of 60 words; a page draws each cell
Probes = dict[str, "bool | None"]
AXIS_WORDS = ("the batch (axis 0)", "the target (axis 1)", "the source (axis 2)")
MASK_WORDS = {
    "right": "mask right",
    "none": "no mask",
    "inverted": "mask inverted",
    "after": "mask after the softmax",
}
PROBE_WORDS = {
    "rows_sum_to_1": "rows sum to 1",
    "padding_is_0": "padding gets exactly 0",
    "same_alone": "a sentence alone gives the same",
    "finite": "all numbers are finite",
}


class AxisPicker(Widget):
    r"""Turn a block of scores into weights, over an axis and with a mask of your choice.

    .. math:: \alpha_{b,t,i} = \frac{\exp(e_{b,t,i})}{\sum_{j\ \mathrm{real}} \exp(e_{b,t,j})}
        \quad \text{is axis 2 with the right mask}

    Parameters
    ----------
    scores : array of shape (B, m, n)
        e, for B sentences, m target steps and n source positions; by default two short sentences.
    mask : bool array of shape (B, n)
        True = real source token; by default all are real.
    target_tokens, source_tokens : sequences of B sequences, of m and of n strings
        Names of rows and columns; by default y1 .. ym and h1 .. hn.
    **state : object
        ``axis`` (0 batch, 1 target, 2 source); ``masking`` ("right", "none", "inverted", "after" it);
        ``sentences`` ("all", "first"); ``cell`` (b, t, i), whose company is outlined; ``language``, ``size``.

    Examples
    --------
    >>> picker = AxisPicker()
    >>> picker.weights.shape, picker.probes
    ((2, 4, 5), {'rows_sum_to_1': True, 'padding_is_0': True, 'same_alone': True, 'finite': True})
    >>> picker.axis = 0  # over the batch: the sentences share each cell
    >>> picker.probes["rows_sum_to_1"], picker.probes["same_alone"]
    (False, False)

    References
    ----------
    Bahdanau, Cho and Bengio (2015), arXiv:1409.0473, Eq. 6. Taught in: attention_weights.
    """

    _module = "axis"

    scores = Numbers("B", "m", "n")
    mask = Numbers("B", "n", dtype=bool)
    target_tokens = traitlets.List(traitlets.List(traitlets.Unicode())).tag(sync=True)
    source_tokens = traitlets.List(traitlets.List(traitlets.Unicode())).tag(sync=True)
    axis = traitlets.Enum([0, 1, 2], 2).tag(sync=True)
    masking = traitlets.Enum(["right", "none", "inverted", "after"], "right").tag(sync=True)
    sentences = traitlets.Enum(["all", "first"], "all").tag(sync=True)
    cell = Numbers("3", dtype=int)

    def __init__(
        self,
        scores: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        target_tokens: Sequence[Sequence[str]] | None = None,
        source_tokens: Sequence[Sequence[str]] | None = None,
        **state: object,
    ) -> None:
        if scores is None:
            scores, mask = SCORES, MASK if mask is None else mask
            target_tokens = TARGETS if target_tokens is None else target_tokens
            source_tokens = SOURCES if source_tokens is None else source_tokens
        B, m, n = [*np.asarray(scores, dtype=object).shape, 0, 0, 0][:3]
        rows = [names("y", m)] * B if target_tokens is None else target_tokens
        columns = [names("h", n)] * B if source_tokens is None else source_tokens
        given = {
            "scores": scores,
            "mask": np.ones((B, n), dtype=bool) if mask is None else mask,
            "target_tokens": [*map(list, rows)],
            "source_tokens": [*map(list, columns)],
            "cell": [0, 0, 0],
        }
        super().__init__(**{**given, **state})

    def check(self) -> None:
        """Raise ValueError if the block is empty or too large, or mask and tokens do not fit it."""
        if not self.scores:
            raise ValueError("there are no scores, expected shape (B, m, n): is a sentence empty?")
        B, m, n = np.shape(self.scores)
        if max(m, n) > LENGTH_MAX or B * m * n > CELLS_MAX:
            largest = f"{LENGTH_MAX} words a sentence and {CELLS_MAX} numbers"
            raise ValueError(f"scores has shape {B, m, n}, expected at most {largest}: show a part of it")
        if np.shape(self.mask) != (B, n):
            raise ValueError(
                f"mask has shape {np.shape(self.mask)}, expected {(B, n)}: one True or False for each token"
            )
        empty = np.flatnonzero(~np.any(self.mask, axis=1))
        if len(empty):
            raise ValueError(
                f"sentence {empty[0] + 1} has no real token in mask: is it empty, or is the mask inverted "
                "(True = real)? Invert it in the widget, to see what happens"
            )
        for name, length in (("target_tokens", m), ("source_tokens", n)):
            lengths = [len(row) for row in getattr(self, name)]
            if lengths != [length] * B:
                raise ValueError(f"{name} has rows of {lengths} tokens, expected {B} rows of {length}")
        if self.cell and not all(0 <= k < size for k, size in zip(self.cell, (B, m, n), strict=True)):
            raise ValueError(f"cell is {self.cell}, expected (b, t, i) inside {B, m, n}")

    @property
    def shown(self) -> int:
        """Return how many sentences go through the softmax together."""
        self.require_valid()
        return 1 if self.sentences == "first" else len(self.scores)

    @property
    def weights(self) -> np.ndarray:
        """Return what comes out, shape (B, m, n), or (1, m, n); nan where nothing was left to normalise."""
        return self._weights(slice(0, self.shown))

    @property
    def probes(self) -> Probes:
        """Return what four short tests say: True passes, False fails, None cannot tell from this batch."""
        weights, B = self.weights, len(self.scores)
        padding = np.broadcast_to(~np.array(self.mask)[: self.shown, None], weights.shape)
        alone = np.concatenate([self._weights(slice(b, b + 1)) for b in range(self.shown)])
        together = self._weights(slice(0, B))[: self.shown]
        return {
            "rows_sum_to_1": bool(np.allclose(weights.sum(axis=2), 1)),
            "padding_is_0": bool((weights[padding] == 0).all()) if padding.any() else None,
            "same_alone": None if B == 1 else bool(np.allclose(alone, together, equal_nan=True)),
            "finite": bool(np.isfinite(weights).all()),
        }

    def _weights(self, part: slice) -> np.ndarray:
        """Normalise some of the sentences as chosen; a slice with no score left gives 0 / 0 = nan."""
        scores, real = np.array(self.scores)[part], np.array(self.mask)[part][:, None, :]
        moved = np.moveaxis(scores, self.axis, -1)  # the axis to normalise is the last one now
        if self.masking in ("none", "after"):
            weights = np.moveaxis(equations.softmax(moved), -1, self.axis)
            return np.asarray(weights * real if self.masking == "after" else weights)
        kept = np.broadcast_to(real if self.masking == "right" else ~real, scores.shape)
        kept = np.moveaxis(kept, self.axis, -1)
        some = kept.any(axis=-1)
        weights = np.full(moved.shape, np.nan)
        weights[some] = equations.masked_softmax(moved[some], kept[some])
        return np.asarray(np.moveaxis(weights, -1, self.axis))

    def figure(self) -> Figure:
        """Draw one heat map a sentence, with the sums over the source beside the rows."""
        weights = self.weights
        B, m, n = weights.shape
        columns = min(B, 3)
        lines = -(-B // columns)
        size = (min(1.9 + 0.5 * n, 6.5) * columns, min(1.2 + 0.5 * m, 6.5) * lines)
        space = {"wspace": 0.1, "hspace": 0.1}
        figure, grid = plt.subplots(lines, columns, figsize=size, squeeze=False, gridspec_kw=space)
        for ax in grid.ravel()[B:]:
            ax.set_axis_off()
        for b, ax in enumerate(grid.ravel()[:B]):
            plots.heatmap(np.nan_to_num(weights[b]), self.target_tokens[b], self.source_tokens[b], ax=ax)
            ax.set_title(self.say("sentence {number}", number=b + 1), pad=14)
            _finish(ax, weights[b], ~np.array(self.mask[b]))
        return figure

    def describe(self) -> str:
        """Say what was chosen and which probes fail."""
        failed = [self.say(PROBE_WORDS[name]) for name, passed in self.probes.items() if passed is False]
        sums = self.weights.sum(axis=2)
        return self.say(
            "{maps} of weights, softmax over {axis}, {mask}. Sums of the rows: {sums}. {found}.",
            maps=self.say("One heat map")
            if self.shown == 1
            else self.say("{count} heat maps", count=self.shown),
            axis=self.say(AXIS_WORDS[self.axis]),
            mask=self.say(MASK_WORDS[self.masking]),
            sums="nan" if np.isnan(sums).any() else f"{sums.min():.2f}–{sums.max():.2f}",
            found=self.say("Broken: {probes}", probes=self.say("; ").join(failed))
            if failed
            else self.say("No probe fails"),
        )


def _finish(ax: Axes, weights: np.ndarray, padding: np.ndarray) -> None:
    """Hatch padding and nan in a map, and write the sum of each row beside it if there is room."""
    m, n = weights.shape
    written = list(ax.texts)  # row by row, unless the cells are too small for numbers
    for i in np.flatnonzero(padding).tolist():
        _hatch(ax, i, 0, m, plots.GREY, "none")
    for t, i in np.argwhere(np.isnan(weights)).tolist():
        _hatch(ax, i, t, 1, plots.FAINT, "white")
        if written:
            written[t * n + i].set(text="nan", color=plots.INK, alpha=1)
    for t, total in enumerate(weights.sum(axis=1) if written else []):
        mark = "✓" if abs(total - 1) < 1e-6 else "✗"
        colour = plots.INK if mark == "✓" else plots.BOX
        ax.text(n - 0.35, t, f"= {total:.2f} {mark}", va="center", fontsize=10, color=colour)


def _hatch(ax: Axes, column: float, row: float, height: float, colour: str, paper: str) -> None:
    """Hatch a cell, and those below it."""
    box = Rectangle((column - 0.5, row - 0.5), 1, height, linewidth=0)
    box.set(hatch="//", edgecolor=colour, facecolor=paper)
    ax.add_patch(box)
