"""The translator: text in, text out, in the order given; and the models that come with the project."""

from pathlib import Path

import pytest
import torch

from seq2seq_edu.data import EOS, UNK, Subwords, Vocabulary
from seq2seq_edu.decoding import Translator, beam, find_pair, greedy
from seq2seq_edu.decoding import translator as module
from seq2seq_edu.decoding.translator import pairs
from seq2seq_edu.models import ModelConfig, Seq2Seq
from seq2seq_edu.training import Checkpoint, CheckpointError

SOURCE = Vocabulary("abcdefghi")
TARGET = Vocabulary("tuvwxyz")
SENTENCES = ["a b c d e f", "g", "h i h", "b", "c a", "i h g f e d c b a"]


def tiny(attention: str = "additive", source_vocab: int = 13) -> Seq2Seq:
    """Build a small model whose outputs differ in length: large parameters, and eos as likely as not."""
    torch.manual_seed(3)
    model = Seq2Seq(ModelConfig(source_vocab, 11, attention, d_e=3, d_h=10, d_s=7, d_a=5, d_r=7, dropout=0.0))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4)
        model.W_o.bias[EOS] = 2.0
    return model.eval()


def translator(attention: str = "scaled") -> Translator:
    """Translate letters to letters with a small model."""
    return Translator(tiny(attention), SOURCE, TARGET)


@pytest.mark.parametrize("width", [1, 3])
def test_translations_come_in_the_order_of_the_sentences(width: int) -> None:
    alone = [translator().translate([sentence], width=width)[0] for sentence in SENTENCES]
    for batch_size in (1, 2, 64):
        found = translator().translate(SENTENCES, width=width, batch_size=batch_size, max_length=100)
        assert [t.text for t in found] == [t.text for t in alone]
        assert [t.source_tokens for t in found] == [[*s.split(), "<eos>"] for s in SENTENCES]
    assert len({t.text for t in alone}) > 2


@pytest.mark.parametrize("settings", [{}, {"width": 3}, {"width": 3, "length_penalty": 0.0}])
def test_a_translation_says_all_about_itself(settings: dict) -> None:
    (translation,) = translator().translate(["a q b"], max_length=7, **settings)
    src = torch.tensor([[*SOURCE.encode("a q b"), EOS]])
    search = beam if settings else greedy
    (hypothesis,) = search(translator().model, src, src > 0, max_length=7, **settings)
    assert translation.source_tokens == ["a", "<unk>", "b", "<eos>"] and translation.unknown == ["<unk>"]
    assert translation.target_tokens == TARGET.tokens(hypothesis.ids)
    assert translation.text == TARGET.decode(hypothesis.ids) and "<eos>" not in translation.text
    assert translation.log_prob == pytest.approx(hypothesis.log_prob, abs=1e-6)
    assert translation.finished == hypothesis.finished
    assert translation.alignment.shape == (len(translation.target_tokens), 4)
    assert translator("none").translate(["a"], **settings)[0].alignment is None


def test_every_setting_of_the_search_reaches_it() -> None:
    found = {}
    for width in (1, 2, 5):
        for length_penalty in (0.0, 1.0):
            made = translator().translate(SENTENCES, width=width, length_penalty=length_penalty)
            found[width, length_penalty] = tuple(t.text for t in made)
    assert found[1, 0.0] == found[1, 1.0] and len(set(found.values())) >= 4


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


# The models that come with the project


def test_pairs_beside_the_package_and_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, beside = tmp_path / "here", tmp_path / "checkout"
    for folder, pair in ((here, "fr-en"), (here, "zh-en"), (beside, "zh-en"), (beside, "en-zh")):
        (folder / "checkpoints" / pair).mkdir(parents=True)
        (folder / "checkpoints" / pair / "model.safetensors").touch()
    (here / "checkpoints" / "half-done").mkdir()
    monkeypatch.setattr(module, "__file__", str(beside / "seq2seq_edu" / "decoding" / "translator.py"))
    monkeypatch.chdir(here)
    assert {name: folder.resolve() for name, folder in pairs().items()} == {
        "fr-en": here / "checkpoints" / "fr-en",
        "zh-en": beside / "checkpoints" / "zh-en",
        "en-zh": beside / "checkpoints" / "en-zh",
    }
    assert find_pair("en-zh") == beside / "checkpoints" / "en-zh"
    for unknown in ("de-en", "half-done", "../checkpoints/zh-en", ""):
        with pytest.raises(
            CheckpointError, match="no checkpoint for the pair .*choose from fr-en, zh-en, en-zh$"
        ):
            find_pair(unknown)


def test_no_pair_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        module, "__file__", str(tmp_path / "site-packages" / "seq2seq_edu" / "decoding" / "translator.py")
    )
    monkeypatch.chdir(tmp_path)
    assert pairs() == {}
    with pytest.raises(
        CheckpointError, match="nor for any other.*checkout of the project, or give --checkpoint"
    ):
        find_pair("zh-en")
