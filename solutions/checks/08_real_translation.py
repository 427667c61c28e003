"""Checks of the exercises of chapter 08: honest splits and scores, pieces, copying, many heads."""

import math

import numpy as np

from seq2seq_edu.grading import Chapter, expect, expect_close, expect_shape

chapter = Chapter(
    "08_real_translation",
    hides=("data.corpora", "metrics", "data.subwords", "equations", "gradients", "models"),
)

# ---------------------------------------------------------------------------------------------------- 8.1

GO = 19  # SHA-256 of "go", mod 100
PHRASES = [
    ("Go!", "走！"), ("go", "去吧"), ("Leave.", "走"), ("Run!", "跑！"), ("run", "快跑！"),
    ("Hurry!", "快跑"), ("Hi!", "嗨！"), ("hi", "你好"), ("Hello.", "你好"), ("Wait!", "等等"),
    ("wait", "等一下"), ("Stop!", "停！"), ("Halt!", "停"), ("Look!", "看！"), ("look", "你看"),
    ("See?", "看"), ("Help!", "救命！"), ("Jump!", "跳！"),
]  # fmt: skip


def letters(text):
    """Return what makes it the same sentence: its letters, in lower case."""
    return "".join(character for character in text.lower() if character.isalnum())


def leaks(sources, targets, tests, key=letters, both=True):
    """Count, for each test set, its pairs that share a sentence with a pair outside it."""
    found = []
    for test in tests:
        outside = [j for j in range(len(sources)) if j not in test]
        known = {key(sources[j]) for j in outside}, {key(targets[j]) for j in outside}
        found.append(sum(key(sources[i]) in known[0] or (both and key(targets[i]) in known[1]) for i in test))
    return found


def few_pairs(rng):
    """Draw nine pairs and three test sets in which the usual mistakes give other counts."""
    while True:
        some = [PHRASES[k] for k in rng.permutation(len(PHRASES))[:9]]
        sources, targets = [list(side) for side in zip(*some, strict=True)]
        tests = [sorted(rng.permutation(9)[:3].tolist()) for _ in range(3)]
        right, source_only = leaks(sources, targets, tests), leaks(sources, targets, tests, both=False)
        exact = leaks(sources, targets, tests, key=str)
        if right != source_only and right != exact and source_only != exact and len(set(right)) > 1:
            return {"sources_8_1": sources, "targets_8_1": targets, "tests_8_1": tests}


leak = chapter.question(
    "8.1",
    "How much of the test was seen?",
    kind="predict",
    level=1,
    minutes=8,
    constants=few_pairs,
    hints=(
        "A test pair is seen when a pair outside the test has its source or its target.",
        "Case and punctuation make no new sentence: compare letters in lower case.",
        "For each test number look along both lists for a double whose number is not in the same test.",
    ),
)


@leak.check(
    points=3, hint="compare both sentences of a test pair with the pairs outside that test, and only those"
)
def counts_are_right(s):
    counts, g = list(s.prediction_8_1()), s.given
    three = len(counts) == 3 and all(0 <= count <= 3 for count in counts)
    expect(three, "return a list of three counts, one for each test set, each from 0 to 3")
    exact = leaks(g["sources_8_1"], g["targets_8_1"], g["tests_8_1"], key=str)
    expect(counts != exact, "Run! and run are one sentence: case and punctuation do not count")
    pairs = leaks(g["sources_8_1"], g["targets_8_1"], g["tests_8_1"], both=False)
    expect(counts != pairs, "only the sources were compared: a known target is a leak, too")
    expect_close(counts, leaks(g["sources_8_1"], g["targets_8_1"], g["tests_8_1"]))


# ---------------------------------------------------------------------------------------------------- 8.2

split = chapter.question(
    "8.2",
    "A split that new lines cannot move",
    kind="build",
    level=2,
    minutes=15,
    hints=(
        "A shuffle asks for the place of a line; ask the sentence itself instead.",
        "hashlib.sha256(text.encode()).hexdigest() is the same in every process; hash(text) is not.",
        "int(…, 16) % 100 deals keys out evenly; compare with percent, once for each pair.",
    ),
)


