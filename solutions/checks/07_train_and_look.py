"""Checks of the exercises of chapter 07: train and look."""

import numpy as np
import torch

from seq2seq_edu.data import Vocabulary, grammar, pad
from seq2seq_edu.data.grammar import NounPhrase, Sentence, lexicon
from seq2seq_edu.grading import Chapter, expect, expect_close, expect_shape

PAD, BOS, EOS = 0, 1, 2

chapter = Chapter(
    "07_train_and_look",
    hides=("training", "decoding", "equations", "metrics", "gradients", "experiments"),
)

loss = chapter.question(
    "7.1",
    "The loss of the next word",
    kind="build",
    level=2,
    minutes=15,
    hints=(
        "Two cuts make the shift: one drops a column of the ids, the other a row of scores nobody asks for.",
        "What comes after the last id is unknown, and bos is never predicted: cut logits at the end and ids "
        "at the start.",
        "Take log-probabilities of the right words, set those at padding to 0, add all up, and divide by the "
        "number of real targets in the whole batch.",
    ),
)


def batch_of(rng, lengths, V):
    """Draw ids (B, T): bos, words, eos, padding."""
    return pad([[BOS, *rng.integers(3, V, size=k).tolist(), EOS] for k in lengths])


def scores_for(words, V):
    """Return logits that are almost sure of the given ids (B, T)."""
    return 30.0 * torch.nn.functional.one_hot(words, V).double()


@loss.check(points=1, hint="a model that knows every next word has a loss near 0: compare the shift")
def knows_the_next_word(s):
    ids = batch_of(s.rng, (7, 7, 7), 11)
    repeats = s.sequence_loss(scores_for(ids, 11), ids)
    expect(float(repeats) > 1, "repeating the word just read costs nothing: row t is asked for the next one")
    expect_close(s.sequence_loss(scores_for(ids.roll(-1, dims=1), 11), ids), 0, tolerance=1e-3)


@loss.check(points=1, hint="more padding must not change the loss")
def padding_changes_nothing(s):
    ids = batch_of(s.rng, (7, 3, 5), 11)
    logits = torch.from_numpy(s.rng.normal(size=(3, 14, 11)))
    wider = torch.nn.functional.pad(ids, (0, 5), value=PAD)
    short, long = s.sequence_loss(logits[:, :9], ids), s.sequence_loss(logits, wider)
    expect(float(long) > float(short) * 0.95, "more padding makes the loss smaller: it is in the mean")
    expect_close(long, short, "more padding changes the loss: padding is nobody's target")
    other = s.sequence_loss(-logits[:, :9], ids)
    expect(abs(float(other) - float(short)) > 1e-6, "other logits have the same loss: it is none")


@loss.check(points=1, hint="all words equally likely cost log V each, so the mean is log V")
def knows_nothing(s):
    ids = batch_of(s.rng, (5, 1, 3), 13)
    found = s.sequence_loss(torch.zeros(3, 7, 13), ids)
    expect(not np.isclose(float(found), np.log2(13)), "that is in bits: take the natural logarithm")
    expect_close(found, np.log(13))
    ids = batch_of(s.rng, (7, 1), 13)  # 8 targets that it knows, then 2 of which it knows nothing
    logits = scores_for(ids.roll(-1, dims=1), 13)
    logits[1] = 0
    found = float(s.sequence_loss(logits, ids))
    each = "a short sentence has as much say as a long one: add up over the batch, then divide once"
    expect(not np.isclose(found, np.log(13) / 2), each)
    end = "eos is a target like the others, which the model has to learn to say"
    expect(not np.isclose(found, np.log(13) / 8) and not np.isclose(found, np.log(13) / 9), end)
    expect_close(found, np.log(13) / 5)


### BEGIN HIDDEN TESTS
@loss.check(points=1, hint="the loss is not the sum over real targets divided by their number", hidden=True)
def sum_over_number(s):
    ids = batch_of(s.rng, (11, 1, 3, 7, 5), 17)
    logits = torch.from_numpy(s.rng.normal(size=(*ids.shape, 17)) * 3)
    total, count = 0.0, 0
    for row, scores in zip(ids.tolist(), logits.log_softmax(-1).tolist(), strict=True):
        for t, y in enumerate(row[1:]):
            if y != PAD:
                total, count = total - scores[t][y], count + 1
    expect_close(s.sequence_loss(logits, ids), total / count)
    expect_close(s.sequence_loss(logits.float(), ids), total / count, tolerance=1e-4)


