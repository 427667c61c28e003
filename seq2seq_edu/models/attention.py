"""The parts of the PyTorch model: an encoder, five ways to look at its states, one decoder step.

Nothing here keeps anything on ``self`` between calls: what a step needs is in its arguments, and what it
finds is in its result. The same equations in NumPy are in :mod:`seq2seq_edu.equations`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Memory(NamedTuple):
    """Hold all that the decoder may look at; made once for each source sentence.

    ``values`` (B, n, d_h) are the encoder states, ``keys`` the same states as the score wants them
    (projected once, not once a step), ``mask`` (B, n) is True at real tokens and ``final_state`` (B, d_h)
    is the encoder's last state.
    """

    values: Tensor
    keys: Tensor
    mask: Tensor
    final_state: Tensor

    def rows(self, index: slice | Tensor) -> Memory:
        """Return the memory of some sentences of the batch (a slice makes a view, not a copy)."""
        return Memory(self.values[index], self.keys[index], self.mask[index], self.final_state[index])


class Attention(nn.Module):
    r"""Turn scores into weights and weights into a context; subclasses say only how to score.

    .. math::

        \alpha_{t,i} = \frac{\exp(e_{t,i})}{\sum_{j=1}^n \exp(e_{t,j})}, \qquad
        c_t = \sum_{i=1}^n \alpha_{t,i} h_i

    ``query_state`` names the decoder state that asks: "previous" is s_{t-1} (Bahdanau), "current" is s_t
    (Luong). Padding is masked before the softmax, and the softmax runs in float32 at least.
    """

    query_state = "current"

    def keys(self, encoder_states: Tensor) -> Tensor:
        """Return the encoder states (B, n, d_h) as the score wants them."""
        return encoder_states

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """Score queries (B, m, d_s) against keys (B, n, .): shape (B, m, n)."""
        raise NotImplementedError

    def memory(self, encoder_states: Tensor, mask: Tensor, final_state: Tensor) -> Memory:
        """Do once what would be the same at every decoder step."""
        return Memory(encoder_states, self.keys(encoder_states), mask, final_state)

    def forward(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor | None]:
        """Look at the source with one decoder state, or with all of them at once.

        Parameters
        ----------
        query : Tensor of shape (B, d_s) or (B, m, d_s)
            Decoder state, or states.
        memory : Memory
            From :meth:`memory`.

        Returns
        -------
        context : Tensor of shape (B, d_h) or (B, m, d_h)
            c_t, a weighted mean of the encoder states.
        weights : Tensor of shape (B, n) or (B, m, n), or None where there is no attention
            Sum to 1 over real tokens, exactly 0 elsewhere; float32 (float64 in a float64 model).
        """
        if query.dim() == 2:
            context, weights = self.forward(query.unsqueeze(1), memory)
            return context.squeeze(1), None if weights is None else weights.squeeze(1)
        scores = self.scores(query, memory.keys).masked_fill(~memory.mask.unsqueeze(1), -math.inf)
        exact = torch.promote_types(scores.dtype, torch.float32)  # half precision is too coarse for a sum
        weights = torch.softmax(scores, dim=-1, dtype=exact)  # over source positions
        return weights.to(memory.values.dtype) @ memory.values, weights


class AdditiveAttention(Attention):
    r"""Score with a network of one tanh layer; the query is the previous state.

    .. math:: e_{t,i} = v_a^\top \tanh(W_a s_{t-1} + U_a h_i)

    References
    ----------
    Bahdanau, Cho and Bengio (2015), arXiv:1409.0473, appendix A.1.2. Taught in: attention_weights.
    """

    query_state = "previous"

    def __init__(self, d_s: int, d_h: int, d_a: int) -> None:
        super().__init__()
        self.W_a = nn.Linear(d_s, d_a, bias=False)
        self.U_a = nn.Linear(d_h, d_a, bias=False)
        self.v_a = nn.Linear(d_a, 1, bias=False)

    def keys(self, encoder_states: Tensor) -> Tensor:
        """Return U_a h_i, which no decoder step changes."""
        return self.U_a(encoder_states)

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """Score queries (B, m, d_s) against keys U_a h_i (B, n, d_a)."""
        hidden = torch.tanh(self.W_a(query).unsqueeze(2) + keys.unsqueeze(1))  # (B, m, n, d_a)
        return self.v_a(hidden).squeeze(-1)


class DotAttention(Attention):
    r"""Score by the dot product; states of encoder and decoder have one width.

    .. math:: e_{t,i} = s_t^\top h_i

    Raises
    ------
    ValueError
        If d_s and d_h differ.

    References
    ----------
    Luong, Pham and Manning (2015), arXiv:1508.04025, section 3.1.
    """

    def __init__(self, d_s: int, d_h: int, d_a: int) -> None:
        super().__init__()
        if d_s != d_h:
            raise ValueError(f"dot attention multiplies s_t by h_i, so d_s = d_h; got {d_s} and {d_h}")

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """Score queries (B, m, d_s) against keys h_i (B, n, d_h)."""
        return query @ keys.transpose(1, 2)


class GeneralAttention(DotAttention):
    r"""Score by a bilinear form, so that the widths may differ.

    .. math:: e_{t,i} = s_t^\top W_a h_i

    References
    ----------
    Luong, Pham and Manning (2015), arXiv:1508.04025, section 3.1.
    """

    def __init__(self, d_s: int, d_h: int, d_a: int) -> None:
        super().__init__(d_s, d_s, d_a)
        self.W_a = nn.Linear(d_h, d_s, bias=False)

    def keys(self, encoder_states: Tensor) -> Tensor:
        """Return W_a h_i."""
        return self.W_a(encoder_states)


class ScaledDotAttention(DotAttention):
    r"""Score by the dot product of two projections, divided by the root of their width.

    .. math:: e_{t,i} = \frac{(W_a s_t)^\top (U_a h_i)}{\sqrt{d_a}}

    References
    ----------
    Vaswani et al. (2017), arXiv:1706.03762, Eq. 1.
    """

    def __init__(self, d_s: int, d_h: int, d_a: int) -> None:
        super().__init__(d_a, d_a, d_a)
        self.W_a = nn.Linear(d_s, d_a, bias=False)
        self.U_a = nn.Linear(d_h, d_a, bias=False)

    def keys(self, encoder_states: Tensor) -> Tensor:
        """Return U_a h_i."""
        return self.U_a(encoder_states)

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """Score queries (B, m, d_s) against keys U_a h_i (B, n, d_a)."""
        return super().scores(self.W_a(query) / math.sqrt(keys.shape[-1]), keys)  # first: fp16 ends at 65504


class NoAttention(Attention):
    r"""Give every step the same context, the last encoder state: the model before attention.

    .. math:: c_t = h_n

    References
    ----------
    Cho et al. (2014), arXiv:1406.1078. Taught in: why_attention.
    """

    query_state = "previous"

    def __init__(self, d_s: int, d_h: int, d_a: int) -> None:
        super().__init__()

    def forward(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor | None]:
        """Return the final state, whatever the query, and no weights."""
        if query.dim() == 2:
            return memory.final_state, None
        return memory.final_state.unsqueeze(1).expand(-1, query.shape[1], -1), None


ATTENTIONS: dict[str, type[AdditiveAttention] | type[DotAttention] | type[NoAttention]] = {
    "none": NoAttention,
    "additive": AdditiveAttention,
    "dot": DotAttention,
    "general": GeneralAttention,
    "scaled": ScaledDotAttention,
}