def drawn_pairs(rng, count=61):
    """Draw pairs whose sources come several times, with other case and punctuation."""
    words = ["".join(rng.choice(list("aeiknst"), size=5)) for _ in range(23)]
    faces = (str.title, str.upper, str.lower)
    sources = [faces[rng.integers(3)](words[rng.integers(23)]) + "!.?"[rng.integers(3)] for _ in range(count)]
    return [(source, f"译{k}") for k, source in enumerate(sources)]


def halves(s, pairs, percent=50):
    """Return training and test pairs of the student's split, as tuples."""
    train, test = s.split(pairs, percent)
    expect(len(train) + len(test) == len(pairs), "every pair in exactly one of them: train or test")
    expect(percent != 50 or (train and test), "half of the sentences were asked for, and one side is empty")
    return [tuple(pair) for pair in train], [tuple(pair) for pair in test]


@split.check(points=1, hint="return two lists, train and test, with every pair in exactly one of them")
def every_pair_once(s):
    pairs = drawn_pairs(s.rng)
    train, test = halves(s, pairs)
    expect(sorted(train + test) == sorted(pairs))


@split.check(points=1, hint="the same sentence stands on both sides")
def no_sentence_on_two_sides(s):
    train, test = halves(s, drawn_pairs(s.rng))
    sides = [{letters(source) for source, _ in side} for side in (train, test)]
    expect(not sides[0] & sides[1], "Run! is on one side, run on the other: decide by the key")


@split.check(points=1, hint="another order of the lines gives another split")
def new_lines_move_nothing(s):
    pairs = drawn_pairs(s.rng)
    _, test = halves(s, pairs)
    _, turned = halves(s, pairs[::-1])
    expect(set(test) == set(turned))
    _, fewer = halves(s, pairs[:31])
    expect(set(fewer) == set(test) & set(pairs[:31]), "new lines moved an old one: ask the key alone")


@split.check(
    points=1, hint="at 50 percent other words go to the test: take SHA-256 of the key, mod 100, below percent"
)
def twelve_words_fall_as_they_must(s):
    words = "Go! Run. Wait! Hello. Stop! Look! Help! Thanks. Jump! Sit. Listen! 谢谢。".split()
    train, test = halves(s, [(word, "") for word in words])
    turned = [word for word, _ in train] == "Go! Run. Wait! Hello. Look! Jump! Listen! 谢谢。".split()
    expect(not turned, "these are (test, train): train comes first")
    expect([word for word, _ in test] == "Go! Run. Wait! Hello. Look! Jump! Listen! 谢谢。".split())


    _, test = halves(s, [("Go!", "走！")], GO)
    expect(not test, "its number equals percent, and it went to the test: below percent was asked for")


### BEGIN HIDDEN TESTS
import hashlib  # noqa: E402


@split.check(points=1, hint="sides differ from those of SHA-256 of the key", hidden=True)
def sides_follow_the_rule(s):
    pairs, percent = drawn_pairs(s.rng), int(s.rng.integers(20, 60))
    numbers = [int(hashlib.sha256(letters(source).encode()).hexdigest(), 16) % 100 for source, _ in pairs]
    train, test = halves(s, pairs, percent)
    expect(test == [pair for pair, number in zip(pairs, numbers, strict=True) if number < percent])
    expect(train == [pair for pair, number in zip(pairs, numbers, strict=True) if number >= percent])


### END HIDDEN TESTS
# ---------------------------------------------------------------------------------------------------- 8.3

ruler = chapter.question(
    "8.3",
    "The signature that told half the truth",
    kind="repair",
    level=2,
    minutes=12,
    hints=(
        "The scorer reports its options. It cannot know what was done to the texts before.",
        "Lower-casing twice changes nothing more; cutting before and cutting again are two different things.",
        "Make the ruler of each run first, gather the runs of each ruler, sort those by BLEU.",
    ),
)


