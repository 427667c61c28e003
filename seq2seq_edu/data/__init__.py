"""Sentences in, numbers out: text, batches, subwords, corpora, and generated tasks with gold links."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seq2seq_edu.data.batches import Batch, IdPair, length_buckets, make_batch, pad
    from seq2seq_edu.data.examples import Example, Link, split
    from seq2seq_edu.data.subwords import Subwords
    from seq2seq_edu.data.tasks import reversal
    from seq2seq_edu.data.text import BOS, EOS, PAD, SPECIAL, UNK, Text, Vocabulary

__all__ = [
    "BOS",
    "EOS",
    "PAD",
    "SPECIAL",
    "UNK",
    "Batch",
    "Example",
    "IdPair",
    "Link",
    "Subwords",
    "Text",
    "Vocabulary",
    "length_buckets",
    "make_batch",
    "pad",
    "reversal",
    "split",
]
PLACES = {
    "text": ("BOS", "EOS", "PAD", "SPECIAL", "UNK", "Text", "Vocabulary"),
    "batches": ("Batch", "IdPair", "length_buckets", "make_batch", "pad"),
    "examples": ("Example", "Link", "split"),
    "subwords": ("Subwords",),
    "tasks": ("reversal",),
}


def __getattr__(name: str) -> Any:
    """Load a name when it is first asked for: batches need PyTorch, the rest does not."""
    for module, names in PLACES.items():
        if name in names:
            return getattr(import_module(f"seq2seq_edu.data.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
