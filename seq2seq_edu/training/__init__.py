"""Training: a loop that gives one record at a time, its losses, and checkpoints."""

from seq2seq_edu.training.checkpoints import (
    Checkpoint,
    CheckpointError,
    load_checkpoint,
    load_progress,
    save_checkpoint,
)
from seq2seq_edu.training.loop import (
    TrainConfig,
    count_steps,
    loss_fast,
    loss_plain,
    pick_device,
    schedule,
    train,
    update,
    validate,
)

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "load_checkpoint",
    "load_progress",
    "save_checkpoint",
    "TrainConfig",
    "count_steps",
    "loss_fast",
    "loss_plain",
    "pick_device",
    "schedule",
    "train",
    "update",
    "validate",
]
