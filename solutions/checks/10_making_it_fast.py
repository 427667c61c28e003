"""Checks of the exercises of chapter 10: the same numbers, with less work."""

import numpy as np
import torch

from seq2seq_edu.grading import Chapter, expect, expect_close, expect_shape

chapter = Chapter(
    "10_making_it_fast",
    hides=("data.batches", "decoding", "training", "equations", "gradients", "models"),
)

# --------------------------------------------------------------------------------------------------- 10.1


def batch_and_beam(rng):
    """Draw four source lengths, all different, a number of steps and a width of the beam."""
    lengths = (3 + rng.permutation(17)[:4]).tolist()
    return {
        "lengths_10_1": lengths,
        "steps_10_1": int(rng.integers(5, 20)),
        "beam_10_1": int(rng.integers(2, 6)),
    }


count = chapter.question(
    "10.1",
    "Count a beam",
    kind="predict",
    level=1,
    minutes=8,
    constants=batch_and_beam,
    hints=(
        "A product that gives the same result as before need not be made again.",
        "A cell of the loop: hypothesis, step, source position of the padded batch; two products in each.",
        "Made once: one U_a h for each real source word; one W_a s for each hypothesis and step.",
    ),
)


@count.check(
    points=1, hint="the loop makes two products in each cell: sentence, hypothesis, step, padded position"
)
def the_loop(s):
    lengths, m, k = s.given["lengths_10_1"], s.given["steps_10_1"], s.given["beam_10_1"]
    loop, cells = s.prediction_10_1()[0], 4 * k * m * max(lengths)
    expect(loop != cells, "in each cell the loop makes two products, U_a h and W_a s")
    expect(loop != 2 * cells // k, "each hypothesis asks for itself: the beam is missing")
    expect(loop != 2 * k * m * sum(lengths), "the loop does not know which positions are padding")
    expect_close(loop, 2 * cells)


@count.check(
    points=1, hint="made once: which products differ? Real words on one side, the askers on the other"
)
def made_once(s):
    lengths, m, k = s.given["lengths_10_1"], s.given["steps_10_1"], s.given["beam_10_1"]
    once = s.prediction_10_1()[1]
    expect(
        once != k * sum(lengths) + 4 * k * m,
        "U_a h does not know which hypothesis asks: one for all of a beam",
    )
    expect(
        once != sum(lengths) + 4 * m, "each hypothesis has a state of its own, and each is multiplied by W_a"
    )
    expect(once != 4 * max(lengths) + 4 * k * m, "padding needs no key")
    expect_close(once, sum(lengths) + 4 * k * m)


# --------------------------------------------------------------------------------------------------- 10.2

bucket = chapter.question(
    "10.2",
    "Batches with little padding",
    kind="build",
    level=2,
    minutes=15,
    hints=(
        "Sentences of like length belong together: look at them in the order of their lengths.",
        "Sorted, the last of a batch is its longest: does longest times rows still fit the budget?",
        "Shuffle the finished batches, not the sentences, with np.random.default_rng(seed).",
    ),
)


def padded(batch, lengths):
    """Return the positions of a batch, padding included."""
    return max(lengths[k] for k in batch) * len(batch)


def some_lengths(rng):
    """Draw lengths from 1 to 40, in no order."""
    return rng.integers(1, 41, size=509).tolist()


def batches_of(s, lengths, seed=0):
    """Return the student's batches, in which every sentence must stand once."""
    batches = [[int(k) for k in batch] for batch in s.length_buckets(lengths, 401, seed)]
    places = sorted(k for batch in batches for k in batch)
    expect(len(places) >= 509, "sentences are lost: the last batch counts too, even if it is not full")
    expect(places == list(range(509)), "every sentence must be in exactly one batch")
    return batches


@bucket.check(points=1, hint="every sentence must be in exactly one batch")
def every_sentence_once(s):
    batches_of(s, some_lengths(s.rng))


@bucket.check(
    points=1, hint="a batch holds more than the budget: longest times rows, for padding is computed too"
)
def batches_fit_the_budget(s):
    lengths = some_lengths(s.rng)
    expect(all(padded(batch, lengths) <= 401 for batch in batches_of(s, lengths)))
    alone = [sorted(batch) for batch in s.length_buckets([3, 90, 3], 11, 0)]
    expect([1] in alone, "a sentence longer than the budget must come too, in a batch of its own")


@bucket.check(
    points=1, hint="over a tenth of the positions is padding: put sentences of like length together"
)
def little_padding_in_full_batches(s):
    lengths = some_lengths(s.rng)
    batches = batches_of(s, lengths)
    expect(sum(lengths) >= 0.9 * sum(padded(batch, lengths) for batch in batches))
    expect(
        len(batches) <= 1.3 * sum(lengths) / 401,
        "no padding, but too many batches: fill each as far as it goes",
    )


@bucket.check(points=1, hint="the batches come from short to long: training wants them in a random order")
def batches_come_shuffled(s):
    lengths = some_lengths(s.rng)
    batches = batches_of(s, lengths, 1)
    means = [np.mean([lengths[k] for k in batch]) for batch in batches]
    expect(np.mean(np.diff(means) > 0) < 0.9 and np.mean(np.diff(means) < 0) < 0.9)
    again, other = (batches_of(s, lengths, seed) for seed in (1, 2))
    expect(again == batches, "the same seed must give the same batches in the same order")
    expect(other != batches, "another seed must give another order")


# --------------------------------------------------------------------------------------------------- 10.3

rows = chapter.question(
    "10.3",
    "Finished rows, and whose they were",
    kind="repair",
    level=2,
    minutes=15,
    hints=(
        "Give the code two sentences of which the second ends first. Which comes out first?",
        "When rows leave the arrays, the place of the others changes: carry their numbers along.",
        "alive = np.arange(B) shrinks with table and token; write to outputs[alive[j]].",
    ),
)
BOS, EOS = 1, 2


def talkers(rng, ends):
    """Return tables of next-token scores under which sentence b ends after ends[b] tokens (0: never)."""
    V = 4 + max(max(ends), 3)
    table = rng.normal(size=(len(ends), V, V))
    for b, end in enumerate(ends):
        path = [BOS, *(3 + rng.permutation(V - 3))[: end - 1 if end else V - 3].tolist()]
        following = [*path[1:], EOS if end else path[1]]
        table[b, path, following] = 9.0
    return table


def one_by_one(table, longest):
    """Decode each sentence by itself."""
    outputs = []
    for scores in table:
        output, token = [], BOS
        while len(output) < longest and token != EOS:
            token = int(scores[token].argmax())
            output.append(token)
        outputs.append(output)
    return outputs


def decoded(s, table, longest):
    """Return the student's outputs and rows, as lists of whole numbers."""
    outputs, alive = s.greedy(table, longest)
    return [[int(y) for y in output] for output in outputs], [int(count) for count in alive]


@rows.check(
    points=1, hint="the outputs are the right ones, in the order in which they ended: whose is which?"
)
def outputs_keep_their_place(s):
    table = talkers(s.rng, [7, 2, 5, 3, 2])
    outputs, _ = decoded(s, table, 11)
    right = one_by_one(table, 11)
    expect(len(outputs) == 5, "some outputs are missing: each sentence has one, finished or not")
    expect(all(EOS in output for output in outputs), "an output has no eos: it is a token of the sentence")
    expect(
        outputs == right or sorted(outputs) == sorted(right),
        "an output differs from that of its sentence alone: does each row still read its own table?",
    )
    expect(outputs == right)


@rows.check(points=1, hint="finished rows must leave: at each step count only those that have not said eos")
def finished_rows_leave(s):
    _, alive = decoded(s, talkers(s.rng, [2, 5, 3, 2]), 11)
    expect(
        alive != [4] * len(alive), "the order is right and the gain is lost: finished rows are still computed"
    )
    expect(alive == [4, 4, 2, 1, 1])


@rows.check(points=1, hint="a sentence that never ends is cut at max_length and keeps its place")
def endless_ones_are_kept(s):
    table = talkers(s.rng, [0, 3, 0])
    outputs, alive = decoded(s, table, 7)
    expect([len(output) for output in outputs] == [7, 3, 7])
    expect(alive == [3, 3, 3, 2, 2, 2, 2])


### BEGIN HIDDEN TESTS
@rows.check(
    points=1, hint="outputs differ from those of each sentence alone, or finished rows stay", hidden=True
)
def equals_one_by_one(s):
    for longest in (3, 13):
        table = talkers(s.rng, s.rng.integers(0, 11, size=13).tolist())
        outputs, alive = decoded(s, table, longest)
        right = one_by_one(table, longest)
        expect(outputs == right)
        expect(alive == [sum(len(o) > t for o in right) for t in range(max(map(len, right)))])


### END HIDDEN TESTS
# --------------------------------------------------------------------------------------------------- 10.4

online = chapter.question(
    "10.4",
    "A softmax that never sees the whole row",
    kind="build",
    level=4,
    minutes=30,
    hints=(
        "Softmax needs the largest score of all. What is known so far may turn out too small: what then?",
        "When the largest grows from a to b, what was added before is too large by exp(b - a): shrink it.",
        "A row that has seen only -inf has the largest -inf: there subtract 0 instead, before exp.",
    ),
)


def begin(m, d):
    """Return the state before the first block."""
    return np.full(m, -np.inf), np.zeros(m), np.zeros((m, d))


def fed(s, scores, values, sizes):
    """Feed blocks of these sizes; return the last state of the student's function."""
    state, start = begin(len(scores), values.shape[1]), 0
    for size in sizes:
        block = slice(start, start + size)
        state = tuple(np.asarray(part) for part in s.update(state, scores[:, block], values[block]))
        start += size
    for part, shape, name in zip(state, ((3,), (3,), (3, 5)), ("largest", "total", "summed"), strict=True):
        expect_shape(part, shape, name)
    return state


def context(total, summed):
    """Return the context of a state; a total of 0 gives NaN, without a warning."""
    with np.errstate(all="ignore"):
        return summed / total[:, None]


def full(scores, values):
    """Return the context of all blocks at once, with the weights of the chapter's equation."""
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True) @ values


