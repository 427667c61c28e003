"""The commands: a run leaves a whole folder, can be stopped and gone on with, and its model translates."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from seq2seq_edu.bench import machine, table
from seq2seq_edu.cli import main
from seq2seq_edu.data import EOS
from seq2seq_edu.decoding import Translator
from seq2seq_edu.experiments import recipes, runs, scoring
from seq2seq_edu.training import load_checkpoint, save_checkpoint

ROOT = Path(__file__).resolve().parents[2]
FILES = ["best.safetensors", "config.json", "last.safetensors", "log.jsonl", "record.json"]
STEPS = 11
TRAIN = ["train", "--data", "reversal", "--device", "cpu", "--max-steps", str(STEPS)]
pytestmark = pytest.mark.usefixtures("small_model")


def train(out: Path, *more: str) -> int:
    """Run the command train."""
    return main([*TRAIN, "--out", str(out), *more])


def names(folder: Path) -> list[str]:
    """List what is in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())


def curve(out: Path) -> list[dict[str, float]]:
    """Read the log of a run without its seconds."""
    lines = (out / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [{k: v for k, v in json.loads(line).items() if "seconds" not in k} for line in lines]


def interrupt(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Press Ctrl-C while step `at` is being shown."""
    show = runs.show

    def pressed(record: dict[str, float], bar: object) -> None:
        show(record, bar)
        if record["step"] == at:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(runs, "show", pressed)


# train


def test_a_run_leaves_a_whole_folder(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "runs" / "one"
    assert train(out, "--attention", "general", "--seed", "3", "--record", str(tmp_path / "copy.json")) == 0
    assert names(out) == FILES
    settings = json.loads((out / "config.json").read_text(encoding="utf-8"))
    assert settings["data"] == "reversal" and settings["attention"] == "general" and settings["seed"] == 3
    steps = curve(out)
    assert [record["step"] for record in steps] == list(range(1, STEPS + 1))
    record = json.loads((out / "record.json").read_text(encoding="utf-8"))
    assert record == json.loads((tmp_path / "copy.json").read_text(encoding="utf-8"))
    assert {
        "task", "model", "attention", "config", "seed", "device", "versions", "commit", "parameters",
        "training_pairs", "validation_pairs", "seconds", "cpu_seconds", "metrics", "by_length",
        "model_config", "train_config", "validation_curve",
    } <= set(record)  # fmt: skip
    assert {"type", "name", "threads", "precision"} <= set(record["device"])
    assert (record["task"], record["attention"], record["seed"]) == ("reversal", "general", 3)
    assert record["train_config"]["max_steps"] == STEPS and record["training_pairs"] == 47
    measured = [[r["step"], round(r["validation"], 4)] for r in steps if "validation" in r]
    assert record["validation_curve"] == measured and measured[-1][0] == STEPS
    best = load_checkpoint(out)
    assert best.about["attention"] == best.model.config.attention == "general"
    printed, said = capfd.readouterr()
    assert record["metrics"]["bleu"]["signature"] in printed and "nats per target token" in printed
    assert "validation" in said and "%|" not in said and "\r" not in said  # no bar in a pipe


@pytest.mark.parametrize("attention", ["none", "additive", "dot", "scaled"])
def test_every_attention_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attention: str) -> None:
    monkeypatch.setitem(recipes.WIDTHS["toy"], "d_s", 10)  # dot has an encoder of this width: even
    assert train(tmp_path / "run", "--attention", attention, "--precision", "bf16") == 0
    record = json.loads((tmp_path / "run" / "record.json").read_text(encoding="utf-8"))
    assert record["attention"] == attention and record["device"]["precision"] == "bf16"
    assert ("alignment" in record["metrics"]) == (attention != "none")


@pytest.mark.parametrize(("has_it", "auto"), [(True, "bf16"), (False, "fp32")])
def test_the_precision_is_what_the_processor_has(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    has_it: bool,
    auto: str,
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": has_it}, raising=False)
    for asked, used in (("auto", auto), ("bf16", "bf16")):
        assert train(tmp_path / asked, "--precision", asked) == 0
        record = json.loads((tmp_path / asked / "record.json").read_text(encoding="utf-8"))
        assert record["device"]["precision"] == used
        slow = asked == "bf16" and not has_it
        assert ("many times slower than fp32" in capsys.readouterr().err) == slow


def test_a_run_goes_to_a_folder_of_its_own(tmp_path: Path) -> None:
    assert main([*TRAIN, "--seed", "5"]) == 0
    assert names(tmp_path / "runs" / "reversal-additive-default-5") == FILES


def test_a_run_is_not_overwritten(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert train(tmp_path / "run") == 0
    before = {path: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    capfd.readouterr()
    assert train(tmp_path / "run") == 2
    assert "run holds a run already: go on with it (--resume), or choose" in capfd.readouterr().err
    assert {path: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


def test_whole_epochs_without_a_number_of_steps(tmp_path: Path) -> None:
    assert main([*TRAIN[:-2], "--out", str(tmp_path / "run")]) == 0
    steps = curve(tmp_path / "run")
    assert steps[-1]["epoch"] == 2 and sum("validation" in r for r in steps) == 2


# Ctrl-C and --resume


@pytest.mark.parametrize("at", [1, 6])
def test_ctrl_c_stops_cleanly_and_resume_gives_the_same_curve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], at: int
) -> None:
    before = signal.getsignal(signal.SIGINT)
    assert train(tmp_path / "whole") == 0
    with monkeypatch.context() as patch:
        interrupt(patch, at)
        assert train(tmp_path / "run") == 130
    assert signal.getsignal(signal.SIGINT) is before
    assert "stopped; " in (said := capfd.readouterr().err) and "--resume" in said
    assert "record.json" not in names(tmp_path / "run") and len(curve(tmp_path / "run")) == at
    assert load_checkpoint(tmp_path / "run" / "last.safetensors").progress["step"] == at
    assert train(tmp_path / "run", "--resume") == 0
    assert names(tmp_path / "run") == FILES
    assert curve(tmp_path / "run") == curve(tmp_path / "whole")
    records = [json.loads((tmp_path / k / "record.json").read_text("utf-8")) for k in ("run", "whole")]
    assert records[0]["metrics"] == records[1]["metrics"]
    assert records[0]["validation_curve"] == records[1]["validation_curve"]


def test_ctrl_c_at_the_last_step_lets_the_run_finish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt(monkeypatch, STEPS)
    assert train(tmp_path / "run") == 0
    assert names(tmp_path / "run") == FILES


def test_ctrl_c_while_scoring_loses_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def pressed(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(scoring, "evaluate", pressed)
        assert train(tmp_path / "run") == 130
    assert "stopped" in capfd.readouterr().err
    assert train(tmp_path / "run", "--resume") == 0
    assert names(tmp_path / "run") == FILES and len(curve(tmp_path / "run")) == STEPS


def test_a_killed_run_goes_on_and_its_log_has_no_step_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert train(tmp_path / "whole") == 0
    with monkeypatch.context() as patch:
        interrupt(patch, 4)
        train(tmp_path / "run")
    log = tmp_path / "run" / "log.jsonl"
    text = log.read_text(encoding="utf-8")
    log.write_text(text + '{"step": 5, "epoch": 1, "loss": 9.9}\n{"step": 6, "ep', encoding="utf-8")
    assert train(tmp_path / "run", "--resume") == 0
    assert curve(tmp_path / "run") == curve(tmp_path / "whole")


def test_resume_of_a_finished_run_writes_the_record_again(tmp_path: Path) -> None:
    assert train(tmp_path / "run") == 0
    first = json.loads((tmp_path / "run" / "record.json").read_text(encoding="utf-8"))
    (tmp_path / "run" / "record.json").unlink()
    assert train(tmp_path / "run", "--resume") == 0
    assert json.loads((tmp_path / "run" / "record.json").read_text(encoding="utf-8")) == first


def test_a_finished_run_is_finished_though_its_log_lost_the_end(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert train(out) == 0
    first = json.loads((out / "record.json").read_text(encoding="utf-8"))
    (out / "record.json").unlink()
    (out / "log.jsonl").write_text("", encoding="utf-8")  # killed between checkpoint and log
    assert train(out, "--resume") == 0
    again = json.loads((out / "record.json").read_text(encoding="utf-8"))
    assert again["metrics"] == first["metrics"] and again["seconds"] == first["seconds"]


def test_resume_with_other_settings_is_refused_and_changes_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path / "run") == 0
    before = {path: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    for change, words in (("--seed=9", "another seed"), ("--attention=none", "another model")):
        capfd.readouterr()
        assert train(tmp_path / "run", "--resume", change) == 2
        assert words in capfd.readouterr().err
    assert {path: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


def test_resume_of_nothing_is_refused_and_leaves_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path / "run", "--resume") == 2
    assert "there is no checkpoint at" in capfd.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_a_real_ctrl_c_in_a_real_process(tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "seq2seq_edu", "train", "--data", "reversal", "--device", "cpu"]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [*command, "--out", str(out)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    try:
        deadline = time.monotonic() + 300
        while process.poll() is None and time.monotonic() < deadline:
            if (out / "log.jsonl").is_file() and curve(out)[1:]:
                break
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130 and "Traceback" not in said
    assert said.strip().splitlines()[-1].startswith("stopped; ") and "--resume" in said
    assert set(names(out)) <= {*FILES} - {"record.json"} and {"last.safetensors", "log.jsonl"} <= set(
        names(out)
    )
    assert load_checkpoint(out / "last.safetensors").progress["step"] == len(curve(out)) >= 2


# translate, evaluate, bench


@pytest.fixture
def run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Path:
    """Train a small model and forget what was printed."""
    assert train(tmp_path / "run") == 0
    capfd.readouterr()
    return tmp_path / "run"


def test_translate_prints_one_line_a_sentence(run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["translate", "--checkpoint", str(run), "a b c", "c c"]) == 0
    printed, _ = capfd.readouterr()
    assert len(printed.splitlines()) == 2
    assert main(["translate", "--checkpoint", str(run / "best.safetensors"), "c c"]) == 0
    assert capfd.readouterr().out.splitlines() == printed.splitlines()[1:]


def test_translate_reads_standard_input(
    run: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["translate", "--checkpoint", str(run), "a b c", "c c"])
    expected = capfd.readouterr().out
    monkeypatch.setattr(sys, "stdin", io.StringIO("a b c\nc c\n"))
    assert main(["translate", "--checkpoint", str(run)]) == 0
    assert capfd.readouterr().out == expected


def test_translate_notes_unknown_words_beside_the_translation(
    run: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["translate", "--checkpoint", str(run), "a b", "a 猫 b"]) == 0
    printed, said = capfd.readouterr()
    assert len(printed.splitlines()) == 2 and "sentence 2 has" in said and "never seen" in said
    assert "sentence 1 has" not in said


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_translate_draws_the_alignment(run: Path, tmp_path: Path, suffix: str) -> None:
    picture = tmp_path / f"alignment.{suffix}"
    assert main(["translate", "--checkpoint", str(run), "a b c", "--plot", str(picture)]) == 0
    start = picture.read_bytes()[:5]
    assert start.startswith(b"\x89PNG" if suffix == "png" else b"<?xml")


def test_evaluate_gives_the_scores_of_the_record(run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    record = json.loads((run / "record.json").read_text(encoding="utf-8"))
    assert main(["evaluate", "--checkpoint", str(run), "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == record["metrics"]
    assert main(["evaluate", "--checkpoint", str(run), "--show", "2"]) == 0
    printed = capfd.readouterr().out
    assert printed.count("reference  ") == 2 and record["metrics"]["bleu"]["signature"] in printed


def test_a_finished_run_is_scored_again_and_stays_as_it_was_trained(
    run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path, copy = run / "record.json", tmp_path / "copy.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    old = record | {"metrics": {"bleu": {"value": 100.0}}, "by_length": [], "commit": "0123abc"}
    del old["changes"], old["scored_at"]
    path.write_text(json.dumps(old), encoding="utf-8")
    assert main(["evaluate", "--checkpoint", str(run), "--record", str(copy)]) == 0
    assert "beam 5" in capfd.readouterr().out
    again = json.loads(copy.read_text(encoding="utf-8"))
    assert again == record | {"commit": "0123abc", "scored_at": scoring.commit()}
    assert json.loads(path.read_text(encoding="utf-8")) == again
    path.unlink()
    assert main(["evaluate", "--checkpoint", str(run), "--record", str(copy)]) == 2
    assert "holds no finished run" in capfd.readouterr().err


def test_a_setting_is_changed_from_the_shell(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert train(tmp_path / "run", "--set", "dropout=0.25", "--set", "average=0.5") == 0
    record = json.loads((tmp_path / "run" / "record.json").read_text(encoding="utf-8"))
    assert record["changes"] == {"dropout": 0.25, "average": 0.5}
    assert record["model_config"]["dropout"] == 0.25 and record["train_config"]["average"] == 0.5
    for words, message in (
        (["--set", "dropout"], "--set wants NAME=VALUE"),
        (["--set", "droput=1"], "there is no setting 'droput'"),
        (["--config", "transformer", "--attention", "dot"], "the transformer has its own attention"),
    ):
        assert train(tmp_path / "other", *words) == 2
        assert message in capfd.readouterr().err
        assert not (tmp_path / "other").exists()


def test_evaluate_refuses_another_vocabulary(
    run: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = recipes.prepare

    def other(*args: object, **kwargs: object) -> object:
        data = prepare(*args, **kwargs)
        data.source_text.words.append("new")
        return data

    monkeypatch.setattr(recipes, "prepare", other)
    assert main(["evaluate", "--checkpoint", str(run)]) == 2
    assert "was trained with another vocabulary than reversal gives here" in capfd.readouterr().err


def test_bench_prints_the_table_and_writes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    widths = recipes.WIDTHS["tutorial"] | {"d_e": 3, "d_h": 10, "d_s": 7, "d_a": 5}
    monkeypatch.setitem(recipes.WIDTHS, "tutorial", widths)
    monkeypatch.setattr(table, "SENTENCES", 5)
    monkeypatch.setattr(table, "WINDOW", 2)
    monkeypatch.setattr(machine, "SIDE", 64)
    record = tmp_path / "bench.json"
    assert main(["bench", "--rounds", "1", "--device", "cpu", "--record", str(record)]) == 0
    printed = capfd.readouterr().out
    rows = json.loads(record.read_text(encoding="utf-8"))["rows"]
    assert all(row["name"] in printed for row in rows) and "losses agree" in printed


def test_a_beam_translates_as_the_translator_does(run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    translator, printed = Translator.of(load_checkpoint(run)), {}
    for more, settings in (
        ([], {"width": 5}),
        (["--beam", "1"], {"width": 1}),
        (["--beam", "3", "--length-penalty", "0"], {"width": 3, "length_penalty": 0.0}),
    ):
        expected = [t.text for t in translator.translate(["a b c", "c c"], **settings)]
        assert main(["translate", "--checkpoint", str(run), *more, "a b c", "c c"]) == 0
        printed[" ".join(more)] = capfd.readouterr().out.splitlines()
        assert printed[" ".join(more)] == expected
    assert len({tuple(lines) for lines in printed.values()}) > 1


@pytest.mark.parametrize("beam", [[], ["--beam", "1"]])
def test_translate_marks_what_the_length_limit_cut(
    run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], beam: list[str]
) -> None:
    checkpoint = load_checkpoint(run)
    with torch.no_grad():
        checkpoint.model.W_o.bias[EOS] = -1e4
    endless = tmp_path / "endless.safetensors"
    save_checkpoint(endless, checkpoint.model, checkpoint.source_text, checkpoint.target_text)
    assert main(["translate", "--checkpoint", str(endless), *beam, "a b c", "c c"]) == 0
    printed, said = capfd.readouterr()
    assert [len(line.split()) for line in printed.splitlines()] == [100, 100]
    assert said.count("reached the length limit and is cut") == 2


def test_a_pair_translates_without_training_or_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("a translation asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.delenv("SEQ2SEQ_EDU_DATA", raising=False)
    start = time.process_time()
    assert main(["translate", "--pair", "zh-en", "我喜欢音乐。", "--plot", "map.png"]) == 0
    assert time.process_time() - start < 60  # far above what it takes
    assert "music" in capfd.readouterr().out and (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")


def test_evaluate_scores_a_beam_of_any_width(run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--checkpoint", str(run), "--json", "--beam", "3"]) == 0
    metrics = json.loads(capfd.readouterr().out)
    assert metrics["beam3"]["decoding"].startswith("beam 3") and "beam5" not in metrics
    assert main(["evaluate", "--checkpoint", str(run), "--json", "--beam", "1"]) == 0
    greedy = json.loads(capfd.readouterr().out)
    assert greedy == {name: value for name, value in metrics.items() if name != "beam3"}


# Help


def test_help_names_every_command_and_option(capfd: pytest.CaptureFixture[str]) -> None:
    for arguments, words in (
        ([], ["train", "translate", "evaluate", "bench", "doctor"]),
        (["train"], ["--data", "--attention", "--config", "--seed", "--device", "--max-steps", "--data-dir",
                     "--out", "--resume", "SEQ2SEQ_EDU_DATA", "multi30k", "tatoeba-zh-en", "additive"]),
    ):  # fmt: skip
        with pytest.raises(SystemExit) as stopped:
            main([*arguments, "--help"])
        text = capfd.readouterr().out
        assert stopped.value.code == 0 and all(word in text for word in words)
