"""What a machine can do at most, and what a model asks of it: two peaks, and work counted by formula.

Work is counted in FLOPs of matrix products, two for each multiplication with its addition; tanh, softmax and
the optimiser are left out, as usual. Dividing FLOPs by bytes gives the arithmetic intensity of a roofline.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch.utils.benchmark import Timer

from seq2seq_edu.models import ATTENTIONS, Cost, ModelConfig

SIDE = 1024  # of the square matrices whose product is timed
FLOAT = 4  # bytes


class Peak(NamedTuple):
    """Best rates measured: FLOPs a second of matrix products in both precisions, bytes a second moved."""

    flops_fp32: float
    flops_bf16: float
    bytes_per_second: float


def peak(device: torch.device | str = "cpu", seconds: float = 0.4) -> Peak:
    """Measure how fast this PyTorch multiplies matrices and moves memory here, with its present threads.

    The product is of two square matrices; the move copies 128 MB, more than a cache holds (each byte is read
    and written, and counts twice). A model smaller than the last cache may be read faster than that.
    Williams, Waterman and Patterson (2009), doi:10.1145/1498765.1498785.

    Parameters
    ----------
    device : device. Where to measure.
    seconds : float. How long to repeat each of the three; the fastest go counts.

    Returns
    -------
    peak : Peak. FLOPs a second in float32 and in bfloat16, bytes a second.
    """
    if not seconds > 0:
        raise ValueError(f"seconds must be positive; got {seconds}")
    device = torch.device(device)
    source = torch.rand(2**25, device=device)
    target = torch.empty_like(source)
    moved = 2 * source.numel() * FLOAT
    with torch.no_grad():
        return Peak(
            2 * SIDE**3 / _fastest(_product(torch.float32, device), seconds),
            2 * SIDE**3 / _fastest(_product(torch.bfloat16, device), seconds),
            moved / _fastest(lambda: target.copy_(source), seconds),
        )


def _product(dtype: torch.dtype, device: torch.device) -> Callable[[], object]:
    """Make two square matrices; return what multiplies them."""
    a, b = torch.rand(2, SIDE, SIDE, device=device).to(dtype)
    out = torch.empty_like(a)
    return lambda: torch.mm(a, b, out=out)


def _fastest(work: Callable[[], object], seconds: float) -> float:
    """Repeat some work for a while; return the seconds of the fastest go (Timer also waits for a GPU)."""
    timer = Timer("work()", globals={"work": work}, num_threads=torch.get_num_threads())
    return min(timer.blocked_autorange(min_run_time=seconds).times)


def decoder_step_cost(config: ModelConfig, batch: int, n: int) -> tuple[int, int]:
    """Count the work of one decoder step (attention, GRU, vocabulary) for a batch, and the bytes it moves.

    Each parameter is read once whatever the batch, each sentence's keys and values once; activations go in
    and out once. So FLOPs grow with the batch and bytes hardly do: that is why batches are fast.

    Parameters
    ----------
    config : ModelConfig. Its sizes alone matter.
    batch, n : int. Sentences decoded together, B, and source tokens of each.

    Returns
    -------
    flops, bytes : int. Of matrix products; in float32. The least that a step can move: intermediate results
        that a kernel writes and another reads back are not counted.

    Examples
    --------
    With widths of 1: 1 + n products of W_a and v_a, n of the context, 3 · 2 + 3 · 1 of the GRU, and 3 · 5 of
    the vocabulary, from [state; context; embedding].

    >>> tiny = ModelConfig(5, 5, d_e=1, d_h=1, d_s=1, d_a=1, readout="wide", bidirectional=False)
    >>> decoder_step_cost(tiny, batch=1, n=2)[0] == 2 * (1 + 2 + 2 + 9 + 15)
    True
    """
    if batch < 1 or n < 1:
        raise ValueError(f"a step needs at least one sentence of one token; got batch={batch}, n={n}")
    c = config
    look, rest = _look(c), _decoder(c)
    biases = 6 * c.d_s + (c.d_r if c.readout == "narrow" else 0) + c.target_vocab
    flops = 2 * batch * (look.query + rest + n * look.look)
    seen = n * look.floats or c.d_h  # floats of the source, a sentence
    activations = c.d_e + 2 * c.d_s + c.d_h + c.target_vocab
    return flops, FLOAT * (look.parameters + rest + biases + batch * (seen + activations))


def training_flops(config: ModelConfig, lengths: Sequence[tuple[int, int]]) -> int:
    """Count what one training step must multiply: keys once, real positions only, backward twice forward."""
    c = config
    look = _look(c)
    directions = 2 if c.bidirectional else 1
    source = directions * _gru(c.d_e, c.d_h // directions) + look.key
    target = look.query + _decoder(c)
    products = sum(c.d_h * c.d_s + n * source + m * target + n * m * look.look for n, m in lengths)
    return 3 * 2 * products


def _gru(d_in: int, d_out: int) -> int:
    """Count the multiplications of one GRU step: three gates, from the input and from the state."""
    return 3 * d_out * (d_in + d_out)


def _decoder(c: ModelConfig) -> int:
    """Count the multiplications of one decoder step without its look: the GRU, and on to the vocabulary."""
    reads_context = ATTENTIONS[c.attention].query_state == "previous"
    joined = c.d_s if c.readout == "state" else c.d_s + c.d_h + c.d_e
    narrow = c.readout == "narrow"
    readout = joined * c.d_r + c.d_r * c.target_vocab if narrow else joined * c.target_vocab
    return _gru(c.d_e + reads_context * c.d_h, c.d_s) + readout


def _look(c: ModelConfig) -> Cost:
    """Return what the attention of a model asks for."""
    return ATTENTIONS[c.attention].cost(c.d_s, c.d_h, c.d_a)
