"""You are the attention: set the weights by hand, and a trained decoder speaks with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
import traitlets
from matplotlib.figure import Figure

from seq2seq_edu import plots
from seq2seq_edu.data import EOS, Example
from seq2seq_edu.decoding import Translator
from seq2seq_edu.widgets.base import Numbers, Widget, bar_rows, odd_rows
from seq2seq_edu.widgets.forced import forced_steps, pack, read_sentence


class YouAreTheAttention(Widget):
    r"""Do the work of the attention: at each step, spread a weight of 1 over the source words.

    .. math:: c_t = \sum_i \alpha_{t,i} h_i, \qquad \alpha_{t,i} \ge 0, \qquad \sum_i \alpha_{t,i} = 1

    The decoder takes its step with your weights and offers its five most probable words; write one, go on. At
    the end your weights stand beside those of the model in your place, your sentence beside its own.
    :meth:`of` packs ``decoder`` and ``sentences``; ``chosen`` is the sentence (from 0), ``written`` has the T
    ids on paper, and ``weights`` (T + 1, n) a row for each of them and one for the step that is being
    decided.

    >>> from seq2seq_edu.data import Vocabulary
    >>> from seq2seq_edu.models import ModelConfig, Seq2Seq
    >>> words, small = Vocabulary(["a", "b"]), ModelConfig(6, 6, d_e=3, d_h=4, d_s=5, d_a=2, d_r=3)
    >>> game = YouAreTheAttention.of(Translator(Seq2Seq(small), words, words), "a b")
    >>> game.weights = [[0.9, 0.1, 0.0]]
    >>> game.write("b")
    >>> game.tokens, len(game.weights)
    (['b'], 2)

    Bahdanau, Cho and Bengio (2015), arXiv:1409.0473, Eqs. 4-6. Taught in: decoder.
    """

    decoder = traitlets.Dict()
    sentences = traitlets.List(traitlets.Dict())
    chosen = traitlets.Int(0)
    written = traitlets.List(traitlets.Int())
    weights = Numbers("m", "n")

    @classmethod
    def of(
        cls, translator: Translator, sentences: str | Example | Sequence[str | Example], **options: Any
    ) -> YouAreTheAttention:
        """Take the place of the attention of a small Seq2Seq; an Example brings gold links."""
        several: Any = [sentences] if isinstance(sentences, (str, Example)) else sentences
        try:
            read = [read_sentence(translator, sentence) for sentence in several]
            first = [equal(len(sentence["source"])) for sentence in read[:1]]
            return cls(decoder=pack(translator), sentences=read, weights=first, **options)
        except ValueError as error:
            return cls({"sentences": str(error)}, **options)

    def check(self) -> Iterator[str]:
        """Ask for a sentence, and for words and weights that fit it."""
        if not self.sentences:
            yield "there is no sentence: use YouAreTheAttention.of(translator, sentence)"
        if not 0 <= self.chosen < len(self.sentences):
            yield f"chosen is {self.chosen}, expected 0 .. {len(self.sentences) - 1}"
        for k in self.written:
            if not 2 <= k < len(self.decoder["words"]):
                yield f"written holds {k}, which is not the id of a token that can be written"
        expected = len(self.written) + (not self.finished), len(self.source)
        if np.shape(self.weights) != expected:
            yield (
                f"weights has shape {np.shape(self.weights)}, expected {expected}: one row for each token on "
                "paper and one for the step that is being decided"
            )
        plots.checked_weights(self.weights, ["?"] * len(self.weights), self.source)
        for t, total in odd_rows(self.weights).items():
            yield f"the weights of step {t + 1} sum to {total:.4g}, expected 1: divide them by their sum"

    @property
    def sentence(self) -> dict[str, Any]:
        """Return the sentence that is being translated."""
        return dict(self.sentences[self.chosen])

    @property
    def source(self) -> list[str]:
        """Return its tokens, ``<eos>`` at the end."""
        return list(self.sentence["source"])

    @property
    def tokens(self) -> list[str]:
        """Return the tokens on paper."""
        return [self.decoder["words"][k] for k in self.written]

    @property
    def finished(self) -> bool:
        """Return whether the sentence has ended, with ``<eos>`` or at the limit."""
        return EOS in self.written or len(self.written) >= self.sentence["limit"]

    @property
    def played(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the model's own weights and log p of every token, of each step and the one being decided."""
        self.require_valid()
        return forced_steps(self.decoder, self.sentence, self.weights, self.written)

    @property
    def candidates(self) -> dict[str, float]:
        """Return the five most probable next tokens with their probabilities; none after the end."""
        if self.finished:
            return {}
        log_probs = self.played[1][-1]
        best = np.argsort(-log_probs, kind="stable")[:5]
        return {self.decoder["words"][k]: float(np.exp(log_probs[k])) for k in best}

    @property
    def log_prob(self) -> float:
        """Return the natural log-probability of the tokens on paper, with your weights."""
        return float(self.played[1][range(len(self.written)), self.written].sum())

    @property
    def score(self) -> float:
        """Return the mean overlap with the model, sum_i min(yours, its) of each token on paper, 0 to 1."""
        overlaps = np.minimum(self.weights, self.played[0]).sum(axis=1)[: len(self.written)]
        return float(overlaps.mean()) if self.written else 0.0

    def write(self, token: str | None = None) -> None:
        """Put a token, by default the most probable one, on paper and go on to the next step."""
        if self.finished:
            raise ValueError("the sentence has ended: make another game to begin anew")
        token = next(iter(self.candidates)) if token is None else token
        if token not in self.decoder["words"][2:]:
            raise ValueError(f"the vocabulary has no {token!r} that can be written")
        with self.hold_trait_notifications():  # between the two they would not fit
            self.written = [*self.written, self.decoder["words"].index(token, 2)]
            if not self.finished:
                self.weights = [*self.weights, equal(len(self.source))]

    def figure(self) -> Figure:
        """Draw your weights: as bars with the next tokens while you play, as a map at the end."""
        if self.finished:
            ax = plots.heatmap(self.weights, self.tokens, self.source, title="your weights")
            return cast(Figure, ax.get_figure())
        title = f"t = {len(self.tokens) + 1}: {' '.join([*self.tokens, '?'])}"
        candidates = self.candidates
        return bar_rows(
            ("your weight", self.weights[-1], self.source, title),
            ("p", list(candidates.values()), list(candidates), ""),
        )

    def describe(self) -> str:
        """Say what is on paper, where you look and what would come next; at the end, the score."""
        said = " ".join(self.tokens) or "-"
        if self.finished:
            numbers = {"yours": self.log_prob, "own": self.sentence["own_log_prob"], "overlap": self.score}
            return self.say(
                "{said}. Log-probability with your weights {yours:.2f}, of the model's own translation "
                "{own:.2f}; mean overlap with the model's weights {overlap:.2f}.",
                said=said,
                **{name: round(number, 2) + 0.0 for name, number in numbers.items()},  # no minus zero
            )
        row = self.weights[-1]
        token, chance = next(iter(self.candidates.items()))
        return self.say(
            "Written so far: {said}. Step {step}: your largest weight, {weight:.2f}, is on {word}; the most "
            "probable next token is {token}, with {chance:.2f}.",
            said=said,
            step=len(self.written) + 1,
            weight=max(row),
            word=self.source[int(np.argmax(row))],
            token=token,
            chance=chance,
        )


def equal(n: int) -> list[float]:
    """Return n equal weights of sum 1, to six decimals."""
    return [round(1 / n, 6)] * n
