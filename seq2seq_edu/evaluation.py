"""Scores of translations and of alignments over a whole set, with bootstrap intervals."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sacrebleu.metrics.bleu import BLEU, BLEUScore

Array = NDArray[np.floating]
Link = tuple[int, int]
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
class AlignmentReport:
    """How well attention weights agree with gold links; see :func:`corpus_alignment`."""

    aer: float
    argmax_accuracy: float
    gold_mass: float
    max_weight: float
    entropy: float
    sentences: int
    steps: int


@dataclass(frozen=True)
class LengthRecord:
    """Scores of the items whose length is in low .. high (both included); None where there are no items."""

    low: int
    high: int | None
    count: int
    mean_length: float | None
    exact_match: Interval | None
    bleu: Interval | None


def bleu(
    *, hypotheses: Sequence[str], references: Sequence[str], tokenize: str = "13a", lowercase: bool = False
) -> Score:
    r"""Score translations with corpus BLEU, as sacreBLEU computes it.

    .. math:: \mathrm{BLEU} = 100 \cdot \min(1, e^{1 - r/c}) \cdot \bigl(\prod_{k=1}^4 p_k\bigr)^{1/4}

    p_k is the share of the hypotheses' k-grams found in the references, c and r the total lengths of the two.
    The two lists are named in the call: BLEU of swapped lists is another number and looks as plausible.

    Parameters
    ----------
    hypotheses, references : sequences of str
        What the model wrote and what a person wrote, one reference each. Not tokenised, except for "none".
    tokenize : {"13a", "intl", "zh", "char", "none"}
        "13a" is the standard for European languages, "zh" for Chinese. "none" splits at spaces: with
        `lowercase` it gives the BLEU tutorials print on their own tokens, not comparable with the others.
    lowercase : bool
        Ignore case.

    Returns
    -------
    score : Score
        Value in 0 .. 100, higher is better, and the signature to print beside it.

    Raises
    ------
    ValueError
        If the lists are empty or differ in length, or the tokeniser is unknown.

    Examples
    --------
    >>> score = bleu(hypotheses=["The cat sat on the mat."], references=["The cat sat on the mat."])
    >>> round(score.value, 1)
    100.0

    References
    ----------
    Papineni et al. (2002), doi:10.3115/1073083.1073135; Post (2018), arXiv:1804.08771.
    Taught in: real_translation.
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

    The interval says how much the score would move with other sentences of the same kind; it says nothing of
    other seeds of the training.

    Parameters
    ----------
    hypotheses, references, tokenize, lowercase
        As for :func:`bleu`.
    samples : int
        Number of redrawn test sets.
    seed : int
        For the drawing.

    Returns
    -------
    interval : Interval
        Value as :func:`bleu` gives it, low and high, in 0 .. 100.

    Raises
    ------
    ValueError
        As for :func:`bleu`, or if `samples` is below 1.

    References
    ----------
    Koehn (2004), "Statistical significance tests for machine translation evaluation", EMNLP.
    Taught in: real_translation.
    """
    _check_texts(hypotheses, references)
    metric = _metric(tokenize, lowercase, effective_order=True)  # only counts are read from each sentence
    sentences = [metric.sentence_score(h, [r]) for h, r in zip(hypotheses, references, strict=True)]
    counts = np.array([[*s.counts, *s.totals, s.sys_len, s.ref_len] for s in sentences])
    value = bleu(hypotheses=hypotheses, references=references, tokenize=tokenize, lowercase=lowercase).value
    redrawn = [_bleu_of_counts(row) for row in _redrawn_sums(counts, samples, seed)]
    return Interval(value, *_percentiles(redrawn))


def words(text: str) -> list[str]:
    """Split a text into lower-cased words, punctuation marks and Chinese characters, as older systems did.

    Parameters
    ----------
    text : str
        A sentence.

    Returns
    -------
    words : list of str
        Without spaces.

    Examples
    --------
    >>> words("A dog's ball, 我们!")
    ['a', 'dog', "'", 's', 'ball', ',', '我', '们', '!']

    References
    ----------
    Taught in: real_translation.
    """
    return re.findall(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+|[^\w\s]", text.lower())


def exact_match(hypotheses: Sequence[object], references: Sequence[object]) -> float:
    """Give the share of hypotheses that equal their reference, in 0 .. 1.

    Parameters
    ----------
    hypotheses, references : sequences
        Of texts, or of token or id sequences (a list equals a tuple with the same items).

    Returns
    -------
    share : float
        From 0 (none) to 1 (all).

    Raises
    ------
    ValueError
        If the lists are empty or differ in length.

    Examples
    --------
    >>> exact_match(["a b", "c"], ["a b", "d"])
    0.5

    References
    ----------
    Taught in: train_and_look.
    """
    return float(np.mean(_matches(hypotheses, references)))


def token_accuracy(hypotheses: Sequence[Sequence[object]], references: Sequence[Sequence[object]]) -> float:
    """Give the share of positions where hypothesis and reference hold the same token, in 0 .. 1.

    Position k is compared with position k; the longer of the two says how many there are, so a missing and a
    superfluous token both count as wrong. One token left out early makes all later ones wrong: read it beside
    :func:`exact_match`.

    Parameters
    ----------
    hypotheses, references : sequences of token (or id) sequences
        Not texts: a text would be compared letter by letter.

    Returns
    -------
    share : float
        From 0 (none) to 1 (all), over the positions of all pairs together.

    Raises
    ------
    ValueError
        If the lists are empty, differ in length or hold texts, or if there is no token at all.

    Examples
    --------
    >>> token_accuracy([["a", "b"]], [["a", "c", "d", "e"]])
    0.25

    References
    ----------
    Taught in: train_and_look.
    """
    _check_lists(hypotheses, references)
    if any(isinstance(row, str) for row in (*hypotheses, *references)):
        raise ValueError("token_accuracy compares sequences of tokens, got text: split it first")
    both = list(zip(hypotheses, references, strict=True))
    right = sum(x == y for h, r in both for x, y in zip(h, r, strict=False))
    total = sum(max(len(h), len(r)) for h, r in both)
    if total == 0:
        raise ValueError("no token to compare: every hypothesis and every reference is empty")
    return right / total


def argmax_links(alignment: Array, *, has_eos: bool = True) -> frozenset[Link]:
    """Link every target step to the source position with the largest weight.

    Parameters
    ----------
    alignment : array of shape (m, n)
        Attention weights of one sentence without padding: rows are target steps, columns source positions.
    has_eos : bool
        Whether the last row and the last column belong to eos, as models of this package give them. The row
        of eos makes no link. A word whose largest weight stands in the column of eos makes no link either:
        it attends to no word.

    Returns
    -------
    links : frozenset of (target step, source position)
        Counted from 0.

    Raises
    ------
    ValueError
        If the weights are not a matrix of numbers in 0 .. 1.

    Examples
    --------
    >>> weights = np.array([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7], [0.0, 0.1, 0.9]])
    >>> sorted(argmax_links(weights)), sorted(argmax_links(weights, has_eos=False))
    ([(0, 0)], [(0, 0), (1, 2), (2, 2)])

    References
    ----------
    Taught in: train_and_look.
    """
    rows = _word_rows(alignment, has_eos)
    words = rows.shape[1] - has_eos
    return frozenset((t, int(i)) for t, i in enumerate(rows.argmax(axis=1)) if i < words)


def alignment_error_rate(
    links: Iterable[Link] | Array, sure: Set[Link], possible: Set[Link], *, has_eos: bool = True
) -> float:
    r"""Compare links with gold links that are sure (must be found) or possible (may be found).

    .. math:: \mathrm{AER} = 1 - \frac{|A \cap S| + |A \cap P|}{|A| + |S|}, \qquad S \subseteq P

    Parameters
    ----------
    links : iterable of (target step, source position), or array of shape (m, n)
        A; from attention weights :func:`argmax_links` makes it.
    sure, possible : sets of (target step, source position)
        S and P. Gold links know no eos.
    has_eos : bool
        For attention weights: whether the last row and column belong to eos.

    Returns
    -------
    rate : float
        In 0 .. 1; 0 if all sure links are found and all found are possible.

    Raises
    ------
    ValueError
        If S is not a part of P, or there is no link in A and S.

    Examples
    --------
    >>> round(alignment_error_rate({(0, 0), (1, 1)}, sure={(0, 0)}, possible={(0, 0), (1, 2)}), 4)
    0.3333

    References
    ----------
    Och and Ney (2003), doi:10.1162/089120103321337421. Taught in: train_and_look.
    """
    found = argmax_links(links, has_eos=has_eos) if isinstance(links, np.ndarray) else frozenset(links)
    return _error_rate(_link_counts(found, sure, possible))


def corpus_alignment(
    alignments: Sequence[Array],
    sure: Sequence[Set[Link]],
    possible: Sequence[Set[Link]],
    *,
    has_eos: bool = True,
) -> AlignmentReport:
    """Judge the attention weights of many sentences against gold links.

    The gold links belong to the reference, so give the weights of the reference (teacher forcing), or only of
    hypotheses that equal theirs.

    Parameters
    ----------
    alignments : sequence of arrays of shape (m, n)
        One matrix a sentence, without padding; see :func:`argmax_links` for `has_eos`.
    sure, possible : sequences of sets of (target step, source position)
        Gold links, without eos.
    has_eos : bool
        Whether the last row and column of every matrix belong to eos. The row is left out of everything
        below; the column stays, since weight on eos is weight not spent on a word.

    Returns
    -------
    report : AlignmentReport
        `aer`: of the argmax links, counts summed over the sentences; in 0 .. 1, lower is better.
        `argmax_accuracy`: share of the target steps with a possible link whose largest weight is on one.
        `gold_mass`: mean weight that such a step puts on its possible links, in 0 .. 1.
        `max_weight`: mean largest weight of a target step, in 0 .. 1. High is confident, not right.
        `entropy`: mean over target steps, in nats; 0 is all weight on one position.
        `sentences`, `steps`: how many were counted (steps without eos).

    Raises
    ------
    ValueError
        If lists are empty or differ in length, a gold link lies outside its matrix, S is not a part of P, or
        no step has a gold link.

    References
    ----------
    Och and Ney (2003), doi:10.1162/089120103321337421. Taught in: train_and_look.
    """
    _check_lists(alignments, sure, names=("alignments", "sure"))
    _check_lists(alignments, possible, names=("alignments", "possible"))
    counts = np.zeros(4, dtype=np.int64)
    hits: list[bool] = []
    masses: list[float] = []
    largest: list[float] = []
    entropies: list[float] = []
    for alignment, S, P in zip(alignments, sure, possible, strict=True):
        rows = _word_rows(alignment, has_eos)
        gold = _gold_mask(P, (rows.shape[0], rows.shape[1] - has_eos), rows.shape)
        counts += _link_counts(argmax_links(alignment, has_eos=has_eos), S, P)
        linked = gold.any(axis=1)
        hits += gold[np.arange(len(rows)), rows.argmax(axis=1)][linked].tolist()
        masses += np.where(gold, rows, 0).sum(axis=1)[linked].tolist()
        largest += rows.max(axis=1).tolist()
        entropies += _entropy(rows).tolist()
    if not hits:
        raise ValueError("no target step has a gold link: nothing to compare the weights with")
    return AlignmentReport(
        aer=_error_rate(counts),
        argmax_accuracy=float(np.mean(hits)),
        gold_mass=float(np.mean(masses)),
        max_weight=float(np.mean(largest)),
        entropy=float(np.mean(entropies)),
        sentences=len(alignments),
        steps=len(largest),
    )


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

    Parameters
    ----------
    lengths : sequence of int
        Length of every item, by which it is sorted into a bin; usually of the source, in tokens.
    hypotheses, references : sequences of str
        As for :func:`bleu`.
    edges : increasing sequence of int
        Where a new bin begins: (5, 10) makes 0 .. 4, 5 .. 9 and 10 and more, so every item has one bin.
    tokenize, lowercase
        For BLEU.
    samples, seed : int
        For the bootstrap intervals.

    Returns
    -------
    records : list of LengthRecord
        One a bin, shortest first, with count, mean length, exact match (0 .. 1) and BLEU (0 .. 100), both
        with 95 % intervals. Look at the count: the interval of one item has no width and means nothing.

    Raises
    ------
    ValueError
        If lists are empty or differ in length, or the edges do not increase.

    Examples
    --------
    >>> short, long = by_length(lengths=[2, 9], hypotheses=["a", "b"], references=["a", "c"], edges=[5])
    >>> short.count, short.exact_match.value, long.exact_match.value
    (1, 1.0, 0.0)

    References
    ----------
    Bahdanau, Cho and Bengio (2015), arXiv:1409.0473, Fig. 2. Taught in: why_attention.
    """
    _check_texts(hypotheses, references)
    _check_lists(lengths, hypotheses, names=("lengths", "hypotheses"))
    if min(lengths) < 0 or any(a >= b for a, b in zip([0, *edges], edges, strict=False)):
        raise ValueError(f"edges {list(edges)} must increase from above 0, and lengths must not be negative")
    bins = np.searchsorted(np.asarray(edges), np.asarray(lengths), side="right")
    records = []
    for k, (low, above) in enumerate(zip([0, *edges], [*edges, None], strict=True)):
        chosen = np.flatnonzero(bins == k).tolist()
        high = None if above is None else above - 1
        if not chosen:
            records.append(LengthRecord(low, high, 0, None, None, None))
            continue
        h, r = [hypotheses[j] for j in chosen], [references[j] for j in chosen]
        score = bleu_interval(
            hypotheses=h, references=r, tokenize=tokenize, lowercase=lowercase, samples=samples, seed=seed
        )
        matched = mean_interval(_matches(h, r), samples=samples, seed=seed)
        mean_length = float(np.mean([lengths[j] for j in chosen]))
        records.append(LengthRecord(low, high, len(chosen), mean_length, matched, score))
    return records


