"""Every hand-derived gradient against central finite differences and against torch.autograd, in float64.

Each case has the loss L = sum of (result times a fixed random array): every number of every result counts.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
import torch

from seq2seq_edu import equations as eq
from seq2seq_edu import gradients as gr

B, N, D_S, D_H, D_A, D_E, M, V = 2, 3, 5, 7, 11, 13, 5, 11  # distinct primes where they could be mixed up
MASK = np.array([[True, True, False], [True, True, True]])
TARGET_MASK = np.arange(M) < np.array([[3], [5]])
TARGETS = np.random.default_rng(3).integers(0, V, size=(B, M))


class Case(NamedTuple):
    """A function with its gradient, written three times over the same flat list of arrays."""

    shapes: list[tuple[int, ...]]
    forward: Callable  # arrays -> results (a tuple)
    backward: Callable  # gradients for the results, arrays, results -> gradients for the arrays
    in_torch: Callable  # tensors -> results (a tuple)


def decoder_params(p):
    """Put seven flat arrays into DecoderParams."""
    return eq.DecoderParams(*p[:3], eq.GRUParams(*p[3:]))


def flat(p):
    """Undo `decoder_params`."""
    return [*p[:3], *p.gru]


def torch_softmax(e):
    return torch.exp(e) / torch.exp(e).sum(-1, keepdim=True)


def torch_additive(s, h, W_a, U_a, v_a):
    return torch.tanh((s @ W_a.T)[:, None] + h @ U_a.T) @ v_a


def torch_decoder_step(y, s, h, W_a, U_a, v_a, *gru):
    e = torch_additive(s, h, W_a, U_a, v_a).masked_fill(~torch.from_numpy(MASK), -torch.inf)
    weights = torch.softmax(e, dim=1)
    context = torch.einsum("bi,bid->bd", weights, h)
    return torch.gru_cell(torch.cat([y, context], dim=1), s, *gru), context, weights


def torch_loss(logits):
    targets = torch.from_numpy(np.where(TARGET_MASK, TARGETS, -100))
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100)


def gru_backward(grad, arrays, _):
    grad_x, grad_state, grad_params = gr.gru_step_backward(grad[0], *arrays[:2], eq.GRUParams(*arrays[2:]))
    return grad_x, grad_state, *grad_params


def decoder_backward(grad, arrays, results):
    y, s, h, *p = arrays
    *grads, grad_params = gr.decoder_step_backward(grad, y, s, h, decoder_params(p), *results[1:])
    return *grads, *flat(grad_params)


GRU = [(3 * D_S, D_E), (3 * D_S, D_S), (3 * D_S,), (3 * D_S,)]
ADDITIVE = [(D_A, D_S), (D_A, D_H), (D_A,)]
CASES = {
    "softmax": Case(
        [(B, N)],
        lambda e: (eq.softmax(e, 0.7),),
        lambda grad, _, results: (gr.softmax_backward(grad[0], results[0], 0.7),),
        lambda e: (torch_softmax(e / 0.7),),
    ),
    "masked_softmax": Case(
        [(B, N)],
        lambda e: (eq.masked_softmax(e, MASK, 0.7),),
        lambda grad, _, results: (gr.masked_softmax_backward(grad[0], results[0], 0.7),),
        lambda e: (torch_softmax(e.masked_fill(~torch.from_numpy(MASK), -torch.inf) / 0.7),),
    ),
    "additive_score": Case(
        [(B, D_S), (B, N, D_H), *ADDITIVE],
        lambda *a: (eq.additive_score(*a),),
        lambda grad, arrays, _: gr.additive_score_backward(grad[0], *arrays),
        lambda *a: (torch_additive(*a),),
    ),
    "context_vector": Case(
        [(B, N), (B, N, D_H)],
        lambda w, h: (eq.context_vector(w, h),),
        lambda grad, arrays, _: gr.context_vector_backward(grad[0], *arrays),
        lambda w, h: (torch.einsum("bi,bid->bd", w, h),),
    ),
    "gru_step": Case(
        [(B, D_E), (B, D_S), *GRU],
        lambda x, s, *p: (eq.gru_step(x, s, eq.GRUParams(*p)),),
        gru_backward,
        lambda x, s, *p: (torch.gru_cell(x, s, *p),),
    ),
    "decoder_step": Case(
        [(B, D_E), (B, D_S), (B, N, D_H), *ADDITIVE, (3 * D_S, D_E + D_H), *GRU[1:]],
        lambda y, s, h, *p: eq.decoder_step(y, s, h, MASK, decoder_params(p)),
        decoder_backward,
        torch_decoder_step,
    ),
    "cross_entropy": Case(
        [(B, M, V)],
        lambda logits: (np.array(eq.cross_entropy(logits, TARGETS, TARGET_MASK)),),
        lambda grad, arrays, _: (gr.cross_entropy_backward(float(grad[0]), arrays[0], TARGETS, TARGET_MASK),),
        lambda logits: (torch_loss(logits),),
    ),
}


def setup(name, dtype=np.float64):
    """Return the case, random arguments, the results, and random gradients for the results."""
    case, rng = CASES[name], np.random.default_rng([0, *map(ord, name)])
    arrays = [rng.standard_normal(shape).astype(dtype) for shape in case.shapes]
    results = case.forward(*arrays)
    return case, arrays, results, tuple(rng.standard_normal(r.shape).astype(dtype) for r in results)


def test_every_gradient_has_a_case():
    functions = {name for name in vars(eq) if not name.startswith("_") and f"{name}_backward" in vars(gr)}
    assert functions == set(CASES) and len(CASES) == 7


@pytest.mark.parametrize("name", CASES)
def test_gradients_equal_finite_differences(name):
    case, arrays, results, grad = setup(name)
    step = 1e-6

    def loss():
        return sum(float((g * r).sum()) for g, r in zip(grad, case.forward(*arrays), strict=True))

    for array, ours in zip(arrays, case.backward(grad, arrays, results), strict=True):
        assert ours.shape == array.shape
        numeric = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            kept = array[index]
            array[index] = kept + step
            above = loss()
            array[index] = kept - step
            numeric[index] = (above - loss()) / (2 * step)
            array[index] = kept
        np.testing.assert_allclose(ours, numeric, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_gradients_equal_autograd(name):
    case, arrays, results, grad = setup(name)
    tensors = [torch.from_numpy(a).requires_grad_() for a in arrays]
    their_results = case.in_torch(*tensors)
    for ours, theirs in zip(results, their_results, strict=True):
        np.testing.assert_allclose(ours, theirs.detach(), atol=1e-12)
    their_grads = torch.autograd.grad(their_results, tensors, [torch.from_numpy(np.asarray(g)) for g in grad])
    for ours, theirs in zip(case.backward(grad, arrays, results), their_grads, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradients_keep_the_dtype_and_the_arguments(name, dtype):
    case, arrays, results, grad = setup(name, dtype)
    before = [a.copy() for a in (*arrays, *results, *grad)]
    assert all(g.dtype == dtype for g in case.backward(grad, arrays, results))
    for old, new in zip(before, (*arrays, *results, *grad), strict=True):
        np.testing.assert_array_equal(new, old)


def test_softmax_gradient_rows_sum_to_zero():
    _, _, (weights,), (grad,) = setup("softmax")
    np.testing.assert_allclose(gr.softmax_backward(grad, weights).sum(axis=1), 0, atol=1e-15)


def test_softmax_gradient_is_the_jacobian():
    """One row of the Jacobian diag(p) - p p^T for each one-hot gradient."""
    p = eq.softmax(np.random.default_rng(0).standard_normal(7))
    jacobian = np.stack([gr.softmax_backward(one_hot, p) for one_hot in np.eye(7)])
    np.testing.assert_allclose(jacobian, np.diag(p) - np.outer(p, p), atol=1e-15)


def test_masked_softmax_gradient_is_exactly_zero_at_padding():
    _, _, (weights,), (grad,) = setup("masked_softmax")
    grad_scores = gr.masked_softmax_backward(grad, weights)
    assert (grad_scores[~MASK] == 0.0).all() and (grad_scores[MASK] != 0.0).all()


def test_decoder_step_gradient_never_looks_at_padding():
    _, (y, s, h, *p), results, grad = setup("decoder_step")
    *ours, grad_params = gr.decoder_step_backward(grad, y, s, h, decoder_params(p), *results[1:])
    padded_h = np.concatenate([h, np.full((B, 7, D_H), 1e3)], axis=1)
    padded_mask = np.concatenate([MASK, np.full((B, 7), False)], axis=1)
    _, context, weights = eq.decoder_step(y, s, padded_h, padded_mask, decoder_params(p))
    padded_grad = grad[0], grad[1], np.concatenate([grad[2], np.ones((B, 7))], axis=1)
    *padded, padded_params = gr.decoder_step_backward(
        padded_grad, y, s, padded_h, decoder_params(p), context, weights
    )
    assert (padded[2][:, N:] == 0.0).all() and (ours[2][~MASK] == 0.0).all()
    padded[2] = padded[2][:, :N]
    for old, new in zip([*ours, *flat(grad_params)], [*padded, *flat(padded_params)], strict=True):
        np.testing.assert_allclose(new, old, atol=1e-12)


def test_decoder_step_gradient_reads_none_as_zero():
    _, (y, s, h, *p), (_, context, weights), grad = setup("decoder_step")
    for given in [(grad[0], None, None), (grad[0], grad[1], None), (grad[0], None, grad[2])]:
        zeros = tuple(np.zeros_like(g) if part is None else part for g, part in zip(grad, given, strict=True))
        one = gr.decoder_step_backward(given, y, s, h, decoder_params(p), context, weights)
        other = gr.decoder_step_backward(zeros, y, s, h, decoder_params(p), context, weights)
        for a, b in zip([*one[:3], *flat(one[3])], [*other[:3], *flat(other[3])], strict=True):
            np.testing.assert_array_equal(a, b)


def test_cross_entropy_gradient_is_what_was_said_minus_what_was_wanted():
    _, (logits,), _, _ = setup("cross_entropy")
    grad = gr.cross_entropy_backward(1.0, logits, TARGETS, TARGET_MASK)
    expected = (eq.softmax(logits) - np.eye(V)[TARGETS]) / 8  # 3 + 5 real tokens
    np.testing.assert_allclose(grad[TARGET_MASK], expected[TARGET_MASK], atol=1e-15)
    assert (grad[~TARGET_MASK] == 0.0).all()
    np.testing.assert_allclose(grad.sum(axis=-1), 0, atol=1e-15)


def test_gradients_through_a_whole_sentence_equal_autograd():
    """Five decoder steps in a row, an output layer on [state; context], and the loss on real tokens."""
    rng = np.random.default_rng(5)
    _, (_, s_0, h, *p), _, _ = setup("decoder_step")
    ys, W_o = rng.standard_normal((B, M, D_E)), rng.standard_normal((V, D_S + D_H))
    params, states, outputs = decoder_params(p), [s_0], []
    for t in range(M):
        outputs.append(eq.decoder_step(ys[:, t], states[-1], h, MASK, params))
        states.append(outputs[-1][0])
    joined = np.stack([np.concatenate(o[:2], axis=1) for o in outputs], axis=1)  # (B, m, d_s + d_h)
    logits = joined @ W_o.T

    grad_joined = gr.cross_entropy_backward(1.0, logits, TARGETS, TARGET_MASK) @ W_o
    grad_state, grad_h, grad_p, grad_ys = np.zeros_like(s_0), np.zeros_like(h), [0.0] * 7, []
    for t in reversed(range(M)):
        grad = grad_state + grad_joined[:, t, :D_S], grad_joined[:, t, D_S:], None
        grad_y, grad_state, step_h, step_p = gr.decoder_step_backward(
            grad, ys[:, t], states[t], h, params, *outputs[t][1:]
        )
        grad_h, grad_p = grad_h + step_h, [a + b for a, b in zip(grad_p, flat(step_p), strict=True)]
        grad_ys.insert(0, grad_y)

    tensors = [torch.from_numpy(a).requires_grad_() for a in (ys, s_0, h, *p)]
    state, rows = tensors[1], []
    for t in range(M):
        state, context, _ = torch_decoder_step(tensors[0][:, t], state, *tensors[2:])
        rows.append(torch.cat([state, context], dim=1))
    loss = torch_loss(torch.stack(rows, dim=1) @ torch.from_numpy(W_o).T)
    assert eq.cross_entropy(logits, TARGETS, TARGET_MASK) == pytest.approx(loss.item(), abs=1e-12)
    ours = [np.stack(grad_ys, axis=1), grad_state, grad_h, *grad_p]
    for a, b in zip(ours, torch.autograd.grad(loss, tensors), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in CASES if name != "cross_entropy"])
def test_gradients_refuse_a_wrong_shape(name):
    case, arrays, results, grad = setup(name)
    with pytest.raises(ValueError, match="expected .* of shape .*, got"):
        case.backward(tuple(g[..., None] for g in grad), arrays, results)
    for k in range(len(arrays) if "softmax" not in name else 0):  # softmax needs only its result
        bad = [a[:-1] if j == k else a for j, a in enumerate(arrays)]
        with pytest.raises(ValueError, match="expected .* of shape .*, got"):
            case.backward(grad, bad, results)


def test_cross_entropy_gradient_refuses_what_cross_entropy_refuses():
    logits = np.zeros((B, M, V))
    with pytest.raises(eq.NoRealTokenError, match="no row"):
        gr.cross_entropy_backward(1.0, logits, TARGETS, np.full((B, M), False))
    with pytest.raises(ValueError, match=r"expected targets of shape \(2, 5\), got \(2, 4\)"):
        gr.cross_entropy_backward(1.0, logits, TARGETS[:, :-1], TARGET_MASK)
