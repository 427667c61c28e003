"""From scores to a sentence: greedy search, sampling and beam search, each for a whole batch at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from seq2seq_edu.data import EOS
from seq2seq_edu.decoding.search_tree import Hypothesis, Node, check_length, check_search, nodes, search
from seq2seq_edu.decoding.stepping import DecodingStep, encode, steps
from seq2seq_edu.models import EncoderDecoder, evaluating

Choice = Callable[[DecodingStep], Tensor]  # what gives the token of each row


@torch.no_grad()
def greedy(model: EncoderDecoder, src: Tensor, src_mask: Tensor, max_length: int = 100) -> list[Hypothesis]:
    r"""Take the most probable token at every step, for a batch of sentences at once.

    .. math:: y_t = \arg\max_y p(y \mid y_{<t}, x)

    Finished sentences leave the batch. The model's own output is fed back; no gold token is seen. Tokens that
    are no text (pad, bos) are never chosen.

    Parameters
    ----------
    model : EncoderDecoder. Put in evaluation mode for the call, and back afterwards.
    src, src_mask : Tensors of shape (B, n). Source ids, eos before the padding, and True at real tokens.
    max_length : int. Most tokens of an output, eos included.

    Returns
    -------
    hypotheses : list of B Hypothesis. In the order of the rows; ValueError if one is all padding.
    """
    check_length(max_length)
    return _one_path(model, src, src_mask, max_length, lambda step: step.log_probs.argmax(dim=-1))


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

    Ackley et al. (1985), doi:10.1207/s15516709cog0901_7; Fan et al. (2018), arXiv:1805.04833 (top k).

    Parameters
    ----------
    model, src, src_mask, max_length : as for :func:`greedy`
    seed : int, or sequence of B ints. One a sentence; an int s means s, s + 1, s + 2, ... down the rows.
    temperature : float. T, above 0.
    top_k : int. Draw among the k most probable tokens only (default: all).

    Returns
    -------
    hypotheses : list of B Hypothesis. ``log_prob`` is the model's, whatever the temperature and top_k.
    """
    check_length(max_length)
    if not 0 < temperature < math.inf:
        expected = "a number above 0 (for the limit 0 use greedy)"
        raise ValueError(f"temperature must be {expected}; got {temperature}")
    if top_k is not None and not 1 <= top_k <= model.config.target_vocab:
        vocabulary = f"the {model.config.target_vocab} tokens of the vocabulary"
        raise ValueError(f"top_k must be from 1 to {vocabulary}; got {top_k}")
    seeds = [seed + row for row in range(len(src))] if isinstance(seed, int) else list(seed)
    if len(seeds) != len(src):
        raise ValueError(f"give one number, or one seed a sentence: {len(src)} rows but {len(seeds)} seeds")
    generators = [torch.Generator().manual_seed(s) for s in seeds]
    rows = [torch.rand(max_length, dtype=torch.float64, generator=g) for g in generators]
    uniform = torch.stack(rows).to(src.device)

    def draw(step: DecodingStep) -> Tensor:
        return _draw(step.log_probs, uniform[step.sentences, step.t], temperature, top_k)

    return _one_path(model, src, src_mask, max_length, draw)


def _draw(log_probs: Tensor, uniform: Tensor, temperature: float, top_k: int | None) -> Tensor:
    """Turn one random number a row into one token a row, by the inverse of the distribution function."""
    values, tokens = (log_probs, None) if top_k is None else log_probs.topk(top_k, dim=-1)
    best = values.max(dim=-1, keepdim=True).values  # subtracted first: nothing overflows at a tiny T
    sums = ((values - best).double() / temperature).exp().cumsum(dim=-1)  # (rows, k), not yet divided
    index = torch.searchsorted(sums, uniform.unsqueeze(1) * sums[:, -1:], right=True)
    index = index.clamp(max=values.shape[1] - 1)
    return (index if tokens is None else tokens.gather(1, index)).squeeze(1)


def _one_path(
    model: EncoderDecoder, src: Tensor, src_mask: Tensor, max_length: int, choose: Choice
) -> list[Hypothesis]:
    """Follow one path a sentence; ``choose`` gives the token of each row."""
    lengths = src_mask.sum(dim=1).tolist()
    ids: list[list[int]] = [[] for _ in lengths]
    maps: list[list[np.ndarray]] = [[] for _ in lengths]
    totals = [0.0] * len(lengths)
    with evaluating(model):
        for step in steps(model, *encode(model, src, src_mask), max_length):
            tokens = choose(step)
            step.write(tokens)
            chosen = step.log_probs.gather(1, tokens.unsqueeze(1)).squeeze(1)
            weights = None if step.out.weights is None else step.out.weights.cpu().numpy()
            rows = zip(step.sentences.tolist(), tokens.tolist(), chosen.tolist(), strict=True)
            for row, (k, token, log_prob) in enumerate(rows):
                ids[k].append(token)
                totals[k] += log_prob
                if weights is not None:
                    maps[k].append(weights[row, : lengths[k]])
    return [
        Hypothesis(i, total, np.stack(a) if a else None, i[-1] == EOS, total / len(i))
        for i, total, a in zip(ids, totals, maps, strict=True)
    ]


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

    m counts the tokens, eos included; alpha 0 compares sums, which favours short outputs, 1 compares means. A
    width of 1 is greedy search, one with room for every prefix exhaustive search. In between, a wider beam
    sees more and yet may return less: what it kept at one step can crowd out what would have won later.

    Graves (2012), arXiv:1211.3711; Wu et al. (2016), arXiv:1609.08144, section 7 (length normalisation).

    Parameters
    ----------
    model, src, src_mask, max_length : as for :func:`greedy`
    width : int. Open hypotheses a sentence.
    length_penalty : float. Alpha, from 0 up.

    Returns
    -------
    hypotheses : list of B Hypothesis
        One that the length limit cut (``finished`` is False) is returned only where no other had finished.
    """
    check_search(model, width, length_penalty, max_length)
    found = search(model, src, src_mask, width, length_penalty, max_length)
    return [best for (best,) in found.best(1)]


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
    model, src, src_mask, width, length_penalty, max_length : as for :func:`beam`

    Returns
    -------
    hypotheses : list of B lists of Hypothesis
        Best score first, those that the length limit cut after all others; no two have the same tokens.
    """
    check_search(model, width, length_penalty, max_length)
    return search(model, src, src_mask, width, length_penalty, max_length).best(width)


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
    src_row, src_mask_row : Tensors of shape (n,). Source ids, ending with eos, and True at real tokens.
    model, width, length_penalty, max_length : as for :func:`beam`

    Returns
    -------
    nodes : list of Node
        The root first, then step by step, best first; parents come before children, and ``nodes[i].id`` is i.
        The finished node with the highest score ends the hypothesis that ``beam`` returns.
    """
    if src_row.dim() != 1 or src_row.shape != src_mask_row.shape:
        shapes = f"{tuple(src_row.shape)} and {tuple(src_mask_row.shape)}"
        raise ValueError(f"tree wants one sentence, ids and mask of shape (n,); got {shapes}")
    check_search(model, width, length_penalty, max_length)
    return nodes(search(model, src_row[None], src_mask_row[None], width, length_penalty, max_length))
