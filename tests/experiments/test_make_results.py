"""The command that makes the records knows every one, skips what is there, resumes what was stopped."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from seq2seq_edu import cli
from seq2seq_edu.experiments import records

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import make_results  # noqa: E402
from test_records import run  # noqa: E402

RECORDS = sorted(p for p in (ROOT / "results").glob("*.json") if not p.stem.startswith("bench"))


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_every_record_is_made_by_its_options(path: Path) -> None:
    record = json.loads(path.read_text(encoding="utf-8"))
    options = cli._parser().parse_args(["train", *make_results.runs()[path.stem]])
    changes = dict(cli._change(text) for text in options.changes)
    assert (options.data, options.config, options.seed) == (record["task"], record["config"], record["seed"])
    assert cli._attention(options) == record["attention"] and changes == record["changes"]


def test_every_run_is_one_that_the_command_understands() -> None:
    for name, words in make_results.runs().items():
        options = cli._parser().parse_args(["train", *words])
        assert name.startswith((options.data, "ablation-"))
    assert len(set(map(tuple, make_results.runs().values()))) == len(make_results.runs())


def test_what_is_there_is_skipped_and_what_was_stopped_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[list[str]] = []
    monkeypatch.setattr(subprocess, "call", lambda command: calls.append(command) or len(calls) // 2 * 7)
    results, runs = tmp_path / "results", tmp_path / "runs"
    results.mkdir()
    (results / "reversal-none-0.json").write_text("{}")
    (runs / "reversal-none-1").mkdir(parents=True)
    (runs / "reversal-none-1" / "last.safetensors").write_bytes(b"")
    words = ["make_results.py", "--only", "reversal-none", "--results", str(results), "--runs", str(runs)]
    monkeypatch.setattr(sys, "argv", [*words, "--list"])
    assert make_results.main() == 0 and not calls
    assert capsys.readouterr().out.splitlines() == [
        "1 of 3 records are there", "reversal-none-1", "reversal-none-2",
    ]  # fmt: skip
    monkeypatch.setattr(sys, "argv", words)
    assert make_results.main() == 7, "the status of the training that failed"
    assert [command[-1] for command in calls] == ["--resume", str(results / "reversal-none-2.json")]
    monkeypatch.setattr(sys, "argv", [*words[:1], "--only", "wmt"])
    with pytest.raises(SystemExit):
        make_results.main()
    assert "no record has 'wmt' in its name; there are multi30k-additive-0" in capsys.readouterr().err


def test_a_table_says_where_seeds_are_few() -> None:
    groups = records.group([run(s, 37.0 + s) for s in range(3)] + [run(0, 26.0, attention="none")])
    table = make_results.table(records.models(groups, "multi30k"), "Captions").splitlines()
    assert table[0].startswith("| Captions | greedy | beam 5 |") and len(table) == 4
    assert table[2] == "| GRU, no attention | 26.0 | 28.0 | 8 | 3.7 | 1 | only 1 |"
    scores = "38.0 (37.0–39.0) | 40.0 (39.0–41.0)"
    assert table[3] == f"| GRU, additive attention | {scores} | 8 | 3.7 | 2 (1–3) | 3 |"
