"""What a worker is told to do, and how it tells what came of it: values that travel as one line of JSON."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeAlias

from audiosr_fx.errors import ParameterError
from audiosr_fx.jobs.order import Order, order_from_dict
from audiosr_fx.wording import brief

_DEVICE: Final = re.compile(r"auto|(?:cpu|mps|cuda)(?::[0-9]{1,2})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A render for a worker.

    Attributes:
        order: what to make.
        destination: the file to write; its folder is there, and is the task's own.
        device: that models run on.
        is_small: spare memory.
    """

    order: Order
    destination: Path
    device: str = "auto"
    is_small: bool = False

    def to_dict(self) -> dict[str, Any]:
        """For the way to the worker."""
        return {
            "order": self.order.to_dict(),
            "destination": str(self.destination),
            "device": self.device,
            "is_small": self.is_small,
        }


def task_from_dict(told: dict[str, Any]) -> Task:
    """The worker's side of ``Task.to_dict``."""
    return Task(
        order=order_from_dict(told["order"]),
        destination=Path(told["destination"]),
        device=told["device"],
        is_small=told["is_small"],
    )


Renderer: TypeAlias = Callable[[Task, Callable[[float], None], Callable[[], bool]], dict[str, Any]]
"""Writes the destination of a task; tells its progress, 0 to 1, and asks now and then whether to stop.

It returns what the manifest shall say, and raises RenderCancelled when it was asked to stop.
"""


class Ending(StrEnum):
    """How a task ended."""

    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"
    """For a reason that will be the same next time: the file or the settings."""
    ERROR = "error"
    """In a way that nobody foresaw."""
    DISK_FULL = "disk full"
    """Or the disk of the output is away, or takes nothing just now."""
    NO_MEMORY = "no memory"
    NO_DEVICE = "no device"
    CRASHED = "crashed"
    """The worker died, or was ended because it gave no sign of life."""


class DeviceMissing(ParameterError):
    """The device of a worker is not there, or not any more."""


def check_device(name: str) -> str:
    """Return what can be a device; one that is not there is found out by trying, and waited for.

    Raises:
        ParameterError: it is none on any machine.
    """
    if not _DEVICE.fullmatch(name):
        raise ParameterError(f"device is {brief(name)}; expected auto, cpu, mps, cuda, or one such as cuda:1")
    return name