def scored(system, bleu, test="test2016", lowered=False, cut="", lowercase=False, tokenize="13a"):
    """Return one run: what was done before the scorer, and what the scorer was told."""
    return {"system": system, "test": test, "lowered": lowered, "cut": cut,
            "lowercase": lowercase, "tokenize": tokenize, "bleu": bleu}  # fmt: skip


def scores(rng, count=2):
    """Draw scores, all different, the lowest first."""
    return sorted(round(float(b), 1) for b in 20 + 3 * np.arange(count) + rng.random(count))


@ruler.check(points=1, hint="two test sets stand in one list: a score belongs to its test set")
def test_sets_stay_apart(s):
    low, high = scores(s.rng)
    lists = s.rankings([scored("a", low, test="test2016"), scored("b", high, test="test2017")])
    expect(isinstance(lists, dict), "one list for all: return a dict with one ranking for each ruler")
    expect(sorted(map(list, lists.values())) == [["a"], ["b"]])


@ruler.check(points=1, hint="a score on lower-cased texts stands in one list with a cased one")
def case_is_never_mixed(s):
    low, high = scores(s.rng)
    lists = s.rankings([scored("cased", low), scored("lowered", high, lowered=True)])
    expect(sorted(map(list, lists.values())) == [["cased"], ["lowered"]])


@ruler.check(points=1, hint="lower-cased by hand or by the scorer is the same ruler: both say case:lc")
def lowered_by_hand_is_lower_case(s):
    low, high = scores(s.rng)
    lists = s.rankings([scored("option", low, lowercase=True), scored("by hand", high, lowered=True)])
    found = [list(systems) for systems in lists.values()]
    expect(["option", "by hand"] not in found, "the worst comes first: the best was asked for")
    expect(["by hand", "option"] in found)
    expect([*lists] == ["test2016|case:lc|tok:13a"], "a ruler is written as in the text: test|case:..|tok:..")


@ruler.check(
    points=1, hint="texts that were cut before the scorer came have another idea of a word: say so in tok"
)
def cut_before_is_another_ruler(s):
    low, high = scores(s.rng)
    lists = s.rankings([scored("whole", low), scored("cut", high, cut="spacy")])
    expect(set(lists) == {"test2016|case:mixed|tok:13a", "test2016|case:mixed|tok:spacy+13a"})
    expect(sorted(map(list, lists.values())) == [["cut"], ["whole"]], "each list holds its own system")


### BEGIN HIDDEN TESTS
@ruler.check(
    points=1,
    hint="lists differ: group by test set, case and words, and put the highest BLEU first",
    hidden=True,
)
def lists_are_right_and_best_first(s):
    rng, runs, lists = s.rng, [], {}
    for k, bleu in enumerate(rng.permutation(scores(rng, 23)).tolist()):
        flags = {"lowered": bool(rng.integers(2)), "lowercase": bool(rng.integers(2))}
        names = {"cut": ["", "spacy"][rng.integers(2)], "tokenize": ["13a", "none"][rng.integers(2)]}
        runs.append(scored(f"s{k}", bleu, test=["a", "b"][rng.integers(2)], **flags, **names))
    for run in sorted(runs, key=lambda run: -run["bleu"]):
        case = "lc" if run["lowered"] or run["lowercase"] else "mixed"
        words = f"{run['cut']}+{run['tokenize']}" if run["cut"] else run["tokenize"]
        lists.setdefault(f"{run['test']}|case:{case}|tok:{words}", []).append(run["system"])
    expect({k: list(v) for k, v in s.rankings(runs).items()} == lists)


### END HIDDEN TESTS
# ---------------------------------------------------------------------------------------------------- 8.4

pieces = chapter.question(
    "8.4",
    "Pieces, learned from counts",
    kind="build",
    level=3,
    minutes=25,
    hints=(
        "Keep each word as a list of pieces, at first its characters; one merge joins one pair everywhere.",
        "A pair counts as often as its word was read; min over (-count, pair) settles ties.",
        "To encode, apply the merges one after the other, in the order in which they were learned.",
    ),
)


def pairs_of(merges):
    """Return merges as a list of tuples."""
    return [tuple(pair) for pair in merges]


