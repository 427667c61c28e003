"""Search: a batch equals its rows one by one, the model sees its own output only, stops at eos.

Greedy search is compared with the plain path, sampling with the softmax, beam search with a plain search
that keeps a list of prefixes, and with all sequences that exist.
"""

import dataclasses
import inspect
import itertools
import json
import math
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from seq2seq_edu.data import BOS, EOS, PAD, UNK, pad
from seq2seq_edu.decoding import Hypothesis, Node, beam, forced_maps, greedy, n_best, sample, tree
from seq2seq_edu.models import (
    ATTENTIONS,
    EncoderDecoder,
    Memory,
    ModelConfig,
    Seq2Seq,
    Step,
    Transformer,
    TransformerConfig,
)

ALL = (*ATTENTIONS, "transformer")
KINDS = ("additive", "dot", "none", "transformer")  # one of each way to go from step to step
SIZES = {"source_vocab": 13, "target_vocab": 11, "d_e": 3, "d_h": 10, "d_s": 7, "d_a": 5, "d_r": 7}
SOURCES = [[5, 6, 7, 8, 9, 10, 11, EOS], [5, EOS], [12, 4, 4, EOS], [7, 7, EOS], [10, 6, 11, 4, 9, EOS]]
LIMIT = 17


def tiny(attention: str = "additive", seed: int = 0, **changes: object) -> EncoderDecoder:
    """Build a small model whose outputs differ in length: large parameters, and eos as likely as not."""
    torch.manual_seed(seed)
    sizes = {**SIZES, "dropout": 0.0, **changes}
    if attention == "dot":
        sizes["d_s"] = sizes["d_h"]
    model: EncoderDecoder
    if attention == "transformer":
        vocabularies = (sizes["source_vocab"], sizes["target_vocab"])
        model = Transformer(TransformerConfig(*vocabularies, 10, 7, layers=2, heads=5, dropout=0.0))
    else:
        model = Seq2Seq(ModelConfig(attention=attention, **sizes))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4)
        model.W_o.bias[EOS] = 2.0
    return model.double().eval()  # in float64 no two paths are equal by rounding


def decode(
    model: EncoderDecoder, sources: list[list[int]], limit: int = LIMIT, extra: int = 0
) -> list[Hypothesis]:
    """Decode a padded batch of sources that end with eos."""
    src = pad(sources, max(len(source) for source in sources) + extra)
    return greedy(model, src, src != PAD, max_length=limit)


def assert_equal(one: Hypothesis, other: Hypothesis) -> None:
    """Compare tokens exactly, numbers to 1e-5."""
    assert (one.ids, one.finished) == (other.ids, other.finished)
    assert one.log_prob == pytest.approx(other.log_prob, abs=1e-5)
    assert one.score == pytest.approx(other.score, abs=1e-5)
    assert (one.alignment is None) == (other.alignment is None)
    if one.alignment is not None and other.alignment is not None:
        np.testing.assert_allclose(one.alignment, other.alignment, atol=1e-5, rtol=0)


# Greedy


@pytest.mark.parametrize("attention", ALL)
def test_a_batch_equals_its_rows_one_by_one(attention: str) -> None:
    lengths = set()
    for seed in range(5):
        model = tiny(attention, seed)
        together = decode(model, SOURCES, extra=3)
        backwards = decode(model, SOURCES[::-1])[::-1]
        for source, one, other in zip(SOURCES, together, backwards, strict=True):
            (alone,) = decode(model, [source])
            assert_equal(one, alone)
            assert_equal(other, alone)
            lengths.add(len(alone.ids))
    assert len(lengths) > 3  # else the test would prove little


@pytest.mark.parametrize("attention", ALL)
def test_greedy_feeds_back_its_own_output(attention: str) -> None:
    for seed in range(3):
        model = tiny(attention, seed)
        for source, h in zip(SOURCES, decode(model, SOURCES), strict=True):
            src = torch.tensor([source])
            with torch.no_grad():
                logits, _ = model(src, src != PAD, torch.tensor([[BOS, *h.ids[:-1]]]))
            logits[..., [PAD, BOS]] = -math.inf
            assert h.ids == logits[0].argmax(dim=-1).tolist()  # of its own words, the first included
            assert h.finished or len(h.ids) == LIMIT
            assert_told_by_the_model(model, source, h, length_penalty=1.0)


