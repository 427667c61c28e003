"""From probabilities to a sentence: greedy search, sampling, beam search, a translator of text."""

from seq2seq_edu.decoding.search import beam, greedy, n_best, sample, tree
from seq2seq_edu.decoding.search_tree import Hypothesis, Node, check_search
from seq2seq_edu.decoding.stepping import DecodingStep, forced_maps, next_log_probs, steps
from seq2seq_edu.decoding.translator import Translation, Translator, find_pair

__all__ = [
    "beam", "greedy", "n_best", "sample", "tree", "Hypothesis", "Node", "check_search",
    "DecodingStep", "forced_maps", "next_log_probs", "steps", "Translation", "Translator", "find_pair",
]  # fmt: skip
