"""The tasks: head, loss, decoding, metrics. One file each."""

from striate.tasks.base import TASKS, LossSettings, Task

__all__ = ["TASKS", "LossSettings", "Task"]
