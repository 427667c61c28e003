"""Checks of the exercises of chapter 09: from next-token probabilities to a sentence."""

import numpy as np

from seq2seq_edu.grading import Chapter, expect, expect_close, expect_shape

chapter = Chapter("09_decoding", hides=("decoding", "bench.decoding"))


def opinions(rng, *shape):
    """Draw natural log-probabilities of the next token, over the last axis."""
    logits = 2 * rng.normal(size=shape)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


# 9.1

FIRST, SECOND = ("we", "they", "people"), ("know", "sleep", "win")


def three_by_three(rng):
    """Draw probabilities for which each search finds another sentence."""

    def draw(k):
        percent = np.round(100 * rng.dirichlet((k, k, k))).astype(int)
        return [int(100 - percent[1:].sum()), *percent[1:].tolist()]

    best, gaps = [3, 2, 1], 0
    while best != sorted(best) or gaps < 2:
        first, rows = sorted(draw(30), reverse=True), [draw(k) for k in (5, 2, 1)]
        best = [a * max(row) for a, row in zip(first, rows, strict=True)]
        gaps = min(
            [
                *np.diff(best) / 100,
                *-np.diff(first),
                *(np.diff(sorted(row))[1] for row in rows),
                *map(min, rows),
            ]
        )
    names, order = [f"after_{word}_9_1" for word in FIRST], rng.permutation(3)
    given = {"first_9_1": [first[k] / 100 for k in order]}
    return given | {name: [x / 100 for x in rows[k]] for name, k in zip(names, order, strict=True)}


three_ways = chapter.question(
    "9.1",
    "Three searches, three sentences",
    kind="predict",
    level=1,
    minutes=8,
    hints=(
        "The probability of a sentence is the product of the probabilities of its words.",
        "Greedy search decides on the first word before it looks at any second word.",
        "A beam of 2 carries two first words along, and ranks their six sentences. The third word is gone.",
    ),
    constants=three_by_three,
)


def probability(s, sentence):
    """Return the probability of a sentence of two words."""
    expect(
        isinstance(sentence, str) and len(sentence.split()) == 2, "three sentences of two words are asked for"
    )
    one, two = sentence.split()
    expect(one in FIRST and two in SECOND, "a word is not in the lists, or not in its place")
    return s.given["first_9_1"][FIRST.index(one)] * s.given[f"after_{one}_9_1"][SECOND.index(two)]


@three_ways.check(points=1, hint="three sentences of two words are asked for")
def each_search_finds_a_likelier_one(s):
    greedy, beam, everything = (probability(s, sentence) for sentence in s.prediction_9_1())
    expect(
        greedy < beam,
        "here a beam of 2 finds a likelier sentence than greedy search: follow both words",
    )
    expect(beam < everything, "here a beam of 2 still misses the most probable sentence: try all nine")


def best_of(s, firsts):
    """Return the most probable sentence that starts with one of these words."""
    return max((f"{one} {two}" for one in firsts for two in SECOND), key=lambda text: probability(s, text))


@three_ways.check(points=1, hint="greedy search takes the likeliest first word, then the likeliest next")
def greedy_is_right(s):
    ranked = sorted(FIRST, key=lambda word: -s.given["first_9_1"][FIRST.index(word)])
    expect(s.prediction_9_1()[0] == best_of(s, ranked[:1]))


@three_ways.check(points=2, hint="rank all sentences that begin with the words still kept")
def beam_and_exhaustive_are_right(s):
    ranked = sorted(FIRST, key=lambda word: -s.given["first_9_1"][FIRST.index(word)])
    expect(list(s.prediction_9_1()[1:]) == [best_of(s, ranked[:2]), best_of(s, ranked)])


# 9.2

greedy = chapter.question(
    "9.2",
    "Greedy search, and when to stop",
    kind="build",
    level=1,
    minutes=10,
    hints=(
        "A loop: look at the row of the last token, take its best entry, add up what it costs.",
        "The eos that ends the sentence is a token like the others: it is chosen, counted and paid for.",
        "Start from the row of bos; after each step the token just chosen is the next row to look at.",
    ),
)