### END HIDDEN TESTS


def table_of_probabilities(rng):
    """Draw the probabilities of the right words of two sentences, all powers of one half."""
    while True:
        powers = rng.integers(1, 5, size=4)
        if powers.sum() % 2 == 0 and abs(powers[:3].mean() - powers[3]) > 1:
            break
    right = [float(p) for p in 0.5**powers]
    return {"right_7_2": [right[:3], right[3:]], "words_7_2": int(rng.choice([20, 50, 100, 500, 1000]))}


perplexity = chapter.question(
    "7.2",
    "As if choosing among how many words",
    kind="predict",
    level=1,
    minutes=8,
    hints=(
        "Perplexity undoes the logarithm of the loss: it is a number of words, not of nats.",
        "Every real word counts once, whichever sentence it stands in.",
        "All probabilities are powers of one half: average the exponents over the four words.",
    ),
    constants=table_of_probabilities,
)


@perplexity.check(points=2, hint="the first number is the perplexity of the four words")
def of_the_table(s):
    first, _ = s.prediction_7_2()
    nats = [[-np.log(p) for p in sentence] for sentence in s.given["right_7_2"]]
    mean = np.mean(sum(nats, []))
    expect(not np.isclose(first, mean, rtol=0.02), "that is the loss in nats: perplexity undoes the log")
    by_sentence = np.exp(np.mean([np.mean(sentence) for sentence in nats]))
    expect(not np.isclose(first, by_sentence, rtol=0.02), "sentences got equal say: every word counts once")
    mean_p = 1 / np.mean(sum(s.given["right_7_2"], []))
    off = np.isclose(first, mean_p, rtol=0.02) and not np.isclose(mean_p, np.exp(mean), rtol=0.02)
    expect(not off, "that is one over the mean probability: it is logarithms that are averaged")
    expect_close(first, np.exp(mean), tolerance=0.02)


@perplexity.check(points=1, hint="the second number needs no table: among how many words is a blind guess?")
def of_a_blind_guess(s):
    _, second = s.prediction_7_2()
    nats = np.isclose(second, np.log(s.given["words_7_2"]), rtol=0.02)
    expect(not nats, "the second number is a loss in nats: the perplexity is a number of words")
    expect_close(second, s.given["words_7_2"], tolerance=0.02)


greedy = chapter.question(
    "7.3",
    "Write, read what you wrote, write",
    kind="build",
    level=2,
    minutes=15,
    hints=(
        "Only one thing goes from step to step here: the id written last. The first step reads bos.",
        "There are two ways to stop: eos is the best next id, or the limit is reached.",
        "Loop at most `limit` times: argmax of the row of the last id; leave if it is eos; append it.",
    ),
)


def table_for(rng, path, V):
    """Return logits (V, V) in which each id of the path is by far the best after the one before it."""
    table = rng.normal(size=(V, V))
    for y_prev, y in zip(path, path[1:], strict=False):
        table[y_prev, y] += 7
    return table


@greedy.check(points=1, hint="the same table gave two answers: greedy takes the best, it does not draw")
def says_the_same_again(s):
    table = s.rng.normal(size=(13, 13))
    table[:, EOS] -= 7
    answers = [list(s.greedy(table, 11)) for _ in range(3)]
    expect(answers[0] == answers[1] == answers[2])
    other = -table
    other[:, EOS] = -9
    expect(list(s.greedy(other, 11)) != answers[0], "another table, the same answer: the table is not read")