def test_greedy_takes_no_target() -> None:
    assert list(inspect.signature(greedy).parameters) == ["model", "src", "src_mask", "max_length"]
    assert list(inspect.signature(Seq2Seq.encode).parameters) == ["self", "src", "src_mask"]


@pytest.mark.parametrize("attention", ALL)
def test_alignment_has_a_row_a_token_and_a_column_a_word(attention: str) -> None:
    for source, hypothesis in zip(SOURCES, decode(tiny(attention), SOURCES, extra=2), strict=True):
        if attention == "none":
            assert hypothesis.alignment is None
            continue
        assert hypothesis.alignment is not None
        assert hypothesis.alignment.shape == (len(hypothesis.ids), len(source))
        np.testing.assert_allclose(hypothesis.alignment.sum(axis=1), 1, atol=1e-6)


def test_greedy_stops_at_eos_and_says_so() -> None:
    model = tiny()
    with torch.no_grad():
        model.W_o.bias[EOS] = 1e4
    for hypothesis in decode(model, SOURCES):
        assert hypothesis.ids == [EOS] and hypothesis.finished
        assert hypothesis.log_prob == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("limit", [1, 5])
def test_the_length_limit_is_kept_and_said(limit: int) -> None:
    model = tiny()
    with torch.no_grad():
        model.W_o.bias[EOS] = -1e4
    for hypothesis in decode(model, SOURCES, limit):
        assert len(hypothesis.ids) == limit and not hypothesis.finished and EOS not in hypothesis.ids
    finished = [h for seed in range(5) for h in decode(tiny(seed=seed), SOURCES, limit)]
    assert all(h.finished == (h.ids[-1] == EOS) for h in finished)
    assert all(EOS not in h.ids[:-1] for h in finished)


def test_pad_and_bos_are_never_chosen() -> None:
    model = tiny()
    with torch.no_grad():
        model.W_o.bias[[PAD, BOS]] = 1e4
    for hypothesis in decode(model, SOURCES):
        assert not {PAD, BOS} & set(hypothesis.ids)


def test_dropout_is_off_and_the_mode_is_put_back() -> None:
    model = tiny(dropout=0.5)
    quiet = decode(model, SOURCES)
    for one, other in zip(decode(model.train(), SOURCES), quiet, strict=True):
        assert_equal(one, other)
    assert model.training


@pytest.mark.parametrize("attention", ["additive", "transformer"])
def test_a_row_without_a_token_is_refused(attention: str) -> None:
    src = torch.tensor([[5, EOS], [PAD, PAD]])
    for method in (greedy, beam, n_best):
        with pytest.raises(ValueError, match="row 1 of the source has no real token: drop empty sentences"):
            method(tiny(attention), src, src != PAD)


def test_the_mode_is_put_back_after_an_error_too() -> None:
    model = tiny().train()
    with pytest.raises(ValueError):
        decode(model, [[PAD, PAD]])
    assert model.training


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="max_length must be at least 1 token; got 0"):
        decode(tiny(), SOURCES, limit=0)


# Sampling