@pieces.check(points=1, hint="the first pair is the one that stands side by side most often in the text")
def frequent_words_decide(s):
    merges = pairs_of(s.learn_merges({"xy": 5, "ab": 1, "cab": 1, "dab": 2}, 1))
    expect(merges != [("a", "b")], "each word was counted once: a pair counts as often as its word was read")
    expect(merges == [("x", "y")])
    expect(
        pairs_of(s.learn_merges({"ba": 2, "ab": 2}, 1)) == [("a", "b")],
        "of equal counts take the smallest pair",
    )


@pieces.check(points=1, hint="a merge makes one piece, which can be joined again; stop when no pair is left")
def merges_build_on_merges(s):
    expect(pairs_of(s.learn_merges({"low": 3}, 9)) == [("l", "o"), ("lo", "w")])


@pieces.check(
    points=1, hint="apply merges in the order in which they were learned, each at all places of a word"
)
def merges_keep_their_order(s):
    got = list(s.encode("abc abcabc", [("b", "c"), ("a", "b")]))
    expect(
        got != ["ab", "·c", "ab", "·c", "·ab", "·c"], "the leftmost pair won: the merge learned first wins"
    )
    expect(got == ["a", "·bc", "a", "·bc", "·a", "·bc"])
    expect(list(s.encode("aaa", [("a", "a")])) == ["aa", "·a"])


@pieces.check(
    points=1, hint="decode(encode(text)) must give the text back, with its spaces and letters never met"
)
def the_text_comes_back(s):
    words = ["".join(s.rng.choice(list("abcé我们?"), size=s.rng.integers(1, 8))) for _ in range(11)]
    text = " ".join(words)
    cut = s.encode(text, [("a", "b"), ("b", "c"), ("ab", "c"), ("我", "们")])
    expect(isinstance(cut, (list, tuple)) and len(cut) > 11, "encode returns a list of pieces")
    got = s.decode(cut)
    expect(" " in got, "spaces are lost: a piece without the dot begins a new word")
    expect(got == text)


### BEGIN HIDDEN TESTS
def reference_join(word, pair):
    """Join a pair at all its places, from the left."""
    joined = []
    for piece in word:
        if joined and (joined[-1], piece) == pair:
            joined[-1] += piece
            # a piece just made is not joined again by the same merge
            joined.append("")
        else:
            if joined and joined[-1] == "":
                joined.pop()
            joined.append(piece)
    return [piece for piece in joined if piece]


def reference_merges(counts, number):
    """Learn merges the slow way."""
    words, merges = {word: list(word) for word in counts}, []
    for _ in range(number):
        seen = {}
        for word, parts in words.items():
            for pair in zip(parts, parts[1:], strict=False):
                seen[pair] = seen.get(pair, 0) + counts[word]
        if not seen:
            break
        merges.append(min(seen, key=lambda pair: (-seen[pair], pair)))
        words = {word: reference_join(parts, merges[-1]) for word, parts in words.items()}
    return merges


@pieces.check(
    points=1,
    hint="merges or pieces differ: count neighbours at every place, weighted; ties: smallest pair",
    hidden=True,
)
def learns_and_cuts_like_the_reference(s):
    words = {"".join(s.rng.choice(list("abc"), size=s.rng.integers(1, 8))) for _ in range(31)}
    counts = {word: int(s.rng.integers(1, 6)) for word in sorted(words)}
    merges = reference_merges(counts, 13)
    expect(pairs_of(s.learn_merges(counts, 13)) == merges)
    for word in sorted(words)[:11]:
        parts = list(word)
        for pair in merges:
            parts = reference_join(parts, pair)
        expect(list(s.encode(word, merges)) == [parts[0], *("·" + part for part in parts[1:])])


### END HIDDEN TESTS
# ---------------------------------------------------------------------------------------------------- 8.5

