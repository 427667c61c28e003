"""Training as a generator: one record at a time, to plot, to print or to stop; resumable exactly."""

from __future__ import annotations

import dataclasses
import json
import math
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence

from seq2seq_edu.batching import Batch, IdPair, Text, length_buckets, make_batch
from seq2seq_edu.checkpoints import CheckpointError, load_checkpoint, save_checkpoint
from seq2seq_edu.model import Seq2Seq, evaluating

Record = dict[str, float]
Loss = Callable[[Seq2Seq, Batch, float], Tensor]  # of a batch, with label smoothing
UNTRAINED = {"step": 0, "tokens": 0, "seconds": 0.0, "cpu_seconds": 0.0, "best": math.inf}


@dataclass(frozen=True)
class TrainConfig:
    """Say how to train.

    Parameters
    ----------
    epochs : int
        Passes over the training pairs.
    max_steps : int, optional
        Stop after so many optimiser steps instead; the learning rate reaches zero there.
    tokens : int
        Target positions a batch, at most.
    lr : float
        Highest learning rate of Adam, reached after the warm-up; then it falls in a straight line to zero.
    warmup : float
        Part of all steps in which the rate rises from zero.
    label_smoothing : float
        Part of the target probability spread over the whole vocabulary.
    clip : float
        Largest norm of the gradient.
    seed : int
        Of initialisation (where the caller makes the model), batches and dropout.
    device : {"auto", "cpu", "cuda"}
        "auto" takes the GPU if there is one.
    precision : {"fp32", "bf16"}
        "bf16" runs matrix products in bfloat16 (autocast); parameters stay in float32.
    log_every : int
        Steps between two records.
    save_every : int
        Steps between two checkpoints to resume from.

    Raises
    ------
    ValueError
        If a setting is out of range, or CUDA is asked for and not there.
    """

    epochs: int = 8
    max_steps: int | None = None
    tokens: int = 1500
    lr: float = 2e-3
    warmup: float = 0.05
    label_smoothing: float = 0.1
    clip: float = 1.0
    seed: int = 0
    device: str = "auto"
    precision: str = "fp32"
    log_every: int = 1
    save_every: int = 200

    def __post_init__(self) -> None:
        for name in ("epochs", "tokens", "log_every", "save_every", "max_steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1; got {value}")
        for name, low, high in (("warmup", 0, 1), ("label_smoothing", 0, 0.99)):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} must lie between {low} and {high}; got {getattr(self, name)}")
        for name in ("lr", "clip"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive; got {getattr(self, name)}")
        if self.precision not in ("fp32", "bf16"):
            raise ValueError(f"precision must be 'fp32' or 'bf16'; got {self.precision!r}")
        if not 0 <= self.seed < 2**31:
            raise ValueError(f"seed must be from 0 to {2**31 - 1}; got {self.seed}")
        pick_device(self.device)


def pick_device(name: str) -> torch.device:
    """Return the device that a name means on this machine.

    Parameters
    ----------
    name : {"auto", "cpu", "cuda"}
        "auto" is the GPU if PyTorch sees one, else the CPU.

    Returns
    -------
    device : torch.device
        Where to put the model and its batches.

    Raises
    ------
    ValueError
        If the name is another one, or there is no such device.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device must be auto, cpu or cuda; got {name!r}")
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            "device cuda was asked for, but this PyTorch sees no CUDA GPU: use --device cpu, or "
            "install the CUDA build of torch and the NVIDIA driver"
        )
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def loss_plain(model: Seq2Seq, batch: Batch, label_smoothing: float = 0.0) -> Tensor:
    r"""Return the cross entropy by the plain path, one decoder step after the other.

    .. math:: L = -\frac{1}{\sum_b m_b} \sum_b \sum_{t \le m_b} \log p(y_t \mid y_{<t}, x)

    Parameters
    ----------
    model : Seq2Seq
        The model.
    batch : Batch
        The pairs.
    label_smoothing : float
        As in ``torch.nn.functional.cross_entropy``.

    Returns
    -------
    loss : scalar Tensor
        Nats per real target token (eos counts, padding does not).
    """
    logits, _ = model(batch.src, batch.src_mask, batch.tgt_in)
    real = batch.tgt_mask
    return F.cross_entropy(_exact(logits[real]), batch.tgt_out[real], label_smoothing=label_smoothing)


def loss_fast(model: Seq2Seq, batch: Batch, label_smoothing: float = 0.0) -> Tensor:
    """Return the same loss as :func:`loss_plain`, computed at real target positions only.

    Parameters
    ----------
    model : Seq2Seq
        The model.
    batch : Batch
        The pairs.
    label_smoothing : float
        As in ``torch.nn.functional.cross_entropy``.

    Returns
    -------
    loss : scalar Tensor
        Nats per real target token.
    """
    features = model.readouts(batch.src, batch.src_mask, batch.tgt_in, batch.tgt_lengths, batch.src_lengths)
    targets = pack_padded_sequence(batch.tgt_out, torch.tensor(batch.tgt_lengths), batch_first=True).data
    return F.cross_entropy(_exact(model.logits(features)), targets, label_smoothing=label_smoothing)


def _exact(logits: Tensor) -> Tensor:
    """Return logits of half precision in float32, others as they are: the loss sums many small numbers."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


@torch.no_grad()
def validate(model: Seq2Seq, pairs: Sequence[IdPair], tokens: int = 4000) -> float:
    """Return the mean negative log-probability of gold targets under teacher forcing.

    Parameters
    ----------
    model : Seq2Seq
        The model; its mode (training or evaluation) is put back afterwards.
    pairs : sequence of (source ids, target ids)
        For instance the validation split.
    tokens : int
        Target positions a batch.

    Returns
    -------
    nll : float
        Nats per target token, eos included; no label smoothing.

    Raises
    ------
    ValueError
        If there are no pairs.
    """
    if not pairs:
        raise ValueError("there are no pairs to measure the loss on")
    device = next(model.parameters()).device
    total, count = 0.0, 0
    with evaluating(model):
        for index in length_buckets(pairs, tokens, (0,)):
            batch = make_batch([pairs[k] for k in index]).to(device)
            total += float(loss_fast(model, batch)) * sum(batch.tgt_lengths)
            count += sum(batch.tgt_lengths)
    return total / count


def learning_rate(step: int, total: int, config: TrainConfig) -> float:
    """Return the learning rate of a step: up in a straight line, then down to almost zero.

    Parameters
    ----------
    step : int
        Number of the step, from 1 to ``total``.
    total : int
        Steps in all.
    config : TrainConfig
        Its ``lr`` is the highest rate, its ``warmup`` the part of all steps that lead up to it.

    Returns
    -------
    rate : float
        Above 0, at most ``config.lr``.

    Examples
    --------
    >>> config = TrainConfig(lr=1.0, warmup=0.4)
    >>> [round(learning_rate(step, 5, config), 2) for step in range(1, 6)]
    [0.5, 1.0, 0.75, 0.5, 0.25]
    """
    rise = max(1, round(config.warmup * total))
    return config.lr * min(step / rise, (total - step + 1) / max(1, total - rise + 1))


def schedule(pairs: Sequence[IdPair], config: TrainConfig) -> Iterator[tuple[int, int, list[int]]]:
    """Yield one batch after the other, epoch after epoch, for ever.

    Parameters
    ----------
    pairs : sequence of (source ids, target ids)
        The training data.
    config : TrainConfig
        Its ``tokens`` and ``seed`` decide which pairs come together, and when.

    Yields
    ------
    epoch : int
        From 1.
    left : int
        Batches of this epoch still to come; 0 at its last.
    index : list of int
        The pairs of the batch.
    """
    epoch = 0
    while True:
        epoch += 1
        batches = list(length_buckets(pairs, config.tokens, (config.seed, epoch)))
        for place, index in enumerate(batches):
            yield epoch, len(batches) - place - 1, index


def count_steps(pairs: Sequence[IdPair], config: TrainConfig) -> int:
    """Return how many optimiser steps a training takes.

    Parameters
    ----------
    pairs : sequence of (source ids, target ids)
        The training data.
    config : TrainConfig
        How to train.

    Returns
    -------
    total : int
        ``config.max_steps`` if it is set, else the batches of all epochs.
    """
    if config.max_steps is not None:
        return config.max_steps
    return sum(
        sum(1 for _ in length_buckets(pairs, config.tokens, (config.seed, epoch)))
        for epoch in range(1, config.epochs + 1)
    )


def train(
    model: Seq2Seq,
    pairs: Sequence[IdPair],
    config: TrainConfig,
    *,
    validation: Sequence[IdPair] = (),
    folder: Path | None = None,
    texts: tuple[Text, Text] | None = None,
    about: Mapping[str, Any] | None = None,
    resume: bool = False,
) -> Iterator[Record]:
    """Train a model, giving one record every ``config.log_every`` steps.

    Parameters
    ----------
    model : Seq2Seq
        Trained in place.
    pairs : sequence of (source ids, target ids)
        The training data, without bos and eos.
    config : TrainConfig
        How to train.
    validation : sequence of id pairs, optional
        Measured at the end of every epoch and of the training.
    folder : Path, optional
        Where ``last.safetensors`` (to resume from) and ``best.safetensors`` (lowest validation loss) go.
    texts : (source Text, target Text), optional
        Needed with ``folder``: a checkpoint without its vocabularies is of no use.
    about : mapping, optional
        Stored in the checkpoints.
    resume : bool
        Go on from ``folder/last.safetensors`` and give the same records as an uninterrupted training.

    Yields
    ------
    record : dict of str to float
        ``step``, ``epoch``, ``loss`` (nats per target token, smoothed as trained), ``lr``, ``gradient``
        (norm before clipping), ``tokens`` (target tokens so far), ``seconds`` (wall clock) and
        ``cpu_seconds``, both with what came before an interruption; where measured,
        ``validation`` (nats per target token).

    Raises
    ------
    ValueError
        If there are no pairs, ``folder`` comes without ``texts``, or the checkpoint is of another training.
    FloatingPointError
        If the loss or its gradient is not finite; the last checkpoint is kept.
    """
    if not pairs:
        raise ValueError("there are no training pairs")
    if folder is not None and texts is None:
        raise ValueError("training with a folder needs texts=(source_text, target_text) for its checkpoints")
    model.to(pick_device(config.device)).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=config.lr, betas=(0.9, 0.98), fused=True)
    total = count_steps(pairs, config)
    settings = {} if folder is None else _fingerprint(pairs, config)
    keeper = Keeper(model, optimizer, folder, texts, dict(about or {}), settings)
    run = _Run(model, optimizer, config, total, keeper, keeper.restore() if resume else dict(UNTRAINED))
    try:
        for step in _steps(pairs, config, run.progress["step"], total):
            loss, gradient = run.take(step, make_batch([pairs[k] for k in step.index]))
            if not step.recorded:
                continue
            record = run.record(step, loss, gradient)
            if validation and step.ends:
                run.measure(validation, record)
            if step.saved:
                keeper.last(run.progress)
            yield record
    except GeneratorExit:  # the reader has stopped between two records
        keeper.last(run.progress)
        raise
    finally:
        model.eval()


