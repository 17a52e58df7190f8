"""A TensorBoard log of a run, where the recipe asks for one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from striate.errors import MissingPartError
from striate.evaluation import EpochRecord


class Board:
    """Writes each epoch's figures as TensorBoard scalars; does nothing without a folder.

    Args:
        folder: Where the log goes, or `None`.

    Raises:
        MissingPartError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path | None) -> None:
        self._writer: Any = None
        if folder is None:
            return
        try:
            # TensorFlow, which this imports where it is installed, kills the process if it comes before triton.
            import torch._dynamo  # noqa: F401
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingPartError(
                "machine.tensorboard is on, and TensorBoard is not installed.",
                where="recipe",
                fix="Install it: pip install 'striate[tensorboard]'.",
            ) from error
        self._writer = SummaryWriter(str(folder))

    def write(self, record: EpochRecord) -> None:
        """Adds the figures of one epoch."""
        if self._writer is None:
            return
        figures = {
            "loss/batches": record.batch_loss,
            "loss/train": record.train_loss,
            "loss/validation": record.validation_loss,
            "headline/train": record.train,
            "headline/validation": record.validation,
            "learning rate": record.learning_rate,
        }
        for name, value in figures.items():
            if value is not None:
                self._writer.add_scalar(name, value, record.step)
        self._writer.flush()

    def close(self) -> None:
        """Ends the log."""
        if self._writer is not None:
            self._writer.close()
