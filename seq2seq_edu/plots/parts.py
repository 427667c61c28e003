"""Old address of what now stands in the face of the room; goes with its last use in the widgets."""

from seq2seq_edu.plots.heatmaps import checked_links, checked_weights
from seq2seq_edu.plots.plane import note
from seq2seq_edu.plots.style import BOX, COLOURS, img_tag, visible

Link = tuple[int, int]

__all__ = ["BOX", "COLOURS", "Link", "checked_links", "checked_weights", "img_tag", "note", "visible"]
