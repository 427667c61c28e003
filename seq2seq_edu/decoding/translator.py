"""Text in, text out: a model, its vocabularies and a search make a translator."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from seq2seq_edu.data import EOS, PAD, UNK, Text, pad
from seq2seq_edu.decoding.search import beam, greedy
from seq2seq_edu.decoding.search_tree import Hypothesis, check_search
from seq2seq_edu.files import write_whole
from seq2seq_edu.models import EncoderDecoder
from seq2seq_edu.training import Checkpoint, CheckpointError

RELEASED = "model.safetensors"  # in checkpoints/PAIR
PICTURES = (".png", ".svg", ".pdf")


def pairs() -> dict[str, Path]:
    """List the trained models that are here, by language pair.

    They are looked for in ``checkpoints`` beside the package (a checkout of the project), then in the current
    folder.

    Returns
    -------
    folders : dict of str to Path
        Such as ``zh-en``, and the folder of its checkpoint.

    References
    ----------
    Taught in: real_translation.
    """
    beside = Path(__file__).resolve().parents[2] / "checkpoints"
    folders = (Path("checkpoints"), beside)
    files = [file for folder in folders for file in sorted(folder.glob(f"*/{RELEASED}"))]
    return {file.parent.name: file.parent for file in files}  # of two the last counts: the package's own


def find_pair(pair: str) -> Path:
    """Return the folder of the trained model of a language pair.

    Parameters
    ----------
    pair : str
        Source and target language, such as ``zh-en``.

    Returns
    -------
    folder : Path
        What :func:`seq2seq_edu.training.load_checkpoint` reads.

    Raises
    ------
    CheckpointError
        If there is none; the message lists those that are there.
    """
    here = pairs()
    if pair in here:
        return here[pair]
    if here:
        raise CheckpointError(f"there is no checkpoint for the pair {pair!r}: choose from {', '.join(here)}")
    raise CheckpointError(
        f"there is no checkpoint for the pair {pair!r}, nor for any other: there is no folder checkpoints "
        "with one beside the package or here; run this in a checkout of the project, or give --checkpoint"
    )


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
    """Translate text with a model and its vocabularies.

    Parameters
    ----------
    model : EncoderDecoder
        A trained model.
    source_text, target_text : Text
        What turns text into ids and back, on either side.

    References
    ----------
    Taught in: real_translation.
    """

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
        """Translate sentences, in batches of similar length.

        Parameters
        ----------
        sentences : sequence of str
            One sentence each.
        width : int
            Open hypotheses of beam search; 1 is greedy search.
        length_penalty : float
            How beam search compares outputs: by ``log_prob / m**length_penalty``.
        batch_size : int
            Sentences decoded together; changes no result.
        max_source : int
            Most source tokens that are accepted.
        max_length : int
            Most target tokens.

        Returns
        -------
        translations : list of Translation
            In the order of ``sentences``.

        Raises
        ------
        ValueError
            If a sentence is empty, too long, or has no token that the model knows; the message says which.
            If a setting makes no sense.
        """
        check_search(self.model, width, length_penalty, max_length)
        sources = [self.check(k, s, max_source) for k, s in enumerate(sentences)]
        order = sorted(range(len(sources)), key=lambda k: len(sources[k]))
        device = next(self.model.parameters()).device
        done: dict[int, Translation] = {}
        for start in range(0, len(order), batch_size):
            part = order[start : start + batch_size]
            src = pad([sources[k] for k in part]).to(device)
            for k, hypothesis in zip(part, self._search(src, width, length_penalty, max_length), strict=True):
                done[k] = self.explain(sentences[k], sources[k], hypothesis)
        return [done[k] for k in range(len(sources))]

    def _search(self, src: Tensor, width: int, length_penalty: float, max_length: int) -> list[Hypothesis]:
        """Decode a padded batch; greedy search has less to keep track of than a beam of 1."""
        if width == 1:
            return greedy(self.model, src, src != PAD, max_length)
        return beam(
            self.model,
            src,
            src != PAD,
            width=width,
            length_penalty=length_penalty,
            max_length=max_length,
        )

    def check(self, number: int, sentence: str, max_source: int) -> list[int]:
        """Return the ids of a sentence, eos included, or say what is wrong with it."""
        ids = self.source_text.encode(sentence)
        shown = sentence if len(sentence) <= 40 else sentence[:40] + "..."
        if not ids:
            raise ValueError(f"sentence {number + 1} is empty: give at least one word")
        if not any(i != UNK and self.source_text.decode([i]).strip() for i in ids):  # a blank is no word
            raise ValueError(
                f"sentence {number + 1} ({shown!r}) has only words that the model has never seen: "
                "is it in the source language?"
            )
        if len(ids) > max_source:
            raise ValueError(
                f"sentence {number + 1} ({shown!r}) has {len(ids)} tokens, more than the limit of "
                f"{max_source}: split it into sentences"
            )
        return [*ids, EOS]

    def explain(self, sentence: str, source: list[int], hypothesis: Hypothesis) -> Translation:
        """Put a hypothesis into words."""
        unknown = self.source_text.tokens([i for i in source if i == UNK])
        return Translation(
            self.source_text.tokens(source),
            self.target_text.tokens(hypothesis.ids),
            self.target_text.decode(hypothesis.ids),
            hypothesis.alignment,
            hypothesis.log_prob,
            hypothesis.finished,
            unknown,
        )


def draw(translation: Translation, path: Path) -> None:
    """Draw the alignment of a translation to a file, whole or not at all.

    Parameters
    ----------
    translation : Translation
        From :meth:`Translator.translate`.
    path : Path
        Ends with ``.png``, ``.svg`` or ``.pdf``.

    Raises
    ------
    ValueError
        If the model has no attention.
    OSError
        If the file cannot be written.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    from seq2seq_edu import plots

    if translation.alignment is None:
        raise ValueError("this model has no attention, so there is no alignment to draw")
    plots.use_style()
    plots.heatmap(translation.alignment, translation.target_tokens, translation.source_tokens)
    figure = pyplot.gcf()  # the one that heatmap made, as large as its tokens need
    buffer = io.BytesIO()
    figure.savefig(buffer, format=path.suffix[1:], bbox_inches="tight")
    write_whole(path, buffer.getvalue())
