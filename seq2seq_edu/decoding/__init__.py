"""From probabilities to a sentence: greedy, sampling, beam search, and a translator of text."""

from seq2seq_edu.decoding.search import beam, greedy, n_best, sample, tree
from seq2seq_edu.decoding.search_tree import Hypothesis, Node, next_log_probs
from seq2seq_edu.decoding.translator import Translation, Translator, find_pair

__all__ = [
    "beam",
    "greedy",
    "n_best",
    "sample",
    "tree",
    "Hypothesis",
    "Node",
    "next_log_probs",
    "Translation",
    "Translator",
    "find_pair",
]
