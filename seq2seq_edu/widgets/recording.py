"""Write down every small step of a translation, for a widget: the model's own parts compute, nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from seq2seq_edu.data import PAD, UNK, pad
from seq2seq_edu.decoding import Translator, steps
from seq2seq_edu.models import Seq2Seq, evaluating

WIDTH = 48  # numbers of a vector that are kept: more would be cells too narrow to see
LONGEST = 60  # source tokens, and target tokens, of a recording
ORDERS = {"previous": "bahdanau", "current": "luong"}  # who asks: s_{t-1} or s_t


def attending_model(translator: Translator) -> Seq2Seq:
    """Return the model of a translator; ValueError if it hands on no state or has no attention."""
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


def source_ids(translator: Translator, sentence: str) -> Tensor:
    """Return the ids (1, n) of a sentence, eos last; ValueError if no word is known or there are too many."""
    ids = translator.encode(0, sentence, LONGEST)
    return pad([ids]).to(next(translator.model.parameters()).device)


def unknown_words(translator: Translator, sentence: str, src: Tensor) -> list[str]:
    """List the words that a model has never seen, each once, as they were typed where that is known."""
    ids = src[0].tolist()
    typed = sentence.split()
    shown = typed if len(typed) == len(ids) - 1 else translator.source_text.tokens(ids)
    return list(dict.fromkeys(word for word, i in zip(shown, ids, strict=False) if i == UNK))


def record(translator: Translator, sentence: str) -> dict[str, Any]:
    """Translate a sentence greedily and keep what each stage of each step gives, as plain rounded data."""
    model = attending_model(translator)
    src = source_ids(translator, sentence)
    with torch.no_grad(), evaluating(model):
        memory, start = model.encode(src, src != PAD)
        made = []
        for step in steps(model, memory, start, LONGEST):
            step.write(step.log_probs.argmax(dim=-1))
            made.append(step)
        states, contexts = torch.cat([s.out.state for s in made]), torch.cat([s.out.context for s in made])
        weights = torch.cat([s.out.weights for s in made if s.out.weights is not None])
        log_probs = torch.cat([s.log_probs for s in made])
        asks = torch.cat([s.state if model.decoder.previous else s.out.state for s in made])
        scores = model.decoder.attention.scores(asks.unsqueeze(0), memory.keys)[0]
        joined = model.join(states, contexts, model.target_embedding(torch.cat([s.y_prev for s in made])))
    if log_probs.isnan().any():
        raise ValueError("a probability is nan, expected finite numbers: has the training diverged?")
    best = log_probs.topk(min(5, log_probs.shape[1]))
    likely = [translator.target_text.tokens(ids) for ids in best.indices.tolist()]
    chances = rounded(best.values.exp(), 4)
    return {
        "order": ORDERS[model.decoder.attention.query_state],
        "attention": model.config.attention,
        "readout": model.config.readout,
        "source": translator.source_text.tokens(src[0].tolist()),
        "target": translator.target_text.tokens(log_probs.argmax(dim=-1).tolist()),
        "unknown": unknown_words(translator, sentence, src),
        "widths": {"state": states.shape[1], "context": contexts.shape[1], "joined": joined.shape[1]},
        "values": rounded(memory.values[0, :, :WIDTH]),
        "states": rounded(torch.cat([start, states])[:, :WIDTH]),
        "scores": rounded(scores),
        "weights": rounded(weights, 4),
        "contexts": rounded(contexts[:, :WIDTH]),
        "joined": rounded(joined[:, :WIDTH]) if model.config.readout == "narrow" else [],
        "top": [[list(pair) for pair in zip(*row, strict=True)] for row in zip(likely, chances, strict=True)],
    }


def rounded(numbers: Tensor, digits: int = 3) -> Any:
    """Return numbers as nested lists, rounded: what a page can hold."""
    return (np.round(numbers.double().cpu().numpy(), digits) + 0.0).tolist()  # + 0.0: no minus zero
