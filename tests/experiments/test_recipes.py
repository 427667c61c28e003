"""Recipes: no test text reaches a vocabulary, no gold token reaches a score, and a record says all."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seq2seq_edu.data import UNK, Example, corpora, grammar
from seq2seq_edu.data.corpora import Corpus, Pair
from seq2seq_edu.decoding import Translation, Translator
from seq2seq_edu.experiments import recipes, scoring
from seq2seq_edu.experiments.recipes import Prepared
from seq2seq_edu.metrics import bleu, exact_match
from seq2seq_edu.models import ATTENTIONS, ModelConfig, Seq2Seq, Transformer
from seq2seq_edu.training import Checkpoint, TrainConfig, train

SIZES = {"d_e": 11, "d_h": 22, "d_s": 13, "d_a": 7, "d_r": 5, "dropout": 0.0}


def planted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Corpus:
    """Put a corpus in place of Multi30k whose test sentences hold characters of their own."""
    train = [Pair(f"Ein Hund sieht {k} Katzen.", f"A dog sees {k} cats.") for k in range(29)]
    test = (Pair("Eine ☂ schläft.", "A ♞ sleeps."), Pair("Ein Ψ", "a Ω"))
    corpus = Corpus("multi30k", "de", "en", tuple(train[:23]), tuple(train[23:]), test, "")
    monkeypatch.setattr(corpora, "load", lambda name, *, data_dir: corpus)
    monkeypatch.setitem(recipes.VOCABULARY, "multi30k", 60)
    return corpus


# Data


def test_generated_data_are_ready(small: None) -> None:
    data = recipes.prepare("reversal")
    assert (len(data.train), len(data.validation), len(data.test)) == (47, 11, 13)
    assert data.gold is not None and data.tokenize == "none"
    for (source, reference), example in zip(data.test, data.gold, strict=True):
        assert source.split() == list(example.source) and reference.split() == list(example.target)
    source, target = data.train[0]
    assert data.source_text.tokens(source) == data.target_text.tokens(target)[::-1]


def test_words_of_the_test_split_never_reach_a_vocabulary(
    small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = [Example((f"x{k}",), (f"y{k}",), frozenset(), frozenset()) for k in range(71)]
    monkeypatch.setattr(recipes, "reversal", lambda count, *, seed: examples)
    data = recipes.prepare("reversal")
    held = [ids for pair in data.validation for ids in pair]
    held += [data.source_text.encode(source) for source, _ in data.test]
    held += [data.target_text.encode(target) for _, target in data.test]
    assert len(held) == 2 * (11 + 13) and all(ids == [UNK] for ids in held)
    assert all(UNK not in ids for pair in data.train for ids in pair)


def test_text_of_the_test_split_never_reaches_the_subwords(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = planted(tmp_path, monkeypatch)
    data = recipes.prepare("multi30k")
    for pair in corpus.test:
        assert UNK in data.source_text.encode(pair.source) and UNK in data.target_text.encode(pair.target)
    assert data.source_text is data.target_text and len(data.source_text) == 60
    assert len(data.train) == 23 and len(data.validation) == 6 and data.test == list(corpus.test)
    assert data.tokenize == "13a" and data.gold is None
    assert data.source_text.encode("HUND") == data.source_text.encode("hund")


def test_long_sentences_leave_training_and_stay_in_the_test_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = planted(tmp_path, monkeypatch)
    long = Pair("Ein Hund " * 50, "A dog " * 50)
    changed = dataclasses.replace(corpus, train=(*corpus.train, long), test=(*corpus.test, long))
    monkeypatch.setattr(corpora, "load", lambda name, *, data_dir: changed)
    data = recipes.prepare("multi30k")
    assert len(data.train) == 23 and data.test[-1] == tuple(long)


def test_unknown_names_are_refused(small: None) -> None:
    with pytest.raises(ValueError, match="data must be one of multi30k, .*reversal; got 'wmt14'"):
        recipes.prepare("wmt14")
    with pytest.raises(ValueError, match="reversal has the configurations default; got 'tutorial'"):
        recipes.configure(recipes.prepare("reversal"), attention="dot", config="tutorial")


def test_grammar_is_prepared_from_its_sentences(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = grammar.sentences
    monkeypatch.setattr(grammar, "sentences", lambda count, *, seed: draw(211, seed=seed))
    data = recipes.prepare("grammar")
    assert len(data.test) == 13 and data.gold is not None and " " in data.test[0][1]


def test_long_sentences_keep_their_lengths_and_reach_the_last_bin(
    small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = grammar.long_sentences
    monkeypatch.setattr(grammar, "long_sentences", lambda count, *, seed: draw(211, seed=seed))
    data = recipes.prepare("grammar-long")
    sources = [source.split() for source, _ in data.test]
    assert {min(map(len, sources)) < 20, max(map(len, sources)) > 50} == {True}
    assert max(len(source) for source, _ in data.train) > 50 < scoring.EDGES["grammar-long"][-1] < 60
    assert all(UNK not in ids for pair in data.train for ids in pair)
    _, training = recipes.configure(data, attention="none")
    other = recipes.configure(data, attention="additive")[1]
    assert training == other  # the same budget with attention and without
    assert (training.epochs, training.tokens) == (4, 1500)
    assert recipes.configure(recipes.prepare("reversal"), attention="none")[1].tokens == 700


# Settings


def parts(data: Prepared) -> tuple[Any, TrainConfig]:
    """Return the default settings of some data."""
    return recipes.configure(data, attention="additive", device="cpu")


@pytest.mark.parametrize("config", recipes.CONFIGS["multi30k"])
@pytest.mark.parametrize("attention", ATTENTIONS)
def test_every_configuration_makes_a_model(
    attention: str, config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(tmp_path, monkeypatch)
    monkeypatch.setitem(recipes.VOCABULARY, "multi30k", 60 * (2 if config in ("small", "toy") else 1))
    data = recipes.prepare("multi30k", config=config)
    if recipes.WIDTHS[config].get("readout") == "state" and attention in ("dot", "general", "scaled"):
        with pytest.raises(ValueError, match="readout 'state' would never use the context"):
            recipes.configure(data, attention=attention, config=config)
        return
    model, training = recipes.configure(data, attention=attention, config=config, seed=7, device="cpu")
    assert model.attention == ("multi-head" if config == "transformer" else attention)
    assert (training.seed, training.device) == (7, "cpu")
    assert model.share_embeddings == (config in ("default", "small", "transformer"))
    with torch.device("meta"):
        built = recipes.build(model, 0)
    assert isinstance(built, Transformer if config == "transformer" else Seq2Seq)


def test_one_setting_can_be_changed_and_nothing_else_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(tmp_path, monkeypatch)
    data = recipes.prepare("multi30k")
    model, training = parts(data)
    changes = {"dropout": 0.5, "epochs": 3, "share_embeddings": False, "lr": 1}
    new_model, new_training = recipes.configure(data, attention="additive", device="cpu", changes=changes)
    assert new_model == dataclasses.replace(model, dropout=0.5, share_embeddings=False)
    assert new_training == dataclasses.replace(training, epochs=3, lr=1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dropuot": 0.1}, "no setting 'dropuot' to change; there are .*dropout"),
        ({"seed": 3}, "no setting 'seed' to change"),
        ({"attention": "dot"}, "no setting 'attention'"),
        ({"epochs": 2.5}, "epochs is 8 here, so its new value must be like it; got 2.5"),
        ({"share_embeddings": 1}, "share_embeddings is True here"),
        ({"d_e": True}, "d_e is 256 here"),
        ({"dropout": 1.0}, "dropout is a probability"),
        ({"average": 1}, "average must lie between"),
    ],
)
def test_changes_that_cannot_work_are_refused(
    changes: dict[str, object], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(tmp_path, monkeypatch)
    with pytest.raises(ValueError, match=words):
        recipes.configure(recipes.prepare("multi30k"), attention="additive", changes=changes)


def test_whole_words_are_those_that_training_has_seen_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = planted(tmp_path, monkeypatch)
    once = dataclasses.replace(corpus, train=(*corpus.train, Pair("Ein Unikum.", "A oddity.")))
    monkeypatch.setattr(corpora, "load", lambda name, *, data_dir: once)
    data = recipes.prepare("multi30k", subwords=0)
    sources = [" ".join(data.source_text.tokens(source)) for source, _ in data.train]
    assert sources[-1] == "ein <unk> ." and sources[11].startswith("ein hund sieht")
    assert data.test[0] == ("eine ☂ schläft .", "A ♞ sleeps.")  # the reference stays as it was written
    with pytest.raises(ValueError, match="reversal is generated from whole words"):
        recipes.prepare("reversal", subwords=0)


def test_first_parameters_depend_on_the_seed_alone() -> None:
    config = ModelConfig(11, 7, **SIZES)
    torch.rand(3)
    one, other, same = recipes.build(config, 1), recipes.build(config, 2), recipes.build(config, 1)
    assert torch.equal(one.W_o.weight, same.W_o.weight)
    assert not torch.equal(one.W_o.weight, other.W_o.weight)


# Scores


def trained(data: Prepared) -> Seq2Seq:
    """Train a small model a little: right now and then."""
    model = recipes.build(ModelConfig(len(data.source_text), len(data.target_text), **SIZES), 0)
    config = TrainConfig(max_steps=60, tokens=101, lr=0.02, label_smoothing=0.0, device="cpu")
    list(train(model, data.train, config))
    return model


def test_gold_targets_do_not_reach_the_predictions(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    data = recipes.prepare("reversal")
    model, scored = trained(data), []

    def seen(*, hypotheses: list[str], references: list[str], **more: object) -> object:
        scored.append(hypotheses)
        return bleu(hypotheses=hypotheses, references=references, **more)

    monkeypatch.setattr(scoring, "bleu", seen)
    scoring.evaluate(model, data)
    noise = [
        (source, " ".join(source.split()[::-1][2:] + ["a"] * k)) for k, (source, _) in enumerate(data.test)
    ]
    scoring.evaluate(model, dataclasses.replace(data, test=noise))
    half = len(scored) // 2  # greedy and beam, each scored in several ways
    assert half == 6 and scored[:half] == scored[half:] and len(set(scored[0])) > 3


def test_scores_are_those_of_the_translations(small: None) -> None:
    data = recipes.prepare("reversal")
    model = trained(data)
    metrics, lengths, translations = scoring.evaluate(model, data)
    texts, references = [t.text for t in translations], [reference for _, reference in data.test]
    alone = Translator(model, data.source_text, data.target_text).translate([s for s, _ in data.test])
    assert texts == [t.text for t in alone]
    score = bleu(hypotheses=texts, references=references, tokenize="none")
    assert metrics["bleu"]["value"] == round(score.value, 2) > 0
    assert metrics["bleu"]["signature"] == score.signature and "tok:none" in score.signature
    low, high = metrics["bleu"]["interval_95"]
    assert low <= metrics["bleu"]["value"] <= high
    assert metrics["exact_match"]["value"] == round(exact_match(texts, references), 4)
    assert "case:lc" in metrics["bleu_lc"]["signature"] and metrics["test_sentences"] == 13
    beam = Translator(model, data.source_text, data.target_text).translate([s for s, _ in data.test], width=5)
    best = bleu(hypotheses=[t.text for t in beam], references=references, tokenize="none")
    assert metrics["beam5"]["bleu"]["value"] == round(best.value, 2)
    assert "beam 5" in metrics["beam5"]["decoding"]
    assert [t.text for t in beam] != texts, "beam and greedy agree: the test sees no difference"
    assert sum(record["count"] for record in lengths) == 13
    json.dumps([metrics, lengths])


def answered(example: Example) -> Translation:
    """Answer right, with all weight of each step on the word that it comes from."""
    m, n = len(example.target) + 1, len(example.source) + 1
    alignment = np.zeros((m, n))
    for t, i in example.sure:
        alignment[t, i] = 1.0
    alignment[m - 1, n - 1] = 1.0  # eos looks at eos
    source, target = [*example.source, "<eos>"], [*example.target, "<eos>"]
    return Translation(source, target, " ".join(example.target), alignment, -0.1, True, [])


def test_maps_are_graded_where_the_answer_is_right(small: None) -> None:
    gold = recipes.prepare("reversal").gold
    assert gold is not None
    right = [answered(example) for example in gold]
    report = scoring._alignment(right, gold)
    assert (report["sentences"], report["aer"], report["gold_mass"]) == (13, 0.0, 1.0)
    wrong = dataclasses.replace(right[0], text="a b")
    cut = dataclasses.replace(right[1], finished=False)
    assert scoring._alignment([wrong, cut, *right[2:]], gold)["sentences"] == 11
    assert scoring._alignment([wrong], gold[:1]) == {"sentences": 0}


def test_a_record_is_plain_data_and_says_all(small: None) -> None:
    data = recipes.prepare("reversal")
    model = trained(data)
    about = {"config": "default", "changes": {"dropout": 0.0}, "subwords": None, "commit": "abc"}
    best = Checkpoint(model, data.source_text, data.target_text, about)
    progress = {"seconds": 1.23, "cpu_seconds": 2.34}
    found = scoring.record(best, data, TrainConfig(seed=5, device="cpu"), progress)
    record = json.loads(json.dumps(found))
    expected = {"task": "reversal", "attention": "additive", "config": "default", "seed": 5, "seconds": 1.2}
    expected |= {"model": "seq2seq", "changes": {"dropout": 0.0}, "commit": "abc"}
    assert expected.items() <= record.items()
    assert record["device"]["type"] == "cpu" and record["device"]["threads"] == torch.get_num_threads()
    assert record["versions"]["torch"] == torch.__version__ and record["training_pairs"] == 47
    assert record["parameters"] == sum(p.numel() for p in model.parameters())
    assert ModelConfig(**record["model_config"]) == model.config
    assert TrainConfig(**record["train_config"]).seed == 5
