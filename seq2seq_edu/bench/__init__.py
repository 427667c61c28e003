"""What is timed: the same numbers by several ways of computing them."""

from seq2seq_edu.bench.decoding import EndsOnTime
from seq2seq_edu.bench.machine import Peak, decoder_step_cost, peak
from seq2seq_edu.bench.styles import SHAPES, loss_tutorial, model_config, step_repeating
from seq2seq_edu.bench.table import captions, render, run

__all__ = [
    "SHAPES", "EndsOnTime", "Peak", "captions", "decoder_step_cost", "loss_tutorial", "model_config", "peak",
    "render", "run", "step_repeating",
]  # fmt: skip
