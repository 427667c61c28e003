"""What a training keeps: its checkpoints, the time it took, and a running mean of the parameters."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seq2seq_edu.data import Text
from seq2seq_edu.models import EncoderDecoder
from seq2seq_edu.training import parallel
from seq2seq_edu.training.checkpoints import CheckpointError, load_checkpoint, save_checkpoint

IMPORTED = time.perf_counter()


class RunningMean:
    r"""Keep a running mean of a model's parameters; it often generalises better than the last ones.

    .. math::

        \bar\theta_k = d_k \bar\theta_{k-1} + (1 - d_k) \theta_k, \qquad d_k = \min(d, (1 + k) / (10 + k))

    Parameters
    ----------
    model : EncoderDecoder
        Its parameters are averaged.
    decay : float
        d; with 0 nothing is kept and every method does nothing.

    References
    ----------
    Polyak and Juditsky (1992), doi:10.1137/0330046, average all steps alike.
    """

    def __init__(self, model: EncoderDecoder, decay: float) -> None:
        self.parameters: list[Tensor] = list(model.parameters()) if decay else []
        self.names = [name for name, _ in model.named_parameters()]
        self.decay = decay
        self.values = [p.detach().clone() for p in self.parameters]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move the mean towards the parameters after step k = 1, 2, ..."""
        decay = min(self.decay, (1 + step) / (10 + step))
        if self.values:
            torch._foreach_lerp_(self.values, self.parameters, 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the mean and the parameters; a second call exchanges them back."""
        for parameter, value in zip(self.parameters, self.values, strict=True):
            kept = parameter.clone()
            parameter.copy_(value)
            value.copy_(kept)

    def tensors(self) -> dict[str, Tensor]:
        """Return the mean under the names of the parameters, for a checkpoint; empty if none is kept."""
        return dict(zip(self.names, self.values, strict=True)) if self.values else {}


def since_start() -> float:
    """Tell how long this process has been running.

    Returns
    -------
    seconds : float
        Wall clock since the process was started, on Linux; elsewhere since this file was imported.
    """
    try:
        started = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])  # ticks since boot
        return time.clock_gettime(time.CLOCK_BOOTTIME) - started / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, IndexError, ValueError):
        return time.perf_counter() - IMPORTED


class Clock:
    """Count seconds of wall clock and processor on top of those spent before an interruption."""

    def __init__(self, progress: Mapping[str, Any]) -> None:
        self.wall = time.perf_counter() - progress["seconds"]
        self.cpu = time.process_time() - progress["cpu_seconds"]

    def stamp(self, progress: dict[str, Any]) -> None:
        """Write both times."""
        progress["seconds"] = time.perf_counter() - self.wall
        progress["cpu_seconds"] = time.process_time() - self.cpu


class Keeper:
    """Write and read the checkpoints of one training; does nothing without a folder."""

    def __init__(
        self,
        model: EncoderDecoder,
        optimizer: torch.optim.Optimizer,
        mean: RunningMean,
        folder: Path | None,
        texts: tuple[Text, Text] | None,
        about: dict[str, Any],
        settings: dict[str, Any],
    ) -> None:
        self.model, self.optimizer, self.mean = model, optimizer, mean
        self.folder, self.texts = folder, texts
        self.about, self.settings = about, settings
        self.saved: Path | None = None

    def best(self) -> None:
        """Write the model alone, for translating."""
        if self.folder is not None and self.texts is not None and not parallel.rank():
            save_checkpoint(self.folder / "best.safetensors", self.model, *self.texts, about=self.about)

    def last(self, progress: Mapping[str, Any]) -> None:
        """Write all that resuming needs."""
        if self.folder is None or self.texts is None:
            return
        self.saved = self.folder / "last.safetensors"
        if parallel.rank():  # process 0 writes it
            return
        moments = {
            f"{k}.{name}": value
            for k, state in self.optimizer.state_dict()["state"].items()
            for name, value in state.items()
        } | {f"mean.{name}": value for name, value in self.mean.tensors().items()}
        save_checkpoint(
            self.saved,
            self.model,
            *self.texts,
            about=self.about,
            optimizer=moments,
            progress=dict(progress) | {"settings": self.settings},
        )

    def restore(self) -> dict[str, Any]:
        """Put model and optimiser back to the last checkpoint; return its progress."""
        if self.folder is None:
            raise ValueError("resuming needs the folder of the interrupted training")
        self.saved = self.folder / "last.safetensors"
        checkpoint = load_checkpoint(self.saved)
        progress = dict(checkpoint.progress)
        old = progress.pop("settings", {})
        changed = [
            k for k in self.settings if old.get(k, self.settings[k] if old else None) != self.settings[k]
        ]
        if checkpoint.model.config != self.model.config:
            changed.insert(0, "model")
        texts = (checkpoint.source_text, checkpoint.target_text)
        if [text.to_bytes() for text in texts] != [text.to_bytes() for text in self.texts or ()]:
            changed.insert(0, "vocabulary")
        if changed:
            name = changed[0]
            told = f" ({old.get(name)}, now {self.settings[name]})" if name in self.settings else ""
            raise CheckpointError(
                f"{self.saved} was trained with another {name}{told}: resume with the same settings, or use "
                "a new --out"
            )
        self.model.load_state_dict(checkpoint.model.state_dict())
        state: dict[int, dict[str, Tensor]] = {}
        mean = self.mean.tensors()
        for key, value in checkpoint.optimizer.items():
            index, name = key.split(".", 1)
            if index == "mean":
                mean[name].copy_(value)
            else:
                state.setdefault(int(index), {})[name] = value
        self.optimizer.load_state_dict(
            {"state": state, "param_groups": self.optimizer.state_dict()["param_groups"]}
        )
        return progress
