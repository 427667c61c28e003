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
from seq2seq_edu.models.base import EncoderDecoder, Step, check_settings, start_tables


class Encoder(nn.Module):
    r"""Read the source in both directions (or one) with a GRU.

    .. math:: h_i = [\overrightarrow{h}_i ; \overleftarrow{h}_i]

    Sequences are packed, so the backward half begins at the last real token and padding is not read. A state
    is d_h wide in all, both directions together.
    Bahdanau, Cho and Bengio (2015), arXiv:1409.0473, section 3.2. Taught in: seq2seq.

    >>> encoder = Encoder(d_e=3, d_h=4)
    >>> states, final = encoder(torch.zeros(2, 5, 3), torch.ones(2, 5, dtype=torch.bool))
    >>> tuple(states.shape), tuple(final.shape)
    ((2, 5, 4), (2, 4))
    """

    def __init__(self, d_e: int, d_h: int, bidirectional: bool = True) -> None:
        super().__init__()
        if bidirectional and d_h % 2:
            raise ValueError(f"a bidirectional encoder needs an even d_h, one half a direction; got {d_h}")
        width = d_h // 2 if bidirectional else d_h
        self.gru = nn.GRU(d_e, width, batch_first=True, bidirectional=bidirectional)

    def forward(self, embedded: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Encode a padded batch (B, n, d_e); the mask (B, n) is True at real tokens, which come first.

        The encoder states h_1 .. h_n (B, n, d_h) are zero at padding; the final state (B, d_h) is the one
        after the last token read: [forward h_n ; backward h_1].
        """
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
        """Go from E y_{t-1} (B, d_e) and s_{t-1} (B, d_s) to s_t, c_t (B, d_h) and the weights (B, n)."""
        if self.previous:
            context, weights = self.attention(state, memory)  # s_{t-1} asks
            return self.gru(torch.cat([embedded, context], dim=1), state), context, weights
        state = self.gru(embedded, state)
        context, weights = self.attention(state, memory)  # s_t asks
        return state, context, weights


@dataclass(frozen=True)
class ModelConfig:
    """Say which model to build; sizes are positive, and vocabularies count the four special tokens."""

    source_vocab: int
    target_vocab: int
    attention: str = "additive"  # a name in ATTENTIONS
    d_e: int = 256  # embeddings
    d_h: int = 512  # encoder states, both directions together
    d_s: int = 256  # decoder state
    d_a: int = 256  # attention layer
    d_r: int = 256  # narrow readout, between decoder and vocabulary
    readout: str = "narrow"  # [s_t; c_t; E y_{t-1}] by d_r to the vocabulary; "wide": directly; "state": s_t
    bidirectional: bool = True  # the encoder reads right to left as well
    dropout: float = 0.3  # of embeddings and readout features, in training
    share_embeddings: bool = False  # one table for source, target, output: one vocabulary, d_r = d_e

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
        check_settings(self, ("source_vocab", "target_vocab", "d_e", "d_h", "d_s", "d_a", "d_r"))
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

    The final state joins both directions (the paper takes the backward one); the readout is a tanh layer (the
    paper's is a maxout). Bahdanau et al. (2015), arXiv:1409.0473, appendix A. Taught in: train_and_look.

    >>> model = Seq2Seq(ModelConfig(source_vocab=11, target_vocab=13, d_e=4, d_h=6, d_s=5, d_a=3, d_r=4))
    >>> logits, alignment = model(torch.tensor([[5, 7, 2]]), torch.ones(1, 3).bool(), torch.tensor([[1, 4]]))
    >>> tuple(logits.shape), tuple(alignment.shape)
    ((1, 2, 13), (1, 2, 3))
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
        start_tables(self)

    def encode(self, src: Tensor, src_mask: Tensor) -> tuple[Memory, Tensor]:
        """Read the source (B, n) once; return what the decoder looks at, and s_0 (B, d_s)."""
        embedded = self.dropout(self.source_embedding(src))
        encoder_states, final_state = self.encoder(embedded, src_mask)
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

    def readouts(self, src: Tensor, src_mask: Tensor, tgt_in: Tensor, tgt_lengths: Sequence[int]) -> Tensor:
        """Run the fast path: the same features as ``forward``'s, at the N real target positions only.

        No number changes: the vocabulary layer is left to the caller (once, not once a step), rows whose
        target has ended are dropped (they come longest first), and Luong's order attends for all steps at
        once. Time-major, (N, d_r).
        """
        memory, state = self.encode(src, src_mask)
        embedded = self.dropout(self.target_embedding(tgt_in))
        lengths = torch.tensor(tgt_lengths)
        packed = pack_padded_sequence(embedded, lengths, batch_first=True).data
        alive = [sum(length > t for length in tgt_lengths) for t in range(max(tgt_lengths))]
        states, contexts = [], []
        for t, rows in enumerate(alive):
            if self.decoder.previous:
                state, context, _ = self.decoder(embedded[:rows, t], state[:rows], memory.rows(slice(rows)))
                contexts.append(context)
            else:
                state = self.decoder.gru(embedded[:, t], state)
            states.append(state)
        if self.decoder.previous:
            return self.join(torch.cat(states), torch.cat(contexts), packed)
        all_states = torch.stack(states, dim=1)  # (B, m, d_s)
        context, _ = self.decoder.attention(all_states, memory)
        both = torch.cat([all_states, context], dim=-1)
        flat = pack_padded_sequence(both, lengths, batch_first=True).data
        return self.readout(torch.cat([flat, packed], dim=-1))
