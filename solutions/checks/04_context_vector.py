"""Checks of the exercises of chapter 04: what the decoder gets from the place it looks at."""

from itertools import combinations

import numpy as np

from seq2seq_edu.grading import Chapter, expect, expect_close, expect_shape

chapter = Chapter(
    "04_context_vector",
    hides=("equations", "gradients", "models", "training"),
)


def draw_weights(rng, *shape):
    """Return positive weights that sum to 1 over the last axis."""
    return rng.dirichlet(np.ones(shape[-1]), size=shape[:-1])


# 4.1

contexts = chapter.question(
    "4.1",
    "All contexts of a batch",
    kind="build",
    level=1,
    minutes=10,
    hints=(
        "Each context is a mean of the states of its own sentence, weighted by one row of the alignment.",
        "Write the letters: b, m and n go in, b, n and d go in, b, m and d come out. Which one is summed?",
        "One matrix product does it: for arrays of three axes, @ multiplies the last two of each sentence.",
    ),
)


@contexts.check(points=1, hint="one context for each sentence and each target step")
def one_context_a_step(s):
    alignment, states = draw_weights(s.rng, 3, 5, 7), s.rng.normal(size=(3, 7, 11))
    found = s.context_vectors(alignment, states)
    expect_shape(found, (3, 5, 11), "contexts")
    expect(np.ptp(found) > 0, "all contexts are the same number")


@contexts.check(points=1, hint="a step that looks at one word only must get the state of that word")
def one_hot_weights_return_a_state(s):
    states, place = s.rng.normal(size=(3, 7, 11)), s.rng.integers(7, size=(3, 5))
    found = s.context_vectors(np.eye(7)[place], states)
    expect_close(found[0], states[0][place[0]])
    expect_close(found[2], states[2][place[2]], "every sentence must mix its own states, not another's")
    found = s.context_vectors(np.array([[[0.75, 0.25]]]), np.array([[[0.0], [4.0]]]))
    expect(not np.isclose(found, 0).all(), "only the word of the largest weight is taken: all take part")
    expect_close(found, [[[1.0]]], "weights 0.75 and 0.25 must mix the states 0 and 4 to 1")


@contexts.check(points=1, hint="weights above 0 that sum to 1 can mix the states, and nothing else")
def never_outside_the_states(s):
    alignment, states = draw_weights(s.rng, 3, 5, 7), s.rng.normal(size=(3, 7, 29))
    found = s.context_vectors(alignment, states)
    expect((found <= states.max(axis=1, keepdims=True) + 1e-5).all())
    expect((found >= states.min(axis=1, keepdims=True) - 1e-5).all())
    moved = s.context_vectors(alignment, states + 5)
    expect_close(moved, found + 5, "when all states move by 5, every mix of them must move by 5")


### BEGIN HIDDEN TESTS
@contexts.check(points=2, hint="all states take part in each context, each with its own weight", hidden=True)
def equals_the_sum(s):
    alignment, states = draw_weights(s.rng, 5, 3, 7), s.rng.normal(size=(5, 7, 2))
    expected = np.zeros((5, 3, 2))
    for b, t, i in np.ndindex(alignment.shape):
        expected[b, t] += alignment[b, t, i] * states[b, i]
    expect_close(s.context_vectors(alignment, states), expected)
    expect_close(s.context_vectors(alignment.astype("float32"), states.astype("float32")), expected)


### END HIDDEN TESTS
# 4.2


def weights_and_states(rng):
    """Draw three weights in tenths, three states of whole numbers, and a vector to move them by."""
    tenths, states = [int(k) for k in rng.permutation([1, 3, 6])], [[0, 0]] * 3
    while len(set(map(str, states))) < 3:
        states = rng.integers(-4, 5, size=(3, 2)).tolist()
    return {
        "weights_4_2": [k / 10 for k in tenths],
        "states_4_2": states,
        "move_4_2": [int(k) for k in rng.choice([-20, -10, 10, 20, 30], size=2, replace=False)],
    }


