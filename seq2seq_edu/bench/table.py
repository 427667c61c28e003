"""Time each speed-up of training and decoding against code as tutorials write it, in one interleaved run.

Absolute figures mean nothing alone: ratios are taken within a round, and the machine's own peak is measured
in the same run. All ways give the same loss, gradients and tokens; :func:`run` checks that before it times.
"""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.benchmark import timer  # waits for a GPU to be done

from seq2seq_edu.bench import decoding
from seq2seq_edu.bench.machine import Peak, peak, training_flops
from seq2seq_edu.bench.styles import SHAPES, WORDS, Path, Shape, model_config
from seq2seq_edu.data import EOS, Batch, IdPair, length_buckets, make_batch
from seq2seq_edu.experiments.scoring import commit, machine
from seq2seq_edu.models import EncoderDecoder, Seq2Seq
from seq2seq_edu.training import Loss, TrainConfig, update

BATCH = 32
SENTENCES = 128  # to train on, and to decode
MEMORY_BATCH = 64
CHECKED = 8  # sentences
FEW = 8  # of so many sentences one is timed one by one: that is slow
WINDOW = 50  # batches that are sorted together, as in training
Row = dict[str, Any]


class Program(NamedTuple):
    """Something to time: what is done to all of its data, and how much work that is."""

    name: str
    work: Callable[[Sequence[Any]], object]
    data: Sequence[Any]
    amount: int

    def rate(self) -> float:
        """Do it all once; return how much of it is done in a second."""
        start = timer()
        self.work(self.data)
        return self.amount / (timer() - start)


def captions(count: int, seed: int, vocabulary: tuple[int, int] = WORDS) -> list[IdPair]:
    """Draw random ids in sentences as long as Multi30k's captions (mean 13 words, 5 to 30).

    Parameters
    ----------
    count, seed : int. Pairs wanted, and where the drawing starts.
    vocabulary : (int, int). Number of ids of either side.

    Returns
    -------
    pairs : list of (source ids, target ids). No special id among them.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.gamma(10.0, 1.3, size=(count, 1)) + rng.normal(0, 1.5, size=(count, 2))
    first, second = vocabulary
    return [
        (rng.integers(4, first, n).tolist(), rng.integers(4, second, m).tolist())
        for n, m in np.clip(np.rint(drawn), 5, 30).astype(int)
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


def run(*, rounds: int, device: torch.device | str, shape: str) -> dict[str, Any]:
    """Check that all ways give the same, then let each take its turn once a round; return the table."""
    chosen = SHAPES[shape]
    torch.manual_seed(0)
    model = Seq2Seq(model_config(shape)).to(device)
    pairs = captions(max(SENTENCES, WINDOW * BATCH), 0, chosen.vocabulary)
    losses, gradients = _check(copy.deepcopy(model).double(), chosen, pairs[:CHECKED])
    rows, decoded, best = _speeds(model, chosen, pairs, rounds)
    return {
        "task": "bench",
        "shape": shape,
        "rows": rows,
        "decoding": decoded,
        "memory": _memory(model, chosen, pairs[:MEMORY_BATCH]),
        "peak": {name: float(f"{value:.4g}") for name, value in best._asdict().items()},
        "rounds": rounds,
        "batch": BATCH,
        "sentences": SENTENCES,
        "parameters": sum(p.numel() for p in model.parameters()),
        "loss_spread": losses,
        "gradient_spread": gradients,
        "device": machine(torch.device(device)),
        "versions": {"torch": torch.__version__},
        "commit": commit(),
    }


def _check(model: Seq2Seq, shape: Shape, pairs: list[IdPair]) -> tuple[float, float]:
    """Return how far losses and gradients of all paths lie apart, in float64; ValueError if not rounding."""
    batch = make_batch(pairs).to(next(model.parameters()).device)
    losses: list[float] = []
    gradients: list[Tensor] = []
    for path in shape.paths():
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
    decoding.check(model, shape.step, [[*source, EOS] for source, _ in pairs])
    return spread, wrong


def _memory(model: Seq2Seq, shape: Shape, pairs: list[IdPair]) -> list[Row]:
    """Compare what the reference and the fast path keep for the way back."""
    batch = make_batch(pairs).to(next(model.parameters()).device)
    reference, _, _, _, fast, *_ = shape.paths()
    kept = {path.name: kept_bytes(path.loss, model, batch) for path in (reference, fast)}
    first = kept[reference.name]
    return [{"name": name, "bytes": n, "ratio": round(n / first, 3)} for name, n in kept.items()]


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


def _speeds(
    model: Seq2Seq, shape: Shape, pairs: list[IdPair], rounds: int
) -> tuple[list[Row], list[Row], Peak]:
    """Time all programs round by round, and the machine's peak before each round; its best counts."""
    trainings, decodings = _trainings(model, shape, pairs), _decodings(model, shape, pairs[:SENTENCES])
    programs = [*decodings, *trainings]
    for program in programs:
        program.work(program.data[:1])  # warm up
    peaks: list[Peak] = []
    turns: list[dict[str, float]] = []
    for _ in range(rounds):
        peaks.append(peak(next(model.parameters()).device))
        turns.append({program.name: program.rate() for program in programs})
    best = Peak(*map(max, zip(*peaks, strict=True)))
    rows = summary(turns, "tokens_per_second", trainings)
    for row, path, program in zip(rows, shape.paths(), trainings, strict=True):
        flops = training_flops(model.config, real_lengths(program.data)) / program.amount  # of a token
        rate = row["tokens_per_second"] * flops
        row["share_of_peak"] = round(rate / getattr(best, f"flops_{path.precision}"), 4)
        row["precision"] = path.precision
    return rows, summary(turns, "sentences_per_second", decodings), best


