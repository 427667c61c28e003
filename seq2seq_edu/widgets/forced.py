"""Let somebody else be the attention: a decoder whose weights are given, and what it says with them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seq2seq_edu.data import BOS, PAD, Example
from seq2seq_edu.decoding import Translator, greedy, next_log_probs
from seq2seq_edu.models import Attention, Memory, ModelConfig, Seq2Seq, evaluating
from seq2seq_edu.widgets.recording import LONGEST, attending_model, source_ids, unknown_words

MOST = 200_000  # parameters of a decoder that a page can carry, 0.5 MB
ENCODER = ("source_embedding.", "encoder.", "W_s.")  # the reader's half of a model: it has done its work


class GivenAttention(Attention):
    """Look where one is told to: the keys of the memory are the weights themselves, (1, n)."""

    def __init__(self, query_state: str) -> None:
        super().__init__(0, 0, 0)
        self.query_state = query_state

    def forward(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Return the context and the weights that were given."""
        return memory.keys @ memory.values[0], memory.keys


def text_of(numbers: Tensor, kind: str) -> str:
    """Return finite numbers as base64, little-endian: "<f2" for parameters, "<f4" for states."""
    return base64.b64encode(numbers.cpu().numpy().astype(kind).tobytes()).decode()


def numbers_of(text: str, kind: str) -> Tensor:
    """Return what :func:`text_of` wrote, as float32, in one dimension."""
    return torch.from_numpy(np.frombuffer(base64.b64decode(text), kind).astype(np.float32))


def pack(translator: Translator) -> dict[str, Any]:
    """Return a decoder as plain data: its settings, its parameters in half precision, its words."""
    model = attending_model(translator)
    parts = {name: p for name, p in model.state_dict().items() if not name.startswith(ENCODER)}
    count = sum(p.numel() for p in parts.values())
    if count > MOST:
        raise ValueError(
            f"the decoder has {count:,} parameters, and a page can carry {MOST:,}: take a small model, "
            "such as the checkpoint grammar-additive"
        )
    for name, p in parts.items():
        if not torch.isfinite(p.half()).all():
            raise ValueError(f"{name} holds a number that is not finite: has the training diverged?")
    config = replace(model.config, source_vocab=1, share_embeddings=False, dropout=0.0)
    return {
        "config": asdict(config),
        "order": model.decoder.attention.query_state,
        "parameters": {name: [list(p.shape), text_of(p, "<f2")] for name, p in parts.items()},
        "words": translator.target_text.tokens(range(model.config.target_vocab)),
    }


def read_sentence(translator: Translator, sentence: str | Example) -> dict[str, Any]:
    """Encode a sentence as plain data, with what the model itself would say; an Example brings gold links."""
    model = attending_model(translator)
    if isinstance(sentence, str):
        words, gold, reference = sentence, [], []
    else:
        words, gold = " ".join(sentence.source), sorted(map(list, sentence.sure))
        reference = list(sentence.target)
    src = source_ids(translator, words)
    with torch.no_grad(), evaluating(model):
        memory, start = model.encode(src, src != PAD)
    (best,) = greedy(model, src, src != PAD, LONGEST)
    return {
        "source": translator.source_text.tokens(src[0].tolist()),
        "values": text_of(memory.values[0], "<f4"),
        "start": text_of(start[0], "<f4"),
        "own": translator.target_text.tokens(best.ids),
        "own_log_prob": round(best.log_prob, 4),
        "limit": len(best.ids) + 8,
        "gold": gold,
        "reference": reference,
        "unknown": unknown_words(translator, words, src),
    }


@torch.no_grad()
def forced_steps(
    decoder: Mapping[str, Any],
    sentence: Mapping[str, Any],
    weights: Sequence[Sequence[float]],
    written: Sequence[int],
) -> tuple[np.ndarray, np.ndarray]:
    """Let a packed decoder speak with given weights, a row a step; ``written`` is what each step wrote.

    Return, a row a step, the weights that the model itself has in that state, and log p of every next token.
    """
    model, attention = unpacked(json.dumps(decoder))
    values = numbers_of(sentence["values"], "<f4").reshape(1, len(sentence["source"]), -1)
    memory = attention.memory(values, torch.ones(values.shape[:2], dtype=torch.bool), values[:, -1])
    state, own, log_probs = numbers_of(sentence["start"], "<f4").unsqueeze(0), [], []
    for row, y_prev in zip(weights, [BOS, *written], strict=False):
        step = model.step(torch.tensor([y_prev]), state, memory._replace(keys=torch.tensor([row])))
        own.append(attention(state if model.decoder.previous else step.state, memory)[1])
        log_probs.append(next_log_probs(step.logits))
        state = step.state
    return torch.cat(own).numpy(), torch.cat(log_probs).numpy()


@lru_cache(maxsize=4)
def unpacked(decoder: str) -> tuple[Seq2Seq, Attention]:
    """Build a packed decoder (JSON) that looks where it is told to; return the attention it had, too."""
    packed = json.loads(decoder)
    with torch.random.fork_rng(devices=[]):  # first values are drawn, and nobody else's draws should move
        model = Seq2Seq(ModelConfig(**packed["config"])).eval()
    texts = packed["parameters"].items()
    parts = {name: numbers_of(text, "<f2").reshape(shape) for name, (shape, text) in texts}
    model.load_state_dict(parts, strict=False)  # no encoder is packed
    attention = model.decoder.attention
    model.decoder.attention = GivenAttention(attention.query_state)
    return model, attention
