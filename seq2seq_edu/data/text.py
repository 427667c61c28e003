"""Words and numbers: the four special tokens, and a vocabulary of words. Nothing here needs PyTorch."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import ClassVar

PAD, BOS, EOS, UNK = 0, 1, 2, 3
SPECIAL = ("<pad>", "<bos>", "<eos>", "<unk>")  # their names, in the order of their ids


class Vocabulary:
    """Number the words of a text that is split at spaces.

    Word k gets id k + 4, after the four special tokens. Taught in: seq2seq.

    >>> v = Vocabulary.build(["the dog slept", "the cat"])
    >>> v.encode("the bird slept"), v.decode([4, 3, 6])
    ([4, 3, 6], 'the <unk> slept')
    """

    kind: ClassVar[str] = "words"

    def __init__(self, words: Sequence[str]) -> None:
        bad = [w for w in words if not w or " " in w or w in SPECIAL]
        if bad:
            raise ValueError(f"words must be non-empty, without spaces and not special; got {bad[0]!r}")
        if len(set(words)) != len(words):
            twice = Counter(words).most_common(1)[0][0]
            raise ValueError(f"{twice!r} stands in the vocabulary more than once")
        self.words = [*SPECIAL, *words]
        self.ids = {word: i for i, word in enumerate(self.words) if i >= UNK}  # "<eos>" in a text is no eos

    @classmethod
    def build(cls, texts: Iterable[str | Sequence[str]]) -> Vocabulary:
        """Collect the words of the training texts (never of others), in the order they first come."""
        words: dict[str, None] = {}
        for text in texts:
            words.update(dict.fromkeys(text.split() if isinstance(text, str) else text))
        return cls(list(words))

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, text: str | Sequence[str]) -> list[int]:
        """Return one id a word, without bos or eos; unknown words get the id of ``<unk>``."""
        return [self.ids.get(w, UNK) for w in (text.split() if isinstance(text, str) else text)]

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """Return the word of each id."""
        return [self.words[i] for i in ids]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text: words joined by spaces, without pad, bos and eos."""
        return " ".join(self.words[i] for i in ids if i not in (PAD, BOS, EOS))

    def to_bytes(self) -> bytes:
        """Return the vocabulary as bytes, for a checkpoint."""
        return json.dumps(self.words[4:], ensure_ascii=False).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Vocabulary:
        """Read what :meth:`to_bytes` wrote."""
        return cls(json.loads(data.decode()))
