"""Evaluation: scores equal hand-worked numbers and sacreBLEU's own, and wrong input is an error."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sacrebleu

from seq2seq_edu.metrics import (
    alignment_error_rate,
    argmax_links,
    bleu,
    bleu_interval,
    by_length,
    corpus_alignment,
    exact_match,
    mean_interval,
    scores,
    token_accuracy,
)

HYPOTHESES = [
    "The dog is running in the park, isn't it?",
    "A man sits on a red bench.",
    "Two children play with a ball near the old house .",
    "a woman in a blue hat",
    "There is nothing to see here.",
]
REFERENCES = [
    "A dog is running through the park, isn't it?",
    "A man is sitting on a red bench.",
    "Two children play with a ball near the house.",
    "A woman with a blue hat smiles at the camera.",
    "Nothing to see here at all.",
]

# BLEU


def test_bleu_by_hand() -> None:
    # matches of 1- to 4-grams: 4/5, 3/4, 2/3, 1/2; lengths 5 and 6, so the brevity penalty is exp(1 - 6/5)
    score = bleu(hypotheses=["a b c d x"], references=["a b c d e f"], tokenize="none")
    expected = 100 * math.exp(1 - 6 / 5) * (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** (1 / 4)
    assert score.value == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("lowercase", [False, True])
def test_bleu_equals_the_sacrebleu_command(tmp_path: Path, lowercase: bool) -> None:
    (tmp_path / "ref").write_text("\n".join(REFERENCES) + "\n", encoding="utf-8")
    (tmp_path / "hyp").write_text("\n".join(HYPOTHESES) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "sacrebleu", "ref", "-i", "hyp", "-m", "bleu", "-b", "-w", "6"]
    printed = subprocess.run(
        command + ["-lc"] * lowercase, cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    score = bleu(hypotheses=HYPOTHESES, references=REFERENCES, lowercase=lowercase)
    assert score.value == pytest.approx(float(printed), abs=1e-5)
    assert f"case:{'lc' if lowercase else 'mixed'}" in score.signature
    assert f"version:{sacrebleu.__version__}" in score.signature and "tok:13a" in score.signature


def test_bleu_of_swapped_lists_is_another_number_and_names_are_required() -> None:
    short, long = ["a b c d e f"], ["a b c d e f g h"]
    # too short costs brevity, too long costs precision: not the same
    assert bleu(hypotheses=short, references=long).value == pytest.approx(100 * math.exp(1 - 8 / 6))
    too_long = 100 * (6 / 8 * 5 / 7 * 4 / 6 * 3 / 5) ** (1 / 4)
    assert bleu(hypotheses=long, references=short).value == pytest.approx(too_long)
    with pytest.raises(TypeError):
        bleu(HYPOTHESES, REFERENCES)  # type: ignore[misc]


def test_bleu_of_chinese_needs_its_tokeniser() -> None:
    hypotheses, references = ["他今天在公园里追一只猫。"], ["他今天在公园里追一只狗。"]
    zh = bleu(hypotheses=hypotheses, references=references, tokenize="zh")
    assert zh.value == pytest.approx(sacrebleu.corpus_bleu(hypotheses, [references], tokenize="zh").score)
    assert 70 < zh.value < 100 and "tok:zh" in zh.signature
    assert bleu(hypotheses=hypotheses, references=references).value < 50  # for 13a it is one long word


def test_token_bleu_of_tutorials_differs_from_13a() -> None:
    tokens = bleu(hypotheses=HYPOTHESES, references=REFERENCES, tokenize="none", lowercase=True)
    assert tokens.value == pytest.approx(
        sacrebleu.corpus_bleu(HYPOTHESES, [REFERENCES], tokenize="none", lowercase=True, force=True).score
    )
    assert "tok:none" in tokens.signature and "case:lc" in tokens.signature
    assert abs(tokens.value - bleu(hypotheses=HYPOTHESES, references=REFERENCES, lowercase=True).value) > 1


def test_bleu_of_empty_hypotheses_is_zero() -> None:
    assert bleu(hypotheses=["", ""], references=["a b", "c"]).value == 0
    assert bleu_interval(hypotheses=["", ""], references=["a b", "c"], samples=7) == (0, 0, 0)


@pytest.mark.parametrize("tokenize", ["13a", "zh", "none"])
def test_interval_is_around_the_score_seeded_and_made_of_the_same_counts(tokenize: str) -> None:
    value, low, high = bleu_interval(hypotheses=HYPOTHESES, references=REFERENCES, tokenize=tokenize)
    assert value == bleu(hypotheses=HYPOTHESES, references=REFERENCES, tokenize=tokenize).value
    assert 0 < low < value < high < 100
    again = bleu_interval(hypotheses=HYPOTHESES, references=REFERENCES, tokenize=tokenize)
    other = bleu_interval(hypotheses=HYPOTHESES, references=REFERENCES, tokenize=tokenize, seed=1)
    assert again == (value, low, high) != other
    # redrawing one sentence gives that sentence, so the counts must give its own BLEU
    alone = bleu_interval(
        hypotheses=HYPOTHESES[3:4], references=REFERENCES[3:4], tokenize=tokenize, samples=3
    )
    assert alone.low == pytest.approx(alone.value) == alone.high


def test_interval_narrows_with_more_sentences() -> None:
    few = bleu_interval(hypotheses=HYPOTHESES, references=REFERENCES, samples=200)
    many = bleu_interval(hypotheses=HYPOTHESES * 29, references=REFERENCES * 29, samples=200)
    assert many.value == pytest.approx(few.value)
    assert (many.high - many.low) < (few.high - few.low) / 3


def test_mean_interval_agrees_with_the_normal_one() -> None:
    values = [1] * 300 + [0] * 700
    value, low, high = mean_interval(values, samples=5000, seed=3)
    half = 1.96 * math.sqrt(0.3 * 0.7 / 1000)
    assert value == pytest.approx(0.3)
    assert low == pytest.approx(0.3 - half, abs=0.004) and high == pytest.approx(0.3 + half, abs=0.004)


# Matches


def test_exact_match_and_token_accuracy_by_hand() -> None:
    assert exact_match(["a b", "c", "d"], ["a b", "C", "d"]) == pytest.approx(2 / 3)
    assert exact_match([[1, 2], (3,)], [(1, 2), [3, 4]]) == 0.5
    # 2 of 3 right, then 1 of 3 (two missing), then 1 of 5 (four too many)
    hypotheses = [["a", "b", "x"], ["a"], ["a", "b", "b", "b", "b"]]
    assert token_accuracy(hypotheses, [["a", "b", "c"], ["a", "b", "c"], ["a"]]) == pytest.approx(4 / 11)


# Alignments

SURE = {(0, 0), (1, 2)}
POSSIBLE = SURE | {(2, 1), (2, 2)}


@pytest.mark.parametrize(
    ("links", "sure", "possible", "expected"),
    [
        (SURE, SURE, POSSIBLE, 0),  # all sure ones
        (POSSIBLE, SURE, POSSIBLE, 0),  # possible ones cost nothing
        ({(0, 0)}, SURE, POSSIBLE, 1 - (1 + 1) / (1 + 2)),  # one sure link missed
        (SURE | {(2, 0)}, SURE, POSSIBLE, 1 - (2 + 2) / (3 + 2)),  # one wrong link
        ({(2, 1)}, SURE, POSSIBLE, 1 - (0 + 1) / (1 + 2)),
        ({(0, 1), (1, 0)}, SURE, SURE, 1),
        (set(), SURE, POSSIBLE, 1),
        ({(2, 1)}, set(), POSSIBLE, 0),
    ],
)
def test_error_rate_by_hand(links: set, sure: set, possible: set, expected: float) -> None:
    assert alignment_error_rate(links, sure, possible) == pytest.approx(expected)
    assert alignment_error_rate(sorted(links), sure, frozenset(possible)) == pytest.approx(expected)


# Two words and eos attend to three words and eos. Argmax: 0 -> 0, 1 -> eos.
WEIGHTS = np.array([[0.5, 0.2, 0.2, 0.1], [0.1, 0.2, 0.1, 0.6], [0.9, 0.0, 0.0, 0.1]])


def test_argmax_links_and_eos() -> None:
    assert argmax_links(WEIGHTS) == {(0, 0)}
    assert argmax_links(WEIGHTS[:-1, :-1], has_eos=False) == {(0, 0), (1, 1)}
    assert alignment_error_rate(WEIGHTS, {(0, 0)}, {(0, 0)}) == 0
    assert alignment_error_rate(WEIGHTS[:2, :3], {(0, 0)}, {(0, 0)}, has_eos=False) == pytest.approx(1 / 3)


def test_corpus_alignment_by_hand() -> None:
    sharp = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    report = corpus_alignment(
        [WEIGHTS, sharp], sure=[{(0, 0), (1, 1)}, {(0, 1)}], possible=[{(0, 0), (1, 1), (1, 2)}, {(0, 1)}]
    )
    assert (report.sentences, report.steps) == (2, 4)
    # A = {00}, {01, 10}; S = {00, 11}, {01}; A and S share 2, A and P share 2
    assert report.aer == pytest.approx(1 - (2 + 2) / (3 + 3))
    assert report.argmax_accuracy == pytest.approx(2 / 3)  # the unlinked step of `sharp` does not count
    assert report.gold_mass == pytest.approx((0.5 + (0.2 + 0.1) + 1) / 3)
    assert report.max_weight == pytest.approx((0.5 + 0.6 + 1 + 1) / 4)
    first = -(0.5 * math.log(0.5) + 2 * 0.2 * math.log(0.2) + 0.1 * math.log(0.1))
    second = -(2 * 0.1 * math.log(0.1) + 0.2 * math.log(0.2) + 0.6 * math.log(0.6))
    assert report.entropy == pytest.approx((first + second) / 4)


def test_perfect_and_uniform_alignment() -> None:
    perfect = corpus_alignment([np.eye(7)], [{(k, k) for k in range(6)}], [{(k, k) for k in range(6)}])
    assert (perfect.aer, perfect.argmax_accuracy, perfect.gold_mass, perfect.entropy) == (0, 1, 1, 0)
    flat = corpus_alignment([np.full((3, 5), 0.2, dtype=np.float32)], [{(0, 0)}], [{(0, 0)}])
    assert flat.entropy == pytest.approx(math.log(5), rel=1e-6)
    assert flat.gold_mass == pytest.approx(0.2, rel=1e-6)


def test_a_shift_by_one_step_is_seen() -> None:
    gold = {(k, k) for k in range(6)}
    shifted = corpus_alignment([np.roll(np.eye(7), 1, axis=0)], [gold], [gold])
    assert shifted.aer == 1 and shifted.max_weight == 1  # sharp and wrong


# By length


def test_by_length_puts_every_item_in_one_bin() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.integers(0, 23, size=101).tolist()
    texts = [f"a b c d {k % 7}" for k in range(101)]
    said = [f"a b c d {k % 5}" for k in range(101)]
    records = by_length(lengths=lengths, hypotheses=said, references=texts, edges=[3, 7, 13], samples=11)
    assert [(r.low, r.high) for r in records] == [(0, 2), (3, 6), (7, 12), (13, None)]
    assert sum(r.count for r in records) == 101
    for r in records:
        high = 22 if r.high is None else r.high
        chosen = [k for k in range(101) if r.low <= lengths[k] <= high]
        assert r.count == len(chosen)
        assert r.mean_length == pytest.approx(np.mean([lengths[k] for k in chosen]))
        assert r.exact_match.value == pytest.approx(np.mean([said[k] == texts[k] for k in chosen]))
        part = {"hypotheses": [said[k] for k in chosen], "references": [texts[k] for k in chosen]}
        assert r.bleu.value == bleu(**part).value
        assert r.exact_match.low <= r.exact_match.value <= r.exact_match.high
        assert r.bleu.low <= r.bleu.value <= r.bleu.high


def test_by_length_without_edges_is_one_bin_and_an_empty_bin_says_so() -> None:
    (whole,) = by_length(lengths=[1, 2], hypotheses=["a", "b"], references=["a", "b"], edges=[], samples=3)
    assert (whole.low, whole.high, whole.count) == (0, None, 2)
    empty = by_length(lengths=[1, 9], hypotheses=["a", "b"], references=["a", "b"], edges=[5, 7], samples=3)[
        1
    ]
    assert (empty.count, empty.mean_length, empty.exact_match, empty.bleu) == (0, None, None, None)


# Bad input


@pytest.mark.parametrize("score", [bleu, bleu_interval])
def test_bad_texts(score) -> None:
    with pytest.raises(ValueError, match="no hypotheses to score"):
        score(hypotheses=[], references=[])
    with pytest.raises(ValueError, match="2 hypotheses but 1 references"):
        score(hypotheses=["a", "b"], references=["a"])
    with pytest.raises(ValueError, match="hypotheses must be a list of texts"):
        score(hypotheses="ab", references=["a", "b"])
    with pytest.raises(ValueError, match="references must be a list of texts.*join tokens"):
        score(hypotheses=["a"], references=[["a"]])
    with pytest.raises(ValueError, match="unknown tokeniser '14a'; expected one of 13a"):
        score(hypotheses=["a"], references=["a"], tokenize="14a")


def test_bad_matches() -> None:
    for score in (exact_match, token_accuracy):
        with pytest.raises(ValueError, match="the list is empty"):
            score([], [])
        with pytest.raises(ValueError, match="3 hypotheses but 2 references"):
            score([["a"]] * 3, [["a"]] * 2)
    with pytest.raises(ValueError, match="got text: split it first"):
        token_accuracy(["ab"], ["ab"])
    with pytest.raises(ValueError, match="no token to compare"):
        token_accuracy([[]], [[]])
    with pytest.raises(ValueError, match="no values"):
        mean_interval([])
    with pytest.raises(ValueError, match="samples is 0"):
        mean_interval([1.0], samples=0)


@pytest.mark.parametrize(
    ("alignment", "words"),
    [
        (np.ones(3), "must be a matrix"),
        (np.array([[0, 0], [1, 1]]), "got int64"),  # links, not weights
        (np.array([[0.5, 3.0], [0.1, 0.1]]), "after the softmax"),
        (np.array([[0.5, np.nan], [0.1, 0.1]]), "after the softmax"),
        (np.array([[1.0]]), "no row or column is left beside eos"),
    ],
)
def test_bad_alignments(alignment: np.ndarray, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        argmax_links(alignment)
    with pytest.raises(ValueError, match=words):
        alignment_error_rate(alignment, {(0, 0)}, {(0, 0)})


def test_bad_gold() -> None:
    with pytest.raises(ValueError, match=r"\(1, 1\)\] are not: swapped"):
        alignment_error_rate({(0, 0)}, sure={(0, 0), (1, 1)}, possible={(0, 0)})
    with pytest.raises(ValueError, match="not defined"):
        alignment_error_rate([], set(), {(0, 0)})
    with pytest.raises(ValueError, match=r"gold link \(t=2, i=0\) lies outside 2 target and 3 source words"):
        corpus_alignment([WEIGHTS], [set()], [{(2, 0)}])
    with pytest.raises(ValueError, match="1 alignments but 2 sure"):
        corpus_alignment([WEIGHTS], [set(), set()], [set()])
    with pytest.raises(ValueError, match="no alignments"):
        corpus_alignment([], [], [])
    with pytest.raises(ValueError, match="no target step has a gold link"):
        corpus_alignment([WEIGHTS], [set()], [set()])


@pytest.mark.parametrize("edges", [[0], [5, 5], [7, 3]])
def test_bad_edges(edges: list[int]) -> None:
    with pytest.raises(ValueError, match="must increase from above 0"):
        by_length(lengths=[1], hypotheses=["a"], references=["a"], edges=edges)


def test_bad_lengths() -> None:
    with pytest.raises(ValueError, match="1 lengths but 2 hypotheses"):
        by_length(lengths=[1], hypotheses=["a", "b"], references=["a", "b"], edges=[3])


def test_all_tokenisers_named_are_there() -> None:
    for tokenize in scores.TOKENIZERS:
        assert bleu(hypotheses=["a b c d"], references=["a b c d"], tokenize=tokenize).value > 99