@greedy.check(points=2, hint="each step reads the id written at the step before it")
def follows_its_own_words(s):
    path = [BOS, *s.rng.permutation(np.arange(3, 13))[:5].tolist(), EOS]
    ids = list(s.greedy(table_for(s.rng, path, 13), 11))
    expect(BOS not in ids[:1], "bos starts the reading; it is not a word of the answer")
    expect(ids[-1:] != [EOS], "eos says stop; it is not a word of the answer")
    expect(len(set(ids[:5])) == len(ids[:5]), "it goes in circles: does each step read the id just written?")
    expect(len(ids) < 11, "the best next id was eos, and it wrote on")
    expect(ids == path[1:-1])


@greedy.check(points=1, hint="eos may never come: write no more than `limit` ids")
def gives_up_at_the_limit(s):
    table = table_for(s.rng, [BOS, 5, 7, 5], 11)
    found = list(s.greedy(table, 6))
    expect(found != [5, 7], "it stopped at a word said before: nothing forbids a word to come twice")
    expect(found == [5, 7, 5, 7, 5, 7])


### BEGIN HIDDEN TESTS
@greedy.check(points=1, hint="other tables, other ids: think of an empty answer", hidden=True)
def equals_the_walk(s):
    for eos_bonus in (0, 1, 2, 9):
        table = s.rng.normal(size=(17, 17))
        table[:, EOS] += eos_bonus
        right, y = [], BOS
        while len(right) < 7 and (y := int(table[y].argmax())) != EOS:
            right.append(y)
        expect(list(s.greedy(table, 7)) == right)


### END HIDDEN TESTS

evaluate = chapter.question(
    "7.4",
    "The examiner who whispers",
    kind="repair",
    level=2,
    minutes=15,
    hints=(
        "Gold may be read in one place only: where the finished answer is compared with it.",
        "The broken loop learns two things from gold: the word to go on from, and when to stop.",
        "Write until eos or the limit; compare position by position; the longer row says how many there are.",
    ),
)


def noise_like(rng, lengths, V):
    """Draw targets of these lengths, eos included."""
    return [[*rng.integers(3, V, size=k - 1).tolist(), EOS] for k in lengths]


def tables_of(rng, count, V):
    """Draw one table of logits (V, V) a sentence, with eos likely enough that some answers end early."""
    tables = rng.normal(size=(count, V, V))
    tables[:, :, EOS] += 1
    return tables


@evaluate.check(points=1, hint="other gold words changed the prediction: go on from the word just written")
def noise_for_gold(s):
    tables, lengths = tables_of(s.rng, 23, 11), [7] * 23
    first, _ = s.evaluate(tables, noise_like(s.rng, lengths, 11), 13)
    second, _ = s.evaluate(tables, noise_like(s.rng, lengths, 11), 13)
    expect(list(map(list, first)) == list(map(list, second)))
    expect(len({int(y) for row in first for y in row}) > 2, "it says the same word at every step")
    expect(any(len(row) > 1 for row in first), "nothing was written: bos begins, eos ends, words lie between")


@evaluate.check(points=1, hint="gold of another length changed the prediction: the length leaks")
def noise_of_another_length(s):
    tables = tables_of(s.rng, 23, 11)
    first, _ = s.evaluate(tables, noise_like(s.rng, [3] * 23, 11), 13)
    expect(len({int(y) for row in first for y in row}) > 2, "it says the same word at every step")
    second, _ = s.evaluate(tables, noise_like(s.rng, [11] * 23, 11), 13)
    expect(list(map(list, first)) == list(map(list, second)))


@evaluate.check(points=1, hint="missing and superfluous words are wrong: the longer row counts")
def too_short_and_too_long(s):
    table = np.zeros((1, 11, 11))
    for y_prev, y in ((BOS, 4), (4, 5), (5, EOS)):
        table[0, y_prev, y] = 9
    expect_close(s.evaluate(table, [[4, 5, EOS]], 7)[1], 1, "4 5 eos is all right: eos counts as a position")
    expect_close(s.evaluate(table, [[4, 7, 8, 9, EOS]], 7)[1], 1 / 5)
    expect_close(s.evaluate(table, [[4, EOS]], 7)[1], 1 / 3)
    both = s.evaluate(table.repeat(2, axis=0), [[4, 5, EOS], [7, 7, 7, 7, 7, EOS]], 7)[1]
    expect(not np.isclose(both, 1 / 2), "a mean of the accuracies: add up all positions, divide once")
    expect_close(both, 1 / 3)


