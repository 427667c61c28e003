"""What the commands train: data by name, settings by name."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from seq2seq_edu.data import Example, IdPair, Subwords, Text, Vocabulary, corpora, grammar, reversal, split
from seq2seq_edu.metrics import words
from seq2seq_edu.models import ATTENTIONS, ModelConfig, Seq2Seq, Transformer, TransformerConfig
from seq2seq_edu.training import TrainConfig

DATA = ("multi30k", "tatoeba-zh-en", "tatoeba-en-zh", "grammar", "grammar-long", "reversal")
LONGEST = 80  # tokens: longer training pairs are dropped

TUTORIALS = ("tutorial", "pytorch", "d2l")
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
    "transformer": {"epochs": 16, "tokens": 1500, "lr": 1e-3, "warmup": 0.1, "label_smoothing": 0.1},
} | {name: {"epochs": 8, "tokens": 1500, "lr": 1e-3, "label_smoothing": 0.1} for name in TUTORIALS}
MORE = {  # where the default training is another one: half as much text goes on longer
    "tatoeba-zh-en": {"epochs": 12},
    "tatoeba-en-zh": {"epochs": 12},
    "grammar-long": {"epochs": 4, "tokens": 1500},
}
VOCABULARY = {"multi30k": 6000, "tatoeba-zh-en": 8000, "tatoeba-en-zh": 8000}
REAL = tuple(name for name in WIDTHS if name != "classroom")
CONFIGS = {name: REAL if name in VOCABULARY else ("default",) for name in DATA}  # generated: that is "toy"
CONFIGS["grammar"] = ("default", "classroom")


@dataclass(frozen=True)
class Prepared:
    """Data ready for training and scoring."""

    name: str
    source_text: Text
    target_text: Text
    train: list[IdPair]
    validation: list[IdPair]
    test: list[tuple[str, str]]  # source text, reference text
    gold: list[Example] | None  # one for each test pair, where the links are known
    tokenize: str  # sacreBLEU's tokeniser


def prepare(
    name: str, *, config: str = "default", subwords: int | None = None, data_dir: str | Path | None = None
) -> Prepared:
    """Load or generate data by name; its vocabularies come from the training split alone.

    Parameters
    ----------
    name : str. One of ``DATA``: three of real text, the others generated (always the same examples).
    config : str. Name of a configuration; "small" and "toy" have half as many subwords.
    subwords : int, optional. Into how many pieces real text is cut; 0 takes whole lower-cased words seen at
        least twice, as older systems did (Chinese: characters).
    data_dir : path, optional. Where the real text is, if not in ``corpora.data_folder``.

    Returns
    -------
    data : Prepared. ValueError if the name is unknown or a file is not what it should be; OSError if one
        cannot be had.
    """
    if name not in DATA:
        raise ValueError(f"data must be one of {', '.join(DATA)}; got {name!r}")
    if name in VOCABULARY:
        usual = VOCABULARY[name] // (2 if config in ("small", "toy") else 1)
        return _prepare_corpus(name, usual if subwords is None else subwords, data_dir)
    if subwords is not None:
        raise ValueError(f"{name} is generated from whole words: subwords={subwords} has no meaning there")
    draws: dict[str, Callable[..., list[Example]]]
    draws = {"grammar": grammar.sentences, "grammar-long": grammar.long_sentences, "reversal": reversal}
    examples = draws[name](20_000, seed=0)
    train, validation, test = split(examples, validation=500, test=500, seed=0)
    source = Vocabulary.build(e.source for e in train)
    target = Vocabulary.build(e.target for e in train)

    def encode(part: Sequence[Example]) -> list[IdPair]:
        return [(source.encode(e.source), target.encode(e.target)) for e in part]

    pairs = [(" ".join(e.source), " ".join(e.target)) for e in test]
    return Prepared(name, source, target, encode(train), encode(validation), pairs, test, "none")


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
        return [(s, t) for s, t in ids if s and t and max(len(s), len(t)) <= LONGEST]

    return Prepared(name, text, text, encode(corpus.train), encode(corpus.validation), test, None, tokenize)


def configure(
    data: Prepared, *, attention: str, config: str = "default", seed: int = 0, device: str = "auto",
    precision: str = "fp32", max_steps: int | None = None, changes: Mapping[str, Any] | None = None,
) -> tuple[ModelConfig | TransformerConfig, TrainConfig]:  # fmt: skip
    """Return the model and training settings that a name means for these data.

    Parameters
    ----------
    data : Prepared. From :func:`prepare`.
    attention : str. The score, a name in ``models.ATTENTIONS``. Plain "dot" needs d_s = d_h, so its encoder
        is made as wide as its decoder. The Transformer has its own and takes no notice of this.
    config : str. A name in ``CONFIGS[data.name]``; "default" and "transformer" are measured in ``results/``.
    seed, device, precision, max_steps : as in :class:`seq2seq_edu.training.TrainConfig`.
    changes : mapping, optional. Single settings of the model or the training to change, by name:
        ``{"dropout": 0.1, "epochs": 3}``.

    Returns
    -------
    model_config, train_config : ModelConfig or TransformerConfig, and TrainConfig. ValueError if a name is
        unknown for these data, or a change fits neither.
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
    of_model, of_training = (
        {name: value for name, value in changes.items() if known[name] is owner} for owner in (model, train)
    )
    return dataclasses.replace(model, **of_model), dataclasses.replace(train, **of_training)


def titles() -> dict[str, str]:
    """Return the models as tables name them."""
    return {name: f"GRU, {kind.title}" for name, kind in ATTENTIONS.items()} | {"transformer": "Transformer"}


def build(config: ModelConfig | TransformerConfig, seed: int) -> Seq2Seq | Transformer:
    """Make a model whose first parameters depend on the seed alone.

    Parameters
    ----------
    config : ModelConfig or TransformerConfig. Which model.
    seed : int. Where PyTorch's generator starts from.

    Returns
    -------
    model : Seq2Seq or Transformer. On the CPU, untrained.
    """
    torch.manual_seed(seed)
    return Transformer(config) if isinstance(config, TransformerConfig) else Seq2Seq(config)
