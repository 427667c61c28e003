"""Beam search as a tree: a level holds the open hypotheses of a batch, one a row; a path leads to each."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from seq2seq_edu.data import BOS, EOS
from seq2seq_edu.decoding.stepping import encode, steps
from seq2seq_edu.models import EncoderDecoder, evaluating

ROOMY = 1024  # a width that any vocabulary allows, so that a tiny one can be searched exhaustively


@dataclass(frozen=True)
class Hypothesis:
    """One decoded sequence.

    ``ids`` are the tokens, eos included where it was reached; ``log_prob`` is the natural log-probability of
    all of them; ``alignment`` (m, n) holds the weights of each step over the source (its eos included), or is
    None without attention; ``finished`` is False where the length limit came before eos; ``score`` is what
    beam search ranks by, ``log_prob / m**length_penalty`` (greedy search and sampling: a penalty of 1).
    """

    ids: list[int]
    log_prob: float
    alignment: np.ndarray | None
    finished: bool
    score: float


@dataclass(frozen=True)
class Node:
    """One token that a search has looked at, in a tree.

    ``id`` counts from 0, the root (bos), which has no ``parent``; ``step`` is the depth; ``log_prob`` belongs
    to the whole path from the root and ``score`` is ``log_prob / step**length_penalty`` (root: 0). ``status``
    is "kept" (searched on, if the search went on), "finished" (eos, among the best) or "pruned".
    """

    id: int
    parent: int | None
    step: int
    token: int
    log_prob: float
    score: float
    status: str


class Candidates(NamedTuple):
    """The best continuations of each sentence, best first: ``log_probs``, ``rows``, ``tokens`` (b, c).

    ``rows`` says which row of the level is continued; ``kept`` (b, k) and ``finished`` (N pairs) point at the
    columns that are searched on and at the (sentence, column) pairs that end here.
    """

    log_probs: Tensor
    rows: Tensor
    tokens: Tensor
    kept: Tensor
    finished: list[list[int]]


class Level(NamedTuple):
    """All open hypotheses of one step: their last tokens, the weights they led to, how they may go on."""

    tokens: list[int]
    weights: np.ndarray | None
    candidates: Candidates


@dataclass
class Search:
    """What a beam search of a batch has found: hypotheses of each sentence, and all levels of the tree."""

    lengths: list[int]  # real tokens of each source
    length_penalty: float
    hypotheses: list[list[Hypothesis]]
    levels: list[Level] = field(default_factory=list)

    def collect(self, sentences: list[int], path: Tensor, cut: bool) -> None:
        """Note the hypotheses that end at the last level: with eos, or cut by the length limit."""
        t, c = len(self.levels), self.levels[-1].candidates
        ends = [(True, g, j) for g, j in c.finished]
        if cut:
            ends += [(False, g, j) for g, columns in enumerate(c.kept.tolist()) for j in columns]
        rows, tokens, log_probs = c.rows.tolist(), c.tokens.tolist(), c.log_probs.tolist()
        for finished, g, j in ends:
            k, log_prob = sentences[g], log_probs[g][j]
            way = list(zip(self.levels, path[rows[g][j]].tolist(), strict=True))
            ids = [level.tokens[row] for level, row in way[1:]]  # without bos
            maps = [level.weights[row, : self.lengths[k]] for level, row in way if level.weights is not None]
            score = log_prob / t**self.length_penalty
            alignment = np.stack(maps) if maps else None
            self.hypotheses[k].append(Hypothesis([*ids, tokens[g][j]], log_prob, alignment, finished, score))

    def best(self, count: int) -> list[list[Hypothesis]]:
        """Return the best hypotheses of each sentence, cut ones last; of equal ones the first found."""
        ranked = [sorted(found, key=lambda h: (not h.finished, -h.score)) for found in self.hypotheses]
        return [hypotheses[:count] for hypotheses in ranked]


def check_search(model: EncoderDecoder, width: int, length_penalty: float, max_length: int) -> None:
    """Refuse settings that no search can have: ValueError, which says what would do."""
    most = max(model.config.target_vocab, ROOMY)
    if not 1 <= width <= most:
        raise ValueError(
            f"the beam must have a width from 1 (greedy) to {most} hypotheses (the vocabulary); got {width}"
        )
    if not 0 <= length_penalty < math.inf:
        expected = "a number from 0 (compare sums) up, 1 compares means"
        raise ValueError(f"length_penalty must be {expected}; got {length_penalty}")
    check_length(max_length)


def check_length(max_length: int) -> None:
    """Refuse an output of no tokens."""
    if max_length < 1:
        raise ValueError(f"max_length must be at least 1 token; got {max_length}")


@torch.no_grad()
def search(
    model: EncoderDecoder, src: Tensor, src_mask: Tensor, width: int, length_penalty: float, max_length: int
) -> Search:
    """Search a batch breadth first, keeping ``width`` open hypotheses a sentence; settings are not checked.

    Of all continuations of the open hypotheses the best ``width`` count. Those that are eos have finished and
    leave; the best ``width`` others stay open, so one that ended takes nobody's place. A sentence is done
    when ``width`` have finished, or at ``max_length``; one that is cut there ranks after all finished.
    """
    found = Search(src_mask.sum(dim=1).tolist(), length_penalty, [[] for _ in src])
    alive = list(range(len(src)))  # the sentence of each group of rows
    path = torch.arange(len(src), device=src.device).unsqueeze(1)  # (rows, levels so far)
    log_probs = torch.zeros(len(src), 1, dtype=torch.float64, device=src.device)  # one root a sentence
    with evaluating(model):
        for step in steps(model, *encode(model, src, src_mask), max_length):
            c = best_continuations(step.log_probs, log_probs, width)
            weights = None if step.out.weights is None else step.out.weights.cpu().numpy()
            found.levels.append(Level(step.y_prev.tolist(), weights, c))
            found.collect(alive, path, cut=step.t + 1 == max_length)
            stay = [g for g, k in enumerate(alive) if len(found.hypotheses[k]) < width]
            alive, kept = [alive[g] for g in stay], c.kept[stay]
            log_probs = c.log_probs[stay].gather(1, kept)
            above = c.rows[stay].gather(1, kept).flatten()
            path = torch.cat([path[above], torch.arange(len(above), device=src.device).unsqueeze(1)], dim=1)
            step.write(c.tokens[stay].gather(1, kept).flatten(), above)
    return found


def best_continuations(next_log_probs: Tensor, log_probs: Tensor, width: int) -> Candidates:
    r"""Rank all continuations of each sentence's open hypotheses; keep the best 2 ``width`` of them.

    .. math:: \log p(y_{\le t} \mid x) = \log p(y_{<t} \mid x) + \log p(y_t \mid y_{<t}, x)

    All have t tokens, so dividing by a power of t would change no order. ``next_log_probs`` (b k, V) has k
    rows a sentence, ``log_probs`` (b, k) what they add to. At most half of the best are eos, so that enough
    others are left.

    >>> scores = torch.tensor([[-torch.inf, -torch.inf, -0.5, -3.0, -1.0]])
    >>> c = best_continuations(scores, torch.zeros(1, 1, dtype=torch.float64), width=1)
    >>> c.tokens.tolist(), c.kept.tolist(), c.finished
    ([[2, 4]], [[1]], [[0, 0]])
    """
    b, k = log_probs.shape
    choices = next_log_probs.shape[1] - 2  # all but pad and bos
    values, tokens = next_log_probs.topk(min(2 * width, choices), dim=-1)  # of each hypothesis, then of all
    totals = (log_probs.unsqueeze(2) + values.view(b, k, -1)).flatten(start_dim=1)
    totals, index = totals.topk(min(2 * width, totals.shape[1]), dim=-1)
    tokens = tokens.view(b, -1).gather(1, index)
    rows = index // values.shape[1] + k * torch.arange(b, device=index.device).unsqueeze(1)
    ended = tokens == EOS
    others = ended.byte().argsort(dim=1, stable=True)  # first what is not eos, each part in order of rank
    kept = others[:, : min(width, k * (choices - 1))]
    return Candidates(totals, rows, tokens, kept, ended[:, :width].nonzero().tolist())


def nodes(found: Search) -> list[Node]:
    """Return the tree of a search of one sentence, level by level, best first; parents before children."""
    made = [Node(0, None, 0, BOS, 0.0, 0.0, "kept")]
    parents = [0]
    for t, level in enumerate(found.levels, start=1):
        c, count = level.candidates, len(made)
        kept, finished = c.kept[0].tolist(), [j for _, j in c.finished]
        status = {**dict.fromkeys(kept, "kept"), **dict.fromkeys(finished, "finished")}
        columns = zip(c.rows[0].tolist(), c.tokens[0].tolist(), c.log_probs[0].tolist(), strict=True)
        for j, (row, token, log_prob) in enumerate(columns):
            score = log_prob / t**found.length_penalty
            made.append(Node(count + j, parents[row], t, token, log_prob, score, status.get(j, "pruned")))
        parents = [count + j for j in kept]
    return made
