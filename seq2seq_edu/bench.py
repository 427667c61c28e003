"""Time the training paths against each other in one interleaved run; absolute figures mean nothing alone.

The reference is a step written the way tutorials write it: the state repeated and concatenated with every
encoder state, the vocabulary layer once a step, padding computed like text. All paths give the same loss,
which :func:`run` checks before it times anything.
"""

from __future__ import annotations

import statistics
import time
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from seq2seq_edu.batching import Batch, IdPair, make_batch
from seq2seq_edu.model import ModelConfig, Seq2Seq
from seq2seq_edu.modules import AdditiveAttention
from seq2seq_edu.recipes import WIDTHS, commit, machine
from seq2seq_edu.special import PAD
from seq2seq_edu.training import Loss, TrainConfig, loss_fast, loss_plain, update

VOCABULARY = (7853, 5893)  # words of a well-known tutorial on the same captions
BATCH = 32


class Path(NamedTuple):
    """One way to take a training step: a loss, an optimiser, a batch order and a precision."""

    name: str
    loss: Loss
    fused: bool = False
    buckets: bool = False
    bf16: bool = False


def loss_tutorial(model: Seq2Seq, batch: Batch, label_smoothing: float = 0.0) -> Tensor:
    """Return the loss of :func:`seq2seq_edu.training.loss_plain`, computed the way tutorials do.

    Parameters
    ----------
    model : Seq2Seq
        With additive attention and a wide readout.
    batch : Batch
        The pairs.
    label_smoothing : float
        As in ``torch.nn.functional.cross_entropy``.

    Returns
    -------
    loss : scalar Tensor
        Nats per real target token.

    Raises
    ------
    ValueError
        If the model has another attention.
    """
    attention = model.decoder.attention
    if not isinstance(attention, AdditiveAttention):
        raise ValueError(f"the tutorial's model has additive attention; got {model.config.attention}")
    embedded = model.dropout(model.source_embedding(batch.src))
    encoder_states, final_state = model.encoder(embedded, batch.src_mask)
    state = torch.tanh(model.W_s(final_state))
    both = torch.cat([attention.W_a.weight, attention.U_a.weight], dim=1)
    outputs = []
    for y_prev in batch.tgt_in.unbind(dim=1):
        repeated = state.unsqueeze(1).repeat(1, encoder_states.shape[1], 1)
        energy = torch.tanh(F.linear(torch.cat([repeated, encoder_states], dim=2), both))
        scores = attention.v_a(energy).squeeze(2).masked_fill(~batch.src_mask, -torch.inf)
        context = torch.bmm(torch.softmax(scores, dim=1).unsqueeze(1), encoder_states).squeeze(1)
        token = model.dropout(model.target_embedding(y_prev))
        state = model.decoder.gru(torch.cat([token, context], dim=1), state)
        outputs.append(model.W_o(torch.cat([state, context, token], dim=1)))
    logits = torch.stack(outputs, dim=1).flatten(0, 1)
    targets = batch.tgt_out.flatten()
    return F.cross_entropy(logits, targets, ignore_index=PAD, label_smoothing=label_smoothing)


PATHS = (
    Path("as tutorials write it", loss_tutorial),
    Path("plain path: keys once", loss_plain),
    Path("fast path", loss_fast, fused=True),
    Path("fast path, length buckets", loss_fast, fused=True, buckets=True),
    Path("fast path, buckets, bf16", loss_fast, fused=True, buckets=True, bf16=True),
)


def captions(count: int, seed: int) -> list[IdPair]:
    """Draw random ids in sentences as long as Multi30k's captions (mean 13 words, 5 to 30).

    Parameters
    ----------
    count : int
        Pairs wanted.
    seed : int
        Of the drawing.

    Returns
    -------
    pairs : list of (source ids, target ids)
        No special id among them.
    """
    rng = np.random.default_rng(seed)
    lengths = np.clip(
        np.rint(rng.gamma(10.0, 1.3, size=(count, 1)) + rng.normal(0, 1.5, size=(count, 2))), 5, 30
    )
    return [
        (rng.integers(4, VOCABULARY[0], int(n)).tolist(), rng.integers(4, VOCABULARY[1], int(m)).tolist())
        for n, m in lengths
    ]


def batches(pairs: list[IdPair], buckets: bool) -> list[Batch]:
    """Cut pairs into batches of 32.

    Parameters
    ----------
    pairs : list of (source ids, target ids)
        Without bos and eos.
    buckets : bool
        Sort the pairs by length first, so that there is little padding; else take them as they come.

    Returns
    -------
    batches : list of Batch
        On the CPU; the last one may be smaller.
    """
    if buckets:
        pairs = sorted(pairs, key=lambda p: (len(p[1]), len(p[0])))
    return [make_batch(pairs[k : k + BATCH]) for k in range(0, len(pairs), BATCH)]


