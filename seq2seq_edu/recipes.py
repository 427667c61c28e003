"""What the commands train: data by name, settings by name, and the record that a finished run leaves."""

from __future__ import annotations

import dataclasses
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import sacrebleu
import torch

from seq2seq_edu import __version__, corpora, grammar, tasks
from seq2seq_edu.batching import IdPair, Text, Vocabulary
from seq2seq_edu.decoding import Translation, Translator
from seq2seq_edu.evaluation import bleu, bleu_interval, by_length, corpus_alignment, exact_match
from seq2seq_edu.model import ModelConfig, Seq2Seq
from seq2seq_edu.subwords import Subwords
from seq2seq_edu.training import TrainConfig, validate

DATA = ("multi30k", "tatoeba-zh-en", "tatoeba-en-zh", "grammar", "reversal")
LONGEST = {"train": 80, "source": 200}  # tokens: longer training pairs are dropped, longer input is refused

WIDTHS: dict[str, dict[str, Any]] = {
    "default": {"d_e": 256, "d_h": 512, "d_s": 256, "d_a": 256, "d_r": 256, "dropout": 0.3},
    "small": {"d_e": 96, "d_h": 192, "d_s": 96, "d_a": 96, "d_r": 96, "dropout": 0.1},
    "toy": {"d_e": 48, "d_h": 128, "d_s": 64, "d_a": 64, "d_r": 64, "dropout": 0.0},
    "tutorial": {"d_e": 256, "d_h": 1024, "d_s": 512, "d_a": 512, "dropout": 0.5, "readout": "wide"},
}
TRAINING: dict[str, dict[str, Any]] = {
    "default": {"epochs": 8, "tokens": 1500, "lr": 2e-3, "label_smoothing": 0.1},
    "small": {"epochs": 2, "tokens": 1000, "lr": 4e-3, "label_smoothing": 0.1},
    "toy": {"epochs": 5, "tokens": 700, "lr": 4e-3, "warmup": 0.1, "label_smoothing": 0.0},
    "tutorial": {"epochs": 8, "tokens": 1500, "lr": 1e-3, "label_smoothing": 0.1},
}
MORE = {"tatoeba-zh-en": {"epochs": 12}, "tatoeba-en-zh": {"epochs": 12}}  # half as much text: go on longer
VOCABULARY = {"multi30k": 6000, "tatoeba-zh-en": 8000, "tatoeba-en-zh": 8000}
CONFIGS = {name: tuple(WIDTHS) if name in VOCABULARY else ("default",) for name in DATA}
EDGES = {"multi30k": (8, 11, 14, 17, 21), "grammar": (8, 11, 14), "reversal": (6, 8, 10, 12)}


@dataclass(frozen=True)
class Prepared:
    """Data ready for training and scoring.

    ``train`` and ``validation`` are id pairs; ``test`` is (source text, reference text) pairs; ``gold`` holds
    an Example for each test pair where the links are known; ``tokenize`` is sacreBLEU's tokeniser.
    """

    name: str
    source_text: Text
    target_text: Text
    train: list[IdPair]
    validation: list[IdPair]
    test: list[tuple[str, str]]
    gold: list[tasks.Example] | None
    tokenize: str