@online.check(
    points=1, hint="after one block: the largest score, the sum of exp(score - largest), the same with values"
)
def one_block_is_softmax(s):
    scores, values = s.rng.normal(size=(3, 7)), s.rng.normal(size=(7, 5))
    largest, total, summed = fed(s, scores, values, [7])
    expect_close(
        largest, scores.max(-1), "the first part of the state is the largest score of each row so far"
    )
    expect_close(context(total, summed), full(scores, values))


@online.check(
    points=1,
    hint="blocks of another size give another context: when the largest grows, shrink what came before",
)
def any_block_size_gives_the_same(s):
    scores, values = 3 * s.rng.normal(size=(3, 13)), s.rng.normal(size=(13, 5))
    for sizes in ([13], [1] * 13, [5, 5, 3], [2, 11]):
        largest, total, summed = fed(s, scores, values, sizes)
        last = "the first part of the state is the largest of the last block only: of all so far is wanted"
        expect_close(largest, scores.max(-1), last)
        expect_close(context(total, summed), full(scores, values))
        alone = "total is too large or too small: was a block divided by its own sum?"
        expect_close(total, np.exp(scores - scores.max(-1, keepdims=True)).sum(-1), alone)


@online.check(
    points=1, hint="scores of 1000 overflow, first or last: subtract the largest score so far before exp"
)
def large_scores_do_no_harm(s):
    scores, values = 1000 * s.rng.normal(size=(3, 11)), s.rng.normal(size=(11, 5))
    for turned in (scores, np.sort(scores), -np.sort(-scores)):
        _, total, summed = fed(s, turned, values, [3, 3, 5])
        expect(np.isfinite(summed).all() and (total >= 1).all())
        expect_close(context(total, summed), full(turned, values))


