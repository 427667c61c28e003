"""Figures: arrays and labels in, axes out."""

from seq2seq_edu.plots.charts import bars, curves, heatmap, hull, length_curve, use_style
from seq2seq_edu.plots.parts import COLOURS, FAINT, GREY, INK, convex_hull
from seq2seq_edu.plots.tree import beam_tree

__all__ = [
    "bars",
    "curves",
    "heatmap",
    "hull",
    "length_curve",
    "use_style",
    "COLOURS",
    "FAINT",
    "GREY",
    "INK",
    "convex_hull",
    "beam_tree",
]
