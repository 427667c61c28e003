"""Training as a generator: one entry of a log at a time, to plot, to print or to stop."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import islice

import torch
from torch import Tensor

from seq2seq_edu.data import Batch, IdPair, make_batch
from seq2seq_edu.models import EncoderDecoder
from seq2seq_edu.training.config import TrainConfig, learning_rate, schedule
from seq2seq_edu.training.losses import Loss, loss_fast, validate
from seq2seq_edu.training.state import TrainState

Entry = dict[str, float]  # of the log
Engine = Callable[[EncoderDecoder, torch.optim.Optimizer, Batch, TrainConfig], tuple[Tensor, Tensor]]


def update(
    model: EncoderDecoder, optimizer: torch.optim.Optimizer, batch: Batch, config: TrainConfig,
    loss: Loss = loss_fast,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Take one optimiser step: loss, gradient, clipping, new parameters.

    Parameters
    ----------
    model, optimizer : EncoderDecoder, and Optimizer of its parameters. Changed in place.
    batch : Batch. On the model's device.
    config : TrainConfig. Its ``label_smoothing``, ``clip``, ``precision`` and ``compile``.
    loss : function. Which path computes the loss; all give the same.

    Returns
    -------
    loss, gradient : scalar Tensors. Nats per real target token before the step, and the norm of the gradient
        before clipping.
    """
    loss = _compiled(loss) if config.compile else loss
    optimizer.zero_grad(set_to_none=True)
    with torch.autocast(batch.src.device.type, torch.bfloat16, enabled=config.precision == "bf16"):
        value = loss(model, batch, config.label_smoothing)
    value.backward()
    gradient = torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)
    optimizer.step()
    return value.detach(), gradient


@cache
def _compiled(loss: Loss) -> Loss:
    """Compile a loss once, for batches of any size."""
    return torch.compile(loss, dynamic=True)


def train(
    model: EncoderDecoder, pairs: Sequence[IdPair], config: TrainConfig, *,
    validation: Sequence[IdPair] = (), state: TrainState | None = None, engine: Engine = update,
) -> Iterator[Entry]:  # fmt: skip
    """Train a model, giving an entry of the log every ``config.log_every`` steps.

    Parameters
    ----------
    model : EncoderDecoder. Trained in place.
    pairs : sequence of (source ids, target ids). The training data, without bos and eos.
    config : TrainConfig. How to train.
    validation : sequence of id pairs, optional. Measured at the end of every epoch and of the training.
    state : TrainState, optional. The optimiser, and how far the training has come; a new one if left out. One
        that a checkpoint was read into goes on exactly where that was written.
    engine : function, optional. Takes a step in place of :func:`update`, for instance with other processes.

    Yields
    ------
    entry : dict of str to float. ``step``, ``epoch``, ``loss`` (nats per target token, smoothed as trained),
        ``lr``, ``gradient`` (norm before clipping), ``tokens`` (target tokens so far), ``seconds`` (wall
        clock) and ``cpu_seconds``, both with what came before an interruption; where measured, ``validation``
        (nats per target token) and ``seconds_to_best`` (from the start of the process to the lowest one).
        ValueError if there are no pairs, FloatingPointError if the loss or its gradient is not finite.
    """
    state = state or TrainState(model, pairs, config)
    device, total = next(model.parameters()).device, state.total
    model.train()
    try:
        for step, (epoch, left, index) in islice(enumerate(schedule(pairs, config), 1), state.step, total):
            torch.manual_seed((config.seed << 32) + step)  # of dropout: it depends on the step alone
            rate = learning_rate(step, total, config)
            for group in state.optimizer.param_groups:
                group["lr"] = rate
            batch = make_batch([pairs[k] for k in index]).to(device)
            loss, gradient = engine(model, state.optimizer, batch, config)
            state.advance(tokens=sum(batch.tgt_lengths))
            ends = left == 0 or step == total
            if not ends and step % config.log_every and step % config.save_every:
                continue  # nobody has looked at the loss: a GPU need not be waited for
            if not math.isfinite(loss + gradient):
                raise FloatingPointError(
                    f"the loss is {loss:.4g} at step {step}, the norm of its gradient {gradient:.4g}: "
                    "try a lower learning rate"
                )
            entry = {"step": step, "epoch": epoch, "lr": rate}
            entry |= {"loss": float(loss), "gradient": float(gradient)}
            measured = validate(state.averaged, validation) if validation and ends else None
            yield entry | state.measure(measured)
        state.finish()
    finally:
        model.eval()
