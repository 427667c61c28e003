"""Time each speed-up of training and decoding against code as tutorials write it, in one interleaved run.

Absolute figures mean nothing alone: ratios are taken within a round, and the machine's own peak is measured
in the same run. All ways give the same loss, gradients and tokens; :func:`run` checks that before it times.
"""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seq2seq_edu.bench import decoding
from seq2seq_edu.bench.machine import Peak, peak, training_flops
from seq2seq_edu.bench.styles import SHAPES, Path, model_config
from seq2seq_edu.data import EOS, Batch, IdPair, length_buckets, make_batch
from seq2seq_edu.experiments.scoring import commit, machine
from seq2seq_edu.models import EncoderDecoder, Seq2Seq
from seq2seq_edu.training import Loss, TrainConfig, update

BATCH = 32
MEMORY_BATCH = 64
DECODED = 128  # sentences
FEW = 8  # of so many sentences one is timed one by one: that is slow
WINDOW = 50  # batches that are sorted together, as in training
Turn = dict[str, float]  # of a round: rate by way


def captions(
    count: int, seed: int, vocabulary: tuple[int, int] = SHAPES["tutorial"].vocabulary
) -> list[IdPair]:
    """Draw random ids in sentences as long as Multi30k's captions (mean 13 words, 5 to 30).

    Parameters
    ----------
    count, seed : int
        Pairs wanted, and where the drawing starts.
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
    """Cut pairs into batches of 32 as they come."""
    return [make_batch(pairs[k : k + BATCH]) for k in range(0, len(pairs), BATCH)]


def bucket_batches(pairs: list[IdPair], count: int) -> list[Batch]:
    """Cut pairs into length buckets as training does, with as many tokens a batch as 32 random pairs have."""
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
    """Check that all ways give the same, then let each take its turn once a round; return the table."""
    config, chosen = model_config(shape, widths), SHAPES[shape]
    torch.manual_seed(0)
    model = Seq2Seq(config).to(device)
    pairs = captions(max(sentences, WINDOW * BATCH), 0, chosen.vocabulary)
    spread = _check(copy.deepcopy(model).double(), shape, pairs[: min(sentences, 8)], device)
    batch = make_batch(pairs[: min(sentences, MEMORY_BATCH)]).to(device)
    reference, _, _, _, fast, *_ = chosen.paths()
    memory = {path.name: float(kept_bytes(path.loss, model, batch)) for path in (reference, fast)}
    decoded = _decode_in_turns(model, shape, pairs[: min(sentences, DECODED)], rounds)
    rows, best = _train_in_turns(model, chosen.paths(), pairs, sentences, rounds)
    return {
        "task": "bench",
        "shape": shape,
        "rows": rows,
        "decoding": decoded,
        "memory": [
            {"name": name, "bytes": int(value), "ratio": round(value / memory[reference.name], 3)}
            for name, value in memory.items()
        ],
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
    losses: list[float] = []
    gradients: list[Tensor] = []
    for path in SHAPES[shape].paths():
        model.zero_grad()
        loss = path.loss(model, batch, 0.0)
        loss.backward()
        losses.append(loss.item())
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
    spread = max(losses) - min(losses)
    wrong = max(float((gradient - gradients[0]).abs().max()) for gradient in gradients)
    if spread > 1e-10 or wrong > 1e-10:
        raise ValueError(
            f"the paths give different losses ({losses}) or gradients (by {wrong:.1e}): one of them is "
            "wrong, so timing is useless"
        )
    decoding.check(model, SHAPES[shape].step, [[*source, EOS] for source, _ in pairs])
    return spread, wrong


def kept_bytes(loss: Loss, model: EncoderDecoder, batch: Batch) -> int:
    """Count what the way there keeps for the way back, beside the parameters: most of a step's memory."""
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        value = loss(model, batch, 0.0)  # holds the graph, so that no address is used twice
    for parameter in model.parameters():
        kept.pop(parameter.untyped_storage().data_ptr(), None)
    del value
    return sum(kept.values())


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    """Time some work once, and wait for a GPU to be done."""
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    wait()
    start = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - start