by_head = chapter.question(
    "4.2",
    "A context in your head",
    kind="predict",
    level=1,
    minutes=5,
    hints=(
        "Take each coordinate by itself: a weighted mean of three numbers.",
        "When all states move together, what happens to the sum of weight times state?",
        "The move is multiplied by each of the weights in turn, and these are added up.",
    ),
    constants=weights_and_states,
)


@by_head.check(points=1, hint="two contexts, of two numbers each")
def between_the_states(s):
    found, states = np.array(s.prediction_4_2(), dtype=float), np.array(s.given["states_4_2"])
    expect_shape(found, (2, 2), "the two contexts")
    low, high = states.min(axis=0) - 0.01, states.max(axis=0) + 0.01
    inside = (low <= found[0]).all() and (found[0] <= high).all()
    plain = np.allclose(found[0], states.mean(axis=0), atol=0.02)
    expect(not plain or plain_is_right(s), "that is the plain mean: here the weights are not equal")
    one = [np.allclose(found[0], state, atol=0.02) for state in states]
    expect(not any(one), "the first context is one of the states: all three have a weight")
    expect(inside, "a number of the first context lies outside its column: can a mean do that?")
    low, high = low + s.given["move_4_2"], high + s.given["move_4_2"]
    inside = (low <= found[1]).all() and (found[1] <= high).all()
    expect(not np.allclose(found[0], found[1]), "the second context is the first: the move is forgotten")
    expect(inside, "the second context does not lie between the moved states")


def plain_is_right(s):
    """Tell whether the plain mean happens to be the context."""
    states = np.array(s.given["states_4_2"])
    return np.allclose(np.array(s.given["weights_4_2"]) @ states, states.mean(axis=0), atol=0.05)


### BEGIN HIDDEN TESTS
@by_head.check(points=1, hint="the first context is no weighted mean of the three states", hidden=True)
def the_weighted_mean(s):
    expect_close(s.prediction_4_2()[0], weighted_mean(s), tolerance=0.011)


@by_head.check(points=1, hint="think what a part that all states share becomes in the mean", hidden=True)
def the_moved_mean(s):
    off = np.array(s.prediction_4_2()[1]) - weighted_mean(s) - s.given["move_4_2"]
    expect(abs(off).max() < 0.03)


def weighted_mean(s):
    """Return the context before the move."""
    return np.array(s.given["weights_4_2"]) @ np.array(s.given["states_4_2"])


### END HIDDEN TESTS
# 4.3

shuffle = chapter.question(
    "4.3",
    "Shuffle the words, keep the places",
    kind="build",
    level=2,
    minutes=15,
    hints=(
        "Attend twice, to the words in their order and in the new one, and compare.",
        "Positions belong to places, so they do not move. A word takes its weight to its new place.",
        "With order = [2, 0, 1], place 0 now holds old word 2: compare its new weight with old weight 2.",
    ),
)


def shuffled(rng):
    """Draw a query, seven words, positions, and an order that leaves no word in its place."""
    query, words, positions = rng.normal(size=5), rng.normal(size=(7, 5)), rng.normal(size=(7, 5))
    return query, words, positions, np.roll(np.arange(7), int(rng.integers(1, 4)))


@shuffle.check(points=2, hint="without positions the order leaves no trace")
def without_positions_the_order_is_lost(s):
    query, words, positions, order = shuffled(s.rng)
    weights_gap, context_gap = s.shuffle_test(query, words, 0 * positions, order)
    expect(weights_gap < 1e-6, "each word takes its weight along: put the old weights in the new order first")
    placed = min(s.shuffle_test(query, words, positions, order)) > 1e-6
    expect(context_gap < 1e-6, "a sum does not know the order of its terms: without positions this gap is 0")
    expect(placed, "with positions both gaps are above 0: positions stay, shuffle the words alone")


