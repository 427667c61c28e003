"""Exercises, their checks, and the grading of untrusted notebooks: a judge knows the answers, a worker in a sandbox runs the notebook."""

from seq2seq_edu.grading.checker import check, hint
from seq2seq_edu.grading.questions import Chapter, expect, expect_close, expect_shape, fail

__all__ = [
    "check",
    "hint",
    "Chapter",
    "expect",
    "expect_close",
    "expect_shape",
    "fail",
]