### BEGIN HIDDEN TESTS
@evaluate.check(points=1, hint="predictions or accuracy differ on other tables", hidden=True)
def equals_a_fair_examiner(s):
    tables = tables_of(s.rng, 31, 7)
    gold = noise_like(s.rng, s.rng.integers(2, 7, size=31), 7)
    answers, right, total = [], 0, 0
    for table, target in zip(tables, gold, strict=True):
        words = [BOS]
        while words[-1] != EOS and len(words) <= 5:
            words.append(int(table[words[-1]].argmax()))
        answers.append(words[1:])
        right += sum(a == b for a, b in zip(words[1:], target, strict=False))
        total += max(len(words) - 1, len(target))
    predictions, accuracy = s.evaluate(tables, gold, 5)
    expect([list(row) for row in predictions] == answers)
    expect_close(accuracy, right / total)


### END HIDDEN TESTS

aer = chapter.question(
    "7.5",
    "One error rate for many maps",
    kind="build",
    level=2,
    minutes=12,
    hints=(
        "The formula of the chapter judges one map; here its four counts are added up first.",
        "Sum |A ∩ S|, |A ∩ P|, |A| and |S| over the sentences, then divide once.",
        "Python's sets intersect with &, and len() counts what is left.",
    ),
)


def links(rng, count, m=11, n=13):
    """Draw different links (t, i), one a target step."""
    steps = rng.permutation(m)[:count]
    return {(int(t), int(rng.integers(n))) for t in steps}


@aer.check(points=1, hint="all sure links and nothing impossible: the rate is 0")
def nothing_to_complain_of(s):
    sure = links(s.rng, 7)
    possible = sure | {(20, 1), (21, 2), (22, 3)}
    expect_close(s.alignment_error_rate([sure], [sure], [possible]), 0, "drawing every sure link is no error")
    others = [sure - {(0, 0)}]
    expect_close(s.alignment_error_rate([{(0, 0)}], others, others), 1, "all wrong is a rate of 1")
    drawn = sure | {(20, 1)}
    message = "a possible link was drawn and cost something: possible links are allowed, never demanded"
    expect_close(s.alignment_error_rate([drawn], [sure], [possible]), 0, message)


@aer.check(points=1, hint="three links drawn, both sure ones found, the third impossible: count by hand")
def one_link_too_many(s):
    sure = {(0, 1), (1, 0)}
    rate = s.alignment_error_rate([sure | {(2, 2)}], [sure], [sure | {(2, 3)}])
    expect(not np.isclose(rate, 0), "the link too many cost nothing: links that were drawn must be possible")
    expect_close(rate, 1 / 5)


@aer.check(points=1, hint="a short bad sentence weighs as much as a long good one: add up, divide once")
def long_and_short(s):
    long = links(s.rng, 9)
    rate = s.alignment_error_rate([long, {(0, 0)}], [long, {(0, 1)}], [long, {(0, 1)}])
    expect_close(rate, 1 / 10)


### BEGIN HIDDEN TESTS
@aer.check(points=1, hint="the rate differs on drawn links", hidden=True)
def equals_the_definition(s):
    found, sure, possible = ([links(s.rng, k, 7, 3) for k in (7, 5, 3, 7)] for _ in range(3))
    possible = [S | P for S, P in zip(sure, possible, strict=True)]
    hits = sum(len(A & S) + len(A & P) for A, S, P in zip(found, sure, possible, strict=True))
    size = sum(map(len, found)) + sum(map(len, sure))
    expect_close(s.alignment_error_rate(found, sure, possible), 1 - hits / size)


### END HIDDEN TESTS

bleu = chapter.question(
    "7.6",
    "BLEU, counted by yourself",
    kind="build",
    level=2,
    minutes=30,
    hints=(
        "Four precisions and one penalty: count over all sentences first, divide at the end.",
        "A k-gram earns at most as many hits as its reference has: Counter & Counter keeps the smaller.",
        "100 · min(1, e^(1 - r/c)) · (p1 p2 p3 p4)^(1/4), with r the words of the references and c yours; "
        "if any precision is 0, so is BLEU.",
    ),
)


