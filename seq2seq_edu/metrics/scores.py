"""Scores of translations over a whole set, with bootstrap intervals."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from sacrebleu.metrics.bleu import BLEU

from seq2seq_edu.equations import Array

TOKENIZERS = ("13a", "intl", "zh", "char", "none")


class Score(NamedTuple):
    """A BLEU score in 0 .. 100 and the sacreBLEU signature without which it cannot be compared."""

    value: float
    signature: str


class Interval(NamedTuple):
    """A value measured on all items and the 95 % bootstrap interval around it."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class LengthRecord:
    """Scores of the items whose length is in low .. high (both included); None where there are no items."""

    low: int
    high: int | None
    count: int = 0
    mean_length: float | None = None
    exact_match: Interval | None = None
    bleu: Interval | None = None


def bleu(
    *, hypotheses: Sequence[str], references: Sequence[str], tokenize: str = "13a", lowercase: bool = False
) -> Score:
    r"""Score translations with corpus BLEU, as sacreBLEU computes it.

    .. math:: \mathrm{BLEU} = 100 \cdot \min(1, e^{1 - r/c}) \cdot \bigl(\prod_{k=1}^4 p_k\bigr)^{1/4}

    p_k is the share of the hypotheses' k-grams found in the references, c and r the total lengths of the two.
    The lists are named in the call, since BLEU of swapped lists is another number and looks as plausible.
    Papineni et al. (2002), doi:10.3115/1073083.1073135; Post (2018), arXiv:1804.08771.
    Taught in: real_translation.

    Parameters
    ----------
    hypotheses, references : sequences of str. What the model and what a person wrote, not tokenised.
    tokenize : {"13a", "intl", "zh", "char", "none"}
        "13a" is the standard for European languages, "zh" for Chinese; "none" splits at spaces, as tutorials
        do with their own lower-cased tokens, and is not comparable with the others.
    lowercase : bool. Ignore case.

    Returns
    -------
    score : Score. Value in 0 .. 100, higher is better, and the signature to print beside it.

    Examples
    --------
    >>> round(bleu(hypotheses=["The cat sat on the mat."], references=["The cat sat on the mat."]).value, 1)
    100.0
    """
    _check_texts(hypotheses, references)
    metric = _metric(tokenize, lowercase)
    value = metric.corpus_score(list(hypotheses), [list(references)]).score
    return Score(float(value), str(metric.get_signature()))


def bleu_interval(
    *,
    hypotheses: Sequence[str],
    references: Sequence[str],
    tokenize: str = "13a",
    lowercase: bool = False,
    samples: int = 1000,
    seed: int = 0,
) -> Interval:
    """Give corpus BLEU with its 95 % interval: percentiles over test sets redrawn with replacement.

    It says how much the score would move with other sentences of the same kind, not with another training.
    (sacreBLEU's own bootstrap takes its seed from the environment alone.) Koehn (2004), EMNLP.
    Taught in: real_translation.

    Parameters
    ----------
    hypotheses, references, tokenize, lowercase : as for :func:`bleu`
    samples, seed : int. Number of redrawn test sets, and the seed of the drawing.

    Returns
    -------
    interval : Interval. Value as :func:`bleu` gives it, low and high, in 0 .. 100.
    """
    value = bleu(hypotheses=hypotheses, references=references, tokenize=tokenize, lowercase=lowercase).value
    metric = _metric(tokenize, lowercase, effective_order=True)  # only counts are read from each sentence
    sentences = [metric.sentence_score(h, [r]) for h, r in zip(hypotheses, references, strict=True)]
    counts = np.array([[*s.counts, *s.totals, s.sys_len, s.ref_len] for s in sentences])

    def score(sums: Array) -> float:
        n = [int(x) for x in sums]  # 4 counts of matches, 4 of k-grams, length of hypotheses, of references
        return float(BLEU.compute_bleu(n[:4], n[4:8], n[8], n[9], smooth_method="exp").score)

    return _bootstrap(value, counts, score, samples, seed)


