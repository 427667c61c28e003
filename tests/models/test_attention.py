"""Modules: equal to the NumPy equations, blind to padding, and true to the order of their paper.

Sizes are odd and different (two directions need an even width), so no swapped axis fits by luck.
"""

import copy
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from seq2seq_edu import equations
from seq2seq_edu.models import ATTENTIONS, Attention, DecoderStep, Encoder, Memory

SCORES = ("additive", "dot", "general", "scaled")
ALL = ("none", *SCORES)
GRU_PARTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
B, m, n, d_e, d_h, d_s, d_a = 3, 2, 7, 5, 10, 3, 11
LENGTHS = torch.tensor([7, 4, 1])
MASK = torch.arange(n) < LENGTHS.unsqueeze(1)


def make(kind: str) -> Attention:
    """Build an attention in float64; plain dot needs states of equal width."""
    torch.manual_seed(0)
    return ATTENTIONS[kind](d_h if kind == "dot" else d_s, d_h, d_a).double()


def look(attention: Attention, seed: int = 1, mask: Tensor = MASK) -> tuple[Tensor, Tensor, Memory]:
    """Draw queries (B, m, d_s) and encoder states; return both and the memory."""
    g = torch.Generator().manual_seed(seed)
    width = d_h if type(attention) is ATTENTIONS["dot"] else d_s
    query = torch.randn(B, m, width, dtype=torch.float64, generator=g)
    states = torch.randn(B, n, d_h, dtype=torch.float64, generator=g)
    final = torch.randn(B, d_h, dtype=torch.float64, generator=g)
    return query, states, attention.memory(states, mask, final)


def scores_in_numpy(attention: Attention, kind: str, query: np.ndarray, states: np.ndarray) -> np.ndarray:
    """Score one query a row (B, d_s) by the printed equation with the parameters of the module."""
    p = {name.split(".")[0]: value.detach().numpy() for name, value in attention.named_parameters()}
    if kind == "additive":
        return equations.additive_score(query, states, p["W_a"], p["U_a"], p["v_a"][0])
    if kind == "dot":
        return equations.dot_score(query, states)
    if kind == "general":
        return equations.general_score(query, states, p["W_a"].reshape(d_s, d_h))
    return equations.scaled_dot_score(query @ p["W_a"].T, states @ p["U_a"].T)


# Attention


@pytest.mark.parametrize("kind", SCORES)
def test_weights_sum_to_one_over_real_tokens_and_are_zero_elsewhere(kind: str) -> None:
    attention = make(kind)
    query, _, memory = look(attention)
    context, weights = attention(query, memory)
    assert context.shape == (B, m, d_h) and weights.shape == (B, m, n)
    real = MASK.unsqueeze(1).expand_as(weights)
    assert (weights[~real] == 0).all() and (weights[real] > 0).all()
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(B, m, dtype=torch.float64))


