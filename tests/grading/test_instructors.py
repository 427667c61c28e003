"""The instructor's pages: each command is one that exists, each exercise and section named is there."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from links import dead_links

from seq2seq_edu.cli import _parser
from seq2seq_edu.grading.checker import Checker
from seq2seq_edu.grading.questions import load

ROOT = Path(__file__).resolve().parents[2]
GUIDE, TEACHING = ROOT / "INSTRUCTORS.md", ROOT / "docs" / "teaching"
PAGES = [GUIDE, *sorted(TEACHING.glob("*.md"))]
PLANS = TEACHING / "plans.md"
SHARDS = 8
QUESTIONS = {
    id: question
    for path in sorted((ROOT / "solutions" / "checks").glob("[0-9][0-9]_*.py"))
    for id, question in load(path).questions.items()
}


def read(path: Path) -> str:
    """Return the text of a page."""
    return path.read_text(encoding="utf-8")


def commands(text: str) -> list[list[str]]:
    """Return the words of each command of this project in the code blocks of a page."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    found = [shlex.split(line, comments=True) for line in lines]
    return [words[1:] for words in found if words and Path(words[0]).name == "seq2seq-edu"]


# the guide


@pytest.mark.parametrize("words", commands(read(GUIDE)), ids=" ".join)
def test_a_command_of_the_guide_is_understood(words: list[str]) -> None:
    options = _parser().parse_args(words)
    assert callable(options.run)
    if words[0] == "grade":
        assert (ROOT / "solutions" / "checks" / f"{options.exercise}.py").is_file()
        assert not options.unsafe_no_sandbox


def test_the_guide_shows_the_whole_way() -> None:
    every = commands(read(GUIDE))
    shown = {word for words in every for word in words}
    assert {"exercises", "grade", "grade-merge", "--jobs", "--class-list", "--by-hand"} <= shown
    options = ("--edition", "--seed")
    first, edition, seed = (words[words.index(o) + 1] for words in every for o in options if o in words)
    assert first == edition != seed, "a class is graded with the text that its edition was written with"
    assert "--shard" in read(GUIDE) and "--checks" in read(GUIDE)


def test_options_named_in_the_text_exist() -> None:
    known = set()
    for action in _parser()._subparsers._group_actions[0].choices.values():  # type: ignore[union-attr]
        known |= set(action._option_string_actions)
    named = set(re.findall(r"`[^`\n]*?(--[a-z-]+)[^`\n]*`", read(GUIDE)))
    assert named <= known, f"no such option: {named - known}"


def test_the_guide_is_short() -> None:
    way, _, _ = read(GUIDE).partition("## Private checks")
    assert len(way.splitlines()) <= 75, "from a class list to a gradebook in one page"


def test_files_of_the_trial_exist() -> None:
    for name in re.findall(r"^cp (\S+)", read(GUIDE), flags=re.MULTILINE):
        assert (ROOT / name).is_file(), f"INSTRUCTORS.md copies {name}, which is not there"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_of_the_pages_lead_somewhere(path: Path) -> None:
    assert not dead_links(path, read(path))


def test_what_is_said_of_nbgrader_is_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "there `check(...)` raises" in " ".join(read(GUIDE).split())
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    monkeypatch.chdir(ROOT / "exercises")
    with pytest.raises(AssertionError, match="NOT YET: there is no"):
        Checker()(next(iter(QUESTIONS)))


# many machines


def run_by_shell(command: list[str], folder: Path, **variables: str) -> list[str]:
    """Run a script with a `seq2seq-edu` that only says what it was given."""
    program = folder / ".venv" / "bin" / "seq2seq-edu"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text('#!/bin/sh\nfor word; do printf "%s\\n" "$word"; done\n', encoding="utf-8")
    program.chmod(0o755)
    env = {"PATH": os.environ["PATH"], **variables}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def check_shards(runs: list[list[str]]) -> None:
    """Check that the commands grade each part of one class once, alike but for the part."""
    options = [_parser().parse_args(words) for words in runs]
    assert [o.shard for o in options] == [(k, SHARDS) for k in range(1, SHARDS + 1)]
    assert len({o.out for o in options}) == SHARDS and {o.out.parent for o in options} == {Path("shards")}
    assert {(o.seed, o.exercise, o.jobs, o.unsafe_no_sandbox) for o in options} == {
        ("only I know", "03_attention_weights", 4, False)
    }


@pytest.mark.skipif(sys.platform == "win32" or shutil.which("bash") is None, reason="needs bash")
def test_the_slurm_array_grades_every_shard_once(tmp_path: Path) -> None:
    script = TEACHING / "slurm.sh"
    last = re.search(r"^#SBATCH --array=1-(\d+)$", read(script), flags=re.MULTILINE)
    assert last is not None and int(last[1]) == SHARDS
    bash = ["bash", str(script)]
    check_shards(
        [
            run_by_shell(bash, tmp_path, SLURM_ARRAY_TASK_ID=str(k), SEED="only I know")
            for k in range(1, SHARDS + 1)
        ]
    )
    with pytest.raises(subprocess.CalledProcessError) as error:
        run_by_shell(bash, tmp_path, SLURM_ARRAY_TASK_ID="1")
    assert "export SEED first" in error.value.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs sh")
