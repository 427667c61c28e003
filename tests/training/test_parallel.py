"""Several processes: they take the steps that one process takes, stop together, and none is left behind."""

import json
import math
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from seq2seq_edu.data import IdPair, Vocabulary, make_batch
from seq2seq_edu.experiments import recipes, runs
from seq2seq_edu.models import EncoderDecoder, ModelConfig, Seq2Seq, Transformer, TransformerConfig
from seq2seq_edu.training import (
    Checkpointer,
    Entry,
    TrainConfig,
    TrainState,
    fingerprint,
    load_checkpoint,
    loss_fast,
    parallel,
    train,
)

ROOT = Path(__file__).resolve().parents[2]
SIZE = 3
TEXTS = (Vocabulary("abcdefghi"), Vocabulary("abcdefg"))
CONFIG = TrainConfig(epochs=2, tokens=43, lr=0.01, save_every=3, device="cpu", seed=1)
CASES = {  # with 3 tokens a batch holds one to three pairs: some process has none
    "additive": CONFIG,
    "transformer": replace(CONFIG, average=0.9),
    "tiny batches": replace(CONFIG, tokens=3, max_steps=11),
}


def many(count: int = 31) -> list[IdPair]:
    """Make pairs to copy, of lengths 1 .. 5."""
    g = torch.Generator().manual_seed(7)
    sources = [torch.randint(4, 11, (1 + k % 5,), generator=g).tolist() for k in range(count)]
    return [(source, source[: 1 + k % 3]) for k, source in enumerate(sources)]


def tiny(case: str, seed: int = 0) -> EncoderDecoder:
    """Build a small model without dropout."""
    torch.manual_seed(seed)
    if case == "transformer":
        config = TransformerConfig(13, 11, d_model=6, d_ff=7, layers=2, heads=3, dropout=0.0)
        return Transformer(config).double()  # a bias of keys has no gradient: Adam blows up its rounding
    return Seq2Seq(ModelConfig(13, 11, d_e=3, d_h=10, d_s=7, d_a=5, d_r=2, dropout=0.0))


def begin(
    model: EncoderDecoder, config: TrainConfig, folder: Path, group: Any, resume: bool = False
) -> tuple[TrainState, Iterator[Entry]]:
    """Begin a training that keeps checkpoints, as a run does it."""
    engine = group.engine(model, config)
    state = TrainState(model, many(), config)
    settings, main = fingerprint(many(), many(7), config), group.main
    checkpoints = Checkpointer(folder, state, TEXTS, settings, writes=main)
    if resume:
        checkpoints.restore()
    validation = many(7) if main else []
    return state, checkpoints.follow(
        train(model, many(), config, validation=validation, state=state, engine=engine)
    )


def timeless(entries: list[Entry]) -> list[Entry]:
    """Drop the seconds, which no two runs share."""
    return [{k: v for k, v in entry.items() if "seconds" not in k} for entry in entries]


def work(rank: int, port: int, folder: Path) -> None:
    """Be one process: train every case, stop together, resume, break, and lose the others."""
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(SIZE), "LOCAL_RANK": str(rank)}
    os.environ |= {"MASTER_PORT": str(port), "MASTER_ADDR": "127.0.0.1", "GLOO_SOCKET_IFNAME": "lo"}
    torch.set_num_threads(1)
    found: dict[str, Any] = {}
    try:
        with runs.processes("cpu") as group:
            found["main"] = group.main
            order = folder / "order"
            with group.first():
                found["first"] = order.exists()
                order.touch()
            for case, config in CASES.items():
                model = tiny(case, seed=0 if rank == 0 else 99)  # process 0's parameters go to all
                entries = timeless(list(begin(model, config, folder / case, group)[1]))
                found[case] = entries, {name: p.detach() for name, p in model.named_parameters()}
            found["stopped"] = stop_and_resume(folder / "stopped", rank, group)
            found["nan"] = break_loss(folder / "nan", group)
            with pytest.raises(ValueError, match="compile is for one process"):
                group.engine(model, replace(CONFIG, compile=True))
            torch.save(found, folder / f"{rank}.pt")
            _, entries = begin(tiny("additive"), CONFIG, folder / "lost", group)
            next(entries)
            if rank:
                os._exit(3)  # as the kernel ends a process that takes too much memory
            list(entries)
    except ConnectionError as error:
        (folder / "lost.txt").write_text(str(error))


def stop_and_resume(folder: Path, rank: int, group: Any) -> tuple[list[Entry], list[Entry]]:
    """Let process 1 get a SIGTERM after its second step; then go on."""
    state, entries = begin(tiny("additive"), CONFIG, folder, group)

    def watched() -> Iterator[Entry]:
        for entry in entries:
            if rank == 1 and entry["step"] == 2:
                signal.raise_signal(signal.SIGTERM)
            yield entry

    seen = runs._follow(watched(), folder / "log.jsonl", state, group)
    entries.close()
    group.any(False)  # process 0 has written its checkpoint
    _, rest = begin(tiny("additive", seed=5), CONFIG, folder, group, resume=True)
    return timeless(seen), timeless(list(rest))


