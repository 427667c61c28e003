"""Checkpoints: what is loaded is what was saved, and a file is whole, or it is refused with a reason."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save

from seq2seq_edu.data import Subwords, Text, Vocabulary
from seq2seq_edu.files import write_whole
from seq2seq_edu.models import EncoderDecoder, ModelConfig, Seq2Seq, Transformer, TransformerConfig
from seq2seq_edu.training import CheckpointError, load_checkpoint, save_checkpoint
from seq2seq_edu.training.checkpoints import find

SOURCE = Vocabulary(["ein", "Hund", "schläft", "狗", "."])
TARGET = Vocabulary(["a", "dog", "sleeps"])
SIZES = {"d_e": 3, "d_h": 10, "d_s": 7, "d_a": 5, "d_r": 2, "dropout": 0.3}


def tiny(source: Text = SOURCE, target: Text = TARGET, **changes: object) -> Seq2Seq:
    """Build a small model for two vocabularies."""
    torch.manual_seed(0)
    return Seq2Seq(ModelConfig(len(source), len(target), **{**SIZES, **changes}))


def small_transformer(source: Text = SOURCE, target: Text = TARGET, **changes: object) -> Transformer:
    """Build a small Transformer for two vocabularies."""
    torch.manual_seed(0)
    sizes = {"d_model": 10, "d_ff": 7, "layers": 3, "heads": 5}
    return Transformer(TransformerConfig(len(source), len(target), **{**sizes, **changes}))


def saved(folder: Path, **more: object) -> Path:
    """Save a small model and return the path of the file."""
    path = folder / "last.safetensors"
    save_checkpoint(path, tiny(), SOURCE, TARGET, **more)
    return path


def rewrite(path: Path, **changes: str) -> None:
    """Write a checkpoint again with other metadata; an empty value takes the entry away."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + size])["__metadata__"]
    merged = {key: value for key, value in {**metadata, **changes}.items() if value}
    path.write_bytes(save(load(data), merged))


# Round trip


def test_a_checkpoint_gives_back_all_that_was_saved(tmp_path: Path) -> None:
    model = tiny()
    about, progress = {"data": "grammar", "名": "猫"}, {"step": 11, "best": float("inf")}
    moments = {"0.exp_avg": torch.randn(3, 5), "0.step": torch.tensor(7.0)}
    path = tmp_path / "new" / "run.safetensors"
    save_checkpoint(path, model, SOURCE, TARGET, about=about, progress=progress, optimizer=moments)
    back = load_checkpoint(path)
    assert back.model.config == model.config and not back.model.training
    for (name, one), (other_name, other) in zip(
        model.named_parameters(), back.model.named_parameters(), strict=True
    ):
        assert name == other_name and torch.equal(one, other)
    assert (back.about, back.progress) == (about, progress)
    assert back.source_text.encode("狗 schläft .") == SOURCE.encode("狗 schläft .")
    assert back.target_text.words == TARGET.words
    torch.testing.assert_close(back.optimizer, moments, rtol=0, atol=0)
    assert [file.name for file in path.parent.iterdir()] == ["run.safetensors"]


@pytest.mark.parametrize("make", [tiny, small_transformer])
def test_a_checkpoint_says_which_kind_of_model_it_holds(
    tmp_path: Path, make: Callable[[], EncoderDecoder]
) -> None:
    path, model = tmp_path / "a.safetensors", make().eval()
    save_checkpoint(path, model, SOURCE, TARGET)
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    assert json.loads(data[8 : 8 + size])["__metadata__"]["model"] == model.kind
    assert model.kind == {Seq2Seq: "seq2seq", Transformer: "transformer"}[type(model)]
    back = load_checkpoint(path).model
    assert type(back) is type(model) and back.config == model.config
    src, tgt_in = torch.tensor([[4, 7, 5, 2]]), torch.tensor([[1, 6, 5]])
    torch.testing.assert_close(back(src, src != 0, tgt_in), model(src, src != 0, tgt_in), rtol=0, atol=0)


def test_a_file_from_before_there_were_two_kinds_is_the_recurrent_one(tmp_path: Path) -> None:
    path = saved(tmp_path)
    rewrite(path, model="")
    assert type(load_checkpoint(path).model) is Seq2Seq


def test_tied_weights_of_a_transformer_are_tied_again(tmp_path: Path) -> None:
    model = small_transformer(SOURCE, SOURCE, share_embeddings=True)
    save_checkpoint(tmp_path / "a.safetensors", model, SOURCE, SOURCE)
    back = load_checkpoint(tmp_path / "a.safetensors").model
    assert isinstance(back, Transformer)
    table = back.target_embedding.weight
    assert back.W_o.weight is table and back.source_embedding.weight is table
    assert torch.equal(table, model.W_o.weight)


def test_tied_weights_are_stored_once_and_tied_again(tmp_path: Path) -> None:
    subwords = Subwords.train(["ein Hund schläft", "a dog sleeps"], vocab_size=23, lowercase=True)
    model = tiny(subwords, subwords, share_embeddings=True, d_r=3, attention="dot", d_s=10)
    save_checkpoint(tmp_path / "a.safetensors", model, subwords, subwords)
    back = load_checkpoint(tmp_path / "a.safetensors")
    table = back.model.target_embedding.weight
    assert back.model.W_o.weight is table and back.model.source_embedding.weight is table
    assert torch.equal(table, model.W_o.weight)
    assert back.source_text.encode("HUND") == subwords.encode("hund")
    names = [name for name in load((tmp_path / "a.safetensors").read_bytes()) if "embedding" in name]
    assert len(names) == 1


