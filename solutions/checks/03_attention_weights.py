"""Checks of the exercises of chapter 03: from scores to attention weights."""

import numpy as np

from seq2seq_edu.grading import Chapter, expect, expect_close, expect_shape

chapter = Chapter("03_attention_weights", hides=("equations", "gradients", "models"))

# 3.1

softmax = chapter.question(
    "3.1",
    "A softmax that survives large scores",
    kind="build",
    level=1,
    minutes=10,
    hints=(
        "Weights are exponentials of the scores, divided so that each row sums to 1.",
        "Adding one number to all scores of a row changes no weight: which number makes exp harmless?",
        "Each row has its own largest score; keepdims=True keeps the axis, so that shapes fit.",
    ),
)


@softmax.check(points=1, hint="each row of weights must be positive and sum to 1")
def rows_sum_to_one(s):
    weights = s.softmax(s.rng.normal(size=(5, 3)))
    expect_shape(weights, (5, 3), "weights")
    expect(not np.allclose(weights.sum(0), 1), "columns sum to 1, not rows: the source is the last axis")
    expect_close(weights.sum(-1), np.ones(5))
    expect((weights > 0).all())
    expect(np.ptp(weights, axis=-1).min() > 0, "all get the same weight: a better score must have more")
    whole = s.softmax(s.rng.normal(size=(2, 5, 3)))
    expect_close(np.sum(whole, -1), np.ones((2, 5)), "the source is the last of three axes, too")


@softmax.check(points=1, hint="large scores overflow: exp(1000) is infinite")
def large_scores(s):
    weights = s.softmax(np.array([[1000.0, 1000.0, 0.0], [1000.0, -5000.0, 1000.0]]))
    expect(np.isfinite(weights).all())
    expect_close(weights, [[0.5, 0.5, 0.0], [0.5, 0.0, 0.5]])
    near = s.softmax(np.array([[1000.0, 999.0, 0.0]]))[0]
    expect(near[0] > near[1] + 0.1, "1000 and 999 get one weight: whoever cuts scores off loses differences")
    expect_close(near[0] / (near[1] + 1e-9), np.e, "1000 and 999: one point must be a factor of e, too")


@softmax.check(points=1, hint="a loud row spoils a quiet one: each row needs a shift of its own")
def loud_row_beside_a_quiet_one(s):
    lead = np.log(3)
    weights = s.softmax(np.array([[1000.0, 1000.0 - lead], [-1000.0 - lead, -1000.0]]))
    expect_close(weights, [[0.75, 0.25], [0.25, 0.75]])


### BEGIN HIDDEN TESTS
@softmax.check(points=1, hint="weights differ from exponentials divided by their sum", hidden=True)
def equals_the_equation(s):
    scores = s.rng.normal(size=(2, 5, 7)) * 3
    exponentials = np.exp(scores)
    expect_close(s.softmax(scores), exponentials / exponentials.sum(-1, keepdims=True))
    expect_close(s.softmax(scores.astype("float32")), exponentials / exponentials.sum(-1, keepdims=True))


### END HIDDEN TESTS
# 3.2


def three_scores(rng):
    """Scores one point apart, and a temperature at which a point multiplies a weight by 1.5, 2 or 4."""
    scores = [int(e) for e in rng.permutation(3) + rng.integers(3, 300)]
    return {"scores_3_2": scores, "temperature_3_2": float(rng.choice([2.47, 1.44, 0.72]))}


predict = chapter.question(
    "3.2",
    "Weights in your head",
    kind="predict",
    level=1,
    minutes=5,
    constants=three_scores,
    hints=(
        "Only differences of scores count, so how large the scores are does not matter.",
        "Dividing by T before exp: one point more multiplies a weight by one fixed factor.",
        "Call the worst weight 1, the next one the factor, the best its square. Then make the sum 1.",
    ),
)


@predict.check(points=1, hint="three weights, in the order of the scores, that sum to 1")
def three_weights(s):
    weights = np.array(s.prediction_3_2(), dtype=float)
    expect_shape(weights, (3,), "weights")
    expect_close(weights.sum(), 1, tolerance=0.02)
    same_order = weights.argsort().tolist() == np.argsort(s.given["scores_3_2"]).tolist()
    expect(same_order, "a better score must have the larger weight")


