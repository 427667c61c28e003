"""Axis picker: choose the axis of the softmax and the mask on a block of scores, and see what breaks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from seq2seq_edu import equations, plots
from seq2seq_edu.widgets.base import Numbers, Widget

SOURCES = [["你", "的", "猫", "在", "哪里"], ["你", "好", "吗", "<pad>", "<pad>"]]
TARGETS = [["where", "is", "your", "cat"], ["how", "are", "you", "?"]]
SCORES = [  # what a dot product may give; the states of padding are zero, and so are its scores
    [[-1, -0.6, -0.4, 0.6, 2.2], [-0.4, 0.2, -1, 2, 0.4],
     [2, 1.2, 0.2, -0.8, -1.2], [0.4, 0.2, 2.4, -0.6, -1]],
    [[-0.6, 1.8, 0.4, 0, 0], [-0.8, -0.2, -1.2, 0, 0], [1.6, -0.4, -1, 0, 0], [-1.2, -0.6, 2, 0, 0]],
]  # fmt: skip
MASK = [[True] * 5, [True, True, True, False, False]]
LENGTH_MAX, CELLS_MAX = 60, 7200  # two sentences of 60 words; a page draws each cell
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

    ``scores`` (B, m, n) are e of B sentences, by default of two short ones; ``mask`` (B, n) is True at real
    tokens; ``target_tokens`` and ``source_tokens`` name rows and columns. ``axis`` is 0 (batch), 1 (target)
    or 2 (source), ``masking`` "right", "none", "inverted" or "after" the softmax, ``sentences`` "all" or
    "first"; the company of ``cell`` (b, t, i) is outlined.

    >>> picker = AxisPicker(axis=0)  # over the batch: the sentences share each cell
    >>> picker.probes
    {'rows_sum_to_1': False, 'padding_is_0': True, 'same_alone': False, 'finite': True}

    Bahdanau, Cho and Bengio (2015), arXiv:1409.0473, Eq. 6. Taught in: attention_weights.
    """

    scores = Numbers("B", "m", "n", default=SCORES)
    mask = Numbers("B", "n", dtype=bool, default=MASK)
    target_tokens = traitlets.List(traitlets.List(traitlets.Unicode()), TARGETS)
    source_tokens = traitlets.List(traitlets.List(traitlets.Unicode()), SOURCES)
    axis = traitlets.Enum([0, 1, 2], 2)
    masking = traitlets.Enum(list(MASK_WORDS), "right")
    sentences = traitlets.Enum(["all", "first"], "all")
    cell = Numbers(3, dtype=int, default=(0, 0, 0))

    def check(self) -> Iterator[str]:
        """Ask for a block that a page can show, and for a mask and words that fit it."""
        if not self.scores:
            yield "there are no scores, expected shape (B, m, n): is a sentence empty?"
        B, m, n = np.shape(self.scores)
        if max(m, n) > LENGTH_MAX or B * m * n > CELLS_MAX:
            largest = f"{LENGTH_MAX} words a sentence and {CELLS_MAX} numbers"
            yield f"scores has shape {B, m, n}, expected at most {largest}: show a part of it"
        for name, length in (("mask", n), ("source_tokens", n), ("target_tokens", m)):
            lengths = [len(row) for row in getattr(self, name)]
            if lengths != [length] * B:
                yield f"{name} has rows of {lengths}, expected {B} rows of {length}: one for each token"
        for b in np.flatnonzero(~np.any(self.mask, axis=1)):
            yield (
                f"sentence {b + 1} has no real token in mask: is it empty, or is the mask inverted "
                "(True = real)? Invert it in the widget, to see what happens"
            )
        if not all(0 <= k < size for k, size in zip(self.cell, (B, m, n), strict=False)):
            yield f"cell is {self.cell}, expected (b, t, i) inside {B, m, n}"

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
    def probes(self) -> dict[str, bool | None]:
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
        kept = {"right": real, "inverted": ~real}.get(self.masking, True)
        moved = np.moveaxis(np.where(kept, scores, -np.inf), self.axis, -1)  # to normalise the last axis
        with np.errstate(invalid="ignore"):
            weights = np.moveaxis(equations.softmax(moved), -1, self.axis)
        return np.asarray(weights * real if self.masking == "after" else weights)

    def figure(self) -> Figure:
        """Draw one heat map a sentence, with the sums over the source beside the rows."""
        titles = [self.say("sentence {number}", number=b + 1) for b in range(self.shown)]
        drawn = zip(np.nan_to_num(self.weights), self.target_tokens, self.source_tokens, strict=False)
        axes = plots.maps(dict(zip(titles, drawn, strict=True)))
        for ax, weights, real in zip(axes, self.weights, self.mask, strict=False):
            _finish(ax, weights, ~np.array(real))
        return cast(Figure, axes[0].get_figure())

    def describe(self) -> str:
        """Say what was chosen and which probes fail."""
        failed = [self.say(PROBE_WORDS[name]) for name, passed in self.probes.items() if passed is False]
        sums = self.weights.sum(axis=2)
        one, several = self.say("One heat map"), self.say("{count} heat maps", count=self.shown)
        broken = self.say("Broken: {probes}", probes=self.say("; ").join(failed))
        return self.say(
            "{maps} of weights, softmax over {axis}, {mask}. Sums of the rows: {sums}. {found}.",
            maps=one if self.shown == 1 else several,
            axis=self.say(AXIS_WORDS[self.axis]),
            mask=self.say(MASK_WORDS[self.masking]),
            sums="nan" if np.isnan(sums).any() else f"{sums.min():.2f}–{sums.max():.2f}",
            found=broken if failed else self.say("No probe fails"),
        )


def _finish(ax: Axes, weights: np.ndarray, padding: np.ndarray) -> None:
    """Hatch padding and nan in a map, and write the sum of each row beside it if there is room."""
    n = weights.shape[1]
    written = list(ax.texts)  # row by row, unless the cells are too small for numbers
    for t, i in np.argwhere(np.isnan(weights) | padding):
        paper, ink = ("white", plots.FAINT) if np.isnan(weights[t, i]) else ("none", plots.GREY)
        look: dict[str, Any] = {"hatch": "//", "edgecolor": ink, "facecolor": paper, "linewidth": 0}
        ax.add_patch(Rectangle((i - 0.5, t - 0.5), 1, 1, **look))
        if written and np.isnan(weights[t, i]):
            written[t * n + i].set(text="nan", color=plots.INK, alpha=1)
    for t, total in enumerate(weights.sum(axis=1) if written else []):
        mark, colour = ("✓", plots.INK) if abs(total - 1) < 1e-6 else ("✗", plots.BOX)
        ax.text(n - 0.35, t, f"= {total:.2f} {mark}", va="center", fontsize=10, color=colour)
