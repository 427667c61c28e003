"""The records of full runs, the weights that are given away, and every score that a page quotes from them."""

import json
import re
import socket
import statistics
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from seq2seq_edu.decoding import Translator
from seq2seq_edu.experiments import recipes, records
from seq2seq_edu.models import ModelConfig, TransformerConfig
from seq2seq_edu.training import TrainConfig, load_checkpoint

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import make_results  # noqa: E402

CHAPTER = ROOT / "notebooks" / "08_real_translation.ipynb"
RELEASED = sorted((ROOT / "checkpoints").glob("*/record.json"))
FILES = sorted((ROOT / "results").glob("*.json"))
RUNS = [path for path in FILES if not path.stem.startswith("bench")]  # a table of speeds is no run
PUBLISHED = {  # BLEU on the Multi30k test set of 2016, by others, counted otherwise
    "28.30": "bentrevett/pytorch-seq2seq, tutorial 3",
    "13.76": "bentrevett/pytorch-seq2seq, without attention",
    "20.61": "bentrevett/pytorch-seq2seq, without attention",
    "36.52": "bentrevett/pytorch-seq2seq, Transformer",
    "38.38": "Lample et al. (2018), arXiv:1711.00043, table 2",
}
TOKENIZERS = {"multi30k": "13a", "tatoeba-zh-en": "13a", "tatoeba-en-zh": "zh"}  # generated: none
RULERS = {"bleu": "mixed", "bleu_lc": "lc", "bleu_tok_lc": "lc"}  # and their case
NUMBER = (int, float)
SCORES: dict[str, Any] = {name: {"value": NUMBER, "signature": str, "interval_95": list} for name in RULERS}
SCHEMA: dict[str, Any] = {
    "task": str,
    "model": str,
    "attention": str,
    "config": str,
    "changes": dict,
    "seed": int,
    "device": {"type": str, "name": str, "threads": int, "precision": str},
    "versions": {"seq2seq_edu": str, "python": str, "torch": str, "sacrebleu": str},
    "commit": str,
    "scored_at": str,
    "parameters": int,
    "training_pairs": int,
    "validation_pairs": int,
    "seconds": NUMBER,
    "cpu_seconds": NUMBER,
    "metrics": SCORES
    | {"decoding": str, "test_sentences": int, "beam5": {"decoding": str} | SCORES}
    | {"nll": {"value": NUMBER, "unit": str}},
    "by_length": list,
    "model_config": dict,
    "train_config": dict,
}
GROUPS = records.group(records.read(ROOT / "results"))


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
    """List what is wrong with the scores of a record: search, signature, ruler, interval."""
    metrics, wrong = record["metrics"], []
    for search, words, scores in (("greedy", "greedy", metrics), ("beam5", "beam 5", metrics["beam5"])):
        if words not in scores["decoding"]:
            wrong.append(f"{search}: the decoding is called {scores['decoding']!r}")
        for name, case in RULERS.items():
            tokens = TOKENIZERS.get(record["task"], "none") if name != "bleu_tok_lc" else "none"
            start = f"nrefs:1|case:{case}|eff:no|tok:{tokens}|smooth:exp|version:"
            value, (low, high) = scores[name]["value"], scores[name]["interval_95"]
            if not scores[name]["signature"].startswith(start):
                wrong.append(f"{search}, {name}: signature {scores[name]['signature']!r}, expected {start}")
            if not 0 <= low <= value <= high <= 100:
                wrong.append(f"{search}, {name}: {value} is not within {low} .. {high}")
    if "nats" not in metrics["nll"]["unit"]:
        wrong.append(f"nll: unit {metrics['nll']['unit']!r}")
    return wrong