def _time_path(path: Path, model: Seq2Seq, data: list[Batch]) -> float:
    """Take one training step on each batch; return real target tokens per second."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=path.fused or None)
    config = TrainConfig(label_smoothing=0.0, precision="bf16" if path.bf16 else "fp32")
    device = data[0].src.device
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    for batch in data:
        update(model, optimizer, batch, config, path.loss)
    if device.type == "cuda":
        torch.cuda.synchronize()
    return sum(sum(b.tgt_lengths) for b in data) / (time.perf_counter() - start)


def run(
    *,
    rounds: int = 5,
    device: torch.device | str = "cpu",
    widths: dict[str, Any] | None = None,
    sentences: int = 4 * BATCH,
) -> dict[str, Any]:
    """Check that all paths give one loss, then time them in turns.

    Parameters
    ----------
    rounds : int
        Each path takes its turn once a round; ratios are taken within a round, and their median is given.
    device : device
        Where to run.
    widths : dict, optional
        Sizes of the model; those of the tutorial's (bi-GRU 512, wide readout, 20.5 M parameters) if left out.
    sentences : int
        Pairs a path sees in one turn, in batches of 32.

    Returns
    -------
    table : dict
        ``rows`` with name, tokens per second (median), ratio to the first row (median, lowest, highest);
        device, threads, versions, largest difference between the losses.

    Raises
    ------
    ValueError
        If the paths disagree on the loss.
    """
    torch.manual_seed(0)
    config = ModelConfig(*VOCABULARY, **{**(widths or WIDTHS["tutorial"]), "readout": "wide", "dropout": 0.0})
    model = Seq2Seq(config).to(device)
    pairs = captions(sentences, seed=0)
    data = {flag: [b.to(device) for b in batches(pairs, flag)] for flag in (False, True)}
    spread = _loss_spread(model, data[False][0])
    for path in PATHS:
        _time_path(path, model, data[path.buckets][:1])  # warm up
    speeds = [[_time_path(path, model, data[path.buckets]) for path in PATHS] for _ in range(rounds)]
    return {
        "task": "bench",
        "rows": [_row(path.name, k, speeds) for k, path in enumerate(PATHS)],
        "rounds": rounds,
        "batch": BATCH,
        "sentences": sentences,
        "parameters": sum(p.numel() for p in model.parameters()),
        "loss_spread": spread,
        "device": machine(torch.device(device)),
        "versions": {"torch": torch.__version__},
        "commit": commit(),
    }


def _loss_spread(model: Seq2Seq, batch: Batch) -> float:
    """Return how far the losses of all paths lie apart; ValueError if too far to be rounding."""
    with torch.no_grad():
        losses = [float(path.loss(model, batch, 0.0)) for path in PATHS]
    spread = max(losses) - min(losses)
    if spread > 1e-4:
        raise ValueError(
            f"the paths give different losses ({losses}): one of them is wrong, so timing is useless"
        )
    return spread


def _row(name: str, k: int, speeds: list[list[float]]) -> dict[str, Any]:
    """Sum up path k: its speed, and its ratio to the first path of the same round."""
    ratios = [turn[k] / turn[0] for turn in speeds]
    return {
        "name": name,
        "tokens_per_second": round(statistics.median(turn[k] for turn in speeds), 1),
        "ratio": round(statistics.median(ratios), 2),
        "lowest": round(min(ratios), 2),
        "highest": round(max(ratios), 2),
    }


def render(table: dict[str, Any]) -> str:
    """Write the table as text.

    Parameters
    ----------
    table : dict
        From :func:`run`.

    Returns
    -------
    text : str
        A line on the machine, then a line a path.
    """
    device = table["device"]
    lines = [
        f"training, {table['parameters'] / 1e6:.1f} M parameters, batches of {table['batch']}, "
        f"{device['name']}, {device['threads']} threads, {table['rounds']} rounds; "
        f"losses agree to {table['loss_spread']:.0e}",
        "",
        f"{'path':28}{'tokens/s':>10}{'ratio':>8}   (lowest to highest)",
    ]
    for row in table["rows"]:
        lines.append(
            f"{row['name']:28}{row['tokens_per_second']:>10.0f}{row['ratio']:>8.2f}   "
            f"({row['lowest']:.2f} to {row['highest']:.2f})"
        )
    return "\n".join(lines)
