"""Softmax explorer: drag scores and temperature, see the weights and how many positions they look at."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import traitlets
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from seq2seq_edu import equations, plots
from seq2seq_edu.widgets.base import Numbers, Widget, default_labels, tokens


class SoftmaxExplorer(Widget):
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
    >>> explorer = SoftmaxExplorer([2.0, 0.0, 1.0], ["猫", "在", "哪里"])
    >>> explorer.weights.round(2).tolist()
    [0.67, 0.09, 0.24]
    >>> explorer.temperature = 50.0
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
        names = default_labels(np.size(scores)) if labels is None else list(labels)
        super().__init__(scores=scores, labels=names, temperature=temperature, **state)

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
        self.right()
        return np.asarray(equations.softmax(np.array(self.scores), self.temperature))

    @property
    def entropy(self) -> float:
        """Return the entropy of the weights, in nats."""
        positive = self.weights[self.weights > 0]
        return float(-(positive * np.log(positive)).sum())

    @property
    def effective_positions(self) -> float:
        """Return exp(H): how many positions get a look, from 1 to n."""
        return float(np.exp(self.entropy))

    def figure(self) -> Figure:
        """Draw scores and weights as two rows of bars."""
        width = float(np.clip(0.9 * len(self.labels) + 1, 3.6, 12))
        figure, axes = plt.subplots(2, 1, figsize=(width, 4.2))
        plots.bars(np.array(self.scores), self.labels, ylabel="score", ax=axes[0])
        title = f"T = {self.temperature:.2f}"
        plots.bars(self.weights, self.labels, ylabel="weight", title=title, ax=axes[1])
        return figure

    def describe(self) -> str:
        """Say which position gets most, and how many get a look."""
        best = self.labels[int(self.weights.argmax())]
        most, effective = f"{self.weights.max():.2f}", f"{self.effective_positions:.1f}"
        if self.language == "zh":
            return (
                f"得分与权重的柱状图，温度 {self.temperature:.2f}：{best} 的权重最大，为 {most}；"
                f"有效位置数 {effective}。"
            )
        return (
            f"Bars of scores and of their weights at temperature {self.temperature:.2f}: {best} has the "
            f"largest weight, {most}; {effective} effective positions."
        )