@predict.check(points=1, hint="one point more multiplies a weight by the same factor, wherever the point is")
def one_factor_for_each_point(s):
    worst, middle, best = sorted(s.prediction_3_2())
    expect(worst > 0, "a weight is 0: exp is never 0, so even the worst score has a share")
    factor, cold = best / middle, s.given["temperature_3_2"] < 1
    expect(abs(factor - 2.718) > 0.3, "those are the weights at T = 1: the temperature is missing")
    expect((factor > 2.718) == cold, "the wrong way round: T below 1 is cold and sharp, above 1 hot and even")
    expect(abs(middle / worst / factor - 1) < 0.35)
    wanted = np.exp(1 / s.given["temperature_3_2"])
    message = f"here one point multiplies a weight by {factor:.2f}: what is exp(1/T)?"
    expect(abs(factor / wanted - 1) < 0.08, message)
    message = "best and worst are two points apart: the factor counts twice"
    expect(abs(best / worst / wanted**2 - 1) < 0.1, message)


### BEGIN HIDDEN TESTS
@predict.check(points=1, hint="weights are off: what is the factor of one point at this T?", hidden=True)
def to_two_digits(s):
    scores = np.array(s.given["scores_3_2"])
    e = np.exp((scores - scores.max()) / s.given["temperature_3_2"])
    expect_close(s.prediction_3_2(), e / e.sum(), tolerance=0.012)


### END HIDDEN TESTS
# 3.3

temper = chapter.question(
    "3.3",
    "Another temperature, without the scores",
    kind="build",
    level=2,
    minutes=15,
    hints=(
        "The scores are gone, but one thing about them can still be read off the weights.",
        "exp(e / T) is a power of exp(e), and a factor common to a row does no harm.",
        "Raise to the power 1 / T and make rows sum to 1; before that, make the largest entry of each row 1.",
    ),
)


@temper.check(points=1, hint="at T = 1 the same weights must come back: a weight is not a score")
def temperature_one_changes_nothing(s):
    weights = s.rng.dirichlet(np.ones(7), size=3)
    expect_close(s.at_temperature(weights, 1.0), weights)
    padded = s.at_temperature(np.array([[0.8, 0.2, 0.0]]), 4.0)[0]
    expect(abs(padded[0] - 0.8) > 1e-3, "T changes nothing: a factor that all share cancels in the sum")
    expect(padded[2] == 0, "a weight of 0 must stay exactly 0: was a small number added somewhere?")


@temper.check(points=1, hint="cold ends at the largest weight alone: is the temperature the wrong way round?")
def cold_keeps_the_tie(s):
    start = np.array([[0.4, 0.4, 0.2], [0.1, 0.2, 0.7]])
    weights = s.at_temperature(start, 0.001)
    expect(not np.allclose(weights, start), "T changes nothing: a factor that all share cancels in the sum")
    expect(np.isfinite(weights).all(), "very cold: powers of small numbers all become 0, and 0 / 0 is nan")
    expect_close(weights, [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])


@temper.check(points=1, hint="a higher temperature must spread the weights: the entropy grows with T")
def hotter_is_more_even(s):
    start = s.rng.dirichlet(np.ones(5), size=3)
    rows = [s.at_temperature(start, T) for T in (0.5, 1.0, 2.0, 1e6)]
    largest = np.array([row.max(-1) for row in rows])
    expect((np.diff(largest, axis=0) < 0).all())
    ratio = "at T = 2 weights of 4 to 1 become 2 to 1: a power of the weights, made to sum to 1"
    expect_close(s.at_temperature(np.array([[0.8, 0.2]]), 2.0), [[2 / 3, 1 / 3]], ratio)
    expect_close(rows[-1], np.full((3, 5), 0.2), "very hot: all positions must end up equal", tolerance=1e-3)


### BEGIN HIDDEN TESTS
@temper.check(points=2, hint="not the softmax at this temperature, or a weight of 0 moved", hidden=True)
def equals_the_softmax_of_the_scores(s):
    scores, T = s.rng.normal(size=(3, 7)), s.rng.uniform(2.5, 4)
    scores[1, 2] = -np.inf  # padding
    one, other = np.exp(scores), np.exp(scores / T)
    found = s.at_temperature(one / one.sum(-1, keepdims=True), T)
    expect_close(found, other / other.sum(-1, keepdims=True))


### END HIDDEN TESTS
# 3.4

jacobian = chapter.question(
    "3.4",
    "The Jacobian of a whole batch",
    kind="build",
    level=2,
    minutes=15,
    hints=(
        "Begin with one row at T = 1; the chapter has that matrix.",
        "Both parts need new axes: weights[:, :, None] runs down the rows, weights[:, None, :] along them.",
        "np.eye(n) times weights puts them on the diagonal; then think of d(e / T) / de.",
    ),
)


@jacobian.check(points=1, hint="one matrix for each row of weights: shape (B, n, n)")
def one_matrix_each(s):
    matrices = s.jacobian(s.rng.dirichlet(np.ones(3), size=5), 1.0)
    expect_shape(matrices, (5, 3, 3), "Jacobian")
    expect(np.ptp(matrices) > 0, "all entries are the same number")