@bleu.check(points=1, hint="equal texts score 100, and the scale is 0 to 100")
def perfect(s):
    words = [str(w) for w in s.rng.permutation(11)]
    texts = [" ".join(words), " ".join(words[:5])]
    score = s.bleu(texts, texts)
    expect(not np.isclose(score, 1), "that is a share: BLEU is given from 0 to 100")
    expect_close(score, 100)
    expect_close(s.bleu(["a b c d e"], ["f g h i j"]), 0, "not a word is right: without smoothing that is 0")


@bleu.check(points=1, hint="right words said again and again must not pay: clip each count by the reference")
def said_twice(s):
    twice = s.bleu(["a b c d a b c d"], ["a b c d"])
    expect(twice < 40)
    expect_close(twice, 34.572, "4 of 8 words, 3 of 7 pairs, 2 of 6 and 1 of 5: their root", 1e-3)


@bleu.check(points=1, hint="half of the reference, all of it right: the brevity penalty is 1/e")
def said_half(s):
    score = s.bleu(["a b c d e"], ["a b c d e f g h i j"])
    expect(not np.isclose(score, 100), "leaving out half costs nothing: a short text needs a penalty")
    expect_close(score, 100 / np.e)


@bleu.check(points=1, hint="no four words in a row are right: without smoothing the score is 0, not an error")
def no_four_in_a_row(s):
    expect_close(s.bleu(["a b x c d"], ["a b c d e"]), 0)
    expect_close(s.bleu(["a b c"], ["a b c"]), 0)
    two = s.bleu(["a b c d e f g h", "x"], ["a b c d e f g h", "y"])  # 8 of 9 words, all longer ones
    apart = "that is a mean of the sentences' BLEU: hits are added over all sentences before dividing"
    expect(not np.isclose(two, 50), apart)
    expect_close(two, 100 * (8 / 9) ** 0.25)


### BEGIN HIDDEN TESTS
@bleu.check(points=2, hint="it differs from sacreBLEU on several sentences: add counts up before dividing",
            hidden=True)
def equals_sacrebleu(s):
    from sacrebleu.metrics.bleu import BLEU

    metric = BLEU(tokenize="none", smooth_method="none", effective_order=False, force=True)
    for longer in (0, 3):  # hypotheses shorter than the references, then longer
        references = [s.rng.choice(list("abc"), size=n).tolist() for n in (13, 7, 17, 5, 3)]
        hypotheses = [[*row[:-1], *["a", "b", "a"][:longer]] for row in references]
        for row in hypotheses[:3]:
            row[2] = "d"
        lines = [[" ".join(row) for row in texts] for texts in (hypotheses, references)]
        expect_close(s.bleu(*lines), metric.corpus_score(lines[0], [lines[1]]).score)


### END HIDDEN TESTS

toy = chapter.question(
    "7.7",
    "Right words, right places",
    kind="experiment",
    level=3,
    minutes=40,
    hints=(
        "One update: a batch, the loss of the next words, gradients from zero, a step. Then again.",
        "Read tgt_in = bos y1 .. yn, predict tgt_out = y1 .. yn eos, and leave the padding out of the loss.",
        "Adam with a learning rate of 0.02 and batches of 64 pairs need about 150 updates; a rate of 0.001 "
        "needs far more time than you have.",
    ),
)

TIMES = ("yesterday", "yesterday morning", "yesterday afternoon", "now", "tomorrow", "tomorrow morning")
VERBS = [
    verb
    for verb in lexicon.VERBS
    if verb.base in ("read", "buy", "find", "sing", "write") and verb.objects[0] in lexicon.THINGS
]
WHO = [NounPhrase(who) for who in lexicon.PRONOUNS] + [
    NounPhrase(who, which)
    for who in lexicon.PEOPLE[:4]
    for which in (lexicon.THE, lexicon.THIS)
]