@shuffle.check(points=1, hint="positions stay where they are: shuffle the words alone")
def with_positions_it_is_not(s):
    query, words, positions, order = shuffled(s.rng)
    weights_gap, context_gap = s.shuffle_test(query, words, positions, order)
    expect(weights_gap > 1e-6 and context_gap > 1e-6)
    two = np.log(2)  # before: weights 2/5, 1/5, 2/5; after: 1/6, 1/6, 4/6
    inputs = np.array([1.0]), np.array([[two], [0.0], [0.0]]), np.array([[0.0], [0.0], [two]])
    weights_gap, context_gap = s.shuffle_test(*inputs, np.array([2, 1, 0]))
    averaged = np.isclose(weights_gap, 8 / 45) or np.isclose(weights_gap, 8 / 15)
    expect(not averaged, "a mean or a sum of differences: the largest absolute one is asked for")
    expect_close([weights_gap, context_gap], [4 / 15, 8 / 15 * two], "gaps of 4/15 and of 0.37 were due")


### BEGIN HIDDEN TESTS
@shuffle.check(points=2, hint="largest absolute differences are asked for, with softmax weights", hidden=True)
def equals_both_gaps(s):
    query, words, positions, order = shuffled(s.rng)
    before, after = words + positions, words[order] + positions
    old, new = (np.exp(states @ query) / np.exp(states @ query).sum() for states in (before, after))
    weights_gap, context_gap = s.shuffle_test(query, words, positions, order)
    expect_close(weights_gap, abs(new - old[order]).max())
    expect_close(context_gap, abs(new @ after - old @ before).max())


### END HIDDEN TESTS
# 4.4

dictionary = chapter.question(
    "4.4",
    "A dictionary where no key can shout",
    kind="build",
    level=2,
    minutes=15,
    hints=(
        "Likeness of two arrows, whatever their lengths: the cosine of the angle between them.",
        "Divide queries and keys by their lengths before the dot product, then comes the sharpness.",
        "A sharpness of 100,000 is a score of 100,000: remember what chapter 03 did about exp.",
    ),
)


@dictionary.check(points=1, hint="one row of d_v numbers for each query")
def one_answer_a_query(s):
    queries, keys, values = s.rng.normal(size=(5, 3)), s.rng.normal(size=(7, 3)), s.rng.normal(size=(7, 2))
    found = s.look_up(queries, keys, values, 2.0)
    expect_shape(found, (5, 2), "answers")
    expect(np.ptp(found) > 0, "all answers are the same number")
    ones = s.look_up(queries, keys, np.ones((7, 2)), 2.0)
    expect_close(ones, np.ones((5, 2)), "equal values must come back: weights must sum to 1 over the keys")


@dictionary.check(points=1, hint="sharpness 0 has no opinion: every query gets the mean of the values")
def blunt_is_the_mean(s):
    queries, keys, values = s.rng.normal(size=(5, 3)), s.rng.normal(size=(7, 3)), s.rng.normal(size=(7, 2))
    expect_close(s.look_up(queries, keys, values, 0.0), np.tile(values.mean(axis=0), (5, 1)))


@dictionary.check(points=1, hint="a sharp query with exactly one key must get the value of that key")
def a_short_key_is_found(s):
    keys, values = np.linalg.qr(s.rng.normal(size=(7, 7)))[0][:5], s.rng.normal(size=(5, 3))
    expect_close(s.look_up(keys, keys, values, 200.0), values, tolerance=1e-3)
    keys[0] += 0.6 * keys[1]
    keys *= np.array([[40.0], [1.0], [1.0], [0.1], [5.0]])  # key 0 is long, and not unlike key 1
    found = s.look_up(keys, keys, values, 200.0)
    expect_close(found, values, "a long key shouts down a better one: only directions may count", 1e-3)
    queries = s.rng.normal(size=(2, 7))
    once, longer = s.look_up(queries, keys, values, 2.0), s.look_up(3 * queries, keys, values, 2.0)
    expect_close(longer, once, "a longer query is sharper: of the query, too, only the direction may count")


@dictionary.check(points=1, hint="a very sharp query overflows: exp of a large score is infinite")
def very_sharp(s):
    keys, values = np.eye(3), s.rng.normal(size=(3, 2))
    found = s.look_up(keys[[2, 0, 1]], keys, values, 1e5)
    expect(np.isfinite(found).all())
    expect_close(found, values[[2, 0, 1]])


