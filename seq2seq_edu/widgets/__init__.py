"""What a class plays with: eight widgets, live in a notebook and on a page without a kernel."""

from seq2seq_edu.widgets.base import Widget as Widget
from seq2seq_edu.widgets.base import page_script as page_script
from seq2seq_edu.widgets.base import page_style as page_style
from seq2seq_edu.widgets.softmax import SoftmaxExplorer as SoftmaxExplorer
