"""How good an output is, and whether the model looked at the right words."""

from seq2seq_edu.metrics.alignment import (
    AlignmentReport,
    alignment_error_rate,
    argmax_links,
    corpus_alignment,
)
from seq2seq_edu.metrics.scores import (
    Interval,
    Score,
    bleu,
    bleu_interval,
    by_length,
    exact_match,
    mean_interval,
    token_accuracy,
    words,
)

__all__ = [
    "AlignmentReport", "alignment_error_rate", "argmax_links", "corpus_alignment",
    "Interval", "Score", "bleu", "bleu_interval", "by_length", "mean_interval",
    "exact_match", "token_accuracy", "words",
]  # fmt: skip
