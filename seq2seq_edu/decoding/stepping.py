"""One step after the other: the loop that greedy search, sampling, beam search, widgets and bench share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from seq2seq_edu.data import BOS, EOS, PAD, IdPair, make_batch
from seq2seq_edu.models import EncoderDecoder, Memory, Step, evaluating, exact


@dataclass
class DecodingStep:
    """Step t of a batch: what goes in (``y_prev``, ``state``, ``memory``), what comes out, who goes on.

    Row r belongs to sentence ``sentences[r]``; ``log_probs`` (R, V) are those of its next token.
    """

    t: int
    sentences: Tensor
    y_prev: Tensor
    state: Tensor
    memory: Memory
    out: Step
    log_probs: Tensor
    tokens: Tensor | None = None
    rows: Tensor | None = None

    def write(self, tokens: Tensor, rows: Tensor | None = None) -> None:
        """Write one token a row, or one for each of ``rows`` (any order, repeats allowed); eos ends a row."""
        going = (tokens != EOS).nonzero().squeeze(1)
        self.tokens = tokens[going]
        if rows is not None:
            self.rows = rows[going]
        elif len(going) < len(tokens):
            self.rows = going  # else None: everyone stays where it is, and nothing is copied


def encode(model: EncoderDecoder, src: Tensor, src_mask: Tensor) -> tuple[Memory, Tensor]:
    """Read the sources of a search; refuse a row that is all padding: a Transformer would make nan of it."""
    empty = (~src_mask.any(dim=1)).nonzero()
    if len(empty):
        raise ValueError(f"row {int(empty[0])} of the source has no real token: drop empty sentences")
    return model.encode(src, src_mask)


def steps(model: EncoderDecoder, memory: Memory, state: Tensor, max_length: int) -> Iterator[DecodingStep]:
    """Decode a batch from what :func:`encode` gives: yield each step, to be told what to ``write``."""
    sentences = torch.arange(len(state), device=state.device)
    y_prev = torch.full_like(sentences, BOS)
    for t in range(max_length):
        out = model.step(y_prev, state, memory)
        step = DecodingStep(t, sentences, y_prev, state, memory, out, next_log_probs(out.logits))
        yield step
        if step.tokens is None or len(step.tokens) == 0:
            return
        y_prev, state, rows = step.tokens, out.state, step.rows
        if rows is not None:
            state = state[rows]
            if not torch.equal(sentences[rows], sentences):  # else every row looks at what it looked at
                memory, sentences = memory.rows(rows), sentences[rows]


def next_log_probs(logits: Tensor) -> Tensor:
    """Return the natural log-probabilities of the next token; pad and bos, which are no text, have none."""
    log_probs = exact(logits).log_softmax(dim=-1)
    log_probs[:, [PAD, BOS]] = -torch.inf
    return log_probs


@torch.no_grad()
def forced_maps(model: EncoderDecoder, pairs: Sequence[IdPair]) -> tuple[list[np.ndarray], list[list[int]]]:
    """Feed the gold target (teacher forcing) and look where each step looks.

    Parameters
    ----------
    model : EncoderDecoder. With attention, or it is a ValueError; put in evaluation mode for the call.
    pairs : sequence of (source ids, target ids). Without bos and eos.

    Returns
    -------
    maps : list of arrays of shape (m, n)
        In the order of ``pairs``: one row a target token, one column a source token, eos of either included.
    ids : list of lists of m ints. The most probable token of every step.
    """
    batch = make_batch(pairs).to(next(model.parameters()).device)
    with evaluating(model):
        logits, alignment = model(batch.src, batch.src_mask, batch.tgt_in)
    if alignment is None:
        raise ValueError("this model has no attention, so it has no maps: take one with attention")
    best = next_log_probs(logits.flatten(0, 1)).argmax(dim=1).view_as(batch.tgt_in)
    maps: list[np.ndarray] = [np.empty(0)] * len(pairs)
    ids: list[list[int]] = [[]] * len(pairs)
    for row, k in enumerate(batch.index):
        m, n = batch.tgt_lengths[row], batch.src_lengths[row]
        maps[k], ids[k] = alignment[row, :m, :n].cpu().numpy(), best[row, :m].tolist()
    return maps, ids
