"""The batches of a run: a function of seed, step and rank, made ahead by worker processes if wanted."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from multiprocessing.connection import wait
from threading import Thread
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from audiosr_fx.errors import AudioSRError
from audiosr_fx.training.segments import Batch
from audiosr_fx.training.stage import BatchMaker

_AHEAD = 3  # batches per worker


class BatchPlace(NamedTuple):
    """Which batch of a run: its step, the pass within the step, and the process it is for."""

    step: int
    part: int
    rank: int

    def random(self, seed: int, purpose: int) -> np.random.Generator:
        """A generator of its own for each place and purpose (0 makes the batch, 1 serves its loss)."""
        return np.random.default_rng((seed, self.step, self.part, self.rank, purpose))


class Batches(Dataset[tuple[np.ndarray, ...] | AudioSRError]):
    """Every batch of one process of a run, by number: step times ``parts``, plus part."""

    def __init__(self, maker: BatchMaker, *, batch_size: int, parts: int, seed: int, rank: int) -> None:
        self._maker = maker
        self._batch_size = batch_size
        self._parts = parts
        self._seed = seed
        self._rank = rank

    def place(self, number: int) -> BatchPlace:
        return BatchPlace(*divmod(number, self._parts), self._rank)

    def __getitem__(self, number: int) -> tuple[np.ndarray, ...] | AudioSRError:
        """The arrays of a batch, which a pipe takes as they are; or what went wrong."""
        random = self.place(number).random(self._seed, 0)
        try:
            return tuple(tensor.numpy() for tensor in self._maker.make_batch(random, self._batch_size))
        except AudioSRError as error:
            return error

    def between(self, first_step: int, last_step: int, workers: int) -> Iterator[tuple[BatchPlace, Batch]]:
        """The batches of a stretch of steps in order, the same for any number of workers.

        Raises:
            AudioSRError: a clip that can no longer be read.
        """
        numbers = range(first_step * self._parts, last_step * self._parts)
        if self._maker.is_on_device:  # where processes that make them ahead would only wait for each other
            for number in numbers:
                place = self.place(number)
                yield place, self._maker.make_batch(place.random(self._seed, 0), self._batch_size)
            return
        loader: DataLoader[tuple[np.ndarray, ...] | AudioSRError] = DataLoader(
            self,
            batch_size=None,
            sampler=numbers,
            num_workers=workers,
            prefetch_factor=_AHEAD if workers else None,
            collate_fn=_as_it_is,
            worker_init_fn=_leave_requests_to_the_parent,
            multiprocessing_context=_start_method() if workers else None,
        )
        for number, arrays in zip(numbers, loader, strict=True):
            if isinstance(arrays, AudioSRError):
                raise arrays
            yield self.place(number), Batch(*(torch.from_numpy(array) for array in arrays))


def _as_it_is(arrays: Any) -> Any:
    return arrays


def _leave_requests_to_the_parent(worker: int) -> None:
    """A terminal that is closed asks every process to end, and the parent still needs a batch or two."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    """Else it would wait for ever to hand over batches that nobody takes."""
    wait([sentinel])
    os._exit(0)


def _start_method() -> str:
    """A forked child would share the parent's threads' locks and its device."""
    return "forkserver" if "forkserver" in torch.multiprocessing.get_all_start_methods() else "spawn"
