"""Figures: arrays and labels in, axes out, with the words for those who cannot see them."""

from seq2seq_edu.plots.charts import bars, curves, length_curve
from seq2seq_edu.plots.heatmaps import checked_links, checked_weights, heatmap, maps
from seq2seq_edu.plots.plane import convex_hull, hull, note
from seq2seq_edu.plots.style import (
    BOX,
    COLOURS,
    FAINT,
    GREY,
    INK,
    alt_text,
    describe,
    img_tag,
    panels,
    use_style,
    visible,
)
from seq2seq_edu.plots.tree import beam_tree, check_tree

__all__ = [
    "bars", "beam_tree", "curves", "heatmap", "hull", "length_curve", "maps", "panels",
    "BOX", "COLOURS", "FAINT", "GREY", "INK", "convex_hull", "note", "visible",
    "alt_text", "check_tree", "checked_links", "checked_weights", "describe", "img_tag", "use_style",
]  # fmt: skip
