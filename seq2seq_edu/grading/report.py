"""A page of feedback for each student, as HTML and as Markdown.

Every text is escaped as it is put in. Of a hidden check a page tells nothing but the author's hint and the
type of an exception: its message could repeat the hidden inputs.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from seq2seq_edu.grading.gradebook import Row, by_hand_columns, most_points, outcomes_of
from seq2seq_edu.grading.intake import printable
from seq2seq_edu.grading.questions import Chapter, Outcome, Question, earned

if TYPE_CHECKING:
    from seq2seq_edu.grading.judge import Result

REASONS = {
    "missing": "No notebook was found in what you handed in.",
    "unreadable": "What you handed in could not be read as one notebook: open yours in Jupyter and save it.",
    "crashed": "The notebook stopped before any question could be checked.",
    "timeout": "The notebook took too long before any question could be checked.",
}


def safe_name(student: str) -> str:
    """Return a file name for a student: the name itself if it is plain, else one that nobody else has."""
    words = "-".join(re.findall(r"\w+", student.casefold()))[:40]
    reserved = re.fullmatch(r"(con|prn|aux|nul|com\d|lpt\d)|.*-[0-9a-f]{12}", words)
    if words and words == student and words.isascii() and not reserved:
        return student
    return f"{words or 'student'}-{hashlib.sha256(student.encode()).hexdigest()[:12]}"


def _said(outcome: Outcome) -> str:
    """Return what a student may know of a check that did not pass."""
    check, kind = outcome.check, outcome.kind
    if kind == "unanswered":
        return "not answered yet"
    if check.hidden:
        return check.hint + (f" (the code stopped with {outcome.type})" if kind == "raised" else "")
    return outcome.message or check.hint


def _reason(result: Result) -> str:
    """Return why there are no points; what was wrong with a file is for its author to know."""
    detail = f" ({result.notes[-1]})" if result.status in ("missing", "unreadable") and result.notes else ""
    return REASONS.get(result.status, "") + detail


def _points(part: float, whole: float) -> str:
    """Return points as text, such as "2 of 3"."""
    return f"{part:g} of {whole:g}"


def _title(chapter: Chapter) -> str:
    """Return the name of a chapter as a heading, such as "03 · Attention weights"."""
    number, _, topic = chapter.slug.partition("_")
    return f"{number} · {topic.replace('_', ' ').capitalize()}"


def fill(page: str, row: Row) -> str:
    """Return a page with the points of a row: those given by hand may come later than the page."""
    values = {"total": row["total"] or "–"}
    for id, (column, most) in by_hand_columns(list(row)).items():
        values[id] = _points(float(row[column]), most) if row[column] else f"up to {most:g}, not marked yet"
    for key, value in values.items():
        kept = (r"\g<1>", r"\g<2>") if len(values) > 1 else ("", "")
        page = re.sub(rf"(<!--{re.escape(key)}-->).*?(<!--/-->)", value.join(kept), page)
    return page


MARKS = {"yes": "✓", "no": "✗", "open": "○"}
META = """<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
"""


class Html(str):
    """Text that is HTML already; every other text is escaped by `tag`."""


def tag(name: str, *inside: object, **attributes: object) -> Html:
    """Return an element: whatever is put into it is escaped, unless `tag` made it."""
    words = "".join(f' {k.rstrip("_").replace("_", "-")}="{escape(str(v))}"' for k, v in attributes.items())
    text = "".join(item if isinstance(item, Html) else escape(str(item)) for item in inside)
    return Html(f"<{name}{words}>{text}</{name}>")


def _slot(key: str, text: str = "") -> Html:
    """Return a place that `fill` finds again: a student's text cannot hold one, since it is escaped."""
    return Html(f"<!--{key}-->{text}<!--/-->")


def page_html(student: str, result: Result, chapter: Chapter, version: str) -> str:
    """Return a student's feedback as a page that needs nothing else: no script, no request."""
    head = tag(
        "head",
        Html(META),
        tag("title", f"{_title(chapter)}: {student}"),
        tag("style", Html(STYLE)),
    )
    outcomes = outcomes_of(result)
    cards = [_card(question, outcomes.get(question.id, [])) for question in chapter.questions.values()]
    body = tag(
        "body",
        _header(student, result, chapter),
        *(cards if outcomes else [tag("p", _reason(result), class_="reason")]),
        *([_errors(result)] if result.cells else []),
        tag("footer", f"Checked with seq2seq-edu {version}, notebook ", tag("code", result.sha256 or "none")),
    )
    return "<!doctype html>\n" + tag("html", head, body, lang="en") + "\n"


