"""The records of full runs, the weights that are given away, and every score that a page quotes from them."""

import json
import re
import socket
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from seq2seq_edu.checkpoints import load_checkpoint
from seq2seq_edu.decoding import Translator
from seq2seq_edu.model import ModelConfig, Seq2Seq
from seq2seq_edu.recipes import CONFIGS, DATA
from seq2seq_edu.training import TrainConfig

ROOT = Path(__file__).resolve().parent.parent
CHAPTER = ROOT / "notebooks" / "08_real_translation.ipynb"
RELEASED = sorted((ROOT / "checkpoints").glob("*/record.json"))
FILES = sorted((ROOT / "results").glob("*.json"))
PUBLISHED = {  # BLEU on the Multi30k test set of 2016, by others, counted otherwise
    "28.30": "bentrevett/pytorch-seq2seq, tutorial 3",
    "13.76": "bentrevett/pytorch-seq2seq, without attention",
    "20.61": "bentrevett/pytorch-seq2seq, without attention",
    "38.38": "Lample et al. (2018), arXiv:1711.00043, table 2",
}
SCHEMA: dict[str, Any] = {
    "task": str,
    "model": str,
    "attention": str,
    "config": str,
    "seed": int,
    "device": {"type": str, "name": str, "threads": int, "precision": str},
    "versions": {"seq2seq_edu": str, "python": str, "torch": str, "sacrebleu": str},
    "commit": str,
    "parameters": int,
    "training_pairs": int,
    "validation_pairs": int,
    "seconds": (int, float),
    "cpu_seconds": (int, float),
    "metrics": {"decoding": str, "test_sentences": int, "bleu": dict, "bleu_lc": dict, "nll": dict},
    "by_length": list,
    "model_config": dict,
    "train_config": dict,
}
RUNS = [path for path in FILES if not path.stem.startswith("bench")]  # a table of speeds is no run


def read(path: Path) -> dict[str, Any]:
    """Read one record."""
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return record


def misfits(found: Any, wanted: Any, place: str = "record") -> list[str]:
    """List what is missing in a record, or of another type than the schema says."""
    if isinstance(wanted, dict):
        if not isinstance(found, dict):
            return [f"{place} is no object"]
        lacking = [f"{place}.{name} is missing" for name in wanted if name not in found]
        inner = [misfits(found[n], kind, f"{place}.{n}") for n, kind in wanted.items() if n in found]
        return lacking + sum(inner, [])
    right = isinstance(found, wanted) and not isinstance(found, bool)
    return [] if right else [f"{place} is {found!r}, expected {wanted}"]


def bad_scores(record: dict[str, Any]) -> list[str]:
    """List what is wrong with the scores of a record: signature, ruler, interval."""
    wrong = []
    for name, case in (("bleu", "case:mixed"), ("bleu_lc", "case:lc")):
        score = record["metrics"][name]
        low, high = score.get("interval_95", (0, 0))
        tokens = "tok:13a" if record["task"] in ("multi30k", "tatoeba-zh-en") else "tok:"
        for part in (case, tokens, "nrefs:1", "smooth:exp", "version:"):
            if part not in score.get("signature", ""):
                wrong.append(f"{name}: no {part} in the signature {score.get('signature')!r}")
        if not 0 <= low <= score["value"] <= high <= 100:
            wrong.append(f"{name}: {score['value']} is not within {low} .. {high}")
    return wrong


def claims(text: str) -> set[str]:
    """Return the numbers that a text gives as scores: decimals where BLEU is spoken of, and `BLEU 38`.

    Code, formulas, links, identifiers of papers, sizes and numbers of exercises are no scores.
    """
    plain = r"```.*?```|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]*\$|\]\([^)]*\)|<!--.*?-->|(?:arXiv|doi):\s*\S+"
    text = re.sub(plain, " ", text, flags=re.DOTALL | re.IGNORECASE)
    text = re.sub(r"^\| *\d+\.\d+ *\|", "|", text, flags=re.MULTILINE)
    text = re.sub(r"\d+\.\d+ ?(?:[kMG]B|M|million|%)|CC-BY \d\.\d", " ", text)
    found: set[str] = set()
    for paragraph in re.split(r"\n\s*\n", text):
        if "BLEU" in paragraph:
            found |= set(re.findall(r"(?<![\w.])\d{1,2}\.\d{1,2}(?!\w|\.\d)", paragraph))
            found |= set(re.findall(r"BLEU(?: of)? \**(\d{1,2})(?!\d|\.\d)", paragraph))
    return found


