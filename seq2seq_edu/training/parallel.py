"""Training with several processes that torchrun started: each takes a share of every batch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from seq2seq_edu.data import Batch
from seq2seq_edu.models import EncoderDecoder
from seq2seq_edu.training.config import TrainConfig
from seq2seq_edu.training.loop import update
from seq2seq_edu.training.losses import loss_fast

PATIENCE = timedelta(days=30)  # one process validates and scores while the others wait: that is no fault
LOST = ("Connection closed", "Connection reset", "Broken pipe", "gloo", "NCCL", "peer")


@contextmanager
def process_group(device: torch.device) -> Iterator[None]:
    """Join the other processes for a block; ConnectionError if one ends, ValueError without a GPU each."""
    if device.type == "cuda":
        local, there = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if local >= there:
            raise ValueError(
                f"process {local} of this machine has no GPU of its own, it has {there}: start at most as "
                "many with --nproc-per-node, or use --device cpu"
            )
        torch.cuda.set_device(local)
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, dist.DistError) or any(word in str(error) for word in LOST):
            raise ConnectionError(
                "another process of this training has ended (its own message says why), and one alone cannot "
                "go on: start all again with --resume"
            ) from error
        raise
    else:  # after an error nobody is left to say goodbye to
        dist.destroy_process_group()


class Processes:
    """The processes of a training, as :class:`seq2seq_edu.experiments.runs.OneProcess` is the one."""

    def __init__(self) -> None:
        self.main = dist.get_rank() == 0

    @contextmanager
    def first(self) -> Iterator[None]:
        """Let the main process run a block alone (it may download and write files), then the others."""
        if not self.main:
            self.any(False)  # waits until all have come here
        yield
        if self.main:
            self.any(False)

    def any(self, wish: bool) -> bool:
        """Tell whether any process wishes something, such as to stop; all must ask at the same point."""
        wishes = torch.tensor(float(wish))
        dist.all_reduce(wishes)
        return bool(wishes > 0)

    def engine(self, model: EncoderDecoder, config: TrainConfig) -> SharedUpdate:
        """Return what takes the optimiser steps."""
        if config.compile:
            raise ValueError("compile is for one process: leave it out, or start without torchrun")
        return SharedUpdate(model)


def share(batch: Batch, rank: int, size: int) -> tuple[Batch, float]:
    """Deal the rows of a batch to the processes, like cards; return one share, and the weight of its loss.

    With C_r of the C real target tokens it is R C_r / C, as DistributedDataParallel takes the mean of the R
    gradients. Where there are more processes than rows, some have the first row, with weight 0.
    """
    rows = list(range(len(batch.tgt_lengths)))[rank::size]
    taken, parts = rows or [0], vars(batch).values()
    mine: list[Any] = [x[taken] if isinstance(x, Tensor) else [x[k] for k in taken] for x in parts]
    tokens = sum(batch.tgt_lengths[k] for k in rows)
    return Batch(*mine), size * tokens / sum(batch.tgt_lengths)


class SharedUpdate:
    """Take a step as ``training.update`` does, together: from process 0's parameters, on the whole batch."""

    def __init__(self, model: EncoderDecoder) -> None:
        self.replica = DistributedDataParallel(_LossModule(model))

    def __call__(
        self, model: EncoderDecoder, optimizer: torch.optim.Optimizer, batch: Batch, config: TrainConfig
    ) -> tuple[Tensor, Tensor]:
        """Return the loss of the whole batch and the norm of its gradient, in every process."""
        rank, size = dist.get_rank(), dist.get_world_size()
        torch.manual_seed(torch.initial_seed() + (rank << 24))  # each draws its own dropout
        mine, weight = share(batch, rank, size)
        loss, gradient = update(
            model, optimizer, mine, config, lambda _, part, smoothing: self.replica(part, smoothing) * weight
        )
        dist.all_reduce(loss)
        return loss / size, gradient


class _LossModule(nn.Module):
    """The loss as a forward pass: DistributedDataParallel starts from there."""

    def __init__(self, model: EncoderDecoder) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch, label_smoothing: float) -> Tensor:
        """Return the mean loss of a batch."""
        return loss_fast(self.model, batch, label_smoothing)
