"""Softmax explorer: drag scores and temperature, see the weights and how many positions they look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import traitlets
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from seq2seq_edu import equations
from seq2seq_edu.widgets.base import Numbers, WeightsWidget, bar_rows, names, tokens


class SoftmaxExplorer(WeightsWidget):
    r"""Turn scores into weights, by hand.

    .. math:: \alpha_i = \frac{\exp(e_i / T)}{\sum_j \exp(e_j / T)}

    ``scores`` (n,) are e_1 .. e_n, any real numbers, ``labels`` their names (by default h1 .. hn), and
    ``temperature`` is T, above 0. Every widget has a ``language`` ("en", "zh") and a ``size`` ("normal",
    "large").

    >>> explorer = SoftmaxExplorer([2.0, 0.0, 1.0], ["猫", "在", "哪里"], temperature=50.0)
    >>> round(explorer.effective_positions, 2)
    3.0
    >>> SoftmaxExplorer([2.0, float("nan")]).problem
    'scores holds nan at 1, expected finite numbers: ...'

    Bahdanau, Cho and Bengio (2015), arXiv:1409.0473, Eq. 6. Taught in: attention_weights.
    """

    scores = Numbers("n")
    labels = tokens()
    temperature = traitlets.Float(1.0)

    def __init__(self, scores: ArrayLike, labels: Sequence[str] | None = None, **state: Any) -> None:
        words = names("h", np.size(scores)) if labels is None else list(labels)
        super().__init__(scores=scores, labels=words, **state)

    def check(self) -> Iterator[str]:
        """Ask for scores, as many labels, and T above 0."""
        if not self.scores:
            yield "there are no scores, expected at least one: is the sentence empty?"
        if len(self.labels) != len(self.scores):
            yield f"there are {len(self.labels)} labels for {len(self.scores)} scores: give one each"
        if not 0 < self.temperature < float("inf"):
            yield f"temperature is {self.temperature}, expected a number above 0 (1 changes nothing)"

    @property
    def weights(self) -> np.ndarray:
        """Return the weights that the widget shows, shape (n,)."""
        self.require_valid()
        return np.asarray(equations.softmax(np.array(self.scores), self.temperature))

    def figure(self) -> Figure:
        """Draw scores and weights as two rows of bars."""
        title = f"T = {self.temperature:.2f}"
        return bar_rows(("score", self.scores, self.labels, ""), ("weight", self.weights, self.labels, title))

    def describe(self) -> str:
        """Say which position gets most, and how many get a look."""
        return self.say(
            "Bars of scores and of their weights at temperature {temperature:.2f}: {best} has the largest "
            "weight, {most:.2f}; {effective:.1f} effective positions.",
            temperature=self.temperature,
            best=self.labels[int(self.weights.argmax())],
            most=self.weights.max(),
            effective=self.effective_positions,
        )
