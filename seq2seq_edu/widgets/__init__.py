"""What a class plays with: eight widgets, live in a notebook and on a page without a kernel."""

from seq2seq_edu.widgets.alignment import AlignmentExplorer as AlignmentExplorer
from seq2seq_edu.widgets.attend import YouAreTheAttention as YouAreTheAttention
from seq2seq_edu.widgets.axis import AxisPicker as AxisPicker
from seq2seq_edu.widgets.base import Widget as Widget
from seq2seq_edu.widgets.base import page_script as page_script
from seq2seq_edu.widgets.base import page_style as page_style
from seq2seq_edu.widgets.beam import BeamExplorer as BeamExplorer
from seq2seq_edu.widgets.context import ContextExplorer as ContextExplorer
from seq2seq_edu.widgets.cost import CostExplorer as CostExplorer
from seq2seq_edu.widgets.softmax import SoftmaxExplorer as SoftmaxExplorer
from seq2seq_edu.widgets.stepper import DecoderStepper as DecoderStepper
