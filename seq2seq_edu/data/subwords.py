"""Subwords: text to ids and back with byte-pair encoding, trained in memory on the texts it is given."""

from __future__ import annotations

import hashlib
import io
import json
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import sentencepiece

from seq2seq_edu.data.text import BOS, EOS, PAD, SPECIAL, UNK, Vocabulary

SPACE = "▁"  # how sentencepiece writes the space before a word (U+2581)
FORMAT = "seq2seq_edu subwords 1"
SPECIAL_PIECES: dict[str, Any] = {  # in sentencepiece's own words
    "pad_id": PAD, "pad_piece": SPECIAL[PAD],
    "bos_id": BOS, "bos_piece": SPECIAL[BOS],
    "eos_id": EOS, "eos_piece": SPECIAL[EOS],
    "unk_id": UNK, "unk_piece": SPECIAL[UNK], "unk_surface": "⁇",
}  # fmt: skip


class Subwords:
    """A byte-pair encoding with the ids pad=0, bos=1, eos=2, unk=3.

    Frequent words are one piece, rare ones several: a few thousand spell every word of the training text.

    >>> texts = ["the dog sees the cat", "the cat sees the dog", "dogs and cats"]
    >>> subwords = Subwords.train(texts, vocab_size=30)
    >>> subwords.decode(subwords.encode("the dogs see the cats"))
    'the dogs see the cats'

    Sennrich, Haddow and Birch (2016), arXiv:1508.07909; Kudo and Richardson (2018), arXiv:1808.06226.
    Taught in: real_translation.
    """

    kind: ClassVar[str] = "subwords"

    def __init__(self, model: bytes, *, lowercase: bool = False) -> None:
        self._model = model
        self.lowercase = lowercase
        self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)

    @classmethod
    def train(cls, texts: Iterable[str], *, vocab_size: int, lowercase: bool = False) -> Subwords:
        """Learn the pieces from these texts and no others; the same texts give the same pieces."""
        lines = [line for line in (normalise(text, lowercase=lowercase) for text in texts) if line]
        if not lines:
            raise ValueError("no text to learn subwords from: every text given is empty")
        try:
            model = _learn(lines, vocab_size)
        except RuntimeError as error:
            characters = len(set("".join(lines)) - {" "})
            raise ValueError(
                f"cannot learn vocab_size={vocab_size} subwords from {len(lines)} texts with {characters} "
                f"different characters: each needs one, and the rest needs enough text ({error})"
            ) from error
        return cls(model, lowercase=lowercase)

    def __len__(self) -> int:
        """Count the ids, the four special ones included."""
        return int(self._processor.get_piece_size())

    def encode(self, text: str) -> list[int]:
        """Turn text into ids, without bos and eos; a character never seen in training becomes unk."""
        return list(self._processor.encode(normalise(text, lowercase=self.lowercase), out_type=int))

    def decode(self, ids: Sequence[int]) -> str:
        """Turn ids into text; pad, bos and eos leave no trace, unk is written ⁇."""
        return str(self._processor.decode(self._checked(ids)))

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """Write each id as a figure shows it: schlaf ·end, a dot before a piece that goes on with a word."""
        shown = []
        inside = False  # whether the last piece ended within a word of a script with spaces
        for piece in map(self._processor.id_to_piece, self._checked(ids)):
            plain = piece if piece in SPECIAL else piece.removeprefix(SPACE)
            goes_on = inside and piece == plain and _spaced(piece[0])
            shown.append(f"·{plain}" if goes_on else plain or SPACE)
            inside = piece not in SPECIAL and plain != "" and _spaced(plain[-1])
        return shown

    def to_bytes(self) -> bytes:
        """Write the model as bytes: a line of JSON (lowercase, length, SHA-256), then sentencepiece's own."""
        head = {"format": FORMAT, "lowercase": self.lowercase, "length": len(self._model)}
        digest = hashlib.sha256(self._model).hexdigest()
        return json.dumps({**head, "sha256": digest}).encode() + b"\n" + self._model

    @classmethod
    def from_bytes(cls, content: bytes) -> Subwords:
        """Read what :meth:`to_bytes` wrote."""
        line, _, model = content.partition(b"\n")
        if FORMAT.encode() not in line:
            raise ValueError(f"not a subword model: expected a first line with {FORMAT!r}, got {line[:60]!r}")
        head = json.loads(line)
        if hashlib.sha256(model).hexdigest() != head.get("sha256"):
            raise ValueError(
                f"subword model damaged: expected {head.get('length')} bytes, got {len(model)} or others"
            )
        return cls(model, lowercase=bool(head.get("lowercase")))

    def _checked(self, ids: Sequence[int]) -> list[int]:
        """Return plain ints, all of them in the vocabulary."""
        foreign = [i for i in ids if not 0 <= i < len(self)]
        if foreign:
            raise ValueError(
                f"id {foreign[0]} is not in this vocabulary of {len(self)}: made by another model?"
            )
        return [int(i) for i in ids]


Text = Vocabulary | Subwords  # what turns text into ids and back, and names each id


def _learn(lines: Sequence[str], vocab_size: int) -> bytes:
    """Learn a byte-pair encoding from normalised lines; return sentencepiece's model."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        model_type="bpe",
        vocab_size=vocab_size,
        character_coverage=1.0,
        normalization_rule_name="identity",  # `normalise` has done it: NFKC would turn ， into ,
        max_sentence_length=max(10, *(len(line.encode()) + 1 for line in lines)),  # none is skipped
        num_threads=1,
        minloglevel=2,
        **SPECIAL_PIECES,
    )
    return model.getvalue()


def normalise(text: str, *, lowercase: bool = False) -> str:
    """Compose accents (NFC), make white space single spaces, lower the case if asked; a ， stays a ，."""
    composed = unicodedata.normalize("NFC", text.replace("\u200b", "").replace(SPACE, " ").replace("\0", " "))
    return " ".join((composed.lower() if lowercase else composed).split())


def _spaced(character: str) -> bool:
    """Whether the character is of words set apart by spaces: letters and digits, but not Chinese."""
    wide = unicodedata.east_asian_width(character) in "WF"
    return not wide and (character.isalnum() or unicodedata.category(character).startswith("M"))
