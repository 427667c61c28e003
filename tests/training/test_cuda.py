"""Fixed shapes and CUDA graphs: loss and training are those of the plain path; on a CPU without graphs."""

import dataclasses
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from seq2seq_edu.data import Batch, IdPair, Vocabulary, make_batch
from seq2seq_edu.models import (
    ATTENTIONS,
    EncoderDecoder,
    ModelConfig,
    Seq2Seq,
    Transformer,
    TransformerConfig,
)
from seq2seq_edu.training import TrainConfig, cuda, load_checkpoint, loop, loss_plain, train
from seq2seq_edu.training.cuda import (
    FixedSteps,
    Store,
    encode_static,
    fixed_shapes,
    loss_static,
    run_gru,
    shape_of,
)
from seq2seq_edu.training.loop import Record

SIZES = {"source_vocab": 13, "target_vocab": 11, "d_e": 3, "d_h": 10, "d_s": 7, "d_a": 5, "d_r": 2}
SHAPES: dict[str, dict[str, object]] = {
    **{name: {"attention": name} for name in ATTENTIONS},
    "wide": {"readout": "wide"},
    "state": {"readout": "state"},
    "one direction": {"bidirectional": False},
    "shared": {"share_embeddings": True, "target_vocab": 13, "d_r": 3},
}
MODELS = (*SHAPES, "transformer")
PAIRS = [([5, 6, 7, 8, 9, 10], [4, 5]), ([5], [4, 5, 6, 7, 8, 9]), ([12, 4, 4], [9, 9, 10]), ([7, 7], [])]
NO_GPU = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no CUDA GPU here: graphs are compared with single steps on one"
)


def tiny(name: str = "additive", seed: int = 0, dropout: float = 0.0) -> EncoderDecoder:
    """Build a small model."""
    torch.manual_seed(seed)
    if name == "transformer":
        return Transformer(TransformerConfig(13, 11, d_model=6, d_ff=7, layers=2, heads=3, dropout=dropout))
    sizes = {**SIZES, "dropout": dropout, **SHAPES[name]}
    if name == "dot":
        sizes["d_s"] = sizes["d_h"]
    return Seq2Seq(ModelConfig(**sizes))


def many(count: int = 31) -> list[IdPair]:
    """Make pairs to copy, of lengths 1 .. 5."""
    g = torch.Generator().manual_seed(7)
    sources = [torch.randint(4, 11, (1 + k % 5,), generator=g).tolist() for k in range(count)]
    return [(source, source[: 1 + k % 3]) for k, source in enumerate(sources)]


