"""Bench: all ways give the same loss, gradients and tokens, and the table says what was timed where."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from seq2seq_edu.bench import decoding, machine, styles, table
from seq2seq_edu.bench.styles import SHAPES
from seq2seq_edu.data import Batch, make_batch
from seq2seq_edu.decoding import greedy
from seq2seq_edu.experiments.recipes import WIDTHS
from seq2seq_edu.models import EncoderDecoder, ModelConfig, Seq2Seq, Transformer, TransformerConfig
from seq2seq_edu.training import loss_fast, loss_plain

SMALL = {"d_e": 3, "d_h": 10, "d_s": 7, "d_a": 5, "d_r": 3}
PAIRS = [([5, 6, 7, 8, 9, 10], [4, 5]), ([5], [4, 5, 6, 7, 8, 9]), ([12, 4, 4], [9, 9, 10]), ([7, 7], [])]
READOUTS = {"tutorial": "wide", "pytorch": "state", "d2l": "state", "default": "narrow"}


def small(readout: str = "wide", attention: str = "additive", **changes: Any) -> Seq2Seq:
    """Build a small model without dropout."""
    torch.manual_seed(0)
    sizes = SMALL | {"readout": readout, "bidirectional": readout != "state", "dropout": 0.0} | changes
    return Seq2Seq(ModelConfig(13, 11, attention=attention, **sizes))


def gradients(loss: Callable[..., torch.Tensor], model: Seq2Seq, batch: Batch) -> list[torch.Tensor]:
    """Return the loss (with label smoothing) and all gradients."""
    model.zero_grad()
    value = loss(model, batch, 0.1)
    value.backward()
    return [value.detach(), *(p.grad.clone() for p in model.parameters() if p.grad is not None)]


# Training paths


@pytest.mark.parametrize("extra_padding", [0, 3])
@pytest.mark.parametrize("shape", list(SHAPES))
def test_every_path_gives_the_loss_and_gradients_of_the_plain_one(shape: str, extra_padding: int) -> None:
    model, batch = small(READOUTS[shape]).double(), make_batch(PAIRS, extra_padding=extra_padding)
    wanted = gradients(loss_plain, model, batch)
    assert len(wanted) == 1 + len(list(model.parameters()))
    for path in SHAPES[shape].paths():
        torch.testing.assert_close(
            gradients(path.loss, model, batch), wanted, rtol=0, atol=1e-10, msg=path.name
        )


def test_the_tutorials_have_additive_attention_only() -> None:
    batch = make_batch(PAIRS)
    for loss in (styles.loss_tutorial, styles.loss_pytorch):
        with pytest.raises(ValueError, match="has additive attention; got scaled"):
            loss(small(attention="scaled"), batch)
    other = Transformer(TransformerConfig(13, 11, d_model=8, d_ff=5, layers=1, heads=2))
    with pytest.raises(ValueError, match="has additive attention; got"):
        styles.loss_d2l(other, batch)


def projections(loss: Callable[..., torch.Tensor], shape: str) -> tuple[int, int]:
    """Count calls of the key projection and of the vocabulary layer."""
    model, calls = small(READOUTS[shape]), [0, 0]
    for k, layer in enumerate((model.decoder.attention.U_a, model.W_o)):
        layer.register_forward_hook(lambda *_, k=k: calls.__setitem__(k, calls[k] + 1))
    loss(model, make_batch(PAIRS), 0.0)
    return calls[0], calls[1]


def test_the_references_do_what_their_tutorials_do_and_the_ladder_takes_it_away() -> None:
    steps = 7  # six tokens and eos
    assert projections(styles.loss_tutorial, "tutorial") == (0, steps)  # its U_a is in one wide matrix
    assert projections(styles.loss_pytorch, "pytorch") == (steps, steps)
    assert projections(styles.loss_d2l, "d2l") == (steps, 1)
    assert projections(loss_plain, "tutorial") == (1, steps)
    for path in SHAPES["tutorial"].paths()[2:]:
        assert projections(path.loss, "tutorial") == (1, 1)


def test_the_shapes_are_those_of_the_tutorials() -> None:
    sizes = {}
    for name in SHAPES:
        config = styles.model_config(name)
        assert config.dropout == 0 and config.attention == "additive"
        sizes[name] = sum(p.numel() for p in Seq2Seq(config).parameters())
    assert 20e6 < sizes["tutorial"] < 21e6 and 14e6 < sizes["pytorch"] == sizes["d2l"] < 15e6
    assert 3e6 < sizes["default"] < 4e6
    with pytest.raises(ValueError, match="shape must be one of tutorial, .*; got 'joey'"):
        styles.model_config("joey")


# Batches


def test_captions_are_as_long_as_real_ones_and_always_the_same() -> None:
    pairs = table.captions(499, seed=0)
    assert pairs == table.captions(499, seed=0) != table.captions(499, seed=1)
    for side, vocabulary in enumerate(SHAPES["tutorial"].vocabulary):
        lengths = [len(pair[side]) for pair in pairs]
        assert 12 < sum(lengths) / 499 < 14 and 5 <= min(lengths) and max(lengths) <= 30
        assert min(min(pair[side]) for pair in pairs) >= 4  # no special id
        assert max(max(pair[side]) for pair in pairs) < vocabulary
    batches = table.random_batches(pairs)
    assert [len(b.index) for b in batches] == [32] * 15 + [19]


def test_buckets_hold_as_many_tokens_as_random_batches_and_less_padding() -> None:
    pairs = table.captions(1600, seed=0)
    random, buckets = table.random_batches(pairs), table.bucket_batches(pairs, 7)
    assert len(buckets) == 7

    def per_batch(batches: list[Batch]) -> float:
        return sum(sum(b.tgt_lengths) for b in batches) / len(batches)

    def per_sentence(batches: list[Batch]) -> float:
        return sum(sum(b.tgt_lengths) for b in batches) / sum(len(b.index) for b in batches)

    assert per_batch(buckets) == pytest.approx(per_batch(random), rel=0.05)
    assert per_sentence(buckets) == pytest.approx(per_sentence(random), rel=0.05)  # no easy lengths picked
    assert sum(b.tgt_in.numel() for b in buckets) < 1.05 * sum(sum(b.tgt_lengths) for b in buckets)


# Work counted by formula


@pytest.mark.parametrize("readout", ["wide", "state", "narrow"])
@pytest.mark.parametrize("attention", ["additive", "none", "dot", "general", "scaled"])
def test_formulas_count_what_pytorch_counts(attention: str, readout: str) -> None:
    if readout == "state" and attention not in ("additive", "none"):
        pytest.skip("Luong's order has no readout of the state alone")
    changes = {"d_h": 14, "d_s": 14} if attention == "dot" else {}
    model = small(readout, attention, **changes)
    batch, n = make_batch([([4] * 4, [5] * 2)] * 3), 5  # no padding, three rows
    memory, state = model.encode(batch.src, batch.src_mask)
    with FlopCounterMode(display=False) as counter:
        model.step(batch.tgt_in[:, 0], state, memory)
    assert machine.decoder_step_cost(model.config, 3, n)[0] == counter.get_total_flops()
    with FlopCounterMode(display=False) as counter:
        loss_fast(model, batch)
    lengths = table.real_lengths([batch])
    assert lengths == [(5, 3)] * 3
    assert machine.training_flops(model.config, lengths) == 3 * counter.get_total_flops()


def test_bytes_of_a_step_are_its_parameters_and_its_sources() -> None:
    model = small("narrow")
    used = [
        model.decoder.gru,
        model.decoder.attention.W_a,
        model.decoder.attention.v_a,
        model.readout,
        model.W_o,
    ]
    parameters = sum(p.numel() for part in used for p in part.parameters())
    for batch, n in ((1, 2), (3, 5)):
        _, moved = machine.decoder_step_cost(model.config, batch, n)
        sentence = n * (5 + 10) + 3 + 7 + 7 + 10 + 11  # keys, values, embedding, two states, context, scores
        assert moved == 4 * (parameters + batch * sentence)
    intensity = [f / b for f, b in (machine.decoder_step_cost(model.config, k, 5) for k in (1, 7, 49))]
    assert intensity == sorted(intensity) and intensity[-1] > 3 * intensity[0]
    with pytest.raises(ValueError, match="at least one sentence of one token; got batch=0, n=5"):
        machine.decoder_step_cost(model.config, 0, 5)


def test_padding_is_no_work() -> None:
    config, one = small().config, [(7, 3)]
    batch = make_batch([([4] * 6, [5] * 2), ([4], [5])], extra_padding=5)
    both = machine.training_flops(config, table.real_lengths([batch]))
    assert both == machine.training_flops(config, one) + machine.training_flops(config, [(2, 2)])


def test_the_peak_of_this_machine_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "SIDE", 64)
    peak = machine.peak(seconds=0.01)
    assert all(value > 1e6 for value in peak)
    with pytest.raises(ValueError, match="seconds must be positive; got 0"):
        machine.peak(seconds=0)


# Decoding


@pytest.mark.parametrize("shape", ["tutorial", "pytorch"])
def test_every_way_to_decode_gives_the_same_tokens_and_ends_on_time(shape: str) -> None:
    model, step = small(READOUTS[shape]).double(), SHAPES[shape].step
    sources = [[*source, 2] for source, _ in PAIRS]
    decoding.check(model, step, sources)
    ways = decoding.ways(model, step)
    assert [way.size > 1 for way in ways] == [False, False, True, False, True]
    for way in ways:
        targets = way(sources)
        assert [len(target) for target in targets] == [7, 2, 4, 3]
        assert all(target[-1] == 2 and not set(target[:-1]) & {0, 1, 2} for target in targets)


def test_until_its_end_a_model_of_forced_length_is_the_model_itself() -> None:
    model = small()
    with torch.no_grad():
        model.W_o.bias[2] = -1e6  # never ends by itself
    src = torch.tensor([[5, 6, 7, 8, 9, 2]])
    forced = greedy(decoding.EndsOnTime(model), src, src != 0)[0]
    assert forced.ids == [*greedy(model, src, src != 0, max_length=5)[0].ids, 2]
    assert forced.alignment is not None and forced.alignment.shape == (6, 6)


def test_other_tokens_are_not_timed() -> None:
    def wrong(
        model: EncoderDecoder,
        y_prev: torch.Tensor,
        state: torch.Tensor,
        states: torch.Tensor,
        mask: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        features, state = styles.step_repeating(model, y_prev, state, states, mask)
        return -features, state

    with pytest.raises(
        ValueError, match="'greedy, one by one' gives other tokens than 'as tutorials write it"
    ):
        decoding.check(small().double(), wrong, [[5, 6, 2]])


# Memory


def test_memory_is_what_the_way_back_needs() -> None:
    model, batch = small(d_s=64, d_a=64, d_h=128), make_batch([([4] * 60, [4] * 60)] * 16)
    joined = 61 * 16 * 61 * (64 + 128) * 4  # bytes of what the reference concatenates, at all steps
    reference, fast = (table.kept_bytes(loss, model, batch) for loss in (styles.loss_tutorial, loss_fast))
    assert joined < reference < 2 * joined and fast < reference / 2
    assert table.kept_bytes(lambda model, *_: model.W_o.weight.square().sum(), model, batch) == 0
    features = torch.randn(16, 61, 138, requires_grad=True)
    kept = table.kept_bytes(lambda *_: features.exp().sum() + features.exp().sum(), model, batch)
    assert kept == 2 * features.nbytes, "two results, each needed once more"


# The table


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what takes seconds and is tested above."""
    monkeypatch.setattr(table, "peak", lambda device: machine.Peak(2e9, 4e9, 1e11))
    monkeypatch.setattr(table, "SENTENCES", 9)
    monkeypatch.setattr(table, "WINDOW", 2)
    for shape in SHAPES:
        monkeypatch.setitem(WIDTHS, shape, WIDTHS[shape] | SMALL)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("shape", ["tutorial", "d2l"])
