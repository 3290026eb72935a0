"""Where training runs: the device, and the processes that share a run, by way of accelerate."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, nn

from audiosr_fx.engine import choose_device
from audiosr_fx.errors import ParameterError

_LONGEST_WAIT = timedelta(hours=3)  # of processes for the one that measures new data, or validates

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of glibc's mallopt

DEVICES = ("auto", "cpu", "cuda", "mps")


class Compute:
    """One process of a run.

    Alone unless it was started by ``accelerate launch`` or ``torchrun``. Every process holds the same
    weights, draws batches of its own, and steps with the mean of all gradients.

    Attributes: ``device``; ``rank``, 0 for the one that writes files; ``processes``.
    """

    def __init__(self, device: str) -> None:
        """``device``: one of ``DEVICES``.

        Raises:
            ParameterError: a device that is not here, or accelerate is not installed.
        """
        if device not in DEVICES:
            raise ParameterError(f"device is {device!r}; expected one of {', '.join(DEVICES)}")
        choose_device(device)
        try:
            from accelerate import Accelerator, InitProcessGroupKwargs
        except ImportError as error:
            raise ParameterError(
                f"training needs more packages ({error}); install them with: pip install 'audiosr-fx[train]'"
            ) from error
        patience = InitProcessGroupKwargs(timeout=_LONGEST_WAIT)
        self._accelerator: Any = Accelerator(cpu=device == "cpu", kwargs_handlers=[patience])
        self.device: torch.device = self._accelerator.device
        if self.device.type == "cpu":
            keep_freed_memory()
        self.rank = int(self._accelerator.process_index)
        self.processes = int(self._accelerator.num_processes)

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of ``loss``."""
        loss.backward()  # type: ignore[no-untyped-call]  # accelerate's may scale it, as its environment says

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Make every process's gradients the mean of all."""
        if self.processes == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        if not gradients:
            return
        flat = self._accelerator.reduce(torch.cat([g.reshape(-1) for g in gradients]), reduction="mean")
        for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))

    def any(self, flag: bool) -> bool:
        """Whether it is true in any of the processes."""
        if self.processes == 1:
            return flag
        total = self._accelerator.reduce(torch.tensor(float(flag), device=self.device), reduction="sum")
        return bool(total > 0)

    def wait(self) -> None:
        """Until all processes are here."""
        self._accelerator.wait_for_everyone()

    def close(self) -> None:
        """Leave the group of processes, if there is one."""
        if self.processes > 1:
            self._accelerator.end_training()


def keep_freed_memory() -> bool:
    """Let this process keep what its tensors free, where the C library is glibc; whether it does.

    A pass asks for the same sizes as the one before, and glibc gives those of 32 MB and more back to the
    kernel each time: fetching them anew takes up to a third of a step on a CPU.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None or not mallopt(_MMAP_THRESHOLD, 2**31 - 1):  # refused by glibc before 2.35
        return False
    return bool(mallopt(_TRIM_THRESHOLD, 2**31 - 1))
