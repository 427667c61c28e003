"""Let somebody else be the attention: a decoder whose weights are given, and what it says with them."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import DTypeLike
from torch import Tensor

from seq2seq_edu.data import PAD, Example
from seq2seq_edu.decoding import Translator, greedy, steps
from seq2seq_edu.models import Attention, EncoderDecoder, Memory, ModelConfig, Seq2Seq, Step, evaluating
from seq2seq_edu.widgets.recording import LONGEST, attending_model, source_ids, unknown_words

MOST = 200_000  # parameters of a decoder that a page can carry, 0.5 MB
ENCODER = ("source_embedding.", "encoder.", "W_s.")  # the reader's half of a model: it has done its work


class GivenAttention(Attention):
    """Look where one is told to: the keys of the memory are the weights themselves."""

    def __init__(self, query_state: str) -> None:
        super().__init__(0, 0, 0)
        self.query_state = query_state

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """Return the logarithms of the given weights (B, n) for each query: shape (B, m, n)."""
        return keys.log().unsqueeze(1).expand(-1, query.shape[1], -1)


class ForcedDecoder(EncoderDecoder):
    """Decode one sentence with a model of :class:`GivenAttention`: at step t it gets row t of ``weights``.

    t travels as one more column of the state.
    """

    def __init__(self, model: Seq2Seq, weights: Tensor) -> None:
        super().__init__()
        self.model, self.weights = model, weights

    def step(self, y_prev: Tensor, state: Tensor, memory: Memory) -> Step:
        """Take the model's step with the weights that are given for it."""
        t = int(state[0, -1])
        step = self.model.step(y_prev, state[:, :-1], memory._replace(keys=self.weights[t : t + 1]))
        return step._replace(state=torch.cat([step.state, state[:, -1:] + 1], dim=1))


class Turn(NamedTuple):
    """One step of the game: the weights given, the model's own in that state, log p of every next token."""

    given: np.ndarray
    own: np.ndarray
    log_probs: np.ndarray


def text_of(numbers: Any, kind: DTypeLike) -> str:
    """Return finite numbers as base64: little-endian, float16 for parameters, float32 for states."""
    return base64.b64encode(np.asarray(numbers, dtype=np.dtype(kind).newbyteorder("<")).tobytes()).decode()


def numbers_of(text: str, kind: DTypeLike) -> Tensor:
    """Return what :func:`text_of` wrote, as float32, in one dimension."""
    raw = np.frombuffer(base64.b64decode(text), dtype=np.dtype(kind).newbyteorder("<"))
    return torch.from_numpy(raw.astype(np.float32))


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
        "parameters": {name: [list(p.shape), text_of(p.cpu(), np.float16)] for name, p in parts.items()},
        "words": translator.target_text.tokens(range(model.config.target_vocab)),
    }


def read_sentence(translator: Translator, sentence: str | Example) -> dict[str, Any]:
    """Encode a sentence as plain data, and note what the model itself would say."""
    model = attending_model(translator)
    words = sentence if isinstance(sentence, str) else " ".join(sentence.source)
    src = source_ids(translator, words)
    with torch.no_grad(), evaluating(model):
        memory, start = model.encode(src, src != PAD)
    (best,) = greedy(model, src, src != PAD, LONGEST)
    gold = [] if isinstance(sentence, str) else sorted(map(list, sentence.sure))
    return {
        "source": translator.source_text.tokens(src[0].tolist()),
        "values": text_of(memory.values[0].cpu(), np.float32),
        "start": text_of(start[0].cpu(), np.float32),
        "own": translator.target_text.tokens(best.ids),
        "own_log_prob": round(best.log_prob, 4),
        "limit": len(best.ids) + 8,
        "gold": gold,
        "reference": [] if isinstance(sentence, str) else list(sentence.target),
        "unknown": unknown_words(translator, words, src),
    }


def forced_steps(
    decoder: Mapping[str, Any],
    sentence: Mapping[str, Any],
    weights: Sequence[Sequence[float]],
    written: Sequence[int],
) -> list[Turn]:
    """Let a packed decoder speak with given weights, one row a step; ``written`` is what each step wrote."""
    own, forced = models(json.dumps(decoder))
    attention = own.decoder.attention
    values = numbers_of(sentence["values"], np.float32).reshape(1, len(sentence["source"]), -1)
    state = torch.cat([numbers_of(sentence["start"], np.float32), torch.zeros(1)]).unsqueeze(0)
    given = torch.from_numpy(np.array(weights, dtype=np.float32))
    turns = []
    with torch.no_grad():
        memory = attention.memory(values, torch.ones(values.shape[:2], dtype=torch.bool), values[:, -1])
        for step in steps(ForcedDecoder(forced, given), memory, state, len(given)):
            step.write(torch.tensor(written[step.t : step.t + 1], dtype=torch.int64))
            asks = step.state if own.decoder.previous else step.out.state
            _, looked = attention(asks[:, :-1], memory)
            assert looked is not None and step.out.weights is not None
            turns.append(Turn(step.out.weights[0].numpy(), looked[0].numpy(), step.log_probs[0].numpy()))
    return turns


@lru_cache(maxsize=4)
def models(decoder: str) -> tuple[Seq2Seq, Seq2Seq]:
    """Build a packed decoder (JSON) as it was trained, and with given weights; neither has its encoder."""
    packed = json.loads(decoder)
    with torch.random.fork_rng(devices=[]):  # first values are drawn, and nobody else's draws should move
        own = Seq2Seq(ModelConfig(**packed["config"])).eval()
    state = own.state_dict()
    for name, (shape, text) in packed["parameters"].items():
        state[name] = numbers_of(text, np.float16).reshape(shape)
    own.load_state_dict(state)
    forced = copy.deepcopy(own)
    forced.decoder.attention = GivenAttention(own.decoder.attention.query_state)
    return own, forced