@jacobian.check(points=1, hint="what one word gains the others lose: each row of each matrix must sum to 0")
def gains_are_losses(s):
    matrices = s.jacobian(s.rng.dirichlet(np.ones(7), size=3), 1.0)
    expect_close(matrices.sum(-1), np.zeros((3, 7)))
    expect(abs(matrices).max() > 0, "no weight moves at all")
    expect_close(matrices, matrices.swapaxes(1, 2), "e_j moves weight i as much as e_i moves weight j")


@jacobian.check(points=1, hint="two equal scores: raise one by 0.01, and its weight grows by 0.0025")
def two_equal_scores(s):
    equal = np.array([[0.5, 0.5]])
    expect_close(s.jacobian(equal, 1.0), [[[0.25, -0.25], [-0.25, 0.25]]])
    colder = "twice as cold, twice as steep: the scores are divided by T before the softmax"
    expect_close(s.jacobian(equal, 0.5), [[[0.5, -0.5], [-0.5, 0.5]]], colder)
    uneven = "right for equal weights only: at 0.9 and 0.1 the softmax is flatter, 0.09 in place of 0.25"
    expect_close(s.jacobian(np.array([[0.9, 0.1]]), 1.0), [[[0.09, -0.09], [-0.09, 0.09]]], uneven)


### BEGIN HIDDEN TESTS
@jacobian.check(points=2, hint="differs from finite differences of the softmax", hidden=True)
def equals_finite_differences(s):
    scores, T, small = s.rng.normal(size=(5, 7)), s.rng.uniform(0.5, 2), 1e-6

    def weights(e):
        e = np.exp(e / T)
        return e / e.sum(-1, keepdims=True)

    steps = small * np.eye(7)
    columns = [(weights(scores + step) - weights(scores - step)) / (2 * small) for step in steps]
    expect_close(s.jacobian(weights(scores), T), np.stack(columns, axis=-1), tolerance=1e-6)


### END HIDDEN TESTS
# 3.5

masked = chapter.question(
    "3.5",
    "Mask the padding, and decide about the empty row",
    kind="build",
    level=2,
    minutes=15,
    hints=(
        "Which score makes exp exactly 0? Give it to the padding before anything else happens.",
        "In an empty row even the largest score is that one, and taking it off itself gives nan.",
        "np.where can replace such a largest score by 0, and later a sum of 0 by 1: then 0 / 1 is left.",
    ),
)


@masked.check(points=1, hint="padding must get exactly 0")
def padding_gets_nothing(s):
    weights = s.masked_weights(np.array([[-1.0, -2.0, 0.0]]), np.array([[True, True, False]]))
    expect_shape(weights, (1, 3), "weights")
    share = weights[0, 2]
    inside_out = "padding has all the weight: the mask is inside out, True means a real token"
    expect((weights[0, :2] > 0).all(), inside_out)
    expect(share == 0, f"padding has weight {share:.2g}, not exactly 0: is its score small enough?")


@masked.check(points=1, hint="weights of real tokens must sum to 1 in each row")
def real_tokens_share_everything(s):
    lengths = s.rng.permutation([7, 5, 3, 2, 1])
    mask = np.arange(7) < lengths[:, None]
    weights = s.masked_weights(s.rng.normal(size=(5, 7)), mask)
    total = weights.sum(-1)
    expect((total > 1 - 1e-5).all(), "rows sum to less than 1: padding took its share before you masked it")
    expect_close(total, np.ones(5))
    expect((weights[~mask] == 0).all(), "padding is among those that share: it must get exactly 0")


@masked.check(points=1, hint="padding with a huge score must not be heard, and here it is")
def loud_padding(s):
    weights = s.masked_weights(np.array([[np.log(3), 0.0, 5000.0]]), np.array([[True, True, False]]))
    expect(np.isfinite(weights).all(), "loud padding pushes real words to 0 before you divide: 0 / 0")
    expect(weights[0, 0] != weights[0, 1], "real words share alike: each must get what its own score says")
    expect_close(weights, [[0.75, 0.25, 0.0]])


@masked.check(points=1, hint="a row without a real token must be all 0, and other rows untouched")
def empty_row(s):
    weights = s.masked_weights(s.rng.normal(size=(2, 5)), np.array([[False] * 5, [True] * 5]))
    expect(not np.isnan(weights).any(), "the row without a real token is nan: from inf - inf, or 0 / 0?")
    expect_close(weights[0], np.zeros(5), "the row without a real token looks at padding: want all 0")
    expect_close(weights[1].sum(), 1)