def test_the_table_of_a_small_run(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SHAPES, shape, SHAPES[shape]._replace(vocabulary=(50, 40)))
    found = table.run(rounds=3, device="cpu", shape=shape)
    assert json.loads(json.dumps(found)) == found
    assert [row["name"] for row in found["rows"]] == [path.name for path in SHAPES[shape].paths()]
    for rows, speed in ((found["rows"], "tokens_per_second"), (found["decoding"], "sentences_per_second")):
        assert rows[0]["ratio"] == rows[0]["lowest"] == rows[0]["highest"] == 1
        for row in rows:
            assert row[speed] > 0 and row["lowest"] <= row["ratio"] <= row["highest"]
    assert [row["precision"] for row in found["rows"]] == ["fp32"] * 6 + ["bf16"]
    lengths = [(len(source) + 1, len(target) + 1) for source, target in table.captions(64, 0, (50, 40))[:9]]
    config = styles.model_config(shape)
    flops = machine.training_flops(config, lengths) / sum(m for _, m in lengths)  # of a token
    for row in found["rows"][:5]:  # the others are in batches of other sentences
        assert row["share_of_peak"] == pytest.approx(row["tokens_per_second"] * flops / 2e9, abs=1e-4)
    assert found["loss_spread"] < 1e-12 and found["gradient_spread"] < 1e-12
    assert found["memory"][0]["ratio"] == 1 > found["memory"][1]["ratio"] > 0
    assert (found["shape"], found["rounds"], found["sentences"], found["batch"]) == (shape, 3, 9, 32)
    assert found["peak"] == {"flops_fp32": 2e9, "flops_bf16": 4e9, "bytes_per_second": 1e11}
    assert found["device"]["type"] == "cpu" and found["versions"]["torch"] == torch.__version__
    text = table.render(found)
    names = [row["name"] for rows in ("rows", "decoding", "memory") for row in found[rows]]
    head = (
        f"model {shape}",
        "3 rounds",
        f"torch {torch.__version__}",
        "2 GFLOP/s fp32, 4",
        "1 threads",
    )
    assert all(name in text for name in names), text
    assert all(words in text for words in head[:-1]) and f"{torch.get_num_threads()} threads" in text
    assert max(map(len, text.splitlines())) <= 110


