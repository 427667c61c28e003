"""Time each speed-up of training and decoding against code as tutorials write it, in one interleaved run.

Absolute figures mean nothing alone: ratios are taken within a round, and the machine's own peak is measured
in the same run. All ways give the same loss, gradients and tokens; :func:`run` checks that before it times.
"""

from __future__ import annotations

import copy
import statistics
import time
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from seq2seq_edu.bench import decoding, memory
from seq2seq_edu.bench.machine import Peak, peak, training_flops
from seq2seq_edu.bench.styles import SHAPES, Path, model_config, real_lengths
from seq2seq_edu.data import Batch, IdPair, length_buckets, make_batch
from seq2seq_edu.experiments.scoring import commit, machine
from seq2seq_edu.models import Seq2Seq
from seq2seq_edu.training import TrainConfig, update

BATCH = 32
MEMORY_BATCH = 64
DECODED = 128  # sentences
WINDOW = 50  # batches that are sorted together, as in training


class Turn(NamedTuple):
    """One path's turn of a round: real target tokens and model FLOPs, both a second."""

    tokens: float
    flops: float


def captions(
    count: int, seed: int, vocabulary: tuple[int, int] = SHAPES["tutorial"].vocabulary
) -> list[IdPair]:
    """Draw random ids in sentences as long as Multi30k's captions (mean 13 words, 5 to 30).

    Parameters
    ----------
    count : int
        Pairs wanted.
    seed : int
        Of the drawing.
    vocabulary : (int, int)
        Number of ids of either side.

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
        (rng.integers(4, vocabulary[0], int(n)).tolist(), rng.integers(4, vocabulary[1], int(m)).tolist())
        for n, m in lengths
    ]


def random_batches(pairs: list[IdPair]) -> list[Batch]:
    """Cut pairs into batches of 32 as they come.

    Parameters
    ----------
    pairs : list of (source ids, target ids)
        Without bos and eos.

    Returns
    -------
    batches : list of Batch
        On the CPU; the last one may be smaller.
    """
    return [make_batch(pairs[k : k + BATCH]) for k in range(0, len(pairs), BATCH)]


def bucket_batches(pairs: list[IdPair], count: int) -> list[Batch]:
    """Cut pairs into length buckets, as training does, with as many tokens a batch as 32 random pairs have.

    Parameters
    ----------
    pairs : list of (source ids, target ids)
        Without bos and eos; many more than are timed, else buckets could not be even.
    count : int
        Batches wanted.

    Returns
    -------
    batches : list of Batch
        On the CPU; spread evenly over all lengths, so that long and short sentences keep their shares.
    """
    tokens = round(BATCH * statistics.mean(len(target) + 1 for _, target in pairs))
    index = sorted(length_buckets(pairs, tokens, (0,)), key=lambda i: max(len(pairs[k][1]) for k in i))
    count = min(count, len(index))
    middle = [index[(2 * k + 1) * len(index) // (2 * count)] for k in range(count)]
    return [make_batch([pairs[k] for k in i]) for i in middle]


def run(
    *,
    rounds: int = 5,
    device: torch.device | str = "cpu",
    shape: str = "tutorial",
    widths: dict[str, Any] | None = None,
    sentences: int = 4 * BATCH,
) -> dict[str, Any]:
    """Check that all ways give the same, then time them in turns.

    Parameters
    ----------
    rounds : int
        Each path takes its turn once a round; ratios are taken within a round, and their median is given.
    device : device
        Where to run.
    shape : {"tutorial", "pytorch", "d2l", "default"}
        Sizes and reference: bi-GRU 512 with the wide readout (20.5 M parameters), uni-GRU 512 with output
        from the state (two tutorials write it differently), or the package's default.
    widths : dict, optional
        Sizes in place of the shape's (tests take tiny ones).
    sentences : int
        Pairs a path sees in one turn, in batches of 32; as many at most are decoded and measured for memory.

    Returns
    -------
    table : dict
        ``rows`` of training with name, tokens per second (median), ratio to the first row (median, lowest,
        highest), share of the measured peak; ``decoding`` and ``memory``, rows too; ``peak``, device,
        threads, versions, largest differences between losses and between gradients.

    Raises
    ------
    ValueError
        If the paths disagree, or there is no such shape.
    """
    config, chosen = model_config(shape, widths), SHAPES[shape]
    torch.manual_seed(0)
    model = Seq2Seq(config).to(device)
    pairs = captions(max(sentences, WINDOW * BATCH), 0, chosen.vocabulary)
    spread = _check(copy.deepcopy(model).double(), shape, pairs[: min(sentences, 8)], device)
    decoded = decoding.measure(model, chosen.step, pairs[: min(sentences, DECODED)], rounds=rounds)
    peaks = memory.measure(shape, config, pairs[: min(sentences, MEMORY_BATCH)], device)
    turns, best = _train_in_turns(model, chosen.paths(), pairs, sentences, rounds)
    return {
        "task": "bench",
        "shape": shape,
        "rows": [_row(path, k, turns, best) for k, path in enumerate(chosen.paths())],
        "decoding": decoded,
        "memory": peaks,
        "peak": {name: float(f"{value:.4g}") for name, value in best._asdict().items()},
        "rounds": rounds,
        "batch": BATCH,
        "sentences": sentences,
        "parameters": sum(p.numel() for p in model.parameters()),
        "loss_spread": spread[0],
        "gradient_spread": spread[1],
        "device": machine(torch.device(device)),
        "versions": {"torch": torch.__version__},
        "commit": commit(),
    }


def _check(
    model: Seq2Seq, shape: str, pairs: list[IdPair], device: torch.device | str
) -> tuple[float, float]:
    """Return how far losses and gradients of all paths lie apart, in float64; ValueError if not rounding."""
    batch = make_batch(pairs).to(device)
    found = []
    for path in SHAPES[shape].paths():
        model.zero_grad()
        loss = path.loss(model, batch, 0.0)
        loss.backward()
        gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
        found.append((float(loss.detach()), gradients))
    losses = [loss for loss, _ in found]
    spread = max(losses) - min(losses)
    wrong = max(_distance(gradients, found[0][1]) for _, gradients in found)
    if spread > 1e-10 or wrong > 1e-10:
        raise ValueError(
            f"the paths give different losses ({losses}) or gradients (by {wrong:.1e}): one of them is "
            "wrong, so timing is useless"
        )
    decoding.check(model, SHAPES[shape].step, pairs)
    return spread, wrong


def _distance(a: list[Tensor], b: list[Tensor]) -> float:
    """Return the largest difference of two lists of gradients."""
    return max(float((x - y).abs().max()) for x, y in zip(a, b, strict=True))


def _train_in_turns(
    model: Seq2Seq, paths: tuple[Path, ...], pairs: list[IdPair], sentences: int, rounds: int
) -> tuple[list[list[Turn]], Peak]:
    """Time the paths round by round, and the machine's peak before each round; its best counts."""
    device = next(model.parameters()).device
    random = [b.to(device) for b in random_batches(pairs[:sentences])]
    buckets = [b.to(device) for b in bucket_batches(pairs, len(random))]
    for path in paths:
        _time_path(path, model, (buckets if path.buckets else random)[:1])  # warm up
    turns, peaks = [], []
    for _ in range(rounds):
        peaks.append(peak(device))
        turns.append([_time_path(path, model, buckets if path.buckets else random) for path in paths])
    return turns, Peak(*(max(values) for values in zip(*peaks, strict=True)))


