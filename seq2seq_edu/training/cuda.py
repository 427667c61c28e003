"""Training on a GPU: every batch in one of a few fixed shapes, so that a whole step is one CUDA graph.

A small recurrent model waits for launches: thousands of tiny kernels a step, each started by Python. A CUDA
graph records them once and starts them all with one call. It replays fixed addresses and fixed shapes, so
nothing here depends on the lengths of a batch: the data lie on the device, a step is told only which rows
to take, and masks do what packing does elsewhere. On a CPU the same code runs without the recording.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seq2seq_edu.data import BOS, EOS, Batch, IdPair, pad
from seq2seq_edu.models import EncoderDecoder, Seq2Seq, exact

Shape = tuple[int, int, int]  # rows, source columns n, target columns m
Update = Callable[[Batch], tuple[Tensor, Tensor]]  # takes one optimiser step; gives loss and gradient norm
BUCKETS = 10
WARM_UP = 2  # ordinary steps of a shape before its graph: libraries set themselves up in the first ones
IGNORED = -100  # cross_entropy's own mark for targets that do not count


def loss_static(model: EncoderDecoder, batch: Batch, label_smoothing: float = 0.0) -> Tensor:
    """Return the loss of ``training.loss_plain`` by operations whose shapes depend on (B, n, m) alone.

    Parameters
    ----------
    model : EncoderDecoder
        A recurrent model or a Transformer.
    batch : Batch
        The pairs, in any order; only its tensors are read. A row without a real target token counts nothing.
    label_smoothing : float
        As in ``torch.nn.functional.cross_entropy``.

    Returns
    -------
    loss : scalar Tensor
        Nats per real target token.
    """
    rows, m = batch.tgt_in.shape
    if isinstance(model, Seq2Seq):
        features = _recurrent_features(model, batch)
    else:  # as if no row had padding: then all positions come, time-major
        features = model.readouts(batch.src, batch.src_mask, batch.tgt_in, [m] * rows)
    logits = model.logits(features)
    targets = batch.tgt_out.masked_fill(~batch.tgt_mask, IGNORED).t().flatten()  # time-major too
    return F.cross_entropy(exact(logits), targets, ignore_index=IGNORED, label_smoothing=label_smoothing)


def _recurrent_features(model: Seq2Seq, batch: Batch) -> Tensor:
    """Return the readout features of all positions, padding included: (m * B, ...), time-major."""
    states, final = encode_static(model.encoder.gru, model.dropout(model.source_embedding(batch.src)), batch)
    memory = model.decoder.attention.memory(states, batch.src_mask, final)
    state = torch.tanh(model.W_s(final))
    embedded = model.dropout(model.target_embedding(batch.tgt_in)).transpose(0, 1)  # (m, B, d_e)
    if not model.decoder.previous:  # Luong: no step waits for a context
        all_states = run_gru(model.decoder.gru, embedded, state)
        context, _ = model.decoder.attention(all_states.transpose(0, 1), memory)
        return model.join(all_states, context.transpose(0, 1), embedded).flatten(0, 1)
    found, contexts = [], []
    for y_prev in embedded:
        state, context, _ = model.decoder(y_prev, state, memory)
        found.append(state)
        contexts.append(context)
    return model.join(torch.cat(found), torch.cat(contexts), embedded.flatten(0, 1))


def encode_static(gru: nn.GRU, embedded: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Run an encoder without packing: each row is turned round within its length for the backward half.

    Parameters
    ----------
    gru : GRU
        Of one layer, one direction or two.
    embedded : Tensor of shape (B, n, d_e)
        Embedded source tokens.
    batch : Batch
        Its ``src_mask`` (B, n) says where real tokens are; they come first.

    Returns
    -------
    encoder_states : Tensor of shape (B, n, d_h)
        h_1 .. h_n; zero at padding.
    final_state : Tensor of shape (B, d_h)
        [forward h_n ; backward h_1], as :class:`seq2seq_edu.models.Encoder` gives it.
    """
    mask, place = batch.src_mask, torch.arange(embedded.shape[1], device=embedded.device)
    lengths = mask.sum(dim=1, keepdim=True)  # (B, 1), on the device: nobody waits for it
    turned = torch.where(mask, lengths - 1 - place, place)  # its own inverse
    read = run_gru(gru, embedded.transpose(0, 1)).transpose(0, 1)
    last = [_rows(read, lengths - 1)]
    if gru.bidirectional:
        back = run_gru(gru, _rows(embedded, turned).transpose(0, 1), reverse=True).transpose(0, 1)
        last.append(_rows(back, lengths - 1))
        read = torch.cat([read, _rows(back, turned)], dim=-1)
    return read.masked_fill(~mask.unsqueeze(-1), 0.0), torch.cat(last, dim=-1).squeeze(1)


