"""Teach sequence-to-sequence models with attention: equations in NumPy, models in PyTorch, measures."""

__version__ = "0.1.0"
