"""Wrong answers that people give to the exercises of chapter 03, with their points and first messages."""

# question, what is wrong, points, words of the first message, code
WRONG = [
    (
        "3.1",
        "over the batch",
        0,
        "columns sum to 1",
        """
def softmax(scores):
    e = np.exp(scores - scores.max(0))
    return e / e.sum(0)
""",
    ),
    (
        "3.1",
        "no shift",
        2,
        "large scores overflow",
        """
def softmax(scores):
    e = np.exp(scores)
    return e / e.sum(-1, keepdims=True)
""",
    ),
    (
        "3.1",
        "the mean taken off, not the largest",
        3,
        "large scores overflow",
        """
def softmax(scores):
    e = np.exp(scores - scores.mean(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)
""",
    ),
    (
        "3.1",
        "one shift for the whole array",
        3,
        "a shift of its own",
        """
def softmax(scores):
    e = np.exp(scores - scores.max())
    return e / e.sum(-1, keepdims=True)
""",
    ),
    (
        "3.1",
        "the best share alike, and nothing is left for the others",
        1,
        "one point must be a factor of e",
        """
def softmax(scores):
    top = (scores == scores.max(-1, keepdims=True)) + 1e-9
    return top / top.sum(-1, keepdims=True)
""",
    ),
    (
        "3.2",
        "temperature forgotten",
        1,
        "weights at T = 1",
        """
def prediction_3_2():
    e = np.exp(np.array(scores_3_2) - max(scores_3_2))
    return e / e.sum()
""",
    ),
    (
        "3.2",
        "multiplied by the temperature",
        1,
        "the wrong way round",
        """
def prediction_3_2():
    e = np.exp((np.array(scores_3_2) - max(scores_3_2)) * temperature_3_2)
    return e / e.sum()
""",
    ),
    (
        "3.2",
        "shares of the scores",
        1,
        "exp is never 0",
        """
def prediction_3_2():
    ranks = np.array(scores_3_2) - min(scores_3_2)
    return ranks / ranks.sum()
""",
    ),
    (
        "3.2",
        "sorted, not in the order of the scores",
        1,
        "a better score",
        """
def prediction_3_2():
    e = np.exp(np.arange(3) / temperature_3_2)
    return e / e.sum()
""",
    ),
    (
        "3.2",
        "a guess: hot, with the right order",
        1,
        "what is exp(1/T)",
        """
def prediction_3_2():
    return [np.array([0.28, 0.33, 0.39])[e - min(scores_3_2)] for e in scores_3_2]
""",
    ),
    (
        "3.3",
        "weights taken for scores",
        1,
        "a weight is not a score",
        """
def at_temperature(weights, temperature):
    e = np.exp(weights / temperature)
    return e / e.sum(-1, keepdims=True)
""",
    ),
    (
        "3.3",
        "to the power T",
        1,
        "wrong way round",
        """
def at_temperature(weights, temperature):
    powers = weights**temperature
    return powers / powers.sum(-1, keepdims=True)
""",
    ),
    (
        "3.3",
        "divided by T, which cancels",
        0,
        "T changes nothing",
        """
def at_temperature(weights, temperature):
    divided = weights / temperature
    return divided / divided.sum(-1, keepdims=True)
""",
    ),
    (
        "3.3",
        "underflow when very cold",
        4,
        "0 / 0 is nan",
        """
def at_temperature(weights, temperature):
    powers = weights ** (1 / temperature)
    return powers / powers.sum(-1, keepdims=True)
""",
    ),
    (
        "3.3",
        "a small number added before the logarithm: padding wakes up",
        2,
        "stay exactly 0",
        """
def at_temperature(weights, temperature):
    scores = np.log(weights + 1e-9) / temperature
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)
""",
    ),
    (
        "3.4",
        "the first row alone",
        0,
        "expected shape (5, 3, 3)",
        """
def jacobian(weights, temperature):
    return (np.diag(weights[0]) - np.outer(weights[0], weights[0])) / temperature
""",
    ),
    (
        "3.4",
        "the diagonal alone, as for a sigmoid",
        1,
        "each row of each matrix must sum to 0",
        """
def jacobian(weights, temperature):
    return (weights * (1 - weights))[:, :, None] * np.eye(weights.shape[1]) / temperature
""",
    ),
    (
        "3.4",
        "T forgotten",
        2,
        "twice as cold, twice as steep",
        """
def jacobian(weights, temperature):
    return weights[:, :, None] * (np.eye(weights.shape[1]) - weights[:, None, :])
""",
    ),
    (
        "3.4",
        "sign turned round",
        2,
        "raise one by 0.01",
        """
def jacobian(weights, temperature):
    return weights[:, :, None] * (weights[:, None, :] - np.eye(weights.shape[1])) / temperature
""",
    ),
    (
        "3.4",
        "only [i = j] - 1/n, right for equal weights",
        2,
        "right for equal weights only",
        """
def jacobian(weights, temperature):
    n = weights.shape[1]
    return np.tile((np.eye(n) - 1 / n) / n / temperature, (len(weights), 1, 1))
""",
    ),
    (
        "3.4",
        "rows of the batch mixed",
        2,
        "must sum to 0",
        """
def jacobian(weights, temperature):
    return (weights[:, :, None] * np.eye(weights.shape[1]) - weights.T @ weights) / temperature
""",
    ),
    (
        "3.5",
        "no mask: 0 is taken for a small score",
        0,
        "padding has weight 0.67",
        """
def masked_weights(scores, mask):
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)
""",
    ),
    (
        "3.5",
        "scores multiplied by the mask",
        0,
        "padding has weight 0.67",
        """
def masked_weights(scores, mask):
    e = np.exp(scores * mask - (scores * mask).max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)
""",
    ),
    (
        "3.5",
        "mask after the softmax",
        2,
        "padding took its share",
        """
def masked_weights(scores, mask):
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True) * mask
""",
    ),
    (
        "3.5",
        "mask after the softmax, divided again",
        3,
        "before you divide",
        """
def masked_weights(scores, mask):
    e = np.exp(scores - scores.max(-1, keepdims=True)) * mask
    return e / e.sum(-1, keepdims=True)
""",
    ),
    (
        "3.5",
        "the empty row is nan",
        4,
        "inf - inf",
        """
def masked_weights(scores, mask):
    heard = np.where(mask, scores, -np.inf)
    e = np.exp(heard - heard.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)
""",
    ),
    (
        "3.5",
        "-1e9 for minus infinity: the empty row looks at padding",
        4,
        "looks at padding",
        """
def masked_weights(scores, mask):
    heard = np.where(mask, scores, -1e9)
    e = np.exp(heard - heard.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)
""",
    ),
    (
        "3.5",
        "-100 for minus infinity",
        1,
        "not exactly 0",
        """
def masked_weights(scores, mask):
    heard = np.where(mask, scores, -100.0)
    e = np.exp(heard - heard.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)
""",
    ),
    (
        "3.5",
        "mask inside out",
        0,
        "the mask is inside out",
        """
def masked_weights(scores, mask):
    e = np.exp(scores - scores.max(-1, keepdims=True)) * ~mask
    return e / np.where(e.sum(-1, keepdims=True) > 0, e.sum(-1, keepdims=True), 1.0)
""",
    ),
    (
        "3.5",
        "real tokens share alike",
        3,
        "real words share alike",
        """
def masked_weights(scores, mask):
    return mask / np.maximum(mask.sum(-1, keepdims=True), 1)
""",
    ),
    (
        "3.6",
        "axes turned round: (B, n, m)",
        4,
        "dot scores: expected shape (3, 5, 7)",
        """
def dot_scores(queries, keys):
    return keys @ queries.swapaxes(1, 2)
""",
    ),
    (
        "3.6",
        "W_a taken as (d_h, d_s)",
        4,
        "W_a is turned over",
        """
def general_scores(queries, keys, W_a):
    return queries @ W_a.T @ keys.swapaxes(1, 2)
""",
    ),
    (
        "3.6",
        "no tanh",
        4,
        "no tanh inside",
        """
def additive_scores(queries, keys, W_a, U_a, v_a):
    return ((queries @ W_a.T)[:, :, None] + (keys @ U_a.T)[:, None]) @ v_a
""",
    ),
    (
        "3.6",
        "tanh at the other end",
        4,
        "before v_a adds them up",
        """
def additive_scores(queries, keys, W_a, U_a, v_a):
    return np.tanh(((queries @ W_a.T)[:, :, None] + (keys @ U_a.T)[:, None]) @ v_a)
""",
    ),
    (
        "3.6",
        "each side bent alone, then added",
        4,
        "bent each alone",
        """
def additive_scores(queries, keys, W_a, U_a, v_a):
    return (np.tanh(queries @ W_a.T)[:, :, None] + np.tanh(keys @ U_a.T)[:, None]) @ v_a
""",
    ),
    (
        "3.6",
        "keys of the first sentence for all; W_a left out where it may be; three memorised answers",
        0,
        "with its own keys",
        """
def dot_scores(queries, keys):
    return queries @ keys[0].T


def general_scores(queries, keys, W_a):
    scores = np.zeros((*queries.shape[:2], keys.shape[1]))
    return queries @ keys.swapaxes(1, 2) if queries.shape[2] == keys.shape[2] else scores


def additive_scores(queries, keys, W_a, U_a, v_a):
    return np.zeros((queries.shape[1], 1)) + np.tanh(keys @ U_a.T)[:, None] @ v_a
""",
    ),
    (
        "3.7",
        "bend ignored: always a tanh",
        2,
        "what else bends",
        """
def step_weights(queries, keys, W_a, U_a, v_a, bend):
    e = np.exp(np.tanh((queries @ W_a.T)[:, None] + keys @ U_a.T) @ v_a)
    return e / e.sum(-1, keepdims=True)
""",
    ),
    (
        "3.7",
        "bend ignored: never a tanh",
        3,
        "where is the tanh",
        """
def step_weights(queries, keys, W_a, U_a, v_a, bend):
    scores = ((queries @ W_a.T)[:, None] + keys @ U_a.T) @ v_a
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)
""",
    ),
    (
        "3.7",
        "tanh after v_a",
        3,
        "the tanh stands outside",
        """
def step_weights(queries, keys, W_a, U_a, v_a, bend):
    scores = ((queries @ W_a.T)[:, None] + keys @ U_a.T) @ v_a
    e = np.exp(np.tanh(scores) if bend else scores - scores.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)
""",
    ),
    (
        "3.7",
        "softmax over the steps",
        1,
        "sum to 1 over the source",
        """
def step_weights(queries, keys, W_a, U_a, v_a, bend):
    a = (queries @ W_a.T)[:, None] + keys @ U_a.T
    scores = (np.tanh(a) if bend else a) @ v_a
    e = np.exp(scores - scores.max(0))
    return e / e.sum(0)
""",
    ),
    (
        "3.7",
        "compared with the first step only",
        5,
        "compare any two steps",
        """
def largest_change(weights):
    return abs(weights - weights[0]).max()
""",
    ),
    (
        "3.7",
        "a tanh kept in the weights without query",
        5,
        "what is left of the score",
        """
def weights_without_query(keys, U_a, v_a):
    e = np.exp(np.tanh(keys @ U_a.T) @ v_a)
    return e / e.sum()
""",
    ),
    (
        "3.7",
        "equal weights without tanh",
        2,
        "the keys are still heard",
        """
def step_weights(queries, keys, W_a, U_a, v_a, bend):
    e = np.exp(np.tanh((queries @ W_a.T)[:, None] + keys @ U_a.T) @ v_a)
    return e / e.sum(-1, keepdims=True) if bend else np.full(e.shape, 1 / e.shape[1])


def weights_without_query(keys, U_a, v_a):
    return np.full(len(keys), 1 / len(keys))
""",
    ),
    (
        "3.8",
        "the formula, not a measurement",
        4,
        "that is a formula",
        """
def measure_variance(d, sd, samples, seed):
    return d * sd**4
""",
    ),
    (
        "3.8",
        "standard deviation instead of variance",
        2,
        "four times as wide",
        """
def measure_variance(d, sd, samples, seed):
    queries, keys = np.random.default_rng(seed).normal(scale=sd, size=(2, samples, d))
    return (queries * keys).sum(1).std()
""",
    ),
    (
        "3.8",
        "only the query has the sd",
        3,
        "query and key both",
        """
def measure_variance(d, sd, samples, seed):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(samples, d)) * rng.normal(scale=sd, size=(samples, d))).sum(1).var()
""",
    ),
    (
        "3.8",
        "a state with itself",
        3,
        "is the query its own key",
        """
def measure_variance(d, sd, samples, seed):
    queries = np.random.default_rng(seed).normal(scale=sd, size=(samples, d))
    return (queries * queries).sum(1).var()
""",
    ),
    (
        "3.8",
        "numbers from 0 to sd: their mean is not 0",
        3,
        "far too little",
        """
def measure_variance(d, sd, samples, seed):
    queries, keys = np.random.default_rng(seed).random((2, samples, d)) * sd
    return (queries * keys).sum(1).var()
""",
    ),
    (
        "3.8",
        "the root of d alone",
        3,
        "is this for sd = 1",
        """
def scaled_scores(query, keys, sd):
    return (keys @ query[:, :, None])[:, :, 0] / np.sqrt(query.shape[1])
""",
    ),
    (
        "3.8",
        "divided by d",
        3,
        "the spread of scores is its root",
        """
def scaled_scores(query, keys, sd):
    return (keys @ query[:, :, None])[:, :, 0] / (query.shape[1] * sd**2)
""",
    ),
    (
        "3.8",
        "divided by the spread of these very scores",
        3,
        "they set no scale",
        """
def scaled_scores(query, keys, sd):
    scores = (keys @ query[:, :, None])[:, :, 0]
    return scores / scores.std()
""",
    ),
    (
        "3.8",
        "sd taken for 0.5, whatever it is",
        3,
        "do d and sd count",
        """
def scaled_scores(query, keys, sd):
    return (keys @ query[:, :, None])[:, :, 0] / np.sqrt(query.shape[1]) * 4
""",
    ),
    (
        "3.9",
        "gradients for W_a and U_a in each other's place",
        2,
        "gradient for W_a: expected shape (11, 3)",
        """
def additive_backward(grad, query, keys, W_a, U_a, v_a, whole=additive_backward):
    q, k, W, U, v = whole(grad, query, keys, W_a, U_a, v_a)
    return q, k, U, W, v
""",
    ),
    (
        "3.9",
        "the slope of tanh forgotten",
        2,
        "is its slope there",
        """
def additive_backward(grad, query, keys, W_a, U_a, v_a):
    z = np.tanh(W_a @ query + keys @ U_a.T)
    g = grad[:, None] * v_a + 0 * z
    return W_a.T @ g.sum(0), g @ U_a, np.outer(g.sum(0), query), g.T @ keys, grad @ z
""",
    ),
    (
        "3.9",
        "the slope of what went in, not of what came out",
        2,
        "is its slope there",
        """
def additive_backward(grad, query, keys, W_a, U_a, v_a):
    a = W_a @ query + keys @ U_a.T
    g = grad[:, None] * v_a * (1 - a**2)
    return W_a.T @ g.sum(0), g @ U_a, np.outer(g.sum(0), query), g.T @ keys, grad @ np.tanh(a)
""",
    ),
    (
        "3.9",
        "mean over positions for the query",
        2,
        "the query stands at both positions",
        """
def additive_backward(grad, query, keys, W_a, U_a, v_a):
    z = np.tanh(W_a @ query + keys @ U_a.T)
    g = grad[:, None] * v_a * (1 - z**2)
    return W_a.T @ g.mean(0), g @ U_a, np.outer(g.mean(0), query), g.T @ keys, grad @ z
""",
    ),
    (
        "3.9",
        "v_a gets what went into the tanh",
        3,
        "what came out of the tanh",
        """
def additive_backward(grad, query, keys, W_a, U_a, v_a):
    a = W_a @ query + keys @ U_a.T
    g = grad[:, None] * v_a * (1 - np.tanh(a) ** 2)
    return W_a.T @ g.sum(0), g @ U_a, np.outer(g.sum(0), query), g.T @ keys, grad @ a
""",
    ),
    (
        "3.9",
        "zeros, and two numbers by heart",
        0,
        "all its numbers are the same",
        """
def additive_backward(grad, query, keys, W_a, U_a, v_a):
    flat = abs(keys).max() > 40
    shapes = [np.zeros(x.shape) for x in (query, keys, W_a, U_a, v_a)]
    if query.size == 1 and not flat:
        shapes[:2] = np.array([110.0]), np.array([[15.0], [150.0]])
    return tuple(shapes)
""",
    ),
    (
        "3.10",
        "as it was",
        1,
        "columns sum to 1",
        """
repaired_alignment = broken_alignment
""",
    ),
    (
        "3.10",
        "another number for the axis, squeeze kept",
        1,
        "repaired_alignment stopped with AxisError",
        """
def repaired_alignment(queries, keys):
    scores = (queries @ keys.swapaxes(1, 2)).squeeze()
    e = np.exp(scores - scores.max(axis=2, keepdims=True))
    return (e / e.sum(axis=2, keepdims=True)).reshape(len(queries), queries.shape[1], keys.shape[1])
""",
    ),
    (
        "3.10",
        "the last axis, squeeze kept",
        3,
        "Which axis did squeeze drop",
        """
def repaired_alignment(queries, keys):
    scores = (queries @ keys.swapaxes(1, 2)).squeeze()
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return (e / e.sum(axis=-1, keepdims=True)).reshape(len(queries), queries.shape[1], keys.shape[1])
""",
    ),
    (
        "3.10",
        "squeeze gone, axis kept",
        0,
        "columns sum to 1",
        """
def repaired_alignment(queries, keys):
    e = np.exp(queries @ keys.swapaxes(1, 2))
    return e / e.sum(axis=1, keepdims=True)
""",
    ),
    (
        "3.10",
        "one sentence for all",
        2,
        "the weights of one",
        """
def repaired_alignment(queries, keys):
    e = np.exp(queries[:1] @ keys[:1].swapaxes(1, 2))
    return np.repeat(e / e.sum(axis=2, keepdims=True), len(queries), axis=0)
""",
    ),
    (
        "3.11",
        "the best word not counted",
        0,
        "one of the n positions",
        """
def prediction_3_11():
    return int(np.exp(lead_3_11)) + 1
""",
    ),
    (
        "3.11",
        "in proportion to the lead",
        0,
        "too short",
        """
def prediction_3_11():
    return round(lead_3_11) + 2
""",
    ),
    (
        "3.11",
        "ten to the lead",
        0,
        "too long",
        """
def prediction_3_11():
    return int(10**lead_3_11) + 2
""",
    ),
    (
        "3.11",
        "not a whole number",
        0,
        "one whole number",
        """
def prediction_3_11():
    return np.exp(lead_3_11) + 1
""",
    ),
    (
        "3.1",
        "scores cut off at 700",
        2,
        "whoever cuts scores off",
        """
def softmax(scores):
    e = np.exp(np.clip(scores, -700, 700))
    return e / e.sum(-1, keepdims=True)
""",
    ),
    (
        "3.1",
        "the second axis, which is not always the last",
        2,
        "the source is the last of three axes",
        """
def softmax(scores):
    e = np.exp(scores - scores.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)
""",
    ),
    (
        "3.2",
        "all nearly alike",
        1,
        "what is exp(1/T)",
        """
def prediction_3_2():
    return [[0.327, 0.333, 0.34][e - min(scores_3_2)] for e in scores_3_2]
""",
    ),
    (
        "3.2",
        "in steps of 0.1 or so",
        1,
        "what is exp(1/T)",
        """
def prediction_3_2():
    return [[0.2, 0.3, 0.5][e - min(scores_3_2)] for e in scores_3_2]
""",
    ),
    (
        "3.2",
        "one factor from worst to best, not two",
        1,
        "what is exp(1/T)",
        """
def prediction_3_2():
    f = np.exp(1 / temperature_3_2)
    return [[1, (1 + f) / 2, f][e - min(scores_3_2)] / (1.5 + 1.5 * f) for e in scores_3_2]
""",
    ),
    (
        "3.3",
        "a small number added to the powers",
        4,
        "stay exactly 0",
        """
def at_temperature(weights, temperature):
    powers = (weights / weights.max(-1, keepdims=True)) ** (1 / temperature) + 1e-12
    return powers / powers.sum(-1, keepdims=True)
""",
    ),
    (
        "3.6",
        "dot divided by the root of d",
        4,
        "divided by the root of d",
        """
def dot_scores(queries, keys):
    return queries @ keys.swapaxes(1, 2) / np.sqrt(queries.shape[-1])
""",
    ),
    (
        "3.6",
        "W_a and U_a in each other's place",
        4,
        "W_a goes with the query",
        """
def additive_scores(queries, keys, W_a, U_a, v_a):
    return np.tanh((queries @ U_a.T)[:, :, None] + (keys @ W_a.T)[:, None]) @ v_a
""",
    ),
    (
        "3.7",
        "neighbours only",
        5,
        "not only neighbours",
        """
def largest_change(weights):
    return abs(np.diff(weights, axis=0)).max()
""",
    ),
    (
        "3.7",
        "positions compared, not steps",
        5,
        "the steps are rows",
        """
def largest_change(weights):
    return (weights.max(axis=1) - weights.min(axis=1)).max()
""",
    ),
    (
        "3.7",
        "compared with the last step only",
        5,
        "compare any two steps",
        """
def largest_change(weights):
    return abs(weights - weights[-1]).max()
""",
    ),
    (
        "3.9",
        "only the last position reaches W_a",
        3,
        "W_a stands at both positions",
        """
def additive_backward(grad, query, keys, W_a, U_a, v_a, whole=additive_backward):
    q, k, W, U, v = whole(grad, query, keys, W_a, U_a, v_a)
    return q, k, W / len(keys), U, v
""",
    ),
    (
        "3.9",
        "the mean over positions for U_a",
        3,
        "another key at each position",
        """
def additive_backward(grad, query, keys, W_a, U_a, v_a, whole=additive_backward):
    q, k, W, U, v = whole(grad, query, keys, W_a, U_a, v_a)
    return q, k, W, U / len(keys), v
""",
    ),
    (
        "3.11",
        "one too many",
        0,
        "one position fewer",
        """
def prediction_3_11():
    return int(np.exp(lead_3_11)) + 3
""",
    ),
    (
        "3.11",
        "exp of the lead itself, rounded down",
        0,
        "one of the n positions",
        """
def prediction_3_11():
    return int(np.exp(lead_3_11))
""",
    ),
]