### BEGIN HIDDEN TESTS
@masked.check(points=1, hint="a row must get what its real tokens get alone, in place", hidden=True)
def as_if_the_padding_were_cut_off(s):
    scores, mask = s.rng.normal(size=(5, 11)), s.rng.random((5, 11)) < 0.6
    scores[1] -= 3000  # a quiet row: only differences count
    mask[:, 4] = True
    expected = np.zeros((5, 11))
    for b in range(5):
        e = np.exp(scores[b, mask[b]] - scores[b, mask[b]].max())
        expected[b, mask[b]] = e / e.sum()
    expect_close(s.masked_weights(scores, mask), expected)


### END HIDDEN TESTS
# 3.6

three = chapter.question(
    "3.6",
    "Three scores for all steps at once",
    kind="build",
    level=2,
    minutes=20,
    hints=(
        "Write the axes down: b, t and i stay, and what runs over the width is summed.",
        "np.einsum takes that sentence nearly as it stands; queries @ keys.swapaxes(1, 2) is another way.",
        "For the additive score make axes (B, m, 1, d_a) and (B, 1, n, d_a), add, bend, then @ v_a.",
    ),
)

HAND_QUERIES = np.array([[[1.0, 2.0], [0.0, -1.0]]])  # (B=1, m=2, d=2)
HAND_KEYS = np.array([[[3.0, -1.0], [2.0, 2.0], [0.0, 1.0]]])  # (B=1, n=3, d=2)
HAND_SCORES = [[[1.0, 6.0, 2.0], [1.0, -2.0, -1.0]]]


@three.check(points=1, hint="dot: multiply number by number and add up, for every step and every position")
def dot_by_hand(s):
    scores = s.dot_scores(s.rng.normal(size=(3, 5, 11)), s.rng.normal(size=(3, 7, 11)))
    expect_shape(scores, (3, 5, 7), "dot scores")
    found = s.dot_scores(HAND_QUERIES, HAND_KEYS)
    scaled = np.allclose(found, np.array(HAND_SCORES) / np.sqrt(2))
    expect(not scaled, "dot: those are divided by the root of d; the plain dot score is asked for")
    expect_close(found, HAND_SCORES)
    both = s.dot_scores(np.tile(HAND_QUERIES, (2, 1, 1)), np.concatenate([HAND_KEYS, -HAND_KEYS]))
    expect_close(both[1], -np.array(HAND_SCORES[0]), "dot: each sentence must be compared with its own keys")


@three.check(points=1, hint="general: with the identity as W_a it must be the dot score")
def general_with_the_identity(s):
    moved = s.general_scores(HAND_QUERIES, HAND_KEYS, np.array([[0.0, 1.0], [0.0, 0.0]]))
    turned = "general: W_a is turned over: its rows belong to the query, its columns to the key"
    expect(not np.allclose(moved, [[[6.0, 4.0, 0.0], [-3.0, -2.0, 0.0]]]), turned)
    expect(not np.allclose(moved, HAND_SCORES), "general: W_a is not used, at least where it is square")
    expect_close(moved, [[[-1.0, 2.0, 1.0], [0.0, 0.0, 0.0]]])
    states = s.rng.normal(size=(3, 5, 2)), s.rng.normal(size=(3, 7, 11))
    expect_shape(s.general_scores(*states, s.rng.normal(size=(2, 11))), (3, 5, 7), "general scores")
    expect_close(s.general_scores(HAND_QUERIES, HAND_KEYS, np.eye(2)), HAND_SCORES)


@three.check(points=1, hint="additive: the tanh bends each of the d_a numbers, before v_a adds them up")
def additive_where_tanh_is_flat(s):
    keys, one, v_a = np.array([[[1.0], [-1.0], [0.0]]]), np.ones((1, 1, 1)), np.array([3.0])
    zero, steep = np.zeros((1, 1)), np.array([[100.0]])
    flat = s.additive_scores(one, keys, zero, steep, v_a)
    expect(abs(flat).max() < 4, "no tanh inside: a sum of 100 must be bent to 1 before v_a")
    expect(np.ptp(flat) > 0, "additive: U_a meets the query: W_a goes with the query, U_a with the key")
    expect_close(flat, [[[3.0, -3.0, 0.0]]])
    both = s.additive_scores(one, keys, steep, steep, v_a)
    expect(abs(both).max() < 4, "additive: query and key are bent each alone: add first, then one tanh")
    expect_close(both, [[[3.0, 0.0, 3.0]]], "additive: inside the tanh stands W_a s + U_a h alone")
    states, W_a, U_a = s.rng.normal(size=(3, 5, 2)), s.rng.normal(size=(13, 2)), s.rng.normal(size=(13, 11))
    scores = s.additive_scores(states, s.rng.normal(size=(3, 7, 11)), W_a, U_a, np.ones(13))
    expect_shape(scores, (3, 5, 7), "additive scores")
    wide = s.additive_scores(states, np.zeros((3, 7, 11)), W_a, U_a, np.eye(13)[0])
    message = "additive: each step and each sentence must be heard in all scores of its own"
    expect_close(wide, np.repeat(np.tanh(states @ W_a[0])[:, :, None], 7, axis=2), message)