@pytest.mark.parametrize("attention", KINDS)
@pytest.mark.parametrize("settings", [{}, {"temperature": 0.5}, {"top_k": 3}])
def test_a_sample_depends_on_its_own_seed_only(attention: str, settings: dict) -> None:
    model, src = tiny(attention), pad(SOURCES, 11)
    together = sample(model, src, src != PAD, seed=7, max_length=LIMIT, **settings)
    listed = sample(model, src, src != PAD, seed=[7, 8, 9, 10, 11], max_length=LIMIT, **settings)
    swapped = sample(
        model, src.flip(0), src.flip(0) != PAD, seed=[11, 10, 9, 8, 7], max_length=LIMIT, **settings
    )
    for row, source in enumerate(SOURCES):
        one = torch.tensor([source])
        (alone,) = sample(model, one, one != PAD, seed=7 + row, max_length=LIMIT, **settings)
        for other in (together[row], listed[row], swapped[::-1][row]):
            assert_equal(other, alone)
        (longer,) = sample(model, one, one != PAD, seed=7 + row, max_length=3 * LIMIT, **settings)
        assert longer.ids[: len(alone.ids)] == alone.ids
    others = sample(model, src, src != PAD, seed=8, max_length=LIMIT, **settings)
    assert [h.ids for h in others] != [h.ids for h in together]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("top_k", [None, 5])
def test_samples_are_as_frequent_as_the_softmax_says(temperature: float, top_k: int | None) -> None:
    model, draws = tiny("scaled", seed=1), 3000
    with torch.no_grad():
        model.W_o.weight.mul_(0.2)  # nearly all tokens are drawn now and then
    src = torch.tensor([[5, 6, 7, EOS]]).repeat(draws, 1)
    options = {"seed": 0, "temperature": temperature, "top_k": top_k, "max_length": 1}
    counts = Counter(h.ids[0] for h in sample(model, src, src != PAD, **options))
    log_probs = after(model, [5, 6, 7, EOS], [()])[0]
    expected = (log_probs / temperature).exp()
    if top_k is not None:
        expected[log_probs < log_probs.sort(descending=True).values[top_k - 1]] = 0
    for token, p in enumerate((expected / expected.sum()).tolist()):
        assert abs(counts[token] / draws - p) <= 4 * math.sqrt(p * (1 - p) / draws)  # exact where p is 0
    assert len(counts) > 3


def test_a_sample_has_the_log_probability_that_the_model_gives_it() -> None:
    model, src = tiny(seed=2), pad(SOURCES)
    for source, h in zip(
        SOURCES, sample(model, src, src != PAD, seed=3, temperature=3.0, top_k=7), strict=True
    ):
        assert_told_by_the_model(model, source, h, length_penalty=1.0)


@pytest.mark.parametrize("attention", ["additive", "dot", "transformer"])
def test_forced_maps_are_those_of_the_search_that_found_the_words(attention: str) -> None:
    model, src = tiny(attention, dropout=0.5).train(), pad(SOURCES)
    found = sample(model, src, src != PAD, seed=1, temperature=2.0, max_length=LIMIT)
    pairs = [(source[:-1], h.ids[:-1]) for source, h in zip(SOURCES, found, strict=True)]
    maps, ids = forced_maps(model, pairs)
    assert model.training and len({len(i) for i in ids}) > 2
    for (source, gold), h, weights, likely in zip(pairs, found, maps, ids, strict=True):
        np.testing.assert_allclose(weights, h.alignment, atol=1e-9)
        best = [after(model.eval(), [*source, EOS], [tuple(gold[:t])]).argmax() for t in range(len(h.ids))]
        assert likely == best
    with pytest.raises(ValueError, match="no attention, so it has no maps"):
        forced_maps(tiny("none"), pairs)


@pytest.mark.parametrize("settings", [{"temperature": 1e-3}, {"temperature": 1e-300}, {"top_k": 1}])
def test_sampling_becomes_greedy(settings: dict) -> None:
    src = pad(SOURCES)
    for seed in range(3):
        model = tiny(seed=seed)
        samples = sample(model, src, src != PAD, seed=seed, max_length=LIMIT, **settings)
        for one, other in zip(samples, decode(model, SOURCES), strict=True):
            assert_equal(one, other)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"temperature": -1.0}, "temperature must be a number above 0 .* got -1.0"),
        ({"temperature": 0.0}, "for the limit 0 use greedy"),
        ({"temperature": math.nan}, "temperature must be a number above 0 .* got nan"),
        ({"temperature": math.inf}, "got inf"),
        ({"top_k": 0}, "top_k must be from 1 to the 11 tokens of the vocabulary; got 0"),
        ({"top_k": 12}, "top_k must be from 1 to the 11 tokens of the vocabulary; got 12"),
        ({"max_length": 0}, "max_length must be at least 1 token; got 0"),
        ({"seed": [1, 2]}, "one seed a sentence: 5 rows but 2 seeds"),
    ],
)
def test_samples_that_cannot_be_drawn(settings: dict, words: str) -> None:
    src = pad(SOURCES)
    with pytest.raises(ValueError, match=words):
        sample(tiny(), src, src != PAD, **{"seed": 0, **settings})


