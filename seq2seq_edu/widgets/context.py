"""Context explorer: drag a query and encoder states in the plane, see where the context vector can go."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import traitlets
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from seq2seq_edu import equations, plots
from seq2seq_edu.widgets.base import Numbers, WeightsWidget, names, tokens

STATES = [[2.0, -1.0], [-2.0, -1.0], [0.0, 2.0]]  # 猫 在 哪里, as in the chapters
WORDS = ["猫", "在", "哪里"]
LARGEST = 1e6  # no coordinate may be larger: its square must stay a number
D_A = 7  # width of the hidden layer of the additive score
SCORE_WORDS = {"dot": "dot", "scaled": "scaled dot", "additive": "additive"}


class ContextExplorer(WeightsWidget):
    r"""Ask with a query in the plane, and see scores, weights and the context vector move.

    .. math:: c_t = \sum_{i=1}^{n} \alpha_{t,i} h_i, \quad \alpha_t = \mathrm{softmax}(e_t), \quad
        e_{t,i} = a(s_{t-1}, h_i)

    Parameters
    ----------
    query : array of shape (2,)
        s_{t-1}; by default the one that asks for "where".
    encoder_states : array of shape (n, 2)
        h_1 .. h_n; by default those of 猫 在 哪里.
    labels : sequence of n strings
        Names of the states; by default h1 .. hn.
    score : {"dot", "scaled", "additive"}
        Which a(s, h) at first; the reader may choose another.
    seed : int
        Draws `W_a`, `U_a` and `v_a` of the additive score from a normal distribution, unless they are given.
    **state : object
        ``W_a``, ``U_a`` (d_a, 2) and ``v_a`` (d_a,); ``lines`` (show the lines of equal score); ``language``
        ("en", "zh") and ``size`` ("normal", "large").

    Examples
    --------
    >>> explorer = ContextExplorer()
    >>> explorer.weights.round(2).tolist(), explorer.context.round(2).tolist()
    ([0.07, 0.03, 0.9], [0.07, 1.71])
    >>> explorer.query = [0.4, 2.0]  # twice as long: as sharp as half the temperature
    >>> explorer.weights.round(2).tolist()
    [0.01, 0.0, 0.99]
    >>> ContextExplorer([1.0, 0.0], [[1.0, 0.0, 0.0]]).problem
    'encoder_states has shape (1, 3), expected (n, 2): ...'

    References
    ----------
    Bahdanau, Cho and Bengio (2015), arXiv:1409.0473, Eq. 5. Taught in: context_vector.
    """

    _module = "context"

    query = Numbers("2")
    encoder_states = Numbers("n", "2")
    labels = tokens()
    score = traitlets.Enum(["dot", "scaled", "additive"], "dot").tag(sync=True)
    W_a = Numbers("d_a", "2")
    U_a = Numbers("d_a", "2")
    v_a = Numbers("d_a")
    lines = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self,
        query: ArrayLike = (0.2, 1.0),
        encoder_states: ArrayLike | None = None,
        labels: Sequence[str] | None = None,
        score: str = "dot",
        *,
        seed: int = 0,
        **state: object,
    ) -> None:
        if encoder_states is None:
            encoder_states, labels = STATES, WORDS if labels is None else labels
        if labels is None:
            labels = names("h", len(np.atleast_1d(np.asarray(encoder_states, dtype=object))))
        rng = np.random.default_rng(seed)
        sizes = {"W_a": (D_A, 2), "U_a": (D_A, 2), "v_a": (D_A,)}
        drawn = {name: rng.normal(size=size) for name, size in sizes.items()}
        given = {"query": query, "encoder_states": encoder_states, "labels": list(labels), "score": score}
        super().__init__(**{**drawn, **given, **state})

    def check(self) -> None:
        """Raise ValueError if there is no state, something lies outside the plane, or sizes disagree."""
        if not self.encoder_states:
            raise ValueError("there are no encoder states, expected at least one: is the sentence empty?")
        for name in ("query", "encoder_states", "W_a", "U_a"):
            shape = np.shape(getattr(self, name))
            if shape[-1:] != (2,):
                wanted = "(2,)" if name == "query" else f"({'n' if name == 'encoder_states' else 'd_a'}, 2)"
                raise ValueError(f"{name} has shape {shape}, expected {wanted}: choose two coordinates")
        if not len(self.W_a) == len(self.U_a) == len(self.v_a):
            widths = f"{len(self.W_a)}, {len(self.U_a)} and {len(self.v_a)}"
            raise ValueError(f"W_a, U_a and v_a have {widths} rows, expected d_a each: is one transposed?")
        n = len(self.encoder_states)
        if len(self.labels) != n:
            raise ValueError(f"there are {len(self.labels)} labels for {n} encoder states: give one each")
        largest = max(np.abs(getattr(self, name)).max() for name in ("query", "encoder_states"))
        if largest > LARGEST:
            raise ValueError(
                f"a coordinate is {largest:.3g}, expected at most {LARGEST:.0e}: did a state explode?"
            )

    @property
    def scores(self) -> np.ndarray:
        """Return e_{t,1} .. e_{t,n}, shape (n,)."""
        self.require_valid()
        query, keys = np.array([self.query]), np.array([self.encoder_states])  # B = 1
        if self.score == "additive":
            parameters = (np.array(self.W_a), np.array(self.U_a), np.array(self.v_a))
            return np.asarray(equations.additive_score(query, keys, *parameters)[0])
        formula = equations.scaled_dot_score if self.score == "scaled" else equations.dot_score
        return np.asarray(formula(query, keys)[0])

    @property
    def weights(self) -> np.ndarray:
        """Return the attention weights, shape (n,)."""
        return np.asarray(equations.softmax(self.scores))

    @property
    def context(self) -> np.ndarray:
        """Return c_t, the star of the picture, shape (2,)."""
        weights = self.weights
        return np.asarray(equations.context_vector(weights[None], np.array([self.encoder_states]))[0])

    def _row(self) -> np.ndarray:
        """Return the weights."""
        return self.weights

    def figure(self) -> Figure:
        """Draw states, hull, strings and context, and the query as an arrow from the origin."""
        weights, labels = self.weights, self.labels
        figure, ax = plt.subplots(figsize=(5.0, 4.0))
        plots.hull(self.encoder_states, weights, labels=labels, ax=ax)
        ax.set_title(self.say("score: {kind}", kind=self.say(SCORE_WORDS[self.score])))
        ax.set(xlabel=self.say("first coordinate"), ylabel=self.say("second coordinate"))
        if len(labels) > 12:  # names of the three largest only; the last text is c_t
            for i, text in enumerate(list(ax.texts)[: len(labels)]):
                text.set_visible(bool(i in weights.argsort()[-3:]))
        arrow = {"arrowstyle": "-|>", "color": plots.COLOURS[2], "lw": 2, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", tuple(self.query), (0.0, 0.0), arrowprops=arrow, zorder=5)
        plots.note(ax, "$s$", self.query, (9, 6), plots.COLOURS[2]).set_fontsize(15)
        ax.plot(0, 0, "o", color=plots.COLOURS[2], markersize=4)
        ax.update_datalim([self.query, (0.0, 0.0)])
        ax.autoscale_view()
        return figure

    def describe(self) -> str:
        """Say what is asked, who gets how much, and where the context lies."""
        weights = self.weights
        order = weights.argsort(kind="stable")[::-1][:4]
        shares = [f"{self.labels[i]} {weights[i]:.2f}" for i in order]
        s, c = (f"({x:.2f}, {y:.2f})" for x, y in (self.query, self.context))
        more = self.say(", and {count} more", count=len(weights) - 4) if len(weights) > 4 else ""
        return self.say(
            "Encoder states in the plane with their convex hull, and the query s = {s} with the {kind} "
            "score. Weights: {shares}{more}; the context vector c_t = {c} lies inside the hull; {effective} "
            "effective positions.",
            s=s,
            c=c,
            kind=self.say(SCORE_WORDS[self.score]),
            shares=self.say(", ").join(shares),
            more=more,
            effective=f"{self.effective_positions:.1f}",
        )
