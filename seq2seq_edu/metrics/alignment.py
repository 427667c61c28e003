"""How well attention points: alignment error rate, and what else its weights say against gold links."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

import numpy as np

from seq2seq_edu.data import Link
from seq2seq_edu.equations import Array
from seq2seq_edu.metrics.scores import check_lists

Gold = Set[Link]  # the gold links of one sentence


@dataclass(frozen=True)
class AlignmentReport:
    """How well attention weights agree with gold links; see :func:`corpus_alignment`."""

    aer: float  # of the argmax links, counts summed over the sentences; in 0 .. 1, lower is better
    argmax_accuracy: float  # share of the steps with a possible link whose largest weight is on one
    gold_mass: float  # mean weight that such a step puts on its possible links, in 0 .. 1
    max_weight: float  # mean largest weight of a step, in 0 .. 1; high is confident, not right
    entropy: float  # mean over the steps, in nats; 0 is all weight on one position
    sentences: int
    steps: int  # target steps without eos


def argmax_links(alignment: Array, *, has_eos: bool = True) -> frozenset[Link]:
    """Link every target step to the source position with the largest weight, unless that is eos."""
    rows = _word_rows(alignment, has_eos)
    return frozenset((t, int(i)) for t, i in enumerate(rows.argmax(axis=1)) if i < rows.shape[1] - has_eos)


def alignment_error_rate(
    links: Iterable[Link] | Array, sure: Gold, possible: Gold, *, has_eos: bool = True
) -> float:
    r"""Compare links with gold links that are sure (must be found) or possible (may be found).

    .. math:: \mathrm{AER} = 1 - \frac{|A \cap S| + |A \cap P|}{|A| + |S|}, \qquad S \subseteq P

    Och and Ney (2003), doi:10.1162/089120103321337421. Taught in: train_and_look.

    Parameters
    ----------
    links : iterable of (target step, source position), or array of attention weights (m, n). A.
    sure, possible : sets of (target step, source position). S and P, without eos.
    has_eos : bool. For attention weights: whether the last row and column belong to eos.

    Returns
    -------
    rate : float. In 0 .. 1; 0 if all sure links are found and all found are possible.

    Examples
    --------
    >>> round(alignment_error_rate({(0, 0), (1, 1)}, sure={(0, 0)}, possible={(0, 0), (1, 2)}), 4)
    0.3333
    """
    found = argmax_links(links, has_eos=has_eos) if isinstance(links, np.ndarray) else frozenset(links)
    return _error_rate(_link_counts(found, sure, possible))


def corpus_alignment(
    alignments: Sequence[Array], sure: Sequence[Gold], possible: Sequence[Gold], *, has_eos: bool = True
) -> AlignmentReport:
    """Judge the attention weights of many sentences against gold links. Taught in: train_and_look.

    The gold links belong to the reference, so give the weights of the reference (teacher forcing), or only of
    hypotheses that equal theirs.

    Parameters
    ----------
    alignments : sequence of arrays of shape (m, n). One matrix a sentence, without padding.
    sure, possible : sequences of sets of (target step, source position). Gold links, without eos.
    has_eos : bool
        Whether the last row and column belong to eos. The row is left out; the column stays, since weight on
        eos is weight not spent on a word.

    Returns
    -------
    report : AlignmentReport. Each number with its meaning and range.
    """
    check_lists(alignments, sure, names=("alignments", "sure"))
    check_lists(alignments, possible, names=("alignments", "possible"))
    counts = np.zeros(4, dtype=np.int64)
    hits, masses, largest, entropies = [], [], [], []
    for alignment, S, P in zip(alignments, sure, possible, strict=True):
        rows = _word_rows(alignment, has_eos)
        gold = _gold_mask(P, rows, has_eos)
        counts += _link_counts(argmax_links(alignment, has_eos=has_eos), S, P)
        linked = gold.any(axis=1)
        hits.append(gold[np.arange(len(rows)), rows.argmax(axis=1)][linked])
        masses.append(np.where(gold, rows, 0).sum(axis=1)[linked])
        largest.append(rows.max(axis=1))
        entropies.append(-(rows * np.log(np.where(rows > 0, rows, 1))).sum(axis=1))  # 0 log 0 = 0
    columns = [np.concatenate(part) for part in (hits, masses, largest, entropies)]
    if not len(columns[0]):
        raise ValueError("no target step has a gold link: nothing to compare the weights with")
    accuracy, mass, weight, entropy = (float(column.mean()) for column in columns)
    steps = len(columns[-1])
    return AlignmentReport(_error_rate(counts), accuracy, mass, weight, entropy, len(alignments), steps)


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


def _gold_mask(possible: Gold, rows: Array, has_eos: bool) -> Array:
    """Mark the possible links in a matrix like that of the weights; a link outside the words is an error."""
    gold = np.zeros(rows.shape, dtype=bool)
    m, n = rows.shape[0], rows.shape[1] - has_eos
    for t, i in possible:
        if not (0 <= t < m and 0 <= i < n):
            raise ValueError(
                f"gold link (t={t}, i={i}) lies outside {m} target and {n} source words: are "
                "the weights those of this sentence, rows target steps, and is has_eos right?"
            )
        gold[t, i] = True
    return gold


def _link_counts(links: frozenset[Link], sure: Gold, possible: Gold) -> Array:
    """Count |A ∩ S|, |A ∩ P|, |A| and |S|."""
    if not sure <= possible:
        raise ValueError(f"sure links must be possible too; {sorted(sure - possible)[:3]} are not: swapped?")
    return np.array([len(links & sure), len(links & possible), len(links), len(sure)])


def _error_rate(counts: Array) -> float:
    """Compute the alignment error rate from the four counts."""
    both_sure, both_possible, found, sure = counts.tolist()
    if found + sure == 0:
        raise ValueError("no link was found and none is sure: the alignment error rate is not defined")
    return 1 - (both_sure + both_possible) / (found + sure)
