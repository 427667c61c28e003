"""Fetch the real text of the last chapter once, so that later runs need no network.

Usage: python tools/fetch_data.py

The files go to the data folder (SEQ2SEQ_EDU_DATA, else the user's cache); those already there are checked.
"""

from __future__ import annotations

import sys

from seq2seq_edu.data import corpora


def main() -> int:
    """Load each corpus, which downloads what is missing; return 1 and say why if one cannot be had."""
    for name in ("multi30k", "tatoeba-zh-en"):
        try:
            corpora.load(name)
        except (OSError, ValueError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            return 1
    print(f"the real text is in {corpora.data_folder()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