def _header(student: str, result: Result, chapter: Chapter) -> Html:
    """Return whose page it is, the sum, and a bar with a part for each question."""
    questions = [question for question in chapter.questions.values() if question.points]
    parts = []
    for question in questions:
        part = earned(result.outcomes.get(question.id, [])) / question.points
        parts.append(tag("i", style=f"flex:{question.points:g};--part:{part:.0%}", title=question.id))
    for question in chapter.questions.values():
        if question.by_hand:
            parts.append(tag("i", style=f"flex:{question.by_hand:g}", class_="hand", title=question.id))
    kind = tag("p", "Feedback", class_="kind")
    return tag(
        "header",
        tag("div", kind, tag("h1", _title(chapter)), tag("p", tag("bdi", student))),
        tag("p", tag("b", _slot("total")), f" of {most_points(chapter):g} points", class_="sum"),
        tag("div", *parts, class_="bar", aria_hidden="true"),
    )


def _card(question: Question, outcomes: Sequence[Outcome]) -> Html:
    """Return what came of one question."""
    about = f"{'★' * question.level} {question.kind}"
    score = _points(earned(outcomes), question.points) if question.checks else ""
    lines = [_line(outcome) for outcome in outcomes]
    if question.by_hand:
        mark, text = tag("span", "✎", class_="mark"), tag("span", "marked by your instructor")
        lines.append(tag("li", mark, text, tag("span", _slot(question.id))))
    return tag(
        "section",
        tag("h2", tag("span", question.id, class_="id"), question.title),
        tag("p", score, class_="score"),
        tag("p", about, class_="about"),
        tag("ul", *lines),
    )


def _line(outcome: Outcome) -> Html:
    """Return what came of one check."""
    check = outcome.check
    why = [] if outcome.passed else [tag("p", _said(outcome), dir="auto")]
    kind = "yes" if outcome.passed else "open" if outcome.kind == "unanswered" else "no"
    return tag(
        "li",
        tag("span", MARKS[kind], class_="mark"),
        tag("div", _name(outcome), *why),
        tag("span", _points(earned([outcome]), check.points)),
        class_=kind,
    )


def _name(outcome: Outcome) -> str:
    """Return what a check is called on a page."""
    return "hidden check" if outcome.check.hidden else outcome.check.name.replace("_", " ")


def _errors(result: Result) -> Html:
    """Return the cells that raised, with what the student's own code said."""
    rows = [
        tag("li", tag("span", f"cell {number}"), tag("code", f"{type}: {message}", dir="auto"))
        for number, type, message in result.cells
    ]
    text = "Counted from 0, cells of text too. All other cells ran."
    about = tag("p", text, class_="about")
    return tag("section", tag("h2", "Cells that stopped"), about, tag("ul", *rows), class_="cells")


def plain(text: object) -> str:
    """Return a text so that Markdown shows it as it is."""
    return re.sub(r"([\\`*_\[\]|~$])", r"\\\1", escape(printable(str(text)), quote=False))


def page_markdown(student: str, result: Result, chapter: Chapter, version: str) -> str:
    """Return the same feedback as Markdown."""
    top = f"**{plain(student)}** · {_slot('total')} of {most_points(chapter):g} points"
    blocks = [f"# Feedback · {_title(chapter)}", top]
    outcomes = outcomes_of(result)
    for question in chapter.questions.values() if outcomes else []:
        found = outcomes.get(question.id, [])
        score = f" · {_points(earned(found), question.points)}" if question.checks else ""
        hand = [f"- ✎ marked by your instructor: {_slot(question.id)}"] if question.by_hand else []
        blocks.append(f"## {question.id} · {plain(question.title)}{score}")
        blocks.append("\n".join([*map(_item, found), *hand]))
    if not outcomes:
        blocks.append(plain(_reason(result)))
    if result.cells:
        cells = [f"- cell {place}: {plain(type)}: {plain(message)}" for place, type, message in result.cells]
        blocks += ["## Cells that stopped", "\n".join(cells)]
    blocks.append(f"Checked with seq2seq-edu {version}, notebook {result.sha256 or 'none'}")
    return "\n\n".join(blocks) + "\n"