def mean_interval(values: Sequence[float], *, samples: int = 1000, seed: int = 0) -> Interval:
    """Give the mean of numbers with its 95 % bootstrap interval.

    Parameters
    ----------
    values : sequence of numbers
        One an item, such as 1 for right and 0 for wrong.
    samples, seed : int
        Number of redrawn sets, and the seed of the drawing.

    Returns
    -------
    interval : Interval(value, low, high)
        The mean and the ends of its interval, in the unit of the values.

    Raises
    ------
    ValueError
        If there are no values, or `samples` is below 1.

    Examples
    --------
    >>> mean_interval([1, 1, 1])
    Interval(value=1.0, low=1.0, high=1.0)

    References
    ----------
    Koehn (2004), as for :func:`bleu_interval`. Taught in: why_attention.
    """
    if len(values) == 0:
        raise ValueError("no values to take the mean of")
    numbers = np.asarray(values, dtype=float)
    sums = _redrawn_sums(numbers[:, None], samples, seed)[:, 0]
    return Interval(float(numbers.mean()), *_percentiles(sums / len(numbers)))


def _check_lists(
    first: Sequence[object],
    second: Sequence[object],
    names: tuple[str, str] = ("hypotheses", "references"),
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
    _check_lists(hypotheses, references)


def _metric(tokenize: str, lowercase: bool, effective_order: bool = False) -> BLEU:
    """Make sacreBLEU's BLEU; `force` only silences its guess that the text was tokenised already."""
    if tokenize not in TOKENIZERS:
        raise ValueError(f"unknown tokeniser {tokenize!r}; expected one of {', '.join(TOKENIZERS)}")
    return BLEU(tokenize=tokenize, lowercase=lowercase, force=True, effective_order=effective_order)


def _bleu_of_counts(row: NDArray[np.int64]) -> float:
    """Compute BLEU from sums: 4 counts of matches, 4 of k-grams, length of hypotheses, of references."""
    numbers = [int(x) for x in row]
    score: BLEUScore = BLEU.compute_bleu(
        numbers[:4], numbers[4:8], numbers[8], numbers[9], smooth_method="exp"
    )
    return float(score.score)


def _redrawn_sums(rows: NDArray[Any], samples: int, seed: int) -> NDArray[Any]:
    """Sum the rows of each redrawn set; how often a row is drawn is multinomial."""
    if samples < 1:
        raise ValueError(f"samples is {samples}; expected at least 1")
    n = len(rows)
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=samples)
    return drawn @ rows  # (samples, columns)


