"""Reversal, copy, dates and the split: gold links by hand, and properties over many draws."""

from __future__ import annotations

import datetime
import re

import pytest
from babel.dates import format_date
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2seq_edu.tasks import Example, copy, date_example, date_formats, dates, reversal, split

LOCALES = ("en", "de", "fr", "zh")
TASKS = [reversal, copy, dates]


def by_target(links):
    """Read links as {target step: source positions}."""
    return {t: sorted(i for step, i in links if step == t) for t, _ in links}


# Properties of every task


@pytest.mark.parametrize("task", TASKS)
def test_same_seed_same_examples(task):
    assert task(31, seed=5) == task(31, seed=5)
    assert task(31, seed=5) != task(31, seed=7)


@pytest.mark.parametrize("task", TASKS)
def test_gold_links_are_in_range_and_reach_every_target_token(task):
    for example in task(301, seed=2):
        assert example.sure <= example.possible
        assert all(0 <= t < len(example.target) for t, _ in example.possible)
        assert all(0 <= i < len(example.source) for _, i in example.possible)
        assert {t for t, _ in example.possible} == set(range(len(example.target)))


@pytest.mark.parametrize("task", TASKS)
def test_no_token_is_empty_or_holds_a_space(task):
    for example in task(301, seed=3):
        assert all(token and not re.search(r"\s", token) for token in example.source + example.target)


@pytest.mark.parametrize("task", TASKS)
def test_count_is_exact_and_zero_is_allowed(task):
    assert [len(task(count, seed=0)) for count in (0, 1, 7)] == [0, 1, 7]


@pytest.mark.parametrize("task", TASKS)
def test_negative_count_is_refused(task):
    with pytest.raises(ValueError, match="0 or more, got -1"):
        task(-1, seed=0)


# Reversal and copy


@given(seed=st.integers(0, 10**6), low=st.integers(1, 5), more=st.integers(0, 7))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_reversal_gold_is_exactly_the_antidiagonal(seed, low, more):
    for source, target, sure, possible in reversal(3, seed=seed, min_length=low, max_length=low + more):
        n = len(source)
        assert low <= n <= low + more
        assert target == source[::-1]
        assert sure == possible == {(t, n - 1 - t) for t in range(n)}


def test_copy_gold_is_exactly_the_diagonal():
    for source, target, sure, possible in copy(101, seed=11):
        assert target == source
        assert sure == possible == {(t, t) for t in range(len(source))}


def test_strings_use_all_lengths_and_all_symbols_and_no_more():
    examples = reversal(997, seed=1, min_length=2, max_length=5, symbols=3)
    assert {len(example.source) for example in examples} == {2, 3, 4, 5}
    assert {token for example in examples for token in example.source} == {"a", "b", "c"}


@pytest.mark.parametrize("task", [reversal, copy])
@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"min_length": 0}, "min_length=0"),
        ({"min_length": 5, "max_length": 3}, "min_length=5 and max_length=3"),
        ({"symbols": 0}, "1 to 26, got 0"),
        ({"symbols": 27}, "1 to 26, got 27"),
    ],
)
def test_impossible_strings_are_refused(task, wrong, message):
    with pytest.raises(ValueError, match=message):
        task(3, seed=0, **wrong)


# Dates

MARCH_7 = datetime.date(2024, 3, 7)


@pytest.mark.parametrize(
    "locale, style, source",
    [
        ("en", "full", "Thursday , March 7 , 2 0 2 4"),
        ("en", "medium", "Mar 7 , 2 0 2 4"),
        ("de", "long", "7 . März 2 0 2 4"),
        ("de", "medium", "0 7 . 0 3 . 2 0 2 4"),
        ("fr", "full", "jeudi 7 mars 2 0 2 4"),
        ("fr", "short", "0 7 / 0 3 / 2 0 2 4"),
        ("zh", "full", "2 0 2 4 年 3 月 7 日 星 期 四"),
        ("zh", "short", "2 0 2 4 / 3 / 7"),
    ],
)
def test_a_day_as_each_country_writes_it(locale, style, source):
    example = date_example(MARCH_7, locale, style)
    assert example.source == tuple(source.split())
    assert example.target == tuple("2024-03-07")


def test_gold_links_of_a_date_with_a_month_name():
    example = date_example(datetime.date(1987, 12, 5), "en", "full")
    assert example.source == ("Saturday", ",", "December", "5", ",", "1", "9", "8", "7")
    assert by_target(example.sure) == {0: [5], 1: [6], 2: [7], 3: [8], 5: [2], 6: [2], 9: [3]}
    assert by_target(example.possible - example.sure) == {
        4: [1, 2, 4, 5, 6, 7, 8],  # the hyphen between year and month
        7: [1, 2, 3, 4],
        8: [3],  # the 0 of 05
    }


