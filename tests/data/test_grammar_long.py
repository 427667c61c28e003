"""Long sentences of the small grammar: even lengths, exact links over clause borders, nothing said twice."""

from __future__ import annotations

from collections import Counter

import pytest

from seq2seq_edu.data import split
from seq2seq_edu.data.grammar import NounPhrase, Sentence, lexicon, long_sentences, sentences
from seq2seq_edu.data.grammar.long_pairs import after
from seq2seq_edu.data.grammar.pairs import link

BETWEEN = {("；", ";"), ("，", ","), ("而", "and"), ("但是", "but"), ("以后", "after")}
ENDS = {";", ","}  # where a clause, or two with "after", is over


@pytest.fixture(scope="module")
def drawn():
    return long_sentences(2003, seed=101)


def parts(words, ends):
    """Cut positions 0 .. len(words) - 1 into runs between the words of `ends`, which belong to no run."""
    runs = [[]]
    for place, word in enumerate(words):
        if word in ends:
            runs.append([])
        elif word not in ("and", "but", "而", "但是"):
            runs[-1].append(place)
    return [run for run in runs if run]


def pronoun(name):
    return NounPhrase(next(word for word in lexicon.PRONOUNS if word.name == name))


def noun(name):
    return NounPhrase(next(word for word in lexicon.NOUNS if word.name == name), lexicon.THE)


def verb(base):
    return next(row for row in lexicon.VERBS if row.base == base)


def test_after_makes_the_clauses_change_places_with_exact_links():
    sang = Sentence(pronoun("she"), verb("sing"), "past", noun("song"), None, ("yesterday", "昨天"))
    fed = Sentence(pronoun("I"), verb("feed"), "past", noun("dog"), None, None)
    source, target, sure, possible = link(after(sang, fed))
    #                        0    1    2   3     4   5  6   7   8
    assert source == tuple("she sang the song after I fed the dog".split())
    #                       0  1  2  3  4  5   6   7  8  9 10 11 12 13
    assert target == tuple("我 喂 了 那 只 狗 以后 ， 她 唱 了 那 首 歌".split())
    assert sure == {(0, 5), (1, 6), (3, 7), (5, 8), (6, 4), (8, 0), (9, 1), (11, 2), (13, 3)}
    assert possible - sure == {(2, 6), (4, 7), (4, 8), (7, 4), (10, 1), (12, 2), (12, 3)}


def test_same_seed_same_sentences():
    assert long_sentences(23, seed=3) == long_sentences(23, seed=3)
    assert long_sentences(23, seed=3) != long_sentences(23, seed=5)
    assert long_sentences(11, seed=3) == long_sentences(23, seed=3)[:11]


def test_every_length_from_5_to_60_is_equally_likely(drawn):
    counts = Counter(len(example.source) for example in drawn)
    assert set(counts) == set(range(5, 61))
    expected = 2003 / 56
    chi_square = sum((count - expected) ** 2 / expected for count in counts.values())
    assert chi_square < 55 + 4 * (2 * 55) ** 0.5  # mean and four standard deviations, 55 degrees of freedom
    mean = sum(len(example.target) / len(example.source) for example in drawn) / 2003
    assert 1.0 < mean < 1.4 and max(len(example.target) for example in drawn) < 100  # greedy stops at 100


@pytest.mark.parametrize("low, high", [(5, 5), (7, 11), (60, 60)])
def test_lengths_stay_within_what_was_asked_for(low, high):
    examples = long_sentences(101, seed=7, min_length=low, max_length=high)
    lengths = {len(example.source) for example in examples}
    assert lengths == set(range(low, high + 1))


def test_links_are_in_range_and_reach_every_chinese_word(drawn):
    for example in drawn:
        assert example.sure <= example.possible
        assert {t for t, _ in example.possible} == set(range(len(example.target)))
        assert all(0 <= i < len(example.source) for _, i in example.possible)


def test_every_english_content_word_has_a_sure_link(drawn):
    for example in drawn:
        linked = {i for _, i in example.sure}
        left = {word for i, word in enumerate(example.source) if i not in linked}
        assert left <= {"the", "of", "who", "that"}


def test_linked_words_mean_the_same(drawn):
    short = sentences(5003, seed=103, relative_clauses=0.4)
    meanings = {(e.target[t], e.source[i]) for e in short for t, i in e.sure} | BETWEEN
    for example in drawn:
        assert {(example.target[t], example.source[i]) for t, i in example.sure} <= meanings


def test_links_stay_within_their_clauses_which_keep_their_order(drawn):
    joined = 0
    for example in drawn:
        ours = parts(example.source, ENDS)
        home = {i: k for k, run in enumerate(ours) for i in run}
        homes = [(t, home[i]) for t, i in sorted(example.possible) if i in home]
        assert [k for _, k in homes] == sorted(k for _, k in homes)
        assert len({t for t, _ in homes}) == len(set(homes))  # no step is linked to two of them
        joined += len(ours) > 2
    assert joined > 1000


def test_what_comes_after_after_comes_first_in_chinese(drawn):
    seen, pasts = 0, {row.past for row in lexicon.VERBS}
    for example in drawn:
        for run in parts(example.source, ENDS):
            places = [i for i in run if example.source[i] == "after"]
            if not places:
                continue
            (middle,) = places
            assert example.source[middle - 1] not in pasts  # "that I wrote after ..."
            early = [t for t, i in example.possible if i in run and i > middle]
            late = [t for t, i in example.possible if i in run and i < middle]
            (step,) = (t for t, i in example.sure if i == middle)
            assert max(early) < step < step + 1 < min(late)
            said = {example.source[i] for i in run}
            assert not said & {"yesterday", "tomorrow", "now", "Sunday", "will", "is", "are", "am"}
            seen += 1
    assert seen > 500


def test_words_come_again_in_other_clauses(drawn):
    again = [e for e in drawn if len(e.source) > 50 and max(Counter(e.source).values()) > 1]
    content = [Counter(w for w in e.source if w not in {"the", ",", ";", "and", "a", "in"}) for e in again]
    assert sum(max(count.values()) > 1 for count in content) > 0.9 * len(content)


def test_a_source_never_has_two_targets_and_long_ones_never_come_twice(drawn):
    meaning: dict[tuple[str, ...], tuple[str, ...]] = {}
    for example in [*drawn, *long_sentences(1009, seed=5, max_length=11)]:
        assert meaning.setdefault(example.source, example.target) == example.target
    long = [example.source for example in drawn if len(example.source) > 10]
    assert len(set(long)) == len(long)


def test_no_sentence_of_the_test_split_stands_in_training():
    examples = long_sentences(1009, seed=11, max_length=17)
    train, validation, test = split(examples, validation=53, test=101, seed=0)
    for k in (0, 1):  # source, target
        seen = {example[k] for example in train}
        assert not seen & {example[k] for example in [*validation, *test]}
    lengths = Counter(len(example.source) > 10 for example in test)
    assert min(lengths.values()) > 101 / 4  # the split takes short and long ones


@pytest.mark.parametrize("wrong, message", [
    ({"count": -2}, "must be 0"), ({"min_length": 4}, "5 <= min_length"),
    ({"min_length": 11, "max_length": 7}, "max_length=7"),
])  # fmt: skip
def test_impossible_arguments_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        long_sentences(**({"count": 3, "seed": 0} | wrong))