### BEGIN HIDDEN TESTS
@three.check(points=1, hint="dot scores are wrong for some sentence, step or position", hidden=True)
def dot_equals_the_sum(s):
    queries, keys = s.rng.normal(size=(3, 5, 11)), s.rng.normal(size=(3, 7, 11))
    expect_close(s.dot_scores(queries, keys), np.einsum("btk,bik->bti", queries, keys))


@three.check(points=1, hint="general scores: is W_a turned over? Rows are d_s, columns d_h", hidden=True)
def general_equals_the_sum(s):
    queries, keys, W_a = s.rng.normal(size=(3, 5, 7)), s.rng.normal(size=(3, 2, 7)), s.rng.normal(size=(7, 7))
    expect_close(s.general_scores(queries, keys, W_a), np.einsum("btj,jk,bik->bti", queries, W_a, keys))


@three.check(points=1, hint="additive scores: W_a goes with the query, U_a with the key", hidden=True)
def additive_equals_the_sum(s):
    queries, keys, v_a = s.rng.normal(size=(3, 5, 7)), s.rng.normal(size=(3, 2, 7)), s.rng.normal(size=11)
    W_a, U_a = s.rng.normal(size=(2, 11, 7))
    a = np.einsum("aj,btj->bta", W_a, queries)[:, :, None] + np.einsum("ak,bik->bia", U_a, keys)[:, None]
    expect_close(s.additive_scores(queries, keys, W_a, U_a, v_a), np.tanh(a) @ v_a)


### END HIDDEN TESTS
# 3.7


def one_sentence(rng):
    """Return queries (5, 3), keys (7, 2), W_a, U_a and v_a of width 11."""
    parameters = (rng.normal(size=size) / 2 for size in ((11, 3), (11, 2), 11))
    return rng.normal(size=(5, 3)), rng.normal(size=(7, 2)), *parameters


cancels = chapter.question(
    "3.7",
    "The query that cancels",
    kind="experiment",
    level=2,
    minutes=20,
    hints=(
        "One function, two scores: the tanh is the only difference.",
        "Without the tanh the query adds one number to a whole row. What does a softmax do with that?",
        "Leave out of the score what is the same for every i. For the change: largest minus smallest.",
    ),
)


@cancels.check(points=1, hint="without the tanh the weights of two steps still differ: what else bends?")
def without_tanh_no_step_differs(s):
    weights = s.step_weights(*one_sentence(s.rng), False)
    expect_shape(weights, (5, 7), "weights")
    expect_close(weights.sum(-1), np.ones(5), "weights of a step must sum to 1 over the source")
    expect(np.ptp(weights, axis=0).max() < 1e-6)
    one, keys = np.ones((1, 1)), np.array([[np.log(3)], [0.0]])
    found = s.step_weights(one, keys, one, one, np.ones(1), False)
    expect(found[0, 0] != found[0, 1], "without the tanh all weights are equal: the keys are still heard")
    expect_close(found, [[0.75, 0.25]], "without the tanh: not a softmax of v_a · (W_a s + U_a h)")


@cancels.check(points=1, hint="with the tanh every step must have weights of its own")
def with_tanh_steps_differ(s):
    weights = s.step_weights(*one_sentence(s.rng), True)
    expect_shape(weights, (5, 7), "weights")
    expect_close(weights.sum(-1), np.ones(5), "weights of a step must sum to 1 over the source")
    expect(np.ptp(weights, axis=0).max() > 1e-3, "with bend=True the query is not heard: where is the tanh?")
    keys, steep = np.array([[1.0], [-1.0], [0.0]]), np.full((1, 1), 100.0)
    weights = s.step_weights(np.zeros((1, 1)), keys, steep, steep, np.array([3.0]), True)
    outside, right = (np.exp(e) / np.exp(e).sum() for e in (np.array([[1, -1, 0]]), np.array([[3, -3, 0]])))
    message = "the tanh stands outside: it must bend each of the d_a numbers, before v_a adds them up"
    expect(not np.allclose(weights, outside), message)
    expect_close(weights, right, "with the tanh: not a softmax of v_a · tanh(W_a s + U_a h)")


@cancels.check(points=1, hint="not what step_weights gives without tanh: what is left of the score?")
def keys_alone_are_enough(s):
    queries, keys, W_a, U_a, v_a = one_sentence(s.rng)
    rows = s.step_weights(queries, keys, W_a, U_a, v_a, False)
    expect_close(s.weights_without_query(keys, U_a, v_a), rows[3])
    found = s.weights_without_query(np.array([[np.log(3)], [0.0]]), np.ones((1, 1)), np.ones(1))
    expect_close(found, [0.75, 0.25], "scores log 3 and 0 must give 0.75 and 0.25: what is left of it?")


