"""Beam search as a tree: a level holds the hypotheses that are still open, with pointers to the level above.

Nothing is copied from level to level but the decoder's state; a sentence is read off at the end, from its
last token up to the root.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from seq2seq_edu.data import BOS, EOS, PAD
from seq2seq_edu.models import EncoderDecoder, exact

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


@dataclass(frozen=True)
class Candidates:
    """The best continuations of each sentence: ``log_probs``, ``rows``, ``tokens`` (b, c), best first.

    ``rows`` says which row of the level is continued; ``kept`` (b, k) and ``finished`` (N, 2) point at the
    columns that are searched on and at the (sentence, column) pairs that end here.
    """

    log_probs: Tensor
    rows: Tensor
    tokens: Tensor
    kept: Tensor
    finished: list[list[int]]


@dataclass(frozen=True)
class Level:
    """All open hypotheses of one step: their last token, the row above it, the weights it led to."""

    tokens: Tensor
    above: Tensor
    weights: Tensor | None
    candidates: Candidates


@dataclass(frozen=True, order=True)
class End:
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

    levels: list[Level] = field(default_factory=list)
    ends: list[list[End]] = field(default_factory=list)

    def best(self, count: int, lengths: Sequence[int]) -> list[list[Hypothesis]]:
        """Read off the best hypotheses of each sentence; ``lengths`` are its source tokens."""
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
            [read(end, n) for end in sorted(ends)[:count]] for ends, n in zip(self.ends, lengths, strict=True)
        ]


def check_search(model: EncoderDecoder, width: int, length_penalty: float, max_length: int) -> None:
    """Refuse settings that no search can have.

    Parameters
    ----------
    model, width, length_penalty, max_length
        As for :func:`search`.

    Raises
    ------
    ValueError
        If one of them makes no sense; the message says what would.
    """
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
    """Refuse an output of no tokens.

    Parameters
    ----------
    max_length : int
        Most tokens of an output.

    Raises
    ------
    ValueError
        If it is below 1.
    """
    if max_length < 1:
        raise ValueError(f"max_length must be at least 1 token; got {max_length}")


def search(
    model: EncoderDecoder,
    src: Tensor,
    src_mask: Tensor,
    *,
    width: int,
    length_penalty: float,
    max_length: int,
    wanted: int,
) -> Search:
    r"""Search a batch breadth first, keeping ``width`` open hypotheses a sentence.

    Of all continuations of the open hypotheses the best ``width`` count. Those that are eos have finished and
    leave; the best ``width`` others stay open, so one that ended takes nobody's place. A sentence is done

    - when ``width`` hypotheses have finished, or
    - when no open one can still be among its ``wanted`` best: however it goes on, its score stays below
      log_prob / max_length**length_penalty, since log-probabilities only fall, or
    - at ``max_length``, where the open ones are cut; a cut one ranks after all finished ones.

    The second rule changes no answer, it only saves time; with a penalty near 1 it hardly ever applies.

    Parameters
    ----------
    model : EncoderDecoder
        In evaluation mode.
    src, src_mask : Tensors of shape (B, n)
        Source ids and True at real tokens.
    width, length_penalty, max_length
        As for :func:`seq2seq_edu.decoding.beam`.
    wanted : int
        Hypotheses asked for, a sentence.

    Returns
    -------
    search : Search
        The levels of the tree and where hypotheses end.

    References
    ----------
    Graves (2012), arXiv:1211.3711; Wu et al. (2016), arXiv:1609.08144, section 7. Taught in: decoding.
    """
    memory, state = model.encode(src, src_mask)
    found = Search(ends=[[] for _ in range(len(src))])
    alive = list(range(len(src)))  # the sentence of each group of rows
    above = torch.arange(len(src), device=src.device)
    tokens = torch.full_like(above, BOS)
    log_probs = torch.zeros(len(src), 1, dtype=torch.float64, device=src.device)  # one root a sentence
    for t in range(max_length):
        step = model.step(tokens, state, memory)
        candidates = best_continuations(step.logits, log_probs, width)
        found.levels.append(Level(tokens, above, step.weights, candidates))
        _collect(found, alive, length_penalty, cut=t + 1 == max_length)
        best_open = candidates.log_probs.gather(1, candidates.kept)
        bounds = (best_open[:, 0] / max_length**length_penalty).tolist()
        stay = [g for g, k in enumerate(alive) if not _done(found.ends[k], width, wanted, bounds[g])]
        if not stay or t + 1 == max_length:
            break
        kept = candidates.kept[stay]
        groups, k = torch.tensor(stay, device=src.device), log_probs.shape[1]
        above = candidates.rows[groups].gather(1, kept).flatten()
        tokens = candidates.tokens[groups].gather(1, kept).flatten()
        log_probs = best_open[groups]
        state = step.state[above]
        if len(stay) < len(alive) or log_probs.shape[1] != k:  # else every row looks at what it looked at
            memory = memory.rows((groups * k).repeat_interleave(log_probs.shape[1]))
        alive = [alive[g] for g in stay]
    return found


def next_log_probs(logits: Tensor) -> Tensor:
    r"""Return the log-probabilities of the next token; pad and bos, which are no text, are never chosen.

    .. math:: \log p(y_t \mid y_{<t}, x) = \mathrm{logits}_y - \log \sum_{y'} \exp(\mathrm{logits}_{y'})

    Parameters
    ----------
    logits : Tensor of shape (B, V)
        Next-token scores.

    Returns
    -------
    log_probs : Tensor of shape (B, V)
        Natural logarithms, in float32 at least; minus infinity for pad and bos. The others are as the model
        has them: what pad and bos had is not handed out.

    Examples
    --------
    >>> next_log_probs(torch.zeros(1, 5)).exp().round(decimals=1).tolist()
    [[0.0, 0.0, 0.20000000298023224, 0.20000000298023224, 0.20000000298023224]]
    """
    log_probs = exact(logits).log_softmax(dim=-1)
    log_probs[:, [PAD, BOS]] = -torch.inf
    return log_probs


def best_continuations(logits: Tensor, log_probs: Tensor, width: int) -> Candidates:
    r"""Rank all continuations of each sentence's open hypotheses.

    .. math:: \log p(y_{\le t} \mid x) = \log p(y_{<t} \mid x) + \log p(y_t \mid y_{<t}, x)

    All of them have t tokens, so that dividing by a power of t would change no order.

    Parameters
    ----------
    logits : Tensor of shape (b k, V)
        Next-token scores, k rows a sentence.
    log_probs : float64 Tensor of shape (b, k)
        Natural log-probabilities of the open hypotheses.
    width : int
        Open hypotheses to keep, a sentence.

    Returns
    -------
    candidates : Candidates
        The best 2 ``width``: at most half of them are eos, so enough others are left.

    Examples
    --------
    >>> c = best_continuations(torch.tensor([[9.0, 9.0, 2.0, 1.0, 3.0]]), torch.zeros(1, 1), width=1)
    >>> c.tokens.tolist(), c.kept.tolist(), c.finished
    ([[4, 2]], [[0]], [])
    """
    b, k = log_probs.shape
    step = next_log_probs(logits)
    choices = step.shape[1] - 2  # all but pad and bos
    values, tokens = step.topk(min(2 * width, choices), dim=-1)  # of each hypothesis, then of each sentence
    totals = (log_probs.unsqueeze(2) + values.view(b, k, -1)).flatten(start_dim=1)
    totals, index = totals.topk(min(2 * width, totals.shape[1]), dim=-1)
    tokens = tokens.view(b, -1).gather(1, index)
    rows = index // values.shape[1] + k * torch.arange(b, device=index.device).unsqueeze(1)
    ended = tokens == EOS
    others = ended.byte().argsort(dim=1, stable=True)  # first what is not eos, each part in order of rank
    kept = others[:, : min(width, k * (choices - 1))]
    return Candidates(totals, rows, tokens, kept, ended[:, :width].nonzero().tolist())


def _collect(found: Search, alive: Sequence[int], length_penalty: float, cut: bool) -> None:
    """Note the hypotheses that end at the last level: with eos, or cut by the length limit."""
    t, c = len(found.levels), found.levels[-1].candidates
    ends = [(g, j, False) for g, j in c.finished]
    if cut:
        ends += [(g, j, True) for g, row in enumerate(c.kept.tolist()) for j in row]
    if not ends:
        return
    picked = torch.tensor([[g, j] for g, j, _ in ends], device=c.rows.device).unbind(dim=1)
    for (g, _, is_cut), row, token, log_prob in zip(
        ends, c.rows[picked].tolist(), c.tokens[picked].tolist(), c.log_probs[picked].tolist(), strict=True
    ):
        cost = -log_prob / t**length_penalty
        found.ends[alive[g]].append(End(is_cut, cost, t - 1, row, token, log_prob))


def _done(ends: Sequence[End], width: int, wanted: int, bound: float) -> bool:
    """Tell whether a sentence needs no more steps; ``bound`` is more than any open hypothesis can reach."""
    if len(ends) >= width:
        return True
    return len(ends) >= wanted and -sorted(ends)[wanted - 1].cost >= bound


def nodes(found: Search, length_penalty: float) -> Iterator[Node]:
    """Walk the tree of a search of one sentence, level by level, best first.

    Parameters
    ----------
    found : Search
        From :func:`search`, with B = 1.
    length_penalty : float
        What the search ranked by.

    Yields
    ------
    node : Node
        Parents come before their children.
    """
    yield Node(0, None, 0, BOS, 0.0, 0.0, "kept")
    parents, count = [0], 1
    for t, level in enumerate(found.levels, start=1):
        c = level.candidates
        kept, finished = c.kept[0].tolist(), [j for _, j in c.finished]
        status = {**dict.fromkeys(kept, "kept"), **dict.fromkeys(finished, "finished")}
        columns = zip(c.rows[0].tolist(), c.tokens[0].tolist(), c.log_probs[0].tolist(), strict=True)
        for j, (row, token, log_prob) in enumerate(columns):
            score = log_prob / t**length_penalty
            yield Node(count + j, parents[row], t, token, log_prob, score, status.get(j, "pruned"))
        parents, count = [count + j for j in kept], count + c.rows.shape[1]
