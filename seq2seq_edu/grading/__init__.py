"""Exercises with instant checks, and the grading of untrusted notebooks by a judge and a sandboxed worker."""

from seq2seq_edu.grading.checker import check, hint
from seq2seq_edu.grading.questions import Chapter, expect, expect_close, expect_shape, fail

__all__ = ["check", "hint", "Chapter", "expect", "expect_close", "expect_shape", "fail"]
