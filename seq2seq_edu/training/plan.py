"""What a training will do: which pairs come together, when, and at which learning rate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count

from seq2seq_edu.data import IdPair, length_buckets
from seq2seq_edu.training.config import TrainConfig


def schedule(pairs: Sequence[IdPair], config: TrainConfig) -> Iterator[tuple[int, int, list[int]]]:
    """Yield one batch after the other, epoch after epoch, for ever.

    Parameters
    ----------
    pairs, config : sequence of (source ids, target ids), and TrainConfig
        Its ``tokens`` and ``seed`` decide which pairs come together, and when.

    Yields
    ------
    epoch, left, index : int, int and list of int
        Number of the epoch, from 1; how many of its batches are still to come; the pairs of this one.
    """
    for epoch in count(1):
        batches = list(length_buckets(pairs, config.tokens, (config.seed, epoch)))
        for place, index in enumerate(batches):
            yield epoch, len(batches) - place - 1, index


def count_steps(pairs: Sequence[IdPair], config: TrainConfig) -> int:
    """Return how many optimiser steps a training takes."""
    if config.max_steps is not None:
        return config.max_steps
    epochs = range(1, config.epochs + 1)
    return sum(sum(1 for _ in length_buckets(pairs, config.tokens, (config.seed, epoch))) for epoch in epochs)


def learning_rate(step: int, total: int, config: TrainConfig) -> float:
    """Return the learning rate of step 1 .. ``total``: up in a straight line, then down to almost zero.

    Examples
    --------
    >>> config = TrainConfig(lr=1.0, warmup=0.4)
    >>> [round(learning_rate(step, 5, config), 2) for step in range(1, 6)]
    [0.5, 1.0, 0.75, 0.5, 0.25]
    """
    rise = max(1, round(config.warmup * total))
    return config.lr * min(step / rise, (total - step + 1) / max(1, total - rise + 1))