### BEGIN HIDDEN TESTS
@dictionary.check(points=1, hint="lengths of queries or of keys still change the answer", hidden=True)
def equals_softmax_of_cosines(s):
    queries, keys, values = s.rng.normal(size=(5, 3)), s.rng.normal(size=(7, 3)), s.rng.normal(size=(7, 2))
    expected = np.zeros((5, 2))
    for j, query in enumerate(queries):
        sizes = np.linalg.norm(keys, axis=1) * np.linalg.norm(query)
        likeness = np.exp(3.0 * keys @ query / sizes)
        expected[j] = likeness @ values / likeness.sum()
    expect_close(s.look_up(queries, keys, values, 3.0), expected)


### END HIDDEN TESTS
# 4.5

once = chapter.question(
    "4.5",
    "Read the source once",
    kind="build",
    level=2,
    minutes=15,
    hints=(
        "In the additive score one of the two products has no t in it: it is the same at every step.",
        "Cut the formula in two: what needs only the source goes into project, the rest into score.",
        "A matrix of d_a rows and d_h columns times one state costs d_a times d_h multiplications.",
    ),
)


@once.check(points=1, hint="project gives (B, n, d_a), score gives (B, n)")
def shapes_fit(s):
    states, U_a = s.rng.normal(size=(3, 7, 11)), s.rng.normal(size=(5, 11))
    projected = s.project(states, U_a)
    expect_shape(projected, (3, 7, 5), "projected keys")
    twice = s.project(2 * states, U_a)
    expect_close(twice, 2 * projected, "project bends: the tanh comes later, when W_a s has been added")
    scores = s.score(s.rng.normal(size=(3, 2)), projected, s.rng.normal(size=(5, 2)), s.rng.normal(size=5))
    expect_shape(scores, (3, 7), "scores")
    expect(np.ptp(scores) > 0, "all scores are the same number")


@once.check(points=1, hint="another query moves all scores alike, so no weight moves: where is the tanh?")
def the_query_is_heard(s):
    keys, W_a, v_a = s.rng.normal(size=(1, 7, 5)), s.rng.normal(size=(5, 2)), np.ones(5)
    move = s.score(np.array([[2.0, 0.0]]), keys, W_a, v_a) - s.score(np.array([[0.0, 2.0]]), keys, W_a, v_a)
    expect_shape(move, (1, 7), "scores")
    expect(np.ptp(move) > 1e-3)


@once.check(points=1, hint="count the multiplications of U_a h alone, for all m steps")
def more_steps_cost_no_more(s):
    n, m, d_h, d_a = (int(size) for size in s.rng.permutation([3, 5, 7, 11]))
    again, once = s.multiplications(n, m, d_h, d_a)
    expect(once < again, "return two counts: first for projecting at each step, then for projecting once")
    expect(s.multiplications(n, 2 * m, d_h, d_a)[1] == once, "what is done once does not depend on m")
    expect(again == m * once, "m steps that project anew do all of it m times")
    wider = s.multiplications(n, m, 2 * d_h, d_a)[1], s.multiplications(n, m, d_h, 2 * d_a)[1]
    expect(wider == (2 * once, 2 * once), "the widths count too: what does one product with U_a cost?")


### BEGIN HIDDEN TESTS
@once.check(
    points=1, hint="the widths count too: how many multiplications is one product with U_a?", hidden=True
)
def equals_the_count(s):
    n, m, d_h, d_a = (int(size) for size in s.rng.permutation([3, 5, 7, 11]))
    expect(tuple(s.multiplications(n, m, d_h, d_a)) == (m * n * d_h * d_a, n * d_h * d_a))


@once.check(points=2, hint="project and score together differ from the additive score", hidden=True)
def equals_the_additive_score(s):
    query, states = s.rng.normal(size=(3, 2)), s.rng.normal(size=(3, 7, 11))
    W_a, U_a, v_a = s.rng.normal(size=(5, 2)), s.rng.normal(size=(5, 11)), s.rng.normal(size=5)
    projected = s.project(states, U_a)
    expect_close(projected, np.einsum("ad,bid->bia", U_a, states), "project must give U_a h, and no more")
    expected = np.tanh(np.einsum("ad,bd->ba", W_a, query)[:, None] + projected) @ v_a
    expect_close(s.score(query, projected, W_a, v_a), expected)