def chain(rng, length):
    """Draw a table in which greedy search says `length` tokens, eos last; return it, bos, eos, tokens."""
    V = length + 4
    order = [int(token) for token in rng.permutation(V)[: length + 1]]
    table = opinions(rng, V, V)
    table[order[:-1], order[1:]] = table[order[:-1]].max(axis=1) + 1.0  # the best of its row
    table -= np.log(np.exp(table).sum(axis=1, keepdims=True))
    return table, order[0], order[-1], order[1:]


def cost(table, bos, ids):
    """Return the sum of log-probabilities down one path."""
    return sum(table[previous, token] for previous, token in zip([bos, *ids], ids, strict=False))


@greedy.check(points=1, hint="the sentence ends with eos, and nothing comes after it")
def stops_at_eos(s):
    table, bos, eos, path = chain(s.rng, length=5)
    ids = [int(token) for token in s.greedy(table, bos, eos, 11)[0]]
    expect(ids[:1] != [bos], "bos only starts the search: it is no token of the sentence")
    expect(ids != path[:-1], "eos is missing at the end: it is a token of the sentence too")
    expect(eos not in ids[:-1], "it goes on after eos")
    same = len(ids) > 1 and len(set(ids)) == 1
    expect(not same, "each step asks what follows bos: ask what follows the token just chosen")
    expect(ids == path)


@greedy.check(
    points=1, hint="log_prob is the sum of the log-probabilities of all chosen tokens, eos included"
)
def adds_up_the_path(s):
    table, bos, eos, path = chain(s.rng, length=7)
    log_prob = s.greedy(table, bos, eos, 11)[1]
    expect(
        abs(log_prob - np.exp(cost(table, bos, path))) > 1e-6,
        "this is a probability: its natural logarithm is asked for",
    )
    expect_close(log_prob, cost(table, bos, path))


@greedy.check(points=1, hint="a sentence has at most max_length tokens, even if eos has not come")
def gives_up_at_max_length(s):
    table, bos, eos, path = chain(s.rng, length=11)
    ids = [int(token) for token in s.greedy(table, bos, eos, 5)[0]]
    expect(len(ids) == 5)
    table, bos, eos, (first, second, *_) = chain(s.rng, length=5)
    table[second] = np.where(np.arange(9) == first, -0.1, -9.0)
    ids = [int(token) for token in s.greedy(table, bos, eos, 5)[0]]
    again = "a token is never said twice: nothing forbids it, and greedy search may go in circles"
    expect(ids == [first, second, first, second, first], again)


### BEGIN HIDDEN TESTS
@greedy.check(
    points=2, hint="at some step a token is not the most probable one after the token before", hidden=True
)
def equals_the_walk(s):
    for _ in range(10):
        table, path = opinions(s.rng, 7, 7), []
        bos, eos = (int(token) for token in s.rng.permutation(7)[:2])
        while len(path) < 11 and eos not in path:
            path.append(int(table[path[-1] if path else bos].argmax()))
        ids, log_prob = s.greedy(table, bos, eos, 11)
        expect([int(token) for token in ids] == path)
        expect_close(log_prob, cost(table, bos, path))


### END HIDDEN TESTS
# 9.3

beam = chapter.question(
    "9.3",
    "Beam search from memory",
    kind="build",
    level=3,
    minutes=30,
    hints=(
        "Keep a list of open beginnings, each with its sum; one turn of the loop makes all of them longer.",
        "Rank the continuations of all beginnings together. Only the best `width` of them may finish.",
        "From the same ranking, the best `width` without eos stay open. At the end the best sum wins.",
    ),
)


def ending(rng, m, V, eos):
    """Draw a table of m steps; at the last one every sentence ends."""
    table = opinions(rng, m, V, V)
    table[-1] = np.where(np.arange(V) == eos, 0.0, -np.inf)
    return table


def worth(table, bos, ids):
    """Return the sum of log-probabilities of a sentence."""
    steps = zip(table, [bos, *ids], ids, strict=False)
    return float(sum(rows[previous, token] for rows, previous, token in steps))


