"""Write down every small step of a translation, for a widget: the model's own parts compute, nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seq2seq_edu.data import BOS, EOS, PAD, UNK, pad
from seq2seq_edu.decoding import Translator, next_log_probs
from seq2seq_edu.models import Seq2Seq, evaluating

WIDTH = 48  # numbers of a vector that are kept: more would be cells too narrow to see
LONGEST = 60  # source tokens, and target tokens, of a recording
ORDERS = {"previous": "bahdanau", "current": "luong"}  # who asks: s_{t-1} or s_t


def suitable(translator: Translator) -> Seq2Seq:
    """Return the model of a translator if it goes from state to state and looks at the source.

    Parameters
    ----------
    translator : Translator
        With any model.

    Returns
    -------
    model : Seq2Seq
        Its model.

    Raises
    ------
    ValueError
        If the model is a Transformer or has no attention.
    """
    model = translator.model
    if not isinstance(model, Seq2Seq):
        raise ValueError(
            f"a {type(model).__name__} has no state s_t that is handed on: give a Seq2Seq, "
            "such as the checkpoint grammar-additive"
        )
    if model.config.attention == "none":
        raise ValueError(
            "this model has no attention, so it has neither scores nor weights: give one with additive, dot, "
            "general or scaled attention"
        )
    return model


def read(translator: Translator, sentence: str) -> Tensor:
    """Return the ids of a sentence as a batch of one row.

    Parameters
    ----------
    translator : Translator
        Knows the words.
    sentence : str
        In the source language.

    Returns
    -------
    src : int64 Tensor of shape (1, n)
        The last one is eos.

    Raises
    ------
    ValueError
        If the sentence is empty, has only unknown words, or is longer than ``LONGEST`` tokens.
    """
    ids = translator.encode(0, sentence, LONGEST)
    return pad([ids]).to(next(translator.model.parameters()).device)


def unknown(translator: Translator, sentence: str, src: Tensor) -> list[str]:
    """List the words that a model has never seen, as they were typed where that is known.

    Parameters
    ----------
    translator : Translator
        Knows the words.
    sentence : str
        As it was typed.
    src : Tensor of shape (1, n)
        From :func:`read`.

    Returns
    -------
    words : list of str
        Each once; empty if all are known.
    """
    ids = src[0].tolist()
    typed = sentence.split()
    shown = typed if len(typed) == len(ids) - 1 else translator.source_text.tokens(ids)
    return list(dict.fromkeys(word for word, i in zip(shown, ids, strict=False) if i == UNK))


def record(translator: Translator, sentence: str) -> dict[str, Any]:
    """Translate a sentence greedily and keep what each stage of each step gives.

    Parameters
    ----------
    translator : Translator
        Its model is a Seq2Seq with attention; put in evaluation mode for the call, and back afterwards.
    sentence : str
        In the source language.

    Returns
    -------
    recording : dict
        Plain data, rounded: ``order``, ``attention`` and ``readout`` say what was computed; ``source`` (n)
        and ``target`` (m) are tokens, each with its eos; ``states`` (m + 1 rows, s_0 first), ``scores`` and
        ``weights`` (m, n), ``contexts``, ``joined`` (m rows; only of a narrow readout) and ``values`` (n
        rows, the encoder states) are numbers, ``WIDTH`` of a vector at most; ``widths`` are the true ones;
        ``top`` has the five most probable tokens of each step with their probabilities.

    Raises
    ------
    ValueError
        If the model or the sentence is not suitable; the message says why.
    """
    model = suitable(translator)
    src = read(translator, sentence)
    with torch.no_grad(), evaluating(model):
        memory, start = model.encode(src, src != PAD)
        steps = zip(*walk(model, src), strict=True)
    scores, weights, contexts, states, joined, log_probs = (torch.cat(part) for part in steps)
    best = log_probs.topk(min(5, log_probs.shape[1]))
    likely = [translator.target_text.tokens(ids) for ids in best.indices.tolist()]
    chances = plain(best.values.exp(), 4)
    return {
        "order": ORDERS[model.decoder.attention.query_state],
        "attention": model.config.attention,
        "readout": model.config.readout,
        "source": translator.source_text.tokens(src[0].tolist()),
        "target": translator.target_text.tokens(log_probs.argmax(dim=-1).tolist()),
        "unknown": unknown(translator, sentence, src),
        "widths": {"state": states.shape[1], "context": contexts.shape[1], "joined": joined.shape[1]},
        "values": plain(memory.values[0, :, :WIDTH]),
        "states": plain(torch.cat([start, states])[:, :WIDTH]),
        "scores": plain(scores),
        "weights": plain(weights, 4),
        "contexts": plain(contexts[:, :WIDTH]),
        "joined": plain(joined[:, :WIDTH]) if model.config.readout == "narrow" else [],
        "top": [[list(pair) for pair in zip(*row, strict=True)] for row in zip(likely, chances, strict=True)],
    }


def walk(model: Seq2Seq, src: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Decode one sentence greedily, as :func:`seq2seq_edu.decoding.greedy` does, and show each step's parts.

    Parameters
    ----------
    model : Seq2Seq
        In evaluation mode.
    src : Tensor of shape (1, n)
        Source ids.

    Yields
    ------
    parts : tuple of Tensors with one row
        Scores, weights, c_t, s_t, what the vocabulary layer reads, and log-probabilities.
    """
    memory, state = model.encode(src, src != PAD)
    y_prev = torch.tensor([BOS], device=src.device)
    for _ in range(LONGEST):
        step = model.step(y_prev, state, memory)
        asks = state if model.decoder.previous else step.state
        scores = model.decoder.attention.scores(asks.unsqueeze(1), memory.keys)[0]  # (1, n)
        joined = model.join(step.state, step.context, model.target_embedding(y_prev))
        log_probs = next_log_probs(step.logits)
        assert step.weights is not None
        yield scores, step.weights, step.context, step.state, joined, log_probs
        y_prev, state = log_probs.argmax(dim=-1), step.state
        if y_prev == EOS:
            return


def plain(numbers: Tensor, digits: int = 3) -> Any:
    """Return numbers as lists, rounded: what a page can hold.

    Parameters
    ----------
    numbers : Tensor of any shape
        What was computed.
    digits : int
        After the point.

    Returns
    -------
    rounded : nested list of float
        Of the same shape.
    """
    return (np.round(numbers.double().cpu().numpy(), digits) + 0.0).tolist()  # + 0.0: no minus zero
