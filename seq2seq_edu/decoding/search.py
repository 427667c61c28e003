"""From scores to a sentence: greedy search, sampling and beam search, each for a whole batch at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from seq2seq_edu.data import BOS, EOS
from seq2seq_edu.decoding.search_tree import (
    Hypothesis,
    Node,
    check_length,
    check_search,
    next_log_probs,
    nodes,
    search,
)
from seq2seq_edu.models import EncoderDecoder, evaluating


@dataclass
class Trace:
    """What a walk of one path has collected for one sentence so far."""

    ids: list[int] = field(default_factory=list)
    log_prob: float = 0.0
    weights: list[np.ndarray] = field(default_factory=list)

    def hypothesis(self) -> Hypothesis:
        """Put it together."""
        alignment = np.stack(self.weights) if self.weights else None
        score = self.log_prob / len(self.ids)
        return Hypothesis(self.ids, self.log_prob, alignment, self.ids[-1] == EOS, score)


@torch.no_grad()
def greedy(model: EncoderDecoder, src: Tensor, src_mask: Tensor, max_length: int = 100) -> list[Hypothesis]:
    r"""Take the most probable token at every step, for a batch of sentences at once.

    .. math:: y_t = \arg\max_y p(y \mid y_{<t}, x)

    Finished sentences leave the batch. The model's own output is fed back; no gold token is seen. Tokens that
    are no text (pad, bos) are never chosen.

    Parameters
    ----------
    model : EncoderDecoder
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
    check_length(max_length)
    with evaluating(model):
        return _walk(model, src, src_mask, max_length, lambda log_probs, alive, t: log_probs.argmax(dim=-1))


@torch.no_grad()
def sample(
    model: EncoderDecoder,
    src: Tensor,
    src_mask: Tensor,
    *,
    seed: int | Sequence[int],
    temperature: float = 1.0,
    top_k: int | None = None,
    max_length: int = 100,
) -> list[Hypothesis]:
    r"""Draw every token at random, as probable as the model says, for a batch of sentences at once.

    .. math:: y_t \sim \mathrm{softmax}(\log p(y \mid y_{<t}, x) / T)

    A temperature T below 1 makes probable tokens more probable (towards 0: greedy), above 1 less so. Each
    sentence has random numbers of its own, so that its output depends on its seed alone, not on its batch.

    Parameters
    ----------
    model, src, src_mask, max_length
        As for :func:`greedy`.
    seed : int, or sequence of B ints
        One a sentence; an int s means s, s + 1, s + 2, ... down the rows.
    temperature : float
        T, above 0.
    top_k : int, optional
        Draw among the k most probable tokens only (default: all).

    Returns
    -------
    hypotheses : list of B Hypothesis
        ``log_prob`` is what the model says, whatever the temperature and top_k.

    Raises
    ------
    ValueError
        If a setting makes no sense, the seeds are not one a sentence, or a row of ``src`` is all padding.

    References
    ----------
    Ackley, Hinton and Sejnowski (1985), doi:10.1207/s15516709cog0901_7 (temperature); Fan, Lewis and Dauphin
    (2018), arXiv:1805.04833 (top k). Taught in: decoding.
    """
    check_length(max_length)
    _check_sampling(temperature, top_k, model.config.target_vocab)
    seeds = [seed + row for row in range(len(src))] if isinstance(seed, int) else list(seed)
    if len(seeds) != len(src):
        raise ValueError(f"give one number, or one seed a sentence: {len(src)} rows but {len(seeds)} seeds")
    uniform = torch.stack([_uniform(s, max_length) for s in seeds]).to(src.device) if seeds else src

    def draw(log_probs: Tensor, alive: Tensor, t: int) -> Tensor:
        return _draw(log_probs, uniform[alive, t], temperature, top_k)

    with evaluating(model):
        return _walk(model, src, src_mask, max_length, draw)


def _check_sampling(temperature: float, top_k: int | None, vocabulary: int) -> None:
    """Refuse settings that no draw can have."""
    if not 0 < temperature < math.inf:
        raise ValueError(
            f"temperature must be a number above 0 (for the limit 0 use greedy); got {temperature}"
        )
    if top_k is not None and not 1 <= top_k <= vocabulary:
        raise ValueError(f"top_k must be from 1 to the {vocabulary} tokens of the vocabulary; got {top_k}")


