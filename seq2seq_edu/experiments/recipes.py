"""What the commands train: data by name, settings by name, and the record that a finished run leaves."""

from __future__ import annotations

import dataclasses
import platform
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import sacrebleu
import torch

from seq2seq_edu import __version__
from seq2seq_edu.data import Example, IdPair, Subwords, Text, Vocabulary, corpora, grammar, reversal, split
from seq2seq_edu.decoding import Translation, Translator
from seq2seq_edu.metrics import (
    bleu,
    bleu_interval,
    by_length,
    corpus_alignment,
    exact_match,
    words,
)
from seq2seq_edu.models import (
    ATTENTIONS,
    EncoderDecoder,
    ModelConfig,
    Seq2Seq,
    Transformer,
    TransformerConfig,
)
from seq2seq_edu.training import TrainConfig, validate

DATA = ("multi30k", "tatoeba-zh-en", "tatoeba-en-zh", "grammar", "grammar-long", "reversal")
LONGEST = {"train": 80, "source": 200}  # tokens: longer training pairs are dropped, longer input is refused

ONE_WAY = {"bidirectional": False, "readout": "state"}  # two tutorials' shape: uni-GRU, output from the state
WIDTHS: dict[str, dict[str, Any]] = {
    "default": {"d_e": 256, "d_h": 512, "d_s": 256, "d_a": 256, "d_r": 256, "dropout": 0.3},
    "small": {"d_e": 96, "d_h": 192, "d_s": 96, "d_a": 96, "d_r": 96, "dropout": 0.1},
    "toy": {"d_e": 48, "d_h": 128, "d_s": 64, "d_a": 64, "d_r": 64, "dropout": 0.0},
    "classroom": {"d_e": 24, "d_h": 48, "d_s": 32, "d_a": 32, "d_r": 32, "dropout": 0.0},  # fits in a page
    "tutorial": {"d_e": 256, "d_h": 1024, "d_s": 512, "d_a": 512, "dropout": 0.5, "readout": "wide"},
    "pytorch": {"d_e": 512, "d_h": 512, "d_s": 512, "d_a": 512, "dropout": 0.1} | ONE_WAY,
    "d2l": {"d_e": 512, "d_h": 512, "d_s": 512, "d_a": 512, "dropout": 0.2} | ONE_WAY,
    "transformer": {"d_model": 256, "d_ff": 512, "layers": 3, "heads": 4, "dropout": 0.3},
}
TRAINING: dict[str, dict[str, Any]] = {
    "default": {"epochs": 8, "tokens": 1500, "lr": 2e-3, "label_smoothing": 0.1},
    "small": {"epochs": 2, "tokens": 1000, "lr": 4e-3, "label_smoothing": 0.1},
    "toy": {"epochs": 5, "tokens": 700, "lr": 4e-3, "warmup": 0.1, "label_smoothing": 0.0},
    "classroom": {"epochs": 8, "tokens": 700, "lr": 4e-3, "warmup": 0.1, "label_smoothing": 0.0},
    "tutorial": {"epochs": 8, "tokens": 1500, "lr": 1e-3, "label_smoothing": 0.1},
    "pytorch": {"epochs": 8, "tokens": 1500, "lr": 1e-3, "label_smoothing": 0.1},
    "d2l": {"epochs": 8, "tokens": 1500, "lr": 1e-3, "label_smoothing": 0.1},
    "transformer": {"epochs": 16, "tokens": 1500, "lr": 1e-3, "warmup": 0.1, "label_smoothing": 0.1},
}
MORE = {  # where the default training is another one: half as much text goes on longer
    "tatoeba-zh-en": {"epochs": 12},
    "tatoeba-en-zh": {"epochs": 12},
    "grammar-long": {"epochs": 4, "tokens": 1500},
}
VOCABULARY = {"multi30k": 6000, "tatoeba-zh-en": 8000, "tatoeba-en-zh": 8000}
REAL = tuple(name for name in WIDTHS if name != "classroom")
CONFIGS = {name: REAL if name in VOCABULARY else ("default",) for name in DATA}  # generated: that is "toy"
CONFIGS["grammar"] = ("default", "classroom")
EDGES = {
    "multi30k": (8, 11, 14, 17, 21),
    "grammar": (8, 11, 14),
    "grammar-long": (11, 21, 31, 41, 51),  # up to 60
    "reversal": (6, 8, 10, 12),
}


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
    gold: list[Example] | None
    tokenize: str


