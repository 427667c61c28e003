"""What is timed: the same numbers by several ways of computing them."""

from seq2seq_edu.bench.decoding import EndsOnTime
from seq2seq_edu.bench.machine import Peak, decoder_step_cost, peak
from seq2seq_edu.bench.styles import loss_tutorial, model_config, step_repeating
from seq2seq_edu.bench.table import captions, render, run

__all__ = [
    "EndsOnTime",
    "Peak",
    "decoder_step_cost",
    "peak",
    "loss_tutorial",
    "model_config",
    "step_repeating",
    "captions",
    "render",
    "run",
]
