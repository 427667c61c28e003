"""Records of trainings: what counts as one kind of run, and what is said of several seeds."""

import json
from pathlib import Path
from typing import Any

import pytest

from seq2seq_edu.experiments import records
from seq2seq_edu.experiments.records import Record


def run(seed: int, value: float, **other: Any) -> Record:
    """Return as much of a record as these functions read."""
    by_length = [
        {"low": 0, "high": 7, "count": 11, "bleu": [value, value - 2, value + 3]},
        {"low": 8, "high": 10, "count": 0, "bleu": None},
        {"low": 11, "high": None, "count": 5, "bleu": [value - 7, value - 13, value]},
    ]
    score = {"value": value, "signature": "case:lc"}
    record: Record = {
        "task": "multi30k",
        "model": "seq2seq",
        "attention": "additive",
        "config": "default",
        "changes": {},
        "seed": seed,
        "device": {"type": "cpu", "name": "X", "threads": 2, "precision": "bf16"},
        "seconds": 50.0,
        "cpu_seconds": 60.0 * (seed + 1),
        "parameters": 3_700_000,
        "train_config": {"epochs": 8},
        "metrics": {"bleu_lc": score, "beam5": {"bleu_lc": {"value": value + 2, "signature": "case:lc"}}},
        "by_length": by_length,
    }
    return record | other


def test_runs_of_one_kind_differ_in_the_seed_and_stand_in_its_order() -> None:
    transformer = {"model": "transformer", "attention": "multi-head", "config": "transformer"}
    some = [
        run(2, 37.0),
        run(0, 36.0, changes={"dropout": 0.0}),
        run(0, 35.0),
        run(0, 25.0, attention="none"),
        run(1, 39.0, **transformer),
        run(1, 38.0, task="tatoeba-zh-en"),
        run(5, 31.0, config="small"),
    ]
    groups = records.group(some)
    found = [(g.task, g.name, g.config, g.changes, g.seeds) for g in groups]
    assert found[0] == ("multi30k", "additive", "default", {}, [0, 2])
    assert found[1] == ("multi30k", "additive", "default", {"dropout": 0.0}, [0])
    assert [g.name for g in groups] == ["additive", "additive", "none", "transformer", "additive", "additive"]
    assert [g.name for g in records.models(groups, "multi30k")] == ["none", "additive", "transformer"]
    assert records.models(groups, "grammar") == []


def test_what_is_not_asked_for_is_the_full_size_model_as_it_is() -> None:
    transformer = {"model": "transformer", "attention": "multi-head", "config": "transformer"}
    some = [
        run(1, 37.0), run(0, 36.0, changes={"dropout": 0.0}), run(0, 35.0), run(0, 31.0, config="small"),
        run(0, 39.0, parameters=5_500_000, **transformer), run(0, 25.0, attention="none"),
        run(0, 38.0, task="tatoeba-zh-en"), run(0, 34.0, attention="dot", parameters=2_500_000),
    ]  # fmt: skip
    chosen = records.choose(some, "multi30k")
    assert [records.name_of(r) for r in chosen] == ["none", "dot", "additive", "additive", "transformer"]
    assert [(r["seed"], r["changes"], r["config"]) for r in chosen if r["attention"] == "additive"] == [
        (0, {}, "default"),
        (1, {}, "default"),
    ]


def test_a_column_by_length_has_what_was_measured() -> None:
    assert records.by_length(run(0, 30.0), "low") == [0, 11]
    assert records.by_length(run(0, 30.0), "bleu") == [[30.0, 28.0, 33.0], [23.0, 17.0, 30.0]]


def test_scores_are_those_asked_for_or_none_at_all() -> None:
    (both,) = records.group([run(0, 37.0), run(1, 36.0)])
    assert both.scores() == [37.0, 36.0] and both.scores("bleu_lc", "beam5") == [39.0, 38.0]
    assert both.scores("bleu") == [] and both.scores("bleu_lc", "beam7") == []
    half = run(1, 36.0)
    del half["metrics"]["beam5"]
    (mixed,) = records.group([run(0, 37.0), half])
    assert mixed.scores("bleu_lc", "beam5") == [], "one seed's score must not pass for two"
    assert both.signatures() == {"case:lc"} and both.signatures("bleu") == set()


def test_lengths_are_means_with_the_widest_interval() -> None:
    (g,) = records.group([run(0, 30.0), run(1, 34.0)])
    assert g.lengths() == [
        {"name": "0–7", "count": 11, "bleu": 32.0, "low": 28.0, "high": 37.0},
        {"name": "11+", "count": 5, "bleu": 25.0, "low": 17.0, "high": 34.0},
    ]
    other = run(2, 30.0)
    other["by_length"] = other["by_length"][:2]
    (g,) = records.group([run(0, 30.0), other])
    with pytest.raises(ValueError, match="different lengths"):
        g.lengths()


def test_several_seeds_are_a_median_and_a_range() -> None:
    assert records.spread([37.2, 36.4, 37.51]) == "37.2 (36.4–37.5)"
    assert records.spread([10.0, 20.0], 0) == "15 (10–20)"
    assert records.spread([2.0, 2.01]) == "2.0", "the same after rounding"
    assert records.spread([]) == "–"


def test_time_is_the_processors_or_the_clocks_on_a_gpu() -> None:
    cpu, gpu = run(1, 37.0), run(1, 37.0, device={"type": "cuda", "name": "H", "precision": "bf16"})
    assert records.minutes(cpu) == 2.0 and round(records.minutes(gpu), 3) == 0.833
    assert records.where(cpu) == "cpu, 2 threads, bf16" and records.where(gpu) == "cuda, bf16"


def test_a_folder_is_read_and_what_is_no_record_passed_over(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(json.dumps(run(1, 37.0)), encoding="utf-8")
    (tmp_path / "a.json").write_text(json.dumps(run(0, 36.0)), encoding="utf-8")
    (tmp_path / "bench.json").write_text('{"task": "bench", "rows": []}', encoding="utf-8")
    assert [r["seed"] for r in records.read(tmp_path)] == [0, 1]
    (tmp_path / "c.json").write_text('{"task": ', encoding="utf-8")
    with pytest.raises(ValueError, match="c.json is no JSON"):
        records.read(tmp_path)
    with pytest.raises(ValueError, match="no folder"):
        records.read(tmp_path / "nowhere")