def prepare(
    name: str,
    *,
    config: str = "default",
    subwords: int | None = None,
    data_dir: str | Path | None = None,
) -> Prepared:
    """Load or generate data by name, with vocabularies from the training split only.

    Parameters
    ----------
    name : {"multi30k", "tatoeba-zh-en", "tatoeba-en-zh", "grammar", "grammar-long", "reversal"}
        The first three are real text, the others are generated (always the same examples).
    config : str
        Name of a configuration; "small" and "toy" have half as many subwords.
    subwords : int, optional
        How many pieces real text is cut into, instead of the number that is usual for these data; 0 takes
        whole lower-cased words seen at least twice, as older systems did (Chinese: characters).
    data_dir : path, optional
        Where the real text is; see :func:`seq2seq_edu.data.corpora.data_folder`.

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
        usual = VOCABULARY[name] // (2 if config in ("small", "toy") else 1)
        return _prepare_corpus(name, usual if subwords is None else subwords, data_dir)
    if subwords is not None:
        raise ValueError(f"{name} is generated from whole words: subwords={subwords} has no meaning there")
    if name == "grammar":
        examples = grammar.sentences(20_000, seed=0)
    elif name == "grammar-long":
        examples = grammar.long_sentences(20_000, seed=0)
    else:
        examples = reversal(20_000, seed=0)
    train, validation, test = split(examples, validation=500, test=500, seed=0)
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


def _prepare_corpus(name: str, subwords: int, data_dir: str | Path | None) -> Prepared:
    """Load real text and make one vocabulary for both languages, of subwords or (0) of words."""
    corpus = corpora.load(name, data_dir=data_dir)
    tokenize = "zh" if corpus.target_language == "zh" else "13a"
    test = [(p.source, p.target) for p in corpus.test]

    def cut(line: str) -> str:  # subwords find their own borders, words are found at spaces
        return line if subwords else " ".join(words(line))

    text: Text
    if subwords:
        lowercase = name == "multi30k"
        text = Subwords.train(corpora.training_texts(corpus), vocab_size=subwords, lowercase=lowercase)
    else:
        counts = Counter(word for line in corpora.training_texts(corpus) for word in words(line))
        text = Vocabulary([word for word, count in counts.items() if count > 1])
        test = [(cut(source), target) for source, target in test]

    def encode(pairs: Sequence[corpora.Pair]) -> list[IdPair]:
        ids = [(text.encode(cut(p.source)), text.encode(cut(p.target))) for p in pairs]
        return [(s, t) for s, t in ids if s and t and max(len(s), len(t)) <= LONGEST["train"]]

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
    changes: Mapping[str, Any] | None = None,
) -> tuple[ModelConfig | TransformerConfig, TrainConfig]:
    """Return the model and training settings that a name means for these data.

    Parameters
    ----------
    data : Prepared
        From :func:`prepare`.
    attention : {"none", "additive", "dot", "general", "scaled"}
        The score. Plain "dot" needs d_s = d_h, so its encoder is made as wide as its decoder. The Transformer
        has its own ("multi-head") and takes no notice of this.
    config : {"default", "small", "toy", "classroom", "tutorial", "transformer"}
        "default" and "transformer" are measured in ``results/``; generated data know only "default", the
        grammar "classroom" too: a decoder so small that it runs in a page.
    seed, device, precision, max_steps
        As in :class:`seq2seq_edu.training.TrainConfig`.
    changes : mapping, optional
        Single settings of the model or the training to change, by name: ``{"dropout": 0.1, "epochs": 3}``.

    Returns
    -------
    model_config, train_config : ModelConfig or TransformerConfig, and TrainConfig
        Frozen settings.

    Raises
    ------
    ValueError
        If a name is unknown for these data, or a change fits neither the model nor the training.
    """
    if config not in CONFIGS[data.name]:
        raise ValueError(
            f"{data.name} has the configurations {', '.join(CONFIGS[data.name])}; got {config!r}"
        )
    real = data.name in VOCABULARY
    name = config if real or config != "default" else "toy"
    widths = dict(WIDTHS[name])
    if "d_h" in widths and attention in ATTENTIONS and ATTENTIONS[attention].one_width:
        widths["d_h"] = widths["d_s"]
    sizes = (len(data.source_text), len(data.target_text))
    model: ModelConfig | TransformerConfig
    if "d_model" in widths:
        model = TransformerConfig(*sizes, share_embeddings=real, **widths)
    else:
        shared = real and widths.get("readout") not in ("wide", "state") and widths["d_r"] == widths["d_e"]
        model = ModelConfig(*sizes, attention=attention, share_embeddings=shared, **widths)
    schedule = TRAINING[name] | (MORE.get(data.name, {}) if config == "default" else {})
    train = TrainConfig(seed=seed, device=device, precision=precision, max_steps=max_steps, **schedule)
    return _changed(model, train, dict(changes or {}))


def _changed(model: Any, train: TrainConfig, changes: dict[str, Any]) -> tuple[Any, TrainConfig]:
    """Change single settings; ValueError if there is no such setting, or its value is of the wrong kind."""
    fixed = ("source_vocab", "target_vocab", "attention", "seed", "device", "precision", "max_steps")
    known = {f.name: owner for owner in (model, train) for f in dataclasses.fields(owner)}
    free = sorted(name for name in known if name not in fixed)
    for name, value in changes.items():
        if name not in free:
            raise ValueError(f"there is no setting {name!r} to change; there are {', '.join(free)}")
        now = getattr(known[name], name)
        kinds = (int, float) if isinstance(now, float) else (type(now),)
        if not isinstance(value, kinds) or isinstance(value, bool) != isinstance(now, bool):
            raise ValueError(f"{name} is {now!r} here, so its new value must be like it; got {value!r}")
    parts = [
        dataclasses.replace(owner, **{k: v for k, v in changes.items() if known[k] is owner})
        for owner in (model, train)
    ]
    return parts[0], parts[1]


def build(config: ModelConfig | TransformerConfig, seed: int) -> EncoderDecoder:
    """Make a model whose first parameters depend on the seed alone.

    Parameters
    ----------
    config : ModelConfig or TransformerConfig
        Which model, and its sizes.
    seed : int
        PyTorch's generator starts from it.

    Returns
    -------
    model : EncoderDecoder
        On the CPU, untrained.
    """
    torch.manual_seed(seed)
    return Transformer(config) if isinstance(config, TransformerConfig) else Seq2Seq(config)


def evaluate(
    model: EncoderDecoder, data: Prepared, *, width: int = 5
) -> tuple[dict[str, Any], list[dict[str, Any]], list[Translation]]:
    """Score a model on the test split by greedy decoding and by beam search; its own output is fed back.

    Parameters
    ----------
    model : EncoderDecoder
        A trained model.
    data : Prepared
        The data it was trained on.
    width : int
        Of the beam; with 1 there is greedy decoding only.

    Returns
    -------
    metrics : dict
        Each score with its signature or unit, of greedy decoding; those of the beam under ``beam5`` (for a
        width of 5); validation ``nll`` in nats per target token.
    lengths : list of dict
        BLEU and exact match by source length in words (real Chinese: characters), with 95 % intervals.
    translations : list of Translation
        One a test sentence, of greedy decoding.
    """
    sources, references = [s for s, _ in data.test], [t for _, t in data.test]
    translator = Translator(model, data.source_text, data.target_text)
    translations = translator.translate(sources, max_source=LONGEST["source"])
    outputs = [t.text for t in translations]
    metrics: dict[str, Any] = {"decoding": "greedy", "test_sentences": len(sources)}
    metrics |= _bleu_scores(outputs, references, data.tokenize)
    if data.gold is not None:  # real sentences have many right translations
        value = round(exact_match(outputs, references), 4)
        metrics["exact_match"] = {"value": value, "unit": "fraction of sentences"}
    if width > 1:
        best = translator.translate(sources, width=width, length_penalty=1.0, max_source=LONGEST["source"])
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
    model: EncoderDecoder,
    train: TrainConfig,
    *,
    config: str,
    changes: Mapping[str, Any],
    trained_at: str | None,
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
    changes : mapping
        The settings that differ from those of ``config``.
    trained_at : str or None
        The commit that trained it.
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
        "model": model.kind,
        "attention": model.config.attention,
        "config": config,
        "changes": dict(changes),
        "seed": train.seed,
        "device": machine(next(model.parameters()).device) | {"precision": train.precision},
        "versions": {
            "seq2seq_edu": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "sacrebleu": sacrebleu.__version__,
        },
        "commit": trained_at,
        "scored_at": commit(),
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
