"""Attention in PyTorch: one class a score, which says its name and title, who asks, and what it costs.

A subclass of :class:`Attention` with a ``name`` is all that a new score needs: command line, tables, cost
widget and bench find it in ``ATTENTIONS``. Nothing is kept on ``self`` between calls. NumPy: ``equations``.
"""

from __future__ import annotations

import math
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

ATTENTIONS: dict[str, type[Attention]] = {}  # by name, in the order of the classes below


class Memory(NamedTuple):
    """Hold all that the decoder may look at; made once for each source sentence."""

    values: Tensor  # (B, n, d_h), the encoder states
    keys: Tensor  # (B, n, .), the same states as the score wants them: projected once, not once a step
    mask: Tensor  # (B, n), True at real tokens
    final_state: Tensor  # (B, d_h), the encoder's last state

    def rows(self, index: slice | Tensor) -> Memory:
        """Return the memory of some sentences of the batch (a slice makes a view, not a copy)."""
        return Memory(*(part[index] for part in self))


class Cost(NamedTuple):
    """What a score asks for; a multiplication comes with its addition."""

    query: int = 0  # multiplications of a query alone, at every step: W_a s_t
    look: int = 0  # of a query with one source position, which adds its part to the context
    key: int = 0  # of one source position, once a sentence: U_a h_i
    parameters: int = 0  # that every step reads
    floats: int = 0  # that every step reads of one source position: its key and its value


class Attention(nn.Module):
    r"""Turn scores into weights and weights into a context; a subclass says how to score.

    .. math::
        \alpha_{t,i} = \frac{\exp(e_{t,i})}{\sum_{j=1}^n \exp(e_{t,j})}, \qquad
        c_t = \sum_{i=1}^n \alpha_{t,i} h_i

    Padding is masked before the softmax, and the softmax runs in float32 at least.
    """

    name: ClassVar[str]  # on the command line and in records
    title: ClassVar[str]  # in tables and figures
    query_state: str = "current"  # who asks: s_t (Luong), or "previous", s_{t-1} (Bahdanau)
    one_width: ClassVar[bool] = False  # whether d_s and d_h must be equal

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "name" in vars(cls):
            ATTENTIONS[cls.name] = cls

    def __init__(self, d_s: int, d_h: int, d_a: int) -> None:
        super().__init__()
        if self.one_width and d_s != d_h:
            raise ValueError(f"{self.title} multiplies s_t by h_i, so d_s = d_h; got {d_s} and {d_h}")

    @staticmethod
    def cost(d_s: int, d_h: int, d_a: int) -> Cost:
        """Count what the score asks for, by formula."""
        raise NotImplementedError

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
        """Look at the source with one decoder state (B, d_s), or with all of them at once (B, m, d_s).

        The context has shape (B, d_h) or (B, m, d_h). The weights, (B, n) or (B, m, n), sum to 1 over real
        tokens and are exactly 0 elsewhere; float32 (float64 in a float64 model); None without attention.
        """
        if query.dim() == 2:
            context, weights = self.forward(query.unsqueeze(1), memory)
            return context.squeeze(1), None if weights is None else weights.squeeze(1)
        scores = self.scores(query, memory.keys).masked_fill(~memory.mask.unsqueeze(1), -math.inf)
        exact = torch.promote_types(scores.dtype, torch.float32)  # half precision is too coarse for a sum
        weights = torch.softmax(scores, dim=-1, dtype=exact)  # over source positions
        return weights.to(memory.values.dtype) @ memory.values, weights


class NoAttention(Attention):
    r"""Give every step the same context, the last encoder state: the model before attention.

    .. math:: c_t = h_n

    Cho et al. (2014), arXiv:1406.1078.
    """

    name, title, query_state = "none", "no attention", "previous"

    @staticmethod
    def cost(d_s: int, d_h: int, d_a: int) -> Cost:
        """Count nothing: a step never looks back."""
        return Cost()

    def forward(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor | None]:
        """Return the final state, whatever the query, and no weights."""
        if query.dim() == 2:
            return memory.final_state, None
        return memory.final_state.unsqueeze(1).expand(-1, query.shape[1], -1), None