copy = chapter.question(
    "8.5",
    "A name that is in no vocabulary",
    kind="build",
    level=3,
    minutes=20,
    hints=(
        "Words that can be written: the vocabulary, and after it those words of the source that it lacks.",
        "Two ways lead to a word: saying it (p_gen), and copying it from all its places (1 - p_gen).",
        "Give each source position the number of its word; then add its weight there: np.add.at, or a loop.",
    ),
)


def sentence_with_name(rng, m=3):
    """Draw a sentence in which a name of no vocabulary stands twice, and what a model says of it."""
    vocabulary = ["<unk>", *(f"w{k}" for k in range(17))]
    name = "".join(rng.choice(list("BDKLMRT"), size=5))
    source = [vocabulary[k] for k in 1 + rng.permutation(17)[:11]]
    places = rng.permutation(11)[:3]
    source[places[0]] = source[places[1]] = name
    weights = rng.random((m, 11)) * 0.01
    weights[:, places] = [0.3, 0.3, 0.37]  # the largest single weight is another word's
    p_vocab = rng.random((m, 18)) * 0.02
    p_vocab[:, rng.integers(1, 18)] = 0.5
    shares = [weights / weights.sum(-1, keepdims=True), p_vocab / p_vocab.sum(-1, keepdims=True)]
    return rng.uniform(0.1, 0.2, size=m), shares[1], shares[0], source, vocabulary, name


@copy.check(
    points=1, hint="words: the vocabulary, then new words of the source once each; P: one column for each"
)
def one_column_for_each_word(s):
    *model, name = sentence_with_name(s.rng)
    words, P = s.copy_distribution(*model)
    expect(list(words) == [*model[4], name])
    expect_shape(P, (3, 19), "P")


@copy.check(points=1, hint="rows of P must sum to 1: p_gen for saying, 1 - p_gen for copying")
def probabilities_sum_to_one(s):
    p_gen, p_vocab, weights, *_ = sentence_with_name(s.rng)
    vocabulary = [f"w{k}" for k in range(18)]
    names_once = s.copy_distribution(p_gen, p_vocab, weights, [f"n{k}" for k in range(11)], vocabulary)[1]
    expect_close(np.sum(names_once, -1), np.ones(3))
    said = np.sum(np.asarray(names_once)[:, :18], -1)
    swapped = "p_gen is the share of saying, 1 - p_gen that of copying, and not the other way round"
    expect(not np.allclose(said, 1 - p_gen), swapped)
    expect_close(said, p_gen, "only names in the source: the vocabulary must get p_gen, and no more")
    told_twice = s.copy_distribution(p_gen, p_vocab, weights, ["n"] * 11, vocabulary)[1]
    message = (
        "a word that stands twice keeps one of its weights: out[ids] += w does not add twice at one number"
    )
    expect_close(np.sum(told_twice, -1), np.ones(3), message)


@copy.check(
    points=1, hint="a name in no vocabulary gets what attention gives to all its places, times 1 - p_gen"
)
def a_name_gets_its_attention(s):
    model = np.array([0.25]), np.array([[0.5, 0.5]]), np.array([[0.2, 0.4, 0.4]])
    _, P = s.copy_distribution(*model, ["Li", "saw", "Li"], ["<unk>", "saw"])
    P = np.asarray(P, dtype=float)
    over = "a word that is copied loses what saying gave it: the two are added"
    expect(not np.allclose(P, [[0.125, 0.3, 0.45]]), over)
    expect_close(P, [[0.125, 0.425, 0.45]])


@copy.check(
    points=1, hint="under 95 % of the unseen names were written: add up the weights of all places of a name"
)
def unseen_names_are_written(s):
    written = []
    for _ in range(31):
        *model, name = sentence_with_name(s.rng, m=1)
        words, P = s.copy_distribution(*model)
        written.append(words[int(np.argmax(np.asarray(P)[0]))] == name)
    expect(np.mean(written) >= 0.95)


