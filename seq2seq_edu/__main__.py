"""``python -m seq2seq_edu``: the same commands as ``seq2seq-edu``, in the form that torchrun starts."""

from __future__ import annotations

import sys

from seq2seq_edu.cli import main

if __name__ == "__main__":
    sys.exit(main())
