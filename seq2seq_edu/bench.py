"""Time the training paths against each other."""
