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

    A state has one row a sentence, so that search can drop and reorder rows without knowing the model. In all
    sources, real tokens come first, and each row ends with eos before its padding.
    """

    kind: ClassVar[str]  # the name of the class in a checkpoint
    config: Any

    def encode(self, src: Tensor, src_mask: Tensor) -> tuple[Memory, Tensor]:
        """Read the source (B, n) once; return what the decoder looks at, and its first state."""
        raise NotImplementedError

    def step(self, y_prev: Tensor, state: Tensor, memory: Memory) -> Step:
        """Go from the last token (ids, shape (B,)) and state to the scores of the next token."""
        raise NotImplementedError

    def logits(self, features: Tensor) -> Tensor:
        """Map readout features to next-token scores (..., V)."""
        raise NotImplementedError

    def readouts(self, src: Tensor, src_mask: Tensor, tgt_in: Tensor, tgt_lengths: Sequence[int]) -> Tensor:
        """Return the features of all real target positions, as ``pack_padded_sequence`` orders them."""
        raise NotImplementedError

    def forward(self, src: Tensor, src_mask: Tensor, tgt_in: Tensor) -> tuple[Tensor, Tensor | None]:
        """Run the plain path with teacher forcing, one step after the other, on gold ids that start with bos.

        Row t of the logits (B, m, V) scores the token after ``tgt_in[:, t]``; the alignment (B, m, n) holds
        the weights of every step, and is None without attention.
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


def start_tables(model: Any) -> None:
    """Draw token vectors of length about 1 (pad: zero); make the three tables one if they are shared."""
    for table in (model.source_embedding, model.target_embedding):
        nn.init.normal_(table.weight, std=table.embedding_dim**-0.5)
        nn.init.zeros_(table.weight[PAD])
    if model.config.share_embeddings:
        model.source_embedding.weight = model.W_o.weight = model.target_embedding.weight


def exact(logits: Tensor) -> Tensor:
    """Return scores of half precision in float32, others as they are, before many of them are summed."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def check_settings(config: Any, sizes: Sequence[str]) -> None:
    """Raise ValueError unless all sizes of a model are positive, and its drop-out is a probability."""
    for name in sizes:
        if getattr(config, name) < 1:
            raise ValueError(f"{name} must be at least 1; got {getattr(config, name)}")
    if not 0 <= config.dropout < 1:
        raise ValueError(f"dropout is a probability in [0, 1); got {config.dropout}")


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model in evaluation mode (no dropout) for a block, and back to its mode after it or an error."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
