"""Training: a loop that gives one entry of its log at a time, its losses, and its checkpoints."""

from seq2seq_edu.training.checkpointer import Checkpointer, fingerprint
from seq2seq_edu.training.checkpoints import Checkpoint, CheckpointError, load_checkpoint, save_checkpoint
from seq2seq_edu.training.config import (
    TrainConfig,
    count_steps,
    has_bfloat16,
    learning_rate,
    pick_device,
    schedule,
)
from seq2seq_edu.training.loop import Engine, Entry, train, update
from seq2seq_edu.training.losses import Loss, loss_fast, loss_plain, validate
from seq2seq_edu.training.state import TrainState, running_mean, since_start

__all__ = [
    "Checkpoint", "CheckpointError", "Checkpointer", "Engine", "Entry", "Loss", "TrainConfig", "TrainState",
    "count_steps", "fingerprint", "has_bfloat16", "learning_rate", "load_checkpoint", "loss_fast",
    "loss_plain", "pick_device", "running_mean", "save_checkpoint", "schedule", "since_start", "train",
    "update", "validate",
]  # fmt: skip
