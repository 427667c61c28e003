"""Keep a model in one safetensors file, whole or not at all: parameters, vocabularies, training state."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from seq2seq_edu.data import Subwords, Text, Vocabulary
from seq2seq_edu.files import write_whole
from seq2seq_edu.models import EncoderDecoder, ModelConfig, Seq2Seq, Transformer, TransformerConfig

FORMAT, VERSION = "seq2seq-edu", "1"
KINDS: dict[str, type[Vocabulary] | type[Subwords]] = {"words": Vocabulary, "subwords": Subwords}
MODELS: dict[str, tuple[Any, Any]] = {  # class and settings of each kind
    Seq2Seq.kind: (Seq2Seq, ModelConfig),
    Transformer.kind: (Transformer, TransformerConfig),
}


class CheckpointError(ValueError):
    """A checkpoint cannot be read or does not fit; the message names the file, the reason and the cure."""


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds."""

    model: EncoderDecoder  # in evaluation mode
    source_text: Text  # turns text into ids and back
    target_text: Text
    about: dict[str, Any]  # what was said of the run: data, attention, seed, ...
    progress: dict[str, Any] = field(default_factory=dict)  # for resuming; empty in a file to translate with
    optimizer: dict[str, Tensor] = field(default_factory=dict)  # so is this


def save_checkpoint(
    path: Path, model: EncoderDecoder, source_text: Text, target_text: Text, *,
    about: Mapping[str, Any] | None = None, progress: Mapping[str, Any] | None = None,
    optimizer: Mapping[str, Tensor] | None = None, half: bool = False,
) -> None:  # fmt: skip
    """Write a model, its vocabularies and what was said of the run to one file, whole or not at all.

    ``progress`` and ``optimizer`` are what resuming needs; ``half`` stores parameters in float16, half the
    size, for weights that are given away (they load as float32). Tied parameters are stored once.
    """
    kept = {name: p.detach().cpu().contiguous().clone() for name, p in model.named_parameters()}
    tensors = {f"model.{name}": p.half() if half else p for name, p in kept.items()}
    tensors |= {f"optimizer.{name}": t.detach().cpu().contiguous() for name, t in (optimizer or {}).items()}
    for side, text in (("source", source_text), ("target", target_text)):
        tensors[f"text.{side}"] = torch.frombuffer(bytearray(text.to_bytes()), dtype=torch.uint8)
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "model": model.kind,
        "config": json.dumps(asdict(model.config)),
        "kinds": json.dumps([source_text.kind, target_text.kind]),
        "about": json.dumps(dict(about or {})),
        "progress": json.dumps(dict(progress or {})),
    }
    write_whole(Path(path), save(tensors, metadata))


def load_checkpoint(path: Path | str) -> Checkpoint:
    """Read a checkpoint file.

    Parameters
    ----------
    path : Path or str. The file, or a folder: then its ``model``, ``best`` or ``last.safetensors``, whichever
        is there first.

    Returns
    -------
    checkpoint : Checkpoint. On the CPU. CheckpointError if there is no such file, it is cut short, not ours,
        of another version, or its tensors do not fit its configuration.
    """
    path = find(Path(path))
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} cannot be read ({error}): it is cut short or not a safetensors file; "
            "copy it again or train again"
        ) from error
    if metadata.get("format") != FORMAT:
        raise CheckpointError(f"{path} is a safetensors file, but not a checkpoint of seq2seq-edu")
    if metadata.get("version") != VERSION:
        raise CheckpointError(
            f"{path} has checkpoint version {metadata.get('version')}, this program reads version "
            f"{VERSION}: install the release that wrote it, or train again"
        )
    try:
        kind, settings = MODELS[metadata.get("model", Seq2Seq.kind)]  # the first files did not say
        model = kind(settings(**json.loads(metadata["config"])))
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                stored, wanted = tensors.pop(f"model.{name}"), parameter.shape
                if stored.shape != wanted:
                    raise ValueError(f"{name} has shape {tuple(stored.shape)}, not {tuple(wanted)}")
                parameter.copy_(stored)
        source, target = (
            KINDS[kind].from_bytes(tensors.pop(f"text.{side}").numpy().tobytes())
            for side, kind in zip(("source", "target"), json.loads(metadata["kinds"]), strict=True)
        )
        about, progress = json.loads(metadata["about"]), json.loads(metadata["progress"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} does not fit together ({type(error).__name__}: {error}); "
            "it was changed after it was written: copy it again or train again"
        ) from error
    optimizer = {name.removeprefix("optimizer."): t for name, t in tensors.items()}
    return Checkpoint(model.eval(), source, target, about, progress, optimizer)


def find(path: Path) -> Path:
    """Return the checkpoint file that a path means, the file itself or the first one of a folder."""
    names = ("model.safetensors", "best.safetensors", "last.safetensors")
    for candidate in [path / name for name in names] if path.is_dir() else [path]:
        if candidate.is_file():
            return candidate
    raise CheckpointError(
        f"there is no checkpoint at {path}: train one with `seq2seq-edu train`, or check the path"
    )
