"""A small grammar: English sentences, their Chinese translations, and the exact links between the words."""

from seq2seq_edu.data.grammar.long_pairs import long_sentences
from seq2seq_edu.data.grammar.meaning import NounPhrase, Relative, Sentence, draw
from seq2seq_edu.data.grammar.pairs import sentences, translate

__all__ = ["NounPhrase", "Relative", "Sentence", "draw", "long_sentences", "sentences", "translate"]