### END HIDDEN TESTS
# 4.6

leak = chapter.question(
    "4.6",
    "Padding leaks into the context",
    kind="repair",
    level=2,
    minutes=15,
    hints=(
        "Print the weights of a sentence with padding. A score of 0 is not a small score.",
        "The mask has to act before the softmax, and with a score that exp turns into exactly 0.",
        "The weights are right now, and still nan comes out? Look at 0 times nan in the last sum.",
    ),
)


def sentences(rng, junk, length=7, real=(7, 3)):
    """Draw a batch with junk at padding; return query, states, mask."""
    query, states = rng.normal(size=(2, 5)), rng.normal(size=(2, length, 5))
    mask = np.arange(length) < np.array(real)[:, None]
    states[~mask] = junk
    return query, states, mask


@leak.check(points=1, hint="more padding at the end must not move the context")
def more_padding_changes_nothing(s):
    query, states, mask = sentences(s.rng, junk=0.0)
    ones = s.context(query, np.ones(states.shape), mask)  # at padding, too: where is the weight?
    expect(np.isfinite(ones).all(), "a sentence without padding gives nan: True means a real word")
    short = "real words share less than 1: padding took its part in the softmax, before it was masked"
    expect_close(ones, np.ones((2, 5)), short)
    heard = abs(s.context(query, states, mask) - s.context(-query, states, mask)).max() > 1e-3
    expect(heard, "another query gives the same context: a mean of the real states hears no score")
    longer = np.concatenate([states, np.zeros((2, 11, 5))], axis=1), np.pad(mask, ((0, 0), (0, 11)))
    before, after = s.context(query, states, mask), s.context(query, *longer)
    expect_shape(before, (2, 5), "context")
    expect_close(before, after, "eleven more pads move the context: padding still gets some of the weight")


@leak.check(points=1, hint="what stands at padding must not matter, however large it is")
def loud_padding_changes_nothing(s):
    query, states, mask = sentences(s.rng, junk=0.0)
    loud = np.where(mask[:, :, None], states, 1e4 * np.sign(query)[:, None, :])
    quiet, found = s.context(query, states, mask), s.context(query, loud, mask)
    expect(np.isfinite(found).all(), "loud padding gives nan: the real words have no weight left to share")
    expect_close(found, quiet)
    expect(np.ptp(found) > 0, "all contexts are the same number")
    low = s.context(np.full((2, 5), -60.0), np.where(mask[:, :, None], 1 + abs(states), 0.0), mask)
    expect(low.min() > 1 - 1e-5, "real scores can be far below 0: padding must get nothing even then")


@leak.check(points=1, hint="nan at padding reaches the context: a weight of 0 does not stop it")
def nan_at_padding_changes_nothing(s):
    query, states, mask = sentences(s.rng, junk=np.nan)
    found, clean = (s.context(query, each, mask) for each in (states, np.nan_to_num(states)))
    expect(np.isfinite(found).all())
    expect_close(found, clean, "the context with nan at padding is another than with 0 there")
    expect_close(s.context(query / 2, 2 * states, mask), 2 * clean, "twice the states must give twice it")
    expect(np.ptp(found) > 0, "all contexts are the same number")


### BEGIN HIDDEN TESTS
@leak.check(points=1, hint="a row of weights does not sum to 1 over the real words", hidden=True)
def equals_the_sentence_alone(s):
    query, states, mask = sentences(s.rng, junk=0.0)
    states = np.where(mask[:, :, None], states, query[:, None])  # padding that looks like what is asked for
    found = s.context(query, states, mask)
    for b, real in enumerate((7, 3)):
        exponentials = np.exp(states[b, :real] @ query[b])
        expect_close(found[b], exponentials @ states[b, :real] / exponentials.sum())


