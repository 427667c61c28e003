"""The checkpoints of one training: the best model, and all that exact resuming needs."""

from __future__ import annotations

import dataclasses
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from seq2seq_edu.data import IdPair, Text
from seq2seq_edu.models import EncoderDecoder
from seq2seq_edu.training.checkpoints import CheckpointError, load_checkpoint, save_checkpoint
from seq2seq_edu.training.config import TrainConfig
from seq2seq_edu.training.loop import Entry
from seq2seq_edu.training.state import TrainState

FREE = ("device", "compile", "log_every", "save_every")  # settings that do not shape the curve


def fingerprint(pairs: Sequence[IdPair], validation: Sequence[IdPair], config: TrainConfig) -> dict[str, Any]:
    """Return what must be equal for resuming: checksums of the data, and all that shapes the curve."""
    sums = {"data": pairs, "validation": validation}
    data = {name: zlib.crc32(json.dumps(list(part)).encode()) for name, part in sums.items()}
    return data | {k: v for k, v in dataclasses.asdict(config).items() if k not in FREE}


class Checkpointer:
    """Write ``best.safetensors`` and ``last.safetensors`` of one training, and read them again."""

    def __init__(
        self, folder: Path, state: TrainState, texts: tuple[Text, Text], settings: Mapping[str, Any], *,
        about: Mapping[str, Any] | None = None, writes: bool = True,  # of several processes one writes
    ) -> None:  # fmt: skip
        self.best, self.last = folder / "best.safetensors", folder / "last.safetensors"
        self.state, self.texts, self.settings = state, texts, dict(settings)
        self.about, self.writes, self.saved = dict(about or {}), writes, False

    def follow(self, training: Iterator[Entry]) -> Iterator[Entry]:
        """Pass on the entries of a training; write checkpoints where due, and when the reader stops."""
        try:
            for entry in training:
                if entry.get("validation") == self.state.progress["best"]:
                    self._write(self.best, self.state.averaged)
                step, measured = entry["step"], "validation" in entry
                if measured or step % self.state.config.save_every == 0 or step == self.state.total:
                    self.save()
                yield entry
        except GeneratorExit:  # the reader has stopped between two entries
            self.save()
            raise
        except FloatingPointError as error:
            kept = f"the last good one is {self.last}" if self.saved else "no checkpoint was written yet"
            raise FloatingPointError(f"{error}; {kept}") from error
        finally:
            training.close()  # type: ignore[attr-defined]

    def save(self) -> None:
        """Write all that resuming needs."""
        self.saved = True
        progress = self.state.progress | {"settings": self.settings}
        self._write(self.last, self.state.model, progress=progress, optimizer=self.state.tensors())

    def _write(self, path: Path, model: EncoderDecoder, **more: Any) -> None:
        """Write one file, if this process is the one that writes."""
        if self.writes:
            save_checkpoint(path, model, *self.texts, about=self.about, **more)

    def restore(self) -> None:
        """Put the training back to its last checkpoint; CheckpointError if that is of another training."""
        checkpoint = load_checkpoint(self.last)
        progress, new = dict(checkpoint.progress), self.settings
        old = progress.pop("settings", {})
        changed = [name for name in new if old.get(name, new[name] if old else None) != new[name]]
        if checkpoint.model.config != self.state.model.config:
            changed.insert(0, "model")
        texts = (checkpoint.source_text, checkpoint.target_text)
        if [text.to_bytes() for text in texts] != [text.to_bytes() for text in self.texts]:
            changed.insert(0, "vocabulary")
        if changed:
            name = changed[0]
            told = f" ({old.get(name)}, now {new[name]})" if name in new else ""
            raise CheckpointError(
                f"{self.last} was trained with another {name}{told}: resume with the same settings, or use "
                "a new --out"
            )
        self.state.load(checkpoint.model, checkpoint.optimizer, progress)
        self.saved = True
