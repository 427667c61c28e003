"""Wrong answers that people give to the exercises of chapter 04, their points, and the hint they meet."""

# question, what is wrong, points, words of the first message, code
WRONG = [
    (
        "4.1",
        "the mean of the states, whatever the weights",
        2,
        "the state of that word",
        """
def context_vectors(alignment, encoder_states):
    return np.repeat(encoder_states.mean(axis=1, keepdims=True), alignment.shape[1], axis=1)
""",
    ),
    (
        "4.1",
        "selects the word with the largest weight",
        2,
        "only the word of the largest weight",
        """
def context_vectors(alignment, encoder_states):
    return np.stack([h[a.argmax(axis=1)] for a, h in zip(alignment, encoder_states)])
""",
    ),
    (
        "4.1",
        "mixes the states of the first sentence",
        1,
        "not another's",
        """
def context_vectors(alignment, encoder_states):
    return alignment @ encoder_states[0]
""",
    ),
    (
        "4.1",
        "sums over the steps too",
        0,
        "expected shape (3, 5, 11)",
        """
def context_vectors(alignment, encoder_states):
    return np.einsum("bmn,bnd->bd", alignment, encoder_states)
""",
    ),
    (
        "4.1",
        "adds the states up, without weights",
        1,
        "the state of that word",
        """
def context_vectors(alignment, encoder_states):
    return np.repeat(encoder_states.sum(axis=1, keepdims=True), alignment.shape[1], axis=1)
""",
    ),
    (
        "4.2",
        "the plain mean",
        0,
        "that is the plain mean",
        """
def prediction_4_2():
    mean = np.mean(states_4_2, axis=0)
    return [mean.tolist(), (mean + move_4_2).tolist()]
""",
    ),
    (
        "4.2",
        "the move divided by three",
        1,
        "moved states",
        """
def prediction_4_2():
    context = np.array(weights_4_2) @ np.array(states_4_2)
    return [context, context + np.array(move_4_2) / 3]
""",
    ),
    (
        "4.2",
        "the move forgotten",
        1,
        "the move is forgotten",
        """
def prediction_4_2():
    context = (np.array(weights_4_2) @ np.array(states_4_2)).tolist()
    return [context, context]
""",
    ),
    (
        "4.2",
        "the state with the largest weight",
        0,
        "all three have a weight",
        """
def prediction_4_2():
    state = np.array(states_4_2)[np.argmax(weights_4_2)]
    return [state, state + move_4_2]
""",
    ),
    (
        "4.2",
        "the first context alone",
        0,
        "expected shape (2, 2)",
        """
def prediction_4_2():
    return np.array(weights_4_2) @ np.array(states_4_2)
""",
    ),
    (
        "4.3",
        "compares weights place by place",
        1,
        "takes its weight along",
        """
def shuffle_test(query, words, positions, order):
    def attend(states):
        weights = np.exp(states @ query) / np.exp(states @ query).sum()
        return weights, weights @ states

    old, before = attend(words + positions)
    new, after = attend(words[order] + positions)
    return abs(new - old).max(), abs(after - before).max()
""",
    ),
    (
        "4.3",
        "shuffles in the wrong direction",
        1,
        "takes its weight along",
        """
def shuffle_test(query, words, positions, order):
    def attend(states):
        weights = np.exp(states @ query) / np.exp(states @ query).sum()
        return weights, weights @ states

    old, before = attend(words + positions)
    new, after = attend(words[order] + positions)
    return abs(new[order] - old).max(), abs(after - before).max()
""",
    ),
    (
        "4.3",
        "moves the positions with the words",
        0,
        "shuffle the words alone",
        """
def shuffle_test(query, words, positions, order):
    def attend(states):
        weights = np.exp(states @ query) / np.exp(states @ query).sum()
        return weights, weights @ states

    states = words + positions
    old, before = attend(states)
    new, after = attend(states[order])
    return abs(new - old[order]).max(), abs(after - before).max()
""",
    ),
    (
        "4.3",
        "what theory says, not measured",
        0,
        "shuffle the words alone",
        """
def shuffle_test(query, words, positions, order):
    return 0.0, 0.0
""",
    ),
    (
        "4.3",
        "means of differences",
        2,
        "a mean or a sum of differences",
        """
def shuffle_test(query, words, positions, order):
    def attend(states):
        weights = np.exp(states @ query) / np.exp(states @ query).sum()
        return weights, weights @ states

    old, before = attend(words + positions)
    new, after = attend(words[order] + positions)
    return abs(new - old[order]).mean(), abs(after - before).mean()
""",
    ),
    (
        "4.3",
        "mixes the old states with the new weights",
        0,
        "does not know the order",
        """
def shuffle_test(query, words, positions, order):
    def attend(states):
        weights = np.exp(states @ query) / np.exp(states @ query).sum()
        return weights, weights @ (words + positions)

    old, before = attend(words + positions)
    new, after = attend(words[order] + positions)
    return abs(new - old[order]).max(), abs(after - before).max()
""",
    ),
    (
        "4.4",
        "the plain dot product",
        3,
        "shouts down",
        """
def look_up(queries, keys, values, sharpness):
    scores = sharpness * queries @ keys.T
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True) @ values
""",
    ),
    (
        "4.4",
        "a long query is sharper",
        3,
        "a longer query is sharper",
        """
def look_up(queries, keys, values, sharpness):
    keys = keys / np.linalg.norm(keys, axis=1, keepdims=True)
    scores = sharpness * queries @ keys.T
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True) @ values
""",
    ),
    (
        "4.4",
        "softmax over the queries",
        2,
        "sum to 1 over the keys",
        """
def look_up(queries, keys, values, sharpness):
    queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    keys = keys / np.linalg.norm(keys, axis=1, keepdims=True)
    scores = sharpness * queries @ keys.T
    weights = np.exp(scores - scores.max(axis=0))
    return weights / weights.sum(axis=0) @ values
""",
    ),
    (
        "4.4",
        "exp without a shift",
        4,
        "overflows",
        """
def look_up(queries, keys, values, sharpness):
    queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    keys = keys / np.linalg.norm(keys, axis=1, keepdims=True)
    with np.errstate(all="ignore"):
        weights = np.exp(sharpness * queries @ keys.T)
        return weights / weights.sum(axis=1, keepdims=True) @ values
""",
    ),
    (
        "4.4",
        "picks the best key, as a hard dictionary",
        3,
        "the mean of the values",
        """
def look_up(queries, keys, values, sharpness):
    keys = keys / np.linalg.norm(keys, axis=1, keepdims=True)
    return values[(queries @ keys.T).argmax(axis=1)]
""",
    ),
    (
        "4.4",
        "the values of one query only",
        0,
        "expected shape (5, 2)",
        """
def look_up(queries, keys, values, sharpness):
    return values[0]
""",
    ),
    (
        "4.5",
        "no tanh",
        3,
        "where is the tanh",
        """
def score(query, projected_keys, W_a, v_a):
    return ((query @ W_a.T)[:, None, :] + projected_keys) @ v_a
""",
    ),
    (
        "4.5",
        "tanh too early, before the query is added",
        2,
        "project bends",
        """
def project(encoder_states, U_a):
    return np.tanh(encoder_states @ U_a.T)


def score(query, projected_keys, W_a, v_a):
    return (np.tanh(query @ W_a.T)[:, None, :] + projected_keys) @ v_a
""",
    ),
    (
        "4.5",
        "counts products, not multiplications",
        4,
        "the widths count too",
        """
def multiplications(n, m, d_h, d_a):
    return m * n, n
""",
    ),
    (
        "4.5",
        "the counts in the other order",
        4,
        "return two counts",
        """
def multiplications(n, m, d_h, d_a):
    return n * d_a * d_h, m * n * d_a * d_h
""",
    ),
    (
        "4.5",
        "project gives one vector a sentence",
        3,
        "expected shape (3, 7, 5)",
        """
def project(encoder_states, U_a):
    return encoder_states[:, -1] @ U_a.T


def score(query, projected_keys, W_a, v_a):
    return np.tanh((query @ W_a.T)[:, None, :] + projected_keys) @ v_a
""",
    ),
    (
        "4.6",
        "the broken one",
        0,
        "eleven more pads",
        """
context = broken_context
""",
    ),
    (
        "4.6",
        "mask after the softmax",
        0,
        "before it was masked",
        """
def context(query, encoder_states, mask):
    scores = np.einsum("bd,bid->bi", query, encoder_states)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights = weights / weights.sum(axis=1, keepdims=True) * mask
    return np.einsum("bi,bid->bd", weights, encoder_states)
""",
    ),
    (
        "4.6",
        "mask after the softmax, divided again",
        3,
        "no weight left to share",
        """
def context(query, encoder_states, mask):
    scores = np.einsum("bd,bid->bi", query, encoder_states)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True)) * mask
    with np.errstate(all="ignore"):
        weights = weights / weights.sum(axis=1, keepdims=True)
    return np.einsum("bi,bid->bd", weights, encoder_states)
""",
    ),
    (
        "4.6",
        "weights right, nan in the sum",
        4,
        "nan at padding",
        """
def context(query, encoder_states, mask):
    scores = np.where(mask, np.einsum("bd,bid->bi", query, encoder_states), -np.inf)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights = weights / weights.sum(axis=1, keepdims=True)
    return np.einsum("bi,bid->bd", weights, encoder_states)
""",
    ),
    (
        "4.6",
        "padding gets a score of -100",
        3,
        "far below 0",
        """
def context(query, encoder_states, mask):
    states = np.where(mask[:, :, None], encoder_states, 0.0)
    scores = np.where(mask, np.einsum("bd,bid->bi", query, states), -100.0)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights = weights / weights.sum(axis=1, keepdims=True)
    return np.einsum("bi,bid->bd", weights, states)
""",
    ),
    (
        "4.6",
        "the mean of the real states",
        3,
        "hears no score",
        """
def context(query, encoder_states, mask):
    states = np.where(mask[:, :, None], encoder_states, 0.0)
    return states.sum(axis=1) / mask.sum(axis=1, keepdims=True)
""",
    ),
    (
        "4.7",
        "only looks at the columns",
        2,
        "beyond a slanted side",
        """
def prediction_4_7():
    real = np.array(states_4_7[:3])
    return [bool((real.min(axis=0) <= p).all() and (p <= real.max(axis=0)).all()) for p in points_4_7]
""",
    ),
    (
        "4.7",
        "lets padding pull",
        1,
        "only padding could pull",
        """
def prediction_4_7():
    real = np.array(states_4_7)
    return [bool((real.min(axis=0) <= p).all() and (p <= real.max(axis=0)).all()) for p in points_4_7]
""",
    ),
    (
        "4.7",
        "everything can be a context",
        0,
        "not all alike",
        """
def prediction_4_7():
    return [True] * 5
""",
    ),
    (
        "4.7",
        "weights above 0 only: the point on a side is refused",
        1,
        "on the line between two states",
        """
def prediction_4_7():
    corners = np.vstack([np.transpose(states_4_7[:3]), np.ones(3)])
    return [bool(np.linalg.solve(corners, [*point, 1.0]).min() > 0.01) for point in points_4_7]
""",
    ),
    (
        "4.2",
        "made to pass the visible checks: a slip of 0.2",
        1,
        "no weighted mean",
        """
def prediction_4_2():
    context = np.array(weights_4_2) @ np.array(states_4_2) + [0, 0.2]
    return [context, context + move_4_2]
""",
    ),
    (
        "4.2",
        "made to pass the visible checks: the move times the largest weight",
        2,
        "a part that all states share",
        """
def prediction_4_2():
    context = np.array(weights_4_2) @ np.array(states_4_2)
    return [context, context + 0.99 * np.array(move_4_2)]
""",
    ),
    (
        "4.3",
        "sums of differences",
        2,
        "a mean or a sum of differences",
        """
def shuffle_test(query, words, positions, order):
    def attend(states):
        weights = np.exp(states @ query) / np.exp(states @ query).sum()
        return weights, weights @ states

    old, before = attend(words + positions)
    new, after = attend(words[order] + positions)
    return abs(new - old[order]).sum(), abs(after - before).sum()
""",
    ),
    (
        "4.4",
        "lengths taken out of the query alone",
        3,
        "shouts down",
        """
def look_up(queries, keys, values, sharpness):
    queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    scores = sharpness * queries @ keys.T
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True) @ values
""",
    ),
    (
        "4.5",
        "one width forgotten",
        4,
        "the widths count too",
        """
def multiplications(n, m, d_h, d_a):
    return m * n * d_h, n * d_h
""",
    ),
    (
        "4.5",
        "all of the score is done once",
        4,
        "all of it m times",
        """
def multiplications(n, m, d_h, d_a):
    return 2 * m * n * d_a * d_h, n * d_a * d_h
""",
    ),
    (
        "4.6",
        "the mask inside out",
        0,
        "True means a real word",
        """
def context(query, encoder_states, mask):
    scores = np.where(mask, -np.inf, np.einsum("bd,bid->bi", query, encoder_states))
    with np.errstate(all="ignore"):
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        weights = weights / weights.sum(axis=1, keepdims=True)
    return np.einsum("bi,bid->bd", weights, encoder_states)
""",
    ),
    (
        "4.6",
        "only the states are wiped",
        1,
        "before it was masked",
        """
def context(query, encoder_states, mask):
    states = np.where(mask[:, :, None], encoder_states, 0.0)
    scores = np.einsum("bd,bid->bi", query, states)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.einsum("bi,bid->bd", weights / weights.sum(axis=1, keepdims=True), states)
""",
    ),
    (
        "4.7",
        "the inner point refused as well",
        1,
        "inside the band",
        """
def prediction_4_7():
    corners = np.vstack([np.transpose(states_4_7[:3]), np.ones(3)])
    smallest = [np.linalg.solve(corners, [*point, 1.0]).min() for point in points_4_7]
    return [abs(w) < 0.03 for w in smallest]
""",
    ),
    (
        "4.7",
        "one point outside everything accepted",
        1,
        "outside its column",
        """
def prediction_4_7():
    corners = np.vstack([np.transpose(states_4_7[:3]), np.ones(3)])
    inside = [np.linalg.solve(corners, [*point, 1.0]).min() > -0.03 for point in points_4_7]
    far = int(np.argmax(np.array(points_4_7)[:, 0]))
    return [bool(yes or k == far) for k, yes in enumerate(inside)]
""",
    ),
]