@cancels.check(points=1, hint="the largest change of one weight between any two steps is asked for")
def change_between_any_two_steps(s):
    weights = np.array([[0.5, 0.5], [0.2, 0.8], [0.5, 0.5], [0.9, 0.1], [0.6, 0.4]])
    found = float(s.largest_change(weights))
    across = "the positions of one step are compared: compare one position at two steps, the steps are rows"
    expect(not np.isclose(found, 0.8), across)
    message = "compare any two steps: not only neighbours, nor all with the first or the last one"
    expect(not np.isclose(found, 0.4), message)
    expect(not np.isclose(found, 1.4), "how far one weight moves is asked for, not the sum over positions")
    expect_close(found, 0.7)
    expect_close(s.largest_change(np.full((3, 5), 0.2)), 0)


### BEGIN HIDDEN TESTS
@cancels.check(points=2, hint="not the weights of the additive score, with or without its tanh", hidden=True)
def equals_both_equations(s):
    queries, keys, W_a, U_a, v_a = inputs = one_sentence(s.rng)
    a = (queries @ W_a.T)[:, None] + keys @ U_a.T
    for bend, inside in ((True, np.tanh(a)), (False, a)):
        e = np.exp(inside @ v_a)
        expect_close(s.step_weights(*inputs, bend), e / e.sum(-1, keepdims=True))


### END HIDDEN TESTS
# 3.8

scaling = chapter.question(
    "3.8",
    "What the root of d is for",
    kind="experiment",
    level=2,
    minutes=15,
    hints=(
        "Measure first: print the variance for a few d with sd = 1, then for sd = 2.",
        "At mean 0, variances of factors multiply, and those of d independent terms add up.",
        "Divide by the standard deviation, the root of the variance you found: it holds sd as well.",
    ),
)


@scaling.check(points=1, hint="four times as wide, four times the variance: of whole dot products")
def variance_grows_with_d(s):
    seed = int(s.rng.integers(1000))
    narrow, wide = s.measure_variance(11, 1.0, 3001, seed), s.measure_variance(44, 1.0, 3001, seed)
    expect(abs(wide / narrow / 4 - 1) < 0.25)
    other = s.measure_variance(11, 1.0, 3001, seed + 1)
    expect(other != narrow, "another seed gives the very same number: that is a formula, measure it")
    expect(narrow < 16, "twice too much: is the query its own key? Every pair must be drawn independently")
    expect(narrow > 7, "far too little: are the numbers drawn with mean 0 and standard deviation sd?")


@scaling.check(points=1, hint="query and key both have the standard deviation sd: twice the sd is felt twice")
def both_sides_have_the_sd(s):
    seed = int(s.rng.integers(1000))
    short, long = s.measure_variance(7, 1.0, 3001, seed), s.measure_variance(7, 2.0, 3001, seed)
    expect(abs(long / short / 16 - 1) < 0.25)


@scaling.check(points=1, hint="scores of shape (B, n) whose variance is about 1")
def scaled_scores_have_variance_one(s):
    query, keys = s.rng.normal(size=(211, 67)) / 2, s.rng.normal(size=(211, 11, 67)) / 2
    plain = s.scaled_scores(2 * query, 2 * keys, 1.0)  # now the numbers have the standard deviation 1
    expect_shape(plain, (211, 11), "scores")
    expect(not 67 * plain.var() < 2, "divided by the variance: the spread of scores is its root")
    expect(abs(plain.var() - 1) < 0.2, f"variance {plain.var():.2g} at sd = 1, d = 67: do d and sd count?")
    scores = s.scaled_scores(query, keys, 0.5)
    expect(abs(scores.var() - 1) < 0.2, f"variance {scores.var():.2g} at sd = 0.5: is this for sd = 1?")
    long = s.scaled_scores(2 * query, keys, 0.5)
    expect_close(long, 2 * scores, "twice the query, twice the scores: they set no scale")


### BEGIN HIDDEN TESTS
@scaling.check(points=1, hint="over 10 % off: draw mean 0, every pair independent", hidden=True)
def measured_within_a_tenth(s):
    d, sd = int(s.rng.choice([31, 37, 41])), s.rng.uniform(1.4, 2)
    found = s.measure_variance(d, sd, 6007, int(s.rng.integers(1000)))
    expect(abs(found / (d * sd**4) - 1) < 0.1)