@pytest.mark.parametrize("kind", SCORES)
def test_attention_equals_the_equations(kind: str) -> None:
    attention = make(kind)
    query, states, memory = look(attention)
    context, weights = attention(query, memory)
    for t in range(m):
        scores = scores_in_numpy(attention, kind, query[:, t].numpy(), states.numpy())
        expected = equations.masked_softmax(scores, MASK.numpy())
        np.testing.assert_allclose(weights[:, t].detach().numpy(), expected, atol=1e-6, rtol=0)
        by_hand = equations.context_vector(expected, states.numpy())
        np.testing.assert_allclose(context[:, t].detach().numpy(), by_hand, atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", ALL)
def test_one_query_equals_its_row_of_many(kind: str) -> None:
    attention = make(kind)
    query, _, memory = look(attention)
    together = attention(query, memory)
    for t in range(m):
        for one, many in zip(attention(query[:, t], memory), together, strict=True):
            if many is not None:
                torch.testing.assert_close(one, many[:, t])


@pytest.mark.parametrize("kind", ALL)
def test_what_stands_under_the_mask_changes_nothing(kind: str) -> None:
    attention = make(kind)
    query, states, memory = look(attention)
    garbage = torch.where(MASK.unsqueeze(2), states, 1e4)
    other = attention.memory(garbage, MASK, memory.final_state)
    torch.testing.assert_close(attention(query, other), attention(query, memory), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", SCORES)
def test_weights_follow_the_source_when_its_words_change_places(kind: str) -> None:
    attention = make(kind)
    query, states, memory = look(attention, mask=torch.ones(B, n, dtype=torch.bool))
    order = torch.tensor([4, 0, 6, 1, 5, 2, 3])
    context, weights = attention(query, memory)
    moved = attention.memory(states[:, order], memory.mask, memory.final_state)
    context_moved, weights_moved = attention(query, moved)
    torch.testing.assert_close(weights_moved, weights[:, :, order])
    torch.testing.assert_close(context_moved, context)
    assert weights.std(dim=-1).min() > 1e-3  # equal weights would follow anything


@pytest.mark.parametrize("kind", SCORES)
def test_another_query_gets_other_weights(kind: str) -> None:
    attention = make(kind)
    query, _, memory = look(attention)
    _, weights = attention(query, memory)
    _, others = attention(-2 * query, memory)
    assert (weights - others)[0].abs().max() > 1e-2


def test_dot_and_scaled_equal_the_product_attention_of_pytorch() -> None:
    query, states, memory = look(make("dot"))
    keep = MASK.unsqueeze(1)  # here True = attend, as in ours
    ours, _ = make("dot")(query, memory)
    torch.testing.assert_close(
        ours, F.scaled_dot_product_attention(query, states, states, attn_mask=keep, scale=1.0)
    )
    scaled = make("scaled")
    query, states, memory = look(scaled)
    ours, _ = scaled(query, memory)
    q, k = query @ scaled.W_a.weight.T, states @ scaled.U_a.weight.T
    torch.testing.assert_close(ours, F.scaled_dot_product_attention(q, k, states, attn_mask=keep))


def test_no_attention_gives_the_final_state_to_every_step() -> None:
    attention = make("none")
    query, _, memory = look(attention)
    context, weights = attention(query, memory)
    assert weights is None and context.shape == (B, m, d_h)
    assert all(torch.equal(context[:, t], memory.final_state) for t in range(m))


@pytest.mark.parametrize("kind", SCORES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
def test_long_and_peaky_scores_stay_finite(kind: str, dtype: torch.dtype) -> None:
    attention, long = make(kind), 1009
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter.mul_(30)
    attention.to(dtype)
    g = torch.Generator().manual_seed(2)
    query = torch.randn(B, m, d_h if kind == "dot" else d_s, generator=g).mul(30).to(dtype).requires_grad_()
    states = torch.randn(B, long, d_h, generator=g).to(dtype).requires_grad_()
    mask = torch.arange(long) < torch.tensor([long, 997, 1]).unsqueeze(1)
    context, weights = attention(query, attention.memory(states, mask, states[:, 0]))
    assert context.dtype == dtype and weights.dtype == torch.float32
    assert weights.max() > 0.9 and context.isfinite().all()
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(B, m))
    (context.float() ** 2).sum().backward()
    for tensor in (query, states, *attention.parameters()):
        assert tensor.grad.isfinite().all()


@pytest.mark.parametrize("kind", SCORES)
def test_gradients_of_attention_against_finite_differences(kind: str) -> None:
    attention = make(kind)
    query, states, memory = look(attention)
    inputs = (query.requires_grad_(), states.requires_grad_())

    def both(query: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
        return attention(query, attention.memory(states, MASK, memory.final_state))

    assert torch.autograd.gradcheck(both, inputs, eps=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", ALL)
def test_nothing_is_kept_on_the_modules(kind: str) -> None:
    torch.manual_seed(0)
    attention = make(kind)
    query, states, memory = look(attention)
    step = DecoderStep(d_e, d_h, query.shape[2], attention).double()
    encoder = Encoder(d_e, d_h).double()
    before = [copy.deepcopy(list(vars(part))) for part in (attention, step, encoder)]
    step(torch.zeros(B, d_e, dtype=torch.float64), query[:, 0], memory)
    encoder(torch.zeros(B, n, d_e, dtype=torch.float64), MASK)
    assert [list(vars(part)) for part in (attention, step, encoder)] == before
    assert not list(attention.buffers())


def test_rows_of_a_memory() -> None:
    _, _, memory = look(make("additive"))
    picked = memory.rows(torch.tensor([2, 0]))
    for part, whole in zip(picked, memory, strict=True):
        assert torch.equal(part, whole[[2, 0]])
    assert memory.rows(slice(2)).values.data_ptr() == memory.values.data_ptr()


def test_widths_that_cannot_work_are_refused() -> None:
    with pytest.raises(ValueError, match="d_s = d_h; got 3 and 10"):
        ATTENTIONS["dot"](3, 10, 5)
    with pytest.raises(ValueError, match="even d_h, one half a direction; got 7"):
        Encoder(d_e, 7)
    one_way = Encoder(d_e, 7, bidirectional=False)
    assert one_way(torch.zeros(2, 3, d_e), torch.ones(2, 3) > 0)[1].shape == (2, 7)


# Encoder


def read(embedded: Tensor, bidirectional: bool = True, mask: Tensor = MASK) -> tuple[Tensor, Tensor]:
    """Encode with an encoder of seed 0, in float64."""
    torch.manual_seed(0)
    with torch.no_grad():
        return Encoder(d_e, d_h, bidirectional).double()(embedded, mask)


def words(seed: int = 3) -> Tensor:
    """Draw embedded source tokens (B, n, d_e)."""
    return torch.randn(B, n, d_e, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("bidirectional", [False, True])
def test_encoder_equals_gru_steps_in_every_direction(bidirectional: bool) -> None:
    torch.manual_seed(0)
    encoder, embedded = Encoder(d_e, d_h, bidirectional).double(), words()
    states, final = (x.detach().numpy() for x in encoder(embedded, MASK))
    p = {name: value.detach().numpy() for name, value in encoder.gru.named_parameters()}
    width = d_h // (1 + bidirectional)
    for b, length in enumerate(LENGTHS.tolist()):
        last = []
        for k, suffix in enumerate(["", "_reverse"][: 1 + bidirectional]):
            parts = (p[f"{name}_l0{suffix}"] for name in GRU_PARTS)
            params, state = equations.GRUParams(*parts), np.zeros((1, width))
            for i in range(length)[:: -1 if k else 1]:
                state = equations.gru_step(embedded[b : b + 1, i].numpy(), state, params)
                half = states[b, i, k * width : (k + 1) * width]
                np.testing.assert_allclose(half, state[0], atol=1e-6, rtol=0)
            last.append(state[0])
        np.testing.assert_allclose(final[b], np.concatenate(last), atol=1e-6, rtol=0)
        assert (states[b, length:] == 0).all()


def test_final_state_is_taken_at_the_last_real_token() -> None:
    states, final = read(words(), bidirectional=False)
    for b, length in enumerate(LENGTHS.tolist()):
        assert torch.equal(final[b], states[b, length - 1])
    both, final = read(words())
    for b, length in enumerate(LENGTHS.tolist()):
        assert torch.equal(final[b, : d_h // 2], both[b, length - 1, : d_h // 2])
        assert torch.equal(final[b, d_h // 2 :], both[b, 0, d_h // 2 :])


def test_backward_half_of_the_first_state_knows_the_last_word_and_the_forward_half_does_not() -> None:
    embedded, changed = words(), words()
    changed[0, n - 1] += 1.0
    (states, _), (others, _) = read(embedded), read(changed)
    moved = (states - others)[0, 0].abs()
    assert moved[: d_h // 2].max() == 0 and moved[d_h // 2 :].min() > 0
    (states, _), (others, _) = read(embedded, bidirectional=False), read(changed, bidirectional=False)
    assert torch.equal(states[0, : n - 1], others[0, : n - 1])


def test_rows_of_the_encoder_know_nothing_of_each_other() -> None:
    embedded, changed = words(), words()
    changed[0] += 1.0
    for before, after in zip(read(embedded), read(changed), strict=True):
        assert torch.equal(before[1:], after[1:]) and not torch.allclose(before[0], after[0])


def test_order_of_the_rows_is_kept() -> None:
    order = torch.tensor([2, 0, 1])  # shortest first, which packing does not like
    for straight, moved in zip(read(words()), read(words()[order], mask=MASK[order]), strict=True):
        torch.testing.assert_close(moved, straight[order])


def test_padding_is_never_read() -> None:
    garbage = torch.where(MASK.unsqueeze(2), words(), math.nan)
    wide = torch.cat([garbage, torch.full((B, 5, d_e), math.inf, dtype=torch.float64)], dim=1)
    mask = torch.cat([MASK, torch.zeros(B, 5, dtype=torch.bool)], dim=1)
    (states, final), (wide_states, wide_final) = read(words()), read(wide, mask=mask)
    assert torch.equal(wide_states[:, :n], states) and torch.equal(wide_final, final)
    assert (wide_states[:, n:] == 0).all()


# Decoder step


def test_decoder_step_equals_the_equations_in_the_order_of_bahdanau() -> None:
    attention = make("additive")
    query, states, memory = look(attention)
    step, embedded = DecoderStep(d_e, d_h, d_s, attention).double(), words()[:, 0]
    gru = equations.GRUParams(*(getattr(step.gru, k).detach().numpy() for k in GRU_PARTS))
    p = [getattr(attention, k).weight.detach().numpy() for k in ("W_a", "U_a", "v_a")]
    params = equations.DecoderParams(p[0], p[1], p[2][0], gru)
    expected = equations.decoder_step(
        embedded.numpy(), query[:, 0].numpy(), states.numpy(), MASK.numpy(), params
    )
    for ours, by_hand in zip(step(embedded, query[:, 0], memory), expected, strict=True):
        np.testing.assert_allclose(ours.detach().numpy(), by_hand, atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", ["dot", "general", "scaled"])
def test_decoder_step_equals_the_equations_in_the_order_of_luong(kind: str) -> None:
    attention = make(kind)
    query, states, memory = look(attention)
    step, embedded = DecoderStep(d_e, d_h, query.shape[2], attention).double(), words()[:, 0]
    gru = equations.GRUParams(*(getattr(step.gru, k).detach().numpy() for k in GRU_PARTS))
    state, context, weights = (x.detach().numpy() for x in step(embedded, query[:, 0], memory))
    s_t = equations.gru_step(embedded.numpy(), query[:, 0].numpy(), gru)
    np.testing.assert_allclose(state, s_t, atol=1e-6, rtol=0)
    scores = scores_in_numpy(attention, kind, s_t, states.numpy())  # the new state asks
    expected = equations.masked_softmax(scores, MASK.numpy())
    np.testing.assert_allclose(weights, expected, atol=1e-6, rtol=0)
    np.testing.assert_allclose(context, equations.context_vector(expected, states.numpy()), atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", SCORES)
def test_previous_token_moves_the_weights_in_the_order_of_luong_only(kind: str) -> None:
    attention = make(kind)
    query, _, memory = look(attention)
    step, embedded = DecoderStep(d_e, d_h, query.shape[2], attention).double(), words()[:, 0]
    _, _, weights = step(embedded, query[:, 0], memory)
    _, _, others = step(embedded + 1, query[:, 0], memory)
    assert torch.equal(weights, others) is (kind == "additive")
