r"""The equations of book section 2.3.2 in NumPy: one printed equation, one function, in the order taught.

The symbols are the book's: scores :math:`e_{t,i}`, weights :math:`\alpha_{t,i}`, context :math:`c_t`,
decoder state :math:`s_t`, encoder states :math:`h_i`, source positions i = 1 .. n, target steps t = 1 .. m.
Arrays are batch-first and keep their dtype. A mask is bool, True = real token. `notation.md` has the table.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class NoRealTokenError(ValueError):
    """A row of the mask has no real token, so there is nothing that its weights could sum to 1 over."""


class GRUParams(NamedTuple):
    """Parameters of `gru_step`; the rows of the three gates lie below each other in the order r, z, n."""

    W: Array  # (3 d_s, d_in), meets the input; `weight_ih` of torch.nn.GRUCell
    U: Array  # (3 d_s, d_s), meets the state; `weight_hh`
    b_W: Array  # (3 d_s,), `bias_ih`
    b_U: Array  # (3 d_s,), `bias_hh`


class DecoderParams(NamedTuple):
    """Parameters of `decoder_step`: those of `additive_score`, and a GRU."""

    W_a: Array  # (d_a, d_s)
    U_a: Array  # (d_a, d_h)
    v_a: Array  # (d_a,)
    gru: GRUParams  # reads [embedding; context], in this order: d_in = d_e + d_h


def softmax(scores: Array, temperature: float = 1.0) -> Array:
    r"""Turn the scores of each row (the last axis) into positive weights that sum to 1.

    .. math:: \alpha_{t,i} = \frac{\exp(e_{t,i} / T)}{\sum_{j=1}^{n} \exp(e_{t,j} / T)}

    Book 2.3.2.3.1, first equation, with T = 1. The largest score of the row is taken off first: numerator and
    denominator shrink by the same factor, so nothing changes except that `exp` can no longer overflow.
    Bahdanau, Cho and Bengio (2015), arXiv:1409.0473, Eq. 6. Taught in: attention_weights.

    >>> softmax(np.log([1.0, 2.0, 5.0])).round(3)
    array([0.125, 0.25 , 0.625])

    Parameters
    ----------
    scores : array of shape (..., n). Finite real numbers, without a unit.
    temperature : float. T > 0; towards 0 the largest score takes all, towards infinity all weights are equal.

    Returns
    -------
    weights : array of shape (..., n). Between 0 and 1; every row sums to 1.
    """
    _check_temperature(temperature)
    if scores.ndim == 0 or scores.shape[-1] == 0:
        raise ValueError(f"expected scores of shape (..., n >= 1), got {scores.shape}: empty source?")
    shifted = scores - scores.max(axis=-1, keepdims=True)  # all <= 0, so exp cannot overflow
    e = np.exp(shifted / temperature)
    return e / e.sum(axis=-1, keepdims=True)  # Eq. 6


def masked_softmax(scores: Array, mask: Array, temperature: float = 1.0) -> Array:
    r"""Turn scores into weights over the real tokens only; padding gets exactly 0.

    .. math:: \alpha_{t,i} = \frac{\exp(e_{t,i} / T)}{\sum_{j\ \mathrm{real}} \exp(e_{t,j} / T)}
        \ \text{ where } i \text{ is real, else } 0

    Book 2.3.2.3.1, first equation: there n is the length of one sentence, here that of the longest one in the
    batch. The mask goes in before the division; after it, the rows would no longer sum to 1.
    Bahdanau, Cho and Bengio (2015), arXiv:1409.0473, Eq. 6. Taught in: attention_weights.

    >>> scores, mask = np.log([[1.0, 2.0, 5.0]]), np.array([[True, True, False]])
    >>> masked_softmax(scores, mask).round(3)
    array([[0.333, 0.667, 0.   ]])

    Parameters
    ----------
    scores : array of shape (..., n). Finite at real tokens; padding is never looked at, not even NaN.
    mask : bool array of shape (..., n). True = real token, False = padding.
    temperature : float. T > 0, as in `softmax`.

    Returns
    -------
    weights : array of shape (..., n). Between 0 and 1, exactly 0 at padding; every row sums to 1.
    """
    _check_temperature(temperature)
    _check_mask(mask, scores.shape)
    has_real = mask.any(axis=-1)
    if not has_real.all():
        row = ", ".join(str(k) for k in np.argwhere(~has_real)[0])
        raise NoRealTokenError(
            f"expected a real token in every row, got none in row {row}: empty sentence, or an inverted mask?"
        )
    return softmax(np.where(mask, scores, -np.inf), temperature)  # exp(-inf) is exactly 0


def dot_score(query: Array, keys: Array) -> Array:
    r"""Score one decoder state against every encoder state by their inner product.

    .. math:: e_{t,i} = s^\top h_i

    Book 2.3.2.3.1, one choice of a in :math:`e_{t,i} = a(s_{t-1}, h_i)`. In its paper the query s is the
    current state :math:`s_t`; in the book and in Bahdanau et al. it is the previous one, :math:`s_{t-1}`.
    Luong, Pham and Manning (2015), arXiv:1508.04025, section 3.1, "dot". Taught in: attention_weights.

    >>> dot_score(np.array([[1.0, 2.0]]), np.array([[[3.0, 0.0], [0.0, 4.0], [1.0, 1.0]]]))
    array([[3., 8., 3.]])

    Parameters
    ----------
    query, keys : arrays of shape (B, d_s), (B, n, d_s). The decoder state that asks; h_1 .. h_n, as wide.

    Returns
    -------
    scores : array of shape (B, n). Any real number; larger is a better match. Not masked, not normalised.
    """
    _check_shape("query", query, ("B", "d_s"), "one decoder state for each row of the batch")
    B, d_s = query.shape
    _check_shape("keys", keys, (B, "n", d_s), "a dot product needs equal B and width; general_score does not")
    return np.einsum("bd,bid->bi", query, keys)


def scaled_dot_score(query: Array, keys: Array) -> Array:
    r"""Score by the inner product divided by the square root of its width.

    .. math:: e_{t,i} = \frac{s^\top h_i}{\sqrt{d_s}}

    Book 2.3.2.3.1, one choice of a. A sum of d_s products of independent numbers of mean 0 and variance 1
    has variance d_s; the root brings it back to 1, so that width alone does not make the softmax peaky.
    Vaswani et al. (2017), arXiv:1706.03762, Eq. 1 before its softmax. Taught in: attention_weights.

    >>> query = np.array([[1.0, 2.0, 0.0, 0.0]])
    >>> scaled_dot_score(query, np.array([[[3.0, 0.0, 9.0, 9.0], [0.0, 4.0, 9.0, 9.0]]]))
    array([[1.5, 4. ]])

    Parameters
    ----------
    query, keys : arrays of shape (B, d_s), (B, n, d_s). The decoder state that asks; h_1 .. h_n, as wide.

    Returns
    -------
    scores : array of shape (B, n). Any real number; larger is a better match. Not masked, not normalised.
    """
    return dot_score(query, keys) / math.sqrt(query.shape[1])


def general_score(query: Array, keys: Array, W_a: Array) -> Array:
    r"""Score through a learned matrix, so that the two states may have different widths.

    .. math:: e_{t,i} = s^\top W_a h_i

    Book 2.3.2.3.1, one choice of a. With :math:`W_a = I` it is `dot_score`.
    Luong, Pham and Manning (2015), arXiv:1508.04025, section 3.1, "general". Taught in: attention_weights.

    >>> W_a = np.array([[1.0, 0.0, 2.0], [0.0, 1.0, 0.0]])
    >>> general_score(np.array([[1.0, 2.0]]), np.array([[[3.0, 0.0, 1.0], [0.0, 4.0, 0.0]]]), W_a)
    array([[5., 8.]])

    Parameters
    ----------
    query, keys, W_a : arrays of shape (B, d_s), (B, n, d_h), (d_s, d_h). Who asks; h_1 .. h_n; parameter.

    Returns
    -------
    scores : array of shape (B, n). Any real number; larger is a better match. Not masked, not normalised.
    """
    _check_query_keys(query, keys)
    d_s, d_h = query.shape[1], keys.shape[2]
    _check_shape("W_a", W_a, (d_s, d_h), "rows meet the query, columns the keys; is it transposed?")
    return dot_score(query @ W_a, keys)


def additive_score(query: Array, keys: Array, W_a: Array, U_a: Array, v_a: Array) -> Array:
    r"""Score one decoder state against every encoder state with a one-layer MLP.

    .. math:: e_{t,i} = v_a^\top \tanh(W_a s_{t-1} + U_a h_i)

    Book 2.3.2.3.1, :math:`e_{t,i} = a(s_{t-1}, h_i)` as its paper has it. Without the tanh the query would
    add the same number to every score, and the softmax would cancel it: the weights would ignore the query.
    Bahdanau, Cho and Bengio (2015), arXiv:1409.0473, appendix A.1.2. Taught in: attention_weights.

    >>> one = np.ones((1, 1))
    >>> additive_score(np.zeros((1, 1)), np.array([[[0.0], [1.0]]]), one, one, np.ones(1)).round(4)
    array([[0.    , 0.7616]])

    Parameters
    ----------
    query, keys : arrays of shape (B, d_s), (B, n, d_h). Previous decoder state, s_{t-1}; h_1 .. h_n.
    W_a, U_a, v_a : arrays of shape (d_a, d_s), (d_a, d_h), (d_a,). Parameters; d_a hidden units.

    Returns
    -------
    scores : array of shape (B, n). Any real number; larger is a better match. Not masked, not normalised.
    """
    _check_additive(query, keys, W_a, U_a, v_a)
    s = query @ W_a.T  # (B, d_a)
    h = keys @ U_a.T  # (B, n, d_a)
    return np.tanh(s[:, None, :] + h) @ v_a  # the same s at every source position


def context_vector(weights: Array, values: Array) -> Array:
    r"""Average the encoder states with the attention weights.

    .. math:: c_t = \sum_{i=1}^{n} \alpha_{t,i} h_i

    Book 2.3.2.3.2. Every real position contributes; each number of c_t lies between the smallest and the
    largest one of the h_i, because the weights are positive and sum to 1.
    Bahdanau, Cho and Bengio (2015), arXiv:1409.0473, Eq. 5. Taught in: context_vector.

    >>> context_vector(np.array([[0.25, 0.75]]), np.array([[[4.0, 0.0, 8.0], [0.0, 4.0, 8.0]]]))
    array([[1., 3., 8.]])

    Parameters
    ----------
    weights : array of shape (B, n). Attention weights of one target step; 0 at padding.
    values : array of shape (B, n, d_h). Encoder states, h_1 .. h_n; finite, also at padding.

    Returns
    -------
    context : array of shape (B, d_h). In the unit of the encoder states.
    """
    _check_shape("weights", weights, ("B", "n"), "one weight for each source position")
    B, n = weights.shape
    _check_shape("values", values, (B, n, "d_h"), "one vector for each weight; is the batch axis first?")
    return np.einsum("bi,bid->bd", weights, values)  # Eq. 5


def gru_step(x: Array, state: Array, params: GRUParams) -> Array:
    r"""Update a state with one input: a gated recurrent unit, in PyTorch's convention.

    .. math::
        r = \sigma(W_r x + b_r + U_r s + b'_r), \quad z = \sigma(W_z x + b_z + U_z s + b'_z) \\
        n = \tanh(W_n x + b_n + r \circ (U_n s + b'_n)), \quad s' = (1 - z) \circ n + z \circ s

    One choice of f in book 2.3.2.3.3. The appendix of Bahdanau et al. differs twice: there z and 1 - z change
    places (z is the share of the new), and r multiplies the state before the matrix, :math:`U [r \circ s]`.
    Cho et al. (2014), arXiv:1406.1078, section 2.3, in the form of torch.nn.GRUCell. Taught in: decoder.

    With all parameters 0 both gates are one half open and the candidate n is 0, so the state halves:

    >>> zeros = GRUParams(np.zeros((6, 3)), np.zeros((6, 2)), np.zeros(6), np.zeros(6))
    >>> gru_step(np.ones((1, 3)), np.array([[1.0, -2.0]]), zeros)
    array([[ 0.5, -1. ]])

    Parameters
    ----------
    x, state : arrays of shape (B, d_in), (B, d_s). Input of this step, and the state before it, s.
    params : GRUParams. W, U, b_W, b_U, with the gate rows in the order r, z, n.

    Returns
    -------
    new_state : array of shape (B, d_s). State after the step, s'; between -1 and 1 if `state` is.
    """
    _, z, n, _ = _gru_gates(x, state, params)
    return (1 - z) * n + z * state


def decoder_step(
    y_embedded: Array, state: Array, encoder_states: Array, mask: Array, params: DecoderParams
) -> tuple[Array, Array, Array]:
    r"""Take one decoder step in Bahdanau's order: ask with the old state, look, then update.

    .. math::
        e_{t,i} = a(s_{t-1}, h_i), \quad \alpha_t = \mathrm{softmax}(e_t), \quad
        c_t = \sum_{i=1}^{n} \alpha_{t,i} h_i, \quad s_t = f(s_{t-1}, y_{t-1}, c_t)

    Book 2.3.2.3.1 to 2.3.2.3.3, put together. Here a is `additive_score` and f is `gru_step` with the input
    :math:`[E y_{t-1}; c_t]`, the embedding of the previous target token joined with the context.
    Bahdanau, Cho and Bengio (2015), arXiv:1409.0473, Eq. 4 to 6 and appendix A.2.2. Taught in: decoder.

    With all parameters 0 the weights are equal, the context is the mean, and the state halves:

    >>> gru = GRUParams(np.zeros((3, 3)), np.zeros((3, 1)), np.zeros(3), np.zeros(3))
    >>> params = DecoderParams(np.zeros((4, 1)), np.zeros((4, 2)), np.zeros(4), gru)
    >>> h, mask = np.array([[[2.0, 0.0], [4.0, 8.0]]]), np.array([[True, True]])
    >>> decoder_step(np.ones((1, 1)), np.array([[6.0]]), h, mask, params)
    (array([[3.]]), array([[3., 4.]]), array([[0.5, 0.5]]))

    Parameters
    ----------
    y_embedded : array of shape (B, d_e). Of y_{t-1}: the gold token in training, else the model's own.
    state : array of shape (B, d_s). Previous decoder state, s_{t-1}. It is the query.
    encoder_states : array of shape (B, n, d_h). h_1 .. h_n, keys and values; finite, also at padding.
    mask : bool array of shape (B, n). True = real source token.
    params : DecoderParams. W_a, U_a, v_a and the GRU.

    Returns
    -------
    new_state, context, weights : arrays of shape (B, d_s), (B, d_h), (B, n). s_t, c_t and the weights.
    """
    _check_shape("y_embedded", y_embedded, (state.shape[0], "d_e"), "one embedded token for each row")
    scores = additive_score(state, encoder_states, params.W_a, params.U_a, params.v_a)
    weights = masked_softmax(scores, mask)  # Eq. 6
    context = context_vector(weights, encoder_states)  # Eq. 5
    new_state = gru_step(np.concatenate([y_embedded, context], axis=1), state, params.gru)
    return new_state, context, weights


def cross_entropy(logits: Array, targets: Array, mask: Array) -> float:
    r"""Average the surprise at the right token over the real target tokens.

    .. math:: L = -\frac{1}{N} \sum_{t\ \mathrm{real}} \log p(y_t), \quad
        p(k) = \frac{\exp(\mathrm{logits}_{t,k})}{\sum_{l=1}^{V} \exp(\mathrm{logits}_{t,l})}

    N is the number of real target tokens in the batch; padding is neither in the sum nor in N. The book
    prints no loss: this one makes the product of the p(y_t), the probability of the right target, large.
    Bahdanau, Cho and Bengio (2015), arXiv:1409.0473, Eq. 2 and 4. Taught in: decoder.

    The right token has probability 3/4, and -log(3/4) = 0.2877; the second position is padding:

    >>> logits = np.log([[[1.0, 3.0], [9.0, 1.0]]])
    >>> round(cross_entropy(logits, np.array([[1, 0]]), np.array([[True, False]])), 4)
    0.2877

    Parameters
    ----------
    logits : array of shape (B, m, V). Next-token scores; finite at real tokens.
    targets : integer array of shape (B, m). Ids of the right tokens, 0 .. V-1; anything at padding.
    mask : bool array of shape (B, m). True = real target token.

    Returns
    -------
    loss : float. Nats per real target token, 0 or more. Guessing evenly among V tokens costs log V.
    """
    real_logits, real_targets = _real_positions(logits, targets, mask)  # (N, V), (N,)
    shifted = real_logits - real_logits.max(axis=-1, keepdims=True)
    log_probs = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return float(-log_probs[np.arange(len(real_targets)), real_targets].mean())


def _gru_gates(x: Array, state: Array, params: GRUParams) -> tuple[Array, Array, Array, Array]:
    """Return r, z, n and the state's part of the candidate, U_n s + b'_n (the gradient needs all four)."""
    _check_shape("state", state, ("B", "d_s"), "one state for each row of the batch")
    B, d_s = state.shape
    _check_shape("x", x, (B, "d_in"), "one input for each row of the batch")
    _check_shape("W", params.W, (3 * d_s, x.shape[1]), "three gates; does d_in count the context?")
    _check_shape("U", params.U, (3 * d_s, d_s), "three gates, one column for each unit of the state")
    _check_shape("b_W", params.b_W, (3 * d_s,), "three gates, one after the other")
    _check_shape("b_U", params.b_U, (3 * d_s,), "three gates, one after the other")
    from_x = x @ params.W.T + params.b_W  # (B, 3 d_s)
    from_s = state @ params.U.T + params.b_U  # (B, 3 d_s)
    gates = from_x[:, : 2 * d_s] + from_s[:, : 2 * d_s]
    r, z = np.split(0.5 * (1 + np.tanh(0.5 * gates)), 2, axis=1)  # sigmoid; written so, it cannot overflow
    u = from_s[:, 2 * d_s :]
    n = np.tanh(from_x[:, 2 * d_s :] + r * u)
    return r, z, n, u


def _real_positions(logits: Array, targets: Array, mask: Array) -> tuple[Array, Array]:
    """Return the logits (N, V) and the ids (N,) of the real target tokens, or say what is wrong with them."""
    _check_shape("logits", logits, ("B", "m", "V"), "one score for each token of the vocabulary")
    _check_shape("targets", targets, logits.shape[:2], "ids, not one-hot vectors, one for each target step")
    _check_mask(mask, logits.shape[:2])
    if not mask.any():
        raise NoRealTokenError("no row of the mask has a real token: an empty batch, or an inverted mask?")
    real_targets, V = targets[mask], logits.shape[2]
    if not np.issubdtype(targets.dtype, np.integer):
        raise ValueError(f"expected integer ids as targets, got {targets.dtype}: probabilities?")
    foreign = real_targets[(real_targets < 0) | (real_targets >= V)]
    if foreign.size:
        raise ValueError(f"expected targets from 0 to {V - 1}, got {foreign[0]}: ids of another vocabulary?")
    return logits[mask], real_targets


def _check_query_keys(query: Array, keys: Array) -> None:
    """Check one decoder state and n encoder states for each row of the batch."""
    _check_shape("query", query, ("B", "d_s"), "one decoder state for each row of the batch")
    _check_shape("keys", keys, (query.shape[0], "n", "d_h"), "the B of the query; is the batch axis first?")


def _check_additive(query: Array, keys: Array, W_a: Array, U_a: Array, v_a: Array) -> None:
    """Check the arguments of the additive score."""
    _check_query_keys(query, keys)
    _check_shape("v_a", v_a, ("d_a",), "one number for each unit of the hidden layer, not a matrix")
    d_a = v_a.shape[0]
    _check_shape("W_a", W_a, (d_a, query.shape[1]), "W_a meets the query; swapped with U_a, or transposed?")
    _check_shape("U_a", U_a, (d_a, keys.shape[2]), "U_a meets the keys; swapped with W_a, or transposed?")


def _check_shape(name: str, array: Array, expected: tuple[int | str, ...], hint: str) -> None:
    """Raise ValueError unless `array` has the expected shape; a name in it stands for any size."""
    sizes_fit = all(isinstance(e, str) or e == a for e, a in zip(expected, array.shape, strict=False))
    if array.ndim != len(expected) or not sizes_fit:
        wanted = str(expected).replace("'", "")
        raise ValueError(f"expected {name} of shape {wanted}, got {array.shape}: {hint}")


def _check_mask(mask: Array, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless `mask` is bool and has the given shape."""
    _check_shape("mask", mask, shape, "one True or False for each token")
    if mask.dtype != np.bool_:
        raise ValueError(f"expected a bool mask, True = real token, got {mask.dtype}: use mask.astype(bool)")


def _check_temperature(temperature: float) -> None:
    """Raise ValueError unless the temperature is a finite number above 0."""
    if not 0 < temperature < math.inf:
        raise ValueError(f"expected a finite temperature above 0, got {temperature}: argmax is the limit 0")
