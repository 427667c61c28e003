"""Context explorer: drag a query and encoder states in the plane, see where the context vector can go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

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
RANDOM = np.random.default_rng(0)  # draws the parameters of that score
SCORE_WORDS = {"dot": "dot", "scaled": "scaled dot", "additive": "additive"}


class ContextExplorer(WeightsWidget):
    r"""Ask with a query in the plane, and see scores, weights and the context vector move.

    .. math:: c_t = \sum_{i=1}^{n} \alpha_{t,i} h_i, \quad \alpha_t = \mathrm{softmax}(e_t), \quad
        e_{t,i} = a(s_{t-1}, h_i)

    ``query`` (2,) is s_{t-1}, ``encoder_states`` (n, 2) are h_1 .. h_n, ``labels`` their names: by default 猫
    在 哪里, and the query that asks for "where". ``score`` is "dot", "scaled" or "additive", with ``W_a``,
    ``U_a`` (d_a, 2) and ``v_a`` (d_a,); ``lines`` shows the lines of equal score.

    >>> explorer = ContextExplorer()
    >>> explorer.weights.round(2).tolist(), explorer.context.round(2).tolist()
    ([0.07, 0.03, 0.9], [0.07, 1.71])
    >>> explorer.query = [0.4, 2.0]  # twice as long: as sharp as half the temperature
    >>> explorer.weights.round(2).tolist()
    [0.01, 0.0, 0.99]

    Bahdanau, Cho and Bengio (2015), arXiv:1409.0473, Eq. 5. Taught in: context_vector.
    """

    query = Numbers(2)
    encoder_states = Numbers("n", 2)
    labels = tokens()
    score = traitlets.Enum(list(SCORE_WORDS), "dot")
    W_a = Numbers("d_a", 2, default=RANDOM.normal(size=(D_A, 2)))
    U_a = Numbers("d_a", 2, default=RANDOM.normal(size=(D_A, 2)))
    v_a = Numbers("d_a", default=RANDOM.normal(size=D_A))
    lines = traitlets.Bool(False)

    def __init__(
        self,
        query: ArrayLike = (0.2, 1.0),
        encoder_states: ArrayLike = STATES,
        labels: Sequence[str] | None = None,
        **state: Any,
    ) -> None:
        if labels is None:
            n = len(np.asarray(encoder_states, dtype=object))
            labels = WORDS if encoder_states is STATES else names("h", n)
        super().__init__(query=query, encoder_states=encoder_states, labels=list(labels), **state)

    def check(self) -> Iterator[str]:
        """Ask for states, as many labels, parameters of one width, and numbers that have a square."""
        if not self.encoder_states:
            yield "there are no encoder states, expected at least one: is the sentence empty?"
        if not len(self.W_a) == len(self.U_a) == len(self.v_a):
            widths = f"{len(self.W_a)}, {len(self.U_a)} and {len(self.v_a)}"
            yield f"W_a, U_a and v_a have {widths} rows, expected d_a each: is one transposed?"
        if len(self.labels) != len(self.encoder_states):
            n = len(self.encoder_states)
            yield f"there are {len(self.labels)} labels for {n} encoder states: give one each"
        largest = np.abs([self.query, *self.encoder_states]).max()
        if largest > LARGEST:
            yield f"a coordinate is {largest:.3g}, expected at most {LARGEST:.0e}: did a state explode?"

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
        return np.asarray(equations.context_vector(self.weights[None], np.array([self.encoder_states]))[0])

    def figure(self) -> Figure:
        """Draw states, hull, strings and context, and the query as an arrow from the origin."""
        weights, colour = self.weights, plots.COLOURS[2]
        figure = Figure(figsize=(5.0, 4.0))
        ax = plots.hull(self.encoder_states, weights, labels=self.labels, ax=figure.add_subplot())
        ax.set_title(self.say("score: {kind}", kind=self.say(SCORE_WORDS[self.score])))
        ax.set(xlabel=self.say("first coordinate"), ylabel=self.say("second coordinate"))
        if len(weights) > 12:  # names of the three largest only; the last text is c_t
            for i in weights.argsort()[:-3].tolist():
                ax.texts[i].set_visible(False)
        arrow = {"arrowstyle": "-|>", "color": colour, "lw": 2, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", tuple(self.query), (0.0, 0.0), arrowprops=arrow, zorder=5)
        plots.note(ax, "$s$", self.query, (9, 6), colour).set_fontsize(15)
        ax.plot(0, 0, "o", color=colour, markersize=4)
        ax.update_datalim([self.query, (0.0, 0.0)])
        ax.autoscale_view()
        return figure

    def describe(self) -> str:
        """Say what is asked, who gets how much, and where the context lies."""
        weights = self.weights
        order = weights.argsort(kind="stable")[::-1][:4]
        more = self.say(", and {count} more", count=len(weights) - 4) if len(weights) > 4 else ""
        s, c = (f"({x:.2f}, {y:.2f})" for x, y in (self.query, self.context))
        return self.say(
            "Encoder states in the plane with their convex hull, and the query s = {s} with the {kind} "
            "score. Weights: {shares}{more}; the context vector c_t = {c} lies inside the hull; "
            "{effective:.1f} effective positions.",
            s=s,
            c=c,
            kind=self.say(SCORE_WORDS[self.score]),
            shares=self.say(", ").join(f"{self.labels[i]} {weights[i]:.2f}" for i in order),
            more=more,
            effective=self.effective_positions,
        )
