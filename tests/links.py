"""Links between the pages of the project: which lead nowhere."""

import re
from pathlib import Path
from urllib.parse import unquote


def heading_anchors(text: str) -> set[str]:
    """Return the anchors that a code-hosting page gives to the headings of a Markdown file."""
    headings = re.findall(r"^#+ +(.+?) *$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead_links(path: Path, text: str) -> list[str]:
    """Return the relative links of a page that lead nowhere, to a file or to a heading."""
    text = re.sub(r"```.*?```|`[^`\n]*`|\$[^$\n]*\$", "", text, flags=re.DOTALL)
    markdown = re.findall(r"\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)", text)
    html = re.findall(r"(?:src|href)=\"([^\"]+)\"", text)
    dead = []
    for link in markdown + html:
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = unquote(link).partition("#")
        target = (path.parent / name) if name else path
        if not target.exists():
            dead.append(link)
        elif anchor and target.suffix == ".md" and anchor not in heading_anchors(target.read_text("utf-8")):
            dead.append(link)
    return dead