def _item(outcome: Outcome) -> str:
    """Return what came of one check, as Markdown."""
    score = _points(earned([outcome]), outcome.check.points)
    if outcome.passed:
        return f"- ✓ {score} · {_name(outcome)}"
    return f"- ✗ {score} · {_name(outcome)}: {plain(_said(outcome))}"


STYLE = """
:root { color-scheme: light dark; --paper: #f6f5f1; --card: #fff; --ink: #22252b; --soft: #6a6f7a;
  --line: #e4e2da; --yes: #1f7a4d; --no: #b4472f; --hand: #8a6a1f; --fill: #2f7d5b; --rest: #dedbd0 }
@media (prefers-color-scheme: dark) { :root {
  --paper: #16181c; --card: #1f2227; --ink: #e6e4de; --soft: #9aa0ab;
  --line: #32363d; --yes: #6cc79a; --no: #ee8f77; --hand: #d9b45f; --fill: #58b187; --rest: #3a3e46 } }
* { box-sizing: border-box; margin: 0 }
body { max-width: 46rem; margin: 0 auto; padding: 3rem 1.25rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, "Segoe UI", "Noto Sans", "Noto Sans CJK SC", sans-serif }
p, h1, h2, bdi, li div, code { overflow-wrap: anywhere }
header { display: grid; grid-template-columns: 1fr auto; gap: .25rem 1.5rem; align-items: end;
  margin-bottom: 2rem }
header .kind { font-size: .8rem; letter-spacing: .12em; text-transform: uppercase; color: var(--soft) }
h1 { font-size: 1.8rem; line-height: 1.2; margin: .1rem 0 .4rem }
.sum { color: var(--soft); white-space: nowrap }
.sum b { font-size: 2.6rem; line-height: 1; font-weight: 650; color: var(--ink) }
.bar { grid-column: 1 / -1; display: flex; gap: 3px; margin-top: .8rem }
.bar i { height: .6rem; border-radius: .3rem;
  background: linear-gradient(to right, var(--fill) var(--part), var(--rest) var(--part)) }
.bar .hand { background: repeating-linear-gradient(-45deg, var(--rest) 0 4px, transparent 4px 8px) }
section, .reason { background: var(--card); border: 1px solid var(--line); border-radius: .75rem;
  padding: 1.1rem 1.35rem; margin-bottom: 1rem; break-inside: avoid }
section { display: grid; grid-template-columns: 1fr auto; gap: .2rem 1rem; align-items: baseline }
section > ul, section > .about { grid-column: 1 / -1 }
h2 { font-size: 1.08rem; line-height: 1.35 }
h2 .id { color: var(--soft); font-weight: 500; margin-right: .55rem; font-variant-numeric: tabular-nums }
.about, footer, li > span:last-child { font-size: .85rem; color: var(--soft) }
.score { font-weight: 600; white-space: nowrap; font-variant-numeric: tabular-nums }
ul { list-style: none; padding: 0; margin-top: .6rem }
li { display: grid; grid-template-columns: 1.4rem 1fr auto; gap: 0 .4rem; padding: .45rem 0;
  border-top: 1px solid var(--line); align-items: baseline }
li > span:last-child { white-space: nowrap; font-variant-numeric: tabular-nums }
li:last-child { padding-bottom: 0 }
.mark { font-weight: 700; color: var(--hand) }
.open .mark, .open p { color: var(--soft) }
.yes .mark { color: var(--yes) }
.no .mark, .no p { color: var(--no) }
.reason { border-left: .3rem solid var(--no) }
.cells li { grid-template-columns: 4.5rem 1fr }
.cells code { white-space: pre-wrap; color: var(--ink) }
code { font: .88em/1.5 ui-monospace, Consolas, "DejaVu Sans Mono", "Noto Sans Mono CJK SC", monospace }
footer { margin-top: 2rem }
@media (max-width: 30rem) { body { padding: 1.5rem .9rem } header { grid-template-columns: 1fr } }
@media print { :root { --paper: #fff } body { padding: 0; max-width: none } * { print-color-adjust: exact } }
"""