def words(text: str) -> list[str]:
    """Split a text into lower-cased words, punctuation marks and Chinese characters, as older systems did."""
    return re.findall(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+|[^\w\s]", text.lower())


def exact_match(hypotheses: Sequence[object], references: Sequence[object]) -> float:
    """Give the share of hypotheses that equal their reference, in 0 .. 1. Taught in: train_and_look.

    Parameters
    ----------
    hypotheses, references : sequences. Of texts, or of sequences of tokens (a list may equal a tuple).

    Returns
    -------
    share : float

    Examples
    --------
    >>> exact_match(["a b", "c"], ["a b", "d"])
    0.5
    """
    return float(np.mean(_matches(hypotheses, references)))


def token_accuracy(hypotheses: Sequence[Sequence[object]], references: Sequence[Sequence[object]]) -> float:
    """Give the share of positions where hypothesis and reference hold the same token, in 0 .. 1.

    The longer of the two says how many positions there are, so a missing and a superfluous token count as
    wrong. One left out early makes all later ones wrong: read it beside :func:`exact_match`.
    Taught in: train_and_look.

    Parameters
    ----------
    hypotheses, references : sequences of token (or id) sequences, not of texts

    Returns
    -------
    share : float. Over the positions of all pairs together.

    Examples
    --------
    >>> token_accuracy([["a", "b"]], [["a", "c", "d", "e"]])
    0.25
    """
    check_lists(hypotheses, references)
    if any(isinstance(row, str) for row in (*hypotheses, *references)):
        raise ValueError("token_accuracy compares sequences of tokens, got text: split it first")
    both = list(zip(hypotheses, references, strict=True))
    right = sum(x == y for h, r in both for x, y in zip(h, r, strict=False))
    total = sum(max(len(h), len(r)) for h, r in both)
    if total == 0:
        raise ValueError("no token to compare: every hypothesis and every reference is empty")
    return right / total


def by_length(
    *,
    lengths: Sequence[int],
    hypotheses: Sequence[str],
    references: Sequence[str],
    edges: Sequence[int],
    tokenize: str = "13a",
    lowercase: bool = False,
    samples: int = 200,
    seed: int = 0,
) -> list[LengthRecord]:
    """Score items apart by length: does quality fall where sentences grow long?

    Bahdanau, Cho and Bengio (2015), arXiv:1409.0473, Fig. 2. Taught in: why_attention.

    Parameters
    ----------
    lengths : sequence of int. By which items are sorted into bins; usually of the source, in tokens.
    hypotheses, references, tokenize, lowercase, samples, seed : as for :func:`bleu_interval`
    edges : increasing sequence of int. Where a new bin begins: (5, 10) makes 0 .. 4, 5 .. 9, 10 and more.

    Returns
    -------
    records : list of LengthRecord. One a bin, shortest first; the interval of one item means nothing.

    Examples
    --------
    >>> short, long = by_length(lengths=[2, 9], hypotheses=["a", "b"], references=["a", "c"], edges=[5])
    >>> short.count, short.exact_match.value, long.exact_match.value
    (1, 1.0, 0.0)
    """
    _check_texts(hypotheses, references)
    check_lists(lengths, hypotheses, names=("lengths", "hypotheses"))
    if min(lengths) < 0 or any(a >= b for a, b in zip([0, *edges], edges, strict=False)):
        raise ValueError(f"edges {list(edges)} must increase from above 0, and lengths must not be negative")
    records = []
    for low, above in zip([0, *edges], [*edges, None], strict=True):
        high = None if above is None else above - 1
        chosen = [j for j, n in enumerate(lengths) if low <= n and (above is None or n < above)]
        if not chosen:
            records.append(LengthRecord(low, high))
            continue
        texts = {"hypotheses": [hypotheses[j] for j in chosen], "references": [references[j] for j in chosen]}
        exact = mean_interval(_matches(**texts), samples=samples, seed=seed)
        score = bleu_interval(**texts, tokenize=tokenize, lowercase=lowercase, samples=samples, seed=seed)
        mean_length = float(np.mean([lengths[j] for j in chosen]))
        records.append(LengthRecord(low, high, len(chosen), mean_length, exact, score))
    return records


def mean_interval(values: Sequence[float], *, samples: int = 1000, seed: int = 0) -> Interval:
    """Give the mean of numbers with its 95 % bootstrap interval."""
    if len(values) == 0:
        raise ValueError("no values to take the mean of")
    rows = np.asarray(values, dtype=float)[:, None]
    return _bootstrap(float(rows.mean()), rows, lambda sums: sums[0] / len(rows), samples, seed)


def check_lists(
    first: Sequence[object], second: Sequence[object], names: tuple[str, str] = ("hypotheses", "references")
) -> None:
    """Refuse empty lists and lists of different length."""
    if len(first) != len(second):
        raise ValueError(f"{len(first)} {names[0]} but {len(second)} {names[1]}: expected as many")
    if len(first) == 0:
        raise ValueError(f"no {names[0]} to score: the list is empty")


def _check_texts(hypotheses: Sequence[str], references: Sequence[str]) -> None:
    """Refuse one text where a list of texts is meant, and lists that do not match."""
    for name, texts in (("hypotheses", hypotheses), ("references", references)):
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            raise ValueError(f"{name} must be a list of texts (join tokens with spaces), got {texts!r:.60}")
    check_lists(hypotheses, references)


def _metric(tokenize: str, lowercase: bool, effective_order: bool = False) -> BLEU:
    """Make sacreBLEU's BLEU; `force` only silences its guess that the text was tokenised already."""
    if tokenize not in TOKENIZERS:
        raise ValueError(f"unknown tokeniser {tokenize!r}; expected one of {', '.join(TOKENIZERS)}")
    return BLEU(tokenize=tokenize, lowercase=lowercase, force=True, effective_order=effective_order)


def _bootstrap(
    value: float, rows: Array, score: Callable[[Array], float], samples: int, seed: int
) -> Interval:
    """Score the sums of the rows of each redrawn set; how often a row is drawn is multinomial."""
    if samples < 1:
        raise ValueError(f"samples is {samples}; expected at least 1")
    n = len(rows)
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=samples)
    low, high = np.percentile([score(sums) for sums in drawn @ rows], [2.5, 97.5])
    return Interval(value, float(low), float(high))


def _matches(hypotheses: Sequence[object], references: Sequence[object]) -> list[bool]:
    """Say for each item whether both are equal; a list equals a tuple of the same items."""
    check_lists(hypotheses, references)
    plain = ([tuple(x) if isinstance(x, list) else x for x in items] for items in (hypotheses, references))
    return [h == r for h, r in zip(*plain, strict=True)]