def meant(record: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that the names of a record mean today: its configuration, then its changes."""
    plain = record["task"] not in recipes.VOCABULARY and record["config"] == "default"
    name = "toy" if plain else record["config"]
    more = recipes.MORE.get(record["task"], {}) if record["config"] == "default" else {}
    settings = recipes.WIDTHS[name] | recipes.TRAINING[name] | more
    if record["attention"] == "dot":
        settings["d_h"] = settings["d_s"]
    changes = {name: value for name, value in record.get("changes", {}).items() if name != "subwords"}
    return settings | changes


def stem(record: dict[str, Any]) -> str:
    """Return how the file of a record begins; an ablation's own word follows."""
    if record.get("changes", {}):
        return "ablation-"
    _, name, config, _ = records.kind(record)
    other = "" if config in ("default", "transformer") else f"-{config}"
    return f"{record['task']}-{name}{other}-{record['seed']}"


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


def summary(values: list[float]) -> list[float]:
    """Return what a page may quote of several seeds: the median and the range."""
    return [statistics.median(values), min(values), max(values)] if values else []


def quotable(groups: Iterable[records.Group]) -> list[float]:
    """Return the scores that a page may quote: on real text, cased or lower-cased, no single ablation."""
    some = [g for g in groups if g.task in TOKENIZERS and not g.changes]
    return [
        value
        for g in some
        for name in ("bleu", "bleu_lc")
        for search in ("greedy", "beam5")
        for value in summary(g.scores(name, search))
    ]


def near(claim: str, values: Iterable[float]) -> bool:
    """Tell whether a number as written is one of the values, rounded."""
    digits = len(claim.partition(".")[2])
    return any(abs(float(claim) - v) <= 0.5 * 10**-digits + 1e-9 for v in values)


def unfounded(text: str, values: list[float]) -> list[str]:
    """List the scores of a text that are neither on record nor among the published ones."""

    return sorted(c for c in claims(text) if c not in PUBLISHED and not near(c, values))


@pytest.mark.parametrize("path", [*RUNS, *RELEASED], ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_record_says_all_that_it_should(path: Path) -> None:
    record = records.read_file(path)
    assert not misfits(record, SCHEMA), "score it again: seq2seq-edu evaluate --checkpoint RUN --record FILE"
    assert not bad_scores(record)
    assert record["task"] in recipes.DATA and record["config"] in recipes.CONFIGS[record["task"]]
    for name in ("commit", "scored_at"):
        assert re.fullmatch(r"[0-9a-f]{7,40}", record[name]), f"{name}: nobody can repeat a changed checkout"
    assert record["cpu_seconds"] > 0 and record["seconds"] > 0


@pytest.mark.parametrize("path", [*RUNS, *RELEASED], ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_record_is_of_the_model_that_its_names_mean(path: Path) -> None:
    record = records.read_file(path)
    stored = {k: v for k, v in record["train_config"].items() if k != "graphs"}  # a setting that is gone
    train = TrainConfig(**{**stored, "device": "cpu"})
    assert train.seed == record["seed"] and train.precision == record["device"]["precision"]
    its_own = record["config"] == "transformer"
    config = (TransformerConfig if its_own else ModelConfig)(**record["model_config"])
    model = recipes.build(config, record["seed"])
    assert type(model).__name__.lower() == record["model"] == ("transformer" if its_own else "seq2seq")
    assert sum(p.numel() for p in model.parameters()) == record["parameters"]
    assert model.config.attention == record["attention"]
    settings = asdict(train) | asdict(config)
    other = {name: settings[name] for name, value in meant(record).items() if settings[name] != value}
    assert not other, f"{record['config']} means something else by now: {other}; train it again"


@pytest.mark.parametrize("path", [*RUNS, *RELEASED], ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_sentence_has_one_length(path: Path) -> None:
    record = records.read_file(path)
    bins = record["by_length"]
    assert sum(b["count"] for b in bins) == record["metrics"]["test_sentences"]
    assert all(a["high"] + 1 == b["low"] for a, b in zip(bins, bins[1:], strict=False))
    assert bins[-1]["high"] is None
    for b in bins:
        if b["count"]:
            value, low, high = b["bleu"]
            assert 0 <= low <= high <= 100 + 1e-9 and 0 <= value <= 100 + 1e-9
            assert b["low"] <= b["mean_length"] <= (b["high"] or np.inf)


def test_files_are_named_after_their_runs() -> None:
    assert RUNS, "results/ holds no record"
    for path in RUNS:
        record = records.read_file(path)
        if record.get("changes", {}):
            assert re.fullmatch(r"ablation-[a-z0-9_-]+", path.stem), path.name
        else:
            assert path.stem == stem(record)


@pytest.mark.parametrize("group", GROUPS, ids=lambda g: "-".join([g.task, g.name, g.config, *g.changes]))
def test_runs_of_a_group_differ_in_the_seed_alone(group: records.Group) -> None:
    assert len(set(group.seeds)) == len(group.seeds), "a seed stands there twice"
    for field in ("parameters", "training_pairs", "validation_pairs", "model_config"):
        assert all(r[field] == group.runs[0][field] for r in group.runs), f"the runs differ in {field}"
    for name in RULERS:
        assert len(group.signatures(name)) == 1, f"{name}: several rulers"


@pytest.mark.parametrize("name", ["none", "dot", "general", "scaled", "additive"])
def test_a_row_of_the_grammar_table_is_three_runs_alike(name: str) -> None:
    (runs,) = [g.runs for g in records.models(GROUPS, "grammar") if g.name == name]
    assert [run["seed"] for run in runs] == [0, 1, 2], "classroom models and others stay out"
    epochs = [run["train_config"]["epochs"] for run in runs]
    sizes = [(run["config"], run["parameters"], run["device"]["precision"]) for run in runs]
    assert len({*zip(epochs, sizes, strict=True)}) == 1


def test_no_chapter_looks_for_records_by_a_pattern_of_names() -> None:
    for path in sorted(CHAPTER.parent.glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        assert "glob(" not in code, f"{path.name}: choose records by what they are (records.choose)"


def test_an_ablation_is_one_change_of_a_run_that_is_there() -> None:
    plain = {(records.kind(r)[:3], r["seed"]) for g in GROUPS if not g.changes for r in g.runs}
    for g in GROUPS:
        if g.changes:
            assert len(g.changes) == 1, f"{g.changes}: which of them made the difference?"
            assert all((records.kind(r)[:3], r["seed"]) in plain for r in g.runs), (
                "nothing to compare it with"
            )


# --- what the chapter and the README claim -----------------------------------------------------------------


def runs_of(task: str) -> dict[str, records.Group]:
    """Return the full models of a task by name."""
    return {g.name: g for g in records.models(GROUPS, task)}


@pytest.mark.parametrize("search", ["greedy", "beam5"])
@pytest.mark.parametrize("task", [t for t in TOKENIZERS if {"none", "additive"} <= runs_of(t).keys()])
def test_attention_is_worth_what_the_chapter_says(task: str, search: str) -> None:
    found = runs_of(task)
    scores = {name: found[name].scores("bleu_lc", search) for name in ("additive", "none")}
    assert all(scores.values()), f"{search} is not on record"
    spread = max(max(values) - min(values) for values in scores.values())
    assert min(scores["additive"]) - max(scores["none"]) > spread


def test_there_are_records_to_judge() -> None:
    assert {"none", "additive"} <= runs_of("multi30k").keys() & runs_of("tatoeba-zh-en").keys()


@pytest.mark.parametrize(
    ("task", "name", "search", "least"),
    [
        ("multi30k", "additive", "greedy", 36),
        ("multi30k", "additive", "beam5", 39),
        ("multi30k", "transformer", "beam5", 40),
        ("tatoeba-zh-en", "additive", "greedy", 18),
    ],
)
def test_the_figures_that_were_to_be_reached(task: str, name: str, search: str, least: float) -> None:
    group = runs_of(task).get(name)
    if group is None or (len(group.runs) < 3 and task == "multi30k"):
        pytest.skip(f"fewer than three seeds of {task}, {name}")
    assert statistics.median(group.scores("bleu_lc", search) or [0]) >= least
    assert group.runs[0]["parameters"] < 10_000_000


def test_beam_search_is_no_worse_than_greedy_search() -> None:
    for g in GROUPS:
        if g.task in TOKENIZERS and not g.changes:
            assert statistics.median(g.scores("bleu_lc", "beam5")) > statistics.median(g.scores("bleu_lc"))


@pytest.mark.parametrize("name", [n for n in ("additive", "none") if n in runs_of("grammar-long")])
def test_only_the_fixed_vector_fails_on_long_sentences(name: str) -> None:
    bins = runs_of("grammar-long")[name].lengths()
    scores = [b["bleu"] for b in bins]
    assert len(bins) >= 5 and min(b["count"] for b in bins) >= 30
    if name == "additive":
        assert max(scores) - min(scores) <= 3
    else:
        assert max(scores) - scores[-1] >= 10


TABLES = make_results.tables(ROOT / "results")


@pytest.mark.parametrize("task", TABLES)
def test_the_readme_shows_the_records(task: str) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert TABLES[task] in text, "put this in the README: python tools/make_results.py --tables"


def quantities(text: str) -> dict[str, set[str]]:
    """Return the minutes, parameters and factors that a text gives in its sentences."""
    text = re.sub(r"^\|.*$", " ", re.sub(r"(?s)```.*?```", " ", text), flags=re.MULTILINE)
    kinds = {"minutes": r"(\d+) minutes", "million": r"(\d+(?:\.\d+)?) million parameters"}
    kinds |= {"times": r"(\d+(?:\.\d+)?) times as"}
    return {kind: set(re.findall(pattern, text)) for kind, pattern in kinds.items()}


def test_minutes_sizes_and_speeds_in_the_readme_are_on_record() -> None:
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("## What was measured")[2]
    found = quantities(section.partition("\n## ")[0])
    every = [r for g in GROUPS for r in g.runs if g.task in TOKENIZERS]
    known = {
        "minutes": [r[name] / 60 for r in every for name in ("seconds", "cpu_seconds")],
        "million": [r["parameters"] / 1e6 for r in every],
        "times": [row["ratio"] for row in records.read_file(ROOT / "results" / "bench.json")["rows"]],
    }
    for kind, claims_of_kind in found.items():
        assert not [c for c in claims_of_kind if not near(c, known[kind])], f"{kind}: not on record"


def test_every_score_in_the_readme_is_on_record() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for table in TABLES.values():
        text = text.replace(table, "")
    assert not unfounded(text, quotable(GROUPS))
    stale = [line for line in text.splitlines() if line.startswith(("| GRU", "| Transformer"))]
    assert not stale, f"not from the records: {stale}"


@pytest.mark.parametrize("path", RELEASED, ids=lambda path: path.parent.name)
def test_every_score_on_a_model_card_is_of_that_model(path: Path) -> None:
    card, metrics = (
        (path.parent / "README.md").read_text(encoding="utf-8"),
        records.read_file(path)["metrics"],
    )
    scores = [metrics["bleu"], metrics["beam5"]["bleu"]]
    values = [v for score in scores for v in (score["value"], *score["interval_95"])]
    assert not unfounded(card, [*values, metrics["nll"]["value"]])
    wanted = (
        [score["value"] for score in scores]
        if "exact_match" not in metrics
        else [
            metrics["exact_match"]["value"]  # BLEU means little on a grammar
        ]
    )
    assert all(f"**{value}**" in card for value in wanted)
    if "alignment" in metrics:
        assert f"| alignment error rate | {metrics['alignment']['aer']}, " in card


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
    assert quantities("| 5 minutes |\n15 minutes, 3.7 million parameters, 4 times as fast\n") == {
        "minutes": {"15"},
        "million": {"3.7"},
        "times": {"4"},
    }
    assert near("15", [14.6]) and not near("15", [15.6]) and not near("3.7", [3.76])


def a_sample(tokens: str = "zh") -> dict[str, Any]:
    """Return a record of English to Chinese as it should be, as far as scores go."""

    def score(case: str, tok: str) -> dict[str, Any]:
        signature = f"nrefs:1|case:{case}|eff:no|tok:{tok}|smooth:exp|version:2.6.0"
        return {"value": 21.5, "signature": signature, "interval_95": [20.0, 23.0]}

    def scores() -> dict[str, Any]:
        return {
            "bleu": score("mixed", tokens),
            "bleu_lc": score("lc", tokens),
            "bleu_tok_lc": score("lc", "none"),
        }

    beam = {"decoding": "beam 5, log-probability divided by length (penalty 1.0)"} | scores()
    nll = {"value": 2.2, "unit": "nats per target token, validation, teacher forcing"}
    return {"task": "tatoeba-en-zh", "metrics": {"decoding": "greedy", "beam5": beam, "nll": nll} | scores()}


def test_scores_without_search_ruler_or_interval_are_refused() -> None:
    assert not bad_scores(a_sample())
    assert len(bad_scores(a_sample("13a"))) == 4, "Chinese counted as if it had spaces"
    planted: list[tuple[tuple[str, ...], Any]] = [
        (("decoding",), "beam 5"),
        (("beam5", "decoding"), "greedy"),
        (("bleu", "value"), 23.5),
        (("beam5", "bleu_lc", "interval_95"), [22.0, 23.0]),
        (("beam5", "bleu", "signature"), "nrefs:1|case:lc|eff:no|tok:zh|smooth:exp|version:2.6.0"),
        (("bleu_tok_lc", "signature"), "nrefs:1|case:lc|eff:no|tok:zh|smooth:exp|version:2.6.0"),
        (("nll", "unit"), "bits"),
    ]
    for (*place, last), value in planted:
        record = a_sample()
        inner = record["metrics"]
        for name in place:
            inner = inner[name]
        inner[last] = value
        assert len(bad_scores(record)) == 1, (place, last)


@pytest.mark.parametrize("path", RELEASED, ids=lambda path: path.parent.name)
def test_released_weights_are_small_and_explained(path: Path) -> None:
    size = (path.parent / "model.safetensors").stat().st_size
    assert size < 10_000_000, f"{path.parent.name} has {size:,} bytes: every clone pays for them"
    card, record = (path.parent / "README.md").read_text(encoding="utf-8"), records.read_file(path)
    signature = record["metrics"]["bleu"]["signature"]
    words = (
        ("generated", "no sentence is real", "exact match", str(record["metrics"]["exact_match"]["value"]))
        if record["task"] == "grammar"
        else ("Tatoeba", "manythings.org", "by sentence", "CC-BY 2.0", "beam 5", "limits", signature)
    )
    for word in (*words, "CC-BY 4.0", "greedy", record["commit"]):
        assert word in card.replace("\\|", "|"), f"the card does not say {word!r}"
    for count in (record["training_pairs"], record["validation_pairs"], record["metrics"]["test_sentences"]):
        assert f"{count:,}" in card


@pytest.mark.parametrize("path", RELEASED, ids=lambda path: path.parent.name)
def test_released_weights_are_those_of_the_recorded_run(path: Path) -> None:
    record, checkpoint = records.read_file(path), load_checkpoint(path.parent)
    for name in ("attention", "config", "seed"):
        assert checkpoint.about[name] == record[name]
    assert checkpoint.about["data"] == record["task"]
    assert sum(p.numel() for p in checkpoint.model.parameters()) == record["parameters"]
    assert not checkpoint.optimizer
    of_the_run = records.read_file(ROOT / "results" / f"{stem(record)}.json")
    assert of_the_run["commit"] == record["commit"], "another training"
    for name in RULERS:  # half precision must not cost anything
        assert abs(record["metrics"][name]["value"] - of_the_run["metrics"][name]["value"]) < 0.2


PHOTO = "we lost a photo at the station yesterday"
SAID = {  # what a released model must be able to say, and words that it should use
    "zh-en": (["我想喝水。", "汤姆需要跟玛丽说话。"], ["water", "Tom", "Mary"]),
    "grammar-additive": (["she sang", PHOTO], ["唱", "昨天", "照片"]),
    "grammar-scaled": (["she sang", PHOTO], ["唱", "昨天", "照片"]),
    "en-zh": (["I want to drink water.", "Tom needs to speak to Mary."], ["水", "汤姆", "玛丽"]),
}


@pytest.mark.parametrize("path", RELEASED, ids=lambda path: path.parent.name)
def test_released_weights_translate_without_network(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **options: Any) -> NoReturn:
        raise AssertionError("a translation asked for the network")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    translator = Translator.of(load_checkpoint(path.parent))
    sentences, wanted = SAID[path.parent.name]
    short, long = translator.translate(sentences)
    assert wanted[0] in short.text and all(name in long.text for name in wanted[1:])
    for translation in (short, long):
        assert translation.finished and not translation.unknown and translation.alignment is not None
        np.testing.assert_allclose(translation.alignment.sum(axis=1), 1, atol=1e-5)
