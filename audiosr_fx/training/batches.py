"""The batches of a run: a function of seed, step and rank, made ahead by worker processes if wanted."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from audiosr_fx.errors import AudioSRError
from audiosr_fx.training.makers import lifeline, requests_held, start_method
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

    def between(self, first_step: int, last_step: int, workers: int) -> Generator[tuple[BatchPlace, Batch]]:
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
        for number, arrays in zip(numbers, self._made_ahead(numbers, workers), strict=True):
            if isinstance(arrays, AudioSRError):
                raise arrays
            yield self.place(number), Batch(*(torch.from_numpy(array) for array in arrays))

    def _made_ahead(self, numbers: range, workers: int) -> Iterator[tuple[np.ndarray, ...] | AudioSRError]:
        if not workers:
            yield from map(self.__getitem__, numbers)
            return
        context = torch.multiprocessing.get_context(start_method())
        with lifeline(context) as hold_on:
            loader: DataLoader[tuple[np.ndarray, ...] | AudioSRError] = DataLoader(
                self,
                batch_size=None,
                sampler=numbers,
                num_workers=workers,
                prefetch_factor=_AHEAD,
                collate_fn=_as_it_is,
                worker_init_fn=hold_on,
                multiprocessing_context=context,
            )
            with requests_held():
                made = iter(loader)
            yield from made


def _as_it_is(arrays: Any) -> Any:
    return arrays