def draw_sentence(rng):
    """Say who does what, perhaps when and where, in English and in Chinese."""

    def choose(items):
        return items[rng.integers(len(items))]

    verb = choose(VERBS)
    tense = choose(verb.tenses)
    what = NounPhrase(choose(verb.objects), choose(lexicon.NUMBERS))
    where = choose([*verb.places, *[None] * len(verb.places)])
    when = choose([None, *(time for time in lexicon.TIMES[tense] if time[0] in TIMES)])
    return grammar.translate(Sentence(choose(WHO), verb, tense, what, where, when))


def lesson(rng):
    """Draw about 1,200 pairs of ids to learn from, and 100 other sentences with their ids."""
    examples = list({e.source: e for e in (draw_sentence(rng) for _ in range(1500))}.values())
    sides = [[getattr(e, side) for e in examples] for side in ("source", "target")]
    texts = [Vocabulary(sorted({word for words in side for word in words})) for side in sides]
    pairs = [(texts[0].encode(e.source), texts[1].encode(e.target)) for e in examples]
    return pairs[100:], pairs[:100], examples[:100], texts


def padded(pairs):
    """Return src, tgt_in and tgt_out."""
    sources, targets = [source for source, _ in pairs], [target for _, target in pairs]
    return pad(sources), pad([[BOS, *t] for t in targets]), pad([[*t, EOS] for t in targets])


@toy.check(points=2, hint="`fit` leaves a model that cannot be asked: change it in place, keep its shapes")
def new_sentences_come_out_right(s):
    known, new, examples, texts = lesson(s.rng)
    model = s.new.Translator(len(texts[0]), len(texts[1]))
    src, tgt_in, tgt_out = padded(new)
    before, _ = model.forward(src[:3], tgt_in[:3])
    s.fit(model, known)
    logits, weights = model.forward(src, tgt_in)
    still = torch.allclose(before, logits[:3], atol=1e-5)
    expect(not still, "fit changed nothing: are steps made, and is it this model that they change?")
    expect_shape(weights, (*tgt_in.shape, src.shape[1]), "weights")
    guess, real = logits.argmax(-1), tgt_out != PAD
    repeated = (guess == tgt_in)[:, 1:][real[:, 1:]].double().mean()
    expect(repeated < 0.5, "it repeats the word it has just read: in training it read the answer")
    right = ((guess == tgt_out) | ~real).all(1).double().mean()
    expect(right > 0.75, f"{right:.0%} of new sentences are right: more pairs, more updates, a larger rate?")
    steps = [(k, t) for k, e in enumerate(examples) for t in range(len(e.target))]
    hits = [(t, int(weights[k, t].argmax())) in examples[k].possible for k, t in steps]
    expect(np.mean(hits) > 0.7, "the words are right, their places are not: the map ripens later")


### BEGIN HIDDEN TESTS
@toy.check(points=3, hint="alone, on other sentences, BLEU is below 90 or AER above 0.20", hidden=True)
def alone_and_in_the_right_places(s):
    from seq2seq_edu.metrics import bleu, corpus_alignment

    known, new, examples, (source_text, target_text) = lesson(s.rng)
    model = s.new.Translator(len(source_text), len(target_text))
    s.fit(model, known)
    src, tgt_in, _ = padded(new)
    written = torch.full((len(new), 1), BOS)
    for _ in range(17):  # no gold word is sent: only what it wrote itself
        logits, _ = model.forward(src, written)
        written = torch.cat([written, logits[:, -1].argmax(-1, keepdim=True)], dim=1)
    answers = [target_text.decode(row[: row.index(EOS)] if EOS in row else row) for row in written.tolist()]
    references = [" ".join(e.target) for e in examples]
    expect(bleu(hypotheses=answers, references=references, tokenize="none").value >= 90)
    _, weights = model.forward(src, tgt_in)
    maps = [weights[k, : len(e.target), : len(e.source)].numpy() for k, e in enumerate(examples)]
    gold = [e.sure for e in examples], [e.possible for e in examples]
    expect(corpus_alignment(maps, *gold, has_eos=False).aer <= 0.20)


### END HIDDEN TESTS

