"""Sequence to sequence with attention: from the equations in NumPy to a translator in PyTorch.

The rooms, in reading order. Each shows in its ``__init__`` what it offers, and uses only rooms above it here:

equations    every printed equation as one function, in NumPy
gradients    their gradients, derived by hand
data         text and vocabularies, batches, subwords, corpora, generated tasks with exact word links
metrics      BLEU, exact match, and whether attention looked at the right words
plots        heat maps, curves, bars, trees: arrays and labels in, axes out
notebook     what a chapter needs around its cells: start, show, show_source
models       attention first; then encoder and decoder, the recurrent model, the Transformer
training     the loop, one record at a time; losses; checkpoints
decoding     greedy search, sampling, beam search, and a translator from text to text
experiments  named experiments: data, settings, one folder a run, records in results/
widgets      what a class plays with
bench        what is timed
grading      exercises with instant checks, and the grading of untrusted notebooks (stands apart)
cli, doctor  the commands
"""

__version__ = "0.1.0"
