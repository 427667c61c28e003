"""Softmax explorer: drag scores and temperature, see the weights and how many positions they look at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import traitlets
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from seq2seq_edu import equations
from seq2seq_edu.widgets.base import Numbers, WeightsWidget, bar_rows, names, tokens


class SoftmaxExplorer(WeightsWidget):
    r"""Turn scores into weights, by hand.

    .. math:: \alpha_i = \frac{\exp(e_i / T)}{\sum_j \exp(e_j / T)}

    Parameters
    ----------
    scores : array of shape (n,)
        e_1 .. e_n, any real numbers.
    labels : sequence of n strings
        Names of the positions; by default h1 .. hn.
    temperature : float
        T, above 0.
    **state : object
        ``language`` ("en", "zh") and ``size`` ("normal", "large").

    Examples
    --------
    >>> explorer = SoftmaxExplorer([2.0, 0.0, 1.0], ["猫", "在", "哪里"], temperature=50.0)
    >>> round(explorer.effective_positions, 2)
    3.0
    >>> SoftmaxExplorer([2.0, float("nan")]).problem
    'scores holds nan at 1, expected finite numbers: ...'

    References
    ----------
    Bahdanau, Cho and Bengio (2015), arXiv:1409.0473, Eq. 6. Taught in: attention_weights.
    """

    _module = "softmax"

    scores = Numbers("n")
    labels = tokens()
    temperature = traitlets.Float(1.0).tag(sync=True)

    def __init__(
        self,
        scores: ArrayLike,
        labels: Sequence[str] | None = None,
        temperature: float = 1.0,
        **state: object,
    ) -> None:
        words = names("h", np.size(scores)) if labels is None else list(labels)
        super().__init__(scores=scores, labels=words, temperature=temperature, **state)

    def check(self) -> None:
        """Raise ValueError if there is nothing to weigh, a label is missing, or T is not above 0."""
        if not self.scores:
            raise ValueError("there are no scores, expected at least one: is the sentence empty?")
        if len(self.labels) != len(self.scores):
            raise ValueError(
                f"there are {len(self.labels)} labels for {len(self.scores)} scores: give one each"
            )
        if not 0 < self.temperature < float("inf"):
            raise ValueError(
                f"temperature is {self.temperature}, expected a number above 0 (1 changes nothing)"
            )

    @property
    def weights(self) -> np.ndarray:
        """Return the weights that the widget shows, shape (n,)."""
        self.require_valid()
        return np.asarray(equations.softmax(np.array(self.scores), self.temperature))

    def _row(self) -> np.ndarray:
        """Return the weights."""
        return self.weights

    def figure(self) -> Figure:
        """Draw scores and weights as two rows of bars."""
        title = f"T = {self.temperature:.2f}"
        return bar_rows(("score", self.scores, self.labels, ""), ("weight", self.weights, self.labels, title))

    def describe(self) -> str:
        """Say which position gets most, and how many get a look."""
        return self.say(
            "Bars of scores and of their weights at temperature {temperature}: {best} has the largest "
            "weight, {most}; {effective} effective positions.",
            temperature=f"{self.temperature:.2f}",
            best=self.labels[int(self.weights.argmax())],
            most=f"{self.weights.max():.2f}",
            effective=f"{self.effective_positions:.1f}",
        )