def test_the_kubernetes_job_grades_every_shard_once(tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML reads the example")
    spec = yaml.safe_load(read(TEACHING / "kubernetes.yaml"))["spec"]
    assert spec["completionMode"] == "Indexed" and spec["completions"] == SHARDS
    (container,) = spec["template"]["spec"]["containers"]
    (script,) = container["args"]
    command = [*container["command"], script.replace("/project/.venv", ".venv")]
    check_shards(
        [
            run_by_shell(command, tmp_path, JOB_COMPLETION_INDEX=str(k), SEED="only I know")
            for k in range(SHARDS)
        ]
    )


# plans, rubric


def plans() -> dict[str, str]:
    """Return the plan of each chapter, by the name of its notebook."""
    parts = re.split(r"^## \d\d · .*$", read(PLANS), flags=re.MULTILINE)[1:]
    return {re.search(r"notebooks/(\w+)\.ipynb", part)[1]: part for part in parts}  # type: ignore[index]


def rows(plan: str) -> list[list[str]]:
    """Return the cells of a plan's table."""
    lines = [line for line in plan.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def headings(slug: str) -> list[str]:
    """Return the headings of a chapter."""
    found = []
    for cell in json.loads(read(ROOT / "notebooks" / f"{slug}.ipynb"))["cells"]:
        if cell["cell_type"] == "markdown":
            found += re.findall(r"^#+ (.+)$", "".join(cell["source"]), flags=re.MULTILINE)
    return found


def test_every_chapter_has_a_plan() -> None:
    chapters = [path.stem for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))]
    assert list(plans()) == [slug for slug in chapters if slug in plans()]
    assert set(plans()) >= {slug for slug in chapters if slug[:2] <= "10"}
    assert not re.search(r"\{\d+\}", read(PLANS)), "an exercise is not chosen yet"


@pytest.mark.parametrize("slug", plans())
def test_minutes_follow_each_other(slug: str) -> None:
    for column, last in ((0, 45), (1, 90)):
        times = [re.fullmatch(r"(\d+)–(\d+)", row[column]) for row in rows(plans()[slug])]
        spans = [(int(time[1]), int(time[2])) for time in times if time]
        assert spans[0][0] == 0 and spans[-1][1] == last
        assert all(a[1] == b[0] for a, b in zip(spans, spans[1:], strict=False)), spans
        assert all(start < end for start, end in spans)


@pytest.mark.parametrize("slug", plans())
def test_sections_named_in_a_plan_exist(slug: str) -> None:
    there = headings(slug)
    for row in rows(plans()[slug]):
        for name in re.findall(r"(?<!\*)\*([^*]+)\*(?!\*)", row[2]):
            assert any(heading.startswith(name) for heading in there), f"{slug} has no section {name!r}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_exercises_named_on_a_page_exist(path: Path) -> None:
    wrong = [id for id in re.findall(r"`(\d+\.\d+)`", read(path)) if id not in QUESTIONS]
    assert not wrong, f"{path.name} names {', '.join(wrong)}, which are no exercises"


def exercises_of(slug: str) -> set[str]:
    """Return the numbers of a chapter's exercises."""
    return {id for id in QUESTIONS if id.split(".")[0] == slug[:2].lstrip("0")}


@pytest.mark.parametrize("slug", [slug for slug in plans() if exercises_of(slug)])
def test_exercises_of_a_plan_are_those_of_its_chapter_and_fit(slug: str) -> None:
    plan = plans()[slug]
    assert set(re.findall(r"`(\d+\.\d+)`", plan)) <= exercises_of(slug)
    assert "**Exercises:** in class" in plan and "At home" in plan
    row = rows(plan)[-1]
    start, end = map(int, row[1].split("–"))
    in_class = re.findall(r"`(\d+\.\d+)`", row[2])
    assert in_class and sum(QUESTIONS[id].minutes for id in in_class) <= end - start


def test_the_answer_to_be_marked_by_hand_is_one() -> None:
    (student, id, points), *_ = re.findall(r"`([\w-]+),(\d+\.\d+),(\d+)`", read(GUIDE))
    assert student and float(points) <= QUESTIONS[id].by_hand


def test_tables_of_the_rubric_have_four_levels() -> None:
    tables = [line for line in read(TEACHING / "rubric.md").splitlines() if line.startswith("| ")]
    assert len(tables) >= 12 and all(line.count("|") == 6 and "||" not in line for line in tables)
