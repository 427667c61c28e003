r"""Hand-derived gradients of the `equations` through which the NumPy decoder learns: `<name>_backward`.

L is any loss computed from what the forward function returned. A backward function takes the gradient of L
for that result first, then what the forward function saw or returned, and hands back the gradients of L for
the differentiable arguments, in their order and shapes, in units of L for each unit of the argument.
:math:`\delta_a` is short for :math:`\partial L / \partial a`. Temperature, masks and ids get no gradient.
"""

from __future__ import annotations

import numpy as np

from seq2seq_edu.equations import (
    Array,
    DecoderParams,
    GRUParams,
    _check_additive,
    _check_shape,
    _check_temperature,
    _gru_gates,
    _real_positions,
    softmax,
)


def softmax_backward(grad: Array, weights: Array, temperature: float = 1.0) -> Array:
    r"""Return the gradient for the scores of `softmax`.

    .. math:: \delta_{e_i} = \alpha_i \Big(\delta_{\alpha_i} - \sum_j \alpha_j \delta_{\alpha_j}\Big) / T

    From :math:`\alpha_j = \exp(e_j / T) / Z` follows
    :math:`\partial \alpha_j / \partial e_i = \alpha_j ([i = j] - \alpha_i) / T`; sum over j with
    :math:`\delta_{\alpha_j}`. Each row sums to 0: adding a constant to all scores changes no weight.
    The derivative of Eq. 6 of Bahdanau, Cho and Bengio (2015), arXiv:1409.0473.

    >>> softmax_backward(np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]]))
    array([[ 0.25, -0.25]])

    Parameters
    ----------
    grad, weights : arrays of shape (..., n). Gradient for the weights, and what `softmax` returned.
    temperature : float. T of the forward call.

    Returns
    -------
    grad_scores : array of shape (..., n).
    """
    _check_temperature(temperature)
    _check_shape("grad", grad, weights.shape, "one number for each weight")
    mean = (weights * grad).sum(axis=-1, keepdims=True)  # the gradient averaged with the weights themselves
    return weights * (grad - mean) / temperature


def masked_softmax_backward(grad: Array, weights: Array, temperature: float = 1.0) -> Array:
    r"""Return the gradient for the scores of `masked_softmax`; it is exactly 0 at padding.

    .. math:: \delta_{e_i} = \alpha_i \Big(\delta_{\alpha_i} - \sum_j \alpha_j \delta_{\alpha_j}\Big) / T

    The real tokens of a row are an ordinary softmax among themselves. At padding :math:`\alpha_i = 0`,
    whatever the score, so the derivative is 0; the same formula says so by its first factor. Hence no mask.
    The derivative of Eq. 6 of Bahdanau, Cho and Bengio (2015), arXiv:1409.0473. Taught in: decoder.

    >>> masked_softmax_backward(np.array([[1.0, 0.0, 8.0]]), np.array([[0.5, 0.5, 0.0]]))
    array([[ 0.25, -0.25,  0.  ]])

    Parameters
    ----------
    grad, weights : arrays of shape (..., n). Gradient, finite at padding too; what the forward call returned.
    temperature : float. T of the forward call.

    Returns
    -------
    grad_scores : array of shape (..., n).
    """
    return softmax_backward(grad, weights, temperature)


