"""How to train: one frozen dataclass, and the device, the batches and the rates that it means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import torch

from seq2seq_edu.data import IdPair, length_buckets


@dataclass(frozen=True)
class TrainConfig:
    """Say how to train; ValueError if a value is out of range, or CUDA is asked for and not there."""

    epochs: int = 8  # passes over the training pairs
    max_steps: int | None = None  # stop after so many optimiser steps instead; the learning rate ends there
    tokens: int = 1500  # target positions a batch, at most
    lr: float = 2e-3  # highest learning rate of Adam; after the warm-up it falls in a straight line to zero
    warmup: float = 0.05  # part of all steps in which the rate rises from zero
    label_smoothing: float = 0.1  # part of the target probability spread over the whole vocabulary
    clip: float = 1.0  # largest norm of the gradient
    average: float = 0.0  # decay of a running mean of the parameters, the model that is kept; 0: no mean
    seed: int = 0  # of batches and dropout (and of the first parameters, which the caller draws)
    device: str = "auto"  # "cpu", "cuda", or "auto": the GPU if there is one
    precision: str = "fp32"  # "bf16" multiplies matrices in bfloat16 (autocast); parameters stay in float32
    compile: bool = False  # torch.compile of the loss, for a GPU; no record shows yet what it is worth
    log_every: int = 1  # steps between two entries of the log; on a GPU each waits for its step to end
    save_every: int = 200  # steps between two checkpoints to resume from; each has an entry

    def __post_init__(self) -> None:
        for name in ("epochs", "tokens", "log_every", "save_every", "max_steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1; got {value}")
        for name, high in (("warmup", 1), ("label_smoothing", 0.99), ("average", 0.9999)):
            if not 0 <= getattr(self, name) <= high:
                raise ValueError(f"{name} must lie between 0 and {high}; got {getattr(self, name)}")
        for name in ("lr", "clip"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive; got {getattr(self, name)}")
        if self.precision not in ("fp32", "bf16"):
            raise ValueError(f"precision must be 'fp32' or 'bf16'; got {self.precision!r}")
        if not 0 <= self.seed < 2**31:
            raise ValueError(f"seed must be from 0 to {2**31 - 1}; got {self.seed}")
        pick_device(self.device)


def pick_device(name: str) -> torch.device:
    """Return the device that "auto", "cpu" or "cuda" means here; ValueError if there is none."""
    if name not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device must be auto, cpu or cuda; got {name!r}")
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            "device cuda was asked for, but this PyTorch sees no CUDA GPU: use --device cpu, or "
            "install the CUDA build of torch and the NVIDIA driver"
        )
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def has_bfloat16(device: torch.device) -> bool:
    """Tell whether a device multiplies bfloat16 itself; where it is imitated, fp32 is many times faster."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    flags: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # an older PyTorch has none
    return any(flag is True for name, flag in flags.items() if "bf16" in name)


def schedule(pairs: Sequence[IdPair], config: TrainConfig) -> Iterator[tuple[int, int, list[int]]]:
    """Yield one batch after the other, epoch after epoch, for ever.

    Parameters
    ----------
    pairs : sequence of (source ids, target ids).
    config : TrainConfig. Its ``tokens`` and ``seed`` decide which pairs come together, and when.

    Yields
    ------
    epoch, left, index : int, int and list of int. Number of the epoch, from 1; how many of its batches are
        still to come; the pairs of this one.
    """
    for epoch in count(1):
        batches = list(length_buckets(pairs, config.tokens, (config.seed, epoch)))
        for place, index in enumerate(batches):
            yield epoch, len(batches) - place - 1, index


def count_steps(pairs: Sequence[IdPair], config: TrainConfig) -> int:
    """Return how many optimiser steps a training takes."""
    if config.max_steps is not None:
        return config.max_steps
    seeds = [(config.seed, epoch) for epoch in range(1, config.epochs + 1)]
    return sum(len(list(length_buckets(pairs, config.tokens, seed))) for seed in seeds)


def learning_rate(step: int, total: int, config: TrainConfig) -> float:
    """Return the learning rate of step 1 .. ``total``: up in a straight line, then down to almost zero.

    >>> config = TrainConfig(lr=1.0, warmup=0.4)
    >>> [round(learning_rate(step, 5, config), 2) for step in range(1, 6)]
    [0.5, 1.0, 0.75, 0.5, 0.25]
    """
    rise = max(1, round(config.warmup * total))
    return config.lr * min(step / rise, (total - step + 1) / max(1, total - rise + 1))
