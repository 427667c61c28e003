"""You are the attention: set the weights by hand, and a trained decoder speaks with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import traitlets
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from seq2seq_edu import plots
from seq2seq_edu.data import EOS, Example
from seq2seq_edu.widgets.base import Numbers, Widget, bar_rows, odd_rows

if TYPE_CHECKING:
    from seq2seq_edu.decoding import Translator
    from seq2seq_edu.widgets.forced import Turn


class YouAreTheAttention(Widget):
    r"""Do the work of the attention: at each step, spread a weight of 1 over the source words.

    .. math:: c_t = \sum_i \alpha_{t,i} h_i, \qquad \alpha_{t,i} \ge 0, \qquad \sum_i \alpha_{t,i} = 1

    The decoder takes its step with your weights and offers its five most probable words; write one, go on. At
    the end your weights stand beside those of the model in your place, your sentence beside its own.

    Parameters
    ----------
    decoder, sentences : dict, sequence of dict
        What :meth:`of` packs of a translator and of the sentences.
    chosen : int
        Which sentence is translated, from 0.
    written : sequence of T ids
        The tokens on paper.
    weights : array of shape (T + 1, n), or (T, n) after the end
        Yours: a row for each token on paper, and one for the step that is being decided. At first equal ones.
    **state : object
        ``language`` ("en", "zh") and ``size`` ("normal", "large").

    Examples
    --------
    >>> from seq2seq_edu.data import Vocabulary
    >>> from seq2seq_edu.decoding import Translator
    >>> from seq2seq_edu.models import ModelConfig, Seq2Seq
    >>> words = Vocabulary(["a", "b"])
    >>> untrained = Seq2Seq(ModelConfig(6, 6, d_e=3, d_h=4, d_s=5, d_a=2, d_r=3))
    >>> game = YouAreTheAttention.of(Translator(untrained, words, words), "a b")
    >>> game.look([0.9, 0.1, 0.0])
    >>> game.write("b")
    >>> game.tokens, len(game.weights)
    (['b'], 2)
    >>> game.look([0.9, 0.2, 0.0])
    >>> game.problem
    'the weights of step 2 sum to 1.1, expected 1: divide them by their sum'

    References
    ----------
    Bahdanau, Cho and Bengio (2015), arXiv:1409.0473, Eqs. 4-6. Taught in: decoder.
    """

    _module = "attend"

    decoder = traitlets.Dict().tag(sync=True)
    sentences = traitlets.List(traitlets.Dict()).tag(sync=True)
    chosen = traitlets.Int(0).tag(sync=True)
    written = traitlets.List(traitlets.Int()).tag(sync=True)
    weights = Numbers("m", "n")

    def __init__(
        self,
        decoder: dict[str, Any],
        sentences: Sequence[dict[str, Any]],
        chosen: int = 0,
        written: Sequence[int] = (),
        weights: ArrayLike | None = None,
        **state: object,
    ) -> None:
        if weights is None and 0 <= chosen < len(sentences):
            weights = [equal(len(sentences[chosen]["source"]))] * (len(written) + 1)
        game = {"decoder": dict(decoder), "sentences": list(sentences), "chosen": chosen}
        super().__init__(**game, written=list(written), weights=[] if weights is None else weights, **state)

    @classmethod
    def of(
        cls, translator: Translator, sentences: str | Example | Sequence[str | Example], **options: Any
    ) -> YouAreTheAttention:
        """Take the place of the attention of a small Seq2Seq; an Example brings gold links."""
        from seq2seq_edu.widgets.forced import pack, read_sentence

        several: Any = [sentences] if isinstance(sentences, (str, Example)) else sentences
        try:
            return cls(pack(translator), [read_sentence(translator, s) for s in several], **options)
        except ValueError as error:
            return cls.refusing(error, {}, [], **options)

    def check(self) -> None:
        """Raise ValueError if there is no sentence, or what was written and weighed does not fit it."""
        if not self.decoder or not self.sentences:
            raise ValueError(
                self._reason or "there is no sentence: use YouAreTheAttention.of(translator, sentence)"
            )
        if not 0 <= self.chosen < len(self.sentences):
            raise ValueError(f"chosen is {self.chosen}, expected 0 .. {len(self.sentences) - 1}")
        wrong = [k for k in self.written if not 2 <= k < len(self.decoder["words"])]
        if wrong:
            raise ValueError(f"written holds {wrong[0]}, which is not the id of a token that can be written")
        rows, n = len(self.written) + (not self.finished), len(self.source)
        if len(self.weights) != rows or len(self.weights[0]) != n:
            shape = np.shape(self.weights)
            raise ValueError(
                f"weights has shape {shape}, expected ({rows}, {n}): one row for each token on paper and one "
                "for the step that is being decided; restart() begins anew"
            )
        plots.checked_weights(self.weights, ["?"] * rows, self.source)
        for t, total in odd_rows(self.weights).items():
            raise ValueError(
                f"the weights of step {t + 1} sum to {total:.4g}, expected 1: divide them by their sum"
            )

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
    def turns(self) -> list[Turn]:
        """Return what each step gave, the one that is being decided included."""
        from seq2seq_edu.widgets.forced import forced_steps

        self.require_valid()
        return forced_steps(self.decoder, self.sentence, self.weights, self.written)

    @property
    def model_weights(self) -> np.ndarray:
        """Return what the model itself would have looked at in your place, shape of ``weights``."""
        return np.array([turn.own for turn in self.turns])

    @property
    def candidates(self) -> dict[str, float]:
        """Return the five most probable next tokens with their probabilities; none after the end."""
        if self.finished:
            return {}
        log_probs = self.turns[-1].log_probs
        best = np.argsort(-log_probs, kind="stable")[:5]
        return {self.decoder["words"][k]: float(np.exp(log_probs[k])) for k in best}

    @property
    def log_prob(self) -> float:
        """Return the natural log-probability of the tokens on paper, with your weights."""
        return float(sum(turn.log_probs[k] for turn, k in zip(self.turns, self.written, strict=False)))

    @property
    def overlaps(self) -> np.ndarray:
        """Return how far you agree with the model on each token on paper: sum_i min(yours, its), 0 .. 1."""
        done = self.turns[: len(self.written)]
        return np.array([float(np.minimum(turn.given, turn.own).sum()) for turn in done])

    @property
    def score(self) -> float:
        """Return the mean of ``overlaps``: 1 if you looked as the model would have, 0 at the other end."""
        return float(self.overlaps.mean()) if self.written else 0.0

    @property
    def gold_share(self) -> float | None:
        """Return your mean weight on gold links, over the steps that wrote the token of the reference."""
        steps = self._gold_steps()
        turns = self.turns
        return float(np.mean([turns[t].given[links].sum() for t, links in steps.items()])) if steps else None

    def _gold_steps(self) -> dict[int, list[int]]:
        """Return the linked source positions of each step that wrote the reference's token."""
        links: dict[int, list[int]] = {}
        for t, i in self.sentence["gold"]:
            if self.tokens[t : t + 1] == self.sentence["reference"][t : t + 1] != []:
                links.setdefault(t, []).append(i)
        return links

    def look(self, weights: ArrayLike) -> None:
        """Set the weights (n,) of the step that is being decided: each at least 0, with sum 1."""
        self.weights = [*self.weights[: len(self.written)], weights]

    def write(self, token: str | None = None) -> None:
        """Put a token, by default the most probable one, on paper and go on to the next step."""
        if self.finished:
            raise ValueError("the sentence has ended: undo() takes a token back, restart() begins anew")
        token = next(iter(self.candidates)) if token is None else token
        if token not in self.decoder["words"][2:]:
            raise ValueError(f"the vocabulary has no {token!r} that can be written")
        written = [*self.written, self.decoder["words"].index(token, 2)]
        ends = written[-1] == EOS or len(written) >= self.sentence["limit"]
        self._go(written, self.weights if ends else [*self.weights, equal(len(self.source))])

    def undo(self) -> None:
        """Take the last token back; the weights that led to it are there again."""
        if self.written:
            self._go(self.written[:-1], self.weights[: len(self.written)])

    def restart(self, chosen: int | None = None) -> None:
        """Begin anew, perhaps with another of the sentences."""
        chosen = self.chosen if chosen is None else chosen
        with self.hold_trait_notifications():
            self.chosen = chosen
            self._go([], [equal(len(self.source))])

    def _go(self, written: list[int], weights: list[list[float]]) -> None:
        """Change both together: between the two they would not fit."""
        with self.hold_trait_notifications():
            self.written, self.weights = written, weights

    def figure(self) -> Figure:
        """Draw your weights: as bars with the next tokens while you play, as a map at the end."""
        if self.finished:
            given = np.array([turn.given for turn in self.turns])
            ax = plots.heatmap(given, self.tokens, self.source, title="your weights")
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
                "{said}. Log-probability with your weights {yours}, of the model's own translation {own}; "
                "mean overlap with the model's weights {overlap}.",
                said=said,
                **{name: f"{round(number, 2) + 0.0:.2f}" for name, number in numbers.items()},
            )
        row = self.weights[-1]
        most = int(np.argmax(row))
        token, chance = next(iter(self.candidates.items()))
        return self.say(
            "Written so far: {said}. Step {step}: your largest weight, {weight}, is on {word}; the most "
            "probable next token is {token}, with {chance}.",
            said=said,
            step=len(self.written) + 1,
            weight=f"{row[most]:.2f}",
            word=self.source[most],
            token=token,
            chance=f"{chance:.2f}",
        )


def equal(n: int) -> list[float]:
    """Return n equal weights of sum 1, to six decimals."""
    return [round(1 / n, 6)] * n
