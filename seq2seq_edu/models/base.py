"""What every model of the package can do: encode a source once, then step through the target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from seq2seq_edu.data import PAD
from seq2seq_edu.models.attention import Memory


class Step(NamedTuple):
    """What one decoder step gives: ``logits`` (B, V), s_t (B, d_s), c_t (B, d_h), weights (B, n) or None."""

    logits: Tensor
    state: Tensor
    context: Tensor
    weights: Tensor | None


class EncoderDecoder(nn.Module):
    """Say what training, decoding and scoring ask of a model; a subclass gives four methods.

    ``encode`` reads the source once, ``step`` writes one token, ``readouts`` computes what all steps of a
    training batch need at once, ``logits`` maps that to the vocabulary. A state is a Tensor with one row a
    sentence, so that search can drop and reorder rows without knowing the model.
    """

    kind: ClassVar[str]  # the name of the class in a checkpoint
    config: Any

    def encode(self, src: Tensor, src_mask: Tensor, lengths: Tensor | None = None) -> tuple[Memory, Tensor]:
        """Read the source (B, n) once; return what the decoder looks at, and its first state."""
        raise NotImplementedError

    def step(self, y_prev: Tensor, state: Tensor, memory: Memory) -> Step:
        """Go from the last token (ids, shape (B,)) and state to the scores of the next token."""
        raise NotImplementedError

    def logits(self, features: Tensor) -> Tensor:
        """Map readout features to next-token scores (..., V)."""
        raise NotImplementedError

    def readouts(
        self,
        src: Tensor,
        src_mask: Tensor,
        tgt_in: Tensor,
        tgt_lengths: Sequence[int],
        src_lengths: Sequence[int] | None = None,
    ) -> Tensor:
        """Return the features of all real target positions, as ``pack_padded_sequence`` orders them."""
        raise NotImplementedError

    def forward(self, src: Tensor, src_mask: Tensor, tgt_in: Tensor) -> tuple[Tensor, Tensor | None]:
        """Run the plain path with teacher forcing: one step after the other.

        Parameters
        ----------
        src, src_mask : Tensors of shape (B, n)
            Source ids and True at real tokens; each row ends with eos before its padding.
        tgt_in : int Tensor of shape (B, m)
            Gold target ids, shifted: starts with bos.

        Returns
        -------
        logits : Tensor of shape (B, m, V)
            Row t scores the token after ``tgt_in[:, t]``.
        alignment : Tensor of shape (B, m, n), or None without attention
            The weights of every step.
        """
        memory, state = self.encode(src, src_mask)
        logits, alignment = [], []
        for y_prev in tgt_in.unbind(dim=1):
            step = self.step(y_prev, state, memory)
            state = step.state
            logits.append(step.logits)
            alignment.append(step.weights)
        weights = [w for w in alignment if w is not None]
        return torch.stack(logits, dim=1), torch.stack(weights, dim=1) if weights else None


def start_small(table: nn.Embedding) -> None:
    """Draw token vectors of length about 1; the one of pad stays zero.

    Parameters
    ----------
    table : Embedding
        Changed in place.
    """
    nn.init.normal_(table.weight, std=table.embedding_dim**-0.5)
    nn.init.zeros_(table.weight[PAD])


def exact(logits: Tensor) -> Tensor:
    """Return scores of half precision in float32, others as they are, before many of them are summed.

    Parameters
    ----------
    logits : Tensor of any shape
        In any floating-point type.

    Returns
    -------
    logits : Tensor of the same shape
        In float32 at least.
    """
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def count_real(src_mask: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Count the real tokens of each row of a source.

    Parameters
    ----------
    src_mask : bool Tensor of shape (B, n)
        True at real tokens.
    lengths : int Tensor of shape (B,) on the CPU, optional
        The counts, if they are known (saves a wait for the GPU).

    Returns
    -------
    lengths : int Tensor of shape (B,)
        On the CPU, each at least 1.

    Raises
    ------
    ValueError
        If a row has no real token.
    """
    if lengths is None:
        lengths = src_mask.sum(dim=1).cpu()
    if int(lengths.min()) < 1:
        raise ValueError(f"row {int(lengths.argmin())} of the source has no real token: drop empty sentences")
    return lengths


def check_sorted(tgt_lengths: Sequence[int]) -> None:
    """Refuse a batch whose rows are not sorted by target length, longest first.

    Parameters
    ----------
    tgt_lengths : sequence of B ints
        Real target tokens of each row.

    Raises
    ------
    ValueError
        If a row is longer than the one before it.
    """
    if any(a < b for a, b in zip(tgt_lengths, tgt_lengths[1:], strict=False)):
        raise ValueError("rows must be sorted by target length, longest first: batching.make_batch does it")


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model in evaluation mode (no dropout) for a block, and back to its mode after it or an error.

    Parameters
    ----------
    model : Module
        A model in either mode.

    Yields
    ------
    None
        Nothing: the model is what the block works with.
    """
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
