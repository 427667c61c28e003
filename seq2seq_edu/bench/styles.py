"""The ways to take a training step that ``bench`` times: as tutorials write it, then each speed-up in turn.

The tutorials' ways are our own code after their ideas, for a Seq2Seq with additive attention (others are a
ValueError). All losses are nats per real target token, and the same: tests and ``bench`` prove it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from seq2seq_edu.data import PAD, Batch
from seq2seq_edu.experiments.recipes import WIDTHS
from seq2seq_edu.models import AdditiveAttention, EncoderDecoder, ModelConfig, Seq2Seq
from seq2seq_edu.training import Loss, loss_fast, loss_plain

# (model, y_prev (B,), state (B, d_s), encoder_states (B, n, d_h), mask (B, n)) -> readout features, state
StepStyle = Callable[[EncoderDecoder, Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def step_repeating(
    model: EncoderDecoder, y_prev: Tensor, state: Tensor, encoder_states: Tensor, mask: Tensor
) -> tuple[Tensor, Tensor]:
    """Take a decoder step that repeats the state and concatenates it with every encoder state.

    Parameters
    ----------
    model : Seq2Seq with additive attention.
    y_prev, state : Tensors of shape (B,), (B, d_s). Last token and last state.
    encoder_states, mask : Tensors of shape (B, n, d_h), (B, n). The source; True at real tokens.

    Returns
    -------
    features, state : Tensors of shape (B, d_r), (B, d_s). What the vocabulary layer reads, and s_t.
    """
    model, attention = _additive(model)
    both = torch.cat([attention.W_a.weight, attention.U_a.weight], dim=1)
    repeated = state.unsqueeze(1).repeat(1, encoder_states.shape[1], 1)
    energy = torch.tanh(F.linear(torch.cat([repeated, encoder_states], dim=2), both))
    return _finish(model, y_prev, state, encoder_states, mask, attention.v_a(energy).squeeze(2))


def step_projecting(
    model: EncoderDecoder, y_prev: Tensor, state: Tensor, encoder_states: Tensor, mask: Tensor
) -> tuple[Tensor, Tensor]:
    """Take the same step, but project every encoder state again and add the projected state."""
    model, attention = _additive(model)
    energy = torch.tanh(attention.W_a(state).unsqueeze(1) + attention.U_a(encoder_states))
    return _finish(model, y_prev, state, encoder_states, mask, attention.v_a(energy).squeeze(2))


def _additive(model: EncoderDecoder) -> tuple[Seq2Seq, AdditiveAttention]:
    """Return the model and its attention; ValueError if no tutorial has such a one."""
    if not isinstance(model, Seq2Seq) or not isinstance(model.decoder.attention, AdditiveAttention):
        found = getattr(model.config, "attention", type(model).__name__)
        raise ValueError(f"the tutorial's model has additive attention; got {found}")
    return model, model.decoder.attention


def _finish(
    model: Seq2Seq, y_prev: Tensor, state: Tensor, encoder_states: Tensor, mask: Tensor, scores: Tensor
) -> tuple[Tensor, Tensor]:
    """Go on from the scores (B, n) to the new state and what the vocabulary layer reads."""
    weights = torch.softmax(scores.masked_fill(~mask, -torch.inf), dim=1)
    context = torch.bmm(weights.unsqueeze(1), encoder_states).squeeze(1)
    token = model.dropout(model.target_embedding(y_prev))
    state = model.decoder.gru(torch.cat([token, context], dim=1), state)
    return model.join(state, context, token), state


def read_source(model: EncoderDecoder, src: Tensor, src_mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return h_1 .. h_n (B, n, d_h) and s_0 (B, d_s): no projected keys are kept."""
    model, _ = _additive(model)
    encoder_states, final_state = model.encoder(model.dropout(model.source_embedding(src)), src_mask)
    return encoder_states, torch.tanh(model.W_s(final_state))


def loss_tutorial(
    model: EncoderDecoder, batch: Batch, label_smoothing: float = 0.0, step: StepStyle = step_repeating
) -> Tensor:
    """Return the loss of :func:`seq2seq_edu.training.loss_plain` the way of bi-GRU tutorials.

    The state is repeated beside every encoder state, the vocabulary layer runs once a step, and padding is
    computed like text.

    Parameters
    ----------
    model, batch, label_smoothing : as there; the model has additive attention.
    step : function. How the tutorial takes a decoder step.

    Returns
    -------
    loss : scalar Tensor. Nats per real target token.
    """
    encoder_states, state = read_source(model, batch.src, batch.src_mask)
    outputs = []
    for y_prev in batch.tgt_in.unbind(dim=1):
        features, state = step(model, y_prev, state, encoder_states, batch.src_mask)
        outputs.append(model.logits(features))
    return _padded_entropy(torch.stack(outputs, dim=1), batch, label_smoothing)


