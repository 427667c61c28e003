"""Beam search as a tree: a level holds the hypotheses that are still open, with pointers to the level above.

Nothing is copied from level to level but the decoder's state; a sentence is read off at the end, from its
last token up to the root.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from seq2seq_edu.data import BOS, EOS
from seq2seq_edu.decoding.stepping import steps
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
    """The best continuations of each sentence: ``log_probs``, ``rows``, ``tokens`` (b, c), best first.

    ``rows`` says which row of the level is continued; ``kept`` (b, k) and ``finished`` (N pairs) point at the
    columns that are searched on and at the (sentence, column) pairs that end here.
    """

    log_probs: Tensor
    rows: Tensor
    tokens: Tensor
    kept: Tensor
    finished: list[list[int]]


class Level(NamedTuple):
    """All open hypotheses of one step: their last token, the row above it, the weights it led to."""

    tokens: Tensor
    above: Tensor
    weights: Tensor | None
    candidates: Candidates


class End(NamedTuple):
    """Where a hypothesis stops: after ``token`` follows row ``row`` of level ``level``; smaller is better."""

    cut: bool
    cost: float  # minus the score
    level: int
    row: int
    token: int
    log_prob: float


@dataclass
class Search:
    """What a beam search of a batch has found: all ``levels``, and the ``ends`` of each sentence."""

    lengths: list[int]  # real tokens of each source
    length_penalty: float
    ends: list[list[End]]
    levels: list[Level] = field(default_factory=list)

    def collect(self, sentences: list[int], cut: bool) -> None:
        """Note the hypotheses that end at the last level: with eos, or cut by the length limit."""
        t, c = len(self.levels), self.levels[-1].candidates
        ends = [(g, j, False) for g, j in c.finished]
        if cut:
            ends += [(g, j, True) for g, row in enumerate(c.kept.tolist()) for j in row]
        if not ends:
            return
        picked = [g for g, _, _ in ends], [j for _, j, _ in ends]
        columns = (column[picked].tolist() for column in (c.rows, c.tokens, c.log_probs))
        for (g, _, is_cut), row, token, log_prob in zip(ends, *columns, strict=True):
            cost = -log_prob / t**self.length_penalty
            self.ends[sentences[g]].append(End(is_cut, cost, t - 1, row, token, log_prob))

    def best(self, count: int) -> list[list[Hypothesis]]:
        """Read off the best hypotheses of each sentence."""
        above = [level.above.cpu().numpy() for level in self.levels]
        tokens = [level.tokens.cpu().numpy() for level in self.levels]
        weights = [None if x.weights is None else x.weights.cpu().numpy() for x in self.levels]

        def read(end: End, n: int) -> Hypothesis:
            ids, maps, row = [end.token], [], end.row
            for t in range(end.level, -1, -1):
                ids.append(int(tokens[t][row]))
                map_t = weights[t]
                if map_t is not None:
                    maps.append(map_t[row, :n])
                row = above[t][row]
            alignment = np.stack(maps[::-1]) if maps else None
            return Hypothesis(ids[-2::-1], end.log_prob, alignment, not end.cut, -end.cost)  # without bos

        return [
            [read(end, n) for end in sorted(ends)[:count]]
            for ends, n in zip(self.ends, self.lengths, strict=True)
        ]


def check_search(model: EncoderDecoder, width: int, length_penalty: float, max_length: int) -> None:
    """Refuse settings that no search can have: ValueError, which says what would do."""
    most = max(model.config.target_vocab, ROOMY)
    if not 1 <= width <= most:
        raise ValueError(
            f"the beam must have a width from 1 (greedy) to {most} hypotheses (the vocabulary); got {width}"
        )
    if not 0 <= length_penalty < math.inf:
        raise ValueError(
            "length_penalty must be a number from 0 (compare sums) up, 1 compares means; got "
            f"{length_penalty}"
        )
    check_length(max_length)


def check_length(max_length: int) -> None:
    """Refuse an output of no tokens."""
    if max_length < 1:
        raise ValueError(f"max_length must be at least 1 token; got {max_length}")


@torch.no_grad()
def search(
    model: EncoderDecoder,
    src: Tensor,
    src_mask: Tensor,
    width: int,
    length_penalty: float,
    max_length: int,
    wanted: int = 1,
) -> Search:
    r"""Search a batch breadth first, keeping ``width`` open hypotheses a sentence; settings are not checked.

    Of all continuations of the open hypotheses the best ``width`` count. Those that are eos have finished and
    leave; the best ``width`` others stay open, so one that ended takes nobody's place. A sentence is done

    - when ``width`` hypotheses have finished, or
    - when no open one can still be among its ``wanted`` best: however it goes on, its score stays below
      log_prob / max_length**length_penalty, since log-probabilities only fall, or
    - at ``max_length``, where the open ones are cut; a cut one ranks after all finished ones.

    The second rule changes no answer, it only saves time; with a penalty near 1 it hardly ever applies.
    """
    found = Search(src_mask.sum(dim=1).tolist(), length_penalty, [[] for _ in src])
    alive = list(range(len(src)))  # the sentence of each group of rows
    above = torch.arange(len(src), device=src.device)
    log_probs = torch.zeros(len(src), 1, dtype=torch.float64, device=src.device)  # one root a sentence
    with evaluating(model):
        for step in steps(model, *model.encode(src, src_mask), max_length):
            c = best_continuations(step.log_probs, log_probs, width)
            found.levels.append(Level(step.y_prev, above, step.out.weights, c))
            found.collect(alive, cut=step.t + 1 == max_length)
            best_open = c.log_probs.gather(1, c.kept)
            bounds = (best_open[:, 0] / max_length**length_penalty).tolist()
            stay = [g for g, k in enumerate(alive) if not _done(found.ends[k], width, wanted, bounds[g])]
            if not stay:
                break
            kept, log_probs, alive = c.kept[stay], best_open[stay], [alive[g] for g in stay]
            above = c.rows[stay].gather(1, kept).flatten()
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


def _done(ends: list[End], width: int, wanted: int, bound: float) -> bool:
    """Tell whether a sentence needs no more steps; ``bound`` is more than any open hypothesis can reach."""
    if len(ends) >= width:
        return True
    return len(ends) >= wanted and -sorted(ends)[wanted - 1].cost >= bound


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