@beam.check(points=1, hint="with width 1 each token is the most probable one after the token before")
def width_1_is_greedy(s):
    for _ in range(5):
        table = ending(s.rng, 5, 7, eos=3)
        ids = [int(token) for token in s.beam(table, 1, 0, 3)[0]]
        best = [int(rows[y].argmax()) for rows, y in zip(table, [0, *ids], strict=False)]
        early = ids[:-1] == best[: len(ids) - 1] and ids[-1] == 3 != best[len(ids) - 1]
        expect(not early, "an eos that is not among the best `width` may not finish")
        expect(ids == best[: len(ids)])
        expect(ids[-1] == 3 and 3 not in ids[:-1], "a sentence ends with eos, and nothing comes after it")


@beam.check(points=1, hint="the sum does not belong to the sentence: feed the sentence back and add up")
def claims_what_it_is_worth(s):
    for width in (1, 2, 3, 5):
        table = ending(s.rng, 5, 7, eos=2)
        ids, log_prob = s.beam(table, width, 0, 2)
        expect_close(log_prob, worth(table, 0, [int(token) for token in ids]))


def small_table(after_2, after_3=(1, 1, 1, 1), first=(1, 1, 1, 1)):
    """Return the table of a first word, a second one, and the end; tokens 0 to 3, of which 1 is eos."""
    table = np.ones((3, 4, 4))
    table[0, 0], table[1, 2], table[1, 3], table[2] = first, after_2, after_3, np.eye(4)[1]
    with np.errstate(divide="ignore"):
        return np.log(table / table.sum(-1, keepdims=True))


@beam.check(points=1, hint="a small table worked by hand gives another sentence: read the rule again")
def small_tables_by_hand(s):
    def found(*shares, **first):
        return [int(y) for y in s.beam(small_table(*shares, **first), 2, 0, 1)[0]]

    second = found((25, 20, 30, 25), (3, 91, 3, 3), (1, 9, 50, 40))  # the second word leads to a sure end
    expect(second[0] != 2, "width 2 finds what greedy search finds: does each step carry two beginnings?")
    expect(second == [3, 1])
    later = found((5, 2, 3, 90), first=(1, 20, 70, 9))  # the one that ends at once is not the best
    expect(later != [1], "it stops when one sentence has finished: `width` of them must have")
    sums = found((2, 1, 95, 2), (5, 2, 3, 90), (1, 50, 44, 5))
    expect(sums != [2, 2, 1], "the finished ones are compared by the mean of a token: the sum counts here")
    enough = found((5, 30, 5, 60), first=(1, 25, 60, 14))  # two have finished at the second step
    expect(enough != [2, 3, 1], "it goes on after `width` have finished: stop there")
    beside = found((3, 2, 90, 5), (1, 97, 1, 1), (1, 25, 50, 24))  # 3 must stay open, though an eos is better
    room = "finished sentences take up open places: of the *others* the best `width` stay open"
    expect(beside != [2, 2, 1], room)
    expect((later, sums, enough, beside) == ([2, 3, 1], [1], [1], [1]))


@beam.check(points=1, hint="a width with room for everything must find the most probable sentence")
def unlimited_width_misses_nothing(s):
    for _ in range(25):
        table = ending(s.rng, 4, 5, eos=1)
        ids, log_prob = s.beam(table, 5**4, 0, 1)
        expect_close(log_prob, worth(table, 0, [int(y) for y in ids]), "the sum is not that of the sentence")
        for row in s.rng.integers(5, size=(60, 4)).tolist():
            row[3:] = [1]
            expect(worth(table, 0, row[: row.index(1) + 1]) <= log_prob + 1e-9)


### BEGIN HIDDEN TESTS
def by_the_rule(table, width, bos, eos):
    """Search as the exercise says."""
    open_, finished = [([], 0.0)], []
    for rows in table:
        longer = [
            ([*ids, token], total + rows[ids[-1] if ids else bos, token])
            for ids, total in open_
            for token in range(len(rows))
        ]
        longer.sort(key=lambda pair: -pair[1])
        finished += [pair for pair in longer[:width] if pair[0][-1] == eos]
        open_ = [pair for pair in longer if pair[0][-1] != eos][:width]
        if len(finished) >= width:
            break
    return max(finished, key=lambda pair: pair[1])