def gradients(model: EncoderDecoder, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the gradient of every parameter, and the loss itself."""
    model.zero_grad()
    loss.backward()
    grads = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    assert len(grads) == len(list(model.parameters()))
    return grads | {"loss": loss.detach()}


def stored(pairs: list[IdPair], rows: list[int], n: int, m: int) -> Batch:
    """Take rows from a store on the CPU."""
    return Store(pairs, torch.device("cpu")).batch(torch.tensor(rows), n, m)


# The loss


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_static_loss_and_gradients_are_those_of_the_plain_path(
    name: str, dtype: torch.dtype, label_smoothing: float
) -> None:
    model = tiny(name).to(dtype)
    plain = gradients(model, loss_plain(model, make_batch(PAIRS), label_smoothing))
    static = loss_static(model, stored(PAIRS, [4, 3, 0, 2, 1, 4], n=11, m=13), label_smoothing)
    limit = 1e-10 if dtype == torch.float64 else 1e-5
    torch.testing.assert_close(gradients(model, static), plain, rtol=0, atol=limit)


@pytest.mark.parametrize("name", MODELS)
def test_garbage_under_the_mask_changes_no_static_loss(name: str) -> None:
    model, clean, dirty = tiny(name), stored(PAIRS, [0, 1, 2, 3], 7, 11), stored(PAIRS, [0, 1, 2, 3], 7, 11)
    dirty = dataclasses.replace(
        dirty,
        src=dirty.src.masked_fill(~dirty.src_mask, 11),
        tgt_in=dirty.tgt_in.masked_fill(~dirty.tgt_mask, 10),
        tgt_out=dirty.tgt_out.masked_fill(~dirty.tgt_mask, 9),
    )
    expected = gradients(model, loss_static(model, clean))
    torch.testing.assert_close(gradients(model, loss_static(model, dirty)), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("bidirectional", [True, False])
def test_static_encoder_is_the_packed_one(bidirectional: bool) -> None:
    torch.manual_seed(0)
    model = Seq2Seq(ModelConfig(**SIZES, bidirectional=bidirectional)).double()
    batch, embedded = make_batch(PAIRS, extra_padding=2), torch.randn(4, 9, 3, dtype=torch.float64)
    expected = model.encoder(embedded, batch.src_mask)
    found = encode_static(model.encoder.gru, embedded, batch)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_a_cell_run_in_one_call_is_the_cell_step_by_step() -> None:
    torch.manual_seed(3)
    cell, x, state = torch.nn.GRUCell(3, 5), torch.randn(7, 2, 3), torch.randn(2, 5)
    states, current = run_gru(cell, x, state), state
    for t in range(7):
        current = cell(x[t], current)
        torch.testing.assert_close(states[t], current, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["additive", "scaled", "transformer"])
def test_static_loss_in_half_precision(name: str) -> None:
    model, batch = tiny(name), stored(PAIRS, [0, 1, 2, 3, 4], 11, 13)
    exact = loss_static(model, batch).item()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = loss_static(model, batch)
    assert mixed.dtype == torch.float32 and mixed.item() == pytest.approx(exact, abs=0.05)
    assert all(g.isfinite().all() for g in gradients(model, mixed).values())


def test_no_shape_depends_on_the_data() -> None:
    """Note the shapes of all operations for two batches of other lengths: a graph would replay the first."""

    class Shapes(TorchDispatchMode):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[tuple[object, ...]] = []

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            result = func(*args, **(kwargs or {}))
            sizes = [tuple(x.shape) for x in (result if isinstance(result, tuple) else [result])
                     if isinstance(x, torch.Tensor)]  # fmt: skip
            self.seen.append((str(func), *sizes))
            return result

    store = Store(PAIRS, torch.device("cpu"))
    for name in ("none", "additive", "dot", "transformer"):
        model, found = tiny(name), []
        for rows in (torch.tensor([0, 1, 2]), torch.tensor([4, 4, 3])):
            model.zero_grad()
            with Shapes() as shapes:
                loss_static(model, store.batch(rows, 7, 11)).backward()
            found.append(shapes.seen)
        assert found[0] == found[1] and len(found[0]) > 50
        waits = ("item", "_local_scalar_dense", "nonzero", "masked_select", "is_nonzero")
        waiting = [op for op, *_ in found[0] if any(word in op for word in waits)]
        assert len(waiting) == (name == "transformer")  # one look at lengths that are on the CPU anyway


# Shapes and data


def test_each_batch_fits_into_a_shape_and_there_are_few() -> None:
    pairs = many(211)
    config = TrainConfig(tokens=29, epochs=2)
    batches = [index for _, _, index in loop.islice(loop.schedule(pairs, config), 60)]
    shapes = [shape_of(pairs, index) for index in batches]
    fixed = fixed_shapes(shapes, 5)
    assert 1 < len(fixed) <= 5 and fixed == sorted(fixed, key=lambda s: s[2])
    assert all(any(all(a <= b for a, b in zip(s, f, strict=True)) for f in fixed) for s in shapes)
    assert fixed_shapes([(2, 3, 5)] * 7, 3) == [(2, 3, 5)]
    with pytest.raises(ValueError, match="at least 1 shape is needed; got count=0"):
        fixed_shapes([(2, 3, 5)], 0)


def test_the_store_gives_what_make_batch_gives() -> None:
    batch = make_batch(PAIRS, extra_padding=3)
    n, m = batch.src.shape[1], batch.tgt_in.shape[1]
    found = stored(PAIRS, batch.index, n, m)
    for name in ("src", "src_mask", "tgt_in", "tgt_out", "tgt_mask"):
        torch.testing.assert_close(getattr(found, name), getattr(batch, name), rtol=0, atol=0)


def test_a_batch_that_fits_nowhere_is_refused() -> None:
    steps = FixedSteps(PAIRS, [(3, 4, 5)], lambda batch: pytest.fail("took a step"), torch.device("cpu"))
    with pytest.raises(ValueError, match="a batch of 1 rows with n=7, m=3 fits no fixed shape"):
        steps([0])


def test_a_step_takes_the_smallest_shape_and_fills_it_with_blank_rows() -> None:
    seen: list[Batch] = []

    def update(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        seen.append(batch)
        return torch.tensor(2.0), torch.tensor(3.0)

    steps = FixedSteps(PAIRS, [(3, 7, 4), (5, 7, 7)], update, torch.device("cpu"))
    assert [x.item() for x in steps([2])] == [2.0, 3.0]
    assert seen[0].src.shape == (3, 7) and seen[0].tgt_in.shape == (3, 4)
    assert seen[0].tgt_mask.sum(dim=1).tolist() == [4, 0, 0] and seen[0].src_mask.sum(dim=1).tolist() == [
        4,
        1,
        1,
    ]
    steps([1, 0])
    assert seen[1].src.shape == (5, 7) and seen[1].tgt_mask.sum(dim=1).tolist() == [7, 3, 0, 0, 0]


# Training


CONFIG = TrainConfig(epochs=3, tokens=43, lr=0.01, save_every=3, device="cpu", seed=1)
FIXED = TrainConfig(**{**vars(CONFIG), "graphs": "on"})


def curve(
    config: TrainConfig,
    name: str = "additive",
    dropout: float = 0.0,
    folder: Path | None = None,
    **more: object,
) -> tuple[EncoderDecoder, Iterator[Record]]:
    """Begin a training; return the model and its records."""
    model, texts = tiny(name, dropout=dropout), (Vocabulary("abcdefghi"), Vocabulary("abcdefg"))
    return model, train(model, many(), config, validation=many(7), folder=folder, texts=texts, **more)


def timeless(records: Iterator[Record]) -> list[Record]:
    """Drop the seconds, which no two runs share."""
    return [{k: v for k, v in record.items() if "seconds" not in k} for record in records]


@pytest.mark.parametrize("name", ["additive", "general", "none"])
def test_training_in_fixed_shapes_gives_the_same_curve(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = timeless(curve(CONFIG, name)[1])
    shapes: list[tuple[int, ...]] = []

    def noted(model: EncoderDecoder, batch: Batch, label_smoothing: float) -> torch.Tensor:
        shapes.append((*batch.src.shape, batch.tgt_in.shape[1]))
        return loss_static(model, batch, label_smoothing)

    monkeypatch.setattr(loop, "loss_static", noted)
    found = timeless(curve(FIXED, name)[1])
    assert len(shapes) == len(found) >= len(set(shapes)) > 1
    assert len(found) == len(expected) > 8
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, abs=1e-4)


def test_training_in_fixed_shapes_is_resumed_exactly(tmp_path: Path) -> None:
    config = dataclasses.replace(FIXED, average=0.9)
    model, records = curve(config, dropout=0.3)
    expected = timeless(records)
    _, records = curve(config, dropout=0.3, folder=tmp_path)
    first = [next(records) for _ in range(4)]
    records.close()
    again, rest = curve(config, dropout=0.3, folder=tmp_path, resume=True)
    assert timeless(first) + timeless(rest) == expected
    torch.testing.assert_close(dict(again.named_parameters()), dict(model.named_parameters()), rtol=0, atol=0)


def test_a_broken_loss_in_fixed_shapes_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    model, records = curve(FIXED, folder=tmp_path)
    for _ in range(4):
        next(records)
    with torch.no_grad():
        model.W_o.bias[4] = math.nan
    with pytest.raises(FloatingPointError, match="loss is nan at step 5.*last.safetensors"):
        next(records)
    kept = load_checkpoint(tmp_path / "last.safetensors")
    assert kept.progress["step"] >= 3 and all(p.isfinite().all() for p in kept.model.parameters())


def test_graphs_has_three_values() -> None:
    with pytest.raises(ValueError, match="graphs must be 'auto', 'on' or 'off'; got 'yes'"):
        TrainConfig(graphs="yes")


# Graphs: here played by an object that does what CUDA does with one


class Graph:
    """A graph that runs its step again at each replay."""

    def __init__(self) -> None:
        self.step: Callable[[], None] | None = None

    def replay(self) -> None:
        """Run what was recorded."""
        assert self.step is not None
        self.step()


def played(monkeypatch: pytest.MonkeyPatch, works: bool) -> list[str]:
    """Play CUDA's part on the CPU; return the list of what happens."""
    seen: list[str] = []

    def record(self: FixedSteps, bucket: object) -> None:
        """Capture without taking a step, as CUDA does."""
        seen.append("capture")
        if not works:
            raise RuntimeError("operation not permitted when stream is capturing\nmore")
        graph = Graph()
        graph.step = lambda: (seen.append("replay"), self._step(bucket))
        bucket.graph = graph

    monkeypatch.setattr(FixedSteps, "_capture", record)
    init = FixedSteps.__init__

    def started(self: FixedSteps, *args: object, **options: object) -> None:
        init(self, *args, **options)
        self.capture = True

    monkeypatch.setattr(FixedSteps, "__init__", started)
    return seen


def test_a_shape_is_captured_once_after_its_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = timeless(curve(FIXED, dropout=0.3)[1])
    seen = played(monkeypatch, works=True)
    assert timeless(curve(FIXED, dropout=0.3)[1]) == expected
    count = seen.count("capture")
    assert 1 < count <= cuda.BUCKETS and seen.count("replay") <= len(expected) - cuda.WARM_UP * count
    assert seen[:2] == ["capture", "replay"]  # capturing takes no step


def test_training_goes_on_without_graphs_where_capturing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = timeless(curve(FIXED, dropout=0.3)[1])
    seen = played(monkeypatch, works=False)
    with pytest.warns(UserWarning, match="CUDA graphs are off.*is capturing.$") as warned:
        assert timeless(curve(FIXED, dropout=0.3)[1]) == expected
    assert seen == ["capture"] and len(warned) == 1


@NO_GPU
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", ["additive", "general", "transformer"])
def test_graphs_take_the_steps_that_single_launches_take(
    name: str, precision: str, recwarn: pytest.WarningsRecorder
) -> None:
    config = dataclasses.replace(FIXED, device="cuda", precision=precision, epochs=8, log_every=7)
    graphs = timeless(curve(config, name, dropout=0.3)[1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cuda, "WARM_UP", 10**9)
        single = timeless(curve(config, name, dropout=0.3)[1])
    assert not [w for w in recwarn if "CUDA graphs are off" in str(w.message)]
    for one, other in zip(graphs, single, strict=True):
        assert one == pytest.approx(other, abs=1e-3 if precision == "fp32" else 0.05)


@NO_GPU
def test_the_gpu_gives_the_curve_of_the_cpu() -> None:
    expected = timeless(curve(CONFIG)[1])
    for graphs in ("on", "off"):
        config = dataclasses.replace(CONFIG, device="cuda", graphs=graphs)
        for one, other in zip(timeless(curve(config)[1]), expected, strict=True):
            assert one == pytest.approx(other, abs=1e-3)
