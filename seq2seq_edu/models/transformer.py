"""The Transformer, with the interface of the recurrent model: the same training, search and scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from seq2seq_edu.data import PAD
from seq2seq_edu.models.attention import Memory
from seq2seq_edu.models.base import EncoderDecoder, Step, check_settings, start_tables


@dataclass(frozen=True)
class TransformerConfig:
    """Say which Transformer to build; sizes are positive, and vocabularies count the four special tokens."""

    source_vocab: int
    target_vocab: int
    d_model: int = 256  # embeddings and every layer
    d_ff: int = 1024  # inside the feed-forward part of a layer
    layers: int = 3  # of the encoder, and of the decoder
    heads: int = 4  # attentions side by side in a layer, each d_model / heads wide
    dropout: float = 0.3  # of what a part adds, in training
    share_embeddings: bool = False  # one table for source, target and output: needs one vocabulary
    attention: ClassVar[str] = "multi-head"

    def __post_init__(self) -> None:
        check_settings(self, ("source_vocab", "target_vocab", "d_model", "d_ff", "layers", "heads"))
        if self.d_model % self.heads or self.d_model % 2:
            raise ValueError(
                "d_model must be even (sine and cosine) and a multiple of heads; got "
                f"d_model={self.d_model}, heads={self.heads}"
            )
        if self.share_embeddings and self.source_vocab != self.target_vocab:
            raise ValueError(
                "share_embeddings needs one vocabulary for both sides; got "
                f"{self.source_vocab} and {self.target_vocab} tokens"
            )


def positions(start: int, count: int, d_model: int, device: torch.device | None = None) -> Tensor:
    r"""Return sines and cosines that tell one position from another.

    .. math:: p_{i,2k} = \sin(i / 10000^{2k/d}), \qquad p_{i,2k+1} = \cos(i / 10000^{2k/d})

    Vaswani et al. (2017), arXiv:1706.03762, section 3.5.

    >>> positions(0, 2, 2).round(decimals=2).tolist()
    [[0.0, 1.0], [0.8399999737739563, 0.5400000214576721]]

    Parameters
    ----------
    start, count, d_model : int. Positions start .. start + count - 1, from 0; the width is even.
    device : device, optional. Where to put the result.

    Returns
    -------
    vectors : float32 Tensor of shape (count, d_model). In [-1, 1].
    """
    i = torch.arange(start, start + count, dtype=torch.float32, device=device).unsqueeze(1)
    rates = torch.exp(torch.arange(0, d_model, 2, device=device) * (-math.log(10000.0) / d_model))
    return torch.stack([torch.sin(i * rates), torch.cos(i * rates)], dim=-1).flatten(start_dim=1)


class MultiHeadAttention(nn.Module):
    r"""Attend several times side by side, each head with its own projections.

    .. math::
        \mathrm{head}_k = \mathrm{softmax}\!\left(\frac{Q_k K_k^\top}{\sqrt{d_k}}\right) V_k, \qquad
        Q_k = x W^Q_k, \; K_k = y W^K_k, \; V_k = y W^V_k

    Vaswani et al. (2017), arXiv:1706.03762, section 3.2.2.
    """

    def __init__(self, d_model: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.W_q = nn.Linear(d_model, d_model)
        self.W_kv = nn.Linear(d_model, 2 * d_model)
        self.W_o = nn.Linear(d_model, d_model)

    def keys_values(self, states: Tensor) -> Tensor:
        """Project states (B, n, d_model) to keys and values, side by side: (B, n, 2 d_model)."""
        return self.W_kv(states)

    def forward(self, query: Tensor, keys_values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Look with every query (B, m, d_model) at once; the mask is True where a query may look.

        The context (B, m, d_model) is what the heads found, joined and projected. Weights (B, heads, m, n)
        sum to 1 over n and are exactly 0 where the mask, which broadcasts to (B, 1, m, n), is False.
        """
        q = self._split(self.W_q(query))  # (B, heads, m, d_k)
        k, v = (self._split(part) for part in keys_values.chunk(2, dim=-1))  # (B, heads, n, d_k)
        scores = (q / math.sqrt(q.shape[-1])) @ k.transpose(2, 3)
        exact = torch.promote_types(scores.dtype, torch.float32)
        weights = torch.softmax(scores.masked_fill(~mask, -math.inf), dim=-1, dtype=exact)
        context = weights.to(v.dtype) @ v
        return self.W_o(context.transpose(1, 2).flatten(start_dim=2)), weights

    def _split(self, x: Tensor) -> Tensor:
        """Cut the width into heads: (B, n, d) to (B, heads, n, d / heads)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Layer(nn.Module):
    r"""Add to each position what its parts find, each part reading a normalised input.

    .. math:: x \leftarrow x + \mathrm{part}(\mathrm{LayerNorm}(x))

    The parts are: look at one's own sequence, look at the source (decoder only), a feed-forward network.
    Vaswani et al. (2017), arXiv:1706.03762, section 3.1; the norm stands before each part, as in Xiong et al.
    (2020), arXiv:2002.04745, because that trains without a long warm-up.
    """

    def __init__(self, config: TransformerConfig, decoder: bool) -> None:
        super().__init__()
        c = config
        self.own = MultiHeadAttention(c.d_model, c.heads)
        self.source = MultiHeadAttention(c.d_model, c.heads) if decoder else None
        self.feed_forward = nn.Sequential(
            nn.Linear(c.d_model, c.d_ff), nn.ReLU(), nn.Dropout(c.dropout), nn.Linear(c.d_ff, c.d_model)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(c.d_model) for _ in range(3 if decoder else 2))
        self.dropout = nn.Dropout(c.dropout)

    def forward(
        self, x: Tensor, mask: Tensor, past: Tensor | None = None, source: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Read (B, m, d_model); return the same shape, the keys and values made, and the source weights.

        ``past`` (B, t, 2 d_model) are keys and values of earlier positions, ``source`` those of the source
        (B, n, 2 d_model) and their mask; masks are True where a position may look.
        """
        normal = self.norms[0](x)
        new = self.own.keys_values(normal)
        seen = new if past is None else torch.cat([past.to(new.dtype), new], dim=1)
        x = x + self.dropout(self.own(normal, seen, mask)[0])
        weights = None
        if self.source is not None and source is not None:
            context, weights = self.source(self.norms[1](x), *source)
            x = x + self.dropout(context)
        return x + self.dropout(self.feed_forward(self.norms[-1](x))), new, weights


