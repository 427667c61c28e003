"""What a class plays with: eight widgets, live in a notebook and on a page without a kernel."""

from importlib import import_module
from typing import Any

from seq2seq_edu.widgets.base import Widget, page_script, page_style

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
__all__ = ["Widget", "page_script", "page_style", *PLACES]


def __getattr__(name: str) -> Any:
    """Load a widget when it is first asked for: some need PyTorch, others do not."""
    if name in PLACES:
        return getattr(import_module(f"seq2seq_edu.widgets.{PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
