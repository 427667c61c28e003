"""What a class plays with: eight widgets, live in a notebook and on a page without a kernel."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from seq2seq_edu.widgets.base import Widget, page_script, page_style

if TYPE_CHECKING:
    from seq2seq_edu.widgets.alignment import AlignmentExplorer
    from seq2seq_edu.widgets.attend import YouAreTheAttention
    from seq2seq_edu.widgets.axis import AxisPicker
    from seq2seq_edu.widgets.beam import BeamExplorer
    from seq2seq_edu.widgets.context import ContextExplorer
    from seq2seq_edu.widgets.cost import CostExplorer
    from seq2seq_edu.widgets.softmax import SoftmaxExplorer
    from seq2seq_edu.widgets.stepper import DecoderStepper

__all__ = [
    "AlignmentExplorer",
    "AxisPicker",
    "BeamExplorer",
    "ContextExplorer",
    "CostExplorer",
    "DecoderStepper",
    "SoftmaxExplorer",
    "Widget",
    "YouAreTheAttention",
    "page_script",
    "page_style",
]
PLACES = {
    "AlignmentExplorer": "alignment",
    "AxisPicker": "axis",
    "BeamExplorer": "beam",
    "ContextExplorer": "context",
    "CostExplorer": "cost",
    "DecoderStepper": "stepper",
    "SoftmaxExplorer": "softmax",
    "YouAreTheAttention": "attend",
}


def __getattr__(name: str) -> Any:
    """Load a widget when it is first asked for: some need PyTorch, others do not."""
    if name in PLACES:
        return getattr(import_module(f"seq2seq_edu.widgets.{PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
