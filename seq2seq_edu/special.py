"""The four special tokens: padding, begin and end of sentence, and the word never seen."""

PAD, BOS, EOS, UNK = 0, 1, 2, 3
SPECIAL = ("<pad>", "<bos>", "<eos>", "<unk>")  # their names, in the order of their ids