class DotAttention(Attention):
    r"""Score by the dot product; states of encoder and decoder have one width.

    .. math:: e_{t,i} = s_t^\top h_i

    Luong, Pham and Manning (2015), arXiv:1508.04025, section 3.1.
    """

    name, title, one_width = "dot", "dot attention", True

    @staticmethod
    def cost(d_s: int, d_h: int, d_a: int) -> Cost:
        """Count the looks alone: the keys are the values."""
        return Cost(look=2 * d_h, floats=d_h)

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """Score queries (B, m, d_s) against keys h_i (B, n, d_h)."""
        return query @ keys.transpose(1, 2)


class GeneralAttention(DotAttention):
    r"""Score by a bilinear form, so that the widths may differ.

    .. math:: e_{t,i} = s_t^\top W_a h_i

    Luong, Pham and Manning (2015), arXiv:1508.04025, section 3.1.
    """

    name, title, one_width = "general", "general attention", False

    def __init__(self, d_s: int, d_h: int, d_a: int) -> None:
        super().__init__(d_s, d_h, d_a)
        self.W_a = nn.Linear(d_h, d_s, bias=False)

    @staticmethod
    def cost(d_s: int, d_h: int, d_a: int) -> Cost:
        """Count W_a h_i once a sentence."""
        return Cost(look=d_s + d_h, key=d_h * d_s, floats=d_s + d_h)

    def keys(self, encoder_states: Tensor) -> Tensor:
        """Return W_a h_i."""
        return self.W_a(encoder_states)


class ScaledDotAttention(DotAttention):
    r"""Score by the dot product of two projections, divided by the root of their width.

    .. math:: e_{t,i} = \frac{(W_a s_t)^\top (U_a h_i)}{\sqrt{d_a}}

    Vaswani et al. (2017), arXiv:1706.03762, Eq. 1.
    """

    name, title, one_width = "scaled", "scaled dot attention", False

    def __init__(self, d_s: int, d_h: int, d_a: int) -> None:
        super().__init__(d_s, d_h, d_a)
        self.W_a = nn.Linear(d_s, d_a, bias=False)
        self.U_a = nn.Linear(d_h, d_a, bias=False)

    @staticmethod
    def cost(d_s: int, d_h: int, d_a: int) -> Cost:
        """Count W_a s_t once a step, U_a h_i once a sentence."""
        return Cost(d_s * d_a, d_a + d_h, d_h * d_a, parameters=d_s * d_a, floats=d_a + d_h)

    def keys(self, encoder_states: Tensor) -> Tensor:
        """Return U_a h_i."""
        return self.U_a(encoder_states)

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """Score queries (B, m, d_s) against keys U_a h_i (B, n, d_a)."""
        return super().scores(self.W_a(query) / math.sqrt(keys.shape[-1]), keys)  # first: fp16 ends at 65504


class AdditiveAttention(Attention):
    r"""Score with a network of one tanh layer; the query is the previous state.

    .. math:: e_{t,i} = v_a^\top \tanh(W_a s_{t-1} + U_a h_i)

    Bahdanau, Cho and Bengio (2015), arXiv:1409.0473, appendix A.1.2. Taught in: attention_weights.
    """

    name, title, query_state = "additive", "additive attention", "previous"

    def __init__(self, d_s: int, d_h: int, d_a: int) -> None:
        super().__init__(d_s, d_h, d_a)
        self.W_a = nn.Linear(d_s, d_a, bias=False)
        self.U_a = nn.Linear(d_h, d_a, bias=False)
        self.v_a = nn.Linear(d_a, 1, bias=False)

    @staticmethod
    def cost(d_s: int, d_h: int, d_a: int) -> Cost:
        """Count W_a s once a step, U_a h_i once a sentence, v_a at every look."""
        return Cost(d_s * d_a, d_a + d_h, d_h * d_a, parameters=d_s * d_a + d_a, floats=d_a + d_h)

    def keys(self, encoder_states: Tensor) -> Tensor:
        """Return U_a h_i, which no decoder step changes."""
        return self.U_a(encoder_states)

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """Score queries (B, m, d_s) against keys U_a h_i (B, n, d_a)."""
        hidden = torch.tanh(self.W_a(query).unsqueeze(2) + keys.unsqueeze(1))  # (B, m, n, d_a)
        return self.v_a(hidden).squeeze(-1)
