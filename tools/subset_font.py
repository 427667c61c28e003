"""Cut the Chinese font of the figures out of Noto Sans CJK (see seq2seq_edu/fonts/README.md).

Usage: python tools/subset_font.py NotoSansCJK-Regular.ttc TEXT [TEXT ...]

Each TEXT adds its 3500 most frequent characters, and their traditional forms, to GB 2312 level 1, punctuation
and Latin letters.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTCollection, TTFont
from opencc import OpenCC

FAMILY = "Seq2seq Edu Sans SC"
OUTPUT = Path(__file__).parents[1] / "seq2seq_edu" / "fonts" / "NotoSansCJKsc-subset.otf"
FREQUENT = 3500
# Quotation marks, dashes and dots are as wide as a Chinese character in the Chinese faces, which tears
# English words apart ("don ’ t"). The Korean face of the same collection has the same marks in Latin width.
NARROW = "‘’“”–—…·×÷±°"


def gb2312(first_row: int, last_row: int) -> set[str]:
    """Return the characters of these rows of GB 2312 (1-9: symbols, 16-55: level 1, 56-87: level 2)."""
    found = set()
    for row in range(first_row, last_row + 1):
        for column in range(1, 95):
            try:
                found.add(bytes([row + 0xA0, column + 0xA0]).decode("gb2312"))
            except UnicodeDecodeError:
                continue  # an empty place of the table
    return found


def wanted(texts: list[Path]) -> set[str]:
    """Return every character that the subset should hold."""
    found = {chr(code) for code in [*range(0x20, 0x7F), *range(0xA0, 0x180), *range(0x3000, 0x3020)]}
    found |= {chr(code) for code in range(0xFF01, 0xFF5F)} | set(NARROW) | gb2312(1, 1) | gb2312(16, 55)
    found.add("\u2212")  # the minus of axes
    for path in texts:
        text = path.read_text(encoding="utf-8")
        for version in (text, *(OpenCC(standard).convert(text) for standard in ("s2t", "s2tw", "s2hk"))):
            counts = Counter(character for character in version if "\u3400" <= character <= "\u9fff")
            found |= {character for character, _ in counts.most_common(FREQUENT)}
    greek = {chr(code) for code in range(0x370, 0x530)}  # full width in this font: DejaVu draws them better
    return found - greek


def rename(font: TTFont) -> None:
    """Give the font its own family name: it is a modified version, and Noto is a trademark."""
    compact = FAMILY.replace(" ", "")
    names = {1: FAMILY, 2: "Regular", 3: f"{compact}-Regular;subset", 4: FAMILY, 6: f"{compact}-Regular"}
    kept = (0, 5, 7, 13, 14)  # copyright, version, trademark, licence and its address
    font["name"].names = [n for n in font["name"].names if n.nameID in kept and n.langID == 0x409]
    for number, text in names.items():
        font["name"].setName(text, number, 3, 1, 0x409)
    table = font["CFF "].cff
    table.fontNames = [names[6]]
    for key in ("FullName", "FamilyName"):
        if key in table.topDictIndex[0].rawDict:
            setattr(table.topDictIndex[0], key, FAMILY)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("collection", type=Path)
    parser.add_argument("texts", type=Path, nargs="*")
    options = parser.parse_args()
    faces = {face["name"].getDebugName(1): face for face in TTCollection(options.collection)}
    font, korean = faces["Noto Sans CJK SC"], faces["Noto Sans CJK KR"]
    narrow = {ord(c): korean.getBestCmap()[ord(c)] for c in NARROW if ord(c) in korean.getBestCmap()}
    for table in font["cmap"].tables:
        if table.isUnicode() and table.format != 14:
            table.cmap.update(narrow)
    settings = subset.Options(layout_features=["kern", "ccmp"], name_IDs=["*"], name_languages=["*"])
    settings.drop_tables += ["vhea", "vmtx", "VORG", "BASE", "DSIG"]
    cutter = subset.Subsetter(settings)
    cutter.populate(unicodes=[ord(c) for c in wanted(options.texts)])
    cutter.subset(font)
    rename(font)
    font.save(OUTPUT)
    print(f"{OUTPUT.name}: {len(font.getBestCmap())} characters, {OUTPUT.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