def test_ratios_are_taken_within_a_round() -> None:
    programs = [table.Program(name, len, [], 1) for name in "ab"]
    first, second = table.summary([{"a": 10, "b": 30}, {"a": 20, "b": 40}], "speed", programs)
    assert (first["speed"], first["lowest"], first["ratio"], first["highest"]) == (15, 1, 1, 1)
    assert (second["speed"], second["lowest"], second["ratio"], second["highest"]) == (35, 2, 2.5, 3)


@pytest.mark.usefixtures("quick")
def test_paths_that_disagree_are_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Loss(torch.autograd.Function):
        """Give the right loss and gradients a little too large."""

        @staticmethod
        def forward(ctx: Any, loss: torch.Tensor) -> torch.Tensor:
            return loss.clone()

        @staticmethod
        def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
            return gradient * 1.001

    def too_large(model: EncoderDecoder, batch: Batch, smoothing: float) -> torch.Tensor:
        return loss_fast(model, batch, smoothing) * 1.001

    def too_steep(model: EncoderDecoder, batch: Batch, smoothing: float) -> torch.Tensor:
        value: torch.Tensor = Loss.apply(loss_fast(model, batch, smoothing))
        return value

    monkeypatch.setattr(table, "_speeds", lambda *_: pytest.fail("something was timed"))
    right = styles.LADDER
    for wrong in (too_large, too_steep):
        monkeypatch.setattr(styles, "LADDER", (*right, styles.Path("wrong", wrong)))
        with pytest.raises(ValueError, match="(?s)different losses .*timing is useless"):
            table.run(rounds=1, device="cpu", shape="tutorial")
