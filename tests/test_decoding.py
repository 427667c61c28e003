"""Greedy decoding: a batch equals its rows one by one, the model sees its own output only, stops at eos."""

import inspect
import math

import numpy as np
import pytest
import torch

from seq2seq_edu.batching import Vocabulary, pad
from seq2seq_edu.checkpoints import Checkpoint
from seq2seq_edu.decoding import Hypothesis, Translator, greedy
from seq2seq_edu.model import BOS, EOS, PAD, UNK, ModelConfig, Seq2Seq
from seq2seq_edu.modules import ATTENTIONS
from seq2seq_edu.subwords import Subwords

ALL = tuple(ATTENTIONS)
SIZES = {"source_vocab": 13, "target_vocab": 11, "d_e": 3, "d_h": 10, "d_s": 7, "d_a": 5, "d_r": 7}
SOURCES = [[5, 6, 7, 8, 9, 10, 11, EOS], [5, EOS], [12, 4, 4, EOS], [7, 7, EOS], [10, 6, 11, 4, 9, EOS]]
LIMIT = 17


def tiny(attention: str = "additive", seed: int = 0, **changes: object) -> Seq2Seq:
    """Build a small model whose outputs differ in length: large parameters, and eos as likely as not."""
    torch.manual_seed(seed)
    sizes = {**SIZES, "dropout": 0.0, **changes}
    if attention == "dot":
        sizes["d_s"] = sizes["d_h"]
    model = Seq2Seq(ModelConfig(attention=attention, **sizes))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4)
        model.W_o.bias[EOS] = 2.0
    return model.eval()


def decode(model: Seq2Seq, sources: list[list[int]], limit: int = LIMIT, extra: int = 0) -> list[Hypothesis]:
    """Decode a padded batch of sources that end with eos."""
    src = pad(sources, max(len(source) for source in sources) + extra)
    return greedy(model, src, src != PAD, max_length=limit)


def assert_equal(one: Hypothesis, other: Hypothesis) -> None:
    """Compare tokens exactly, numbers to 1e-5."""
    assert (one.ids, one.finished) == (other.ids, other.finished)
    assert one.log_prob == pytest.approx(other.log_prob, abs=1e-5)
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
        for source, hypothesis in zip(SOURCES, decode(model, SOURCES), strict=True):
            prefix, log_prob, src = [BOS], 0.0, torch.tensor([source])
            while prefix[-1] != EOS and len(prefix) <= LIMIT:
                with torch.no_grad():
                    logits, alignment = model(src, src != PAD, torch.tensor([prefix]))
                log_probs = logits[0, -1].log_softmax(dim=-1)
                log_probs[[PAD, BOS]] = -math.inf
                prefix.append(int(log_probs.argmax()))
                log_prob += float(log_probs.max())
            weights = None if alignment is None else alignment[0].numpy()
            expected = Hypothesis(prefix[1:], log_prob, weights, prefix[-1] == EOS)
            assert_equal(hypothesis, expected)


def test_greedy_takes_no_target() -> None:
    assert list(inspect.signature(greedy).parameters) == ["model", "src", "src_mask", "max_length"]
    assert list(inspect.signature(Seq2Seq.encode).parameters) == ["self", "src", "src_mask", "lengths"]


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


def test_a_row_without_a_token_is_refused() -> None:
    with pytest.raises(ValueError, match="row 1 of the source has no real token"):
        decode(tiny(), [[5, EOS], [PAD, PAD]])


def test_the_mode_is_put_back_after_an_error_too() -> None:
    model = tiny().train()
    with pytest.raises(ValueError):
        decode(model, [[PAD, PAD]])
    assert model.training


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="max_length must be at least 1 token; got 0"):
        decode(tiny(), SOURCES, limit=0)


# Text to text

SOURCE = Vocabulary("abcdefghi")
TARGET = Vocabulary("tuvwxyz")


def translator(attention: str = "scaled") -> Translator:
    """Translate letters to letters with a small model."""
    return Translator(tiny(attention, seed=3), SOURCE, TARGET)


def test_translations_come_in_the_order_of_the_sentences() -> None:
    sentences = ["a b c d e f", "g", "h i h", "b", "c a", "i h g f e d c b a"]
    alone = [translator().translate([sentence])[0] for sentence in sentences]
    for batch_size in (1, 2, 64):
        found = translator().translate(sentences, batch_size=batch_size, max_length=100)
        assert [t.text for t in found] == [t.text for t in alone]
        assert [t.source_tokens for t in found] == [[*s.split(), "<eos>"] for s in sentences]
    assert len({t.text for t in alone}) > 2


def test_a_translation_says_all_about_itself() -> None:
    (translation,) = translator().translate(["a q b"], max_length=7)
    ids = [*SOURCE.encode("a q b"), EOS]
    hypothesis = decode(translator().model, [ids], limit=7)[0]
    assert translation.source_tokens == ["a", "<unk>", "b", "<eos>"] and translation.unknown == ["<unk>"]
    assert translation.target_tokens == TARGET.tokens(hypothesis.ids)
    assert translation.text == TARGET.decode(hypothesis.ids) and "<eos>" not in translation.text
    assert translation.log_prob == pytest.approx(hypothesis.log_prob, abs=1e-6)
    assert translation.finished == hypothesis.finished
    assert translation.alignment.shape == (len(translation.target_tokens), 4)
    assert translator("none").translate(["a"])[0].alignment is None


def test_a_translator_comes_from_a_checkpoint() -> None:
    model = tiny()
    made = Translator.of(Checkpoint(model, SOURCE, TARGET, {}))
    assert (made.model, made.source_text, made.target_text) == (model, SOURCE, TARGET)


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("", "sentence 2 is empty: give at least one word"),
        ("  \t", "sentence 2 is empty"),
        ("q r s", "sentence 2 .'q r s'. has only words that the model has never seen.*source language"),
        ("a " * 8, "sentence 2 .*has 8 tokens, more than the limit of 7: split it"),
        ("a" * 300, "sentence 2 .'a{40}[.]{3}'. has only words"),
        ("<pad> <eos>", "has only words that the model has never seen"),
    ],
)
def test_sentences_that_cannot_be_translated(sentence: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        translator().translate(["a b", sentence], max_source=7)


def test_special_tokens_in_a_sentence_do_no_harm() -> None:
    assert SOURCE.encode("a <pad> b") == [4, UNK, 5]
    (translation,) = translator().translate(["a <pad> b"])
    assert translation.alignment.shape[1] == 4


def test_nothing_to_translate_is_nothing() -> None:
    assert translator().translate([]) == []


def test_a_blank_piece_makes_no_known_word() -> None:
    text = Subwords.train(["a cat", "the cat", "a dog"], vocab_size=18)
    unknown = text.encode("猫")
    assert unknown[0] != UNK, "sentencepiece writes a blank before the word, and knows the blank"
    translator = Translator(tiny(source_vocab=len(text)), text, text)
    with pytest.raises(ValueError, match="only words that the model has never seen"):
        translator.translate(["猫"])
