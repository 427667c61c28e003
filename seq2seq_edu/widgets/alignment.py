"""Alignment explorer: step through a translation and see which words were looked at, and how hard."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import traitlets
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from seq2seq_edu import plots
from seq2seq_edu.data import PAD
from seq2seq_edu.widgets.base import Numbers, WeightsWidget, odd_rows, tokens

if TYPE_CHECKING:
    from seq2seq_edu.data import Text
    from seq2seq_edu.decoding import Hypothesis, Translation

DIGITS = 6  # of a weight: more cannot be seen, and a page carries them all


class AlignmentExplorer(WeightsWidget):
    r"""Step through a translation: two sentences tied by strings, and the map of the weights.

    .. math:: \alpha_{t,i} \ge 0, \qquad \sum_i \alpha_{t,i} = 1

    The arrow keys walk over the map. Left of a row stands the target word alone, with all it looked at; above
    a column the source word alone, with all that looked at it; in the corner, everything.

    Parameters
    ----------
    alignment : array of shape (m, n)
        Attention weights of one sentence. A row that does not add up to 1 is shown, with a warning.
    target_tokens, source_tokens : sequences of m and of n strings
        Names of the rows and of the columns.
    gold, possible : collections of (t, i), 0-based
        True links: sure ones have a solid box, possible ones a dashed box.
    title : str
        Text over the sentences.
    **state : object
        ``t`` and ``i``, the chosen step and position (0-based, -1 for none); ``language``, ``size``.

    Examples
    --------
    >>> explorer = AlignmentExplorer([[0.05, 0.95], [0.75, 0.25]], ["昨天", "唱歌"], ["sang", "yesterday"])
    >>> explorer.t, explorer.i = 0, 1  # what a click does
    >>> explorer.weight
    0.95
    >>> round(explorer.effective_positions, 2)
    1.22
    >>> AlignmentExplorer([[0.5, 0.4]], ["唱歌"], ["she", "sang"]).warning
    'The weights of step 1 (唱歌) add up to 0.900, not to 1: ...'

    References
    ----------
    Bahdanau, Cho and Bengio (2015), arXiv:1409.0473, figure 3. Taught in: start_here.
    """

    _module = "alignment"

    alignment = Numbers("m", "n")
    target_tokens = tokens()
    source_tokens = tokens()
    gold = Numbers("k", "2", dtype=int)
    possible = Numbers("k", "2", dtype=int)
    title = traitlets.Unicode("").tag(sync=True)
    t = traitlets.Int(-1).tag(sync=True)
    i = traitlets.Int(-1).tag(sync=True)

    def __init__(
        self,
        alignment: ArrayLike | None,
        target_tokens: Sequence[str],
        source_tokens: Sequence[str],
        gold: Collection[tuple[int, int]] | None = None,
        possible: Collection[tuple[int, int]] | None = None,
        title: str = "",
        **state: object,
    ) -> None:
        super().__init__(
            alignment=_rounded(alignment),
            target_tokens=[str(token) for token in target_tokens],
            source_tokens=[str(token) for token in source_tokens],
            gold=sorted(gold or ()),
            possible=sorted(possible or ()),
            title=title,
            **state,
        )

    @classmethod
    def of(
        cls,
        result: Translation | Hypothesis,
        source_text: Text | None = None,
        target_text: Text | None = None,
        source_ids: Any = None,
        **options: Any,
    ) -> AlignmentExplorer:
        """Explore a Translation; a Hypothesis needs its texts and source ids (padding counts not)."""
        words = getattr(result, "target_tokens", None)
        if words is not None:
            return cls(result.alignment, words, result.source_tokens, **options)  # type: ignore[union-attr]
        if source_text is None or target_text is None or source_ids is None:
            raise ValueError(
                "a Hypothesis holds ids, not words: give source_text, target_text and source_ids, or take "
                "a Translation of Translator.translate"
            )
        ids = [int(k) for k in source_ids if int(k) != PAD]
        target = target_text.tokens(result.ids)  # type: ignore[union-attr]
        return cls(result.alignment, target, source_text.tokens(ids), **options)

    def check(self) -> None:
        """Raise ValueError if there are no weights, the words do not fit them, or a link lies outside."""
        if not self.target_tokens or not self.source_tokens:
            side = "source" if not self.source_tokens else "target"
            raise ValueError(f"there are no {side} tokens, expected at least <eos>: is the sentence empty?")
        if not self.alignment:
            raise ValueError(
                "there are no weights: a model without attention has none to show (its hypotheses have "
                "alignment None); translate with one that has attention"
            )
        weights = plots.checked_weights(self.alignment, self.target_tokens, self.source_tokens)
        for name in ("gold", "possible"):
            for link in getattr(self, name):
                if len(link) != 2:
                    raise ValueError(f"{name} has the link {tuple(link)}, expected (step, position)")
            plots.checked_links(getattr(self, name), weights.shape, name)
        for name, chosen, count in (("t", self.t, weights.shape[0]), ("i", self.i, weights.shape[1])):
            if not -1 <= chosen < count:
                raise ValueError(f"{name} is {chosen}, expected 0 to {count - 1}, or -1 for none")

    @property
    def row(self) -> np.ndarray:
        """Return the weights of the chosen step, shape (n,)."""
        self.require_valid()
        if self.t < 0:
            raise ValueError("no step is chosen: click a row of the map, or set t (from 0)")
        return np.array(self.alignment[self.t])

    @property
    def weight(self) -> float:
        """Return the weight of the chosen cell."""
        row = self.row
        if self.i < 0:
            raise ValueError("no position is chosen: click a cell of the map, or set i (from 0)")
        return float(row[self.i])

    def _row(self) -> np.ndarray:
        """Return the chosen row if it adds up to 1."""
        row = self.row
        if self.t in self._odd_rows():
            raise ValueError(self.warning)
        return row

    @property
    def gold_mass(self) -> float:
        """Return the weight of the chosen row on its links, sure or possible, from 0 to 1."""
        return float(sum(self.row[i] for i in self._links()))

    @property
    def hit(self) -> bool:
        """Tell whether the largest weight of the chosen row is on one of its links."""
        return int(self.row.argmax()) in self._links()

    @property
    def warning(self) -> str:
        """Return what is odd about the weights though they can be shown; empty if nothing is."""
        odd = self._odd_rows()
        if not odd:
            return ""
        t = min(odd)
        return self.say(
            "The weights of step {step} ({word}) add up to {total}, not to 1{others}: was the softmax left "
            "out, or the mask put on after it?",
            step=t + 1,
            word=plots.visible(self.target_tokens[t]),
            total=f"{odd[t]:.3f}",
            others=self.say(" (nor do those of {more} more)", more=len(odd) - 1) if len(odd) > 1 else "",
        )

    def figure(self) -> Figure:
        """Draw the map, with its links; the name of the chosen step is blue."""
        gold, possible = ({(t, i) for t, i in links} for links in (self.gold, self.possible))
        words = self.target_tokens, self.source_tokens
        ax = plots.heatmap(self.alignment, *words, gold=gold, possible=possible, title=self.title)
        for chosen, labels in ((self.t, ax.get_yticklabels()), (self.i, ax.get_xticklabels())):
            if chosen >= 0:
                labels[chosen].set_color(plots.COLOURS[0])
        return cast(Figure, ax.get_figure())

    def describe(self) -> str:
        """Say where each step looked most; of a long sentence, the first twelve steps."""
        weights = np.array(self.alignment)
        target, source = (list(map(plots.visible, w)) for w in (self.target_tokens, self.source_tokens))
        looks = [(target[t], source[row.argmax()], f"{row.max():.2f}") for t, row in enumerate(weights[:12])]
        m, n = weights.shape
        rows = [self.say("{y} at {x} {weight}", y=y, x=x, weight=weight) for y, x, weight in looks]
        text = self.say(
            "Map of attention weights, {m} words written (rows) by {n} read (columns). Largest: {rows}.",
            m=m,
            n=n,
            rows=self.say(", ").join([*rows, "..."] if m > 12 else rows),
        )
        return " ".join(filter(None, [text, self.warning]))

    def _odd_rows(self) -> dict[int, float]:
        """Return the sums of the rows that do not add up to 1."""
        return odd_rows(self.alignment) if not self.problem else {}

    def _links(self) -> set[int]:
        """Return the positions that the chosen step is linked to, or say that there are none."""
        _ = self.row  # is a step chosen?
        links = {int(i) for t, i in [*self.gold, *self.possible] if t == self.t}
        if not links:
            raise ValueError(f"step {self.t + 1} ({self.target_tokens[self.t]}) has no gold link")
        return links


def _rounded(alignment: ArrayLike | None) -> ArrayLike:
    """Return the weights with few digits; what is no matrix of numbers is left for the trait to refuse."""
    if alignment is None:
        return []
    try:
        return np.asarray(alignment, dtype=np.float64).round(DIGITS)
    except (TypeError, ValueError):
        return alignment
