"""The checker of notebooks: it passes a good one and refuses each way of being wrong."""

from __future__ import annotations

import importlib
import json
import operator
import re
from pathlib import Path
from typing import Any

import nbval_plugin
import pytest
from conftest import load_script

from seq2seq_edu import notebook

ROOT = Path(__file__).resolve().parents[2]
ALT = '<img alt="two bars" src="data:image/png;base64,AAAA">'
Cell = dict[str, Any]


checker = load_script(ROOT / "tools" / "check_notebooks.py")
refresher = load_script(ROOT / "tools" / "refresh_notebooks.py")


def code(
    source: str, *outputs: Cell, count: int | None = 1, name: str = "a", tags: tuple[str, ...] = ()
) -> Cell:
    """Return a code cell."""
    return {
        "cell_type": "code",
        "id": name,
        "metadata": {"tags": list(tags)} if tags else {},
        "source": source,
        "outputs": list(outputs),
        "execution_count": count,
    }


def stream(text: str) -> Cell:
    """Return what a cell printed."""
    return {"output_type": "stream", "name": "stdout", "text": text}


def shown(**data: str) -> Cell:
    """Return what a cell displayed; html="..." stands for text/html."""
    kinds = {"html": "text/html", "png": "image/png", "plain": "text/plain"}
    return {"output_type": "display_data", "metadata": {}, "data": {kinds[k]: v for k, v in data.items()}}


def error(name: str, value: str) -> Cell:
    """Return the error that a cell raised."""
    return {"output_type": "error", "ename": name, "evalue": value, "traceback": []}


def write(path: Path, *cells: Cell, **metadata: Any) -> Path:
    """Write a notebook of these cells."""
    notebook = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}, **metadata},
        "cells": list(cells),
    }
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path


def problems(tmp_path: Path, *cells: Cell, **metadata: Any) -> str:
    """Return what the checker says without running anything."""
    return "\n".join(checker.static_problems(write(tmp_path / "x.ipynb", *cells, **metadata)))


# --- comparing outputs ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("loss 1.2345", "loss 1.2345025"),  # 2e-6 relative
        ("loss 1.2345", "loss 1.2347"),
        ("[0.5    0.25   0.1234567]", "[0.5  0.25 0.123457]"),
        ("array([ 1. , -2. ])", "array([1., -2.])"),
        ("1e-9", "-2e-9"),
        ("\u22120.5", "-0.5"),
    ],
)
def test_close_numbers_agree(one: str, other: str) -> None:
    assert nbval_plugin.Output(one) == nbval_plugin.Output(other)
    assert not nbval_plugin.Output(one) != nbval_plugin.Output(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("loss 1.2345", "loss 1.2839"),  # 4e-2 relative
        ("loss 1.2345", "loss -1.2345"),
        ("0.0001", "0.0003"),
        ("7 words", "8 words"),  # whole numbers are exact
        ("loss 1.5", "Loss 1.5"),
        ("1.0 2.0", "1.0"),
        ("1.0\n2.0", "1.0 2.0"),
        ("a  b", "a b"),
    ],
)
def test_different_outputs_do_not(one: str, other: str) -> None:
    assert nbval_plugin.Output(one) != nbval_plugin.Output(other)
    assert not nbval_plugin.Output(one) == nbval_plugin.Output(other)


def test_a_figure_is_its_text() -> None:
    other_pixels = ALT.replace("AAAA", "BBBB")
    assert nbval_plugin.figure_text(ALT) == nbval_plugin.figure_text(other_pixels) == "image: two bars"
    assert nbval_plugin.figure_text(ALT.replace("two", "three")) == "image: three bars"


def test_a_widget_is_its_state_and_the_text_of_its_picture() -> None:
    state = f"{{&quot;e&quot;:[1.5,2],&quot;p&quot;:&quot;{'Ab+/' * 50}&quot;}}"
    page = f'<div data-widget="x" data-state="{state}">{ALT}</div>'
    bare, states = nbval_plugin.split_states(nbval_plugin.figure_text(page))
    assert bare == '<div data-widget="x" state>image: two bars</div>'
    assert states == ['{"e":[1.5,2],"p":"packed"}']


