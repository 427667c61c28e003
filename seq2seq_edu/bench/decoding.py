"""Sentences a second of each way to decode: one by one as tutorials write it, then what the package does.

The model is untrained, so its sentences would never end: :class:`EndsOnTime` ends each after as many tokens
as its source has, and everything else is computed as always.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from seq2seq_edu.bench.styles import StepStyle, read_source
from seq2seq_edu.data import BOS, EOS, PAD, IdPair, pad
from seq2seq_edu.decoding import beam, greedy
from seq2seq_edu.models import EncoderDecoder, Memory, Seq2Seq, Step, evaluating

BATCH = 64
WIDTH = 5
FEW = 8  # of so many sentences one is timed one by one: that is slow
Way = Callable[[Sequence[Sequence[int]]], list[list[int]]]  # source ids with eos -> target ids with eos


def steer(logits: Tensor, left: Tensor) -> Tensor:
    """Let a sentence end exactly when no token is left, whatever the model says.

    Parameters
    ----------
    logits : Tensor of shape (B, V)
        Changed in place.
    left : Tensor of shape (B,)
        Tokens that each row has still to write, eos included.

    Returns
    -------
    logits : Tensor of shape (B, V)
        With eos on top of the rows with at most one token left, at the bottom of the others.

    Examples
    --------
    >>> steer(torch.zeros(2, 5), torch.tensor([1, 2])).argmax(dim=1).tolist()
    [2, 3]
    """
    logits[:, [PAD, BOS]] = -1e4
    logits[:, EOS] = torch.where(left <= 1, 1e4, -1e4).to(logits.dtype)
    return logits


class EndsOnTime(EncoderDecoder):
    """Decode with an untrained model whose outputs are as long as its sources.

    What is left to write travels as one more column of the state, so any search can use the model.

    Parameters
    ----------
    model : Seq2Seq
        Does the work.
    """

    def __init__(self, model: Seq2Seq) -> None:
        super().__init__()
        self.model, self.config = model, model.config

    def encode(self, src: Tensor, src_mask: Tensor) -> tuple[Memory, Tensor]:
        """Read the source, and count its tokens."""
        memory, state = self.model.encode(src, src_mask)
        return memory, torch.cat([state, src_mask.sum(dim=1, keepdim=True).to(state.dtype)], dim=1)

    def step(self, y_prev: Tensor, state: Tensor, memory: Memory) -> Step:
        """Take the model's step, and end the sentences whose time has come."""
        left = state[:, -1]
        step = self.model.step(y_prev, state[:, :-1], memory)
        state = torch.cat([step.state, left.unsqueeze(1) - 1], dim=1)
        return step._replace(logits=steer(step.logits, left), state=state)


@torch.no_grad()
def greedy_tutorial(model: Seq2Seq, source: Sequence[int], step: StepStyle) -> list[int]:
    """Translate one sentence the way of tutorials: their step, one token and one look at it at a time.

    Parameters
    ----------
    model : Seq2Seq
        With additive attention.
    source : sequence of int
        Ids, eos included; the output has as many.
    step : function
        A tutorial's decoder step.

    Returns
    -------
    ids : list of int
        Target ids, eos included.

    Raises
    ------
    ValueError
        If the model has another attention.
    """
    src = torch.tensor([source], device=next(model.parameters()).device)
    ids = [BOS]
    with evaluating(model):
        encoder_states, state = read_source(model, src, src != PAD)
        for t in range(len(source)):
            y_prev = torch.tensor([ids[-1]], device=src.device)
            features, state = step(model, y_prev, state, encoder_states, src != PAD)
            logits = steer(model.logits(features), torch.tensor([len(source) - t], device=src.device))
            ids.append(int(logits.argmax(dim=1).item()))
            if ids[-1] == EOS:
                break
    return ids[1:]