# Beam search


def after(model: EncoderDecoder, source: list[int], prefixes: list[tuple[int, ...]]) -> Tensor:
    """Return the log-probabilities (N, V) of the token after each prefix (all of one length), plain path."""
    src = torch.tensor([source]).repeat(len(prefixes), 1)
    with torch.no_grad():
        logits, _ = model(src, src != PAD, torch.tensor([[BOS, *prefix] for prefix in prefixes]))
    log_probs = logits[:, -1].log_softmax(dim=-1)
    log_probs[:, [PAD, BOS]] = -math.inf
    return log_probs


def plain_beam(
    model: EncoderDecoder, source: list[int], width: int, length_penalty: float, limit: int
) -> list[tuple[float, tuple[int, ...]]]:
    """Search with lists of prefixes; return (score, ids), best first, those without eos last."""
    still_open: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    ended: list[tuple[float, tuple[int, ...]]] = []
    for m in range(1, limit + 1):
        rows = after(model, source, [ids for _, ids in still_open]).tolist()
        ranked = sorted(
            (
                (total + value, (*ids, token))
                for (total, ids), row in zip(still_open, rows, strict=True)
                for token, value in enumerate(row)
                if token not in (PAD, BOS)
            ),
            reverse=True,
        )
        ended += [(total / m**length_penalty, ids) for total, ids in ranked[:width] if ids[-1] == EOS]
        still_open = [(total, ids) for total, ids in ranked if ids[-1] != EOS][:width]
        if len(ended) >= width:
            break
    else:
        cut = [(total / limit**length_penalty, ids) for total, ids in still_open]
        return (sorted(ended, reverse=True) + cut)[:width]
    return sorted(ended, reverse=True)[:width]


def all_sequences(
    model: EncoderDecoder, source: list[int], length_penalty: float, limit: int
) -> list[tuple[float, tuple[int, ...]]]:
    """Score every sequence of at most `limit` tokens that ends with eos; return (score, ids), best first."""
    words = range(UNK, model.config.target_vocab)
    scored = []
    for m in range(1, limit + 1):
        every = [(*prefix, EOS) for prefix in itertools.product(words, repeat=m - 1)]
        totals = sum(
            after(model, source, [ids[:t] for ids in every]).gather(
                1, torch.tensor([[ids[t]] for ids in every])
            )
            for t in range(m)
        )
        scored += [(total / m**length_penalty, ids) for total, ids in zip(totals[:, 0].tolist(), every)]  # noqa: B905
    return sorted(scored, reverse=True)


def assert_told_by_the_model(
    model: EncoderDecoder, source: list[int], h: Hypothesis, length_penalty: float
) -> None:
    """Compare what a hypothesis says of itself with teacher forcing of its tokens."""
    src = torch.tensor([source])
    with torch.no_grad():
        logits, alignment = model(src, src != PAD, torch.tensor([[BOS, *h.ids[:-1]]]))
    log_probs = logits[0].log_softmax(dim=-1).gather(1, torch.tensor(h.ids).unsqueeze(1))
    assert h.log_prob == pytest.approx(float(log_probs.sum()), abs=1e-9)
    assert h.score == pytest.approx(h.log_prob / len(h.ids) ** length_penalty, abs=1e-12)
    assert h.finished == (h.ids[-1] == EOS) and EOS not in h.ids[:-1] and not {PAD, BOS} & set(h.ids)
    assert (h.alignment is None) == (alignment is None)
    if alignment is not None:
        np.testing.assert_allclose(h.alignment, alignment[0].numpy(), atol=1e-9, rtol=0)


