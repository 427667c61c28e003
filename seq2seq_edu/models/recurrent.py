"""The whole model: ``encode`` the source, then ``step`` through the target; two paths, one function.

``forward`` is the plain path, one decoder step after the other, as the chapters derive it. ``readouts`` is
the fast path for training: finished rows are dropped, nothing is computed at padding. Tests prove both equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from seq2seq_edu.data import PAD
from seq2seq_edu.models.attention import ATTENTIONS, Attention, Memory
from seq2seq_edu.models.base import EncoderDecoder, Step, check_sorted, count_real, start_small


class Encoder(nn.Module):
    r"""Read the source in both directions (or one) with a GRU.

    .. math:: h_i = [\overrightarrow{h}_i ; \overleftarrow{h}_i]

    Sequences are packed, so the backward half starts at the last real token and padding is never read.

    Parameters
    ----------
    d_e : int
        Width of the token embeddings.
    d_h : int
        Width of one encoder state in all; each direction of a bidirectional encoder has half of it.
    bidirectional : bool
        Read right to left as well.

    Raises
    ------
    ValueError
        If a bidirectional encoder is asked for an odd ``d_h``.

    Examples
    --------
    >>> encoder = Encoder(d_e=3, d_h=4)
    >>> states, final = encoder(torch.zeros(2, 5, 3), torch.ones(2, 5, dtype=torch.bool))
    >>> tuple(states.shape), tuple(final.shape)
    ((2, 5, 4), (2, 4))

    References
    ----------
    Bahdanau, Cho and Bengio (2015), arXiv:1409.0473, section 3.2. Taught in: seq2seq.
    """

    def __init__(self, d_e: int, d_h: int, bidirectional: bool = True) -> None:
        super().__init__()
        if bidirectional and d_h % 2:
            raise ValueError(f"a bidirectional encoder needs an even d_h, one half a direction; got {d_h}")
        width = d_h // 2 if bidirectional else d_h
        self.gru = nn.GRU(d_e, width, batch_first=True, bidirectional=bidirectional)

    def forward(self, embedded: Tensor, mask: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Encode a padded batch.

        Parameters
        ----------
        embedded : Tensor of shape (B, n, d_e)
            Embedded source tokens; what stands at padding is never read.
        mask : bool Tensor of shape (B, n)
            True at real tokens, which come first.
        lengths : int Tensor of shape (B,), on the CPU, optional
            Number of real tokens, if it is known already (saves a wait for the GPU).

        Returns
        -------
        encoder_states : Tensor of shape (B, n, d_h)
            h_1 .. h_n; zero at padding.
        final_state : Tensor of shape (B, d_h)
            The state after the last token read: [forward h_n ; backward h_1].
        """
        if lengths is None:
            lengths = mask.sum(dim=1).cpu()
        packed = pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
        outputs, last = self.gru(packed)
        encoder_states, _ = pad_packed_sequence(outputs, batch_first=True, total_length=embedded.shape[1])
        final_state = last.transpose(0, 1).flatten(start_dim=1)  # (B, directions * width) = (B, d_h)
        return encoder_states, final_state


class DecoderStep(nn.Module):
    r"""Take one step: look, update, join; in Bahdanau's order or in Luong's.

    .. math::

        \text{Bahdanau:}\quad c_t &= \mathrm{attend}(s_{t-1}), &
        s_t &= \mathrm{GRU}([E y_{t-1}; c_t], s_{t-1}) \\
        \text{Luong:}\quad s_t &= \mathrm{GRU}(E y_{t-1}, s_{t-1}), & c_t &= \mathrm{attend}(s_t)

    References
    ----------
    Bahdanau et al. (2015), arXiv:1409.0473, Eqs. 4-6; Luong et al. (2015), arXiv:1508.04025, section 3.
    """

    def __init__(self, d_e: int, d_h: int, d_s: int, attention: Attention) -> None:
        super().__init__()
        self.attention = attention
        self.previous = attention.query_state == "previous"
        self.gru = nn.GRUCell(d_e + d_h if self.previous else d_e, d_s)

    def forward(
        self, embedded: Tensor, state: Tensor, memory: Memory
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Go from s_{t-1} to s_t.

        Parameters
        ----------
        embedded : Tensor of shape (B, d_e)
            The previous target token, E y_{t-1}.
        state : Tensor of shape (B, d_s)
            s_{t-1}.
        memory : Memory
            The source, from the attention's ``memory``.

        Returns
        -------
        state : Tensor of shape (B, d_s)
            s_t.
        context : Tensor of shape (B, d_h)
            c_t.
        weights : Tensor of shape (B, n), or None
            The weights of this step.
        """
        if self.previous:
            context, weights = self.attention(state, memory)  # s_{t-1} asks
            return self.gru(torch.cat([embedded, context], dim=1), state), context, weights
        state = self.gru(embedded, state)
        context, weights = self.attention(state, memory)  # s_t asks
        return state, context, weights


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
