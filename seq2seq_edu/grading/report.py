"""A page of feedback for each student, as HTML and as Markdown.

Every text is escaped as it is put in. Of a hidden check a page tells nothing but the author's hint and the
type of an exception: its message could repeat the hidden inputs.
"""

import hashlib
import re
from html import escape
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from seq2seq_edu.grading.gradebook import Row, by_hand_columns, most_points, outcomes_of
from seq2seq_edu.grading.intake import printable
from seq2seq_edu.grading.judge import Result
from seq2seq_edu.grading.questions import Chapter, Outcome, earned

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


def fill(page: str, row: Row) -> str:
    """Return a page with the points of a row: those given by hand may come later than the page."""
    values = {"total": row["total"] or "–"}
    for id, (column, most) in by_hand_columns(list(row)).items():
        marked = f"{float(row[column] or 0):g} of {most:g}"
        values[id] = marked if row[column] else f"up to {most:g}, not marked yet"
    for key, value in values.items():
        kept = (r"\g<1>", r"\g<2>") if len(values) > 1 else ("", "")
        page = re.sub(rf"(<!--{re.escape(key)}-->).*?(<!--/-->)", value.join(kept), page)
    return page


def plain(text: object) -> str:
    """Return a text so that Markdown shows it as it is."""
    return re.sub(r"([\\`*_\[\]|~$])", r"\\\1", escape(printable(str(text)), quote=False))


COMMON: dict[str, Any] = {"undefined": StrictUndefined, "keep_trailing_newline": True}
COMMON["loader"] = FileSystemLoader(Path(__file__).parent / "templates")
KINDS = {  # of pages: whatever is put into one is escaped
    "html": Environment(autoescape=True, **COMMON),
    "md": Environment(finalize=plain, **COMMON),
}


def page(kind: str, student: str, result: Result, chapter: Chapter, version: str) -> str:
    """Return a student's feedback, of a kind in `KINDS`: it needs nothing else, no script, no request."""
    found = outcomes_of(result)
    number, _, topic = chapter.slug.partition("_")
    template = KINDS[kind].get_template(f"feedback.{kind}")
    return template.render(
        student=student,
        title=f"{number} · {topic.replace('_', ' ').capitalize()}",
        most=most_points(chapter),
        questions=[*chapter.questions.values()],
        found={id: found.get(id, []) for id in chapter.questions},
        reason="" if found else _reason(result),
        cells=result.cells,
        version=version,
        sha256=result.sha256 or "none",
        earned=earned,
        name=lambda outcome: "hidden check" if outcome.check.hidden else outcome.check.name.replace("_", " "),
        said=_said,
    )