def search(
    find: Callable, model: EncoderDecoder, sources: list[list[int]], extra: int = 0, **settings: object
) -> list:
    """Call a search with a padded batch of sources that end with eos."""
    src = pad(sources, max(len(source) for source in sources) + extra)
    return find(model, src, src != PAD, **{"max_length": LIMIT, **settings})


@pytest.mark.parametrize("attention", ALL)
@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
def test_a_beam_of_one_is_greedy(attention: str, length_penalty: float) -> None:
    for seed in range(3):
        model = tiny(attention, seed)
        found = search(beam, model, SOURCES, width=1, length_penalty=length_penalty)
        for one, other in zip(found, decode(model, SOURCES), strict=True):
            assert_equal(dataclasses.replace(one, score=other.score), other)


@pytest.mark.parametrize("attention", ["additive", "transformer"])
@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 1.0])
@pytest.mark.parametrize(("words", "limit"), [(5, 7), (7, 4), (11, 3)])
def test_a_beam_of_full_width_is_exhaustive_search(
    attention: str, length_penalty: float, words: int, limit: int
) -> None:
    narrow_was_worse = 0
    for seed in range(2):
        model = tiny(attention, seed, target_vocab=words)
        width = (words - 3) ** (limit - 1) * (words - 2)  # room for every candidate of the last step
        settings = {"length_penalty": length_penalty, "max_length": limit}
        every = all_sequences(model, SOURCES[4], length_penalty, limit)
        (best,) = search(beam, model, [SOURCES[4]], width=width, **settings)
        assert tuple(best.ids) == every[0][1] and best.finished
        assert best.score == pytest.approx(every[0][0], abs=1e-9)
        (ranked,) = search(n_best, model, [SOURCES[4]], width=width, **settings)
        ranked = [h for h in ranked if h.finished]
        assert [tuple(h.ids) for h in ranked] == [ids for _, ids in every]
        for narrow in (1, 2, 3, 5):
            (other,) = search(beam, model, [SOURCES[4]], width=narrow, **settings)
            assert not other.finished or other.score <= best.score + 1e-9  # no width finds more than there is
            narrow_was_worse += other.ids != best.ids
    assert narrow_was_worse or words == 5  # else narrow beams were exhaustive too


@pytest.mark.parametrize("attention", KINDS)
@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
@pytest.mark.parametrize("width", [2, 5])
def test_beam_search_is_what_a_plain_list_of_prefixes_gives(
    attention: str, length_penalty: float, width: int
) -> None:
    for seed, limit in ((0, 11), (1, 3)):
        model = tiny(attention, seed)
        settings = {"width": width, "length_penalty": length_penalty, "max_length": limit}
        sources = SOURCES[::2]
        best, ranked = (search(find, model, sources, extra=2, **settings) for find in (beam, n_best))
        for source, one, several in zip(sources, best, ranked, strict=True):
            expected = plain_beam(model, source, width, length_penalty, limit)
            assert [tuple(h.ids) for h in several] == [ids for _, ids in expected]
            assert [h.score for h in several] == pytest.approx([score for score, _ in expected], abs=1e-9)
            assert tuple(one.ids) == expected[0][1]


@pytest.mark.parametrize("attention", ALL)
def test_a_beam_in_a_batch_equals_its_rows_one_by_one(attention: str) -> None:
    lengths = set()
    for seed in range(3):
        model = tiny(attention, seed)
        together = search(n_best, model, SOURCES, width=3, extra=5)
        backwards = search(n_best, model, SOURCES[::-1], width=3)[::-1]
        for source, one, other in zip(SOURCES, together, backwards, strict=True):
            (alone,) = search(n_best, model, [source], width=3)
            for a, b, c in zip(one, other, alone, strict=True):
                assert_equal(a, c)
                assert_equal(b, c)
            lengths.update(len(h.ids) for h in alone)
    assert len(lengths) > 3


