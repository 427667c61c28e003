"""Training: both paths give one loss, a batch is learned in seconds, an interruption changes no number."""

import math
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from seq2seq_edu import equations
from seq2seq_edu.data import IdPair, Vocabulary, make_batch
from seq2seq_edu.decoding import greedy
from seq2seq_edu.models import ATTENTIONS, ModelConfig, Seq2Seq
from seq2seq_edu.training import (
    Checkpointer,
    CheckpointError,
    Entry,
    TrainConfig,
    TrainState,
    checkpointer,
    fingerprint,
    learning_rate,
    load_checkpoint,
    loop,
    loss_fast,
    loss_plain,
    pick_device,
    running_mean,
    save_checkpoint,
    since_start,
    train,
    validate,
)

ALL = tuple(ATTENTIONS)
LOSSES = {"plain": loss_plain, "fast": loss_fast}
SIZES = {"source_vocab": 13, "target_vocab": 11, "d_e": 3, "d_h": 10, "d_s": 7, "d_a": 5, "d_r": 2}
SHAPES = {
    "narrow": {},
    "wide": {"readout": "wide"},
    "shared": {"share_embeddings": True, "target_vocab": 13, "d_r": 3},
}
PAIRS = [([5, 6, 7, 8, 9, 10], [4, 5]), ([5], [4, 5, 6, 7, 8, 9]), ([12, 4, 4], [9, 9, 10]), ([7, 7], [])]
TEXTS = (Vocabulary("abcdefghi"), Vocabulary("abcdefg"))


def tiny(attention: str = "additive", seed: int = 0, **changes: object) -> Seq2Seq:
    """Build a small model without dropout, if nothing else is said."""
    torch.manual_seed(seed)
    sizes = {**SIZES, "dropout": 0.0, **changes}
    if attention == "dot":
        sizes["d_s"] = sizes["d_h"]
    return Seq2Seq(ModelConfig(attention=attention, **sizes))


