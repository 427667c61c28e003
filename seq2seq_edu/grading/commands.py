"""The commands of an instructor: ``seq2seq-edu exercises``, ``grade`` and ``grade-merge``."""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import sys
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from seq2seq_edu import __version__
from seq2seq_edu.grading import batch, handout, intake, judge, sandbox
from seq2seq_edu.grading.checker import SOLUTIONS as CHECKS
from seq2seq_edu.grading.gradebook import Row
from seq2seq_edu.grading.questions import load


def add_parsers(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the commands."""
    shared = argparse.ArgumentParser(add_help=False)
    marked = "columns student, question, points: what you marked"
    shared.add_argument("--by-hand", type=Path, metavar="CSV", help=marked)
    write = commands.add_parser("exercises", help="write the edition of a class, with numbers of its own")
    add = write.add_argument
    add("--seed", required=True, help="any text, best kept private: what the numbers are drawn from")
    add("--out", type=Path, required=True, metavar="DIR", help="gets the notebooks and checks/")
    write.set_defaults(run=_write)
    purpose = "grade the notebooks of a class, each inside a sandbox"
    grade = commands.add_parser("grade", help=purpose, parents=[shared])
    add = grade.add_argument
    add("submissions", type=Path, help="a folder: a folder, notebook or zip file for each student")
    add("--exercise", required=True, metavar="NN_slug", help="which notebook, such as 03_attention_weights")
    add("--out", type=Path, required=True, metavar="DIR", help="gets grades.csv and feedback/")
    own = "your own NN_slug.py (default: solutions/checks)"
    add("--checks", type=Path, default=CHECKS, metavar="DIR", help=own)
    add("--seed", default="0", help="any text, best kept private: what hidden inputs are drawn from")
    add("--edition", default="0", help="the seed that the exercises of the class were written with")
    add("--jobs", type=_count, metavar="N", help="how many at once (default: one for each core)")
    add("--shard", type=_shard, default=(1, 1), metavar="k/n", help="grade the k-th of n parts of the class")
    add("--class-list", type=Path, metavar="CSV", help="column student: who should have handed in")
    unsafe = "run the notebooks as yourself: for your own ones only"
    add("--unsafe-no-sandbox", action="store_true", help=unsafe)
    grade.set_defaults(run=_grade)
    purpose = "put shards together, or add points given by hand"
    merge = commands.add_parser("grade-merge", help=purpose, parents=[shared])
    merge.add_argument("folders", type=Path, nargs="+", metavar="DIR", help="what grade wrote: all shards")
    merge.add_argument("--out", type=Path, required=True, metavar="DIR", help="gets the whole")
    merge.set_defaults(run=_merge)


def _count(text: str) -> int:
    """Read a number of jobs."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return int(text)


def _shard(text: str) -> tuple[int, int]:
    """Read k/n."""
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise argparse.ArgumentTypeError(f"expected k/n with k from 1 to n, such as 2/8, got {text!r}")
    return int(match[1]), int(match[2])


def _write(options: argparse.Namespace) -> int:
    """Write the edition of a class."""
    if options.out.resolve() == (CHECKS.parents[1] / "exercises").resolve():
        raise ValueError("the folder exercises/ holds the book's own edition: give another --out")
    written = handout.write(CHECKS.parent, options.out, options.seed)
    print(f"{len(written)} files in {options.out}; grade them with --edition and the same text")
    return 0


def _grade(options: argparse.Namespace) -> int:
    """Grade a class."""
    slug, out, edition = options.exercise, options.out, options.edition
    if options.submissions.resolve() in (out.resolve(), *out.resolve().parents):
        raise ValueError(f"{out} lies in the folder of the submissions: give an --out elsewhere")
    checks = _checks(options.checks, slug)
    chapter = load(checks)
    if chapter.slug != slug:
        raise ValueError(f"{checks} is of {chapter.slug}, expected {slug}")
    submissions = intake.read_submissions(options.submissions, slug, options.class_list)
    walls = sandbox.choose(unsafe=options.unsafe_no_sandbox)
    if walls.name == "none":
        print(sandbox.BANNER, file=sys.stderr)
    given = {id: chapter.given(id, edition) for id in chapter.questions}
    grade = partial(judge.grade, chapter=chapter, sandbox=walls, seed=options.seed, given=given)
    version = f"{__version__}+{hashlib.sha256(checks.read_bytes() + edition.encode()).hexdigest()[:8]}"
    grading = batch.Grading(chapter, grade, out, walls.name, options.seed, version)
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    jobs = options.jobs or cores
    return _tell(batch.grade_class(grading, submissions, jobs, options.shard, options.by_hand), out)


def _checks(folder: Path, slug: str) -> Path:
    """Return the file of checks of an exercise."""
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}: name that of your checks with --checks")
    known = sorted(path.stem for path in folder.glob("[0-9]*_*.py"))
    if slug not in known:
        raise ValueError(f"there are no checks for {slug!r} in {folder}, choose from: {', '.join(known)}")
    return folder / f"{slug}.py"


def _merge(options: argparse.Namespace) -> int:
    """Put tables together."""
    return _tell(batch.merge(options.folders, options.out, options.by_hand), options.out)


def _tell(rows: Sequence[Row], out: Path) -> int:
    """Say what came of it, and name whom to look after."""
    counts = Counter(row["status"] for row in rows)
    print(", ".join(f"{number} {status}" for status, number in counts.most_common()) or "no submissions")
    for row in rows:
        if row["status"] != "graded":
            print(f"  {row['student']}: {row['status']}, {row['notes']}")
    print(f"{out / batch.GRADES}\n{out / 'feedback'}")
    return 0