def _decode_in_turns(model: Seq2Seq, shape: str, pairs: list[IdPair], rounds: int) -> list[dict[str, Any]]:
    """Time the ways to decode; those that go one by one get every eighth sentence only."""
    device = next(model.parameters()).device
    sources = sorted(([*source, EOS] for source, _ in pairs), key=len)
    few = sources[FEW // 2 :: FEW] or sources
    ways = decoding.ways(model, SHAPES[shape].step)
    work = {name: (way, sources if batched else few) for name, (way, batched) in ways.items()}
    for way, chosen in work.values():
        way(chosen[:1])  # warm up
    turns = [
        {name: len(chosen) / _seconds(lambda: way(chosen), device) for name, (way, chosen) in work.items()}  # noqa: B023
        for _ in range(rounds)
    ]
    return summary(turns, "sentences_per_second")


def _train_in_turns(
    model: Seq2Seq, paths: tuple[Path, ...], pairs: list[IdPair], sentences: int, rounds: int
) -> tuple[list[dict[str, Any]], Peak]:
    """Time the paths round by round, and the machine's peak before each round; its best counts."""
    device = next(model.parameters()).device
    random = [b.to(device) for b in random_batches(pairs[:sentences])]
    buckets = [b.to(device) for b in bucket_batches(pairs, len(random))]
    data = {path.name: buckets if path.buckets else random for path in paths}
    for path in paths:
        _rate(path, model, data[path.name][:1])  # warm up
    turns, peaks = [], []
    for _ in range(rounds):
        peaks.append(peak(device))
        turns.append({path.name: _rate(path, model, data[path.name]) for path in paths})
    best = Peak(*(max(values) for values in zip(*peaks, strict=True)))
    rows = summary(turns, "tokens_per_second")
    for row, path in zip(rows, paths, strict=True):
        lengths = real_lengths(data[path.name])
        flops = row["tokens_per_second"] * training_flops(model.config, lengths) / sum(m for _, m in lengths)
        row["share_of_peak"] = round(flops / (best.flops_bf16 if path.bf16 else best.flops_fp32), 4)
        row["precision"] = "bf16" if path.bf16 else "fp32"
    return rows, best


def real_lengths(batches: list[Batch]) -> list[tuple[int, int]]:
    """List the real lengths of all pairs: source with its eos, target with its bos or eos."""
    return [pair for b in batches for pair in zip(b.src_lengths, b.tgt_lengths, strict=True)]


def _rate(path: Path, model: Seq2Seq, data: list[Batch]) -> float:
    """Take one training step on each batch; return real target tokens a second."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=path.fused or None)
    config = TrainConfig(label_smoothing=0.0, precision="bf16" if path.bf16 else "fp32")

    def work() -> None:
        for batch in data:
            update(model, optimizer, batch, config, path.loss)

    return sum(sum(b.tgt_lengths) for b in data) / _seconds(work, data[0].src.device)


def summary(turns: list[Turn], speed: str) -> list[dict[str, Any]]:
    """Give each way a row: its median rate, and the ratios to the first way of the same round."""
    first, rows = next(iter(turns[0])), []
    for name in turns[0]:
        ratios = [turn[name] / turn[first] for turn in turns]
        rows.append(
            {
                "name": name,
                speed: round(statistics.median(turn[name] for turn in turns), 2),
                "ratio": round(statistics.median(ratios), 2),
                "lowest": round(min(ratios), 2),
                "highest": round(max(ratios), 2),
            }
        )
    return rows


def render(table: Mapping[str, Any]) -> str:
    """Write the table as text: what was timed where, then a line a row: training, decoding, memory."""
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
    ratio = "{ratio:>8.2f}   ({lowest:.2f} to {highest:.2f})"
    for row in table["rows"]:
        line = "{name:44}{tokens_per_second:>10.0f}{share_of_peak:>9.1%}" + ratio
        lines.append(line.format(**row))
    lines += ["", f"{'decoding':44}{'sentences/s':>19}{'ratio':>8}   (lowest to highest)"]
    lines += [("{name:44}{sentences_per_second:>19.1f}" + ratio).format(**row) for row in table["decoding"]]
    lines += ["", f"{'kept for the way back, batch of 64':44}{'MB':>19}{'ratio':>8}"]
    lines += [f"{row['name']:44}{row['bytes'] / 1e6:>19.0f}{row['ratio']:>8.2f}" for row in table["memory"]]
    return "\n".join(lines)