@leak.check(points=1, hint="real scores can be far below 0: padding must get nothing even then", hidden=True)
def bad_scores_are_still_better_than_padding(s):
    query, states, mask = sentences(s.rng, junk=0.0)
    query, states = np.full((2, 5), -60.0), np.where(mask[:, :, None], 1 + abs(states), 0.0)
    found = s.context(query, states, mask)
    expect(found.min() >= 1 - 1e-5 and found.max() > 1)


### END HIDDEN TESTS
# 4.7


def possible_or_not(rng):
    """Draw three real states, one of padding, and five points."""
    in_column = 0
    while in_column != 1:
        size, states = 0.0, np.zeros((3, 2))
        while size < 14:
            states = rng.integers(-4, 5, size=(3, 2))
            size = abs(np.linalg.det(np.c_[states, np.ones(3)]))
        a, b, c = (states[i] for i in rng.permutation(3))
        far = states[states[:, 0].argmax()]
        inside = [(a + b) / 2, 0.6 * a + 0.2 * b + 0.2 * c, 0.2 * a + 0.3 * b + 0.5 * c]
        outside = [0.7 * (a + b) - 0.4 * c, 1.3 * far - 0.3 * states.mean(axis=0) + [0.5, 0]]
        outside.append(0.65 * (b + c) - 0.3 * a)
        low, high = states.min(axis=0), states.max(axis=0)
        in_column = sum(bool((low < p).all() and (p < high).all()) for p in outside)
    padding = a + b - c  # beyond the side from a to b
    points = [*rng.permutation(inside)[:2], *outside]
    return {
        "states_4_7": [*states.tolist(), padding.tolist()],
        "points_4_7": [[round(float(x), 1) for x in points[k]] for k in rng.permutation(5)],
    }


hull = chapter.question(
    "4.7",
    "Which of these can be a context?",
    kind="predict",
    level=2,
    minutes=10,
    hints=(
        "Draw the states on squared paper, and put a rubber band around those that may have weight.",
        "Padding has the weight 0, so it cannot pull the context: leave it outside the band.",
        "To lie between smallest and largest of each column is needed, not enough: mind the slanted sides.",
    ),
    constants=possible_or_not,
)


@hull.check(points=1, hint="five truth values, one a point, and not all alike")
def within_the_columns(s):
    *real, padding = s.given["states_4_7"]
    low, high = np.min(real, axis=0), np.max(real, axis=0)
    outside = [p for p, possible, _ in judged(s) if possible and not ((low <= p) & (p <= high)).all()]
    for point in outside:
        pulled = any(mixed([*pair, padding], point).min() > -0.03 for pair in combinations(real, 2))
        expect(not pulled, "you accept a point that only padding could pull the context to: its weight is 0")
    expect(not outside, "you accept a point with a number outside its column of real states")


@hull.check(points=1, hint="you refuse a point that lies inside the band around the real states")
def all_possible_ones(s):
    for _, possible, smallest in judged(s):
        on_a_side = "you refuse a point on the line between two states: a weight may also be 0"
        expect(possible or abs(smallest) > 0.03, on_a_side)
        expect(possible or smallest < 0)


@hull.check(points=2, hint="not all answers are right: draw the band around the real states")
def exactly_the_hull(s):
    beyond = "you accept a point beyond a slanted side: to lie within both columns is not enough"
    expect(all(smallest > -0.03 for _, possible, smallest in judged(s) if possible), beyond)
    expect(all(possible for _, possible, smallest in judged(s) if smallest > -0.03))


def judged(s):
    """Return triples: a point, what the student says of it, and the smallest of the weights that mix it."""
    found, points = list(s.prediction_4_7()), s.given["points_4_7"]
    expect(len(found) == 5 and set(found) == {True, False})
    smallest = [mixed(s.given["states_4_7"][:3], point).min() for point in points]
    return list(zip(points, found, smallest, strict=True))


def mixed(corners, point):
    """Return the weights, of any sign, that mix three states to a point and sum to 1."""
    return np.linalg.solve(np.vstack([np.array(corners, dtype=float).T, np.ones(3)]), [*point, 1.0])
