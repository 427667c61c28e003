"""The ways to decode that ``bench`` times: one by one with a tutorial's step, then what the package does.

The model is untrained, so its sentences would never end: :class:`EndsOnTime` ends each after as many tokens
as its source has, and everything else is computed as always.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from seq2seq_edu.bench.styles import StepStyle, read_source
from seq2seq_edu.data import BOS, EOS, PAD, pad
from seq2seq_edu.decoding import beam, greedy
from seq2seq_edu.models import EncoderDecoder, Memory, Seq2Seq, Step

BATCH = 64
WIDTH = 5
Way = Callable[[Sequence[Sequence[int]]], list[list[int]]]  # source ids with eos -> target ids with eos


def force_length(logits: Tensor, left: Tensor) -> Tensor:
    """Put eos on top of the rows (B, V) with at most one token left to write, at the bottom of the others."""
    logits[:, [PAD, BOS]] = -1e4
    logits[:, EOS] = torch.where(left <= 1, 1e4, -1e4).to(logits.dtype)
    return logits


class EndsOnTime(EncoderDecoder):
    """Decode with an untrained model whose outputs are as long as its sources.

    What is left to write travels as one more column of the state, so any search can use the model.
    """

    def __init__(self, model: EncoderDecoder) -> None:
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
        return step._replace(logits=force_length(step.logits, left), state=state)


class TutorialStep(EncoderDecoder):
    """Decode with a tutorial's step, which keeps no projected keys and hands out no weights."""

    def __init__(self, model: Seq2Seq, style: StepStyle) -> None:
        super().__init__()
        self.model, self.config, self.style = model, model.config, style

    def encode(self, src: Tensor, src_mask: Tensor) -> tuple[Memory, Tensor]:
        """Read the source; the encoder states stand where the keys would."""
        encoder_states, state = read_source(self.model, src, src_mask)
        return Memory(encoder_states, encoder_states, src_mask, state), state

    def step(self, y_prev: Tensor, state: Tensor, memory: Memory) -> Step:
        """Take the tutorial's step."""
        features, state = self.style(self.model, y_prev, state, memory.values, memory.mask)
        return Step(self.model.logits(features), state, features, None)


def ways(model: Seq2Seq, style: StepStyle) -> dict[str, tuple[Way, bool]]:
    """List the ways to decode by name; True where one works on batches."""
    device = next(model.parameters()).device

    def searching(model: EncoderDecoder, size: int, width: int) -> Way:
        timed = EndsOnTime(model)

        def search(sources: Sequence[Sequence[int]]) -> list[list[int]]:
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

        return search

    return {
        "as tutorials write it, one by one": (searching(TutorialStep(model, style), 1, 1), False),
        "greedy, one by one": (searching(model, 1, 1), False),
        f"greedy, batches of {BATCH}": (searching(model, BATCH, 1), True),
        f"beam {WIDTH}, one by one": (searching(model, 1, WIDTH), False),
        f"beam {WIDTH}, batches of {BATCH}": (searching(model, BATCH, WIDTH), True),
    }


def check(model: Seq2Seq, style: StepStyle, sources: Sequence[Sequence[int]]) -> None:
    """Refuse to time ways of greedy search, or of beam search, that give different tokens (in float64)."""
    found = {name: way(sources) for name, (way, _) in ways(model, style).items()}
    beams = [name for name in found if name.startswith("beam")]
    for first, *others in ([name for name in found if name not in beams], beams):
        for name in others:
            if found[name] != found[first]:
                raise ValueError(f"{name!r} gives other tokens than {first!r}: timing is useless")