def _uniform(seed: int, count: int) -> Tensor:
    """Return the random numbers of one sentence, in [0, 1), one a step."""
    return torch.rand(count, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def _draw(log_probs: Tensor, uniform: Tensor, temperature: float, top_k: int | None) -> Tensor:
    """Turn one random number a row into one token a row, by the inverse of the distribution function."""
    if top_k is not None:
        values, tokens = log_probs.topk(top_k, dim=-1)
    else:
        values, tokens = log_probs, None
    best = values.max(dim=-1, keepdim=True).values  # subtracted first: nothing overflows at a tiny T
    sums = ((values - best).double() / temperature).exp().cumsum(dim=-1)  # (rows, k), not yet divided
    index = torch.searchsorted(sums, uniform.unsqueeze(1) * sums[:, -1:], right=True)
    index = index.clamp(max=values.shape[1] - 1)
    return (index if tokens is None else tokens.gather(1, index)).squeeze(1)


def _walk(
    model: EncoderDecoder,
    src: Tensor,
    src_mask: Tensor,
    max_length: int,
    choose: Callable[[Tensor, Tensor, int], Tensor],
) -> list[Hypothesis]:
    """Follow one path a sentence; ``choose`` gets log-probabilities (rows, V), the rows' sentences and t."""
    memory, state = model.encode(src, src_mask)
    lengths = src_mask.sum(dim=1).tolist()
    traces = [Trace() for _ in lengths]
    alive = torch.arange(len(lengths), device=src.device)
    y_prev = torch.full_like(alive, BOS)
    for t in range(max_length):
        step = model.step(y_prev, state, memory)
        log_probs = next_log_probs(step.logits)
        y_prev = choose(log_probs, alive, t)
        chosen = log_probs.gather(1, y_prev.unsqueeze(1)).squeeze(1)
        weights = None if step.weights is None else step.weights.cpu().numpy()
        for row, (k, token, value) in enumerate(
            zip(alive.tolist(), y_prev.tolist(), chosen.tolist(), strict=True)
        ):
            traces[k].ids.append(token)
            traces[k].log_prob += value
            if weights is not None:
                traces[k].weights.append(weights[row, : lengths[k]])
        keep = (y_prev != EOS).nonzero().squeeze(1)
        if len(keep) == 0:
            break
        state = step.state
        if len(keep) < len(alive):
            state, y_prev, memory, alive = state[keep], y_prev[keep], memory.rows(keep), alive[keep]
    return [trace.hypothesis() for trace in traces]


def beam(
    model: EncoderDecoder,
    src: Tensor,
    src_mask: Tensor,
    *,
    width: int = 5,
    length_penalty: float = 1.0,
    max_length: int = 100,
) -> list[Hypothesis]:
    r"""Search with several open hypotheses and return the best one of each sentence.

    .. math:: \mathrm{score}(y) = \frac{\log p(y \mid x)}{m^\alpha}

    m is the number of tokens, eos included, and alpha the length penalty: 0 compares sums, which favours
    short outputs, 1 compares means. A width of 1 is greedy search; a width with room for every prefix is
    exhaustive search. In between, a wider beam sees more and yet may return less: what it kept at one step
    can crowd out what would have won later. ``search_tree.search`` states when it stops.

    Parameters
    ----------
    model, src, src_mask, max_length
        As for :func:`greedy`.
    width : int
        Open hypotheses a sentence.
    length_penalty : float
        Alpha, from 0 up.

    Returns
    -------
    hypotheses : list of B Hypothesis
        In the order of the rows. One that the length limit cut (``finished`` is False) is returned only where
        no other had finished.

    Raises
    ------
    ValueError
        If a setting makes no sense or a row of ``src`` is all padding.

    References
    ----------
    Graves (2012), arXiv:1211.3711; Wu et al. (2016), arXiv:1609.08144, section 7 (length normalisation).
    Taught in: decoding.
    """
    best = _best(model, src, src_mask, width, length_penalty, max_length, wanted=1)
    return [hypotheses[0] for hypotheses in best]


def n_best(
    model: EncoderDecoder,
    src: Tensor,
    src_mask: Tensor,
    *,
    width: int = 5,
    length_penalty: float = 1.0,
    max_length: int = 100,
) -> list[list[Hypothesis]]:
    """Search as :func:`beam` does and return the best ``width`` hypotheses of each sentence.

    Parameters
    ----------
    model, src, src_mask, width, length_penalty, max_length
        As for :func:`beam`.

    Returns
    -------
    hypotheses : list of B lists of Hypothesis
        Best score first, those that the length limit cut after all others; no two have the same tokens. Fewer
        than ``width`` only where fewer exist.

    Raises
    ------
    ValueError
        As :func:`beam`.
    """
    return _best(model, src, src_mask, width, length_penalty, max_length, wanted=width)


@torch.no_grad()
def _best(
    model: EncoderDecoder,
    src: Tensor,
    src_mask: Tensor,
    width: int,
    length_penalty: float,
    max_length: int,
    wanted: int,
) -> list[list[Hypothesis]]:
    """Search and read off the ``wanted`` best of each sentence."""
    check_search(model, width, length_penalty, max_length)
    with evaluating(model):
        found = search(
            model,
            src,
            src_mask,
            width=width,
            length_penalty=length_penalty,
            max_length=max_length,
            wanted=wanted,
        )
    return found.best(wanted, src_mask.sum(dim=1).tolist())


@torch.no_grad()
def tree(
    model: EncoderDecoder,
    src_row: Tensor,
    src_mask_row: Tensor,
    *,
    width: int = 5,
    length_penalty: float = 1.0,
    max_length: int = 100,
) -> list[Node]:
    """Search as :func:`beam` does for one sentence and return every candidate that it ranked.

    Parameters
    ----------
    model, width, length_penalty, max_length
        As for :func:`beam`.
    src_row, src_mask_row : Tensors of shape (n,)
        Source ids, ending with eos, and True at real tokens.

    Returns
    -------
    nodes : list of Node
        The root first, then step by step, best first; parents come before children, and ``nodes[i].id`` is i.
        Plain numbers: ``dataclasses.asdict`` makes JSON of a node. The finished node with the highest score
        ends the hypothesis that ``beam`` returns.

    Raises
    ------
    ValueError
        As :func:`beam`, or if there is more than one sentence.
    """
    if src_row.dim() != 1 or src_row.shape != src_mask_row.shape:
        raise ValueError(
            "tree wants one sentence, ids and mask of shape (n,); got "
            f"{tuple(src_row.shape)} and {tuple(src_mask_row.shape)}"
        )
    check_search(model, width, length_penalty, max_length)
    with evaluating(model):
        found = search(
            model,
            src_row.unsqueeze(0),
            src_mask_row.unsqueeze(0),
            width=width,
            length_penalty=length_penalty,
            max_length=max_length,
            wanted=1,
        )
    return list(nodes(found, length_penalty))
