"""Text in, text out: a model, its vocabularies and a search make a translator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seq2seq_edu.data import EOS, PAD, UNK, Text, pad
from seq2seq_edu.decoding.search import beam, greedy
from seq2seq_edu.decoding.search_tree import Hypothesis, check_search
from seq2seq_edu.models import EncoderDecoder
from seq2seq_edu.training import Checkpoint, CheckpointError

RELEASED = "model.safetensors"  # in checkpoints/PAIR


def pairs() -> dict[str, Path]:
    """Return the folders of trained models, in ``checkpoints`` beside the package or here, by pair."""
    beside = Path(__file__).resolve().parents[2] / "checkpoints"
    folders = (Path("checkpoints"), beside)
    files = [file for folder in folders for file in sorted(folder.glob(f"*/{RELEASED}"))]
    return {file.parent.name: file.parent for file in files}  # of two the last counts: the package's own


def find_pair(pair: str) -> Path:
    """Return the folder of the trained model of a language pair.

    Parameters
    ----------
    pair : str. Source and target language, such as ``zh-en``.

    Returns
    -------
    folder : Path. For :func:`seq2seq_edu.training.load_checkpoint`; CheckpointError lists what is there.
    """
    here = pairs()
    if pair in here:
        return here[pair]
    nowhere = (
        ", nor for any other: there is no folder checkpoints with one beside the package or here; "
        "run this in a checkout of the project, or give --checkpoint"
    )
    cure = f": choose from {', '.join(here)}" if here else nowhere
    raise CheckpointError(f"there is no checkpoint for the pair {pair!r}{cure}")


@dataclass(frozen=True)
class Translation:
    """A translated sentence: tokens of both sides (each with its final ``<eos>``) and the weights between.

    ``alignment`` (m, n) has one row a target token and one column a source token, or is None without
    attention; ``log_prob`` is a natural log-probability; ``finished`` is False where the length limit was
    reached; ``unknown`` lists source tokens that the model has never seen.
    """

    source_tokens: list[str]
    target_tokens: list[str]
    text: str
    alignment: np.ndarray | None
    log_prob: float
    finished: bool
    unknown: list[str]


class Translator:
    """Translate text with a model and what turns text into ids and back, on either side."""

    def __init__(self, model: EncoderDecoder, source_text: Text, target_text: Text) -> None:
        self.model, self.source_text, self.target_text = model, source_text, target_text

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> Translator:
        """Make a translator of a loaded checkpoint."""
        return cls(checkpoint.model, checkpoint.source_text, checkpoint.target_text)

    def translate(
        self,
        sentences: Sequence[str],
        *,
        width: int = 1,
        length_penalty: float = 1.0,
        batch_size: int = 64,
        max_source: int = 200,
        max_length: int = 100,
    ) -> list[Translation]:
        """Translate sentences, one each, in batches of similar length; the order is kept."""
        check_search(self.model, width, length_penalty, max_length)  # before any sentence is read
        sources = [self.encode(k, s, max_source) for k, s in enumerate(sentences)]
        order = sorted(range(len(sources)), key=lambda k: len(sources[k]))
        device = next(self.model.parameters()).device
        done: dict[int, Translation] = {}
        for start in range(0, len(order), batch_size):
            part = order[start : start + batch_size]
            src = pad([sources[k] for k in part]).to(device)
            batch = self.model, src, src != PAD
            if width == 1:  # greedy search has less to keep track of than a beam of 1
                found = greedy(*batch, max_length)
            else:
                found = beam(*batch, width=width, length_penalty=length_penalty, max_length=max_length)
            done |= {k: self._explain(sources[k], best) for k, best in zip(part, found, strict=True)}
        return [done[k] for k in range(len(sources))]

    def encode(self, number: int, sentence: str, max_source: int) -> list[int]:
        """Return the ids of a sentence, eos included, or say what is wrong with it."""
        ids = self.source_text.encode(sentence)
        if not ids:
            raise ValueError(f"sentence {number + 1} is empty: give at least one word")
        shown = f"sentence {number + 1} ({sentence if len(sentence) <= 40 else sentence[:40] + '...'!r})"
        if not any(i != UNK and self.source_text.decode([i]).strip() for i in ids):  # a blank is no word
            raise ValueError(
                f"{shown} has only words that the model has never seen: is it in the source language?"
            )
        if len(ids) > max_source:
            raise ValueError(
                f"{shown} has {len(ids)} tokens, more than the limit of {max_source}: split it into sentences"
            )
        return [*ids, EOS]

    def _explain(self, source: list[int], hypothesis: Hypothesis) -> Translation:
        """Put a hypothesis into words."""
        return Translation(
            source_tokens=self.source_text.tokens(source),
            target_tokens=self.target_text.tokens(hypothesis.ids),
            text=self.target_text.decode(hypothesis.ids),
            alignment=hypothesis.alignment,
            log_prob=hypothesis.log_prob,
            finished=hypothesis.finished,
            unknown=self.source_text.tokens([i for i in source if i == UNK]),
        )