class Transformer(EncoderDecoder):
    r"""Translate with attention alone: no step of the encoder or of training waits for another.

    The state of the decoder is what it has written so far: keys and values of every layer, (B, t, layers,
    2 d_model). ``weights`` of a step are the last layer's to the source, the mean of its heads; ``context``
    is what that layer makes of the step. Vaswani et al. (2017), arXiv:1706.03762.

    >>> model = Transformer(TransformerConfig(source_vocab=11, target_vocab=13, d_model=4, d_ff=6, heads=2))
    >>> logits, alignment = model(torch.tensor([[5, 7, 2]]), torch.ones(1, 3).bool(), torch.tensor([[1, 4]]))
    >>> tuple(logits.shape), tuple(alignment.shape)
    ((1, 2, 13), (1, 2, 3))
    """

    kind = "transformer"

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = c = config
        self.source_embedding = nn.Embedding(c.source_vocab, c.d_model, padding_idx=PAD)
        self.target_embedding = nn.Embedding(c.target_vocab, c.d_model, padding_idx=PAD)
        self.encoder = nn.ModuleList(Layer(c, decoder=False) for _ in range(c.layers))
        self.decoder = nn.ModuleList(Layer(c, decoder=True) for _ in range(c.layers))
        self.encoder_norm, self.decoder_norm = nn.LayerNorm(c.d_model), nn.LayerNorm(c.d_model)
        self.W_o = nn.Linear(c.d_model, c.target_vocab)
        self.dropout = nn.Dropout(c.dropout)
        start_tables(self)

    def encode(self, src: Tensor, src_mask: Tensor) -> tuple[Memory, Tensor]:
        """Read the source once; the first state (B, 0, layers, 2 d_model) is empty: no word is there.

        ``keys`` of the memory, (B, n, layers, 2 d_model), are keys and values for each layer of the decoder.
        """
        x, mask = self._embed(self.source_embedding, src, 0), src_mask[:, None, None, :]
        for layer in self.encoder:
            x, _, _ = layer(x, mask)
        states = self.encoder_norm(x)
        looks = [layer.source for layer in self.decoder.children() if isinstance(layer, Layer)]
        keys = torch.stack([look.keys_values(states) for look in looks if look is not None], dim=2)
        return Memory(states, keys, src_mask, states[:, :0].flatten(1)), keys[:, :0]

    def step(self, y_prev: Tensor, state: Tensor, memory: Memory) -> Step:
        """Go from what is written so far and y_{t-1} (ids, shape (B,)) to the scores of the next token."""
        t = state.shape[1]
        x = self._embed(self.target_embedding, y_prev.unsqueeze(1), t)
        mask = torch.ones(1, 1, 1, t + 1, dtype=torch.bool, device=x.device)
        x, new, weights = self._decode(x, mask, state, memory)
        features = self.decoder_norm(x).squeeze(1)
        grown = torch.cat([state.to(new[0].dtype), torch.stack(new, dim=2)], dim=1)
        return Step(self.logits(features), grown, features, weights.mean(dim=1).squeeze(1))

    def logits(self, features: Tensor) -> Tensor:
        """Map readout features to next-token scores (..., V)."""
        return self.W_o(features)

    def readouts(self, src: Tensor, src_mask: Tensor, tgt_in: Tensor, tgt_lengths: Sequence[int]) -> Tensor:
        """Compute all steps at once: position t looks at positions up to t; time-major, (N, d_model)."""
        memory, _ = self.encode(src, src_mask)
        m = tgt_in.shape[1]
        causal = torch.ones(m, m, dtype=torch.bool, device=src.device).tril()
        x, _, _ = self._decode(self._embed(self.target_embedding, tgt_in, 0), causal, None, memory)
        return pack_padded_sequence(self.decoder_norm(x), torch.tensor(tgt_lengths), batch_first=True).data

    def _embed(self, table: nn.Embedding, ids: Tensor, start: int) -> Tensor:
        """Return token vectors (B, n, d_model), scaled up to the size of the positions added to them."""
        d, tokens = self.config.d_model, table(ids)
        where = positions(start, ids.shape[1], d, ids.device).to(tokens.dtype)
        return self.dropout(tokens * math.sqrt(d) + where)

    def _decode(
        self, x: Tensor, mask: Tensor, past: Tensor | None, memory: Memory
    ) -> tuple[Tensor, list[Tensor], Tensor]:
        """Run the decoder; return (B, m, d), new keys and values of each layer, weights of the last one."""
        made, weights, source_mask = [], x, memory.mask[:, None, None, :]
        for k, layer in enumerate(self.decoder):
            earlier = None if past is None else past[:, :, k]
            x, new, weights = layer(x, mask, earlier, (memory.keys[:, :, k], source_mask))
            made.append(new)
        return x, made, weights
