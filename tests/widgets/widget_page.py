"""Widgets on a page without a kernel, for tests: what the browser shows is compared with what Python says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any

import browser as browsing

from seq2seq_edu import widgets

TOUR = """async (place, states) => {
  const seen = [], read = %s;
  for (const state of states) {
    for (const [name, value] of Object.entries(state)) place.model.set(name, value);
    await null; // several changes are drawn once
    seen.push(read(place));
  }
  return seen;
}"""
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

    def tour(self, states: Iterable[dict[str, Any]], script: str, k: int = 0) -> list[Any]:
        """Put one state after the other, and give what a function of the element reads off it in each."""
        seen: list[Any] = self.place(k).evaluate(TOUR % script, list(states))
        return seen

    def read(self, script: str, k: int = 0) -> Any:
        """Give what a function of the element reads off it."""
        return self.place(k).evaluate(script)

    def text(self, k: int = 0) -> str:
        """Return all words of a widget."""
        return str(self.place(k).text_content())


@cache
def stage(browser: Any) -> browsing.Watched:
    """Open the one page on which the widgets of all tests are put in turn."""
    return browsing.Watched(browser.new_context().new_page())


@contextmanager
def playing(
    browser: Any, *made: widgets.Widget, scheme: str = "light", width: int = 900, fresh: bool = False
) -> Iterator[Play]:
    """Put these widgets live on a page; at the end no script has failed, and nothing was fetched."""
    paper, ink = COLOURS[scheme]
    style = f"{widgets.page_style()} body {{ background: {paper}; color: {ink}; margin: 12px }}"
    body = "".join(widget.element() for widget in made)
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>page</title><style>{style}</style>'
    with browsing.opened(browser) if fresh else nullcontext(stage(browser)) as watched:
        watched.page.mouse.move(2, 2)  # where nothing lies
        watched.page.goto("about:blank")  # a new document: in an old one nothing is dragged any more
        watched.page.set_viewport_size({"width": width, "height": 800})
        watched.errors.clear()
        watched.page.set_content(
            f"{head}<body><main>{body}</main><script>{widgets.page_script()}</script></body></html>"
        )
        play = Play(watched, list(made))
        yield play
        assert play.errors == [] and play.left == []
