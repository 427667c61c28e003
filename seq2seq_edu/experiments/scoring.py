"""What is found out about a trained model: its scores on the test split, and the record that a run leaves."""

from __future__ import annotations

import dataclasses
import platform
import subprocess
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import sacrebleu
import torch
from cpuinfo import get_cpu_info

from seq2seq_edu import __version__
from seq2seq_edu.data import Example
from seq2seq_edu.decoding import Translation, Translator
from seq2seq_edu.experiments.recipes import Prepared
from seq2seq_edu.metrics import bleu, bleu_interval, by_length, corpus_alignment, exact_match, words
from seq2seq_edu.models import EncoderDecoder
from seq2seq_edu.training import Checkpoint, TrainConfig, validate

EDGES = {  # of the source lengths that are scored apart; those of other data stand in _lengths
    "multi30k": (8, 11, 14, 17, 21),
    "grammar": (8, 11, 14),
    "grammar-long": (11, 21, 31, 41, 51),  # up to 60
    "reversal": (6, 8, 10, 12),
}


def evaluate(
    model: EncoderDecoder, data: Prepared, *, width: int = 5
) -> tuple[dict[str, Any], list[dict[str, Any]], list[Translation]]:
    """Score a model on the test split by greedy decoding and by beam search; its own output is fed back.

    Returns the metrics, each with its signature or unit (those of the beam under ``beam5``, for a width of 5;
    with a width of 1 there is no beam); BLEU and exact match by source length; the greedy translations.
    """
    sources, references = [s for s, _ in data.test], [t for _, t in data.test]
    translator = Translator(model, data.source_text, data.target_text)
    translations = translator.translate(sources)
    outputs = [t.text for t in translations]
    metrics: dict[str, Any] = {"decoding": "greedy", "test_sentences": len(sources)}
    metrics |= _bleu_scores(outputs, references, data.tokenize)
    if data.gold is not None:  # real sentences have many right translations
        value = round(exact_match(outputs, references), 4)
        metrics["exact_match"] = {"value": value, "unit": "fraction of sentences"}
    if width > 1:
        best = translator.translate(sources, width=width)
        name = {"decoding": f"beam {width}, log-probability divided by length (penalty 1.0)"}
        metrics[f"beam{width}"] = name | _bleu_scores([t.text for t in best], references, data.tokenize)
    nll = validate(model, data.validation)
    metrics["nll"] = {"value": round(nll, 4), "unit": "nats per target token, validation, teacher forcing"}
    if data.gold is not None and model.config.attention != "none":
        metrics["alignment"] = _alignment(translations, data.gold)
    return metrics, _lengths(data, sources, outputs, references), translations


def _bleu_scores(outputs: Sequence[str], references: Sequence[str], tokenize: str) -> dict[str, Any]:
    """Return three BLEU scores: cased, lower-cased, and as tutorials count (their own lower-cased tokens)."""
    my_words, their_words = ([" ".join(words(text)) for text in side] for side in (outputs, references))
    scores = {}
    for key, mine, theirs, tokens, lowercase in (
        ("bleu", outputs, references, tokenize, False),
        ("bleu_lc", outputs, references, tokenize, True),
        ("bleu_tok_lc", my_words, their_words, "none", True),
    ):
        value, signature = bleu(hypotheses=mine, references=theirs, tokenize=tokens, lowercase=lowercase)
        _, low, high = bleu_interval(hypotheses=mine, references=theirs, tokenize=tokens, lowercase=lowercase)
        interval = [round(low, 2), round(high, 2)]
        scores[key] = {"value": round(value, 2), "signature": signature, "interval_95": interval}
    return scores


def _lengths(
    data: Prepared, sources: Sequence[str], outputs: Sequence[str], references: Sequence[str]
) -> list[dict[str, Any]]:
    """Score by source length: in words, or in characters where the source is Chinese."""
    characters = data.name == "tatoeba-zh-en"  # Chinese writes no spaces between words
    bins = by_length(
        lengths=[len("".join(s.split())) if characters else len(s.split()) for s in sources],
        hypotheses=outputs,
        references=references,
        edges=EDGES.get(data.name, (6, 9, 12, 16, 21)),
        tokenize=data.tokenize,
        lowercase=True,
    )
    return [dataclasses.asdict(b) for b in bins]


def _alignment(translations: Sequence[Translation], gold: Sequence[Example]) -> dict[str, Any]:
    """Grade the maps of the right answers only: links of a wrong answer are not known."""
    right = [
        (t.alignment, e.sure, e.possible)
        for t, e in zip(translations, gold, strict=True)
        if t.finished and t.text == " ".join(e.target) and t.alignment is not None
    ]
    if not right:
        return {"sentences": 0}
    maps, sure, possible = zip(*right, strict=True)
    report = corpus_alignment(maps, sure, possible)
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in dataclasses.asdict(report).items()}


def record(
    best: Checkpoint, data: Prepared, train: TrainConfig, progress: Mapping[str, Any]
) -> dict[str, Any]:
    """Score a trained model; put what it is, what it took and how it did into data for ``results/``."""
    model, about = best.model, best.about
    metrics, lengths, _ = evaluate(model, data)
    subwords = {} if about["subwords"] is None else {"subwords": about["subwords"]}
    return {
        "task": data.name,
        "model": model.kind,
        "attention": model.config.attention,
        "config": about["config"],
        "changes": about["changes"] | subwords,
        "seed": train.seed,
        "device": machine(next(model.parameters()).device) | {"precision": train.precision},
        "versions": {
            "seq2seq_edu": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "sacrebleu": sacrebleu.__version__,
        },
        "commit": about["commit"],
        "scored_at": commit(),
        "parameters": sum(p.numel() for p in model.parameters()),
        "training_pairs": len(data.train),
        "validation_pairs": len(data.validation),
        "seconds": round(progress["seconds"], 1),
        "cpu_seconds": round(progress["cpu_seconds"], 1),
        "metrics": metrics,
        "by_length": lengths,
        "model_config": dataclasses.asdict(model.config),
        "train_config": dataclasses.asdict(train),
    }


def machine(device: torch.device) -> dict[str, Any]:
    """Say where numbers were made: ``type`` of the device, its ``name``, the ``threads`` of PyTorch."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    return {"type": device.type, "name": name, "threads": torch.get_num_threads()}


@lru_cache  # it takes a second or two to find out
def processor() -> str:
    """Return the name of the processor, as far as the system tells it."""
    return str(get_cpu_info().get("brand_raw", platform.processor()))


@lru_cache
def commit() -> str | None:
    """Name the commit of this checkout, "-dirty" if a file is changed, as it was when first asked."""
    words = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.check_output(
            words, cwd=Path(__file__).parent, stderr=subprocess.DEVNULL, text=True, timeout=10
        ).strip()
    except (OSError, subprocess.SubprocessError):
        return None
