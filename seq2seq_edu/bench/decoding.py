"""The ways to decode that ``bench`` times: one by one with a tutorial's step, then what the package does.

The model is untrained, so its sentences would never end: :class:`EndsOnTime` ends each after as many tokens
as its source has, and everything else is computed as always.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from seq2seq_edu.bench.styles import StepStyle, read_source
from seq2seq_edu.data import BOS, EOS, PAD, pad
from seq2seq_edu.decoding import beam, greedy
from seq2seq_edu.models import EncoderDecoder, Memory, Seq2Seq, Step

BATCH = 64
WIDTH = 5


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
        step.logits[:, [PAD, BOS]] = -1e4
        step.logits[:, EOS] = torch.where(left <= 1, 1e4, -1e4).to(step.logits.dtype)
        return step._replace(state=torch.cat([step.state, left.unsqueeze(1) - 1], dim=1))


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


@dataclass(frozen=True)
class Way:
    """One way to decode: so many sentences at once, and hypotheses of each (1: greedy)."""

    name: str
    model: EncoderDecoder
    size: int = 1
    width: int = 1

    def __call__(self, sources: Sequence[Sequence[int]]) -> list[list[int]]:
        """Return the target ids of some source ids, both with eos."""
        device, timed = next(self.model.parameters()).device, EndsOnTime(self.model)
        targets: list[list[int]] = []
        for start in range(0, len(sources), self.size):
            src = pad(sources[start : start + self.size]).to(device)
            limit = src.shape[1] + 1
            if self.width == 1:
                found = greedy(timed, src, src != PAD, max_length=limit)
            else:
                found = beam(timed, src, src != PAD, width=self.width, max_length=limit)
            targets += [hypothesis.ids for hypothesis in found]
        return targets


def ways(model: Seq2Seq, style: StepStyle) -> list[Way]:
    """List the ways to decode, the reference first."""
    return [
        Way("as tutorials write it, one by one", TutorialStep(model, style)),
        Way("greedy, one by one", model),
        Way(f"greedy, batches of {BATCH}", model, BATCH),
        Way(f"beam {WIDTH}, one by one", model, width=WIDTH),
        Way(f"beam {WIDTH}, batches of {BATCH}", model, BATCH, WIDTH),
    ]


def check(model: Seq2Seq, style: StepStyle, sources: Sequence[Sequence[int]]) -> None:
    """Refuse to time ways of greedy search, or of beam search, that give different tokens (in float64)."""
    for width in (1, WIDTH):
        first, *others = (way for way in ways(model, style) if way.width == width)
        wanted = first(sources)
        for way in others:
            if way(sources) != wanted:
                raise ValueError(f"{way.name!r} gives other tokens than {first.name!r}: timing is useless")