shuffle = chapter.question(
    "7.8",
    "Shuffle the weights",
    kind="explain",
    level=3,
    minutes=35,
    hints=(
        "If the map carries the answer, shuffling the map must change the answer: measure the answer.",
        "Total variation is half of the summed differences. For tau go through all pairs i < j: "
        "do both lists put them in the same order?",
        "For each row of `orders`: mix the unmoved states with weights[order], apply the output layer and a "
        "softmax, and compare with the prediction of the weights as they were.",
    ),
    by_hand=2,
)


@shuffle.check(points=1, hint="total variation lies between 0 (equal) and 1 (nothing in common)")
def distance(s):
    p, q = np.array([[1.0, 0, 0], [0, 0, 1.0]])
    expect_close(s.total_variation(p, q), 1, "certain of two different things: the distance is 1, not 2")
    p, q = s.rng.dirichlet(np.ones(5), size=2)
    expect_close(s.total_variation(p, p), 0)
    expect_close(s.total_variation(p, q), s.total_variation(q, p), "p and q exchanged give another distance")


@shuffle.check(points=1, hint="tau asks for the order alone: the same order 1, the reverse -1")
def order(s):
    a = s.rng.permutation(11) + 1.0
    message = "the order is the same and tau is not 1: only the order of two numbers counts"
    expect_close(s.kendall_tau(a, a**3), 1, message)
    expect_close(s.kendall_tau(a, -a), -1)
    one_swap = np.array([1.0, 2, 4, 3, 5])
    expect_close(s.kendall_tau(np.arange(5.0), one_swap), 0.8, "5 items make 10 pairs; one is turned here")


def reader(rng, mixed, n=11, d=5):
    """Draw the parts of a reader: weights (n,), states (n, d), W_o (3, d), b_o (3,), orders (31, n)."""
    states = rng.normal(size=(n, d)) * 3
    states = states.mean(0) + 0.02 * states if mixed else states
    orders = np.stack([rng.permutation(n) for _ in range(31)])
    return rng.dirichlet(np.full(n, 0.2)), states, rng.normal(size=(3, d)), rng.normal(size=3), orders


@shuffle.check(points=2, hint="states that each hold one word: moving the weights must move the prediction")
def own_words_and_mixed_words(s):
    own, mixed = (sum(s.shuffled_effect(*reader(s.rng, flag)) for _ in range(9)) for flag in (False, True))
    weights, states, W_o, b_o, orders = reader(s.rng, False)
    rarely = np.stack([np.arange(11), np.arange(11), orders[0]])
    found = s.shuffled_effect(weights, states, W_o, b_o, rarely)
    expect(found < 1e-9, "two of three orders move nothing, so the median is 0: is that a mean?")
    expect(own > 1e-6, "nothing changes: shuffle the weights and leave the states where they are")
    message = "states that all hold the same sentence: compare the predictions, not the weights"
    expect(own > 3 * mixed, message)


### BEGIN HIDDEN TESTS
def probabilities(weights, states, W_o, b_o):
    """Return what a reader predicts."""
    scores = W_o @ (weights @ states) + b_o
    e = np.exp(scores - scores.max())
    return e / e.sum()


@shuffle.check(points=1, hint="the median over the orders differs on a drawn reader", hidden=True)
def equals_the_median(s):
    weights, states, W_o, b_o, orders = reader(s.rng, mixed=False)
    before = probabilities(weights, states, W_o, b_o)
    moved = [np.abs(probabilities(weights[o], states, W_o, b_o) - before).sum() / 2 for o in orders]
    expect_close(s.shuffled_effect(weights, states, W_o, b_o, orders), np.median(moved))


@shuffle.check(points=1, hint="distance or tau differ on drawn numbers", hidden=True)
def equal_the_definitions(s):
    a, b = s.rng.normal(size=(2, 13))
    signs = [np.sign((a[i] - a[j]) * (b[i] - b[j])) for i in range(13) for j in range(i)]
    expect_close(s.kendall_tau(a, b), np.mean(signs))
    p, q = s.rng.dirichlet(np.ones(7), size=2)
    expect_close(s.total_variation(p, q), np.abs(p - q).sum() / 2)


### END HIDDEN TESTS