def prepare(name: str, *, config: str = "default", data_dir: str | Path | None = None) -> Prepared:
    """Load or generate data by name, with vocabularies from the training split only.

    Parameters
    ----------
    name : {"multi30k", "tatoeba-zh-en", "tatoeba-en-zh", "grammar", "reversal"}
        The first three are real text, the others are generated (always the same examples).
    config : str
        Name of a configuration; "small" and "toy" have half as many subwords.
    data_dir : path, optional
        Where the real text is; see :func:`seq2seq_edu.corpora.data_folder`.

    Returns
    -------
    data : Prepared
        Ready to train on.

    Raises
    ------
    ValueError
        If the name is unknown, or a file is not what it should be.
    OSError
        If a file is missing and cannot be downloaded.

    References
    ----------
    Taught in: real_translation.
    """
    if name not in DATA:
        raise ValueError(f"data must be one of {', '.join(DATA)}; got {name!r}")
    if name in VOCABULARY:
        return _prepare_corpus(name, VOCABULARY[name] // (2 if config in ("small", "toy") else 1), data_dir)
    examples = grammar.sentences(20_000, seed=0) if name == "grammar" else tasks.reversal(20_000, seed=0)
    train, validation, test = tasks.split(examples, validation=500, test=500, seed=0)
    source = Vocabulary.build(e.source for e in train)
    target = Vocabulary.build(e.target for e in train)
    return Prepared(
        name,
        source,
        target,
        [(source.encode(e.source), target.encode(e.target)) for e in train],
        [(source.encode(e.source), target.encode(e.target)) for e in validation],
        [(" ".join(e.source), " ".join(e.target)) for e in test],
        test,
        "none",
    )


def _prepare_corpus(name: str, vocab_size: int, data_dir: str | Path | None) -> Prepared:
    """Load real text and learn one subword model for both languages."""
    corpus = corpora.load(name, data_dir=data_dir)
    text = Subwords.train(corpora.training_texts(corpus), vocab_size=vocab_size, lowercase=name == "multi30k")

    def encode(pairs: Sequence[corpora.Pair]) -> list[IdPair]:
        ids = [(text.encode(p.source), text.encode(p.target)) for p in pairs]
        return [(s, t) for s, t in ids if s and t and max(len(s), len(t)) <= LONGEST["train"]]

    tokenize = "zh" if corpus.target_language == "zh" else "13a"
    test = [(p.source, p.target) for p in corpus.test]
    return Prepared(name, text, text, encode(corpus.train), encode(corpus.validation), test, None, tokenize)


def settings(
    data: Prepared,
    *,
    attention: str,
    config: str = "default",
    seed: int = 0,
    device: str = "auto",
    precision: str = "fp32",
    max_steps: int | None = None,
) -> tuple[ModelConfig, TrainConfig]:
    """Return the model and training settings that a name means for these data.

    Parameters
    ----------
    data : Prepared
        From :func:`prepare`.
    attention : {"none", "additive", "dot", "general", "scaled"}
        The score. Plain "dot" needs d_s = d_h, so its encoder is made as wide as its decoder.
    config : {"default", "small", "toy", "tutorial"}
        "default" is measured in ``results/``; generated data know only "default".
    seed, device, precision, max_steps
        As in :class:`seq2seq_edu.training.TrainConfig`.

    Returns
    -------
    model_config, train_config : ModelConfig, TrainConfig
        Frozen settings.

    Raises
    ------
    ValueError
        If a name is unknown for these data.
    """
    if config not in CONFIGS[data.name]:
        raise ValueError(
            f"{data.name} has the configurations {', '.join(CONFIGS[data.name])}; got {config!r}"
        )
    real = data.name in VOCABULARY
    name = config if real else "toy"
    widths = dict(WIDTHS[name])
    if attention == "dot":
        widths["d_h"] = widths["d_s"]
    shared = real and widths.get("readout") != "wide" and widths["d_r"] == widths["d_e"]
    model = ModelConfig(
        len(data.source_text), len(data.target_text), attention=attention, share_embeddings=shared, **widths
    )
    schedule = TRAINING[name] | (MORE.get(data.name, {}) if name == "default" else {})
    train = TrainConfig(seed=seed, device=device, precision=precision, max_steps=max_steps, **schedule)
    return model, train


def build(config: ModelConfig, seed: int) -> Seq2Seq:
    """Make a model whose first parameters depend on the seed alone.

    Parameters
    ----------
    config : ModelConfig
        Its sizes.
    seed : int
        PyTorch's generator starts from it.

    Returns
    -------
    model : Seq2Seq
        On the CPU, untrained.
    """
    torch.manual_seed(seed)
    return Seq2Seq(config)


def evaluate(
    model: Seq2Seq, data: Prepared
) -> tuple[dict[str, Any], list[dict[str, Any]], list[Translation]]:
    """Score a model on the test split: greedy decoding, the model's own output fed back.

    Parameters
    ----------
    model : Seq2Seq
        A trained model.
    data : Prepared
        The data it was trained on.

    Returns
    -------
    metrics : dict
        Each score with its signature or unit; validation ``nll`` in nats per target token.
    lengths : list of dict
        BLEU and exact match by source length in words (real Chinese: characters), with 95 % intervals.
    translations : list of Translation
        One a test sentence.
    """
    sources, references = [s for s, _ in data.test], [t for _, t in data.test]
    translator = Translator(model, data.source_text, data.target_text)
    translations = translator.translate(sources, max_source=LONGEST["source"])
    outputs = [t.text for t in translations]
    metrics: dict[str, Any] = {"decoding": "greedy", "test_sentences": len(sources)}
    for key, lowercase in (("bleu", False), ("bleu_lc", True)):
        value, signature = bleu(
            hypotheses=outputs, references=references, tokenize=data.tokenize, lowercase=lowercase
        )
        _, low, high = bleu_interval(
            hypotheses=outputs, references=references, tokenize=data.tokenize, lowercase=lowercase
        )
        metrics[key] = {
            "value": round(value, 2),
            "signature": signature,
            "interval_95": [round(low, 2), round(high, 2)],
        }
    if data.gold is not None:  # real sentences have many right translations
        value = round(exact_match(outputs, references), 4)
        metrics["exact_match"] = {"value": value, "unit": "fraction of sentences"}
    nll = validate(model, data.validation)
    metrics["nll"] = {"value": round(nll, 4), "unit": "nats per target token, validation, teacher forcing"}
    if data.gold is not None and model.config.attention != "none":
        metrics["alignment"] = _alignment(translations, data.gold)
    characters = data.name == "tatoeba-zh-en"  # Chinese writes no spaces between words
    sizes = [len("".join(s.split())) if characters else len(s.split()) for s in sources]
    edges = EDGES.get(data.name, (6, 9, 12, 16, 21))
    lengths = by_length(
        lengths=sizes,
        hypotheses=outputs,
        references=references,
        edges=edges,
        tokenize=data.tokenize,
        lowercase=True,
    )
    return metrics, [dataclasses.asdict(r) for r in lengths], translations


def _alignment(translations: Sequence[Translation], gold: Sequence[tasks.Example]) -> dict[str, Any]:
    """Grade the maps of the right answers only: links of a wrong answer are not known."""
    right = [
        (t, e)
        for t, e in zip(translations, gold, strict=True)
        if t.finished and t.text == " ".join(e.target) and t.alignment is not None
    ]
    if not right:
        return {"sentences": 0}
    report = corpus_alignment(
        [t.alignment for t, _ in right if t.alignment is not None],
        [e.sure for _, e in right],
        [e.possible for _, e in right],
    )
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in dataclasses.asdict(report).items()}


