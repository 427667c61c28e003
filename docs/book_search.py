"""Search in English and Chinese: English by the stems of its words, Chinese by pairs of characters.

Sphinx keeps one index for a site and asks for its language; here both are in every text. A Chinese word is
found if each pair of neighbours in it is: 注意力 is looked up as 注意 and 意力. No dictionary is needed, and
加性注意力, which is in none, is found too.
"""

from __future__ import annotations

import re

from sphinx.search.en import SearchEnglish

HAN = "\u3400-\u9fff"
PARTS = re.compile(rf"[{HAN}]+|[^\W{HAN}]+")

# The same cut in the browser: a run of Chinese characters becomes its pairs, a single one stays.
SPLITTER = f"""
var splitQuery = (query) => {{
  const words = [];
  for (const [part] of query.matchAll(/[{HAN}]+|[^\\s{HAN}]+/gu)) {{
    if (!/[{HAN}]/u.test(part)) words.push(...part.split(/[^\\p{{Letter}}\\p{{Number}}_]+/gu));
    else if (part.length < 2) words.push(part);
    else for (let at = 0; at + 1 < part.length; at++) words.push(part.slice(at, at + 2));
  }}
  return words.filter((word) => word);
}};
"""


class SearchBoth(SearchEnglish):
    """English and Chinese in one index."""

    lang = "en-zh"
    language_name = "English and Chinese"
    js_splitter_code = SPLITTER

    def split(self, input: str) -> list[str]:
        """Return the words of a text: Chinese as single characters and as pairs of neighbours."""
        words: list[str] = []
        for part in PARTS.findall(input):
            if re.match(rf"[{HAN}]", part):
                words += part
                words += [part[at : at + 2] for at in range(len(part) - 1)]
            else:
                words.append(part)
        return words
