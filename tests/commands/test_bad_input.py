"""Bad input: whatever a reader gives the commands, one clear line and status 2 come back, no half file."""

import errno
import io
import json
import os
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from seq2seq_edu import training
from seq2seq_edu.cli import main
from seq2seq_edu.data import Vocabulary, corpora
from seq2seq_edu.decoding import Translator
from seq2seq_edu.experiments import recipes
from seq2seq_edu.models import ModelConfig, Seq2Seq
from seq2seq_edu.training import load_checkpoint, save_checkpoint

SOURCE, TARGET = Vocabulary("abcdefghi"), Vocabulary("tuvwxyz")
TRAIN = ["train", "--data", "reversal", "--device", "cpu", "--max-steps", "7", "--out", "run"]
pytestmark = pytest.mark.usefixtures("small_model")


@pytest.fixture
def refused(capfd: pytest.CaptureFixture[str]):
    """Give a function that runs a command, wants status 2 and one line, and returns that line."""

    def run(*arguments: object) -> str:
        capfd.readouterr()
        assert main([str(argument) for argument in arguments]) == 2
        printed, said = capfd.readouterr()
        assert printed == "" and said.startswith("seq2seq-edu: error: ") and said.count("\n") == 1
        assert len(said) < 1000
        return said

    return run


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """Save a small model that translates letters to letters."""
    torch.manual_seed(0)
    config = ModelConfig(len(SOURCE), len(TARGET), attention="none", d_e=3, d_h=10, d_s=7, d_r=2)
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, Seq2Seq(config), SOURCE, TARGET)
    return path


# Real text


def test_a_file_with_another_hash(tmp_path: Path, refused) -> None:
    (tmp_path / "tatoeba").mkdir()
    (tmp_path / "tatoeba" / "cmn.txt").write_text("Hi.\tHallo.\n")
    said = refused("train", "--data", "tatoeba-en-zh", "--data-dir", tmp_path, "--out", "run")
    assert "cmn.txt is not the published file" in said and "delete it" in said
    assert not (tmp_path / "run").exists()


def test_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused) -> None:
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setitem(corpora.ADDRESSES, "tatoeba", "http://127.0.0.1:9")  # nobody answers here
    said = refused("train", "--data", "tatoeba-zh-en", "--data-dir", tmp_path / "data", "--out", "run")
    assert "cannot download" in said and "Check the network" in said and "--data-dir" in said
    assert not (tmp_path / "run").exists()


# Settings


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--max-steps", "0"], "max_steps must be at least 1; got 0"),
        (["--seed", "-1"], "seed must be from 0"),
        (["--seed", str(2**40)], "seed must be from 0"),
        (["--threads", "0"], "--threads must be at least 1; got 0"),
        (["--config", "tutorial"], "reversal has the configurations default; got 'tutorial'"),
    ],
)
def test_settings_that_cannot_work(refused, more: list[str], words: str) -> None:
    assert words in refused(*TRAIN, *more)
    assert not Path("run").exists()


