"""Models, from one attention step to a Transformer; each can ``encode`` a source and ``step`` to a target."""

from seq2seq_edu.models.attention import (
    ATTENTIONS,
    AdditiveAttention,
    Attention,
    Cost,
    DotAttention,
    GeneralAttention,
    Memory,
    NoAttention,
    ScaledDotAttention,
)
from seq2seq_edu.models.base import EncoderDecoder, Step, evaluating, exact
from seq2seq_edu.models.recurrent import DecoderStep, Encoder, ModelConfig, Readout, Seq2Seq
from seq2seq_edu.models.transformer import (
    Layer,
    MultiHeadAttention,
    Transformer,
    TransformerConfig,
    positions,
)

__all__ = [
    "ATTENTIONS", "AdditiveAttention", "Attention", "Cost", "DotAttention", "GeneralAttention", "Memory",
    "NoAttention", "ScaledDotAttention",
    "EncoderDecoder", "Step", "evaluating", "exact",
    "DecoderStep", "Encoder", "ModelConfig", "Readout", "Seq2Seq",
    "Layer", "MultiHeadAttention", "Transformer", "TransformerConfig", "positions",
]  # fmt: skip