def ways(model: Seq2Seq, step: StepStyle) -> dict[str, tuple[Way, bool]]:
    """List the ways to decode, by name.

    Parameters
    ----------
    model : Seq2Seq
        With additive attention.
    step : function
        A tutorial's decoder step.

    Returns
    -------
    ways : dict of str to (function, bool)
        Each maps sources to targets, in their order; True where it works on batches.
    """
    timed = EndsOnTime(model)
    device = next(model.parameters()).device

    def search(sources: Sequence[Sequence[int]], size: int, width: int) -> list[list[int]]:
        targets: list[list[int]] = []
        for start in range(0, len(sources), size):
            src = pad(sources[start : start + size]).to(device)
            limit = src.shape[1] + 1
            if width == 1:
                found = greedy(timed, src, src != PAD, max_length=limit)
            else:
                found = beam(timed, src, src != PAD, width=width, max_length=limit)
            targets += [hypothesis.ids for hypothesis in found]
        return targets

    return {
        "as tutorials write it, one by one": (
            lambda s: [greedy_tutorial(model, one, step) for one in s],
            False,
        ),
        "greedy, one by one": (lambda s: search(s, 1, 1), False),
        f"greedy, batches of {BATCH}": (lambda s: search(s, BATCH, 1), True),
        f"beam {WIDTH}, one by one": (lambda s: search(s, 1, WIDTH), False),
        f"beam {WIDTH}, batches of {BATCH}": (lambda s: search(s, BATCH, WIDTH), True),
    }


def check(model: Seq2Seq, step: StepStyle, pairs: Sequence[IdPair]) -> None:
    """Refuse to time ways of greedy search, or of beam search, that give different tokens.

    Parameters
    ----------
    model : Seq2Seq
        In float64, so that no rounding decides.
    step : function
        A tutorial's decoder step.
    pairs : sequence of id pairs
        The sources are translated.

    Raises
    ------
    ValueError
        If a way differs from another one.
    """
    sources = [[*source, EOS] for source, _ in pairs]
    found = {name: way(sources) for name, (way, _) in ways(model, step).items()}
    beams = [name for name in found if name.startswith("beam")]
    for group in ([name for name in found if name not in beams], beams):
        for name in group[1:]:
            if found[name] != found[group[0]]:
                raise ValueError(f"{name!r} gives other tokens than {group[0]!r}: timing is useless")


def measure(
    model: Seq2Seq, step: StepStyle, pairs: Sequence[IdPair], *, rounds: int, few: int = FEW
) -> list[dict[str, Any]]:
    """Time all ways in turns.

    Parameters
    ----------
    model : Seq2Seq
        On its device.
    step : function
        A tutorial's decoder step.
    pairs : sequence of id pairs
        The sources are decoded, sorted by length; one by one only every ``few``-th of them.
    rounds : int
        Each way takes its turn once a round.
    few : int
        See ``pairs``.

    Returns
    -------
    rows : list of dict
        ``name``, ``sentences_per_second`` (median), ``ratio`` to the first row (median, lowest, highest).
    """
    sources = sorted(([*source, EOS] for source, _ in pairs), key=len)
    chosen = ways(model, step)
    work = {
        name: sources if batched else sources[few // 2 :: few] or sources
        for name, (_, batched) in chosen.items()
    }
    for name, (way, batched) in chosen.items():
        way(work[name][: BATCH if batched else 1])  # warm up
    turns = [{name: _rate(way, work[name]) for name, (way, _) in chosen.items()} for _ in range(rounds)]
    first = next(iter(chosen))
    rows = []
    for name in chosen:
        ratios = [turn[name] / turn[first] for turn in turns]
        rows.append(
            {
                "name": name,
                "sentences_per_second": round(statistics.median(turn[name] for turn in turns), 2),
                "ratio": round(statistics.median(ratios), 2),
                "lowest": round(min(ratios), 2),
                "highest": round(max(ratios), 2),
            }
        )
    return rows


def _rate(way: Way, sources: Sequence[Sequence[int]]) -> float:
    """Return sentences a second; ids come back to Python, so the device has finished."""
    start = time.perf_counter()
    way(sources)
    return len(sources) / (time.perf_counter() - start)