# --- what is refused unseen -------------------------------------------------------------------------------


def test_nothing_to_say_about_a_good_one(tmp_path: Path) -> None:
    text = {
        "cell_type": "markdown",
        "id": "t",
        "metadata": {},
        "source": "![a map](map.png) and /usr/bin in words",
    }
    figure = shown(html=ALT, png="AAAA", plain="two bars")
    failing = code("1/0", error("ZeroDivisionError", ""), count=3, name="c", tags=("raises-exception",))
    cells = [text, code("print(1)", stream("1\n")), code("show()", figure, count=2, name="b"), failing]
    assert problems(tmp_path, *cells) == ""


@pytest.mark.parametrize(
    ("cell", "complaint"),
    [
        (code("print(1)", count=None), "never executed"),
        (code("", count=None), "empty code cell"),
        (code("1/0", error("ZeroDivisionError", "")), "error ZeroDivisionError"),
        (code("f", shown(png="AAAA", plain="<Figure>")), "image without a text"),
        (code("f", shown(html=ALT.replace("two bars", " "))), "alt is missing or empty"),
        (code("f", shown(html="<img src='data:,'>")), "alt is missing or empty"),
        (code("p", stream("saved to /home/ada/model\n")), "path of the machine"),
        (code("p", stream(f"File {ROOT}/x.py\n")), "path of the machine"),
        (code("p", {**error("E", ""), "traceback": ["~/book/x.py"]}, tags=("raises-exception",)), "path of"),
        (code("# NBVAL_SKIP\n1"), "skipped by the check"),
        (
            {"cell_type": "markdown", "id": "m", "metadata": {}, "source": "![](x.png)"},
            "without alternative text",
        ),
    ],
)
def test_each_fault_is_refused(tmp_path: Path, cell: Cell, complaint: str) -> None:
    assert complaint in problems(tmp_path, cell)


def test_faults_of_the_whole_are_refused(tmp_path: Path) -> None:
    one, two = code("1"), code("2", count=2, name="b")
    nameless = {key: value for key, value in one.items() if key != "id"}
    assert "'a' 2 times" in problems(tmp_path, one, {**two, "id": "a"})
    assert "none of its 2 code cells" in problems(
        tmp_path, code("1", count=None), code("2", count=None, name="b")
    )
    assert "1 cells without an id" in problems(tmp_path, nameless, two)
    assert "from top to bottom" in problems(tmp_path, two, one)
    assert "expected {'name': 'python3'" in problems(tmp_path, one, kernelspec={"name": "my-env"})
    assert "at most 500" in problems(tmp_path, code("p", stream("x" * 500_001)))
    (tmp_path / "broken.ipynb").write_text('{"cells": ', encoding="utf-8")
    assert "cannot be read" in checker.static_problems(tmp_path / "broken.ipynb")[0]


def test_the_form_of_a_chapter_is_measured(tmp_path: Path) -> None:
    text = {
        "cell_type": "markdown",
        "id": "t",
        "metadata": {},
        "source": "one two <details>three</details> $$x$$",
    }
    setup = code("import math\n\nfrom seq2seq_edu import notebook\nnotebook.start()\n%xmode Minimal")
    lesson = code("x = 1\nassert x\nnotebook.show(plots.bars([x]))\nnotebook.show(x, 'a\\\n b')", name="b")
    last = code("assert 1\n" * 14, name="c", tags=("promises",))
    form = checker.form(write(tmp_path / "x.ipynb", text, setup, lesson, last))
    assert form == (2, 2, 4.5, 5, 4, pytest.approx(6 / 9))
    assert form.problems() == ["plumbing 0.667, expected at most 0.08"]


