"""Training as a generator: one record at a time, to plot, to print or to stop; resumable exactly."""

from __future__ import annotations

import dataclasses
import json
import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence

from seq2seq_edu.data import Batch, IdPair, Text, length_buckets, make_batch
from seq2seq_edu.models import EncoderDecoder, evaluating, exact
from seq2seq_edu.training import parallel
from seq2seq_edu.training.cuda import FixedSteps, fixed_shapes, loss_static, shape_of
from seq2seq_edu.training.keeper import Clock, Keeper, RunningMean, since_start

Record = dict[str, float]
Loss = Callable[[EncoderDecoder, Batch, float], Tensor]  # of a batch, with label smoothing
Stepper = Callable[[list[int]], tuple[Tensor, Tensor]]  # takes one step on some pairs: loss, gradient norm
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
    average : float
        Decay of a running mean of the parameters; the mean is then the model that is validated and kept.
        0 keeps the parameters themselves.
    seed : int
        Of initialisation (where the caller makes the model), batches and dropout.
    device : {"auto", "cpu", "cuda"}
        "auto" takes the GPU if there is one.
    precision : {"fp32", "bf16"}
        "bf16" runs matrix products in bfloat16 (autocast); parameters stay in float32.
    graphs : {"auto", "on", "off"}
        "on" pads batches to a few fixed shapes and replays each step as a CUDA graph; "auto" does so on a GPU
        that trains alone. On a CPU "on" takes the fixed shapes without graphs, which is only slower.
    log_every : int
        Steps between two records; on a GPU each record waits for the step to end.
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
    average: float = 0.0
    seed: int = 0
    device: str = "auto"
    precision: str = "fp32"
    graphs: str = "auto"
    log_every: int = 1
    save_every: int = 200

    def __post_init__(self) -> None:
        for name in ("epochs", "tokens", "log_every", "save_every", "max_steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1; got {value}")
        for name, low, high in (("warmup", 0, 1), ("label_smoothing", 0, 0.99), ("average", 0, 0.9999)):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} must lie between {low} and {high}; got {getattr(self, name)}")
        for name in ("lr", "clip"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive; got {getattr(self, name)}")
        if self.precision not in ("fp32", "bf16"):
            raise ValueError(f"precision must be 'fp32' or 'bf16'; got {self.precision!r}")
        if self.graphs not in ("auto", "on", "off"):
            raise ValueError(f"graphs must be 'auto', 'on' or 'off'; got {self.graphs!r}")
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


def loss_plain(model: EncoderDecoder, batch: Batch, label_smoothing: float = 0.0) -> Tensor:
    r"""Return the cross entropy by the plain path, one decoder step after the other.

    .. math:: L = -\frac{1}{\sum_b m_b} \sum_b \sum_{t \le m_b} \log p(y_t \mid y_{<t}, x)

    Parameters
    ----------
    model : EncoderDecoder
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
    return F.cross_entropy(exact(logits[real]), batch.tgt_out[real], label_smoothing=label_smoothing)


def loss_fast(model: EncoderDecoder, batch: Batch, label_smoothing: float = 0.0) -> Tensor:
    """Return the same loss as :func:`loss_plain`, computed at real target positions only.

    Parameters
    ----------
    model : EncoderDecoder
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
    features = model.readouts(batch.src, batch.src_mask, batch.tgt_in, batch.tgt_lengths)
    targets = pack_padded_sequence(batch.tgt_out, torch.tensor(batch.tgt_lengths), batch_first=True).data
    return F.cross_entropy(exact(model.logits(features)), targets, label_smoothing=label_smoothing)


@torch.no_grad()
def validate(model: EncoderDecoder, pairs: Sequence[IdPair], tokens: int = 4000) -> float:
    """Return the mean negative log-probability of gold targets under teacher forcing.

    Parameters
    ----------
    model : EncoderDecoder
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
    model: EncoderDecoder,
    pairs: Sequence[IdPair],
    config: TrainConfig,
    *,
    validation: Sequence[IdPair] = (),
    folder: Path | None = None,
    texts: tuple[Text, Text] | None = None,
    about: Mapping[str, Any] | None = None,
    resume: bool = False,
    total: int | None = None,
) -> Iterator[Record]:
    """Train a model, giving one record every ``config.log_every`` steps.

    Parameters
    ----------
    model : EncoderDecoder
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
    total : int, optional
        What :func:`count_steps` gives, if it is known.

    Yields
    ------
    record : dict of str to float
        ``step``, ``epoch``, ``loss`` (nats per target token, smoothed as trained), ``lr``, ``gradient``
        (norm before clipping), ``tokens`` (target tokens so far), ``seconds`` (wall clock) and
        ``cpu_seconds``, both with what came before an interruption; where measured, ``validation`` (nats per
        target token) and ``seconds_to_best`` (wall clock from the start of the process to the lowest one).
        With several processes the losses are of the whole batch, and process 0 alone measures and writes.

    Raises
    ------
    ValueError
        If there are no pairs, ``folder`` comes without ``texts``, or the checkpoint is of another training.
    FloatingPointError
        If the loss or its gradient is not finite; the last checkpoint is kept.
    """
    _check(pairs, folder, texts)
    model.to(pick_device(config.device)).train()
    optimizer = _optimizer(model, config)
    total = count_steps(pairs, config) if total is None else total
    settings = {} if folder is None else _fingerprint(pairs, validation, config)
    stepper = _stepper(model, optimizer, pairs, config, total)  # all processes have one model from here on
    mean = RunningMean(model, config.average)
    keeper = Keeper(model, optimizer, mean, folder, texts, dict(about or {}), settings)
    start = keeper.restore() if resume else UNTRAINED | {"startup_seconds": since_start()}
    run = _Run(model, optimizer, config, total, keeper, start, stepper)
    try:
        for step in _steps(pairs, config, run.progress["step"], total):
            loss, gradient = run.take(step, sum(len(pairs[k][1]) + 1 for k in step.index))
            if not step.recorded:
                continue
            record = run.record(step, loss, gradient)
            if validation and step.ends and not parallel.rank():
                run.measure(validation, record)
            if step.saved:
                keeper.last(run.progress)
            yield record
        mean.swap()  # the training is over: what was averaged is the model
    except GeneratorExit:  # the reader has stopped between two records
        keeper.last(run.progress)
        raise
    finally:
        model.eval()


def _check(pairs: Sequence[IdPair], folder: Path | None, texts: tuple[Text, Text] | None) -> None:
    """Refuse a training that cannot begin."""
    if not pairs:
        raise ValueError("there are no training pairs")
    if folder is not None and texts is None:
        raise ValueError("training with a folder needs texts=(source_text, target_text) for its checkpoints")


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
        model: EncoderDecoder,
        optimizer: torch.optim.Optimizer,
        config: TrainConfig,
        total: int,
        keeper: Keeper,
        progress: dict[str, Any],
        stepper: Stepper,
    ) -> None:
        self.model, self.optimizer, self.config, self.total = model, optimizer, config, total
        self.keeper, self.progress, self.clock = keeper, progress, Clock(progress)
        self.mean, self.stepper = keeper.mean, stepper

    def take(self, step: _Step, tokens: int) -> tuple[Tensor, Tensor]:
        """Take one step; return its loss and the norm of its gradient, not looked at yet."""
        seed = (self.config.seed << 32) + (parallel.rank() << 24) + step.number
        torch.manual_seed(seed)  # dropout too depends on the step alone
        for group in self.optimizer.param_groups:
            rate = learning_rate(step.number, self.total, self.config)
            group["lr"] = group["lr"].fill_(rate) if isinstance(group["lr"], Tensor) else rate
        loss, gradient = self.stepper(step.index)
        self.mean.update(step.number)
        self.progress["step"] = step.number
        self.progress["tokens"] += tokens
        return loss, gradient

    def record(self, step: _Step, loss: Tensor, gradient: Tensor) -> Record:
        """Tell how a step went; FloatingPointError if it has spoiled the parameters."""
        loss = parallel.mean(loss)
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
        self.mean.swap()
        record["validation"] = validate(self.model, validation)
        if record["validation"] < self.progress["best"]:
            self.clock.stamp(self.progress)
            self.progress["best"] = record["validation"]
            startup = self.progress.get("startup_seconds", 0.0)  # the first checkpoints did not say
            self.progress["seconds_to_best"] = startup + self.progress["seconds"]
            self.keeper.best()
        self.mean.swap()
        self.clock.stamp(self.progress)
        times = ("seconds", "cpu_seconds", "seconds_to_best")
        record |= {name: self.progress[name] for name in times if name in self.progress}


def _optimizer(model: EncoderDecoder, config: TrainConfig) -> torch.optim.Optimizer:
    """Make Adam; on a GPU in the form that a CUDA graph can hold: its rate is a tensor there."""
    device = next(model.parameters()).device
    gpu = device.type == "cuda"
    rate = torch.tensor(config.lr, device=device) if gpu else config.lr
    return torch.optim.Adam(model.parameters(), lr=rate, betas=(0.9, 0.98), fused=True, capturable=gpu)


def _stepper(
    model: EncoderDecoder,
    optimizer: torch.optim.Optimizer,
    pairs: Sequence[IdPair],
    config: TrainConfig,
    total: int,
) -> Stepper:
    """Choose how steps are taken: in fixed shapes, shared with other processes, or plainly."""
    device, alone = next(model.parameters()).device, parallel.size() == 1
    if config.graphs == "on" and not alone:
        raise ValueError("graphs are for one process: leave --set graphs=on out, or start without torchrun")
    if config.graphs == "on" or (config.graphs == "auto" and alone and device.type == "cuda"):
        batches = islice(schedule(pairs, config), total)
        shapes = fixed_shapes(shape_of(pairs, index) for _, _, index in batches)
        step = partial(update, model, optimizer, config=config, loss=loss_static)
        return FixedSteps(pairs, shapes, step, device)
    if not alone:
        return parallel.SharedSteps(
            model, loss_fast, pairs, lambda batch, loss: update(model, optimizer, batch, config, loss)
        )
    return lambda index: update(model, optimizer, make_batch([pairs[k] for k in index]).to(device), config)


def update(
    model: EncoderDecoder,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    config: TrainConfig,
    loss: Loss = loss_fast,
) -> tuple[Tensor, Tensor]:
    """Take one optimiser step: loss, gradient, clipping, new parameters.

    Parameters
    ----------
    model : EncoderDecoder
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


def _fingerprint(
    pairs: Sequence[IdPair], validation: Sequence[IdPair], config: TrainConfig
) -> dict[str, Any]:
    """Return what must be equal for resuming: the data (checksums) and all that shapes the curve."""
    sums = {"data": pairs, "validation": validation}
    data = {name: zlib.crc32(json.dumps(list(part)).encode()) for name, part in sums.items()}
    free = ("device", "graphs", "log_every", "save_every")
    return data | {k: v for k, v in dataclasses.asdict(config).items() if k not in free}
