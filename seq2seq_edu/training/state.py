"""What a training changes, and a checkpoint holds: model, optimiser, running mean, counts and times."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import psutil
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from seq2seq_edu.data import IdPair
from seq2seq_edu.models import EncoderDecoder
from seq2seq_edu.training.config import TrainConfig, count_steps, pick_device


def since_start() -> float:
    """Return for how many seconds this process has been running: imports and data included."""
    return time.time() - psutil.Process().create_time()


def running_mean(model: EncoderDecoder, decay: float) -> AveragedModel:
    r"""Keep a mean of a model's parameters; it often generalises better than the last ones.

    .. math::

        \bar\theta_k = d_k \bar\theta_{k-1} + (1 - d_k) \theta_k, \qquad d_k = \min(d, (1 + k) / (10 + k))
    """

    def average(mean: Tensor, parameter: Tensor, k: Tensor | int) -> Tensor:
        d = torch.as_tensor((1 + k) / (10 + k)).clamp(max=decay).to(parameter.dtype)
        return d * mean + (1 - d) * parameter

    mean = AveragedModel(model, avg_fn=average)
    mean.update_parameters(model)  # the first call takes a copy
    return mean


class TrainState:
    """One training under way: its model, optimiser and running mean, and how far it has come."""

    def __init__(self, model: EncoderDecoder, pairs: Sequence[IdPair], config: TrainConfig) -> None:
        if not pairs:
            raise ValueError("there are no training pairs")
        self.model, self.config = model.to(pick_device(config.device)), config
        self.total = count_steps(pairs, config)
        self.optimizer = torch.optim.Adam(model.parameters(), lr=config.lr, betas=(0.9, 0.98), fused=True)
        self.mean = running_mean(model, config.average) if config.average else None
        self.progress: dict[str, Any] = {
            "step": 0, "tokens": 0, "seconds": 0.0, "cpu_seconds": 0.0,
            "best": math.inf, "startup_seconds": since_start(),
        }  # fmt: skip
        self._start_clocks()

    def _start_clocks(self) -> None:
        """Count seconds on top of those spent before an interruption."""
        self._wall = time.perf_counter() - self.progress["seconds"]
        self._cpu = time.process_time() - self.progress["cpu_seconds"]

    @property
    def step(self) -> int:
        """Return how many steps have been taken."""
        return int(self.progress["step"])

    @property
    def averaged(self) -> EncoderDecoder:
        """Return the model that is validated and kept: the running mean, if there is one."""
        return self.model if self.mean is None else self.mean.module  # type: ignore[return-value]

    def advance(self, tokens: int) -> None:
        """Count a step that was just taken, and move the running mean."""
        self.progress["step"] += 1
        self.progress["tokens"] += tokens
        if self.mean is not None:
            self.mean.update_parameters(self.model)

    def measure(self, validation: float | None) -> dict[str, float]:
        """Stop the clocks, note the lowest validation loss; return what an entry of the log says of both."""
        progress = self.progress
        progress["seconds"] = time.perf_counter() - self._wall
        progress["cpu_seconds"] = time.process_time() - self._cpu
        entry = {name: progress[name] for name in ("tokens", "seconds", "cpu_seconds")}
        if validation is None:
            return entry
        if validation < progress["best"]:
            startup = progress.get("startup_seconds", 0.0)  # the first checkpoints did not say
            progress |= {"best": validation, "seconds_to_best": startup + progress["seconds"]}
        best = {k: v for k, v in progress.items() if k == "seconds_to_best"}  # nor did they tell this
        return entry | best | {"validation": validation}

    def finish(self) -> None:
        """Make what was averaged the model: the training is over."""
        if self.mean is not None:
            self.model.load_state_dict(self.averaged.state_dict())

    def tensors(self) -> dict[str, Tensor]:
        """Return the moments of the optimiser and the running mean by name, for a checkpoint."""
        moments = self.optimizer.state_dict()["state"]
        found = {f"{k}.{name}": value for k, state in moments.items() for name, value in state.items()}
        if self.mean is not None:
            found |= {f"mean.{name}": value for name, value in self.averaged.named_parameters()}
        return found

    def load(self, model: EncoderDecoder, tensors: Mapping[str, Tensor], progress: Mapping[str, Any]) -> None:
        """Go back to what a checkpoint holds."""
        self.progress = dict(progress)
        self._start_clocks()
        self.model.load_state_dict(model.state_dict())
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            k, name = key.split(".", 1)
            if k != "mean":
                moments.setdefault(int(k), {})[name] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        if self.mean is not None:
            self.mean.n_averaged.fill_(self.step + 1)
            with torch.no_grad():
                for name, parameter in self.averaged.named_parameters():
                    parameter.copy_(tensors[f"mean.{name}"])