@online.check(
    points=2, hint="a block of padding alone comes first, and NaN stays for ever: what is -inf - (-inf)?"
)
def a_block_of_padding_is_nothing(s):
    scores, values = s.rng.normal(size=(3, 11)), s.rng.normal(size=(11, 5))
    scores[:, :3], scores[1, 5:] = -np.inf, -np.inf
    for sizes in ([3, 3, 5], [1] * 11, [2, 9]):
        _, total, summed = fed(s, scores, values, sizes)
        expect(np.isfinite(summed).all() and np.isfinite(total).all())
        heard = "padding is heard: a score of -inf must add nothing, in whatever block it stands"
        expect_close(context(total, summed), full(scores, values), heard)


# --------------------------------------------------------------------------------------------------- 10.5

linear = chapter.question(
    "10.5",
    "Attention that does not look twice",
    kind="experiment",
    level=4,
    minutes=30,
    hints=(
        "(A B) C = A (B C): the same numbers. Which of the two makes an n × n matrix?",
        "S gathers φ(k) vᵀ of all words, z gathers φ(k): both can be made before any query is known.",
        "(a, b) times (b, c) is a·b·c multiplications. Slope: np.polyfit of the logarithms, degree 1.",
    ),
)


def phi(x):
    """Return elu(x) + 1."""
    return np.where(x > 0, x + 1, np.exp(np.minimum(x, 0)))