### BEGIN HIDDEN TESTS
@copy.check(
    points=1,
    hint="P differs from p_gen P_vocab plus (1 - p_gen) times the weights of all places",
    hidden=True,
)
def equals_the_mixture(s):
    m, n, V = 3, 13, 5
    vocabulary, names = [f"w{k}" for k in range(V)], ["Ada", "Bo", "Cy", "Di"]
    source = s.rng.choice([*vocabulary, *names], size=n).tolist()
    weights, p_vocab, p_gen = s.rng.dirichlet(np.ones(n), m), s.rng.dirichlet(np.ones(V), m), s.rng.random(m)
    words = [*vocabulary, *(w for k, w in enumerate(source) if w in names and w not in source[:k])]
    P = np.zeros((m, len(words)))
    for t in range(m):
        for j, word in enumerate(words):
            P[t, j] = p_gen[t] * p_vocab[t, j] if j < V else 0
            P[t, j] += (1 - p_gen[t]) * sum(weights[t, i] for i in range(n) if source[i] == word)
    got_words, got = s.copy_distribution(p_gen, p_vocab, weights, source, vocabulary)
    expect(list(got_words) == words, "new words come in the order in which the source has them first")
    expect_close(got, P)


### END HIDDEN TESTS
# ---------------------------------------------------------------------------------------------------- 8.6

heads = chapter.question(
    "8.6",
    "Many heads, two kinds of mask",
    kind="build",
    level=3,
    minutes=30,
    hints=(
        "One head is chapter 03 for all queries at once: scores (B, m, n), softmax over the last axis.",
        "A bool mask says where -inf does not stand; a float mask is added; turn ignore round first.",
        "Cut the width into (heads, d / heads), move heads before the positions, attend, move back, join.",
    ),
)


@heads.check(
    points=1, hint="weights: softmax of q·k divided by the root of the width of one key, over the source axis"
)
def scores_are_scaled(s):
    q, k = np.array([[[2 * math.log(3), 0, 0, 0]]]), np.array([[[1.0, 0, 0, 0], [0, 0, 0, 5.0]]])
    context, weights = s.attention(q, k, np.array([[[1.0], [0.0]]]))
    expect_shape(weights, (1, 1, 2), "weights")
    expect(
        not np.allclose(weights, [[[0.9, 0.1]]]), "the scores are not scaled: divide by the root of the width"
    )
    expect_close(weights, [[[0.75, 0.25]]])
    expect_close(context, [[[0.75]]])
    loud = s.attention(1000 * q, k, np.array([[[1.0], [0.0]]]))[0]
    expect(np.isfinite(loud).all(), "large scores overflow: subtract the largest of each row")


@heads.check(
    points=1, hint="where a bool mask is False the weight is exactly 0, and the rest still sums to 1"
)
def true_means_may_look(s):
    q, k, v = (s.rng.normal(size=(2, n, 5)) for n in (3, 7, 7))
    mask = s.rng.random((2, 3, 7)) < 0.5
    mask[..., 0], mask[..., 1] = True, False
    weights = s.attention(q, k, v, mask)[1]
    expect(not np.all(weights[mask] == 0), "it looks just where the mask is False: here True means may look")
    expect(np.all(weights[~mask] == 0))
    expect_close(weights.sum(-1), np.ones((2, 3)))


@heads.check(
    points=1, hint="a float mask is added to the scores: log 2 makes a place twice as likely, -inf forbids it"
)
def numbers_are_added(s):
    q, k, v = np.zeros((1, 1, 3)), s.rng.normal(size=(1, 4, 3)), s.rng.normal(size=(1, 4, 3))
    weights = s.attention(q, k, v, np.array([[[math.log(2), 0.0, 0.0, -math.inf]]]))[1]
    expect_close(weights, [[[0.5, 0.25, 0.25, 0]]])


def layer(rng, d):
    """Draw the parameters of a layer of several heads, with the names that PyTorch gives them."""
    shapes = {
        "in_proj_weight": (3 * d, d),
        "in_proj_bias": (3 * d,),
        "out_proj.weight": (d, d),
        "out_proj.bias": (d,),
    }
    return {name: rng.normal(size=shape) / math.sqrt(d) for name, shape in shapes.items()}


