"""Dates as people write them in several languages, turned into ISO 8601 digits, with gold links."""

from __future__ import annotations

import datetime
import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from babel import Locale, UnknownLocaleError
from babel.dates import DateTimeFormat, tokenize_pattern

from seq2seq_edu.examples import Example, Link, check_count

FIRST_DAY = datetime.date(1950, 1, 1)
LAST_DAY = datetime.date(2049, 12, 31)


def dates(
    count: int, *, seed: int, locales: Sequence[str] = ("en", "de", "fr", "zh")
) -> list[Example]:
    """Write random days as people of several countries do; the target is the ISO 8601 date.

    A locale's formats are those of the Unicode CLDR (full, long, medium and, where it has a four-digit
    year, short), drawn with equal chance. The source is split into single digits, single Chinese
    characters, words and punctuation marks; spaces are dropped. The target is the ten characters of
    YYYY-MM-DD. Its gold links:

    * a digit that the source shows comes from that digit (sure);
    * both digits of a month come from the month's name (sure);
    * the 0 written before a one-digit month or day comes from that digit (possible);
    * a hyphen may come from the two fields it stands between, or from any mark such as 年 (possible).

    The weekday has no link. CLDR has no "1er" for the first of a month in French, so neither has this task.

    Parameters
    ----------
    count : int
        How many examples. The same date may come up more than once, in one format or in several.
    seed : int
        The same seed and arguments give the same list (for one version of Babel).
    locales : sequence of str
        CLDR names such as "en" (American order), "en_GB", "de", "fr", "zh". The four of the default can be
        mixed: no source means two dates. "en_GB" and "fr" agree too.

    Returns
    -------
    examples : list of Example
        Days from 1950-01-01 to 2049-12-31.

    Raises
    ------
    ValueError
        If `count` is negative, or `locales` is empty or has a name that Babel does not know.

    Examples
    --------
    >>> german = date_example(datetime.date(2024, 3, 7), "de", "long")
    >>> print(*german.source)
    7 . März 2 0 2 4
    >>> print(*german.target)
    2 0 2 4 - 0 3 - 0 7
    >>> sorted(german.sure)
    [(0, 3), (1, 4), (2, 5), (3, 6), (5, 2), (6, 2), (9, 0)]

    References
    ----------
    Formats: Unicode Common Locale Data Repository, through Babel. Taught in: train_and_look.
    """
    check_count(count)
    if isinstance(locales, str) or not locales:
        raise ValueError(f'locales must be a non-empty list of names such as ["en", "de"], got {locales!r}')
    formats = [(name, date_formats(name)) for name in locales]
    rng = random.Random(seed)
    examples = []
    for _ in range(count):
        day = FIRST_DAY + datetime.timedelta(days=rng.randrange((LAST_DAY - FIRST_DAY).days + 1))
        name, styles = rng.choice(formats)
        examples.append(date_example(day, name, rng.choice(styles)))
    return examples


def date_formats(locale: str) -> tuple[str, ...]:
    """Name the CLDR date formats of a locale that write the year in full.

    Parameters
    ----------
    locale : str
        A CLDR name, for example "fr".

    Returns
    -------
    styles : tuple of str
        Some of "full", "long", "medium", "short". "3/7/24" is left out: its century is a guess.

    Raises
    ------
    ValueError
        If Babel does not know the locale.

    Examples
    --------
    >>> date_formats("en"), date_formats("zh")
    (('full', 'long', 'medium'), ('full', 'long', 'medium', 'short'))

    References
    ----------
    Unicode CLDR, through Babel. Taught in: train_and_look.
    """
    patterns = _locale(locale).date_formats
    return tuple(
        style for style in ("full", "long", "medium", "short")
        if ("field", ("y", 2)) not in tokenize_pattern(patterns[style].pattern)
    )


def _locale(name: str) -> Locale:
    """Look a locale up, with an error that says what a name looks like."""
    try:
        return Locale.parse(name)
    except (UnknownLocaleError, ValueError) as error:
        message = f'expected a CLDR locale such as "en", "de" or "zh", got {name!r}: {error}'
        raise ValueError(message) from None


# A digit, a Chinese character, a word with its abbreviation dot, or a mark.
_DATE_TOKEN = re.compile(r"\d|[\u4e00-\u9fff]|[^\W\d_\u4e00-\u9fff]+\.?|[^\w\s]")


def date_example(day: datetime.date, locale: str, style: str) -> Example:
    """Write one day in one format, with the links to its ISO 8601 form.

    Parameters
    ----------
    day : datetime.date
        Any day of the years 1000 to 9999.
    locale : str
        A CLDR name, for example "fr".
    style : {"full", "long", "medium", "short"}
        One of `date_formats(locale)`.

    Returns
    -------
    example : Example
        The links are described in `dates`.

    Raises
    ------
    ValueError
        If the locale is unknown or has no such style with a full year.

    Examples
    --------
    >>> example = date_example(datetime.date(2024, 3, 7), "zh", "long")
    >>> print(*example.source)
    2 0 2 4 年 3 月 7 日
    >>> sorted(example.sure), (5, 5) in example.possible
    ([(0, 0), (1, 1), (2, 2), (3, 3), (6, 5), (9, 7)], True)

    References
    ----------
    Unicode CLDR, through Babel. Taught in: train_and_look.
    """
    if style not in date_formats(locale):
        raise ValueError(f"{locale!r} writes a full year in the styles {date_formats(locale)}, got {style!r}")
    source: list[str] = []
    places: dict[str, list[int]] = defaultdict(list)  # "y", "M", "d" or "mark" -> source positions
    for kind, text in _date_pieces(day, locale, style):
        tokens = _DATE_TOKEN.findall(text)
        places[kind] += range(len(source), len(source) + len(tokens))
        source += tokens

    sure: set[Link] = set()
    possible: set[Link] = set()
    for steps, field in ((range(0, 4), "y"), (range(5, 7), "M"), (range(8, 10), "d")):
        digits = [i for i in places[field] if source[i].isdigit()]
        if not digits:  # a month by name gives both digits
            sure |= {(t, i) for t in steps for i in places[field]}
        else:
            sure |= set(zip(reversed(steps), reversed(digits), strict=False))
            possible |= {(t, digits[0]) for t in steps[: len(steps) - len(digits)]}  # the 0 of 07
    for hyphen, neighbours in ((4, ("y", "M", "mark")), (7, ("M", "d", "mark"))):
        possible |= {(hyphen, i) for kind in neighbours for i in places[kind]}
    return Example(tuple(source), tuple(day.isoformat()), frozenset(sure), frozenset(sure | possible))


def _date_pieces(day: datetime.date, locale: str, style: str) -> Iterator[tuple[str, str]]:
    """Yield the written date in pieces: ("y" | "M" | "d" | "weekday" | "mark", text)."""
    found = _locale(locale)
    fields = DateTimeFormat(day, found)
    for kind, value in tokenize_pattern(found.date_formats[style].pattern):
        if kind == "chars":
            yield "mark", str(value)
        else:
            letter, width = str(value[0]), int(value[1])
            yield {"L": "M", "E": "weekday", "c": "weekday"}.get(letter, letter), fields[letter * width]
