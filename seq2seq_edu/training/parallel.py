"""Training with several processes: each takes a share of every batch, and all take the same step.

``torchrun`` starts the processes and ends all if one ends badly; PyTorch's DistributedDataParallel adds up
their gradients. What is here makes the sum exact: a process weighs its loss by its real target tokens.
Without torchrun there is one process, and every function here says so without any communication.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from seq2seq_edu.data import Batch, IdPair, make_batch
from seq2seq_edu.models import EncoderDecoder

Loss = Callable[[EncoderDecoder, Batch, float], Tensor]
Pair = tuple[Tensor, Tensor]  # loss and gradient norm
PATIENCE = timedelta(days=30)  # one process validates and scores while the others wait: that is no fault


class PeerLost(RuntimeError):
    """Another process of the training has ended; its own message says why."""


@contextmanager
def together(device: torch.device) -> Iterator[None]:
    """Join the processes that torchrun started, for a block; do nothing where there is one process.

    Parameters
    ----------
    device : device
        Of the training; on a machine with several GPUs each process takes the one of its local rank.

    Yields
    ------
    None
        Nothing: :func:`rank` and :func:`size` tell the rest.

    Raises
    ------
    ValueError
        If this machine has fewer GPUs than processes.
    PeerLost
        If another process ends while this one waits for it.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or dist.is_initialized():
        yield
        return
    if device.type == "cuda":
        local = int(os.environ.get("LOCAL_RANK", "0"))
        if local >= torch.cuda.device_count():
            raise ValueError(
                f"process {local} of this machine has no GPU of its own, it has {torch.cuda.device_count()}: "
                "start at most as many with --nproc-per-node, or use --device cpu"
            )
        torch.cuda.set_device(local)
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield
    except RuntimeError as error:
        if _is_lost(error):
            raise PeerLost(
                "another process of this training has ended (its own message says why), and one alone cannot "
                "go on: start all again with --resume"
            ) from error
        raise
    else:  # after an error nobody is left to say goodbye to
        leave()


def _is_lost(error: RuntimeError) -> bool:
    """Tell an error of the connection from others."""
    words = ("Connection closed", "Connection reset", "Broken pipe", "gloo", "NCCL", "peer")
    return isinstance(error, dist.DistError) or any(word in str(error) for word in words)


def leave() -> None:
    """End this process's part; from here on it is alone."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def rank() -> int:
    """Return the number of this process.

    Returns
    -------
    rank : int
        From 0; process 0 alone validates, logs and writes files.

    Examples
    --------
    >>> rank(), size()
    (0, 1)
    """
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def size() -> int:
    """Return how many processes train together.

    Returns
    -------
    size : int
        1 without torchrun.
    """
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def mean(value: Tensor) -> Tensor:
    """Take the mean of a tensor over all processes; each must call this at the same point.

    Parameters
    ----------
    value : Tensor
        Of this process; not changed.

    Returns
    -------
    mean : Tensor
        The same in every process.
    """
    if size() == 1:
        return value
    value = value.clone()
    dist.all_reduce(value)
    return value / size()


def agree(wish: bool) -> bool:
    """Tell whether any process wishes something, for instance to stop; each must ask at the same point.

    Parameters
    ----------
    wish : bool
        Of this process.

    Returns
    -------
    any : bool
        The same in every process.

    Examples
    --------
    >>> agree(True), agree(False)
    (True, False)
    """
    return bool(mean(torch.tensor(float(wish))) > 0)


@contextmanager
def first() -> Iterator[None]:
    """Let process 0 run a block alone (it may download and write files), then the others.

    Yields
    ------
    None
        Nothing; an error of process 0 reaches the others as :class:`PeerLost`.
    """
    if rank():
        agree(False)
    yield
    if not rank():
        agree(False)


def share(pairs: Sequence[IdPair], index: Sequence[int], rank: int, size: int) -> tuple[list[int], float]:
    r"""Deal one batch to the processes, like cards; return the pairs of one, and the weight of its loss.

    Process r has mean loss L_r over C_r real target tokens. DistributedDataParallel takes the mean of the
    R gradients, so that the weight R C_r / C makes the whole batch's loss of it:

    .. math:: \frac{1}{R} \sum_r \frac{R \, C_r}{C} \nabla L_r = \nabla \frac{1}{C} \sum_r C_r L_r

    Parameters
    ----------
    pairs : sequence of (source ids, target ids)
        The training data.
    index : sequence of int
        The pairs of the whole batch.
    rank, size : int
        Which process, of how many.

    Returns
    -------
    mine : list of int
        Never empty: where there are more processes than pairs, the first pair, with weight 0.
    weight : float
        Of the mean loss over them.

    Examples
    --------
    >>> pairs = [([5], [6, 7, 8]), ([5], [6]), ([5], [])]
    >>> share(pairs, [0, 1, 2], rank=0, size=2), share(pairs, [0, 1, 2], rank=1, size=2)
    (([0, 2], 1.4285714285714286), ([1], 0.5714285714285714))
    >>> share(pairs, [0], rank=1, size=2)
    ([0], 0.0)
    """
    mine = list(index[rank::size])
    if not mine:
        return [index[0]], 0.0
    tokens, whole = (sum(len(pairs[k][1]) + 1 for k in part) for part in (mine, index))
    return mine, size * tokens / whole


class SharedSteps:
    """Take optimiser steps together with other processes: each computes its share of every batch.

    Parameters
    ----------
    model : EncoderDecoder
        Process 0's parameters are copied to all.
    loss : function
        Mean loss over the real target tokens of a batch.
    pairs : sequence of (source ids, target ids)
        The training data, the same in every process.
    update : function
        Takes one optimiser step on a batch with a loss.
    """

    def __init__(
        self,
        model: EncoderDecoder,
        loss: Loss,
        pairs: Sequence[IdPair],
        update: Callable[[Batch, Loss], Pair],
    ) -> None:
        self.engine = DistributedDataParallel(_LossModule(model, loss))
        self.pairs, self.update, self.device = pairs, update, next(model.parameters()).device

    def __call__(self, index: Sequence[int]) -> Pair:
        """Take a step on the pairs of the whole batch; return this process's weighted loss, and the gradient.

        The mean of all processes' losses is that of the batch; the norm of the gradient is the same in all.
        """
        mine, weight = share(self.pairs, index, rank(), size())
        batch = make_batch([self.pairs[k] for k in mine]).to(self.device)
        return self.update(batch, lambda model, batch, smoothing: self.engine(batch, smoothing) * weight)


class _LossModule(nn.Module):
    """The loss as a forward pass: DistributedDataParallel starts from there."""

    def __init__(self, model: EncoderDecoder, loss: Loss) -> None:
        super().__init__()
        self.model, self.loss = model, loss

    def forward(self, batch: Batch, label_smoothing: float) -> Tensor:
        """Return the mean loss of a batch."""
        return self.loss(self.model, batch, label_smoothing)
