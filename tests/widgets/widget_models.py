"""Small random models for the tests of widgets: quick, and their sentences differ and come to an end."""

from __future__ import annotations

from typing import Any

import torch

from seq2seq_edu.data import EOS, Vocabulary
from seq2seq_edu.decoding import Translator
from seq2seq_edu.models import ModelConfig, Seq2Seq

SOURCE = Vocabulary("abcdefghi")
TARGET = Vocabulary(["猫", "狗", "鱼", "在", "哪里", "吃", "了", "yesterday"])
SIZES: dict[str, Any] = {"d_e": 3, "d_h": 10, "d_s": 7, "d_a": 5, "d_r": 4, "dropout": 0.1}
FOUND = {  # seed and bias of eos with which "a b c d" has a translation of three to five different tokens
    "additive": (58, 2.0), "dot": (18, 0.0), "general": (27, 0.0), "scaled": (42, 0.0), "none": (0, 2.0),
}  # fmt: skip


def translator(attention: str = "additive", *, end: float | None = None, **changes: Any) -> Translator:
    """Build a translator from letters to words; `end` is how readily it says that the sentence is over."""
    sizes = {**SIZES, **changes}
    if attention == "dot":
        sizes["d_s"] = sizes["d_h"]
    seed, bias = FOUND[attention]
    torch.manual_seed(seed)
    model = Seq2Seq(ModelConfig(len(SOURCE), len(TARGET), attention, **sizes))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4)
        model.W_o.bias[EOS] = bias if end is None else end
    return Translator(model.eval(), SOURCE, TARGET)