@beam.check(points=1, hint="at full width a likelier sentence was missed", hidden=True)
def full_width_equals_brute_force(s):
    from itertools import product

    sentences = [[*row, 4] for m in range(4) for row in product(range(4), repeat=m)]
    for _ in range(25):
        table = ending(s.rng, 4, 5, eos=4)
        sums = [worth(table, 0, ids) for ids in sentences]
        ids, log_prob = s.beam(table, 5**4, 0, 4)
        expect([int(token) for token in ids] == sentences[np.argmax(sums)])
        expect_close(log_prob, max(sums))


@beam.check(
    points=2, hint="for a width of 2 or 3 the rule of the exercise finds another sentence", hidden=True
)
def small_widths_follow_the_rule(s):
    for width in (2, 3) * 12:
        table = ending(s.rng, 5, 7, eos=6)
        ids = [int(token) for token in s.beam(table, width, 0, 6)[0]]
        expect(by_the_rule(table, width, 0, 6)[0] == ids)


### END HIDDEN TESTS
# 9.4

forgetful = chapter.question(
    "9.4",
    "The beam that moves half of its state",
    kind="repair",
    level=2,
    minutes=15,
    hints=(
        "Feed an output back, one token at a time, and add up its log-probabilities. Is it the sum claimed?",
        "After pruning, row 0 may continue what was row 2. What must come along from row 2?",
        "Everything that belongs to a row: its tokens, its sum, and both parts of an LSTM state.",
    ),
)


def lstm(rng, V, d):
    """Draw the parameters of a small decoder."""
    return {
        "E": 2 * rng.normal(size=(V, 4 * d)),
        "U": 2 * rng.normal(size=(d, 4 * d)),
        "O": 2 * rng.normal(size=(d, V)),
    }


def fed_back(model, ids):
    """Return the sum of log-probabilities of the tokens, fed one at a time."""
    state, cell, total = np.zeros(model["U"].shape[0]), 0.0, 0.0
    for previous, token in zip([0, *ids], ids, strict=False):
        forget, write, look, new = np.split(model["E"][previous] + state @ model["U"], 4)
        cell = cell / (1 + np.exp(-forget)) + np.tanh(new) / (1 + np.exp(-write))
        state = np.tanh(cell) / (1 + np.exp(-look))
        logits = state @ model["O"]
        total += logits[token] - np.log(np.exp(logits).sum())
    return total


@forgetful.check(points=1, hint="the sum does not belong to the tokens: feed them back and compare")
def claims_what_it_is_worth_again(s):
    for width in (3, 5, 7, 3, 5, 7):
        model = lstm(s.rng, V=7, d=3)
        ids, log_prob = s.fast_beam(model, width, 5)
        ids = [int(token) for token in ids]
        expect(len(ids) == 5, "the sentence must have `length` tokens, without bos")
        expect_close(log_prob, fed_back(model, ids))


@forgetful.check(points=1, hint="a beam of 7 finds nothing likelier than width 1: is the width still used?")
def wider_finds_likelier(s):
    models = [lstm(s.rng, V=7, d=3) for _ in range(10)]
    narrow, wide = ([s.fast_beam(model, width, 5)[1] for model in models] for width in (1, 7))
    expect(np.mean(wide) > np.mean(narrow) + 0.01)


### BEGIN HIDDEN TESTS
@forgetful.check(points=2, hint="with all states moved, another sentence has the best sum", hidden=True)
def equals_the_slow_beam(s):
    for width in (2, 3, 5) * 4 + (125,):
        model = lstm(s.rng, V=5, d=3)
        kept = [([], 0.0)]
        for _ in range(3):
            longer = [[*ids, token] for ids, _ in kept for token in range(5)]
            kept = sorted(((ids, fed_back(model, ids)) for ids in longer), key=lambda pair: -pair[1])[:width]
        ids, log_prob = s.fast_beam(model, width, 3)
        expect([int(token) for token in ids] == kept[0][0])
        expect_close(log_prob, kept[0][1])


### END HIDDEN TESTS
# 9.5


def short_and_long(rng):
    """Draw two sentences, as [log-probability, tokens], that change places at some length penalty."""
    tie = 0.0
    while not 0.1 < tie < 0.9:
        m, longer = int(rng.integers(3, 6)), int(rng.integers(7, 13))
        short, long = round(float(-rng.uniform(2, 6)), 1), round(float(-rng.uniform(4, 12)), 1)
        tie = float(np.log(long / short) / np.log(longer / m))
    return {"short_9_5": [short, m], "long_9_5": [long, longer]}