def gradients(model: Seq2Seq, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the gradient of every parameter, and the loss itself."""
    model.zero_grad()
    loss.backward()
    grads = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    assert len(grads) == len(list(model.parameters()))
    return grads | {"loss": loss.detach()}


def assert_same(one: object, other: object) -> None:
    """Compare losses and gradients to the 1e-5 that is promised."""
    torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


# The loss


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("attention", ALL)
def test_fast_path_gives_loss_and_gradients_of_the_plain_path(
    attention: str, shape: str, label_smoothing: float
) -> None:
    model, batch = tiny(attention, **SHAPES[shape]), make_batch(PAIRS, extra_padding=2)
    plain = gradients(model, loss_plain(model, batch, label_smoothing))
    assert_same(gradients(model, loss_fast(model, batch, label_smoothing)), plain)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("attention", ALL)
def test_extra_padding_changes_no_loss_and_no_gradient(attention: str, loss: str) -> None:
    model = tiny(attention)
    bare = gradients(model, LOSSES[loss](model, make_batch(PAIRS), 0.1))
    padded = gradients(model, LOSSES[loss](model, make_batch(PAIRS, extra_padding=7), 0.1))
    assert_same(padded, bare)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("attention", ALL)
def test_loss_and_gradients_of_a_batch_are_the_mean_over_its_tokens(attention: str, loss: str) -> None:
    model = tiny(attention)
    whole = gradients(model, LOSSES[loss](model, make_batch(PAIRS)))
    turned = gradients(model, LOSSES[loss](model, make_batch(PAIRS[::-1])))
    alone = [gradients(model, LOSSES[loss](model, make_batch([pair]))) for pair in PAIRS]
    lengths = [len(target) + 1 for _, target in PAIRS]
    mean = {
        name: sum(m * one[name] for m, one in zip(lengths, alone, strict=True)) / sum(lengths)
        for name in whole
    }
    assert_same(whole, mean)
    assert_same(turned, mean)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("attention", ALL)
def test_garbage_under_the_mask_changes_no_loss_and_no_gradient(attention: str, loss: str) -> None:
    model, clean, dirty = tiny(attention), make_batch(PAIRS), make_batch(PAIRS)
    dirty.src[~dirty.src_mask] = 11
    dirty.tgt_in[~dirty.tgt_mask] = 10
    dirty.tgt_out[~dirty.tgt_mask] = 9
    expected = gradients(model, LOSSES[loss](model, clean))
    assert_same(gradients(model, LOSSES[loss](model, dirty)), expected)


@pytest.mark.parametrize("loss", LOSSES)
def test_loss_is_the_cross_entropy_of_the_equations(loss: str) -> None:
    model, batch = tiny(), make_batch(PAIRS, extra_padding=3)
    logits, _ = model(batch.src, batch.src_mask, batch.tgt_in)
    expected = equations.cross_entropy(logits.detach().numpy(), batch.tgt_out.numpy(), batch.tgt_mask.numpy())
    assert LOSSES[loss](model, batch).item() == pytest.approx(expected, abs=1e-6)


def test_guessing_evenly_costs_the_log_of_the_vocabulary() -> None:
    model = tiny()
    torch.nn.init.zeros_(model.W_o.weight)
    torch.nn.init.zeros_(model.W_o.bias)
    for loss in LOSSES.values():
        assert loss(model, make_batch(PAIRS)).item() == pytest.approx(math.log(11), abs=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("attention", ALL)
def test_gradients_against_finite_differences(attention: str, loss: str) -> None:
    model, batch, step = tiny(attention).double(), make_batch(PAIRS), 1e-5
    exact = gradients(model, LOSSES[loss](model, batch))
    g = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            way = torch.randn(parameter.shape, dtype=torch.float64, generator=g)
            way[exact[name] == 0] = 0  # the row of pad is held at zero
            way /= way.norm()
            parameter.add_(way, alpha=step)
            above = LOSSES[loss](model, batch)
            parameter.sub_(way, alpha=2 * step)
            below = LOSSES[loss](model, batch)
            parameter.add_(way, alpha=step)
            slope = ((above - below) / (2 * step)).item()
            assert slope == pytest.approx((exact[name] * way).sum().item(), abs=1e-6), name


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("attention", ALL)
def test_loss_and_gradients_are_finite_in_half_precision(attention: str, dtype: torch.dtype) -> None:
    batch = make_batch([([5] * 101, [4] * 13), *PAIRS])
    for loss in LOSSES.values():
        model = tiny(attention)
        exact = loss(model, batch).item()
        with torch.autocast("cpu", dtype):
            mixed = loss(model, batch)
        model.to(dtype)
        for result in (mixed, loss(model, batch)):
            assert result.dtype == torch.float32 and result.item() == pytest.approx(exact, abs=0.05)
            assert all(x.isfinite().all() for x in gradients(model, result).values() if result is not mixed)


# Validation, learning rate, settings


def test_validation_does_not_depend_on_the_batches() -> None:
    model = tiny("scaled", dropout=0.5).train()
    pairs = many(53)
    alone = [(loss_plain(model.eval(), make_batch([p])).item(), len(p[1]) + 1) for p in pairs]
    expected = sum(loss * m for loss, m in alone) / sum(m for _, m in alone)
    model.train()
    for tokens in (1, 13, 4000):
        assert validate(model, pairs, tokens) == pytest.approx(expected, abs=1e-5)
    assert model.training and all(p.grad is None for p in model.parameters())
    model.eval()
    validate(model, pairs)
    assert not model.training


def test_validation_needs_pairs() -> None:
    with pytest.raises(ValueError, match="no pairs"):
        validate(tiny(), [])


def test_learning_rate_rises_and_falls_in_straight_lines() -> None:
    config = TrainConfig(lr=1.0, warmup=0.2)
    rates = [learning_rate(step, 10, config) for step in range(1, 11)]
    expected = [0.5, 1.0, 8 / 9, 7 / 9, 6 / 9, 5 / 9, 4 / 9, 3 / 9, 2 / 9, 1 / 9]
    np.testing.assert_allclose(rates, expected)
    assert learning_rate(1, 1, config) == 1.0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epochs": 0}, "epochs must be at least 1; got 0"),
        ({"max_steps": 0}, "max_steps must be at least 1; got 0"),
        ({"tokens": -5}, "tokens must be at least 1"),
        ({"save_every": 0}, "save_every must be at least 1"),
        ({"warmup": 1.5}, "warmup must lie between 0 and 1; got 1.5"),
        ({"label_smoothing": 1.0}, "label_smoothing must lie between"),
        ({"lr": 0.0}, "lr must be positive; got 0.0"),
        ({"lr": math.nan}, "lr must be positive; got nan"),
        ({"clip": -1.0}, "clip must be positive"),
        ({"precision": "fp16"}, "'fp32' or 'bf16'; got 'fp16'"),
        ({"device": "tpu"}, "auto, cpu or cuda; got 'tpu'"),
        ({"seed": -1}, "seed must be"),
        ({"seed": 2**40}, "seed must be"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        TrainConfig(**changes)


def test_cuda_where_there_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="sees no CUDA GPU: use --device cpu"):
        TrainConfig(device="cuda")
    assert pick_device("auto") == torch.device("cpu")


# Learning


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_one_batch_is_learned_to_almost_no_loss(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sources = [rng.integers(4, 11, size).tolist() for size in (2, 3, 3, 5, 5, 7)]
    pairs = [(source, source[::-1]) for source in sources]
    model = tiny(seed=seed, d_e=11, d_h=22, d_s=23, d_a=13, d_r=17)
    config = TrainConfig(max_steps=100, tokens=1000, lr=0.03, label_smoothing=0.0, seed=seed, device="cpu")
    entries = list(train(model, pairs, config))
    assert entries[0]["loss"] > 2 and entries[-1]["loss"] < 0.05
    batch = make_batch(pairs)
    for b, hypothesis in enumerate(greedy(model, batch.src, batch.src_mask, max_length=13)):
        assert hypothesis.ids == batch.tgt_out[b][batch.tgt_mask[b]].tolist()  # eos was learned too


# Training runs


def many(count: int = 31) -> list[IdPair]:
    """Make pairs to copy, of lengths 1 .. 5."""
    rng = np.random.default_rng(7)
    sources = [rng.integers(4, 11, 1 + k % 5).tolist() for k in range(count)]
    return [(source, source) for source in sources]


CONFIG = TrainConfig(epochs=3, tokens=43, lr=0.01, save_every=3, device="cpu", seed=1)  # 4 steps an epoch


def start(
    folder: Path,
    *,
    config: TrainConfig = CONFIG,
    resume: bool = False,
    pairs: list[IdPair] | None = None,
    validation: list[IdPair] | None = None,
    texts: tuple[Vocabulary, Vocabulary] = TEXTS,
    model: Seq2Seq | None = None,
) -> tuple[Seq2Seq, Iterator[Entry]]:
    """Begin a training with dropout that keeps checkpoints; return the model and the entries of its log."""
    model = model or tiny("general", seed=99 if resume else 1, dropout=0.3)  # on resuming it is replaced
    pairs, validation = pairs or many(), validation or many(7)
    state = TrainState(model, pairs, config)
    settings = fingerprint(pairs, validation, config)
    checkpoints = Checkpointer(folder, state, texts, settings)
    if resume:
        checkpoints.restore()
    return model, checkpoints.follow(train(model, pairs, config, validation=validation, state=state))


def timeless(entries: Iterator[Entry] | list[Entry]) -> list[Entry]:
    """Drop the seconds, which no two runs share."""
    return [{k: v for k, v in entry.items() if "seconds" not in k} for entry in entries]


def take(entries: Iterator[Entry], count: int) -> list[Entry]:
    """Take some entries and leave the training where it is."""
    return [next(entries) for _ in range(count)]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Entry], dict[str, torch.Tensor]]:
    """Train without interruption; return entries and final parameters."""
    model, entries = start(tmp_path_factory.mktemp("whole"))
    return timeless(entries), {name: p.detach() for name, p in model.named_parameters()}


def test_entries_say_what_happened(uninterrupted: tuple[list[Entry], dict[str, torch.Tensor]]) -> None:
    entries, _ = uninterrupted
    assert [r["step"] for r in entries] == list(range(1, len(entries) + 1))
    assert [r["epoch"] for r in entries] == sorted(r["epoch"] for r in entries)
    last_of_epoch = [r["step"] for r, s in zip(entries, entries[1:], strict=False) if r["epoch"] < s["epoch"]]
    assert [r["step"] for r in entries if "validation" in r] == [*last_of_epoch, len(entries)]
    assert entries[-1]["tokens"] == 3 * sum(len(target) + 1 for _, target in many())
    assert len(last_of_epoch) == 2 and 10 < len(entries) < 20
    assert entries[-1]["validation"] < entries[0]["loss"]


@pytest.mark.parametrize("count", [1, 3, 4, 5, 9])
def test_a_stopped_training_goes_on_as_if_nothing_had_happened(
    tmp_path: Path, uninterrupted: tuple[list[Entry], dict[str, torch.Tensor]], count: int
) -> None:
    expected, parameters = uninterrupted
    model, entries = start(tmp_path)
    first = take(entries, count)
    entries.close()  # GeneratorExit, as a break in a loop gives it
    assert not model.training
    model, entries = start(tmp_path, resume=True)
    assert timeless(first) + timeless(entries) == expected
    torch.testing.assert_close(dict(model.named_parameters()), parameters, rtol=0, atol=0)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["best.safetensors", "last.safetensors"]


def test_a_killed_training_goes_on_from_its_last_checkpoint(
    tmp_path: Path, uninterrupted: tuple[list[Entry], dict[str, torch.Tensor]]
) -> None:
    expected, _ = uninterrupted
    _, entries = start(tmp_path / "killed")
    take(entries, 5)  # the checkpoint is that of step 4, the end of the epoch, or of step 3
    shutil.copytree(tmp_path / "killed", tmp_path / "found")
    _, again = start(tmp_path / "found", resume=True)
    rest = timeless(again)
    assert 3 < rest[0]["step"] <= 5 and rest == expected[int(rest[0]["step"]) - 1 :]
    entries.close()


def test_sparse_entries_are_those_of_every_step_left_out(
    tmp_path: Path, uninterrupted: tuple[list[Entry], dict[str, torch.Tensor]]
) -> None:
    expected, _ = uninterrupted
    config = replace(CONFIG, log_every=5, save_every=7)
    _, entries = start(tmp_path, config=config)
    first = take(entries, 2)
    entries.close()
    _, rest = start(tmp_path, config=config, resume=True)
    found = timeless(first) + timeless(rest)
    steps = [int(r["step"]) for r in found]
    assert found == [expected[step - 1] for step in steps] and steps == sorted(set(steps))
    assert {5, 7, 10, len(expected)} <= set(steps) and len(steps) < len(expected)


def test_a_finished_training_has_nothing_to_go_on_with(tmp_path: Path) -> None:
    config = replace(CONFIG, epochs=1)
    model, entries = start(tmp_path, config=config)
    assert list(entries)
    other, entries = start(tmp_path, config=config, resume=True)
    assert list(entries) == []
    torch.testing.assert_close(dict(other.named_parameters()), dict(model.named_parameters()), rtol=0, atol=0)


def test_time_to_the_best_loss_counts_from_the_start_of_the_process(tmp_path: Path) -> None:
    before = since_start()
    entries = list(start(tmp_path)[1])
    measured = [r for r in entries if "validation" in r]
    assert all(before < r["seconds_to_best"] < since_start() for r in measured)
    best = min(range(len(measured)), key=lambda k: measured[k]["validation"])
    assert measured[-1]["seconds_to_best"] == measured[best]["seconds_to_best"]
    progress = load_checkpoint(tmp_path / "last.safetensors").progress
    assert progress["seconds_to_best"] == measured[-1]["seconds_to_best"]


def test_seconds_go_on_from_before_the_interruption(tmp_path: Path) -> None:
    _, entries = start(tmp_path)
    before = take(entries, 3)[-1]
    entries.close()
    after = next(start(tmp_path, resume=True)[1])
    assert after["seconds"] > before["seconds"] and after["cpu_seconds"] > before["cpu_seconds"]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"config": replace(CONFIG, lr=0.02)}, "another lr .0.01, now 0.02."),
        ({"config": replace(CONFIG, seed=2)}, "another seed"),
        ({"config": replace(CONFIG, max_steps=5)}, "another max_steps .None, now 5."),
        ({"config": replace(CONFIG, precision="bf16")}, "another precision"),
        ({"pairs": [*many(30), ([4], [5])]}, "another data"),
        ({"validation": many(8)}, "another validation"),
        ({"texts": (TEXTS[0], Vocabulary("abcdefz"))}, "another vocabulary"),
    ],
)
def test_another_training_cannot_be_resumed(tmp_path: Path, change: dict[str, object], name: str) -> None:
    _, entries = start(tmp_path)
    take(entries, 2)
    entries.close()
    before = (tmp_path / "last.safetensors").read_bytes()
    with pytest.raises(CheckpointError, match=f"{name}.*resume with the same settings, or use a new --out"):
        next(start(tmp_path, resume=True, **change)[1])
    assert (tmp_path / "last.safetensors").read_bytes() == before


def test_a_setting_that_is_gone_does_not_stop_an_old_training(
    tmp_path: Path, uninterrupted: tuple[list[Entry], dict[str, torch.Tensor]]
) -> None:
    _, entries = start(tmp_path)
    first = take(entries, 4)
    entries.close()
    old = load_checkpoint(tmp_path / "last.safetensors")
    old.progress["settings"]["graphs"] = "auto"  # as it was written before
    save_checkpoint(
        tmp_path / "last.safetensors", old.model, *TEXTS, progress=old.progress, optimizer=old.optimizer
    )
    _, entries = start(tmp_path, resume=True)
    assert timeless(first) + timeless(entries) == uninterrupted[0]


def test_another_model_cannot_be_resumed(tmp_path: Path) -> None:
    take(start(tmp_path)[1], 1)
    with pytest.raises(CheckpointError, match="another model"):
        start(tmp_path, model=tiny("dot"), resume=True)


def test_nothing_to_resume_from_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no checkpoint at"):
        next(start(tmp_path, resume=True)[1])
    with pytest.raises(ValueError, match="no training pairs"):
        next(train(tiny(), [], CONFIG))
    assert list(tmp_path.iterdir()) == []


def test_best_checkpoint_is_the_one_with_the_lowest_validation_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses, seen = iter([2.0, 1.5, 1.7]), []

    def measured(model: Seq2Seq, pairs: list[IdPair]) -> float:
        seen.append({name: p.detach().clone() for name, p in model.named_parameters()})
        return next(losses)

    monkeypatch.setattr(loop, "validate", measured)
    assert [r["validation"] for r in start(tmp_path)[1] if "validation" in r] == [2.0, 1.5, 1.7]
    best = load_checkpoint(tmp_path / "best.safetensors")
    torch.testing.assert_close(dict(best.model.named_parameters()), seen[1], rtol=0, atol=0)
    assert best.optimizer == {} and best.progress == {}


# When numbers break


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    model, entries = start(tmp_path)
    take(entries, 5)
    kept = load_checkpoint(tmp_path / "last.safetensors").progress["step"]
    with torch.no_grad():
        model.W_o.bias[4] = math.nan
    with pytest.raises(
        FloatingPointError, match="(?s)loss is nan at step 6.*lower learning rate; .*last.safetens"
    ):
        next(entries)
    back = load_checkpoint(tmp_path / "last.safetensors")
    assert back.progress["step"] == kept > 0
    assert all(p.isfinite().all() for p in back.model.parameters())


def test_a_gradient_that_is_not_finite_spoils_no_checkpoint(tmp_path: Path) -> None:
    config = replace(CONFIG, save_every=1)
    model, entries = start(tmp_path, config=config)
    take(entries, 2)
    model.W_o.weight.register_hook(lambda gradient: gradient * math.inf)  # the loss itself is finite
    with pytest.raises(FloatingPointError, match="step 3, the norm of its gradient (inf|nan)"):
        take(entries, 2)
    back = load_checkpoint(tmp_path / "last.safetensors")
    assert back.progress["step"] == 2 and all(p.isfinite().all() for p in back.model.parameters())


def test_without_a_checkpoint_the_message_says_so(tmp_path: Path) -> None:
    model = tiny()
    with torch.no_grad():
        model.W_o.bias[4] = math.inf
    with pytest.raises(FloatingPointError, match="no checkpoint was written yet"):
        next(start(tmp_path, model=model)[1])


# Elsewhere


def test_bf16_trains_and_stays_near(uninterrupted: tuple[list[Entry], dict[str, torch.Tensor]]) -> None:
    model = tiny("general", seed=1, dropout=0.3)
    config = replace(CONFIG, precision="bf16")
    entries = list(train(model, many(), config, validation=many(7)))
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert entries[-1]["validation"] == pytest.approx(uninterrupted[0][-1]["validation"], abs=0.05)
    assert entries[0]["loss"] != uninterrupted[0][0]["loss"]  # something did run in bf16


def test_the_loss_is_compiled_once_and_only_if_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[object] = []
    monkeypatch.setattr(torch, "compile", lambda loss, **options: compiled.append(loss) or loss)
    plain = timeless(train(tiny(), many(), replace(CONFIG, max_steps=3)))
    assert compiled == []
    assert timeless(train(tiny(), many(), replace(CONFIG, max_steps=3, compile=True))) == plain
    assert compiled == [loss_fast]


def test_what_the_reader_draws_between_two_entries_changes_nothing(
    tmp_path: Path, uninterrupted: tuple[list[Entry], dict[str, torch.Tensor]]
) -> None:
    found = []
    for entry in start(tmp_path)[1]:
        found.append(entry)
        torch.rand(11)
        np.random.rand(3)
    assert timeless(found) == uninterrupted[0]


def test_training_changes_no_setting_of_the_process() -> None:
    def settings() -> tuple[object, ...]:
        return (
            torch.is_grad_enabled(), torch.get_default_dtype(), torch.get_num_threads(),
            torch.are_deterministic_algorithms_enabled(), torch.is_autocast_enabled("cpu"),
        )  # fmt: skip

    before, model = settings(), tiny(dropout=0.3)
    entries = train(model, many(), CONFIG)
    next(entries)
    assert settings() == before
    entries.close()
    assert settings() == before and not model.training


def test_a_training_alone_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checkpointer, "save_checkpoint", lambda *args, **kwargs: pytest.fail("wrote a file"))
    entries = train(tiny(), many(), CONFIG, validation=many(3))
    take(entries, 5)
    entries.close()
    assert list(tmp_path.iterdir()) == []


# Running mean


@pytest.mark.parametrize("decay", [0.3, 0.9, 0.999])
def test_running_mean_is_that_of_its_formula(decay: float) -> None:
    model = torch.nn.Linear(3, 2, bias=False).double()
    mean, expected = running_mean(model, decay), model.weight.detach().clone()
    for step in range(1, 12):
        with torch.no_grad():
            model.weight.add_(step)
        mean.update_parameters(model)
        d = min(decay, (1 + step) / (10 + step))
        expected = d * expected + (1 - d) * model.weight.detach()
    assert torch.allclose(mean.module.weight, expected, atol=1e-5)
    assert not torch.allclose(model.weight, expected, atol=0.1)


@pytest.mark.parametrize("count", [1, 4, 5])
def test_a_training_with_a_running_mean_goes_on_exactly(count: int, tmp_path: Path) -> None:
    config = replace(CONFIG, average=0.9)
    model, entries = start(tmp_path / "one", config=config)
    whole = timeless(entries)
    _, entries = start(tmp_path / "two", config=config)
    first = take(entries, count)
    entries.close()
    resumed, entries = start(tmp_path / "two", config=config, resume=True)
    assert timeless(first) + timeless(entries) == whole
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, dict(resumed.named_parameters())[name])
    plain = [r["validation"] for r in start(tmp_path / "three")[1] if "validation" in r]
    assert plain != [r["validation"] for r in whole if "validation" in r]


def test_what_was_averaged_is_the_model_that_is_kept(tmp_path: Path) -> None:
    model, entries = start(tmp_path, config=replace(CONFIG, average=0.9))
    losses = {r["validation"]: r["step"] for r in entries if "validation" in r}
    kept = load_checkpoint(tmp_path / "best.safetensors").model
    assert validate(kept, many()[:7]) == pytest.approx(min(losses), abs=1e-6)
    if losses[min(losses)] == max(losses.values()):
        assert all(torch.equal(p, q) for p, q in zip(model.parameters(), kept.parameters(), strict=True))