@linear.check(
    points=1, hint="S has shape (d, d_v) and z shape (d,), however long the source: sums over the words"
)
def the_summary_does_not_grow(s):
    for n in (3, 17):
        S, z = s.summary(-s.rng.random((n, 5)), s.rng.normal(size=(n, 7)))
        expect_shape(S, (5, 7), "S")
        expect_shape(z, (5,), "z")
    expect((np.asarray(z) > 0).all(), "z is a sum of φ(k), which is positive: was φ forgotten?")
    _, z = s.summary(np.array([[1.0, -1.0]]), np.ones((1, 1)))
    expect_close(z, [2.0, np.exp(-1)], "that is another φ: above 0 it is x + 1, below it is the exponential")


@linear.check(points=1, hint="two halves of a source must add up: S and z are sums over words, not means")
def halves_add_up(s):
    keys, values = s.rng.normal(size=(11, 5)), s.rng.normal(size=(11, 7))
    whole, first, second = (
        s.summary(keys[part], values[part]) for part in (slice(11), slice(4), slice(4, 11))
    )
    for k in range(2):
        expect(np.ptp(whole[k]) > 0, "S or z is one number everywhere")
        expect_close(np.asarray(first[k]) + np.asarray(second[k]), whole[k])


@linear.check(
    points=1, hint="differs from the quadratic form: weights φ(q)·φ(k), divided by their sum over the source"
)
def equals_its_quadratic_form(s):
    q, k, v = s.rng.normal(size=(3, 5)), s.rng.normal(size=(11, 5)), s.rng.normal(size=(11, 7))
    weights = phi(q) @ phi(k).T
    constant = s.look(q, *s.summary(k, np.ones((11, 7))))
    expect_close(constant, np.ones((3, 7)), "equal values must come back as they are: divide by φ(q)·z")
    expect_close(s.look(q, *s.summary(k, v)), weights / weights.sum(-1, keepdims=True) @ v)