def loss_pytorch(model: EncoderDecoder, batch: Batch, label_smoothing: float = 0.0) -> Tensor:
    """Return the same loss the way of the PyTorch tutorial: keys and outputs projected at each step."""
    return loss_tutorial(model, batch, label_smoothing, step_projecting)


def loss_d2l(model: EncoderDecoder, batch: Batch, label_smoothing: float = 0.0) -> Tensor:
    """Return the same loss the way of Dive into Deep Learning: keys at each step, one output projection."""
    encoder_states, state = read_source(model, batch.src, batch.src_mask)
    outputs = []
    for y_prev in batch.tgt_in.unbind(dim=1):
        features, state = step_projecting(model, y_prev, state, encoder_states, batch.src_mask)
        outputs.append(features)
    return _padded_entropy(model.logits(torch.stack(outputs, dim=1)), batch, label_smoothing)


def loss_one_projection(model: EncoderDecoder, batch: Batch, label_smoothing: float = 0.0) -> Tensor:
    """Return the same loss with keys projected once and one output projection after the loop."""
    return _padded_entropy(model.logits(_padded_features(model, batch)), batch, label_smoothing)


def loss_real_positions(model: EncoderDecoder, batch: Batch, label_smoothing: float = 0.0) -> Tensor:
    """Return the same loss with the output projection and the cross entropy at real positions only."""
    real = batch.tgt_mask
    logits = model.logits(_padded_features(model, batch)[real])
    return F.cross_entropy(logits, batch.tgt_out[real], label_smoothing=label_smoothing)


def _padded_features(model: EncoderDecoder, batch: Batch) -> Tensor:
    """Return the features (B, m, d_r) of the fast path, had all rows the length of the longest."""
    rows, m = batch.tgt_in.shape
    features = model.readouts(batch.src, batch.src_mask, batch.tgt_in, [m] * rows)  # step after step
    return features.unflatten(0, (m, rows)).transpose(0, 1)


def _padded_entropy(logits: Tensor, batch: Batch, label_smoothing: float) -> Tensor:
    """Return the cross entropy of logits (B, m, V), padding computed and then ignored."""
    targets = batch.tgt_out.flatten()
    return F.cross_entropy(logits.flatten(0, 1), targets, ignore_index=PAD, label_smoothing=label_smoothing)


class Path(NamedTuple):
    """One way to take a training step: a loss, an optimiser, a batch order and a precision."""

    name: str
    loss: Loss
    fused: bool = False
    buckets: bool = False
    precision: str = "fp32"


class Shape(NamedTuple):
    """A model to time: its vocabularies, whether they are one table, how a tutorial writes loss and step."""

    vocabulary: tuple[int, int]
    shared: bool
    loss: Loss
    step: StepStyle

    def paths(self) -> tuple[Path, ...]:
        """Return the reference, then the plain path and what makes it fast, each on top of the last."""
        return Path("as tutorials write it", self.loss), *LADDER


LADDER = (
    Path("plain path: keys once", loss_plain),
    Path("+ one output projection", loss_one_projection),
    Path("+ real positions only", loss_real_positions),
    Path("fast path: + ended rows dropped, fused Adam", loss_fast, fused=True),
    Path("fast path, length buckets", loss_fast, fused=True, buckets=True),
    Path("fast path, buckets, bf16", loss_fast, fused=True, buckets=True, precision="bf16"),
)
WORDS = (7853, 5893)  # a well-known tutorial's vocabularies of the Multi30k captions
SHAPES = {
    "tutorial": Shape(WORDS, False, loss_tutorial, step_repeating),
    "pytorch": Shape(WORDS, False, loss_pytorch, step_projecting),
    "d2l": Shape(WORDS, False, loss_d2l, step_projecting),
    "default": Shape((6000, 6000), True, loss_tutorial, step_repeating),
}


def model_config(shape: str) -> ModelConfig:
    """Return the settings of the model that a shape means, with additive attention and without dropout.

    Parameters
    ----------
    shape : {"tutorial", "pytorch", "d2l", "default"}. Sizes are those of the configuration of this name.

    Returns
    -------
    config : ModelConfig. ValueError if there is no such shape.
    """
    if shape not in SHAPES:
        raise ValueError(f"shape must be one of {', '.join(SHAPES)}; got {shape!r}")
    sizes = WIDTHS[shape] | {"dropout": 0.0, "share_embeddings": SHAPES[shape].shared}
    return ModelConfig(*SHAPES[shape].vocabulary, **sizes)