def additive_score_backward(
    grad: Array, query: Array, keys: Array, W_a: Array, U_a: Array, v_a: Array
) -> tuple[Array, Array, Array, Array, Array]:
    r"""Return the gradients for all five arguments of `additive_score`.

    .. math:: \delta_{a_i} = \delta_{e_i}\, v_a \circ (1 - \tanh^2 a_i), \quad
        a_i = W_a s_{t-1} + U_a h_i

    :math:`e_i = v_a^\top \tanh a_i` gives :math:`\delta_{v_a} = \sum_i \delta_{e_i} \tanh a_i` and, through
    :math:`\tanh' = 1 - \tanh^2`, the line above. Both sums in :math:`a_i` are linear:
    :math:`\delta_{h_i} = U_a^\top \delta_{a_i}` and :math:`\delta_{U_a} = \sum_i \delta_{a_i} h_i^\top`; the
    same :math:`s_{t-1}` stands in every :math:`a_i`, so with :math:`\delta_a = \sum_i \delta_{a_i}` it gets
    :math:`\delta_s = W_a^\top \delta_a`, and :math:`\delta_{W_a} = \delta_a s^\top`. Parameters sum over b.
    The derivative of appendix A.1.2 of Bahdanau, Cho and Bengio (2015), arXiv:1409.0473. Taught in: decoder.

    At 0 the tanh is 0 with slope 1: the query gets 5 times 2, the key 5 times 3, the parameters nothing.

    >>> zero, one = np.zeros((1, 1)), np.ones((1, 1))
    >>> grads = additive_score_backward(one, zero, zero[None], 2 * one, 3 * one, np.array([5.0]))
    >>> [g.item() for g in grads]
    [10.0, 15.0, 0.0, 0.0, 0.0]

    Parameters
    ----------
    grad : array of shape (B, n). Gradient for the scores.
    query, keys, W_a, U_a, v_a : arrays of shape (B, d_s), (B, n, d_h), (d_a, d_s), (d_a, d_h), (d_a,)

    Returns
    -------
    grad_query, grad_keys, grad_W_a, grad_U_a, grad_v_a : arrays, shaped like the five arguments
    """
    _check_additive(query, keys, W_a, U_a, v_a)
    _check_shape("grad", grad, keys.shape[:2], "one number for each score")
    hidden = np.tanh((query @ W_a.T)[:, None, :] + np.tensordot(keys, U_a, axes=(2, 1)))  # (B, n, d_a)
    grad_v_a = np.einsum("bi,bia->a", grad, hidden)
    grad_a = grad[:, :, None] * v_a * (1 - hidden**2)  # (B, n, d_a)
    grad_W_s = grad_a.sum(axis=1)  # (B, d_a): one query for all positions
    grad_U_a = np.tensordot(grad_a, keys, axes=([0, 1], [0, 1]))  # (d_a, d_h)
    grad_keys = np.tensordot(grad_a, U_a, axes=1)  # grad_a @ U_a as one large product, not B small ones
    return grad_W_s @ W_a, grad_keys, grad_W_s.T @ query, grad_U_a, grad_v_a


def context_vector_backward(grad: Array, weights: Array, values: Array) -> tuple[Array, Array]:
    r"""Return the gradients for the weights and the values of `context_vector`.

    .. math:: \delta_{\alpha_i} = \delta_c^\top h_i, \quad \delta_{h_i} = \alpha_i \delta_c

    :math:`c = \sum_i \alpha_i h_i` is linear in both. A position learns in proportion to its weight, and the
    weight of a position should grow where its state points along the wanted change of c.
    The derivative of Eq. 5 of Bahdanau, Cho and Bengio (2015), arXiv:1409.0473. Taught in: decoder.

    >>> context_vector_backward(np.array([[1.0, 2.0]]), np.array([[0.5]]), np.array([[[3.0, 4.0]]]))
    (array([[11.]]), array([[[0.5, 1. ]]]))

    Parameters
    ----------
    grad, weights, values : arrays of shape (B, d_h), (B, n), (B, n, d_h). Gradient for the context first.

    Returns
    -------
    grad_weights, grad_values : arrays of shape (B, n), (B, n, d_h)
    """
    _check_shape("values", values, (*weights.shape, "d_h"), "one vector for each weight")
    _check_shape("grad", grad, (values.shape[0], values.shape[2]), "one number for each column of the values")
    return np.einsum("bd,bid->bi", grad, values), weights[:, :, None] * grad[:, None, :]


