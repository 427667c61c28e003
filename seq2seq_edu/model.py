"""The whole model: ``encode`` the source, then ``step`` through the target; two paths, one function.

``forward`` is the plain path, one decoder step after the other, as the chapters derive it. ``readouts`` is
the fast path for training: finished rows are dropped, nothing is computed at padding. Tests prove both equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from seq2seq_edu.modules import ATTENTIONS, DecoderStep, Encoder, Memory
from seq2seq_edu.special import BOS as BOS  # a model's users need them
from seq2seq_edu.special import EOS as EOS
from seq2seq_edu.special import PAD as PAD
from seq2seq_edu.special import UNK as UNK


@dataclass(frozen=True)
class ModelConfig:
    """Say which model to build.

    Parameters
    ----------
    source_vocab, target_vocab : int
        Number of tokens of either side, the four special ones included.
    attention : {"none", "additive", "dot", "general", "scaled"}
        How e_{t,i} is computed.
    d_e, d_h, d_s, d_a : int
        Widths of embeddings, encoder states (both directions together), decoder state, attention layer.
    d_r : int
        Width of the narrow readout between the decoder and the vocabulary.
    readout : {"narrow", "wide", "state"}
        "narrow" maps [s_t; c_t; E y_{t-1}] to d_r features, then to the vocabulary; "wide" goes directly;
        "state" goes from s_t alone (Bahdanau's order only: there c_t is in s_t already).
    bidirectional : bool
        Whether the encoder also reads right to left.
    dropout : float
        Probability of dropping an embedding or readout feature in training.
    share_embeddings : bool
        Use one table for source, target and output (needs one vocabulary, and d_r = d_e).

    Raises
    ------
    ValueError
        If a name is unknown, a size is not positive, or sharing is impossible.
    """

    source_vocab: int
    target_vocab: int
    attention: str = "additive"
    d_e: int = 256
    d_h: int = 512
    d_s: int = 256
    d_a: int = 256
    d_r: int = 256
    readout: str = "narrow"
    bidirectional: bool = True
    dropout: float = 0.3
    share_embeddings: bool = False

    def __post_init__(self) -> None:
        if self.attention not in ATTENTIONS:
            raise ValueError(f"attention must be one of {', '.join(ATTENTIONS)}; got {self.attention!r}")
        if self.readout not in ("narrow", "wide", "state"):
            raise ValueError(f"readout must be 'narrow', 'wide' or 'state'; got {self.readout!r}")
        if self.readout == "state" and ATTENTIONS[self.attention].query_state == "current":
            raise ValueError(
                f"readout 'state' would never use the context of {self.attention!r} attention, which comes "
                "after s_t: choose 'narrow' or 'wide'"
            )
        for name in ("source_vocab", "target_vocab", "d_e", "d_h", "d_s", "d_a", "d_r"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is a probability in [0, 1); got {self.dropout}")
        if self.share_embeddings and (
            self.source_vocab != self.target_vocab or self.d_r != self.d_e or self.readout != "narrow"
        ):
            raise ValueError(
                "share_embeddings needs one vocabulary for both sides, d_r = d_e and a narrow readout; got "
                f"{self.source_vocab} and {self.target_vocab} tokens, d_r={self.d_r}, d_e={self.d_e}, "
                f"readout={self.readout!r}"
            )


class Step(NamedTuple):
    """What one decoder step gives: ``logits`` (B, V), s_t (B, d_s), c_t (B, d_h), weights (B, n) or None."""

    logits: Tensor
    state: Tensor
    context: Tensor
    weights: Tensor | None


class Readout(nn.Module):
    r"""Join state, context and previous token before the vocabulary.

    .. math:: \tilde{s}_t = \tanh(W_c [s_t; c_t; E y_{t-1}])
    """

    def __init__(self, d_in: int, d_r: int) -> None:
        super().__init__()
        self.W_c = nn.Linear(d_in, d_r)

    def forward(self, joined: Tensor) -> Tensor:
        """Map (..., d_s + d_h + d_e) to (..., d_r)."""
        return torch.tanh(self.W_c(joined))


class EncoderDecoder(nn.Module):
    """Say what training, decoding and scoring ask of a model; a subclass gives four methods.

    ``encode`` reads the source once, ``step`` writes one token, ``readouts`` computes what all steps of a
    training batch need at once, ``logits`` maps that to the vocabulary. A state is a Tensor with one row a
    sentence, so that search can drop and reorder rows without knowing the model.

    References
    ----------
    Taught in: train_and_look.
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


class Seq2Seq(EncoderDecoder):
    r"""Translate one sequence into another with an encoder, attention and a decoder.

    .. math:: p(y_t \mid y_{<t}, x) = \mathrm{softmax}(W_o \tilde{s}_t), \quad s_0 = \tanh(W_s h_n)

    Parameters
    ----------
    config : ModelConfig
        Sizes and kind of attention.

    Examples
    --------
    >>> model = Seq2Seq(ModelConfig(source_vocab=11, target_vocab=13, d_e=4, d_h=6, d_s=5, d_a=3, d_r=4))
    >>> src, tgt_in = torch.tensor([[5, 7, 2]]), torch.tensor([[1, 4]])
    >>> logits, alignment = model(src, src != 0, tgt_in)
    >>> tuple(logits.shape), tuple(alignment.shape)
    ((1, 2, 13), (1, 2, 3))

    References
    ----------
    Bahdanau, Cho and Bengio (2015), arXiv:1409.0473, appendix A. The final state joins both directions
    (the paper takes the backward one), and the readout is a tanh layer (the paper's is a maxout).
    Taught in: train_and_look.
    """

    kind = "seq2seq"

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = c = config
        self.source_embedding = nn.Embedding(c.source_vocab, c.d_e, padding_idx=PAD)
        self.target_embedding = nn.Embedding(c.target_vocab, c.d_e, padding_idx=PAD)
        self.encoder = Encoder(c.d_e, c.d_h, c.bidirectional)
        self.decoder = DecoderStep(c.d_e, c.d_h, c.d_s, ATTENTIONS[c.attention](c.d_s, c.d_h, c.d_a))
        self.W_s = nn.Linear(c.d_h, c.d_s)
        joined = c.d_s if c.readout == "state" else c.d_s + c.d_h + c.d_e
        narrow = c.readout == "narrow"
        self.readout = Readout(joined, c.d_r) if narrow else nn.Identity()
        self.W_o = nn.Linear(c.d_r if narrow else joined, c.target_vocab)
        self.dropout = nn.Dropout(c.dropout)
        for table in (self.source_embedding, self.target_embedding):
            start_small(table)
        if c.share_embeddings:
            self.source_embedding.weight = self.target_embedding.weight
            self.W_o.weight = self.target_embedding.weight

    def encode(self, src: Tensor, src_mask: Tensor, lengths: Tensor | None = None) -> tuple[Memory, Tensor]:
        """Read the source once.

        Parameters
        ----------
        src : int Tensor of shape (B, n)
            Source ids, real tokens first; each row ends with eos before its padding.
        src_mask : bool Tensor of shape (B, n)
            True at real tokens.
        lengths : int Tensor of shape (B,) on the CPU, optional
            Real tokens a row, if known.

        Returns
        -------
        memory : Memory
            What the decoder looks at.
        state : Tensor of shape (B, d_s)
            s_0.

        Raises
        ------
        ValueError
            If a row has no real token.
        """
        lengths = count_real(src_mask, lengths)
        embedded = self.dropout(self.source_embedding(src))
        encoder_states, final_state = self.encoder(embedded, src_mask, lengths)
        memory = self.decoder.attention.memory(encoder_states, src_mask, final_state)
        return memory, torch.tanh(self.W_s(final_state))

    def step(self, y_prev: Tensor, state: Tensor, memory: Memory) -> Step:
        """Go from s_{t-1} and y_{t-1} (ids, shape (B,)) to s_t and the scores of the next token."""
        embedded = self.dropout(self.target_embedding(y_prev))
        state, context, weights = self.decoder(embedded, state, memory)
        return Step(self.logits(self.join(state, context, embedded)), state, context, weights)

    def join(self, state: Tensor, context: Tensor, embedded: Tensor) -> Tensor:
        """Return the features (..., d_r) that the vocabulary layer reads."""
        if self.config.readout == "state":
            return state
        return self.readout(torch.cat([state, context, embedded], dim=-1))

    def logits(self, features: Tensor) -> Tensor:
        """Map readout features to next-token scores (..., V)."""
        return self.W_o(self.dropout(features))

    def readouts(
        self,
        src: Tensor,
        src_mask: Tensor,
        tgt_in: Tensor,
        tgt_lengths: Sequence[int],
        src_lengths: Sequence[int] | None = None,
    ) -> Tensor:
        """Run the fast path: the same features as ``forward``'s, at real target positions only.

        Three things differ from the plain path, and none changes a number: the vocabulary layer is left to
        the caller (once, not once a step), rows whose target has ended are dropped, and Luong's order
        attends for all steps at once.

        Parameters
        ----------
        src, src_mask, tgt_in : Tensors of shape (B, n), (B, n), (B, m)
            As for :meth:`forward`; rows sorted by target length, longest first.
        tgt_lengths : sequence of B ints
            Real target tokens of each row.
        src_lengths : sequence of B ints, optional
            Real source tokens of each row, if known.

        Returns
        -------
        features : Tensor of shape (N, d_r); with a wide readout (N, d_s + d_h + d_e), of the state (N, d_s)
            N = sum of ``tgt_lengths``; time-major, as ``pack_padded_sequence`` orders them.

        Raises
        ------
        ValueError
            If rows are not sorted by target length, longest first.
        """
        check_sorted(tgt_lengths)
        memory, state = self.encode(src, src_mask, None if src_lengths is None else torch.tensor(src_lengths))
        embedded = self.dropout(self.target_embedding(tgt_in))
        alive = [sum(length > t for length in tgt_lengths) for t in range(max(tgt_lengths))]
        states, contexts = [], []
        for t, rows in enumerate(alive):
            if self.decoder.previous:
                state, context, _ = self.decoder(embedded[:rows, t], state[:rows], memory.rows(slice(rows)))
                contexts.append(context)
            else:
                state = self.decoder.gru(embedded[:, t], state)
            states.append(state)
        packed = pack_padded_sequence(embedded, torch.tensor(tgt_lengths), batch_first=True).data
        if self.decoder.previous:
            return self.join(torch.cat(states), torch.cat(contexts), packed)
        all_states = torch.stack(states, dim=1)  # (B, m, d_s)
        context, _ = self.decoder.attention(all_states, memory)
        both = torch.cat([all_states, context], dim=-1)
        flat = pack_padded_sequence(both, torch.tensor(tgt_lengths), batch_first=True).data
        return self.readout(torch.cat([flat, packed], dim=-1))


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