def _percentiles(values: Sequence[float] | NDArray[Any]) -> tuple[float, float]:
    """Give the bounds that leave 2.5 % on either side."""
    low, high = np.percentile(np.asarray(values, dtype=float), [2.5, 97.5])
    return float(low), float(high)


def _matches(hypotheses: Sequence[object], references: Sequence[object]) -> list[bool]:
    """Say for each item whether both are equal; a list equals a tuple of the same items."""
    _check_lists(hypotheses, references)
    plain = ([tuple(x) if isinstance(x, list) else x for x in items] for items in (hypotheses, references))
    return [h == r for h, r in zip(*plain, strict=True)]


def _word_rows(alignment: Array, has_eos: bool) -> Array:
    """Check the weights of one sentence and drop the row of eos."""
    weights = np.asarray(alignment)
    if weights.ndim != 2 or weights.dtype.kind != "f":
        raise ValueError(f"alignment must be a matrix (m, n) of weights, got {weights.dtype} {weights.shape}")
    if not np.isfinite(weights).all() or weights.min(initial=0) < 0 or weights.max(initial=0) > 1.01:
        raise ValueError("alignment holds numbers outside 0 .. 1: expected weights (after the softmax)")
    if weights.shape[0] <= has_eos or weights.shape[1] <= has_eos:
        raise ValueError(f"alignment has shape {weights.shape}: no row or column is left beside eos")
    return (weights[:-1] if has_eos else weights).astype(np.float64)