@pytest.mark.parametrize(
    "command", [TRAIN, ["translate", "a", "--checkpoint", "model.safetensors"], ["bench"]]
)
def test_cuda_where_there_is_none(
    refused, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    said = refused(*command, "--device", "cuda")
    assert "device cuda was asked for, but this PyTorch sees no CUDA GPU: use --device cpu" in said
    assert not Path("run").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "--data", "wmt14"], "invalid choice: 'wmt14'"),
        (["train"], "--data"),
        (["train", "--data", "reversal", "--attention", "soft"], "invalid choice: 'soft'"),
        (["train", "--data", "reversal", "--max-steps", "many"], "invalid int value: 'many'"),
        (["train", "--data", "reversal", "--lr", "3"], "unrecognized arguments: --lr 3"),
        (["translate", "a"], "one of the arguments --pair --checkpoint is required"),
        (["translate", "a", "--pair", "zh-en", "--checkpoint", "x"], "not allowed with argument --pair"),
        (["evaluate"], "one of the arguments --pair --checkpoint is required"),
        (["translate", "a", "--pair", "zh-en", "--beam", "wide"], "invalid int value: 'wide'"),
        (["fly"], "invalid choice: 'fly'"),
        ([], "COMMAND"),
    ],
)
def test_words_that_are_no_command(
    capfd: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2 and words in capfd.readouterr().err


def test_no_rounds_to_time(refused) -> None:
    assert "--rounds must be at least 1; got 0" in refused("bench", "--rounds", "0")


# Sentences


@pytest.mark.parametrize(
    ("sentences", "words"),
    [
        ([""], "sentence 1 is empty: give at least one word"),
        (["a b", " "], "sentence 2 is empty"),
        (["猫 狗"], "sentence 1 ('猫 狗') has only words that the model has never seen"),
        (["a " * 201], "has 201 tokens, more than the limit of 200: split it into sentences"),
    ],
    ids=["empty", "space", "unknown", "long"],
)
def test_sentences_that_cannot_be_translated(
    refused, checkpoint: Path, sentences: list[str], words: str
) -> None:
    assert words in refused("translate", "--checkpoint", checkpoint, *sentences)


def test_nothing_on_standard_input(refused, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert "there is nothing to translate" in refused("translate", "--checkpoint", checkpoint)


def test_standard_input_that_is_not_text(refused, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    latin = io.TextIOWrapper(io.BytesIO("schl\xe4ft\n".encode("latin-1")), encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", latin)
    assert "utf-8" in refused("translate", "--checkpoint", checkpoint)


def test_pictures_that_cannot_be_drawn(
    refused, checkpoint: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    translate = ["translate", "--checkpoint", str(checkpoint), "a b"]
    assert "--plot writes .png, .svg or .pdf; got 'a.bmp'" in refused(*translate, "--plot", "a.bmp")
    assert main([*translate, "--plot", "a.png"]) == 2
    assert "has no attention, so there is no alignment to draw" in capfd.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--beam", "0"], "the beam must have a width from 1 (greedy) to 1024 hypotheses"),
        (["--beam", "-1"], "got -1"),
        (["--beam", "100000"], "got 100000"),
        (["--length-penalty", "-1"], "length_penalty must be a number from 0"),
        (["--length-penalty", "nan"], "got nan"),
        (["--beam", "1", "--length-penalty", "inf"], "got inf"),
    ],
)
def test_searches_that_cannot_be(refused, checkpoint: Path, more: list[str], words: str) -> None:
    assert words in refused("translate", "--checkpoint", checkpoint, "a b", *more)
    if "--length-penalty" not in more:
        assert words in refused("evaluate", "--checkpoint", checkpoint, *more)


# Checkpoints


def test_pairs_that_cannot_be_read(refused, checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints" / "xx-yy"
    folder.mkdir(parents=True)
    said = " ".join(refused("translate", "--pair", "xx-yy", "a b").split())
    there = "choose from en-zh, grammar-additive, grammar-scaled, zh-en"
    assert f"no checkpoint for the pair 'xx-yy': {there}" in said
    for content, words in (
        (checkpoint.read_bytes()[:100], "model.safetensors cannot be read"),
        (b"<html>not found</html>", "cut short or not a safetensors file"),
        (save({"a": torch.zeros(2)}), "not a checkpoint of seq2seq-edu"),
        (checkpoint.read_bytes().replace(b'"version":"1"', b'"version":"7"'), "has checkpoint version 7"),
    ):
        (folder / "model.safetensors").write_bytes(content)
        assert words in refused("translate", "--pair", "xx-yy", "a b")
    (folder / "model.safetensors").write_bytes(checkpoint.read_bytes())
    assert main(["translate", "--pair", "xx-yy", "a b"]) == 0


@pytest.mark.parametrize("command", [["translate", "a b"], ["evaluate"]])
def test_checkpoints_that_cannot_be_read(
    refused, checkpoint: Path, tmp_path: Path, command: list[str]
) -> None:
    whole, cut, old = checkpoint.read_bytes(), tmp_path / "cut.safetensors", tmp_path / "old.safetensors"
    for length in (0, 7, 100, len(whole) - 1):
        cut.write_bytes(whole[:length])
        assert "cut.safetensors cannot be read" in refused(*command, "--checkpoint", cut)
    old.write_bytes(whole.replace(b'"version":"1"', b'"version":"0"'))
    assert "has checkpoint version 0, this program reads" in refused(*command, "--checkpoint", old)
    assert "there is no checkpoint at" in refused(*command, "--checkpoint", tmp_path / "none")


def test_a_checkpoint_that_does_not_say_its_data(refused, checkpoint: Path) -> None:
    assert "does not say what it was trained on" in refused("evaluate", "--checkpoint", checkpoint)


def test_a_damaged_run_is_not_resumed(refused, tmp_path: Path) -> None:
    assert main(TRAIN) == 0
    last = tmp_path / "run" / "last.safetensors"
    whole = last.read_bytes()
    last.write_bytes(whole[: len(whole) // 2])
    assert "last.safetensors cannot be read" in refused(*TRAIN, "--resume")
    assert last.read_bytes() == whole[: len(whole) // 2]


# The disk


@pytest.mark.parametrize("writes", [0, 1, 3])
def test_a_disk_that_fills_up_in_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], writes: int
) -> None:
    left, fsync = iter(range(writes)), os.fsync

    def filling(number: int) -> None:
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(number)

    monkeypatch.setattr(os, "fsync", filling)
    assert main(TRAIN) == 2
    said = capfd.readouterr().err.splitlines()[-1]
    assert "was not written (No space left on device)" in said and "free some space" in said
    for path in (tmp_path / "run").iterdir():
        assert not path.name.endswith(".tmp")
        if path.suffix == ".safetensors":
            load_checkpoint(path)
        elif path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
    assert not (tmp_path / "run" / "record.json").exists()


def test_a_run_where_a_file_stands(refused, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    assert "was not written" in refused(*TRAIN)
    assert (tmp_path / "run").read_text() == "mine"


def test_a_loss_that_breaks_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(recipes.TRAINING["toy"], "lr", 1e38)  # the largest loss that is a number: 3e38
    assert main(TRAIN) == 2
    said = capfd.readouterr().err.splitlines()[-1]
    assert said.startswith("seq2seq-edu: error: the loss is") and "lower learning rate" in said


# Memory


@pytest.mark.parametrize(
    ("error", "where"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "the GPU's memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "the memory"),
        (MemoryError(), "the memory"),
    ],
    ids=["gpu", "cpu", "python"],
)
def test_a_full_memory_names_the_setting_to_lower(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    checkpoint: Path,
    error: Exception,
    where: str,
) -> None:
    def full(*args: object, **options: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(training, "update", full)
        assert main(TRAIN) == 2
    said = capfd.readouterr().err.splitlines()[-1]
    assert said.startswith(f"seq2seq-edu: error: {where} of this machine is full: take smaller batches")
    assert "--set tokens=500" in said and "--config" in said
    assert main([*TRAIN, "--resume"]) == 2  # no step was taken, so there is nothing to go on with
    monkeypatch.setattr(Translator, "translate", full)
    assert main(["translate", "--checkpoint", str(checkpoint), "a b"]) == 2
    assert "give fewer sentences at once" in capfd.readouterr().err


def test_other_errors_are_not_taken_for_a_full_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **options: object) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(training, "update", broken)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        main(TRAIN)


def test_a_run_with_another_vocabulary_is_not_resumed(refused, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(TRAIN) == 0
    prepare = recipes.prepare

    def other(*args: object, **options: object) -> object:
        data = prepare(*args, **options)
        data.source_text.words[-1] = "new"  # the same size, and the same ids for every training pair
        return data

    monkeypatch.setattr(recipes, "prepare", other)
    assert "was trained with another vocabulary: resume with the same" in refused(*TRAIN, "--resume")