def record(
    data: Prepared,
    model: Seq2Seq,
    train: TrainConfig,
    *,
    config: str,
    seconds: float,
    cpu_seconds: float,
    metrics: dict[str, Any],
    lengths: list[dict[str, Any]],
) -> dict[str, Any]:
    """Put one run into plain data, for ``record.json`` and ``results/``.

    Parameters
    ----------
    data, model, train, config
        What was trained, and how.
    seconds, cpu_seconds : float
        Wall-clock and processor seconds of the training, validation included.
    metrics, lengths
        From :func:`evaluate`.

    Returns
    -------
    record : dict
        Only numbers, strings, lists and dicts.
    """
    return {
        "task": data.name,
        "model": "seq2seq",
        "attention": model.config.attention,
        "config": config,
        "seed": train.seed,
        "device": machine(next(model.parameters()).device) | {"precision": train.precision},
        "versions": {
            "seq2seq_edu": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "sacrebleu": sacrebleu.__version__,
        },
        "commit": commit(),
        "parameters": sum(p.numel() for p in model.parameters()),
        "training_pairs": len(data.train),
        "validation_pairs": len(data.validation),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu_seconds, 1),
        "metrics": metrics,
        "by_length": lengths,
        "model_config": dataclasses.asdict(model.config),
        "train_config": dataclasses.asdict(train),
    }


def machine(device: torch.device) -> dict[str, Any]:
    """Say where numbers were made, for a record.

    Parameters
    ----------
    device : torch.device
        The CPU or a GPU.

    Returns
    -------
    machine : dict
        ``type`` ("cpu" or "cuda"), ``name`` of the processor or GPU, ``threads`` that PyTorch uses.
    """
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    return {"type": device.type, "name": name, "threads": torch.get_num_threads()}


def _processor() -> str:
    """Return the name of the processor, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


@lru_cache
def commit() -> str | None:
    """Return the commit of this checkout, as it was when first asked.

    Returns
    -------
    commit : str or None
        As ``git describe`` names it, with "-dirty" if a file was changed; None if there is no checkout.
    """
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            cwd=Path(__file__).parent,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
