"""Search in English and Chinese: English by the stems of its words, Chinese by pairs of characters.

Sphinx keeps one index for a site and asks for its language; here both are in every text. A Chinese word is
found if each pair of neighbours in it is: 注意力 is looked up as 注意 and 意力. No dictionary is needed, and
加性注意力, which is in none, is found too.
"""

from __future__ import annotations

import re
from itertools import pairwise

from sphinx.search.en import SearchEnglish

HAN = "\u3400-\u9fff"

# The same cut in the browser: a run of Chinese characters becomes its pairs, a single one stays.
SPLITTER = f"""
var splitQuery = (query) =>
  (query.match(/[{HAN}]+|(?:(?![{HAN}])[\\p{{Letter}}\\p{{Number}}_])+/gu) ?? []).flatMap((part) =>
    /[{HAN}]{{2}}/u.test(part) ? [...part.slice(1)].map((next, at) => part[at] + next) : part);
"""


class SearchBoth(SearchEnglish):
    """English and Chinese in one index."""

    lang = "en-zh"
    language_name = "English and Chinese"
    js_splitter_code = SPLITTER

    def split(self, input: str) -> list[str]:
        """Return the words of a text: Chinese as single characters and as pairs of neighbours."""
        words: list[str] = []
        for part in re.findall(rf"[{HAN}]+|[^\W{HAN}]+", input):
            words += [*part, *map("".join, pairwise(part))] if re.match(f"[{HAN}]", part) else [part]
        return words