def _rows(x: Tensor, index: Tensor) -> Tensor:
    """Pick positions (B, k) of x (B, n, d): (B, k, d)."""
    return x.gather(1, index.unsqueeze(-1).expand(-1, -1, x.shape[-1]))


def run_gru(
    cell: nn.GRU | nn.GRUCell, x: Tensor, state: Tensor | None = None, reverse: bool = False
) -> Tensor:
    """Run one direction of a GRU, or a GRU cell, over a whole sequence in one call.

    Parameters
    ----------
    cell : GRU or GRUCell
        Whose parameters; both name and order them alike.
    x : Tensor of shape (m, B, d_e)
        The sequence, time first.
    state : Tensor of shape (B, d_s), optional
        The first state; zero if left out.
    reverse : bool
        Take the parameters of the backward direction. The sequence is still read from its start.

    Returns
    -------
    states : Tensor of shape (m, B, d_s)
        After each token.
    """
    layer = ("_l0" if isinstance(cell, nn.GRU) else "") + ("_reverse" if reverse else "")
    names = (f"{name}{layer}" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    weights = [getattr(cell, name) for name in names]
    if state is None:
        state = x.new_zeros(x.shape[1], cell.hidden_size)
    with warnings.catch_warnings():  # cuDNN copies the weights together, a megabyte: nothing to tell
        warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous")
        states, _ = torch.gru(
            x, state.to(x.dtype).unsqueeze(0), weights, True, 1, 0.0, cell.training, False, False
        )
    return states


def shape_of(pairs: Sequence[IdPair], index: Sequence[int]) -> Shape:
    """Return rows and columns that a batch needs, eos and bos counted.

    Parameters
    ----------
    pairs : sequence of (source ids, target ids)
        The training data.
    index : sequence of int
        The pairs of the batch.

    Returns
    -------
    shape : (B, n, m)
        Its size without padding beyond the longest row.

    Examples
    --------
    >>> shape_of([([5, 6], [7]), ([8], [9, 10]), ([4], [])], [0, 1])
    (2, 3, 3)
    """
    sources, targets = zip(*(pairs[k] for k in index), strict=True)
    return len(index), max(map(len, sources)) + 1, max(map(len, targets)) + 1


def fixed_shapes(shapes: Iterable[Shape], count: int = BUCKETS) -> list[Shape]:
    """Choose a few shapes such that each of many fits into one of them.

    Shapes are sorted by target length, which costs most (a decoder step each), and cut into ``count`` equal
    parts; the largest rows, n and m of a part make its shape.

    Parameters
    ----------
    shapes : iterable of (B, n, m)
        Of all batches of a training.
    count : int
        Shapes wanted, at most.

    Returns
    -------
    fixed : list of (B, n, m)
        Sorted by m; no two are equal.

    Raises
    ------
    ValueError
        If ``count`` is not positive.

    Examples
    --------
    >>> fixed_shapes([(5, 7, 2), (5, 6, 3), (2, 9, 7), (2, 4, 8)], count=2)
    [(5, 7, 3), (2, 9, 8)]
    """
    if count < 1:
        raise ValueError(f"at least 1 shape is needed; got count={count}")
    order = sorted(shapes, key=lambda shape: (shape[2], shape[1], shape[0]))
    cuts = [len(order) * k // count for k in range(count + 1)]
    parts = [order[a:b] for a, b in zip(cuts, cuts[1:], strict=False) if a < b]
    fixed = {(max(s[0] for s in p), max(s[1] for s in p), max(s[2] for s in p)) for p in parts}
    return sorted(fixed, key=lambda shape: (shape[2], shape[1], shape[0]))


class Store:
    """All training pairs as tensors on one device; a batch is a choice of rows.

    Row N, one beyond the pairs, fills up short batches: its source is eos alone, its target has no token.

    Parameters
    ----------
    pairs : sequence of (source ids, target ids)
        The training data, without bos and eos.
    device : device
        Where they go, once.

    Examples
    --------
    >>> batch = Store([([5, 6], [7])], torch.device("cpu")).batch(torch.tensor([0, 1]), n=4, m=3)
    >>> batch.src.tolist(), batch.tgt_out.tolist(), batch.tgt_mask.sum(dim=1).tolist()
    ([[5, 6, 2, 0], [2, 0, 0, 0]], [[7, 2, 0], [0, 0, 0]], [2, 0])
    """

    def __init__(self, pairs: Sequence[IdPair], device: torch.device) -> None:
        self.blank = len(pairs)
        sources = [[*s, EOS] for s, _ in pairs] + [[EOS]]
        targets = [[BOS, *t, EOS] for _, t in pairs] + [[BOS]]
        self.src, self.tgt = pad(sources).to(device), pad(targets).to(device)
        self.src_lengths = torch.tensor([len(s) for s in sources], device=device)
        self.tgt_lengths = torch.tensor([len(t) - 1 for t in targets], device=device)

    def batch(self, rows: Tensor, n: int, m: int) -> Batch:
        """Return the pairs of ``rows`` (B,), cut or filled to n and m columns; lists of lengths are empty."""
        tgt = self.tgt[rows]
        tgt = F.pad(tgt, (0, max(0, m + 1 - tgt.shape[1])))
        src = F.pad(self.src[rows], (0, max(0, n - self.src.shape[1])))[:, :n]
        src_mask = torch.arange(n, device=src.device) < self.src_lengths[rows].unsqueeze(1)
        tgt_mask = torch.arange(m, device=src.device) < self.tgt_lengths[rows].unsqueeze(1)
        tgt_in = tgt[:, :m].masked_fill(~tgt_mask, 0)  # eos is the last target, never an input
        return Batch(src, src_mask, tgt_in, tgt[:, 1 : m + 1], tgt_mask, [], [], [])


@dataclass
class _Bucket:
    """One fixed shape: which rows its step takes, what came out, and its graph once there is one."""

    shape: Shape
    rows: Tensor  # (B,), read by the graph
    out: Tensor  # loss and gradient norm, written by the graph
    seen: int = 0
    graph: torch.cuda.CUDAGraph | None = None


class FixedSteps:
    """Take optimiser steps in fixed shapes; on a GPU each shape is captured once and then replayed.

    What a graph needs (https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs): ordinary steps on
    a side stream first; inputs and outputs that stay in place; gradients made inside the graph; an optimiser
    that is ``capturable``, its rate a tensor. Graphs share one memory pool: never two at once, and nothing
    in the pool is read after another one ran. Dropout takes its seed anew at every replay.

    Parameters
    ----------
    pairs : sequence of (source ids, target ids)
        The training data; they go to the device once.
    shapes : sequence of (B, n, m)
        From :func:`fixed_shapes`.
    update : function
        Takes one optimiser step on a batch; waits for nothing.
    device : device
        Of the model.
    capture : bool, optional
        Whether to make graphs; on a GPU if left out.
    """

    def __init__(
        self,
        pairs: Sequence[IdPair],
        shapes: Sequence[Shape],
        update: Update,
        device: torch.device,
        capture: bool | None = None,
    ) -> None:
        self.pairs, self.store, self.update, self.device = pairs, Store(pairs, device), update, device
        self.capture = device.type == "cuda" if capture is None else capture
        self.buckets = [
            _Bucket(
                shape, torch.zeros(shape[0], dtype=torch.int64, device=device), torch.zeros(2, device=device)
            )
            for shape in shapes
        ]
        self.stream = torch.cuda.Stream(device) if self.capture else None
        self.pool = torch.cuda.graph_pool_handle() if self.capture else None

    def __call__(self, index: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Take a step on some pairs; return loss and gradient norm, to be read before the next step."""
        bucket = self._fit(shape_of(self.pairs, index))
        rows = torch.tensor([*index, *[self.store.blank] * (bucket.shape[0] - len(index))])
        bucket.rows.copy_(rows.pin_memory() if self.device.type == "cuda" else rows, non_blocking=True)
        if self.capture and bucket.graph is None and bucket.seen >= WARM_UP:
            self._record(bucket)
        bucket.seen += 1
        if bucket.graph is not None:
            bucket.graph.replay()
        elif self.stream is not None:
            self.stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.stream):
                self._step(bucket)
            torch.cuda.current_stream().wait_stream(self.stream)
        else:
            self._step(bucket)
        return bucket.out[0], bucket.out[1]

    def _fit(self, shape: Shape) -> _Bucket:
        """Return the first bucket, the one with the fewest steps, that a batch fits into."""
        for bucket in self.buckets:
            if all(need <= have for need, have in zip(shape, bucket.shape, strict=True)):
                return bucket
        raise ValueError(
            f"a batch of {shape[0]} rows with n={shape[1]}, m={shape[2]} fits no fixed shape: make them "
            "from all batches of the training"
        )

    def _step(self, bucket: _Bucket) -> None:
        """Take one step on the rows of a bucket: this is what a graph records."""
        loss, gradient = self.update(self.store.batch(bucket.rows, *bucket.shape[1:]))
        bucket.out.copy_(torch.stack([loss.float(), gradient.float()]))

    def _record(self, bucket: _Bucket) -> None:
        """Capture the step of a bucket; if that fails, warn and go on without graphs."""
        try:
            self._capture(bucket)
        except RuntimeError as error:
            self.capture = False
            warnings.warn(
                f"CUDA graphs are off, each step is launched piece by piece from here on, which is slower: "
                f"capturing failed ({str(error).splitlines()[0]})",
                stacklevel=3,
            )

    def _capture(self, bucket: _Bucket) -> None:
        """Record the step of a bucket; nothing is computed yet."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.pool, stream=self.stream):
            self._step(bucket)
        bucket.graph = graph