normalise = chapter.question(
    "9.5",
    "Where the longer one overtakes",
    kind="predict",
    level=2,
    minutes=15,
    hints=(
        "At a length penalty of 0 the short one leads, at 1 the long one. Between them they tie.",
        "Write both scores down with the same α and set them equal; a logarithm brings α down.",
        "The ratio of the sums equals the ratio of the lengths to the power α.",
    ),
    constants=short_and_long,
)


@normalise.check(points=1, hint="at your length penalty the two scores are not equal")
def the_scores_tie(s):
    alpha = float(s.prediction_9_5())
    (short, m), (long, longer) = s.given["short_9_5"], s.given["long_9_5"]
    expect(0 < alpha < 1, "at 0 the short sentence leads and at 1 the long one: the tie lies between")
    expect_close(long / longer**alpha, short / m**alpha, tolerance=0.02)


@normalise.check(points=1, hint="with a length penalty of 0 only the sums count")
def zero_compares_sums(s):
    order = [int(k) for k in s.rng.permutation(5)]
    sums, lengths = [-1.0, -2.0, -3.0, -4.0, -5.0], [2, 30, 3, 100, 5]
    found = [int(k) for k in s.rank([sums[k] for k in order], [lengths[k] for k in order], 0.0)]
    expect(sorted(found) == [0, 1, 2, 3, 4], "return the numbers of the sentences, each once")
    expect(
        [order[k] for k in found] != [4, 3, 2, 1, 0],
        "this is the worst first: sums are negative, 0 is certain",
    )
    expect([order[k] for k in found] == [0, 1, 2, 3, 4])


@normalise.check(points=1, hint="with a length penalty of 1 the mean of a token counts")
def one_compares_means(s):
    order, lengths = s.rng.permutation(5), np.array([3, 7, 5, 13, 11])
    means = np.array([-0.1, -0.2, -0.3, -0.4, -0.5])
    found = s.rank((means * lengths)[order], lengths[order], 1.0)
    expect([int(order[int(k)]) for k in found] == [0, 1, 2, 3, 4])
    between = [int(k) for k in s.rank([-4.0, -7.5], [1, 4], 0.5)]  # -4 against -7.5 / 2
    expect(between == [1, 0], "between 0 and 1 the length counts to the power of the length penalty")


### BEGIN HIDDEN TESTS
@normalise.check(
    points=1, hint="between 0 and 1 the length counts to the power of the length penalty", hidden=True
)
def any_power(s):
    for _ in range(20):
        sums, lengths = -20 * s.rng.random(7), s.rng.integers(1, 30, size=7)
        alpha = float(s.rng.uniform(0.3, 0.8))
        score = [total / m**alpha for total, m in zip(sums, lengths, strict=True)]
        expected = sorted(range(7), key=lambda k: -score[k])
        expect([int(k) for k in s.rank(sums, lengths, alpha)] == expected)


### END HIDDEN TESTS
# 9.6

nucleus = chapter.question(
    "9.6",
    "The nucleus: a tail cut by probability",
    kind="build",
    level=2,
    minutes=15,
    hints=(
        "Sort each row from the most probable token down, and add up as you go.",
        "The token that crosses p belongs to the nucleus: look at the sum before each token, not after it.",
        "Bring the kept ones back to their places, put 0 elsewhere, and divide each row by its new sum.",
    ),
)


@nucleus.check(points=1, hint="nothing is kept: even a tiny nucleus holds one token")
def a_tiny_nucleus_holds_one_token(s):
    table = opinions(s.rng, 5, 11)
    found = s.nucleus(table, 0.01)
    expect_shape(found, (5, 11), "probabilities")
    kept = found > 0
    expect(kept.any(axis=1).all())
    best = np.arange(11) == table.argmax(axis=1)[:, None]
    expect((kept.sum(1) == 1).all(), "with p = 0.01 one token is enough: which sum is compared with p?")
    expect((kept == best).all(), "with p = 0.01 only the best token is kept, in its own place")