# --- in a kernel ------------------------------------------------------------------------------------------

WARN = "import warnings; warnings.warn('careful'); print(2 + 3)"
SHOW = (
    "from IPython.display import display\n"
    f"display({{'text/html': '{ALT}', 'image/png': 'AAAA', 'text/plain': 'two bars'}}, raw=True)"
)


def test_the_checker_runs_notebooks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One run of the whole command: a good notebook (figure, time, tag), and one with each kind of change."""
    figure = shown(html=ALT.replace("AAAA", "BBBB"), png="BBBB", plain="two bars")
    good = write(
        tmp_path / "good.ipynb",
        code("x = 1.2345\nprint('loss', x)", stream(f"loss {1.2345 * (1 + 2e-6)}\n")),
        code(SHOW, figure, count=2, name="b"),
        code("print('took 1.12 s at', hex(2**40))", stream("took 9.87 s at 0xabcdef12\n"), count=3, name="c"),
        code(
            "1/0",
            error("ZeroDivisionError", "division by zero"),
            count=4,
            name="d",
            tags=("raises-exception",),
        ),
    )
    bad = write(
        tmp_path / "bad.ipynb",
        code("print(1.2345)", stream(f"{1.2345 * 1.04}\n")),
        code("print('attention')", stream("attentive\n"), count=2, name="b"),
        code(SHOW, shown(html=ALT.replace("two", "three"), png="AAAA", plain="two bars"), count=3, name="c"),
        code("1/0", stream("1\n"), count=4, name="d"),
    )
    unrun = write(tmp_path / "unrun.ipynb", code("1", count=None))
    assert checker.main([str(good), str(bad), str(unrun), "--timeout", "60"]) == 1
    said = capsys.readouterr().out
    assert "passed  good.ipynb" in said and "FAILED  bad.ipynb" in said and "FAILED  unrun.ipynb" in said
    for trace in ("1.2838", "attentive", "three bars", "ZeroDivisionError", "4 failed", "never executed"):
        assert trace in said
    assert said.splitlines()[-1] == "notebooks: 1/3"


def test_refreshing_makes_a_notebook_that_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    needs = {"needs": []}
    kernel = {"name": "my-env", "display_name": "Ada's"}
    metadata = {"kernelspec": kernel, "widgets": {"state": {}}, "seq2seq_edu": needs}
    first = {**code(WARN, count=None, name="sum"), "metadata": {"execution": {"iopub": "12:00"}}}
    last = code("import json\njson.loads('{')", count=None, name="bad", tags=("raises-exception",))
    path = write(tmp_path / "x.ipynb", first, last, **metadata)
    assert refresher.main([str(path)]) == 0, capsys.readouterr().out
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert [cell["id"] for cell in notebook["cells"]] == ["sum", "bad"]
    assert [cell["execution_count"] for cell in notebook["cells"]] == [1, 2]
    said = {output["name"]: "".join(output["text"]) for output in notebook["cells"][0]["outputs"]}
    assert said["stdout"] == "5\n" and said["stderr"].startswith("<cell>:1: UserWarning: careful")
    assert notebook["cells"][0]["metadata"] == {}
    assert set(notebook["metadata"]) == {"kernelspec", "language_info", "seq2seq_edu"}
    assert notebook["metadata"]["kernelspec"]["display_name"] == "Python 3"
    assert checker.main([str(path)]) == 0, capsys.readouterr().out


def test_a_widget_is_committed_as_its_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its model is gone with the kernel; its state and the text of its picture are compared."""
    source = "from seq2seq_edu.widgets import SoftmaxExplorer\nSoftmaxExplorer([1.5, 2.25], ['a', 'b'])"
    path = write(tmp_path / "x.ipynb", code(source, count=None, name="widget"))
    assert refresher.main([str(path)]) == 0, capsys.readouterr().out
    notebook = json.loads(path.read_text(encoding="utf-8"))
    data = notebook["cells"][0]["outputs"][0]["data"]
    assert set(data) == {"text/html", "text/plain"}
    assert "Bars of scores" in "".join(data["text/html"])
    assert checker.main([str(path)]) == 0, capsys.readouterr().out
    data["text/html"] = "".join(data["text/html"]).replace("2.25", "2.75")
    path.write_text(json.dumps(notebook), encoding="utf-8")
    assert checker.main([str(path)]) == 1


