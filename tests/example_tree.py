"""The tree of a small search, which the tests of the picture and of the widget draw."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Node:
    """A node as ``decoding.tree`` gives it."""

    id: int
    parent: int | None
    step: int
    log_prob: float
    score: float
    status: str


NODES = [  # the short sentence has the larger sum, the long one the larger mean
    Node(0, None, 0, 0.0, 0.0, "kept"),
    Node(1, 0, 1, -0.4, -0.4, "kept"),
    Node(2, 0, 1, -0.9, -0.9, "kept"),
    Node(3, 0, 1, -2.0, -2.0, "pruned"),
    Node(4, 0, 1, -3.0, -3.0, "pruned"),
    Node(5, 1, 2, -1.0, -0.5, "kept"),
    Node(6, 2, 2, -1.0, -0.5, "finished"),
    Node(7, 1, 2, -1.6, -0.8, "kept"),
    Node(8, 5, 3, -1.2, -0.4, "finished"),
    Node(9, 7, 3, -1.9, -0.6333, "pruned"),
]
TOKENS = ["<bos>", "我", "me", "so", "it", "也是", "<eos>", "不", "<eos>", "<eos>"]