def recorded() -> list[float]:
    """Return every score on record, its interval, and the median of each group of seeds."""
    values, groups = [], defaultdict(list)
    for path in [*RUNS, *RELEASED]:
        record = read(path)
        for name in ("bleu", "bleu_lc"):
            score = record["metrics"][name]
            values += [score["value"], *score["interval_95"]]
            if path in RUNS:
                groups[record["task"], record["attention"], name].append(score["value"])
    return values + [statistics.median(group) for group in groups.values()]


def unfounded(text: str, values: list[float]) -> list[str]:
    """List the scores of a text that are neither on record nor among the published ones."""

    def founded(claim: str) -> bool:
        digits = len(claim.partition(".")[2])
        return claim in PUBLISHED or any(abs(float(claim) - v) <= 0.5 * 10**-digits + 1e-9 for v in values)

    return sorted(claim for claim in claims(text) if not founded(claim))


@pytest.mark.parametrize("path", [*RUNS, *RELEASED], ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_record_says_all_that_it_should(path: Path) -> None:
    record = read(path)
    assert not misfits(record, SCHEMA)
    assert not bad_scores(record)
    assert record["task"] in DATA and record["config"] in CONFIGS[record["task"]]
    assert re.fullmatch(r"[0-9a-f]{7,40}", record["commit"]), "a changed checkout: nobody can repeat it"
    assert record["cpu_seconds"] > 0 and record["seconds"] > 0
    assert record["train_config"]["seed"] == record["seed"]
    TrainConfig(**{**record["train_config"], "device": "cpu"})
    model = Seq2Seq(ModelConfig(**record["model_config"]))
    assert sum(p.numel() for p in model.parameters()) == record["parameters"]
    assert model.config.attention == record["attention"]


@pytest.mark.parametrize("path", [*RUNS, *RELEASED], ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_sentence_has_one_length(path: Path) -> None:
    record = read(path)
    bins = record["by_length"]
    assert sum(b["count"] for b in bins) == record["metrics"]["test_sentences"]
    assert all(a["high"] + 1 == b["low"] for a, b in zip(bins, bins[1:], strict=False))
    assert bins[-1]["high"] is None
    for b in bins:
        if b["count"]:
            value, low, high = b["bleu"]
            assert 0 <= low <= high <= 100 + 1e-9 and 0 <= value <= 100 + 1e-9
            assert b["low"] <= b["mean_length"] <= (b["high"] or np.inf)


def test_seeds_of_a_group_differ_and_files_are_named_after_them() -> None:
    assert RUNS, "results/ holds no record"
    groups = defaultdict(list)
    for path in RUNS:
        record = read(path)
        assert path.stem == f"{record['task']}-{record['attention']}-{record['seed']}"
        groups[record["task"], record["attention"], record["config"]].append(record)
    for name, records in groups.items():
        assert len({r["seed"] for r in records}) == len(records), f"{name}: a seed stands there twice"
        for field in ("parameters", "training_pairs", "validation_pairs", "model_config"):
            assert all(r[field] == records[0][field] for r in records), f"{name}: the runs differ in {field}"
        assert len({r["metrics"]["bleu_lc"]["signature"] for r in records}) == 1, f"{name}: several rulers"


@pytest.mark.parametrize("task", ["multi30k", "tatoeba-zh-en"])
def test_attention_is_worth_what_the_chapter_says(task: str) -> None:
    scores = defaultdict(list)
    for path in RUNS:
        record = read(path)
        if record["task"] == task and record["config"] == "default":
            scores[record["attention"]].append(record["metrics"]["bleu_lc"]["value"])
    assert min(scores["additive"]) >= {"multi30k": 35, "tatoeba-zh-en": 18}[task]
    if scores["none"]:
        spread = max(max(values) - min(values) for values in (scores["additive"], scores["none"]))
        assert min(scores["additive"]) - max(scores["none"]) > spread


def test_every_score_in_the_readme_is_on_record() -> None:
    assert not unfounded((ROOT / "README.md").read_text(encoding="utf-8"), recorded())


@pytest.mark.parametrize("path", RELEASED, ids=lambda path: path.parent.name)
def test_every_score_on_a_model_card_is_of_that_model(path: Path) -> None:
    card, score = (path.parent / "README.md").read_text(encoding="utf-8"), read(path)["metrics"]["bleu"]
    assert not unfounded(card, [score["value"], *score["interval_95"], read(path)["metrics"]["nll"]["value"]])
    assert f"{score['value']}" in card


def test_the_chapter_prints_its_scores_and_never_writes_them() -> None:
    cells = json.loads(CHAPTER.read_text(encoding="utf-8"))["cells"]
    texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    one_paragraph = re.sub(r"\n\s*\n", "\n", "BLEU\n" + "\n".join(texts))
    assert not unfounded(one_paragraph, []), "print it in a code cell, from the records"
    assert all("tutorial" in text for text in texts if "28.30" in text), "no source beside it"


def test_the_rules_above_catch_what_they_are_for() -> None:
    text = "Greedy **37.6** (36.0 to 39.2), 0.3 GB, `12.34`, arXiv:1711.00043.\nBLEU 38, 2.3.2.5.\n\n1.5 days"
    assert claims(text) == {"37.6", "36.0", "39.2", "38"}
    assert unfounded(text, [37.63, 35.98, 39.15]) == [] and unfounded(text, [37.54, 35.98, 39.15]) == ["37.6"]
    assert unfounded("BLEU 28.30, elsewhere 28.31", []) == ["28.31"]
    assert misfits({"a": 1, "b": {"c": True}}, {"a": str, "b": {"c": int, "d": int}, "e": int}) == [
        "record.e is missing",
        "record.a is 1, expected <class 'str'>",
        "record.b.d is missing",
        "record.b.c is True, expected <class 'int'>",
    ]
    record = read(RUNS[0])
    del record["metrics"]["bleu_lc"]["signature"]
    assert bad_scores(record)
    record = read(RUNS[0])
    record["metrics"]["bleu"]["value"] = record["metrics"]["bleu"]["interval_95"][1] + 1
    assert bad_scores(record)


@pytest.mark.parametrize("path", RELEASED, ids=lambda path: path.parent.name)
def test_released_weights_are_small_and_explained(path: Path) -> None:
    size = (path.parent / "model.safetensors").stat().st_size
    assert size < 10_000_000, f"{path.parent.name} has {size:,} bytes: every clone pays for them"
    card, record = (path.parent / "README.md").read_text(encoding="utf-8"), read(path)
    signature = record["metrics"]["bleu"]["signature"]
    words = ("Tatoeba", "manythings.org", "by sentence", "CC-BY 2.0", "CC-BY 4.0", "greedy", "limits")
    for word in (*words, record["commit"]):
        assert word in card, f"the card does not say {word!r}"
    assert signature in card.replace("\\|", "|")
    for count in (record["training_pairs"], record["validation_pairs"], record["metrics"]["test_sentences"]):
        assert f"{count:,}" in card


@pytest.mark.parametrize("path", RELEASED, ids=lambda path: path.parent.name)
def test_released_weights_are_those_of_the_recorded_run(path: Path) -> None:
    record, checkpoint = read(path), load_checkpoint(path.parent)
    for name in ("attention", "config", "seed"):
        assert checkpoint.about[name] == record[name]
    assert checkpoint.about["data"] == record["task"]
    assert sum(p.numel() for p in checkpoint.model.parameters()) == record["parameters"]
    assert not checkpoint.optimizer
    of_the_run = read(ROOT / "results" / f"{record['task']}-{record['attention']}-{record['seed']}.json")
    for name in ("bleu", "bleu_lc"):  # half precision must not cost anything
        assert abs(record["metrics"][name]["value"] - of_the_run["metrics"][name]["value"]) < 0.2


@pytest.mark.parametrize("path", RELEASED, ids=lambda path: path.parent.name)
def test_released_weights_translate_without_network(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **options: Any) -> NoReturn:
        raise AssertionError("a translation asked for the network")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    translator = Translator.of(load_checkpoint(path.parent))
    short, long = translator.translate(["我想喝水。", "汤姆需要跟玛丽说话。"])
    assert "water" in short.text and {"Tom", "Mary"} <= set(re.findall(r"\w+", long.text))
    for translation in (short, long):
        assert translation.finished and not translation.unknown and translation.alignment is not None
        np.testing.assert_allclose(translation.alignment.sum(axis=1), 1, atol=1e-5)