def test_saving_leaves_the_model_as_it_is(tmp_path: Path) -> None:
    model = tiny().train()
    before = {name: p.clone() for name, p in model.named_parameters()}
    save_checkpoint(tmp_path / "a.safetensors", model, SOURCE, TARGET)
    assert model.training and all(p.requires_grad for p in model.parameters())
    torch.testing.assert_close(dict(model.named_parameters()), before, rtol=0, atol=0)


def test_half_precision_halves_the_file_and_loads_as_float32(tmp_path: Path) -> None:
    model, subwords = tiny(d_r=97), SOURCE
    save_checkpoint(tmp_path / "full", model, subwords, TARGET)
    save_checkpoint(tmp_path / "half", model, subwords, TARGET, half=True)
    back = load_checkpoint(tmp_path / "half")
    for (_, one), (_, other) in zip(model.named_parameters(), back.model.named_parameters(), strict=True):
        assert other.dtype == torch.float32
        torch.testing.assert_close(other, one, rtol=1e-3, atol=1e-6)
    assert (tmp_path / "half").stat().st_size < 0.7 * (tmp_path / "full").stat().st_size


def test_a_folder_means_what_was_released_else_its_best_checkpoint_else_its_last(tmp_path: Path) -> None:
    last = saved(tmp_path)
    assert find(tmp_path) == last
    for name in ("best.safetensors", "model.safetensors"):
        (tmp_path / name).write_bytes(last.read_bytes())
        assert find(tmp_path) == tmp_path / name
    assert find(last) == last


# Files that cannot be used


def test_a_file_cut_short_anywhere_is_refused(tmp_path: Path) -> None:
    whole = saved(tmp_path).read_bytes()
    cut = tmp_path / "cut.safetensors"
    lengths = {0, 1, 7, 8, 9, 100, len(whole) // 2, len(whole) - 1, *range(0, len(whole), 997)}
    for length in sorted(lengths):
        cut.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match="cut.safetensors cannot be read .*cut short"):
            load_checkpoint(cut)
    cut.write_bytes(whole)
    load_checkpoint(cut)


def test_other_files_are_refused(tmp_path: Path) -> None:
    foreign, text = tmp_path / "foreign.safetensors", tmp_path / "text.safetensors"
    foreign.write_bytes(save({"weight": torch.zeros(3)}))
    with pytest.raises(CheckpointError, match="a safetensors file, but not a checkpoint of seq2seq-edu"):
        load_checkpoint(foreign)
    text.write_text("This is no checkpoint, and long enough to hold a header.\n")
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        load_checkpoint(text)
    for nothing in (tmp_path / "none.safetensors", tmp_path / "no" / "folder", tmp_path / "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(CheckpointError, match=f"no checkpoint at .*{nothing.name}: train one"):
            load_checkpoint(nothing)


def test_another_version_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path)
    rewrite(path, version="2")
    with pytest.raises(CheckpointError, match="version 2, this program reads version 1: install the release"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "change",
    [
        {"config": json.dumps({"source_vocab": 9, "target_vocab": 7, **SIZES, "d_s": 11})},
        {"config": json.dumps({"source_vocab": 9, "target_vocab": 7, **SIZES, "heads": 8})},
        {"config": json.dumps({"source_vocab": 9, "target_vocab": 7, **SIZES, "attention": "soft"})},
        {"config": "{"},
        {"config": ""},
        {"model": "transformer"},
        {"model": "oracle"},
        {"kinds": json.dumps(["words", "letters"])},
        {"kinds": json.dumps(["words", "subwords"])},
        {"about": "none"},
        {"progress": ""},
    ],
    ids=str,
)
def test_a_changed_file_is_refused(tmp_path: Path, change: dict[str, str]) -> None:
    path = saved(tmp_path)
    rewrite(path, **change)
    with pytest.raises(CheckpointError, match="does not fit together .*changed after it was written"):
        load_checkpoint(path)


def test_a_missing_tensor_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path)
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    tensors = load(data)
    del tensors["model.decoder.gru.bias_hh"]
    path.write_bytes(save(tensors, json.loads(data[8 : 8 + size])["__metadata__"]))
    with pytest.raises(CheckpointError, match="KeyError.*decoder.gru.bias_hh"):
        load_checkpoint(path)


# Whole or not at all


def full(*args: object) -> None:
    """Do what a full disk does."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = saved(tmp_path, about={"step": 1})
    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="(?i)last.safetensors was not written .no space.*free some space"):
        saved(tmp_path, about={"step": 2})
    monkeypatch.undo()
    assert [file.name for file in tmp_path.iterdir()] == ["last.safetensors"]
    assert load_checkpoint(path).about == {"step": 1}


def test_a_limit_in_the_middle_of_a_file_leaves_the_old_one(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")  # where the system can limit the size of a file
    path = tmp_path / "file"
    write_whole(path, b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (70_001, hard))
    try:
        with pytest.raises(OSError, match="file was not written .*what stood there before is untouched"):
            write_whole(path, b"x" * 1_000_003)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [file.name for file in tmp_path.iterdir()] == ["file"] and path.read_bytes() == b"old"


def test_a_folder_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    with pytest.raises(OSError, match="a.safetensors was not written"):
        write_whole(tmp_path / "run" / "a.safetensors", b"x")
    assert (tmp_path / "run").read_text() == "mine"
