"""Batching: text survives, a batch is what it says, and an epoch holds every pair exactly once."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2seq_edu.data import (
    BOS,
    EOS,
    PAD,
    SPECIAL,
    UNK,
    Vocabulary,
    length_buckets,
    make_batch,
    pad,
)

WORDS = ["the", "dog", "狗", "sleeps", ","]
VOCABULARY = Vocabulary(WORDS)
ids = st.integers(4, 12)
id_pairs = st.tuples(st.lists(ids, min_size=1, max_size=7), st.lists(ids, max_size=11))

# Words


def test_ids_of_the_special_tokens() -> None:
    assert (PAD, BOS, EOS, UNK) == (0, 1, 2, 3)
    assert VOCABULARY.tokens([PAD, BOS, EOS, UNK]) == list(SPECIAL)
    assert len(VOCABULARY) == 9 and VOCABULARY.kind == "words"


@given(st.lists(st.sampled_from(WORDS)))
def test_text_survives(words: list[str]) -> None:
    text = " ".join(words)
    assert VOCABULARY.decode([BOS, *VOCABULARY.encode(text), EOS, PAD, PAD]) == text
    assert VOCABULARY.tokens(VOCABULARY.encode(text)) == words
    assert VOCABULARY.encode(words) == VOCABULARY.encode(text)


def test_unknown_words_are_unk_and_shown() -> None:
    assert VOCABULARY.encode("the cat sleeps") == [4, UNK, 7]
    assert VOCABULARY.decode([4, UNK, 7]) == "the <unk> sleeps"
    assert VOCABULARY.encode("") == VOCABULARY.encode("  ") == []


def test_special_tokens_in_a_text_are_unknown_words() -> None:
    assert VOCABULARY.encode("<pad> <bos> dog <eos> <unk>") == [UNK, UNK, 5, UNK, UNK]


def test_words_are_numbered_as_they_come_and_only_from_what_is_given() -> None:
    built = Vocabulary.build(["a b a", ("c", "a")])
    assert built.words == [*SPECIAL, "a", "b", "c"]
    assert Vocabulary.build([]).words == list(SPECIAL)


def test_bytes_keep_the_vocabulary() -> None:
    again = Vocabulary.from_bytes(VOCABULARY.to_bytes())
    assert again.words == VOCABULARY.words and again.encode("狗 ,") == VOCABULARY.encode("狗 ,")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a", "b", "a"], "'a' stands in the vocabulary more than once"),
        (["a", ""], "non-empty, without spaces and not special; got ''"),
        (["a b"], "got 'a b'"),
        (["<eos>"], "got '<eos>'"),
    ],
)
def test_bad_words(words: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Vocabulary(words)


# One batch


def test_a_batch_by_hand() -> None:
    batch = make_batch([([5, 6, 7], [9]), ([8], [10, 11, 12]), ([4, 4], [])])
    assert batch.src.tolist() == [[8, EOS, 0, 0], [5, 6, 7, EOS], [4, 4, EOS, 0]]
    assert batch.tgt_in.tolist() == [[BOS, 10, 11, 12], [BOS, 9, 0, 0], [BOS, 0, 0, 0]]
    assert batch.tgt_out.tolist() == [[10, 11, 12, EOS], [9, EOS, 0, 0], [EOS, 0, 0, 0]]
    assert batch.src_mask.tolist() == (batch.src != PAD).tolist()
    assert batch.tgt_mask.tolist() == (batch.tgt_out != PAD).tolist()
    assert (batch.src_lengths, batch.tgt_lengths, batch.index) == ([2, 4, 3], [4, 2, 1], [1, 0, 2])


@given(st.lists(id_pairs, min_size=1, max_size=7), st.integers(0, 3))
def test_a_batch_holds_its_pairs(pairs: list[tuple[list[int], list[int]]], extra: int) -> None:
    batch = make_batch(pairs, extra_padding=extra)
    assert sorted(batch.index) == list(range(len(pairs)))
    assert batch.tgt_lengths == sorted(batch.tgt_lengths, reverse=True)
    assert batch.src.shape[1] == max(batch.src_lengths) + extra
    assert batch.src_mask.sum(dim=1).tolist() == batch.src_lengths
    assert batch.tgt_mask.sum(dim=1).tolist() == batch.tgt_lengths
    for b, k in enumerate(batch.index):
        source, target = pairs[k]
        assert batch.src[b][batch.src_mask[b]].tolist() == [*source, EOS]
        assert batch.tgt_in[b][batch.tgt_mask[b]].tolist() == [BOS, *target]
        assert batch.tgt_out[b][batch.tgt_mask[b]].tolist() == [*target, EOS]
    for tensor, mask in (
        (batch.src, batch.src_mask), (batch.tgt_in, batch.tgt_mask), (batch.tgt_out, batch.tgt_mask),
    ):  # fmt: skip
        assert tensor.dtype == torch.int64 and mask.dtype == torch.bool and (tensor[~mask] == PAD).all()


def test_the_input_is_the_target_one_step_later() -> None:
    batch = make_batch([([4], [5, 6, 7]), ([4, 5], [8, 9, 10])])
    assert torch.equal(batch.tgt_in[:, 1:], batch.tgt_out[:, :-1])
    assert (batch.tgt_in[:, 0] == BOS).all() and (batch.tgt_out[:, -1] == EOS).all()


def test_moving_a_batch_moves_its_tensors_and_nothing_else() -> None:
    batch = make_batch([([4], [5, 6]), ([4, 5], [8])])
    moved = batch.to("meta")
    assert moved.src.is_meta and moved.tgt_mask.is_meta and not batch.src.is_meta
    assert moved.tgt_lengths == batch.tgt_lengths and moved.index == batch.index


def test_bad_batches() -> None:
    with pytest.raises(ValueError, match="at least one sentence pair; got none"):
        make_batch([])
    with pytest.raises(ValueError, match="sentence 1 is empty: drop it"):
        make_batch([([4], [5]), ([], [6])])
    with pytest.raises(ValueError, match="no row to pad"):
        pad([])
    with pytest.raises(ValueError, match="a row has 3 tokens, more than the 2 asked for"):
        pad([[4], [5, 6, 7]], length=2)


# One epoch


@settings(max_examples=100, deadline=None)
@given(st.lists(id_pairs, max_size=61), st.integers(1, 47), st.integers(0, 5))
def test_an_epoch_holds_every_pair_once_and_keeps_the_budget(
    pairs: list[tuple[list[int], list[int]]], tokens: int, seed: int
) -> None:
    batches = list(length_buckets(pairs, tokens, (seed, 1)))
    assert sorted(k for batch in batches for k in batch) == list(range(len(pairs)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * (max(len(pairs[k][1]) for k in batch) + 1) <= tokens
    assert list(length_buckets(pairs, tokens, (seed, 1))) == batches


def many(count: int = 997) -> list[tuple[list[int], list[int]]]:
    """Make pairs whose target lengths run through 1 .. 19 in no order."""
    return [([4] * (1 + k * 7 % 5), [4] * (k * 31 % 19)) for k in range(count)]


def test_epochs_and_seeds_differ_and_short_batches_do_not_come_first() -> None:
    first = list(length_buckets(many(), 101, (0, 1)))
    assert first != list(length_buckets(many(), 101, (0, 2)))
    assert first != list(length_buckets(many(), 101, (1, 1)))
    lengths = [len(target) for _, target in many()]
    longest = [max(lengths[k] for k in batch) for batch in first]
    assert longest != sorted(longest) and longest != sorted(longest, reverse=True)


def test_batches_hold_little_padding() -> None:
    pairs = many()
    batches = list(length_buckets(pairs, 101, (0, 1)))
    real = sum(len(target) + 1 for _, target in pairs)
    padded = sum(len(batch) * (max(len(pairs[k][1]) for k in batch) + 1) for batch in batches)
    assert real / padded > 0.93
    assert len(batches) < 1.2 * real / 101


def test_a_budget_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 target position; got tokens=0"):
        list(length_buckets(many(), 0, (0,)))