@dataclass(frozen=True)
class _Step:
    """One optimiser step to come: which it is, its pairs, and what follows it."""

    number: int  # 1 .. total
    epoch: int  # 1 ..
    index: list[int]  # pairs of the batch
    ends: bool  # the epoch or the training: the model is validated
    saved: bool  # a checkpoint is written
    recorded: bool  # a record is given


def _steps(pairs: Sequence[IdPair], config: TrainConfig, done: int, total: int) -> Iterator[_Step]:
    """Yield the steps after ``done`` up to ``total``: the same ones as in an uninterrupted training."""
    rest = islice(schedule(pairs, config), done, total)
    for number, (epoch, left, index) in enumerate(rest, start=done + 1):
        ends = left == 0 or number == total
        saved = ends or number % config.save_every == 0
        recorded = saved or number % config.log_every == 0
        yield _Step(number, epoch, index, ends, saved, recorded)


class _Run:
    """One training under way: take a step, tell how it went, measure the model."""

    def __init__(
        self,
        model: Seq2Seq,
        optimizer: torch.optim.Optimizer,
        config: TrainConfig,
        total: int,
        keeper: Keeper,
        progress: dict[str, Any],
    ) -> None:
        self.model, self.optimizer, self.config, self.total = model, optimizer, config, total
        self.keeper, self.progress, self.clock = keeper, progress, Clock(progress)

    def take(self, step: _Step, batch: Batch) -> tuple[Tensor, Tensor]:
        """Take one step; return its loss and the norm of its gradient, not looked at yet."""
        torch.manual_seed((self.config.seed << 32) + step.number)  # dropout too depends on the step alone
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(step.number, self.total, self.config)
        device = next(self.model.parameters()).device
        loss, gradient = update(self.model, self.optimizer, batch.to(device), self.config)
        self.progress["step"] = step.number
        self.progress["tokens"] += sum(batch.tgt_lengths)
        return loss, gradient

    def record(self, step: _Step, loss: Tensor, gradient: Tensor) -> Record:
        """Tell how a step went; FloatingPointError if it has spoiled the parameters."""
        if not math.isfinite(float(loss + gradient)):
            saved = self.keeper.saved
            kept = f"the last good one is {saved}" if saved else "no checkpoint was written yet"
            raise FloatingPointError(
                f"the loss is {float(loss)} at step {step.number}, the norm of its gradient "
                f"{float(gradient)}: try a lower learning rate; {kept}"
            )
        self.clock.stamp(self.progress)
        return {
            "step": step.number,
            "epoch": step.epoch,
            "loss": float(loss),
            "lr": learning_rate(step.number, self.total, self.config),
            "gradient": float(gradient),
            "tokens": self.progress["tokens"],
            "seconds": self.progress["seconds"],
            "cpu_seconds": self.progress["cpu_seconds"],
        }

    def measure(self, validation: Sequence[IdPair], record: Record) -> None:
        """Add the validation loss, and the time it took, to a record; keep the model if it is the best."""
        record["validation"] = validate(self.model, validation)
        if record["validation"] < self.progress["best"]:
            self.progress["best"] = record["validation"]
            self.keeper.best()
        self.clock.stamp(self.progress)
        record |= {name: self.progress[name] for name in ("seconds", "cpu_seconds")}


