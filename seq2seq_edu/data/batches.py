"""From sentences to padded tensors: a word vocabulary, one batch, and batches of similar length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seq2seq_edu.data.text import BOS, EOS, PAD

IdPair = tuple[list[int], list[int]]


@dataclass(frozen=True)
class Batch:
    """Padded tensors of some sentence pairs; rows sorted by target length, longest first.

    ``src`` (B, n) ends with eos, ``tgt_in`` (B, m) starts with bos, ``tgt_out`` (B, m) ends with eos; masks
    are True at real tokens; lengths count them; ``index`` tells which pair of the input each row is.
    """

    src: Tensor
    src_mask: Tensor
    tgt_in: Tensor
    tgt_out: Tensor
    tgt_mask: Tensor
    src_lengths: list[int]
    tgt_lengths: list[int]
    index: list[int]

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch with its tensors on a device; a GPU fetches them while the processor goes on."""
        pinned = torch.device(device).type == "cuda"
        moved: dict[str, Any] = {
            name: (part.pin_memory() if pinned else part).to(device, non_blocking=True)
            for name, part in vars(self).items()
            if isinstance(part, Tensor)
        }
        return replace(self, **moved)


def pad(rows: Sequence[Sequence[int]], length: int | None = None) -> Tensor:
    """Stack rows of ids into one tensor, filled with pad on the right.

    >>> pad([[5, 6, 7], [8]])
    tensor([[5, 6, 7],
            [8, 0, 0]])

    Parameters
    ----------
    rows : sequence of B sequences of int
    length : int, optional. Columns of the tensor; left out, those of the longest row.

    Returns
    -------
    ids : int64 Tensor of shape (B, length). On the CPU.
    """
    if not rows:
        raise ValueError("there is no row to pad: the batch is empty")
    longest = max(len(row) for row in rows)
    width = longest if length is None else length
    if longest > width:
        raise ValueError(f"a row has {longest} tokens, more than the {width} asked for")
    filled = [[*row, *[PAD] * (width - len(row))] for row in rows]
    return torch.from_numpy(np.array(filled, dtype=np.int64))


def make_batch(pairs: Sequence[IdPair], extra_padding: int = 0) -> Batch:
    """Make one batch of id pairs: add eos and bos, sort by target length, pad, mask.

    >>> batch = make_batch([([5, 6], [7]), ([8], [9, 10])])
    >>> batch.tgt_in.tolist(), batch.tgt_out.tolist(), batch.index
    ([[1, 9, 10], [1, 7, 0]], [[9, 10, 2], [7, 2, 0]], [1, 0])

    Parameters
    ----------
    pairs : sequence of (source ids, target ids). Without bos and eos.
    extra_padding : int. Columns of padding beyond the longest row; they must change nothing.

    Returns
    -------
    batch : Batch. On the CPU.
    """
    if not pairs:
        raise ValueError("a batch needs at least one sentence pair; got none")
    empty = [k for k, (source, _) in enumerate(pairs) if not source]
    if empty:
        raise ValueError(f"sentence {empty[0]} is empty: drop it before batching")
    index = sorted(range(len(pairs)), key=lambda k: -len(pairs[k][1]))
    sources = [[*pairs[k][0], EOS] for k in index]
    targets = [pairs[k][1] for k in index]
    src_lengths, tgt_lengths = [len(s) for s in sources], [len(t) + 1 for t in targets]
    n, m = max(src_lengths) + extra_padding, max(tgt_lengths) + extra_padding
    src, tgt_in = pad(sources, n), pad([[BOS, *t] for t in targets], m)
    tgt_out = pad([[*t, EOS] for t in targets], m)
    tgt_mask = torch.arange(m) < torch.tensor(tgt_lengths).unsqueeze(1)
    src_mask = torch.arange(n) < torch.tensor(src_lengths).unsqueeze(1)
    return Batch(src, src_mask, tgt_in, tgt_out, tgt_mask, src_lengths, tgt_lengths, index)


def length_buckets(pairs: Sequence[IdPair], tokens: int, seed: Sequence[int]) -> Iterator[list[int]]:
    """Cut one epoch into batches of similar length, in a random order.

    Pairs are shuffled, sorted by length within windows of 50 batches, and cut at ``tokens`` target positions,
    padding included (a longer pair is a batch of its own).
    """
    if tokens < 1:
        raise ValueError(f"a batch needs at least 1 target position; got tokens={tokens}")
    rng = np.random.default_rng(list(seed))
    order = rng.permutation(len(pairs)).tolist()
    mean = sum(len(t) + 1 for _, t in pairs) / max(1, len(pairs))
    window = max(1, int(50 * tokens / max(mean, 1)))
    batches: list[list[int]] = []
    for start in range(0, len(order), window):
        current: list[int] = []
        for k in sorted(order[start : start + window], key=lambda k: (-len(pairs[k][1]), -len(pairs[k][0]))):
            longest = len(pairs[current[0]][1]) + 1 if current else 0
            if current and longest * (len(current) + 1) > tokens:
                batches.append(current)
                current = []
            current.append(k)
        batches.append(current)
    yield from (batches[k] for k in rng.permutation(len(batches)))