def gru_step_backward(
    grad: Array, x: Array, state: Array, params: GRUParams
) -> tuple[Array, Array, GRUParams]:
    r"""Return the gradients for the input, the state and the parameters of `gru_step`.

    With :math:`a = W x + b` and :math:`u = U s + b'` (three gates each), :math:`r = \sigma(a_r + u_r)`,
    :math:`z = \sigma(a_z + u_z)`, :math:`n = \tanh(a_n + r \circ u_n)` and
    :math:`s' = (1 - z) \circ n + z \circ s`:

    .. math::
        \delta_{a_z} = \delta_{s'} \circ (s - n) \circ z \circ (1 - z), \quad
        \delta_{a_n} = \delta_{s'} \circ (1 - z) \circ (1 - n^2), \quad
        \delta_{a_r} = \delta_{a_n} \circ u_n \circ r \circ (1 - r)

    u has the same gradients, but :math:`\delta_{u_n} = \delta_{a_n} \circ r`. Then
    :math:`\delta_x = W^\top \delta_a` and :math:`\delta_s = U^\top \delta_u + \delta_{s'} \circ z` (the last
    term goes round the gates); :math:`\delta_W = \delta_a x^\top`, :math:`\delta_U = \delta_u s^\top`, and
    those of the biases are :math:`\delta_a` and :math:`\delta_u`: all summed over the batch.
    The derivative of the GRU of Cho et al. (2014), arXiv:1406.1078, in PyTorch's form. Taught in: decoder.

    With all parameters 0, s' = s / 2 + n / 2 with n = 0: half the gradient takes the way round the gates.

    >>> zeros = GRUParams(np.zeros((3, 1)), np.zeros((3, 1)), np.zeros(3), np.zeros(3))
    >>> one = np.ones((1, 1))
    >>> grad_x, grad_state, grad_params = gru_step_backward(one, one, one, zeros)
    >>> grad_state, grad_params.b_W
    (array([[0.5]]), array([0.  , 0.25, 0.5 ]))

    Parameters
    ----------
    grad, x, state, params : arrays of shape (B, d_s), (B, d_in), (B, d_s), and GRUParams

    Returns
    -------
    grad_x, grad_state, grad_params : arrays of shape (B, d_in), (B, d_s), and GRUParams
    """
    r, z, n, u_n = _gru_gates(x, state, params)
    _check_shape("grad", grad, state.shape, "one number for each unit of the new state")
    grad_z = grad * (state - n) * z * (1 - z)
    grad_n = grad * (1 - z) * (1 - n**2)
    grad_r = grad_n * u_n * r * (1 - r)
    grad_a = np.concatenate([grad_r, grad_z, grad_n], axis=1)  # (B, 3 d_s)
    grad_u = np.concatenate([grad_r, grad_z, grad_n * r], axis=1)  # (B, 3 d_s)
    grad_params = GRUParams(grad_a.T @ x, grad_u.T @ state, grad_a.sum(axis=0), grad_u.sum(axis=0))
    return grad_a @ params.W, grad_u @ params.U + grad * z, grad_params


