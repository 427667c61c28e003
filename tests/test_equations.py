"""Every function of `equations` against its printed formula in scalar loops, its properties, and PyTorch.

The sizes are different primes, so that a swapped axis cannot fit by luck.
"""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2seq_edu import equations as eq

B, N, D_S, D_H, D_A, D_E = 2, 3, 5, 7, 11, 13  # batch, source length, decoder, encoder, attention, embedding
M, V = 5, 11  # target length, vocabulary
SCORES = [(eq.dot_score, 0), (eq.scaled_dot_score, 0), (eq.general_score, 1), (eq.additive_score, 3)]


def normal(*shape, seed=0, dtype=np.float64):
    """Return standard normal numbers; the shape is part of the seed, so two arrays are never alike."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)


def gru_params(d_in, d_s, seed=1, dtype=np.float64):
    shapes = [(3 * d_s, d_in), (3 * d_s, d_s), (3 * d_s,), (3 * d_s,)]
    return eq.GRUParams(*(normal(*shape, seed=seed + k, dtype=dtype) for k, shape in enumerate(shapes)))


def decoder_params(seed=2, dtype=np.float64):
    attention = [normal(*shape, seed=seed, dtype=dtype) for shape in [(D_A, D_S), (D_A, D_H), (D_A,)]]
    return eq.DecoderParams(*attention, gru_params(D_E + D_H, D_S, seed, dtype))


def score_arguments(score, dtype=np.float64):
    """Return query, keys and parameters that fit the score; the two dot scores need equal widths."""
    if score in (eq.dot_score, eq.scaled_dot_score):
        return [normal(B, D_S, dtype=dtype), normal(B, N, D_S, dtype=dtype)]
    both = [normal(B, D_S, dtype=dtype), normal(B, N, D_H, dtype=dtype)]
    if score is eq.general_score:
        return [*both, normal(D_S, D_H, dtype=dtype)]
    return [*both, normal(D_A, D_S, dtype=dtype), normal(D_A, D_H, dtype=dtype), normal(D_A, dtype=dtype)]


def torch_tensors(*arrays):
    return [torch.from_numpy(a) for a in arrays]


# softmax


def test_softmax_equals_the_printed_formula():
    e = normal(B, N)
    weights = eq.softmax(e, temperature=0.7)
    for t in range(B):
        for i in range(N):
            total = sum(math.exp(e[t, j] / 0.7) for j in range(N))
            assert weights[t, i] == pytest.approx(math.exp(e[t, i] / 0.7) / total, abs=1e-12)


def test_softmax_by_hand():
    np.testing.assert_allclose(eq.softmax(np.log([1.0, 2.0, 5.0])), [1 / 8, 2 / 8, 5 / 8])


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    row=st.lists(st.floats(-50, 50), min_size=1, max_size=11),
    shift=st.floats(-1e3, 1e3),
    temperature=st.floats(0.1, 10),
)
def test_softmax_is_a_distribution_and_ignores_a_shift(row, shift, temperature):
    e = np.array([row])
    weights = eq.softmax(e, temperature)
    assert weights.sum() == pytest.approx(1) and (weights >= 0).all()
    np.testing.assert_allclose(eq.softmax(e + shift, temperature), weights, atol=1e-9)
    np.testing.assert_allclose(weights, torch.softmax(torch.from_numpy(e / temperature), dim=-1), atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_extremes_do_not_overflow(dtype):
    e = np.array([[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4], [1e4, 1e4, -1e4]], dtype=dtype)
    expected = [[1, 0, 0], [1 / 3, 1 / 3, 1 / 3], [1 / 2, 1 / 2, 0]]
    np.testing.assert_allclose(eq.softmax(e), expected, rtol=1e-6)


def test_softmax_temperature_limits():
    e = np.array([[0.0, 1.0, 3.0, 2.0]])
    np.testing.assert_allclose(eq.softmax(e, 1e-3), [[0, 0, 1, 0]], atol=1e-12)  # towards argmax
    np.testing.assert_allclose(eq.softmax(e, 1e9), [[1 / 4] * 4], atol=1e-8)  # towards uniform
    weights = [eq.softmax(e, t) for t in (0.1, 0.5, 1.0, 2.0, 10.0)]
    entropies = [float(-(w * np.log(w)).sum()) for w in weights]
    assert entropies == sorted(entropies) and entropies[0] < entropies[-1] < math.log(4)


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan, math.inf])
def test_temperature_must_be_above_zero(temperature):
    with pytest.raises(ValueError, match="temperature above 0"):
        eq.softmax(np.zeros((1, 2)), temperature)
    with pytest.raises(ValueError, match="temperature above 0"):
        eq.masked_softmax(np.zeros((1, 2)), np.ones((1, 2), dtype=bool), temperature)


@pytest.mark.parametrize("shape", [(), (0,), (2, 0)])
def test_softmax_of_no_scores_is_an_error(shape):
    with pytest.raises(ValueError, match="empty source"):
        eq.softmax(np.zeros(shape))


# masked softmax


def test_masked_softmax_is_softmax_of_the_real_tokens():
    e, mask = normal(B, 7), np.arange(7) < np.array([[3], [5]])
    weights = eq.masked_softmax(e, mask, temperature=0.7)
    for row, length in enumerate((3, 5)):
        np.testing.assert_allclose(weights[row, :length], eq.softmax(e[row, :length], 0.7), atol=1e-15)
        assert (weights[row, length:] == 0.0).all()  # exactly


def test_masked_softmax_sums_to_one_for_any_mask():
    mask = np.random.default_rng(0).random((11, 7)) < 0.4
    mask[:, 2] = True
    weights = eq.masked_softmax(normal(11, 7), mask)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert (weights[~mask] == 0.0).all() and (weights[mask] > 0).all()


def test_masked_softmax_with_everything_real_is_softmax():
    e = normal(B, N)
    np.testing.assert_array_equal(eq.masked_softmax(e, np.full((B, N), True)), eq.softmax(e))


@pytest.mark.parametrize("junk", [0.0, 1e4, -1e4, np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("extra", [1, 40])
def test_masked_softmax_never_looks_at_padding(junk, extra):
    e = normal(B, N)
    padded = np.concatenate([e, np.full((B, extra), junk)], axis=1)
    weights = eq.masked_softmax(padded, np.arange(N + extra) < np.full((B, 1), N))
    np.testing.assert_allclose(weights[:, :N], eq.softmax(e), rtol=1e-15)
    assert (weights[:, N:] == 0.0).all()


def test_masked_softmax_extremes_do_not_overflow():
    e = np.array([[1e4, -1e4, 0.0, 1e4], [1e4, -1e4, -1e4, 1e4]], dtype=np.float32)
    mask = np.array([[True, True, True, False], [False, True, True, False]])
    np.testing.assert_array_equal(eq.masked_softmax(e, mask), [[1, 0, 0, 0], [0, 0.5, 0.5, 0]])


def test_masked_softmax_names_the_row_without_a_real_token():
    mask = np.full((5, N), True)
    mask[3] = False
    with pytest.raises(eq.NoRealTokenError, match="row 3: empty sentence, or an inverted mask"):
        eq.masked_softmax(np.zeros((5, N)), mask)
    assert issubclass(eq.NoRealTokenError, ValueError)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.ones((B, N)), "expected a bool mask, True = real token, got float64"),
        (np.full((N, B), True), r"expected mask of shape \(2, 3\), got \(3, 2\)"),
    ],
)
def test_masked_softmax_bad_masks(mask, message):
    with pytest.raises(ValueError, match=message):
        eq.masked_softmax(np.zeros((B, N)), mask)


# scores


def test_dot_score_equals_the_printed_formula():
    s, h = score_arguments(eq.dot_score)
    loops = [[sum(s[b, k] * h[b, i, k] for k in range(D_S)) for i in range(N)] for b in range(B)]
    np.testing.assert_allclose(eq.dot_score(s, h), loops)


def test_scaled_dot_score_equals_the_printed_formula():
    s, h = score_arguments(eq.scaled_dot_score)
    loops = [[sum(s[b, k] * h[b, i, k] for k in range(D_S)) for i in range(N)] for b in range(B)]
    np.testing.assert_allclose(eq.scaled_dot_score(s, h), np.array(loops) / math.sqrt(D_S))


def test_scaled_dot_score_with_softmax_equals_torch_attention():
    """The three together are `scaled_dot_product_attention` (its bool mask: True = keep, as here)."""
    s, h, mask = normal(B, D_S), normal(B, N, D_S), np.array([[True, True, False], [True, True, True]])
    context = eq.context_vector(eq.masked_softmax(eq.scaled_dot_score(s, h), mask), h)
    q, k, m = torch_tensors(s, h, mask)
    theirs = torch.nn.functional.scaled_dot_product_attention(q[:, None], k, k, attn_mask=m[:, None])
    np.testing.assert_allclose(context, theirs[:, 0], atol=1e-12)


def test_scaled_dot_score_keeps_the_variance_near_one():
    for d in (4, 64, 1024):
        query, keys = normal(2000, d), normal(2000, 1, d)
        assert eq.scaled_dot_score(query, keys).var() == pytest.approx(1, rel=0.15)
        assert eq.dot_score(query, keys).var() == pytest.approx(d, rel=0.15)


def test_general_score_equals_the_printed_formula():
    s, h, W_a = score_arguments(eq.general_score)
    for b in range(B):
        for i in range(N):
            e = sum(s[b, j] * W_a[j, k] * h[b, i, k] for j in range(D_S) for k in range(D_H))
            assert eq.general_score(s, h, W_a)[b, i] == pytest.approx(e)


def test_general_score_with_the_identity_is_dot_score():
    s, h = score_arguments(eq.dot_score)
    np.testing.assert_allclose(eq.general_score(s, h, np.eye(D_S)), eq.dot_score(s, h))


def test_additive_score_equals_the_printed_formula():
    s, h, W_a, U_a, v_a = score_arguments(eq.additive_score)
    scores = eq.additive_score(s, h, W_a, U_a, v_a)
    for b in range(B):
        for i in range(N):
            e = 0.0
            for a in range(D_A):
                from_query = sum(W_a[a, k] * s[b, k] for k in range(D_S))
                from_key = sum(U_a[a, k] * h[b, i, k] for k in range(D_H))
                e += v_a[a] * math.tanh(from_query + from_key)
            assert scores[b, i] == pytest.approx(e)


def test_additive_score_needs_its_tanh_to_hear_the_query():
    s, h, W_a, U_a, v_a = score_arguments(eq.additive_score)
    other = normal(B, D_S, seed=9)

    def without_tanh(query):
        return eq.softmax(((query @ W_a.T)[:, None, :] + h @ U_a.T) @ v_a)

    def with_tanh(query):
        return eq.softmax(eq.additive_score(query, h, W_a, U_a, v_a))

    np.testing.assert_allclose(without_tanh(s), without_tanh(other), atol=1e-12)
    assert np.abs(with_tanh(s) - with_tanh(other)).max() > 1e-3


@pytest.mark.parametrize(("score", "_"), SCORES)
def test_scores_move_with_the_source_positions(score, _):
    s, h, *parameters = score_arguments(score)
    order = [2, 0, 1]
    permuted = score(s, h[:, order], *parameters)
    np.testing.assert_allclose(permuted, score(s, h, *parameters)[:, order])


@pytest.mark.parametrize(("score", "_"), SCORES)
def test_scores_of_a_batch_are_those_of_its_rows(score, _):
    s, h, *parameters = score_arguments(score)
    rows = [score(s[b : b + 1], h[b : b + 1], *parameters) for b in range(B)]
    np.testing.assert_allclose(score(s, h, *parameters), np.concatenate(rows), atol=1e-12)


@pytest.mark.parametrize(("score", "parameters"), SCORES)
def test_scores_refuse_a_wrong_shape_in_any_argument(score, parameters):
    good = score_arguments(score)
    assert len(good) == 2 + parameters
    for k in range(len(good)):
        bad = list(good)
        bad[k] = good[k][:-1]  # one row of the batch, or one row of a parameter, is missing
        with pytest.raises(ValueError, match="expected .* of shape .*, got"):
            score(*bad)
        bad[k] = good[k][..., None]
        with pytest.raises(ValueError, match="expected .* of shape .*, got"):
            score(*bad)


def test_score_errors_say_what_was_expected_what_came_and_why():
    s, h, W_a, U_a, v_a = score_arguments(eq.additive_score)
    with pytest.raises(ValueError, match=r"expected W_a of shape \(11, 5\), got \(11, 7\): .*swapped"):
        eq.additive_score(s, h, U_a, W_a, v_a)
    with pytest.raises(ValueError, match=r"expected keys of shape \(2, n, d_h\), got \(3, 2, 7\): .*batch"):
        eq.additive_score(s, h.swapaxes(0, 1), W_a, U_a, v_a)
    with pytest.raises(ValueError, match=r"expected keys of shape \(2, n, 5\), got \(2, 3, 7\): .*general"):
        eq.dot_score(s, h)


# context vector


def test_context_vector_equals_the_printed_formula():
    weights, h = eq.softmax(normal(B, N)), normal(B, N, D_H)
    loops = [[sum(weights[b, i] * h[b, i, k] for i in range(N)) for k in range(D_H)] for b in range(B)]
    np.testing.assert_allclose(eq.context_vector(weights, h), loops)


def test_context_vector_stays_between_the_smallest_and_the_largest_state():
    weights, h = eq.softmax(normal(11, 7)), normal(11, 7, 5)
    context = eq.context_vector(weights, h)
    assert (h.min(axis=1) <= context).all() and (context <= h.max(axis=1)).all()


def test_context_vector_of_one_hot_weights_is_that_state():
    h = normal(B, N, D_H)
    np.testing.assert_array_equal(eq.context_vector(np.eye(N)[[2, 0]], h), h[[0, 1], [2, 0]])


def test_context_vector_does_not_depend_on_the_order_of_positions():
    weights, h, order = eq.softmax(normal(B, N)), normal(B, N, D_H), [2, 0, 1]
    permuted = eq.context_vector(weights[:, order], h[:, order])
    np.testing.assert_allclose(permuted, eq.context_vector(weights, h))


def test_context_vector_refuses_wrong_shapes():
    weights, h = normal(B, N), normal(B, N, D_H)
    for bad in (h.swapaxes(0, 1), h[:, :-1], h[0]):
        with pytest.raises(ValueError, match=r"expected values of shape \(2, 3, d_h\), got"):
            eq.context_vector(weights, bad)
    with pytest.raises(ValueError, match="expected weights of shape"):
        eq.context_vector(weights[0], h)


# GRU and decoder step


def test_gru_step_equals_the_printed_formula():
    x, s, p = normal(B, D_E), normal(B, D_S), gru_params(D_E, D_S)
    new = eq.gru_step(x, s, p)

    def sigmoid(a):
        return 1 / (1 + math.exp(-a))

    for b in range(B):
        for k in range(D_S):
            gates = [k, D_S + k, 2 * D_S + k]  # rows of r, z, n
            from_x = [sum(p.W[g, j] * x[b, j] for j in range(D_E)) + p.b_W[g] for g in gates]
            from_s = [sum(p.U[g, j] * s[b, j] for j in range(D_S)) + p.b_U[g] for g in gates]
            r, z = sigmoid(from_x[0] + from_s[0]), sigmoid(from_x[1] + from_s[1])
            n = math.tanh(from_x[2] + r * from_s[2])
            assert new[b, k] == pytest.approx((1 - z) * n + z * s[b, k])


def torch_gru_cell(p):
    """Return torch.nn.GRUCell with the same parameters."""
    cell = torch.nn.GRUCell(p.W.shape[1], p.U.shape[1], dtype=torch.float64)
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    cell.load_state_dict(dict(zip(names, torch_tensors(*p), strict=True)))
    return cell


def test_gru_step_equals_torch():
    x, s, p = normal(B, D_E), normal(B, D_S), gru_params(D_E, D_S)
    theirs = torch_gru_cell(p)(*torch_tensors(x, s)).detach()
    np.testing.assert_allclose(eq.gru_step(x, s, p), theirs, atol=1e-12)


def test_gru_step_extremes_do_not_overflow():
    p = gru_params(D_E, D_S)
    for huge in (1e4, -1e4):
        new = eq.gru_step(np.full((B, D_E), huge), np.zeros((B, D_S)), p)
        assert np.isfinite(new).all() and (np.abs(new) <= 1).all()


def test_gru_step_refuses_a_wrong_shape_in_any_argument():
    x, s, p = normal(B, D_E), normal(B, D_S), gru_params(D_E, D_S)
    bad_parameters = [p._replace(**{name: getattr(p, name)[:-1]}) for name in p._fields]
    for arguments in [(x[:-1], s, p), (x, s[:-1], p), (x[:, :-1], s, p), (x, s[:, :-1], p)]:
        with pytest.raises(ValueError, match="expected .* of shape .*, got"):
            eq.gru_step(*arguments)
    for name, bad in zip(p._fields, bad_parameters, strict=True):
        with pytest.raises(ValueError, match=f"expected {name} of shape"):
            eq.gru_step(x, s, bad)


def decoder_arguments(dtype=np.float64):
    mask = np.array([[True, True, False], [True, True, True]])
    arrays = [normal(B, D_E, dtype=dtype), normal(B, D_S, dtype=dtype), normal(B, N, D_H, dtype=dtype)]
    return [*arrays, mask, decoder_params(dtype=dtype)]


def test_decoder_step_is_its_four_equations():
    y, s, h, mask, p = decoder_arguments()
    new_state, context, weights = eq.decoder_step(y, s, h, mask, p)
    for b, length in enumerate((2, 3)):
        e = [sum(p.v_a * np.tanh(p.W_a @ s[b] + p.U_a @ h[b, i])) for i in range(length)]
        alpha = [math.exp(x) / sum(math.exp(o) for o in e) for x in e]
        c = sum(alpha[i] * h[b, i] for i in range(length))
        np.testing.assert_allclose(weights[b], [*alpha, 0.0][:N], atol=1e-12)
        np.testing.assert_allclose(context[b], c)
        joined = np.concatenate([y[b], c])[None]
        np.testing.assert_allclose(new_state[b], eq.gru_step(joined, s[b : b + 1], p.gru)[0])


def test_decoder_step_equals_torch():
    y, s, h, mask, p = decoder_arguments()
    ty, ts, th, tm, W_a, U_a, v_a = torch_tensors(y, s, h, mask, p.W_a, p.U_a, p.v_a)
    linear = torch.nn.functional.linear
    e = torch.tanh(linear(ts, W_a)[:, None] + linear(th, U_a)) @ v_a
    weights = torch.softmax(e.masked_fill(~tm, -torch.inf), dim=1)
    context = torch.bmm(weights[:, None], th)[:, 0]
    new_state = torch_gru_cell(p.gru)(torch.cat([ty, context], dim=1), ts).detach()
    for ours, theirs in zip(eq.decoder_step(y, s, h, mask, p), (new_state, context, weights), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize("extra", [1, 40])
def test_decoder_step_never_looks_at_padding(extra):
    y, s, h, mask, p = decoder_arguments()
    junk = 1e4 * normal(B, extra, D_H, seed=8)
    padded = np.concatenate([h, junk], axis=1), np.concatenate([mask, np.full((B, extra), False)], axis=1)
    new_state, context, weights = eq.decoder_step(y, s, h, mask, p)
    padded_state, padded_context, padded_weights = eq.decoder_step(y, s, *padded, p)
    np.testing.assert_allclose(padded_state, new_state, atol=1e-12)
    np.testing.assert_allclose(padded_context, context, atol=1e-12)
    np.testing.assert_allclose(padded_weights[:, :N], weights, atol=1e-12)
    assert (padded_weights[:, N:] == 0.0).all()


def test_decoder_step_uses_each_of_its_inputs():
    good = decoder_arguments()
    before = eq.decoder_step(*good)[0]
    for k in range(3):
        changed = list(good)
        changed[k] = good[k] + 0.1 * normal(*good[k].shape, seed=5)
        assert np.abs(eq.decoder_step(*changed)[0] - before).max() > 1e-4


def test_decoder_step_keeps_the_rows_of_a_batch_apart():
    y, s, h, mask, p = decoder_arguments()
    before = eq.decoder_step(y, s, h, mask, p)
    y, s, h = y.copy(), s.copy(), h.copy()
    y[0] += 1
    s[0] += 1
    h[0] += 1
    for old, new in zip(before, eq.decoder_step(y, s, h, mask, p), strict=True):
        np.testing.assert_allclose(new[1], old[1], atol=1e-12)
        assert np.abs(new[0] - old[0]).max() > 1e-4


def test_decoder_step_refuses_wrong_shapes():
    y, s, h, mask, p = decoder_arguments()
    with pytest.raises(ValueError, match=r"expected y_embedded of shape \(2, d_e\)"):
        eq.decoder_step(y[:-1], s, h, mask, p)
    with pytest.raises(ValueError, match=r"expected W of shape .*context"):
        eq.decoder_step(y[:, :-1], s, h, mask, p)
    with pytest.raises(eq.NoRealTokenError, match="row 1"):
        eq.decoder_step(y, s, h, mask & np.array([[True], [False]]), p)


# cross entropy


def loss_arguments(dtype=np.float64):
    targets = np.random.default_rng(3).integers(0, V, size=(B, M))
    return normal(B, M, V, dtype=dtype), targets, np.arange(M) < np.array([[3], [5]])


def test_cross_entropy_equals_the_printed_formula():
    logits, y, mask = loss_arguments()
    surprises = []
    for b in range(B):
        for t in range(M):
            if mask[b, t]:
                total = sum(math.exp(logits[b, t, k]) for k in range(V))
                surprises.append(-math.log(math.exp(logits[b, t, y[b, t]]) / total))
    assert len(surprises) == 8
    assert eq.cross_entropy(logits, y, mask) == pytest.approx(sum(surprises) / 8)


def test_cross_entropy_equals_torch_with_ignore_index():
    logits, y, mask = loss_arguments()
    flat_logits, flat_y = torch_tensors(logits.reshape(-1, V), np.where(mask, y, -100).reshape(-1))
    theirs = torch.nn.functional.cross_entropy(flat_logits, flat_y, ignore_index=-100)
    assert eq.cross_entropy(logits, y, mask) == pytest.approx(theirs.item(), abs=1e-12)


def test_cross_entropy_of_an_even_guess_is_log_v():
    _, y, mask = loss_arguments()
    assert eq.cross_entropy(np.zeros((B, M, V)), y, mask) == pytest.approx(math.log(V))


@pytest.mark.parametrize("junk", [0.0, 1e4, np.nan])
def test_cross_entropy_never_looks_at_padding(junk):
    logits, y, mask = loss_arguments()
    padded_logits = np.concatenate([logits, np.full((B, 7, V), junk)], axis=1)
    padded_y = np.concatenate([y, np.full((B, 7), -1)], axis=1)
    padded_mask = np.concatenate([mask, np.full((B, 7), False)], axis=1)
    before = eq.cross_entropy(logits, y, mask)
    assert eq.cross_entropy(padded_logits, padded_y, padded_mask) == pytest.approx(before, abs=1e-12)


def test_cross_entropy_ignores_a_shift_and_survives_extremes():
    logits, y, mask = loss_arguments()
    shifted = logits + 1e4 * normal(B, M, 1)
    assert eq.cross_entropy(shifted, y, mask) == pytest.approx(eq.cross_entropy(logits, y, mask), abs=1e-8)
    sure = np.where(np.arange(V) == y[..., None], 1e4, -1e4)
    assert eq.cross_entropy(sure, y, mask) == 0.0
    assert eq.cross_entropy(-sure, y, mask) == pytest.approx(2e4 + math.log(V - 1))


def test_cross_entropy_errors():
    logits, y, mask = loss_arguments()
    with pytest.raises(eq.NoRealTokenError, match="no row of the mask"):
        eq.cross_entropy(logits, y, np.full_like(mask, False))
    with pytest.raises(ValueError, match="expected targets from 0 to 10, got 11: ids of another vocabulary"):
        eq.cross_entropy(logits, np.where(mask, 11, 0), mask)
    with pytest.raises(ValueError, match="expected targets from 0 to 10, got -1"):
        eq.cross_entropy(logits, np.full_like(y, -1), mask)
    with pytest.raises(ValueError, match="expected integer ids as targets, got float64"):
        eq.cross_entropy(logits, y.astype(float), mask)
    with pytest.raises(ValueError, match=r"expected targets of shape \(2, 5\), got \(5, 2\)"):
        eq.cross_entropy(logits, y.T, mask)
    with pytest.raises(ValueError, match="expected a bool mask"):
        eq.cross_entropy(logits, y, mask.astype(int))


# all of them


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_results_keep_the_dtype(dtype):
    y, s, h, mask, _ = decoder_arguments(dtype)
    e = normal(B, N, dtype=dtype)
    results = [eq.softmax(e, 0.5), eq.masked_softmax(e, mask, 0.5), eq.context_vector(e, h)]
    results += [score(*score_arguments(score, dtype)) for score, _ in SCORES]
    results.append(eq.gru_step(y, s, gru_params(D_E, D_S, 1, dtype)))
    results += eq.decoder_step(*decoder_arguments(dtype))
    assert [r.dtype for r in results] == [dtype] * len(results)
    assert type(eq.cross_entropy(*loss_arguments(dtype))) is float


def test_no_function_changes_its_arguments():
    calls = [(eq.softmax, [normal(B, N)]), (eq.masked_softmax, [normal(B, N), np.full((B, N), True)])]
    calls += [(score, score_arguments(score)) for score, _ in SCORES]
    calls += [(eq.decoder_step, decoder_arguments()), (eq.cross_entropy, list(loss_arguments()))]
    for function, arguments in calls:
        arrays = [a for a in arguments if isinstance(a, np.ndarray)]
        before = [a.copy() for a in arrays]
        function(*arguments)
        for old, new in zip(before, arrays, strict=True):
            np.testing.assert_array_equal(new, old)
