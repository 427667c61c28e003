"""Let somebody else be the attention: a decoder whose weights are given, and what it says with them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import DTypeLike
from torch import Tensor

from seq2seq_edu.data import BOS, PAD, Example
from seq2seq_edu.decoding import Translator, greedy, next_log_probs
from seq2seq_edu.models import Attention, ModelConfig, Seq2Seq, evaluating
from seq2seq_edu.widgets.recording import LONGEST, read, suitable, unknown

MOST = 200_000  # parameters of a decoder that a page can carry, 0.5 MB
ENCODER = ("source_embedding.", "encoder.", "W_s.")  # the reader's half of a model: it has done its work


class GivenAttention(Attention):
    r"""Look where one is told to: the keys of the memory are the weights themselves.

    .. math:: \mathrm{softmax}(\log \alpha_t) = \alpha_t

    Parameters
    ----------
    query_state : {"previous", "current"}
        Whose place it takes.

    Examples
    --------
    >>> from seq2seq_edu.models.attention import Memory
    >>> states, given = torch.tensor([[[4.0], [8.0]]]), torch.tensor([[0.25, 0.75]])
    >>> memory = Memory(states, given, given == given, states[:, -1])
    >>> GivenAttention("previous")(torch.zeros(1, 3), memory)
    (tensor([[7.0000]]), tensor([[0.2500, 0.7500]]))
    """

    def __init__(self, query_state: str) -> None:
        super().__init__(0, 0, 0)
        self.query_state = query_state

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """Return the logarithms of the given weights (B, n) for each query: shape (B, m, n)."""
        return keys.log().unsqueeze(1).expand(-1, query.shape[1], -1)


class Turn(NamedTuple):
    """One step of the game: the weights given, the model's own in that state, log p of every next token."""

    given: np.ndarray
    own: np.ndarray
    log_probs: np.ndarray


def text_of(numbers: Any, kind: DTypeLike) -> str:
    """Return numbers as base64.

    Parameters
    ----------
    numbers : array or Tensor
        Finite.
    kind : dtype
        float16 for parameters, float32 for states.

    Returns
    -------
    text : str
        Little-endian numbers.
    """
    return base64.b64encode(np.asarray(numbers, dtype=np.dtype(kind).newbyteorder("<")).tobytes()).decode()


def numbers_of(text: str, kind: DTypeLike) -> Tensor:
    """Return what :func:`text_of` wrote, as float32, in one dimension.

    Parameters
    ----------
    text : str
        Base64.
    kind : dtype
        As it was written.

    Returns
    -------
    numbers : float32 Tensor of shape (k,)
        All of them.
    """
    raw = np.frombuffer(base64.b64decode(text), dtype=np.dtype(kind).newbyteorder("<"))
    return torch.from_numpy(raw.astype(np.float32))


def pack(translator: Translator) -> dict[str, Any]:
    """Return a decoder as plain data: its settings, its parameters in half precision, its words.

    Parameters
    ----------
    translator : Translator
        Its model is a Seq2Seq with attention.

    Returns
    -------
    decoder : dict
        ``config``, ``order`` ("previous" or "current"), ``parameters`` (name to [shape, base64]), ``words``.

    Raises
    ------
    ValueError
        If the model has no such decoder, has more than ``MOST`` parameters in it, or one is not finite.
    """
    model = suitable(translator)
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


def meet(translator: Translator, sentence: str | Example) -> dict[str, Any]:
    """Read a sentence, and note what the model itself would say.

    Parameters
    ----------
    translator : Translator
        Its model is a Seq2Seq with attention.
    sentence : str or Example
        An Example also brings its gold links, and the translation to which they belong.

    Returns
    -------
    sentence : dict
        ``source`` tokens; ``values`` (n, d_h) and ``start`` (s_0) as base64; the model's own translation,
        ``own`` (tokens), and its ``own_log_prob``; ``limit``, the most tokens of an answer; ``gold`` links
        [t, i] with their ``reference`` tokens; ``unknown`` words.

    Raises
    ------
    ValueError
        If the sentence is empty, too long, or has only unknown words.
    """
    model = suitable(translator)
    words = sentence if isinstance(sentence, str) else " ".join(sentence.source)
    src = read(translator, words)
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
        "unknown": unknown(translator, words, src),
    }


def play(
    decoder: Mapping[str, Any],
    sentence: Mapping[str, Any],
    weights: Sequence[Sequence[float]],
    written: Sequence[int],
) -> list[Turn]:
    """Let the decoder speak with given weights; the model's own parts compute.

    Parameters
    ----------
    decoder, sentence : dict
        From :func:`pack` and :func:`meet`.
    weights : T rows of n numbers
        One row a step, each above or equal to 0 with sum 1.
    written : sequence of at least T - 1 ids
        What was written after each step.

    Returns
    -------
    turns : list of T Turn
        What each step gave.
    """
    own, told = models(json.dumps(decoder))
    values = numbers_of(sentence["values"], np.float32).reshape(1, len(sentence["source"]), -1)
    state = numbers_of(sentence["start"], np.float32).unsqueeze(0)
    real = torch.ones(values.shape[:2], dtype=torch.bool)
    turns = []
    with torch.no_grad():
        memory = own.decoder.attention.memory(values, real, values[:, -1])
        for row, previous in zip(weights, [BOS, *written], strict=False):
            y_prev, given = torch.tensor([previous]), torch.from_numpy(np.array([row], dtype=np.float32))
            looked = own.step(y_prev, state, memory).weights
            step = told.step(y_prev, state, memory._replace(keys=given))
            assert looked is not None and step.weights is not None
            log_probs = next_log_probs(step.logits)
            turns.append(Turn(step.weights[0].numpy(), looked[0].numpy(), log_probs[0].numpy()))
            state = step.state
    return turns


@lru_cache(maxsize=4)
def models(decoder: str) -> tuple[Seq2Seq, Seq2Seq]:
    """Build a packed decoder twice: as it was trained, and with an attention that does as it is told.

    Parameters
    ----------
    decoder : str
        A packed decoder, as JSON.

    Returns
    -------
    own, told : Seq2Seq
        In evaluation mode; their encoders were not packed and must not be used.
    """
    packed = json.loads(decoder)
    with torch.random.fork_rng(devices=[]):  # first values are drawn, and nobody else's draws should move
        own, told = (Seq2Seq(ModelConfig(**packed["config"])).eval() for _ in range(2))
    for model in (own, told):
        state = model.state_dict()
        for name, (shape, text) in packed["parameters"].items():
            state[name] = numbers_of(text, np.float16).reshape(shape)
        model.load_state_dict(state)
    told.decoder.attention = GivenAttention(own.decoder.attention.query_state)
    return own, told