@heads.check(points=1, hint="the output has the shape of x, and changes with y")
def true_means_ignore(s):
    x, y, p = s.rng.normal(size=(2, 3, 6)), s.rng.normal(size=(2, 5, 6)), layer(s.rng, 6)
    ignore = np.array([[False, False, False, True, True], [False] * 5])
    out, other, third = s.multi_head(x, y, p, 2, ignore), y.copy(), y.copy()
    expect_shape(out, (2, 3, 6), "output")
    other[0, 3:], third[0, 0] = 9.0, 9.0
    message = (
        "words marked in ignore change the output: there True means padding, the opposite of the other mask"
    )
    expect_close(s.multi_head(x, other, p, 2, ignore), out, message)
    expect(not np.allclose(s.multi_head(x, third, p, 2, ignore), out))
    p |= {"out_proj.weight": np.eye(6), "out_proj.bias": np.zeros(6)}
    here, W = s.multi_head(x, y, p, 2, ignore), p["in_proj_weight"].copy()
    W[:3] += 1  # other queries for head 0, the first three of six numbers
    there = s.multi_head(x, y, {**p, "in_proj_weight": W}, 2, ignore)
    mixed = "another query for head 0 changes head 1: how is the width cut? Neighbours belong to one head"
    expect_close(here[:, :, 3:], there[:, :, 3:], mixed)


### BEGIN HIDDEN TESTS
import torch  # noqa: E402


@heads.check(points=1, hint="differs from PyTorch's scaled_dot_product_attention", hidden=True)
def equals_scaled_dot_product_attention(s):
    q, k, v = (s.rng.normal(size=shape) for shape in ((3, 5, 7), (3, 5, 7), (3, 5, 11)))
    causal, added = np.tril(np.ones((5, 5), bool)), s.rng.normal(size=(3, 5, 5))
    reference = torch.nn.functional.scaled_dot_product_attention
    tensors = [torch.tensor(a) for a in (q, k, v)]
    message = "the mask of shape (m, n) is one for all sentences: let it broadcast"
    expect_close(s.attention(q, k, v, causal)[0], reference(*tensors, is_causal=True), message)
    expect_close(s.attention(q, k, v, added)[0], reference(*tensors, attn_mask=torch.tensor(added)))
    expect_close(s.attention(q, k, v)[0], reference(*tensors))
    single = [a.astype(np.float32) * 40 for a in (q, k, v)]
    expect(
        np.isfinite(s.attention(*single)[0]).all(), "large scores overflow: subtract the largest of each row"
    )


@heads.check(
    points=1,
    hint="differs from nn.MultiheadAttention with the same parameters: how is the width cut?",
    hidden=True,
)
def equals_multihead_attention(s):
    x, y, p = s.rng.normal(size=(2, 3, 12)), s.rng.normal(size=(2, 5, 12)), layer(s.rng, 12)
    ignore = np.array([[False, False, False, False, True], [False, False, True, True, True]])
    theirs = torch.nn.MultiheadAttention(12, 4, batch_first=True).double()
    theirs.load_state_dict({name: torch.tensor(value) for name, value in p.items()})
    keys, forbidden = torch.tensor(y), torch.tensor(ignore.repeat(4, axis=0))  # a row for each head
    with torch.no_grad():  # as attn_mask: PyTorch imports an algebra system to look at a key_padding_mask
        out, _ = theirs(torch.tensor(x), keys, keys, attn_mask=forbidden[:, None].expand(8, 3, 5))
    expect_close(s.multi_head(x, y, p, 4, ignore), out)


### END HIDDEN TESTS
# ---------------------------------------------------------------------------------------------------- 8.7

order = chapter.question(
    "8.7",
    "The future, and where a word stands",
    kind="build",
    level=3,
    minutes=25,
    hints=(
        "A word may look at itself and at what came before: entry (t, i) of the mask is i ≤ t.",
        "Without positions nothing tells the words' places: attention sums over a bag of words.",
        "Angles: positions as a column, rates 10000^(-2k/d) as a row; sines to even columns, cosines to odd.",
    ),
)