def _trainings(model: Seq2Seq, shape: Shape, pairs: list[IdPair]) -> list[Program]:
    """List the paths, each with batches as they come or from length buckets; work is real target tokens."""
    device = next(model.parameters()).device
    random = [b.to(device) for b in random_batches(pairs[:SENTENCES])]
    buckets = [b.to(device) for b in bucket_batches(pairs, len(random))]
    data = [(path, buckets if path.buckets else random) for path in shape.paths()]
    return [
        Program(path.name, partial(_train, model, path), batches, sum(sum(b.tgt_lengths) for b in batches))
        for path, batches in data
    ]


def _train(model: Seq2Seq, path: Path, data: Sequence[Batch]) -> None:
    """Take one training step on each batch."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=path.fused or None)
    config = TrainConfig(label_smoothing=0.0, precision=path.precision)
    for batch in data:
        update(model, optimizer, batch, config, path.loss)


def _decodings(model: Seq2Seq, shape: Shape, pairs: list[IdPair]) -> list[Program]:
    """List the ways to decode; those that go one by one get every eighth sentence only."""
    sources = sorted(([*source, EOS] for source, _ in pairs), key=len)
    few = sources[FEW // 2 :: FEW] or sources
    data = [(way, few if way.size == 1 else sources) for way in decoding.ways(model, shape.step)]
    return [Program(way.name, way, chosen, len(chosen)) for way, chosen in data]


def real_lengths(batches: Sequence[Batch]) -> list[tuple[int, int]]:
    """List the real lengths of all pairs: source with its eos, target with its bos or eos."""
    return [pair for b in batches for pair in zip(b.src_lengths, b.tgt_lengths, strict=True)]


def summary(turns: Sequence[dict[str, float]], speed: str, programs: Sequence[Program]) -> list[Row]:
    """Give each way a row: its median rate, and the ratios to the first way of the same round."""
    first, rows = programs[0].name, []
    for name, *_ in programs:
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
    rate = "{name:44}{tokens_per_second:>10.0f}{share_of_peak:>9.1%}" + ratio
    lines += [rate.format(**row) for row in table["rows"]]
    lines += ["", f"{'decoding':44}{'sentences/s':>19}{'ratio':>8}   (lowest to highest)"]
    lines += [("{name:44}{sentences_per_second:>19.1f}" + ratio).format(**row) for row in table["decoding"]]
    lines += ["", f"{'kept for the way back, batch of 64':44}{'MB':>19}{'ratio':>8}"]
    lines += [f"{row['name']:44}{row['bytes'] / 1e6:>19.0f}{row['ratio']:>8.2f}" for row in table["memory"]]
    return "\n".join(lines)