def decoder_step_backward(
    grad: tuple[Array, Array | None, Array | None],
    y_embedded: Array,
    state: Array,
    encoder_states: Array,
    params: DecoderParams,
    context: Array,
    weights: Array,
) -> tuple[Array, Array, Array, DecoderParams]:
    r"""Return the gradients for all arguments of `decoder_step` but the mask.

    Walk the four equations backwards: GRU, context, softmax, score. What lies on two paths gets a sum:
    :math:`c_t` is in the GRU's input and is a result, :math:`\alpha_t` makes :math:`c_t` and is a result,
    :math:`s_{t-1}` is the GRU's old state and the query, :math:`h_i` is a value and a key:

    .. math:: \delta_{h_i} = \alpha_i \delta_c + U_a^\top \delta_{a_i}, \quad
        \delta_{s_{t-1}} = \delta_s^{\mathrm{GRU}} + W_a^\top \sum_i \delta_{a_i}

    The derivative of Eq. 4 to 6 of Bahdanau, Cho and Bengio (2015), arXiv:1409.0473. Taught in: decoder.

    With all parameters 0 the gates are half open: half of the state's gradient comes through, nothing else.

    >>> gru = GRUParams(np.zeros((3, 2)), np.zeros((3, 1)), np.zeros(3), np.zeros(3))
    >>> params = DecoderParams(np.zeros((1, 1)), np.zeros((1, 1)), np.zeros(1), gru)
    >>> one = np.ones((1, 1))
    >>> grad = (one, None, None)
    >>> grad_y, grad_s, grad_h, _ = decoder_step_backward(grad, one, one, one[None], params, one, one)
    >>> grad_y.item(), grad_s.item(), grad_h.item()
    (0.0, 0.5, 0.0)

    Parameters
    ----------
    grad : tuple of arrays of shape (B, d_s), (B, d_h), (B, n)
        For new_state, context and weights; None for the second or third: the loss does not use it directly.
    y_embedded, state, encoder_states, params : arrays (B, d_e), (B, d_s), (B, n, d_h), and DecoderParams.
    context, weights : arrays of shape (B, d_h), (B, n). As returned: the zeros of the weights tell the mask.

    Returns
    -------
    grad_y_embedded, grad_state, grad_encoder_states, grad_params : shaped like the arguments.
    """
    grad_new_state, grad_context, grad_weights = grad
    _check_shape("y_embedded", y_embedded, (state.shape[0], "d_e"), "one embedded token for each row")
    _check_shape("context", context, (state.shape[0], encoder_states.shape[-1]), "is it of this step?")
    d_e = y_embedded.shape[1]
    x = np.concatenate([y_embedded, context], axis=1)
    grad_x, grad_state, grad_gru = gru_step_backward(grad_new_state, x, state, params.gru)
    grad_c = grad_x[:, d_e:] if grad_context is None else grad_x[:, d_e:] + grad_context
    grad_alpha, grad_values = context_vector_backward(grad_c, weights, encoder_states)
    grad_alpha = grad_alpha if grad_weights is None else grad_alpha + grad_weights
    grad_scores = masked_softmax_backward(grad_alpha, weights)
    grad_query, grad_keys, grad_W_a, grad_U_a, grad_v_a = additive_score_backward(
        grad_scores, state, encoder_states, params.W_a, params.U_a, params.v_a
    )
    grad_params = DecoderParams(grad_W_a, grad_U_a, grad_v_a, grad_gru)
    return grad_x[:, :d_e], grad_state + grad_query, grad_values + grad_keys, grad_params


def cross_entropy_backward(grad: float, logits: Array, targets: Array, mask: Array) -> Array:
    r"""Return the gradient for the logits of `cross_entropy`; it is exactly 0 at padding.

    .. math:: \delta_{\mathrm{logits}_{t,k}} = \delta_L \frac{p_t(k) - [k = y_t]}{N}

    For one token :math:`-\log p(y) = \log \sum_k \exp(l_k) - l_y`; the first term has the derivative p(k),
    the second one -1 at k = y. N real tokens share the loss. It is what the model said minus what was wanted:
    nothing is left to learn where p is already right.
    The derivative of the logarithm of Eq. 2 in Bahdanau et al. (2015), arXiv:1409.0473. Taught in: decoder.

    >>> cross_entropy_backward(1.0, np.zeros((1, 1, 4)), np.array([[2]]), np.array([[True]]))
    array([[[ 0.25,  0.25, -0.75,  0.25]]])

    Parameters
    ----------
    grad : float. Gradient for the loss; 1.0 where the cross entropy is the loss.
    logits, targets, mask : arrays of shape (B, m, V), (B, m), (B, m). As in the forward call.

    Returns
    -------
    grad_logits : array of shape (B, m, V). In nats per real target token, for each unit of score.
    """
    real_logits, real_targets = _real_positions(logits, targets, mask)  # (N, V), (N,)
    N = len(real_targets)
    difference = softmax(real_logits)
    difference[np.arange(N), real_targets] -= 1
    grad_logits = np.zeros_like(logits)
    grad_logits[mask] = difference * (grad / N)
    return grad_logits
