"""From scores to a sentence: greedy search in a batch, and a translator that takes and gives text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from seq2seq_edu.batching import Text, pad
from seq2seq_edu.checkpoints import Checkpoint
from seq2seq_edu.model import Seq2Seq, evaluating
from seq2seq_edu.special import BOS, EOS, PAD, UNK


@dataclass(frozen=True)
class Hypothesis:
    """One decoded sequence.

    ``ids`` are the tokens, eos included where it was reached; ``log_prob`` is the natural log-probability of
    all of them; ``alignment`` (m, n) holds the weights of each step over the source (its eos included), or is
    None without attention; ``finished`` is False where the length limit came before eos.
    """

    ids: list[int]
    log_prob: float
    alignment: np.ndarray | None
    finished: bool


@dataclass
class Trace:
    """What greedy search has collected for one sentence so far."""

    ids: list[int] = field(default_factory=list)
    log_prob: float = 0.0
    weights: list[np.ndarray] = field(default_factory=list)


@torch.no_grad()
def greedy(model: Seq2Seq, src: Tensor, src_mask: Tensor, max_length: int = 100) -> list[Hypothesis]:
    r"""Take the most probable token at every step, for a batch of sentences at once.

    .. math:: y_t = \arg\max_y p(y \mid y_{<t}, x)

    Finished sentences leave the batch. The model's own output is fed back; no gold token is seen. Tokens that
    are no text (pad, bos) are never chosen.

    Parameters
    ----------
    model : Seq2Seq
        Put in evaluation mode for the call, and back afterwards.
    src, src_mask : Tensors of shape (B, n)
        Source ids, each row ending with eos before its padding, and True at real tokens.
    max_length : int
        Most tokens of an output, eos included.

    Returns
    -------
    hypotheses : list of B Hypothesis
        In the order of the rows.

    Raises
    ------
    ValueError
        If ``max_length`` is below 1 or a row of ``src`` is all padding.

    References
    ----------
    Taught in: train_and_look.
    """
    if max_length < 1:
        raise ValueError(f"max_length must be at least 1 token; got {max_length}")
    with evaluating(model):
        traces = _search(model, src, src_mask, max_length)
    return [
        Hypothesis(t.ids, t.log_prob, np.stack(t.weights) if t.weights else None, t.ids[-1] == EOS)
        for t in traces
    ]


def _search(model: Seq2Seq, src: Tensor, src_mask: Tensor, max_length: int) -> list[Trace]:
    """Take the best token of every unfinished row, step by step."""
    memory, state = model.encode(src, src_mask)
    lengths = src_mask.sum(dim=1).tolist()
    traces = [Trace() for _ in lengths]
    alive = list(range(len(lengths)))
    y_prev = torch.full((len(alive),), BOS, device=src.device)
    for _ in range(max_length):
        step = model.step(y_prev, state, memory)
        log_probs = step.logits.float().log_softmax(dim=-1)
        log_probs[:, [PAD, BOS]] = -torch.inf
        best, y_prev = log_probs.max(dim=-1)
        for row, (k, token, value) in enumerate(zip(alive, y_prev.tolist(), best.tolist(), strict=True)):
            traces[k].ids.append(token)
            traces[k].log_prob += value
            if step.weights is not None:
                traces[k].weights.append(step.weights[row, : lengths[k]].cpu().numpy())
        keep = (y_prev != EOS).nonzero().squeeze(1)
        if len(keep) == 0:
            break
        state = step.state
        if len(keep) < len(alive):
            state, y_prev, memory = state[keep], y_prev[keep], memory.rows(keep)
            alive = [alive[row] for row in keep.tolist()]
    return traces


@dataclass(frozen=True)
class Translation:
    """A translated sentence: tokens of both sides (each with its final ``<eos>``) and the weights between.

    ``alignment`` (m, n) has one row a target token and one column a source token, or is None without
    attention; ``log_prob`` is a natural log-probability; ``finished`` is False where the length limit was
    reached; ``unknown`` lists source tokens that the model has never seen.
    """

    source_tokens: list[str]
    target_tokens: list[str]
    text: str
    alignment: np.ndarray | None
    log_prob: float
    finished: bool
    unknown: list[str]


class Translator:
    """Translate text with a model and its vocabularies.

    Parameters
    ----------
    model : Seq2Seq
        A trained model.
    source_text, target_text : Text
        What turns text into ids and back, on either side.

    References
    ----------
    Taught in: real_translation.
    """

    def __init__(self, model: Seq2Seq, source_text: Text, target_text: Text) -> None:
        self.model, self.source_text, self.target_text = model, source_text, target_text

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> Translator:
        """Make a translator of a loaded checkpoint."""
        return cls(checkpoint.model, checkpoint.source_text, checkpoint.target_text)

    def translate(
        self, sentences: Sequence[str], *, batch_size: int = 64, max_source: int = 200, max_length: int = 100
    ) -> list[Translation]:
        """Translate sentences, in batches of similar length.

        Parameters
        ----------
        sentences : sequence of str
            One sentence each.
        batch_size : int
            Sentences decoded together; changes no result.
        max_source : int
            Most source tokens that are accepted.
        max_length : int
            Most target tokens.

        Returns
        -------
        translations : list of Translation
            In the order of ``sentences``.

        Raises
        ------
        ValueError
            If a sentence is empty, too long, or has no token that the model knows; the message says which.
        """
        sources = [self.check(k, s, max_source) for k, s in enumerate(sentences)]
        order = sorted(range(len(sources)), key=lambda k: len(sources[k]))
        device = next(self.model.parameters()).device
        done: dict[int, Translation] = {}
        for start in range(0, len(order), batch_size):
            part = order[start : start + batch_size]
            src = pad([sources[k] for k in part]).to(device)
            for k, hypothesis in zip(part, greedy(self.model, src, src != PAD, max_length), strict=True):
                done[k] = self.explain(sentences[k], sources[k], hypothesis)
        return [done[k] for k in range(len(sources))]

    def check(self, number: int, sentence: str, max_source: int) -> list[int]:
        """Return the ids of a sentence, eos included, or say what is wrong with it."""
        ids = self.source_text.encode(sentence)
        shown = sentence if len(sentence) <= 40 else sentence[:40] + "..."
        if not ids:
            raise ValueError(f"sentence {number + 1} is empty: give at least one word")
        if not any(i != UNK and self.source_text.decode([i]).strip() for i in ids):  # a blank is no word
            raise ValueError(
                f"sentence {number + 1} ({shown!r}) has only words that the model has never seen: "
                "is it in the source language?"
            )
        if len(ids) > max_source:
            raise ValueError(
                f"sentence {number + 1} ({shown!r}) has {len(ids)} tokens, more than the limit of "
                f"{max_source}: split it into sentences"
            )
        return [*ids, EOS]

    def explain(self, sentence: str, source: list[int], hypothesis: Hypothesis) -> Translation:
        """Put a hypothesis into words."""
        unknown = self.source_text.tokens([i for i in source if i == UNK])
        return Translation(
            self.source_text.tokens(source),
            self.target_text.tokens(hypothesis.ids),
            self.target_text.decode(hypothesis.ids),
            hypothesis.alignment,
            hypothesis.log_prob,
            hypothesis.finished,
            unknown,
        )