def test_refreshing_leaves_a_failing_notebook_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, timeout: float) -> Any:
        raise refresher.CellExecutionError("traceback", "NameError", "name 'x' is not defined")

    monkeypatch.setattr(refresher, "execute", fail)
    path = write(tmp_path / "x.ipynb", code("x", count=None))
    before = path.read_bytes()
    assert refresher.main([str(path)]) == 1
    assert path.read_bytes() == before
    assert "left as it was" in capsys.readouterr().out


@pytest.mark.parametrize(("noise", "status"), [(1.07, 0), (1.31, 1)])
def test_timings_of_a_busy_machine_are_not_saved(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch, noise: float, status: int
) -> None:
    said = {"output_type": "stream", "name": "stdout", "text": f"noise of this run: a factor of {noise}\n"}
    path = write(tmp_path / "x.ipynb", code("race()", count=None))
    run = write(tmp_path / "run.ipynb", code("race()", said))
    monkeypatch.setattr(refresher, "execute", lambda *_: refresher.nbformat.read(run, as_version=4))
    before = path.read_bytes()
    assert refresher.main([str(path)]) == status
    assert (path.read_bytes() == before) == bool(status)
    assert ("The machine was busy" in capsys.readouterr().out) == bool(status)


def test_no_notebooks_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(checker, "ROOT", tmp_path)
    assert checker.main([]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "notebooks: 0/0"


def test_without_its_data_a_notebook_is_read_but_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(name: str) -> None:
        raise OSError(f"no network to fetch {name}")

    path = write(tmp_path / "needy.ipynb", code("1/0"), seq2seq_edu={"needs": ["tatoeba-zh-en"]})
    monkeypatch.setattr(checker.corpora, "load", load)
    monkeypatch.delenv("CI", raising=False)
    assert checker.main([str(path)]) == 0
    said = capsys.readouterr().out
    assert "no network to fetch tatoeba-zh-en" in said
    assert said.strip().endswith("notebooks: 0/1 (1 not run for want of data: make data)")
    monkeypatch.setenv("CI", "true")
    assert checker.main([str(path)]) == 1
    assert "its data are missing" in capsys.readouterr().out


def stale_sources(path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the sources that a notebook shows and that the package does not hold any more."""
    shown: list[str] = []
    monkeypatch.setattr(notebook, "_display", lambda bundle: shown.append(bundle["text/plain"]))
    stale = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        for output in cell.get("outputs", []):
            text = "".join(output.get("data", {}).get("text/plain", ""))
            name = re.match(r"# (seq2seq_edu\.\w+)\.([\w.]+)\n", text)
            if name is None:
                continue
            thing = operator.attrgetter(name[2])(importlib.import_module(name[1]))
            shown.clear()
            notebook.show_source(thing)
            stale += [f"{name[1]}.{name[2]}"] * (text not in shown)
    return stale


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_the_source_shown_is_the_package_s(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stale = stale_sources(path, monkeypatch)
    assert not stale, f"{path.name} shows an older {', '.join(stale)}: run tools/refresh_notebooks.py {path}"


def test_an_older_source_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "# seq2seq_edu.notebook._first_lines\ndef _first_lines(source): ..."
    cell = {"cell_type": "code", "outputs": [{"data": {"text/plain": [text]}}]}
    (tmp_path / "old.ipynb").write_text(json.dumps({"cells": [cell]}), encoding="utf-8")
    assert stale_sources(tmp_path / "old.ipynb", monkeypatch) == ["seq2seq_edu.notebook._first_lines"]