@scaling.check(points=1, hint="not the dot product over its standard deviation in theory", hidden=True)
def equals_the_scaled_product(s):
    query, keys, sd = s.rng.normal(size=(5, 13)), s.rng.normal(size=(5, 3, 13)), s.rng.uniform(1.5, 3)
    expected = np.einsum("bk,bik->bi", query, keys) / (np.sqrt(13) * sd**2)
    expect_close(s.scaled_scores(query, keys, sd), expected)


### END HIDDEN TESTS
# 3.9

backward = chapter.question(
    "3.9",
    "The additive score backwards, by hand",
    kind="build",
    level=3,
    minutes=30,
    hints=(
        "Go back through three stations: the sum with v_a, the tanh, the two products.",
        "With z = tanh(a) the slope is 1 - z². One array of shape (n, d_a) holds what reaches a.",
        "The same query stands at every position: add over i what comes back. Shapes say what to transpose.",
    ),
)

NAMES = ("query", "keys", "W_a", "U_a", "v_a")


@backward.check(points=1, hint="five gradients in the order query, keys, W_a, U_a, v_a")
def shaped_like_the_arguments(s):
    shapes = (3,), (7, 2), (11, 3), (11, 2), (11,)
    grad, arguments = s.rng.normal(size=7), [s.rng.normal(size=shape) for shape in shapes]
    found = s.additive_backward(grad, *arguments)
    expect(len(found) == 5)
    for gradient, shape, name in zip(found, shapes, NAMES, strict=True):
        expect_shape(gradient, shape, f"gradient for {name}")
    for gradient, double, name in zip(found, s.additive_backward(2 * grad, *arguments), NAMES, strict=True):
        expect(np.ptp(gradient) > 0, f"gradient for {name}: all its numbers are the same")
        expect_close(double, 2 * gradient, f"gradient for {name}: not twice as large for twice `grad`")


@backward.check(points=1, hint="where the tanh is flat nothing may pass, except to v_a: is its slope there?")
def nothing_passes_a_flat_tanh(s):
    keys, one = np.array([[50.0], [-50.0]]), np.ones((1, 1))
    found = s.additive_backward(np.array([1.0, 10.0]), np.array([2.0]), keys, one, one, np.array([5.0]))
    for gradient in found[:4]:
        expect_close(gradient, np.zeros(np.shape(gradient)))
    expect_close(found[4], [-9.0], "v_a gets what came out of the tanh, 1 and -1 here, not what went in")


@backward.check(points=1, hint="at zero the tanh has slope 1, and one number a layer can be followed by hand")
def one_number_a_layer(s):
    zero, W_a, U_a, v_a = np.zeros(1), np.array([[2.0]]), np.array([[3.0]]), np.array([5.0])
    query, keys, *_ = s.additive_backward(np.array([1.0, 10.0]), zero, np.zeros((2, 1)), W_a, U_a, v_a)
    expect_close(query, [110.0], "the query stands at both positions: add up what comes back through W_a")
    expect_close(keys, [[15.0], [150.0]], "a key gets what comes back from its own position, through U_a")
    two, pair, flat = np.array([2.0]), np.array([[3.0], [4.0]]), np.zeros((1, 1))
    _, _, W_a, U_a, _ = s.additive_backward(np.array([1.0, 10.0]), two, pair, flat, flat, v_a)
    expect_close(W_a, [[110.0]], "W_a stands at both positions: add up what reaches it, times the query")
    expect_close(U_a, [[215.0]], "U_a meets another key at each position: each brings its own share")


### BEGIN HIDDEN TESTS
def by_finite_differences(grad, arguments, which):
    """Return the gradient of grad · scores for one argument of the additive score."""

    def loss(value):
        query, keys, W_a, U_a, v_a = [value if k == which else x for k, x in enumerate(arguments)]
        return grad @ (np.tanh(W_a @ query + keys @ U_a.T) @ v_a)

    found = np.zeros(arguments[which].shape)
    for place in np.ndindex(found.shape):
        step = np.zeros(found.shape)
        step[place] = 1e-6
        found[place] = (loss(arguments[which] + step) - loss(arguments[which] - step)) / 2e-6
    return found


def drawn_arguments(rng):
    return [rng.normal(size=shape) for shape in ((3,), (7, 2), (5, 3), (5, 2), (5,))]


@backward.check(points=1, hint="gradients for query or keys differ from finite differences", hidden=True)
def states_equal_finite_differences(s):
    grad, arguments = s.rng.normal(size=7), drawn_arguments(s.rng)
    found = s.additive_backward(grad, *arguments)
    for which in (0, 1):
        expect_close(found[which], by_finite_differences(grad, arguments, which))


@backward.check(points=2, hint="gradients for W_a, U_a or v_a differ from finite differences", hidden=True)
def parameters_equal_finite_differences(s):
    grad, arguments = s.rng.normal(size=7), drawn_arguments(s.rng)
    found = s.additive_backward(grad, *arguments)
    for which in (2, 3, 4):
        expect_close(found[which], by_finite_differences(grad, arguments, which))


