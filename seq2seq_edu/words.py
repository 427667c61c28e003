"""Words in two languages: the code speaks English, and a gettext catalogue (.po) holds the Chinese.

The English text is the key, ``{names}`` in it are filled in later. A catalogue of this package is read by its
name (``catalogue("widgets")``), any other one by its path (``catalogue(Path("docs/zh_CN.po"))``).
"""

from functools import cache
from pathlib import Path

import polib

LOCALE = Path(__file__).parent / "locale" / "zh_CN"


@cache
def catalogue(place: str | Path) -> dict[str, str]:
    """Return the Chinese of each English text; what is not translated yet is left out, and stays English."""
    path = LOCALE / f"{place}.po" if isinstance(place, str) else place
    entries = polib.pofile(str(path), encoding="utf-8")
    return {entry.msgid: entry.msgstr for entry in entries if entry.translated()}
