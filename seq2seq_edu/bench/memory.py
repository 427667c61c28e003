"""Peak memory of training steps, each path in a fresh process: what it needs beside the model itself."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from seq2seq_edu.bench.styles import SHAPES
from seq2seq_edu.bench.styles import Path as Way
from seq2seq_edu.data import IdPair, make_batch
from seq2seq_edu.models import ModelConfig, Seq2Seq
from seq2seq_edu.training import TrainConfig, update

STEPS = 2  # in the second one the optimiser has its moments


def measure(
    shape: str, config: ModelConfig, pairs: list[IdPair], device: torch.device | str = "cpu"
) -> list[dict[str, Any]]:
    """Take two training steps with the reference and with the fast path, each in a process of its own.

    Parameters
    ----------
    shape : str
        Key of ``bench_styles.SHAPES``: whose reference.
    config : ModelConfig
        The model.
    pairs : list of id pairs
        One batch; both paths get the same.
    device : device
        Where to train.

    Returns
    -------
    rows : list of dict
        ``name``, ``bytes`` (highest use in the steps, less what was in use before them: on the CPU of the
        process, on CUDA of PyTorch's tensors), ``ratio`` to the first row; no row where the system does not
        tell.

    Raises
    ------
    ChildProcessError
        If a process fails.
    """
    reference, _, _, _, fast, *_ = SHAPES[shape].paths()
    used = [_in_process(shape, path.name, config, pairs, str(device)) for path in (reference, fast)]
    if not all(used):
        return []
    return [
        {"name": path.name, "bytes": value, "ratio": round(value / used[0], 3)}
        for path, value in zip((reference, fast), used, strict=True)
    ]


def _in_process(shape: str, name: str, config: ModelConfig, pairs: list[IdPair], device: str) -> int:
    """Start a process that takes the steps; return the bytes that it prints."""
    task = {
        "shape": shape,
        "path": name,
        "config": dataclasses.asdict(config),
        "pairs": pairs,
        "device": device,
        "threads": torch.get_num_threads(),
    }
    done = subprocess.run(
        [sys.executable, "-m", "seq2seq_edu.bench.memory"],
        input=json.dumps(task),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise ChildProcessError(f"the process that measures memory has failed: {why}")
    return int(done.stdout)


def grown(task: dict[str, Any]) -> int:
    """Take the steps in this process; return how much memory they took beside model and optimiser.

    Parameters
    ----------
    task : dict
        ``shape``, ``path`` (a name), ``config``, ``pairs``, ``device``, ``threads``.

    Returns
    -------
    bytes : int
        Highest use in the steps less the use before them.
    """
    torch.set_num_threads(task["threads"])
    torch.manual_seed(0)
    path: Way = next(p for p in SHAPES[task["shape"]].paths() if p.name == task["path"])
    device = torch.device(task["device"])
    model = Seq2Seq(ModelConfig(**task["config"])).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=path.fused or None)
    batch = make_batch([(source, target) for source, target in task["pairs"]]).to(device)
    before = _in_use(device)
    for _ in range(STEPS):
        update(model, optimizer, batch, TrainConfig(label_smoothing=0.0), path.loss)
    return _highest(device) - before


def _in_use(device: torch.device) -> int:
    """Return the bytes in use now; where the system does not tell, the most that was in use so far."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    return _status("VmRSS") or _highest(device)


def _highest(device: torch.device) -> int:
    """Return the most bytes that were in use so far."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    found = _status("VmHWM")  # Linux: getrusage would remember the process that started this one
    if found:
        return found
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _status(name: str) -> int:
    """Return a size from Linux's description of this process, or 0 on other systems."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(name)), 0)


if __name__ == "__main__":
    print(grown(json.load(sys.stdin)))
