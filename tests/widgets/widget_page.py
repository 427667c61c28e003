"""Widgets on a page without a kernel, for tests: what the browser shows is compared with what Python says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import browser as browsing

from seq2seq_edu import widgets

COLOURS = {"light": ("#ffffff", "#222222"), "dark": ("#121212", "#dddddd")}


class Play:
    """A page with widgets on it, each in a `div.s2s-widget`, in order."""

    def __init__(self, watched: browsing.Watched, made: list[widgets.Widget]) -> None:
        self.page, self.errors, self.left = watched.page, watched.errors, watched.left
        self.made = made

    def place(self, k: int = 0) -> Any:
        """Return the element of one widget, to look for its parts in."""
        return self.page.locator("div.s2s-widget").nth(k)

    def state(self, k: int = 0) -> dict[str, Any]:
        """Return the state as the browser has it now."""
        script = "(place, names) => Object.fromEntries(names.map((name) => [name, place.model.get(name)]))"
        state: dict[str, Any] = self.place(k).evaluate(script, self.made[k].own_traits())
        return state

    def put(self, k: int = 0, **state: Any) -> None:
        """Set traits from outside, as a kernel does."""
        script = "(place, state) => Object.entries(state).forEach(([name, x]) => place.model.set(name, x))"
        self.place(k).evaluate(script, state)

    def twin(self, k: int = 0) -> Any:
        """Return the Python widget with the state that the browser has now: what it computes must agree."""
        twin = self.made[k]
        with twin.hold_trait_notifications():
            for name, value in self.state(k).items():
                setattr(twin, name, value)
        return twin

    def text(self, k: int = 0) -> str:
        """Return all words of a widget."""
        return str(self.place(k).text_content())


@contextmanager
def playing(browser: Any, *made: widgets.Widget, scheme: str = "light", width: int = 900) -> Iterator[Play]:
    """Open a page with these widgets live on it; at the end no script has failed, nothing was fetched."""
    paper, ink = COLOURS[scheme]
    style = f"{widgets.page_style()} body {{ background: {paper}; color: {ink}; margin: 12px }}"
    body = "".join(widget.fallback()[0] for widget in made)
    page = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>page</title><style>{style}</style>'
    with browsing.opened(browser, viewport={"width": width, "height": 800}) as watched:
        script = widgets.page_script()
        watched.page.set_content(f"{page}<body><main>{body}</main><script>{script}</script></body></html>")
        play = Play(watched, list(made))
        yield play
        assert play.errors == [] and play.left == []