@pytest.mark.parametrize("attention", ALL)
@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
def test_every_hypothesis_is_told_by_the_model(attention: str, length_penalty: float) -> None:
    model = tiny(attention, seed=1)
    found = search(n_best, model, SOURCES, extra=2, width=5, length_penalty=length_penalty)
    best = search(beam, model, SOURCES, width=5, length_penalty=length_penalty)
    for source, hypotheses, one in zip(SOURCES, found, best, strict=True):
        for h in hypotheses:
            assert_told_by_the_model(model, source, h, length_penalty)
        assert_equal(hypotheses[0], one)
        assert len({tuple(h.ids) for h in hypotheses}) == len(hypotheses) == 5
        order = [(not h.finished, -h.score) for h in hypotheses]
        assert order == sorted(order)


def test_the_length_limit_of_a_beam_is_kept_and_said() -> None:
    endless = tiny(seed=1)
    with torch.no_grad():
        endless.W_o.bias[EOS] = -1e4
    for hypotheses in search(n_best, endless, SOURCES, width=3, max_length=5):
        assert [(len(h.ids), h.finished) for h in hypotheses] == [(5, False)] * 3
    for h in search(beam, endless, SOURCES, width=3, max_length=1):
        assert len(h.ids) == 1 and not h.finished and h.alignment.shape[0] == 1
    both = [h for seed in range(3) for h in search(n_best, tiny(seed=seed), SOURCES, width=5, max_length=2)]
    mixed = [[h.finished for h in hypotheses] for hypotheses in both]
    assert all(marks == sorted(marks, reverse=True) for marks in mixed)  # a cut one after all finished ones
    assert any(len(set(marks)) == 2 for marks in mixed)


@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
def test_a_later_limit_never_loses_what_had_finished(length_penalty: float) -> None:
    grew = 0
    for seed in range(5):
        before = [-math.inf] * len(SOURCES)
        for limit in (1, 2, 3, 5, 7, 11, 13):
            found = search(
                beam, tiny(seed=seed), SOURCES, width=3, length_penalty=length_penalty, max_length=limit
            )
            scores = [h.score if h.finished else -math.inf for h in found]
            assert all(new >= old - 1e-9 for new, old in zip(scores, before, strict=True))
            grew += sum(new > old + 1e-9 > -math.inf for new, old in zip(scores, before, strict=True))
            before = scores
    assert grew


class Told(EncoderDecoder):
    """A model whose next-token probabilities stand in a table; its state is what it has written so far."""

    def __init__(self, table: dict[str, dict[str, float]]) -> None:
        super().__init__()
        self.config = ModelConfig(5, 4 + len(LETTERS), attention="none")
        self.table, self.rows = table, []

    def encode(self, src: Tensor, src_mask: Tensor, lengths: Tensor | None = None) -> tuple[Memory, Tensor]:
        """Read nothing."""
        nothing = torch.zeros(len(src), src.shape[1], 1)
        return Memory(nothing, nothing, src_mask, nothing[:, 0]), torch.zeros(len(src), 0, dtype=torch.int64)

    def step(self, y_prev: Tensor, state: Tensor, memory: Memory) -> Step:
        """Look the prefix up; what is not in the table ends."""
        self.rows.append(len(y_prev))
        state = torch.cat([state, y_prev.unsqueeze(1)], dim=1)
        logits = torch.full((len(state), self.config.target_vocab), -60.0)
        for row, prefix in enumerate(state.tolist()):
            for letter, p in self.table.get("".join(LETTERS[i - 4] for i in prefix[1:]), {".": 1.0}).items():
                logits[row, EOS if letter == "." else 4 + LETTERS.index(letter)] = math.log(p)
        return Step(logits, state, logits, None)