def test_gold_links_of_a_date_in_digits():
    example = date_example(datetime.date(2031, 10, 29), "fr", "short")
    assert example.source == tuple("29/10/2031")
    assert by_target(example.sure) == {
        0: [6], 1: [7], 2: [8], 3: [9], 5: [3], 6: [4], 8: [0], 9: [1]
    }  # fmt: skip
    assert {t for t, _ in example.possible - example.sure} == {4, 7}


def test_a_sure_digit_is_the_same_digit():
    for example in dates(2003, seed=13):
        for t, i in example.sure:
            assert example.source[i] == example.target[t] or example.source[i][0].isalpha()


def test_the_weekday_has_no_link():
    for style, weekday in (("en", {0}), ("zh", {9, 10, 11})):
        example = date_example(MARCH_7, style, "full")
        assert not weekday & {i for _, i in example.possible}


@pytest.mark.parametrize("locale", LOCALES)
def test_dates_parse_back(locale):
    """The ISO day, written again in the same locale, is the source."""
    seen = set()
    for example in dates(503, seed=17, locales=[locale]):
        day = datetime.date.fromisoformat("".join(example.target))
        again = {format_date(day, style, locale=locale) for style in date_formats(locale)}
        written = {re.sub(r"\s", "", text) for text in again}
        assert "".join(example.source) in written
        seen.add(day)
    assert len(seen) > 450
    assert datetime.date(1950, 1, 1) <= min(seen) and max(seen) <= datetime.date(2049, 12, 31)


@pytest.mark.parametrize(
    "locale, style, pattern",
    [
        ("en", "long", "%B%d,%Y"),
        ("en", "medium", "%b%d,%Y"),
        ("de", "medium", "%d.%m.%Y"),
        ("fr", "short", "%d/%m/%Y"),
        ("zh", "long", "%Y年%m月%d日"),
        ("zh", "short", "%Y/%m/%d"),
    ],
)
def test_dates_parse_with_strptime(locale, style, pattern):
    for offset in range(0, 36500, 211):
        day = datetime.date(1950, 1, 1) + datetime.timedelta(days=offset)
        example = date_example(day, locale, style)
        assert datetime.datetime.strptime("".join(example.source), pattern).date() == day
        assert "".join(example.target) == day.isoformat()


def test_no_written_date_means_two_days():
    meaning: dict[tuple[str, ...], tuple[str, ...]] = {}
    for example in dates(10007, seed=19):
        assert meaning.setdefault(example.source, example.target) == example.target


def test_formats_with_a_two_digit_year_are_left_out():
    assert "short" not in date_formats("en") + date_formats("de")
    assert "short" in date_formats("fr") and "short" in date_formats("zh")


@pytest.mark.parametrize("locales", [(), "en", ("xx_nowhere",), ("english!",), ("",)])
def test_unknown_locales_are_refused(locales):
    with pytest.raises(ValueError, match="locale"):
        dates(1, seed=0, locales=locales)


def test_a_style_without_the_century_is_refused():
    with pytest.raises(ValueError, match="got 'short'"):
        date_example(MARCH_7, "en", "short")


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


@pytest.mark.parametrize("task", [reversal, copy, dates])
def test_split_of_every_task_is_disjoint_and_exact(task):
    sides = split(task(2003, seed=3), validation=101, test=211, seed=5)
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
    examples = copy(211, seed=0)
    assert split(examples, validation=11, test=13, seed=1) == split(examples, validation=11, test=13, seed=1)
    assert split(examples, validation=11, test=13, seed=1) != split(examples, validation=11, test=13, seed=2)


def test_the_same_words_as_source_and_as_target_may_be_on_two_sides():
    """Only sources against sources and targets against targets count."""
    sides = split([pair("a", "b"), pair("b", "a")], validation=0, test=1, seed=0)
    assert [len(side) for side in sides] == [1, 0, 1]


@pytest.mark.parametrize("sizes", [{"validation": -1, "test": 1}, {"validation": 4, "test": 2}])
def test_impossible_sizes_are_refused(sizes):
    with pytest.raises(ValueError, match="from 5 examples"):
        split(copy(5, seed=0), **sizes, seed=0)


def test_a_split_that_would_cut_a_group_is_refused():
    with pytest.raises(ValueError, match="expected 1 test examples, could take only 0"):
        split([pair("a", "A"), pair("a", "A"), pair("b", "A")], validation=0, test=1, seed=0)