### END HIDDEN TESTS
# 3.10

repair = chapter.question(
    "3.10",
    "It worked with one sentence",
    kind="repair",
    level=2,
    minutes=10,
    hints=(
        "Print the shape of scores for B = 1 and for B = 3: which axis has which meaning?",
        "squeeze drops every axis of length 1, so a number for an axis means something else each time.",
        "Keep all three axes. Which one is the source, always?",
    ),
)


@repair.check(points=1, hint="with several sentences the shape or the sums are wrong")
def three_sentences(s):
    weights = s.repaired_alignment(s.rng.normal(size=(3, 5, 2)), s.rng.normal(size=(3, 7, 2)))
    expect_shape(weights, (3, 5, 7), "weights")
    columns = np.allclose(weights.sum(1), 1)
    expect(not columns, "with three sentences columns sum to 1: that axis is the target, not the source")
    expect_close(weights.sum(2), np.ones((3, 5)), "with three sentences the sums over the source are not 1")
    keys = s.rng.normal(size=(3, 7, 2))
    alike = s.repaired_alignment(np.repeat(s.rng.normal(size=(1, 5, 2)), 3, axis=0), keys)
    expect(not np.allclose(alike[0], alike[1]), "all sentences get the weights of one: each has its own keys")


@repair.check(points=1, hint="one sentence must still work: weights (1, m, n) that sum to 1 over the source")
def one_sentence_still_works(s):
    keys = np.log([[[3.0], [1.0], [1.0]]])  # (B=1, n=3, d=1)
    weights = s.repaired_alignment(np.array([[[1.0], [0.0]]]), keys)
    expect_shape(weights, (1, 2, 3), "weights")
    expect_close(weights, [[[0.6, 0.2, 0.2], [1 / 3, 1 / 3, 1 / 3]]])


@repair.check(points=1, hint="sentences of one word: all the weight is on it. Which axis did squeeze drop?")
def sentences_of_one_word(s):
    weights = s.repaired_alignment(s.rng.normal(size=(3, 5, 2)), s.rng.normal(size=(3, 1, 2)))
    expect_close(weights, np.ones((3, 5, 1)))
    weights = s.repaired_alignment(s.rng.normal(size=(3, 1, 2)), s.rng.normal(size=(3, 2, 2)))
    expect(np.ptp(weights) > 0, "two words and one step: both get the same weight, whatever the scores")


### BEGIN HIDDEN TESTS
@repair.check(points=1, hint="a sentence gets other weights in a batch than alone", hidden=True)
def a_batch_is_its_sentences(s):
    queries, keys = s.rng.normal(size=(3, 5, 2)), s.rng.normal(size=(3, 7, 2))
    expected = np.exp(np.einsum("btk,bik->bti", queries, keys))
    expect_close(s.repaired_alignment(queries, keys), expected / expected.sum(-1, keepdims=True))
    first = s.repaired_alignment(queries[:, :1], keys)  # one decoder step
    expect_close(first, (expected / expected.sum(-1, keepdims=True))[:, :1])


### END HIDDEN TESTS
# 3.11

dilution = chapter.question(
    "3.11",
    "How long until the best word has less than half?",
    kind="explain",
    level=2,
    minutes=10,
    by_hand=2,
    constants=lambda rng: {"lead_3_11": round(float(rng.uniform(2.0, 4.5)), 2)},
    hints=(
        "Say that every other score is 0: then each other word counts exp(0) = 1.",
        "The best word counts exp(lead) against all others together.",
        "Half is where all others together count as much as the best one; take the first whole n beyond it.",
    ),
)


@dilution.check(points=1, hint="one whole number of positions, the best word among them")
def a_plausible_length(s):
    n, lead = s.prediction_3_11(), s.given["lead_3_11"]
    expect(n == int(n))
    expect(n > 1 + lead + lead**2 / 2, "too short: a lead counts through exp, not in proportion")
    expect(n < 3**lead + 3, "too long: one point is worth a factor of e, less than 3")
    others = n - 1  # each of them counts 1, against exp(lead)
    message = "here it still has half or more: it is one of the n positions, and half is not less"
    expect(others > np.exp(lead), message)
    expect(others - 1 < np.exp(lead), "too long: with one position fewer it has less than half already")


### BEGIN HIDDEN TESTS
@dilution.check(points=1, hint="a little off: the best word is a position too, half is not less", hidden=True)
def the_first_length_below_half(s):
    expect(s.prediction_3_11() == int(np.exp(s.given["lead_3_11"])) + 2)


### END HIDDEN TESTS