def slope(sizes, counts):
    """Return the slope of a line through the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(counts), 1)[0])


@linear.check(
    points=1, hint="the slopes must be about 2 and about 1: twice the words, four times or twice the work"
)
def slopes_are_two_and_one(s):
    sizes = (s.rng.permutation(60)[:7] * 101 + 977).tolist()
    quadratic, straight = zip(*(s.cost(n, 5) for n in sizes), strict=True)
    expect(abs(slope(sizes, quadratic) - 2) < 0.05 and abs(slope(sizes, straight) - 1) < 0.05)
    got = s.slope(sizes, [7 * n**3 for n in sizes])
    at_one = "at d = 1 each product with n queries costs n: there are three, φ(Q) with z is one"
    expect(s.cost(7, 1)[1] == 21, at_one)
    expect(s.cost(7, 1)[0] == 98, "the quadratic way has two products, each with n × n × d multiplications")
    expect(abs(got - 3) < 1e-6, "a count of 7 n³ has the slope 3: fit a line through the logarithms of both")


### BEGIN HIDDEN TESTS
@linear.check(
    points=1,
    hint="counts differ: three products each way at most, and who has more words than d?",
    hidden=True,
)
def counts_are_exact(s):
    for n, d in ((3, 5), (101, 64), (64, 64), (65, 64)):
        expect_close(s.cost(n, d), (2 * n * n * d, 2 * n * d * d + n * d))


### END HIDDEN TESTS
# --------------------------------------------------------------------------------------------------- 10.6

nowhere = chapter.question(
    "10.6",
    "A row with nowhere to look",
    kind="repair",
    level=3,
    minutes=20,
    hints=(
        "Look at the gradient, not at the weights: NaN times 0 is NaN.",
        "What is replaced after the softmax is still there on the way back: repair the scores instead.",
        "Rows with no real token: let the softmax see something harmless there, then multiply by the mask.",
    ),
)


def a_batch(rng, dtype="float64"):
    """Draw scores, a mask whose row 1 has no real token, and what comes from above."""
    scores, mask, upstream = rng.normal(size=(3, 7)), rng.random((3, 7)) < 0.5, rng.normal(size=(3, 7))
    mask[:, :2], mask[:, 2], mask[1] = True, False, False
    return torch.tensor(scores.astype(dtype)), torch.tensor(mask), torch.tensor(upstream.astype(dtype))


@nowhere.check(points=1, hint="a row without a real token must look nowhere: weights 0, by our rule")
def a_row_of_padding_looks_nowhere(s):
    scores, mask, upstream = a_batch(s.rng)
    weights = np.asarray(s.weights_and_gradient(scores, mask, upstream)[0])
    expect_shape(weights, (3, 7), "weights")
    expect(np.isfinite(weights).all(), "the softmax of a row of -inf is not a number")
    expect(
        not np.allclose(weights[1], 1 / 7), "a large negative number makes the row look at all padding alike"
    )
    expect((weights[1] == 0).all())
    expect((weights.max(-1) > 0)[[0, 2]].all(), "no row looks anywhere: only the one of padding must not")


@nowhere.check(points=1, hint="the other rows must stay a softmax over their real tokens")
def other_rows_sum_to_one(s):
    scores, mask, upstream = a_batch(s.rng)
    weights = np.asarray(s.weights_and_gradient(scores, mask, upstream)[0])
    expect_close(weights[[0, 2]].sum(-1), [1, 1])
    expect((weights[~mask.numpy()] == 0).all(), "padding has weight")
    low = np.asarray(s.weights_and_gradient(torch.where(mask, scores - 1e12, scores), mask, upstream)[0])
    lost = "with real scores of -1e12 padding wins: no number is low enough, only minus infinity"
    expect_close(low[[0, 2]].sum(-1), [1, 1], lost)


@nowhere.check(
    points=2, hint="the weights are right and the gradient is not a number: one training step ends the model"
)
def the_gradient_is_a_number(s):
    scores, mask, upstream = a_batch(s.rng)
    gradient = np.asarray(s.weights_and_gradient(scores, mask, upstream)[1])
    expect_shape(gradient, (3, 7), "gradient")
    expect(np.isfinite(gradient).all())
    expect((gradient[~mask.numpy()] == 0).all(), "padding has a gradient: its scores change no weight")
    expect(
        np.abs(gradient[0]).max() > 0,
        "the gradient is zero everywhere: it must reach the scores of real tokens",
    )


### BEGIN HIDDEN TESTS
@nowhere.check(
    points=1,
    hint="differs from the softmax over real tokens, or with scores of -1e12 padding wins",
    hidden=True,
)
def equals_the_reference(s):
    for dtype, shift in (("float64", 0.0), ("float32", 0.0), ("float64", -1e12)):
        scores, mask, upstream = a_batch(s.rng, dtype)
        scores = torch.where(mask, scores + shift, scores)
        weights, gradient = np.zeros((3, 7)), np.zeros((3, 7))
        for b in range(3):
            real = mask[b].numpy()
            if real.any():
                e, u = scores[b].numpy()[real].astype(float), upstream[b].numpy()[real]
                p = np.exp(e - e.max()) / np.exp(e - e.max()).sum()
                weights[b, real], gradient[b, real] = p, p * (u - p @ u)
        got = s.weights_and_gradient(scores, mask, upstream)
        expect_close(got[0], weights)
        expect_close(got[1], gradient)


### END HIDDEN TESTS