def update(
    model: Seq2Seq,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    config: TrainConfig,
    loss: Loss = loss_fast,
) -> tuple[Tensor, Tensor]:
    """Take one optimiser step: loss, gradient, clipping, new parameters.

    Parameters
    ----------
    model : Seq2Seq
        Changed in place.
    optimizer : torch.optim.Optimizer
        Of the model's parameters.
    batch : Batch
        On the model's device.
    config : TrainConfig
        Its ``label_smoothing``, ``clip`` and ``precision``.
    loss : function
        Which path computes the loss; all give the same.

    Returns
    -------
    loss : scalar Tensor
        Nats per real target token, before the step.
    gradient : scalar Tensor
        Norm of the gradient of all parameters, before clipping.
    """
    optimizer.zero_grad(set_to_none=True)
    with torch.autocast(batch.src.device.type, torch.bfloat16, enabled=config.precision == "bf16"):
        value = loss(model, batch, config.label_smoothing)
    value.backward()
    gradient = torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)
    optimizer.step()
    return value.detach(), gradient


def _fingerprint(pairs: Sequence[IdPair], config: TrainConfig) -> dict[str, Any]:
    """Return what must be equal for resuming: the data (a checksum) and all that shapes the curve."""
    data = zlib.crc32(json.dumps(list(pairs)).encode())
    free = ("device", "log_every", "save_every")
    return {"data": data} | {k: v for k, v in dataclasses.asdict(config).items() if k not in free}


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
        model: Seq2Seq,
        optimizer: torch.optim.Optimizer,
        folder: Path | None,
        texts: tuple[Text, Text] | None,
        about: dict[str, Any],
        settings: dict[str, Any],
    ) -> None:
        self.model, self.optimizer, self.folder, self.texts = model, optimizer, folder, texts
        self.about, self.settings = about, settings
        self.saved: Path | None = None

    def best(self) -> None:
        """Write the model alone, for translating."""
        if self.folder is not None and self.texts is not None:
            save_checkpoint(self.folder / "best.safetensors", self.model, *self.texts, about=self.about)

    def last(self, progress: Mapping[str, Any]) -> None:
        """Write all that resuming needs."""
        if self.folder is None or self.texts is None:
            return
        moments = {
            f"{k}.{name}": value
            for k, state in self.optimizer.state_dict()["state"].items()
            for name, value in state.items()
        }
        self.saved = self.folder / "last.safetensors"
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
        changed = [k for k in self.settings if old.get(k) != self.settings[k]]
        if checkpoint.model.config != self.model.config:
            changed.append("model")
        if changed:
            name = changed[0]
            raise CheckpointError(
                f"{self.saved} was trained with another {name} ({old.get(name, 'other sizes')}, now "
                f"{self.settings.get(name, 'these')}): resume with the same settings, or use a new --out"
            )
        self.model.load_state_dict(checkpoint.model.state_dict())
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in checkpoint.optimizer.items():
            index, name = key.split(".", 1)
            state.setdefault(int(index), {})[name] = value
        self.optimizer.load_state_dict(
            {"state": state, "param_groups": self.optimizer.state_dict()["param_groups"]}
        )
        return progress