def words_and_projections(rng, n=7, d=6):
    """Draw n words of width d, and three matrices."""
    return rng.normal(size=(n, d)), rng.normal(size=(3, d, d)) / math.sqrt(d)


@order.check(points=1, hint="outputs up to t change when later words change: forbid i > t before the softmax")
def the_future_is_not_seen(s):
    x, W = words_and_projections(s.rng)
    t, other = int(s.rng.integers(1, 5)), x.copy()
    other[t + 1 :] = s.rng.normal(size=other[t + 1 :].shape)
    before, after = s.self_attention(x, *W, True), s.self_attention(other, *W, True)
    expect(
        not np.allclose(before[t + 1 :], after[t + 1 :]), "the output does not change with the words at all"
    )
    expect_close(before[1 : t + 1], after[1 : t + 1])
    expect(not np.allclose(before, x), "the words come out as they went in")


@order.check(
    points=1, hint="the first word sees itself, and without the mask it sees all: i ≤ t, and only if causal"
)
def a_word_sees_itself(s):
    x, W = words_and_projections(s.rng)
    first = s.self_attention(x, *W, True)[0]
    expect(np.isfinite(first).all(), "the first word may look nowhere: a word sees itself, too")
    expect_close(first, W[2] @ x[0])
    other = x.copy()
    other[-1] += 1
    expect(not np.allclose(s.self_attention(other, *W, False)[0], s.self_attention(x, *W, False)[0]))


@order.check(
    points=1,
    hint="without mask and positions another order of words must give the same outputs in that order",
)
def order_is_lost_without_positions(s):
    x, W = words_and_projections(s.rng)
    turn = np.roll(np.arange(7), 3)
    expect_close(s.self_attention(x[turn], *W, False), s.self_attention(x, *W, False)[turn])
    a, one = math.sqrt(2 * math.log(3)), np.eye(4)
    words = np.array([[a, 0, 0, 0], [0.0, 0, 0, 0]])  # q·k = 2 log 3 and 0, so log 3 and 0 after scaling
    found = s.self_attention(words, one, one, one, False)[0, 0] / a
    expect(not np.isclose(found, 0.9), "the scores are not scaled: divide by the root of d")
    expect_close(found, 0.75)


@order.check(points=1, hint="with positions added another order of words must give other outputs")
def positions_bring_it_back(s):
    x, W = words_and_projections(s.rng)
    p, turn = s.positions(7, 6), np.roll(np.arange(7), 3)
    expect_shape(p, (7, 6), "positions")
    halves = np.allclose(p[0], [0, 0, 0, 1, 1, 1])
    expect(not halves, "sines first, cosines after them: they stand side by side, in even and odd columns")
    there, here = s.self_attention(x[turn] + p, *W, False), s.self_attention(x + p, *W, False)
    expect(not np.allclose(there, here[turn]))
    expect_close(p @ p[0], p[::-1] @ p[-1], "p_i · p_j must depend on the distance alone")


### BEGIN HIDDEN TESTS
@order.check(
    points=1, hint="positions differ from sin and cos of i / 10000^(2k/d), side by side", hidden=True
)
def positions_equal_the_formula(s):
    def p(i, j):
        return (math.sin, math.cos)[j % 2](i / 10000 ** (2 * (j // 2) / 10))

    expect_close(s.positions(31, 10), [[p(i, j) for j in range(10)] for i in range(31)])


@order.check(points=1, hint="differs from softmax(q·k / √d) over the words that may be seen", hidden=True)
def equals_the_sum(s):
    x, (W_q, W_k, W_v) = words_and_projections(s.rng, 5, 3)
    q, k, v = x @ W_q.T, x @ W_k.T, x @ W_v.T
    for causal in (True, False):
        rows = []
        for t in range(5):
            seen = t + 1 if causal else 5
            e = np.exp(k[:seen] @ q[t] / math.sqrt(3) - np.max(k[:seen] @ q[t]) / math.sqrt(3))
            rows.append(e @ v[:seen] / e.sum())
        expect_close(s.self_attention(x, W_q, W_k, W_v, causal), rows)


### END HIDDEN TESTS