@nucleus.check(points=1, hint="rows do not sum to 1: divide what is kept by its own sum")
def rows_sum_to_one(s):
    for p in (0.3, 0.8, 1.0):
        found = s.nucleus(opinions(s.rng, 5, 11), p)
        expect_close(found.sum(axis=1), np.ones(5))
        expect(np.ptp(found, axis=1).min() > 0, "all get one probability: kept tokens must keep their ratios")


@nucleus.check(points=1, hint="the nucleus is the smallest one that reaches p")
def just_enough(s):
    for p in (0.05, 0.5, 0.9):
        table = opinions(s.rng, 7, 11)
        for row, found in zip(table, s.nucleus(table, p), strict=True):
            kept = np.exp(row[found > 0])
            expect(row[found > 0].min() >= np.sort(row)[-len(kept)], "a more probable token is left out")
            expect(
                kept.sum() >= p - 1e-9, "the nucleus has less than p: the token that crosses p belongs to it"
            )
            expect(kept.sum() - kept.min() < p, "a smaller nucleus would do")
            share = found[found > 0] / kept
            expect(np.allclose(share, share[0]), "kept tokens must keep their ratios, each in its place")


### BEGIN HIDDEN TESTS
@nucleus.check(points=2, hint="kept tokens must keep their ratios and their places", hidden=True)
def equals_the_renormalised(s):
    for p in (0.3, 0.6, 0.95, 1.0):
        table = opinions(s.rng, 5, 7)
        expected = np.zeros((5, 7))
        for row, log_probs in zip(expected, table, strict=True):
            for token in sorted(range(7), key=lambda k: -log_probs[k]):
                if row.sum() < p - 1e-12:
                    row[token] = np.exp(log_probs[token])
        expect_close(s.nucleus(table, p), expected / expected.sum(axis=1, keepdims=True))


### END HIDDEN TESTS
# 9.7

worse = chapter.question(
    "9.7",
    "A wider beam that finds less",
    kind="experiment",
    level=3,
    minutes=25,
    hints=(
        "Let a third first word bring children that push out the one that width 2 keeps to its happy end.",
        "Its children must look better than that one at the second step, and turn out badly at the third.",
        "By hand, or by chance: draw many tables, and search each with your own beam of widths 2 and 3.",
    ),
)


def read_answer(s):
    """Return the table as log-probabilities, and the two sentences."""
    table, two, three = s.worse_when_wider()
    table = np.array(table, dtype=float)
    expect(
        table.ndim == 3 and table.shape[1] == table.shape[2], "the table must have the shape (steps, V, V)"
    )
    expect(max(table.shape) <= 9, "a smaller table will do: at most 9 tokens and 9 steps")
    expect((table[:-1] > 0).all(), "give probabilities above 0 (not logarithms) for all steps but the last")
    expect(np.allclose(table.sum(axis=2), 1), "each row is a choice of the next token: it must sum to 1")
    expect(np.allclose(table[-1, :, 1], 1), "at the last step every sentence must end: eos is certain there")
    with np.errstate(divide="ignore"):
        return np.log(table), [int(token) for token in two], [int(token) for token in three]


@worse.check(points=1, hint="a table of probabilities, and the sentences that widths 2 and 3 find")
def is_a_table_of_probabilities(s):
    table, two, three = read_answer(s)
    expect(two[-1] == three[-1] == 1, "both sentences must end with eos, which is token 1")
    expect(max(len(two), len(three)) <= len(table), "a sentence is longer than the table has steps")


@worse.check(points=1, hint="the sentence of width 3 is as probable as that of width 2, or more so")
def the_wider_one_is_worth_less(s):
    table, two, three = read_answer(s)
    expect(worth(table, 0, three) < worth(table, 0, two) - 1e-9)


### BEGIN HIDDEN TESTS
@worse.check(
    points=3, hint="searched by the rule of 9.3, the table gives other sentences than you say", hidden=True
)
def both_beams_find_what_is_said(s):
    table, two, three = read_answer(s)
    expect(worth(table, 0, three) < worth(table, 0, two) - 1e-9)
    expect([two, three] == [by_the_rule(table, k, 0, 1)[0] for k in (2, 3)])


### END HIDDEN TESTS