def _gold_mask(possible: Set[Link], words: tuple[int, int], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Mark the possible links in a matrix; a link outside the words is an error."""
    gold = np.zeros(shape, dtype=bool)
    for t, i in possible:
        if not (0 <= t < words[0] and 0 <= i < words[1]):
            raise ValueError(
                f"gold link (t={t}, i={i}) lies outside {words[0]} target and {words[1]} source words: are "
                "the weights those of this sentence, rows target steps, and is has_eos right?"
            )
        gold[t, i] = True
    return gold


def _link_counts(links: frozenset[Link], sure: Set[Link], possible: Set[Link]) -> NDArray[np.int64]:
    """Count |A ∩ S|, |A ∩ P|, |A| and |S|."""
    if not sure <= possible:
        raise ValueError(f"sure links must be possible too; {sorted(sure - possible)[:3]} are not: swapped?")
    return np.array([len(links & sure), len(links & possible), len(links), len(sure)])


def _error_rate(counts: NDArray[np.int64]) -> float:
    """Compute the alignment error rate from the four counts."""
    both_sure, both_possible, found, sure = (int(count) for count in counts)
    if found + sure == 0:
        raise ValueError("no link was found and none is sure: the alignment error rate is not defined")
    return 1 - (both_sure + both_possible) / (found + sure)


def _entropy(weights: Array) -> Array:
    """Compute the entropy of each row in nats, with 0 log 0 = 0."""
    safe = np.where(weights > 0, weights, 1)
    return -(weights * np.log(safe)).sum(axis=1)