LETTERS = "abc"
GARDEN = {  # the probable first word leads to a fork, the other one straight home
    "": {"a": 0.6, "b": 0.4},
    "a": {"a": 0.4, "b": 0.35, ".": 0.25},
    "b": {"c": 0.1, ".": 0.9},
}
CROWDED = {  # two fair continuations of b push out the only good way on
    "": {"a": 0.4, "b": 0.35, "c": 0.25},
    "a": {"a": 0.3, "b": 0.25, "c": 0.25, ".": 0.2},
    "b": {"a": 0.46, "b": 0.44, "c": 0.1},
    "c": {"a": 0.3, "b": 0.3, "c": 0.3, ".": 0.1},
    **{prefix: {"a": 0.4, "b": 0.3, "c": 0.3} for prefix in ("ba", "bb")},
}


def told(table: dict[str, dict[str, float]], **settings: object) -> tuple[str, float]:
    """Search a table; return the letters and the probability."""
    (h,) = search(beam, Told(table), [[4, EOS]], **settings)
    return "".join(LETTERS[i - 4] for i in h.ids if i != EOS), math.exp(h.log_prob)


def test_a_beam_of_two_finds_what_greedy_misses() -> None:
    assert told(GARDEN, width=1) == ("aa", pytest.approx(0.6 * 0.4))
    assert told(GARDEN, width=2, length_penalty=0.0) == ("b", pytest.approx(0.4 * 0.9))


def test_a_wider_beam_can_find_less() -> None:
    assert told(CROWDED, width=1, length_penalty=0.0) == ("aa", pytest.approx(0.12))
    assert told(CROWDED, width=2, length_penalty=0.0) == ("baa", pytest.approx(0.35 * 0.46 * 0.4))
    assert told(CROWDED, width=7, length_penalty=0.0) == ("aa", pytest.approx(0.12))


def test_the_length_penalty_compares_means() -> None:
    table = {"": {"a": 0.6, ".": 0.4}, "a": {"a": 0.6, "b": 0.4}}
    assert told(table, width=2, length_penalty=0.0) == ("", pytest.approx(0.4))
    assert told(table, width=2, length_penalty=1.0) == ("aa", pytest.approx(0.36))  # 3 tokens: a mean of 0.71


def test_finished_sentences_leave_and_the_memory_stays_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, rows = [], Memory.rows
    monkeypatch.setattr(Memory, "rows", lambda self, index: calls.append(len(index)) or rows(self, index))
    model = Told(GARDEN)
    search(beam, model, [[4, EOS], [4, 4, EOS]], width=2, length_penalty=0.0)
    assert model.rows == [2, 4, 4] and calls == [4]  # one root a sentence


# The tree


def path(nodes: list[Node], node: Node) -> list[int]:
    """Return the tokens from below the root to a node."""
    return [] if node.parent is None else [*path(nodes, nodes[node.parent]), node.token]


@pytest.mark.parametrize("attention", KINDS)
@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
@pytest.mark.parametrize("width", [1, 3])
def test_the_tree_holds_what_the_beam_found(attention: str, length_penalty: float, width: int) -> None:
    for seed in range(2):
        model, settings = tiny(attention, seed), {"width": width, "length_penalty": length_penalty}
        for source in SOURCES:
            src = torch.tensor(source)
            nodes = tree(model, src, src != PAD, max_length=LIMIT, **settings)
            (best,) = search(beam, model, [source], **settings)
            ends = [n for n in nodes if n.status == "finished"]
            if best.finished:
                end = max(ends, key=lambda n: n.score)
                assert path(nodes, end) == best.ids
                assert (end.log_prob, end.score) == pytest.approx((best.log_prob, best.score), abs=1e-9)
            else:
                assert not ends
            assert_grown(nodes, width, length_penalty)