def _time_path(path: Path, model: Seq2Seq, data: list[Batch]) -> Turn:
    """Take one training step on each batch."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=path.fused or None)
    config = TrainConfig(label_smoothing=0.0, precision="bf16" if path.bf16 else "fp32")
    wait = torch.cuda.synchronize if data[0].src.device.type == "cuda" else lambda: None
    wait()
    start = time.perf_counter()
    for batch in data:
        update(model, optimizer, batch, config, path.loss)
    wait()
    seconds = time.perf_counter() - start
    tokens = sum(sum(b.tgt_lengths) for b in data)
    return Turn(tokens / seconds, training_flops(model.config, real_lengths(data)) / seconds)


def _row(path: Path, k: int, turns: list[list[Turn]], best: Peak) -> dict[str, Any]:
    """Sum up path k: its speed, its ratio to the first path of the same round, its share of the peak."""
    ratios = [turn[k].tokens / turn[0].tokens for turn in turns]
    top = best.flops_bf16 if path.bf16 else best.flops_fp32
    return {
        "name": path.name,
        "tokens_per_second": round(statistics.median(turn[k].tokens for turn in turns), 1),
        "ratio": round(statistics.median(ratios), 2),
        "lowest": round(min(ratios), 2),
        "highest": round(max(ratios), 2),
        "share_of_peak": round(statistics.median(turn[k].flops for turn in turns) / top, 4),
        "precision": "bf16" if path.bf16 else "fp32",
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
        What was timed where, then a line a row: training, decoding, memory.
    """
    device, best = table["device"], table["peak"]
    training = f"training, batches of {table['batch']}"
    lines = [
        f"model {table['shape']}, {table['parameters'] / 1e6:.1f} M parameters; {device['name']}, "
        f"{device['threads']} threads, torch {table['versions']['torch']}; {table['rounds']} rounds",
        f"peak measured in this run: {best['flops_fp32'] / 1e9:.0f} GFLOP/s fp32, "
        f"{best['flops_bf16'] / 1e9:.0f} GFLOP/s bf16, {best['bytes_per_second'] / 1e9:.0f} GB/s",
        f"losses agree to {table['loss_spread']:.0e}, gradients to {table['gradient_spread']:.0e}, "
        "decoded tokens are equal (float64)",
        "",
        f"{training:44}{'tokens/s':>10}{'of peak':>9}{'ratio':>8}   (lowest to highest)",
    ]
    for row in table["rows"]:
        lines.append(
            f"{row['name']:44}{row['tokens_per_second']:>10.0f}{row['share_of_peak']:>9.1%}{_ratios(row)}"
        )
    lines += ["", f"{'decoding':44}{'sentences/s':>19}{'ratio':>8}   (lowest to highest)"]
    for row in table["decoding"]:
        lines.append(f"{row['name']:44}{row['sentences_per_second']:>19.1f}{_ratios(row)}")
    if not table["memory"]:
        return "\n".join([*lines, "", "memory: this system does not tell"])
    lines += ["", f"{'memory of a training step, batch of 64':44}{'MB':>19}{'ratio':>8}"]
    for row in table["memory"]:
        lines.append(f"{row['name']:44}{row['bytes'] / 1e6:>19.0f}{row['ratio']:>8.2f}")
    return "\n".join(lines)


def _ratios(row: dict[str, Any]) -> str:
    """Write a ratio and its range."""
    return f"{row['ratio']:>8.2f}   ({row['lowest']:.2f} to {row['highest']:.2f})"