def break_loss(folder: Path, group: Any) -> str:
    """Spoil the parameters after four steps; return the error that each process gets."""
    model = tiny("additive")
    _, entries = begin(model, CONFIG, folder, group)
    for _ in range(4):
        next(entries)
    with torch.no_grad():
        model.W_o.bias[4] = math.nan
    try:
        list(entries)
    except FloatingPointError as error:
        return str(error)
    return "no error"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run three processes; give the folder with what each found."""
    folder = tmp_path_factory.mktemp("processes")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=work, args=(rank, port, folder)) for rank in range(SIZE)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(600)
        if process.is_alive():
            process.kill()
    return folder


@pytest.fixture(scope="module")
def found(folder: Path) -> list[dict[str, Any]]:
    """Give what each of three processes found."""
    return [torch.load(folder / f"{rank}.pt") for rank in range(SIZE)]


def test_each_process_knows_its_place_and_the_first_goes_first(found: list[dict[str, Any]]) -> None:
    assert [f["main"] for f in found] == [True, False, False]
    assert [f["first"] for f in found] == [False, True, True]


@pytest.mark.parametrize("case", CASES)
def test_curve_and_parameters_are_those_of_one_process(
    case: str, folder: Path, found: list[dict[str, Any]], tmp_path: Path
) -> None:
    model = tiny(case)
    expected = timeless(list(begin(model, CASES[case], tmp_path, runs.OneProcess())[1]))
    parameters = {name: p.detach() for name, p in model.named_parameters()}
    assert any("validation" in entry for entry in expected)
    for rank in range(SIZE):
        entries, theirs = found[rank][case]
        torch.testing.assert_close(theirs, parameters, rtol=0, atol=1e-5)
        for one, other in zip(entries, expected, strict=True):
            assert ("validation" in one) == ("validation" in other and rank == 0)
            assert one == pytest.approx({k: v for k, v in other.items() if k in one}, abs=1e-5)
    torch.testing.assert_close(found[1][case][1], found[0][case][1], rtol=0, atol=0)
    assert sorted(path.name for path in (folder / case).iterdir()) == ["best.safetensors", "last.safetensors"]
    best, mine = (load_checkpoint(place / "best.safetensors").model for place in (folder / case, tmp_path))
    torch.testing.assert_close(
        dict(best.named_parameters()), dict(mine.named_parameters()), rtol=0, atol=1e-5
    )


def test_all_stop_after_the_same_step_and_go_on_together(found: list[dict[str, Any]]) -> None:
    whole = found[0]["additive"][0]
    for rank in range(SIZE):
        seen, rest = found[rank]["stopped"]
        assert [entry["step"] for entry in seen] == [1, 2]
        assert [r["loss"] for r in seen + rest] == [r["loss"] for r in whole]


def test_a_broken_loss_ends_all_and_names_the_checkpoint(folder: Path, found: list[dict[str, Any]]) -> None:
    for one in found:
        assert "the loss is nan at step 5" in one["nan"] and "last.safetensors" in one["nan"]
    kept = load_checkpoint(folder / "nan" / "last.safetensors")
    assert kept.progress["step"] >= 3 and all(p.isfinite().all() for p in kept.model.parameters())


def test_who_loses_the_others_says_so(folder: Path, found: list[dict[str, Any]]) -> None:
    said = (folder / "lost.txt").read_text()
    assert "another process of this training has ended" in said and "--resume" in said


def test_shares_make_up_the_batch_and_its_loss() -> None:
    model, pairs = tiny("additive").double(), many(7)
    batch = make_batch(pairs)
    whole = loss_fast(model, batch).item()
    for size in (1, 2, 3, 5, 7, 11):
        shares = [parallel.share(batch, rank, size) for rank in range(size)]
        assert sorted(k for mine, weight in shares if weight for k in mine.index) == list(range(7))
        assert all(mine.index for mine, _ in shares) and math.fsum(w for _, w in shares) == pytest.approx(
            size
        )
        losses = [weight * loss_fast(model, mine).item() for mine, weight in shares]
        assert sum(losses) / size == pytest.approx(whole, abs=1e-12)


def test_without_torchrun_there_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with runs.processes("cpu") as group, group.first():
        assert group.main and not group.any(False) and group.any(True)


@pytest.mark.skipif(sys.platform == "win32", reason="torchrun's default store needs libuv")
def test_torchrun_trains_as_one_process_does(tmp_path: Path) -> None:
    arguments = ["train", "--data", "grammar", "--device", "cpu", "--max-steps", "2", "--out", "run"]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc-per-node=2",
            "-m",
            "seq2seq_edu",
        ]
        + arguments,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("nats per target token") == 1 and done.stderr.count("epoch 1  step 2") == 1
    data = recipes.prepare("grammar")
    model_config, config = recipes.configure(data, attention="additive", device="cpu", max_steps=2)
    model = recipes.build(model_config, 0)
    expected = timeless(list(train(model, data.train, config, validation=data.validation)))
    lines = (tmp_path / "run" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 2
    for one, other in zip(timeless([json.loads(line) for line in lines]), expected, strict=True):
        assert one == pytest.approx(other, abs=1e-5)
    kept = load_checkpoint(tmp_path / "run" / "last.safetensors").model
    torch.testing.assert_close(
        dict(kept.named_parameters()), dict(model.named_parameters()), rtol=0, atol=1e-5
    )
    record = json.loads((tmp_path / "run" / "record.json").read_text(encoding="utf-8"))
    assert 0 < record["seconds"] < record["seconds_to_best"]
