"""The command that measures widgets: it moves each of them, and says so if a move does nothing."""

from pathlib import Path
from typing import Any

import pytest
from conftest import load_script

bench = load_script(Path(__file__).resolve().parents[2] / "tools" / "bench_widgets.py")


@pytest.mark.parametrize("name", bench.EXAMPLES)
def test_each_widget_is_moved(browser: Any, name: str) -> None:
    row = bench.measure(browser, name, moves=4)
    assert row["name"] == name and row["moves"] == 4
    assert 0 <= row["move_ms"] <= row["frame_ms"], "a frame is drawn after the move"
    assert row["move_ms"] <= row["move_ms_95"]


def test_a_move_that_does_nothing_is_an_error(browser: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = bench.EXAMPLES["softmax"].make
    for moves, words in (
        (bench.keys("[data-key=score-0]", "F7"), "changed nothing"),
        (bench.keys(".gone", "ArrowUp"), "there is no .gone"),
    ):
        monkeypatch.setitem(bench.EXAMPLES, "softmax", bench.Example(made, moves))
        with pytest.raises(Exception, match=words):
            bench.measure(browser, "softmax", moves=4)


def test_the_table_says_who_is_slow() -> None:
    row = {"name": "swift", "moves": 60, "move_ms": 1.5, "move_ms_95": 3.0, "frame_ms": 17, "frame_ms_95": 18}
    slow = row | {"name": "slow", "move_ms_95": 25.0}
    assert [line.split()[-1] for line in bench.table([row, slow]).splitlines()[1:]] == ["yes", "NO"]
    record = bench.record([row, slow], "1.2.3")
    assert record["bound_ms"] == 20 and record["rows"] == [row, slow]
    assert record["versions"]["chromium"] == "1.2.3" and record["device"]["type"] == "cpu"


def test_too_few_moves_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench.main(["--moves", "59"])
    assert "expected at least 60" in capsys.readouterr().err