def assert_grown(nodes: list[Node], width: int, length_penalty: float) -> None:
    """Check that a tree is one, and that each step kept the best."""
    assert [n.id for n in nodes] == list(range(len(nodes)))
    assert nodes[0] == Node(0, None, 0, BOS, 0.0, 0.0, "kept")
    assert json.loads(json.dumps([dataclasses.asdict(n) for n in nodes]))[-1]["id"] == len(nodes) - 1
    for node in nodes[1:]:
        parent = nodes[node.parent]
        assert parent.id < node.id and parent.step == node.step - 1 and parent.status == "kept"
        assert node.log_prob <= parent.log_prob
        assert node.score == pytest.approx(node.log_prob / node.step**length_penalty)
        assert (node.token == EOS) or node.status != "finished"
        assert (node.token != EOS) or node.status != "kept"
    for _, step in itertools.groupby(nodes[1:], key=lambda n: n.step):
        ranked = list(step)
        assert [n.log_prob for n in ranked] == sorted((n.log_prob for n in ranked), reverse=True)
        assert len({tuple(path(nodes, n)) for n in ranked}) == len(ranked) <= 2 * width
        assert [n.status for n in ranked if n.token == EOS] == [
            "finished" if rank < width else "pruned" for rank, n in enumerate(ranked) if n.token == EOS
        ]
        others = [n.status for n in ranked if n.token != EOS]
        assert others == ["kept"] * min(width, len(others)) + ["pruned"] * (len(others) - width)


def test_the_tree_of_a_search_by_hand() -> None:
    src = torch.tensor([4, EOS])
    nodes = tree(Told(GARDEN), src, src != PAD, width=2, length_penalty=0.0, max_length=2)
    told = [(n.id, n.parent, n.step, n.token, round(math.exp(n.log_prob), 3), n.status) for n in nodes]
    a, b, c = 4, 5, 6
    assert told[:3] == [(0, None, 0, BOS, 1, "kept"), (1, 0, 1, a, 0.6, "kept"), (2, 0, 1, b, 0.4, "kept")]
    assert [row[4:] for row in told[3:5]] == [(0, "pruned")] * 2  # c, eos and unk have no probability here
    assert told[5:] == [
        (5, 2, 2, EOS, 0.36, "finished"),
        (6, 1, 2, a, 0.24, "kept"),
        (7, 1, 2, b, 0.21, "kept"),
        (8, 1, 2, EOS, 0.15, "pruned"),
    ]
    assert c not in [row[3] for row in told[5:]]


def test_a_tree_is_of_one_sentence() -> None:
    src = pad(SOURCES)
    with pytest.raises(ValueError, match=r"tree wants one sentence, .* got \(5, 8\) and \(5, 8\)"):
        tree(tiny(), src, src != PAD)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"width": 0}, r"the beam must have a width from 1 \(greedy\) to 1024 hypotheses .*; got 0"),
        ({"width": -3}, "got -3"),
        ({"width": 1025}, "to 1024 hypotheses .*; got 1025"),
        ({"max_length": 0}, "max_length must be at least 1 token; got 0"),
        ({"length_penalty": -0.5}, "length_penalty must be a number from 0 .* got -0.5"),
        ({"length_penalty": math.nan}, "got nan"),
        ({"length_penalty": math.inf}, "got inf"),
    ],
)
def test_searches_that_cannot_be(settings: dict, words: str) -> None:
    src = torch.tensor([[5, EOS]])
    for find in (beam, n_best):
        with pytest.raises(ValueError, match=words):
            find(tiny(), src, src != PAD, **settings)
    with pytest.raises(ValueError, match=words):
        tree(tiny(), src[0], src[0] != PAD, **settings)


def test_the_vocabulary_bounds_the_width() -> None:
    with pytest.raises(ValueError, match="to 1031 hypotheses .the vocabulary.; got 1033"):
        search(beam, tiny(target_vocab=1031), SOURCES, width=1033)


@pytest.mark.parametrize("find", [beam, n_best, lambda *args, **more: sample(*args, seed=0, **more)])
def test_every_search_turns_dropout_off_and_the_mode_back(find: Callable) -> None:
    quiet = search(find, tiny(dropout=0.5), SOURCES)
    model = tiny(dropout=0.5).train()
    for one, other in zip(search(find, model, SOURCES), quiet, strict=True):
        best, same = (h if isinstance(h, Hypothesis) else h[-1] for h in (one, other))
        assert_equal(best, same)
    assert model.training
    with pytest.raises(ValueError, match="row 0 of the source has no real token"):
        search(find, model, [[PAD, PAD]])
    assert model.training
