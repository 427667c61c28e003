"""Links of a page of the repository, made into links of the book site."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import unquote

PICTURES = (".png", ".svg", ".jpg", ".jpeg", ".gif", ".webp")
OUTSIDE = re.compile(r"[a-z][a-z\d+.-]*:|#|//", re.IGNORECASE)
# Code and formulas are passed over; a link may hold code in its text.
PIECES = re.compile(
    r"(?P<fence>^(?P<ticks>`{3,}|~{3,}).*?^(?P=ticks)[^\n]*$)"
    r"|(?P<code>(?P<tick>`+)(?!`).+?(?<!`)(?P=tick)(?!`))"
    r"|(?P<math>\$\$.+?\$\$|\$[^$\n]+\$)"
    r"|(?P<image>!?)\[(?P<text>(?:[^\[\]`]|`[^`]*`|\[[^\[\]]*\])*)\]"
    r"\((?P<target><[^>\n]*>|[^()\s]*(?:\([^()\s]*\)[^()\s]*)*)(?P<label>\s+\"[^\"\n]*\")?\)",
    re.DOTALL | re.MULTILINE,
)


class BookError(Exception):
    """What is wrong with the sources of the book, in one line that names the page."""


class Links:
    """Where the links of a page lead: to another page, a picture, the repository's page, or nowhere any more.

    Parameters
    ----------
    root : Path
        The repository.
    pages : mapping
        From a place in the repository to the file of the site that shows it, and its title.
    repository : str
        ``owner/name`` on GitHub; empty if not known: then what is not on the site becomes plain text.
    keep_picture : callable
        Called with the place of a picture; gives the file of the site that it becomes.
    """

    def __init__(
        self,
        root: Path,
        pages: Mapping[str, tuple[str, str]],
        repository: str,
        keep_picture: Callable[[str], str],
    ) -> None:
        self.root, self.pages, self.repository, self.keep_picture = root, pages, repository, keep_picture

    def rewrite(self, text: str, place: str, file: str, fallback: str | None = None) -> str:
        """Return the Markdown of `place` with the links it needs as `file` of the site.

        A translation lies in a folder of its own but may keep the links of the original, `fallback`.
        """
        tried = [place] if fallback is None else [place, fallback]

        def changed(match: re.Match[str]) -> str:
            target = (match["target"] or "").strip("<>")
            if not target or OUTSIDE.match(target):
                return match[0]
            found, title = self.find(target, tried, file)
            words = match["text"]
            if title and words.strip("`") in (target, target.lstrip("./")):
                words = title  # a site has pages, not files
            return f"{match['image']}[{words}]({found}{match['label'] or ''})" if found else words

        return PIECES.sub(changed, text)

    def find(self, target: str, tried: list[str], file: str) -> tuple[str | None, str]:
        """Return what a link becomes, and the title of that page.

        The link is None if it leads to a file that no page shows while the repository's address is not known.
        """
        name, _, anchor = unquote(target).partition("#")
        ending = f"#{anchor}" if anchor else ""
        places = [posixpath.normpath(posixpath.join(posixpath.dirname(base), name)) for base in tried]
        here = posixpath.dirname(file) or "."
        for place in places:
            if place in self.pages:
                shown, title = self.pages[place]
                return posixpath.relpath(shown, here) + ending, title
        for place in places:
            if place.startswith("..") or not (self.root / place).exists():
                continue
            if place.endswith(PICTURES):
                return posixpath.relpath(self.keep_picture(place), here), ""
            kind = "tree" if (self.root / place).is_dir() else "blob"
            address = f"https://github.com/{self.repository}/{kind}/main/{place}{ending}"
            return (address if self.repository else None), ""
        raise BookError(f"{tried[0]}: the link to {target} leads nowhere")


def repository_of(environment: Mapping[str, str], remote: str) -> str:
    """Return ``owner/name`` of the public repository, or nothing if neither a variable nor the remote tells.

    Raises
    ------
    BookError
        If SEQ2SEQ_EDU_REPOSITORY is set, but is not of that form.
    """
    form = re.compile(r"[\w.-]+/[\w.-]+")
    asked = environment.get("SEQ2SEQ_EDU_REPOSITORY", "").strip()
    if asked and not form.fullmatch(asked):
        raise BookError(f"SEQ2SEQ_EDU_REPOSITORY is {asked!r}, expected owner/name, such as ada/seq2seq-edu")
    host = r"(?:https://(?:[^@/]+@)?|ssh://git@|git@)github\.com[/:]"
    found = re.fullmatch(rf"{host}([\w.-]+/[\w.-]+?)(?:\.git)?/?", remote.strip())
    actions = environment.get("GITHUB_REPOSITORY", "")
    return asked or (actions if form.fullmatch(actions) else "") or (found[1] if found else "")


def launch(repository: str, place: str) -> dict[str, str]:
    """Return where a notebook runs without a set-up, and the cell that Colab needs first."""
    if not repository:
        return {}
    name, folder = repository.split("/")[1], posixpath.dirname(place)
    return {
        "colab": f"https://colab.research.google.com/github/{repository}/blob/main/{place}",
        "binder": f"https://mybinder.org/v2/gh/{repository}/main?urlpath=lab/tree/{place}",
        "colab_cell": f"!git clone -q --depth 1 https://github.com/{repository}\n"
        f"%pip install -q ./{name}\n%cd {name}/{folder}",
    }


def write_if_new(path: Path, content: bytes) -> None:
    """Write a file unless it holds the same already, so that Sphinx reads again only what has changed."""
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    os.replace(part, path)
