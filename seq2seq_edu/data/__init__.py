"""Sentences in, numbers out: text, batches, subwords, corpora, and generated tasks with gold links."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from seq2seq_edu.data.examples import Example, Link, reversal, split
from seq2seq_edu.data.text import BOS, EOS, PAD, SPECIAL, UNK, Vocabulary

if TYPE_CHECKING:
    from seq2seq_edu.data.batches import Batch, IdPair, length_buckets, make_batch, pad
    from seq2seq_edu.data.subwords import Subwords, Text

__all__ = [
    "BOS", "EOS", "PAD", "SPECIAL", "UNK", "Vocabulary",
    "Example", "Link", "reversal", "split",
    "Batch", "IdPair", "length_buckets", "make_batch", "pad",
    "Subwords", "Text",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Load the rest when it is first asked for: batches need PyTorch, subwords need sentencepiece."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "subwords" if name in ("Subwords", "Text") else "batches"
    return getattr(import_module(f"seq2seq_edu.data.{module}"), name)
