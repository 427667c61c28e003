"""Bench: every path it times gives the same loss and gradients, and the table says what was timed where."""

import pytest
import torch

from seq2seq_edu import bench
from seq2seq_edu.batching import make_batch
from seq2seq_edu.model import ModelConfig, Seq2Seq
from seq2seq_edu.training import loss_fast, loss_plain

SMALL = {"d_e": 3, "d_h": 10, "d_s": 7, "d_a": 5}
PAIRS = [([5, 6, 7, 8, 9, 10], [4, 5]), ([5], [4, 5, 6, 7, 8, 9]), ([12, 4, 4], [9, 9, 10]), ([7, 7], [])]


def tutorial(attention: str = "additive") -> Seq2Seq:
    """Build a small model with a wide readout."""
    torch.manual_seed(0)
    return Seq2Seq(ModelConfig(13, 11, attention=attention, readout="wide", dropout=0.0, **SMALL))


@pytest.mark.parametrize("extra_padding", [0, 3])
def test_the_way_tutorials_write_it_gives_the_same_loss_and_gradients(extra_padding: int) -> None:
    model, batch = tutorial(), make_batch(PAIRS, extra_padding=extra_padding)
    found = []
    for loss in (bench.loss_tutorial, loss_plain, loss_fast):
        model.zero_grad()
        value = loss(model, batch)
        value.backward()
        found.append([value.detach(), *(p.grad.clone() for p in model.parameters())])
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=0, atol=1e-5)


def test_the_tutorial_has_additive_attention_only() -> None:
    with pytest.raises(ValueError, match="has additive attention; got scaled"):
        bench.loss_tutorial(tutorial("scaled"), make_batch(PAIRS))


def test_captions_are_as_long_as_real_ones_and_always_the_same() -> None:
    pairs = bench.captions(499, seed=0)
    assert pairs == bench.captions(499, seed=0) != bench.captions(499, seed=1)
    for side in (0, 1):
        lengths = [len(pair[side]) for pair in pairs]
        assert 12 < sum(lengths) / 499 < 14 and 5 <= min(lengths) and max(lengths) <= 30
        assert min(min(pair[side]) for pair in pairs) >= 4  # no special id
        assert max(max(pair[side]) for pair in pairs) < bench.VOCABULARY[side]
    for buckets in (False, True):
        batches = bench.batches(pairs, buckets)
        assert sum(len(batch.index) for batch in batches) == 499
        assert all(len(batch.index) == bench.BATCH for batch in batches[:-1])


def test_the_table_of_a_small_run() -> None:
    table = bench.run(rounds=3, widths=SMALL, sentences=35)
    assert [row["name"] for row in table["rows"]] == [path.name for path in bench.PATHS]
    assert table["rows"][0]["ratio"] == table["rows"][0]["lowest"] == 1.0
    for row in table["rows"]:
        assert row["tokens_per_second"] > 0 and row["lowest"] <= row["ratio"] <= row["highest"]
    assert table["loss_spread"] < 1e-5 and (table["rounds"], table["sentences"]) == (3, 35)
    assert table["device"]["type"] == "cpu" and table["versions"]["torch"] == torch.__version__
    text = bench.render(table)
    assert all(path.name in text for path in bench.PATHS) and "3 rounds" in text


def test_paths_that_disagree_are_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = bench.Path("wrong", lambda model, batch, smoothing: loss_fast(model, batch, smoothing) * 1.001)
    monkeypatch.setattr(bench, "PATHS", (*bench.PATHS[:2], wrong))
    with pytest.raises(ValueError, match="different losses .*timing is useless"):
        bench.run(rounds=1, widths=SMALL, sentences=5)
