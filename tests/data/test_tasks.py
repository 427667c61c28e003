"""Reversal and the split: gold links by hand, and properties over many draws."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2seq_edu.data import Example, reversal, split

# Reversal


def test_same_seed_same_examples():
    assert reversal(31, seed=5) == reversal(31, seed=5)
    assert reversal(31, seed=5) != reversal(31, seed=7)


def test_gold_links_are_in_range_and_reach_every_target_token():
    for example in reversal(301, seed=2):
        assert example.sure <= example.possible
        assert all(0 <= t < len(example.target) for t, _ in example.possible)
        assert all(0 <= i < len(example.source) for _, i in example.possible)
        assert {t for t, _ in example.possible} == set(range(len(example.target)))


def test_no_token_is_empty_or_holds_a_space():
    for example in reversal(301, seed=3):
        assert all(token and not re.search(r"\s", token) for token in example.source + example.target)


def test_count_is_exact_and_zero_is_allowed():
    assert [len(reversal(count, seed=0)) for count in (0, 1, 7)] == [0, 1, 7]


def test_negative_count_is_refused():
    with pytest.raises(ValueError, match="0 or more, got -1"):
        reversal(-1, seed=0)


@given(seed=st.integers(0, 10**6), low=st.integers(1, 5), more=st.integers(0, 7))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_reversal_gold_is_exactly_the_antidiagonal(seed, low, more):
    for source, target, sure, possible in reversal(3, seed=seed, min_length=low, max_length=low + more):
        n = len(source)
        assert low <= n <= low + more
        assert target == source[::-1]
        assert sure == possible == {(t, n - 1 - t) for t in range(n)}


def test_strings_use_all_lengths_and_all_symbols_and_no_more():
    examples = reversal(997, seed=1, min_length=2, max_length=5, symbols=3)
    assert {len(example.source) for example in examples} == {2, 3, 4, 5}
    assert {token for example in examples for token in example.source} == {"a", "b", "c"}


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"min_length": 0}, "min_length=0"),
        ({"min_length": 5, "max_length": 3}, "min_length=5 and max_length=3"),
        ({"symbols": 0}, "1 to 26, got 0"),
        ({"symbols": 27}, "1 to 26, got 27"),
    ],
)
def test_impossible_strings_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        reversal(3, seed=0, **wrong)


# Split


def pair(source: str, target: str) -> Example:
    return Example(tuple(source.split()), tuple(target.split()), frozenset(), frozenset())


def sides_of(sides, part):
    return [{getattr(example, part) for example in side} for side in sides]


@given(
    pairs=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=40),
    seed=st.integers(0, 99),
)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_no_sentence_is_on_two_sides(pairs, seed):
    examples = [pair(f"s{s}", f"t{t}") for s, t in pairs]
    try:
        sides = split(examples, validation=2, test=3, seed=seed)
    except ValueError:
        return  # sentences shared so widely that the sizes cannot be had
    assert [len(side) for side in sides] == [len(examples) - 5, 2, 3]
    assert sorted(sum(sides, [])) == sorted(examples)
    for part in ("source", "target"):
        train, validation, test = sides_of(sides, part)
        assert not (train & validation or train & test or validation & test)


def test_split_is_disjoint_and_exact():
    sides = split(reversal(2003, seed=3), validation=101, test=211, seed=5)
    assert [len(side) for side in sides] == [1691, 101, 211]
    for part in ("source", "target"):
        train, validation, test = sides_of(sides, part)
        assert not (train & validation or train & test or validation & test)


def test_a_chain_of_shared_sentences_stays_together():
    """a-A and c-B share nothing, but b-A and b-B tie them; only d-D is free."""
    chain = [pair("a", "A"), pair("b", "A"), pair("b", "B"), pair("c", "B")]
    for seed in range(11):
        train, validation, test = split([*chain, pair("d", "D")], validation=0, test=1, seed=seed)
        assert (sorted(train), validation, test) == (sorted(chain), [], [pair("d", "D")])


def test_split_depends_on_the_seed_alone():
    examples = reversal(211, seed=0)
    assert split(examples, validation=11, test=13, seed=1) == split(examples, validation=11, test=13, seed=1)
    assert split(examples, validation=11, test=13, seed=1) != split(examples, validation=11, test=13, seed=2)


def test_the_same_words_as_source_and_as_target_may_be_on_two_sides():
    """Only sources against sources and targets against targets count."""
    sides = split([pair("a", "b"), pair("b", "a")], validation=0, test=1, seed=0)
    assert [len(side) for side in sides] == [1, 0, 1]


@pytest.mark.parametrize("sizes", [{"validation": -1, "test": 1}, {"validation": 4, "test": 2}])
def test_impossible_sizes_are_refused(sizes):
    with pytest.raises(ValueError, match="from 5 examples"):
        split(reversal(5, seed=0), **sizes, seed=0)


def test_a_split_that_would_cut_a_group_is_refused():
    with pytest.raises(ValueError, match="expected 1 test examples, could take only 0"):
        split([pair("a", "A"), pair("a", "A"), pair("b", "A")], validation=0, test=1, seed=0)
