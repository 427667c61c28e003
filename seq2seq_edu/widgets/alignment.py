"""Alignment explorer: step through a translation and see which words were looked at, and how hard."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, cast

import numpy as np
import traitlets
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from seq2seq_edu import plots
from seq2seq_edu.decoding import Translation
from seq2seq_edu.widgets.base import Numbers, WeightsWidget, odd_rows, tokens


class AlignmentExplorer(WeightsWidget):
    r"""Step through a translation: two sentences tied by strings, and the map of the weights.

    .. math:: \alpha_{t,i} \ge 0, \qquad \sum_i \alpha_{t,i} = 1

    ``alignment`` (m, n) has the weights of one sentence, with its m ``target_tokens`` and n
    ``source_tokens``. ``gold`` and ``possible`` are links (t, i), 0-based, with solid and with dashed boxes.
    ``t`` and ``i`` are the chosen step and position (-1: none). Left of the map stands each target word
    alone, with all it looked at, above it each source word alone, with all that looked at it; in the corner,
    everything.

    >>> explorer = AlignmentExplorer([[0.05, 0.95], [0.75, 0.25]], ["昨天", "唱歌"], ["sang", "yesterday"])
    >>> explorer.t, explorer.i = 0, 1  # what a click does
    >>> explorer.weight, round(explorer.effective_positions, 2)
    (0.95, 1.22)
    >>> AlignmentExplorer([[0.5, 0.4]], ["唱歌"], ["she", "sang"]).warning
    'The weights of step 1 (唱歌) add up to 0.900, not to 1: ...'

    Bahdanau, Cho and Bengio (2015), arXiv:1409.0473, figure 3. Taught in: start_here.
    """

    alignment = Numbers("m", "n", digits=6)  # more cannot be seen, and a page carries them all
    target_tokens = tokens()
    source_tokens = tokens()
    gold = Numbers("k", 2, dtype=int)
    possible = Numbers("k", 2, dtype=int)
    title = traitlets.Unicode("")
    t = traitlets.Int(-1)
    i = traitlets.Int(-1)

    def __init__(
        self,
        alignment: ArrayLike | None,
        target_tokens: Sequence[str],
        source_tokens: Sequence[str],
        gold: Collection[tuple[int, int]] = (),
        possible: Collection[tuple[int, int]] = (),
        **state: Any,
    ) -> None:
        words: dict[str, Any] = {"target_tokens": list(target_tokens), "source_tokens": list(source_tokens)}
        links: dict[str, Any] = {"gold": sorted(gold), "possible": sorted(possible)}
        super().__init__(alignment=[] if alignment is None else alignment, **words, **links, **state)

    @classmethod
    def of(cls, translation: Translation, **options: Any) -> AlignmentExplorer:
        """Explore a translation of `Translator`."""
        return cls(translation.alignment, translation.target_tokens, translation.source_tokens, **options)

    def check(self) -> Iterator[str]:
        """Ask for weights, words that fit them, and links and a choice inside the map."""
        for side in ("source", "target"):
            if not getattr(self, f"{side}_tokens"):
                yield f"there are no {side} tokens, expected at least <eos>: is the sentence empty?"
        if not self.alignment:
            yield (
                "there are no weights: a model without attention has none to show (its hypotheses have "
                "alignment None); translate with one that has attention"
            )
        m, n = plots.checked_weights(self.alignment, self.target_tokens, self.source_tokens).shape
        for name in ("gold", "possible"):
            plots.checked_links(getattr(self, name), (m, n), name)
        for name, count in (("t", m), ("i", n)):
            if not -1 <= getattr(self, name) < count:
                yield f"{name} is {getattr(self, name)}, expected 0 to {count - 1}, or -1 for none"

    @property
    def weights(self) -> np.ndarray:
        """Return the weights of the chosen step, shape (n,)."""
        self.require_valid()
        if self.t < 0:
            raise ValueError("no step is chosen: click a row of the map, or set t (from 0)")
        return np.array(self.alignment[self.t])

    @property
    def weight(self) -> float:
        """Return the weight of the chosen cell."""
        weights = self.weights
        if self.i < 0:
            raise ValueError("no position is chosen: click a cell of the map, or set i (from 0)")
        return float(weights[self.i])

    @property
    def hit(self) -> bool:
        """Tell whether the largest weight of the chosen row is on one of its links, sure or possible."""
        best = int(self.weights.argmax())
        links = [i for t, i in [*self.gold, *self.possible] if t == self.t]
        if not links:
            raise ValueError(f"step {self.t + 1} ({self.target_tokens[self.t]}) has no gold link")
        return best in links

    @property
    def warning(self) -> str:
        """Return what is odd about the weights though they can be shown; empty if nothing is."""
        odd = {} if self.problem else odd_rows(self.alignment)
        if not odd:
            return ""
        t, more = min(odd), len(odd) - 1
        return self.say(
            "The weights of step {step} ({word}) add up to {total}, not to 1{others}: was the softmax left "
            "out, or the mask put on after it?",
            step=t + 1,
            word=plots.visible(self.target_tokens[t]),
            total=f"{odd[t]:.3f}",
            others=self.say(" (nor do those of {more} more)", more=more) if more else "",
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
        m, n = weights.shape
        target, source = (list(map(plots.visible, w)) for w in (self.target_tokens, self.source_tokens))
        looks = [(y, source[row.argmax()], row.max()) for y, row in zip(target[:12], weights, strict=False)]
        rows = [self.say("{y} at {x} {weight:.2f}", y=y, x=x, weight=weight) for y, x, weight in looks]
        text = self.say(
            "Map of attention weights, {m} words written (rows) by {n} read (columns). Largest: {rows}.",
            m=m,
            n=n,
            rows=self.say(", ").join([*rows, "..."] if m > 12 else rows),
        )
        return f"{text} {self.warning}".strip()
