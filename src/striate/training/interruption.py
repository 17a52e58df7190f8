"""Ctrl-C, and the polite request of a cluster to end, heard between two steps or two batches that are measured."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Self


class AskedToStop(Exception):  # noqa: N818 - nothing is wrong
    """What is being measured is given up, since this process was asked to stop."""


class Interruption:
    """While active, the first signal only sets `asked`; a second Ctrl-C stops at once, and any signal with `at_once`.

    A step that is cut in two would leave weights and optimizer at odds, so the loop asks between steps. Outside the
    main thread, where Python hears no signals, it does nothing.
    """

    def __init__(self) -> None:
        self.asked = False
        self.at_once = False
        self._old: dict[int, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._old[number] = signal.signal(number, self._hear)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        if self.at_once or (self.asked and number == signal.SIGINT):
            raise KeyboardInterrupt
        self.asked = True
