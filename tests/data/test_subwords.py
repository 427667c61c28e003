"""Subwords: text survives encode and decode, the same text gives the same model, bad input is an error."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2seq_edu.data.subwords import BOS, EOS, PAD, UNK, Subwords, normalise

TEXTS = [
    "The dog sees the cat, and the cat sees the dog.",
    "Der Hund sieht die Katze; die Katze läuft weg!",
    "那只狗追了一只猫。",
    "猫喜欢鱼，狗也喜欢鱼吗？",
    "the dogs are sleeping: schlafende Hunde, 3 of 11",
]
MODEL = Subwords.train(TEXTS, vocab_size=110)
SEEN = sorted(set("".join(TEXTS)))


def test_special_ids() -> None:
    assert (PAD, BOS, EOS, UNK) == (0, 1, 2, 3)
    assert MODEL.tokens([PAD, BOS, EOS, UNK]) == ["<pad>", "<bos>", "<eos>", "<unk>"]
    assert len(MODEL) == 110 and MODEL.kind == "subwords" and MODEL.lowercase is False
    assert MODEL.decode([BOS, *MODEL.encode("the dog"), EOS, PAD, PAD]) == "the dog"


@pytest.mark.parametrize("text", TEXTS)
def test_training_text_survives(text: str) -> None:
    ids = MODEL.encode(text)
    assert MODEL.decode(ids) == text
    assert not {PAD, BOS, EOS, UNK} & set(ids)
    assert all(type(i) is int and i < len(MODEL) for i in ids)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=[*SEEN, " ", "\t", "\n", "\u3000", "\u200b", "▁"], max_size=23))
def test_text_of_known_characters_survives_up_to_normalisation(text: str) -> None:
    assert MODEL.decode(MODEL.encode(text)) == normalise(text)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=13))
def test_any_text_gives_ids_and_unknown_characters_are_unk(text: str) -> None:
    ids = MODEL.encode(text)
    assert (UNK in ids) == any(c not in SEEN for c in normalise(text))
    assert len(MODEL.tokens(ids)) == len(ids)
    MODEL.decode(ids)


def test_nothing_in_nothing_out() -> None:
    assert MODEL.encode("") == MODEL.encode(" \t\u3000 ") == []
    assert MODEL.decode([]) == "" and MODEL.tokens([]) == []


def test_unk_is_written_so_that_it_is_seen() -> None:
    assert MODEL.decode(MODEL.encode("the ☂ dog")) == "the ⁇ dog"


def test_special_tokens_in_text_are_only_text() -> None:
    assert EOS not in MODEL.encode("<eos>") and PAD not in MODEL.encode("<pad>")


def test_width_and_chinese_punctuation_stay() -> None:
    assert normalise("Ａ，b") == "Ａ，b" and normalise("cafe\u0301") == "café"
    assert normalise("ÄÖ Ü", lowercase=True) == "äö ü"


def test_lowercase_is_carried_in_the_bytes() -> None:
    lower = Subwords.train(TEXTS, vocab_size=100, lowercase=True)
    again = Subwords.from_bytes(lower.to_bytes())
    assert again.lowercase is True
    assert again.decode(again.encode("Der HUND")) == "der hund"
    assert again.encode("DOG") == lower.encode("dog")
    assert Subwords.from_bytes(MODEL.to_bytes()).decode(MODEL.encode("Der Hund")) == "Der Hund"


def test_training_is_deterministic_and_bytes_are_stable() -> None:
    assert Subwords.train(iter(TEXTS), vocab_size=110).to_bytes() == MODEL.to_bytes()
    assert Subwords.from_bytes(MODEL.to_bytes()).to_bytes() == MODEL.to_bytes()
    assert (
        Subwords.train(TEXTS[:-1] + ["more text to learn from"], vocab_size=110).to_bytes()
        != MODEL.to_bytes()
    )


def test_training_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    Subwords.train(TEXTS, vocab_size=100)
    assert capfd.readouterr() == ("", "")


def test_a_very_long_text_is_not_skipped() -> None:
    subwords = Subwords.train(["abc " * 5000 + "ψ"], vocab_size=10)
    assert UNK not in subwords.encode("ψ")


def test_tokens_are_readable() -> None:
    for text, tokens in {
        "the dog": ["the", "dog"],
        "dogs": ["dog", "·s"],
        "狗追猫。": ["狗", "追", "猫", "。"],
        "the cat, the dog.": ["the", "cat", ",", "the", "dog", "."],
    }.items():
        subwords = Subwords.train([*TEXTS, "the cat the dog the cat the dog " * 5, "a s a s"], vocab_size=110)
        shown = subwords.tokens(subwords.encode(text))
        assert [token for token in shown if token != "▁"] == tokens
        assert subwords.tokens([*subwords.encode(text), EOS])[-1] == "<eos>"


def test_a_word_begins_anew_after_punctuation() -> None:
    subwords = Subwords.train(["a-b a-b b", "ab a-b"], vocab_size=9)
    shown = subwords.tokens(subwords.encode("a-b ab"))
    assert shown == ["a", "-", "b", "a", "·b"]


def test_tokens_join_to_the_text() -> None:
    for text in TEXTS:
        joined = "".join(MODEL.tokens(MODEL.encode(text))).replace("·", "").replace("▁", "")
        assert joined == text.replace(" ", "")


@pytest.mark.parametrize("texts", [[], ["", " \n"]])
def test_no_text_is_an_error(texts: list[str]) -> None:
    with pytest.raises(ValueError, match="every text given is empty"):
        Subwords.train(texts, vocab_size=50)


@pytest.mark.parametrize("vocab_size", [7, 5000])
def test_impossible_size_is_an_error(vocab_size: int) -> None:
    with pytest.raises(ValueError, match=f"vocab_size={vocab_size} subwords from 5 texts with .* characters"):
        Subwords.train(TEXTS, vocab_size=vocab_size)


@pytest.mark.parametrize("bad", [-1, 110, 10**9])
def test_foreign_id_is_an_error(bad: int) -> None:
    for method in (MODEL.decode, MODEL.tokens):
        with pytest.raises(ValueError, match=f"id {bad} is not in this vocabulary of 110"):
            method([5, bad])


def test_damaged_bytes_are_an_error() -> None:
    good = MODEL.to_bytes()
    for bad in (b"", b"[1]\n", b"\xff\xfe\n", good.replace(b"subwords 1", b"subwords 2")):
        with pytest.raises(ValueError, match="not a subword model"):
            Subwords.from_bytes(bad)
    for bad in (good[:-7], good + b"x", good[:-1] + bytes([good[-1] ^ 1])):
        with pytest.raises(ValueError, match="subword model damaged"):
            Subwords.from_bytes(bad)
