"""The loop every stage shares: passes, steps, moving average, validation, early stop, checkpoints."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from audiosr_fx.errors import CheckpointError, ParameterError
from audiosr_fx.training.batches import Batches, BatchPlace
from audiosr_fx.training.board import Board
from audiosr_fx.training.checkpoints import check_start, read_checkpoint, write_checkpoint
from audiosr_fx.training.compute import Compute
from audiosr_fx.training.figures import append_figures
from audiosr_fx.training.optimizers import Optimizers
from audiosr_fx.training.patience import Patience
from audiosr_fx.training.segments import Batch
from audiosr_fx.training.stage import Stage, TrainSettings
from audiosr_fx.training.trained_on import join_records
from audiosr_fx.wording import shortened, shown

logger = logging.getLogger(__name__)

_LOG_EVERY = 25  # steps
_MOST_SKIPPED = 50  # steps in a row


class Trainer:
    """Trains a stage in ``folder``, continuing from its checkpoint when there is one.

    Batches and all other randomness are a function of (seed, step, part, rank), so a run that was interrupted
    continues as if it had not been: on a CPU bit for bit, on GPUs as far as their kernels repeat.
    """

    def __init__(
        self,
        stage: Stage,
        settings: TrainSettings,
        folder: Path,
        *,
        compute: Compute | None = None,
        workers: int = 0,
        board: bool = False,
        record: Mapping[str, Any] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> None:
        """Set up, and load the checkpoint if there is one.

        Args:
            stage: what to train; its tensors are on the device of ``compute``.
            settings: how.
            folder: for ``<stage>.pt``, ``<stage>.csv`` and the TensorBoard files.
            compute: device and processes; None takes the CPU.
            workers: processes that make batches ahead; 0 makes them in this one.
            board: write TensorBoard files as well.
            record: plain values kept in the checkpoint, for the model's card.
            should_stop: asked after every step; True saves and ends the run.

        Raises:
            CheckpointError: a checkpoint of something else, or of a run that began from other weights.
        """
        self.stage = stage
        self.settings = settings
        self.folder = folder
        self.compute = Compute("cpu") if compute is None else compute
        self.step = 0
        self.record: dict[str, Any] = dict(record or {})
        self._workers = workers
        self._should_stop = should_stop
        self._patience = Patience(stage.name, settings.watch, settings.patience)
        folder.mkdir(parents=True, exist_ok=True)
        self._board = Board(folder / "board" / stage.name) if board and self.compute.is_main else None
        self.average = copy.deepcopy(stage.module).eval().requires_grad_(False)
        self.optimizers = Optimizers(stage, settings, self.compute)
        if self.checkpoint_path.exists():
            self._load()

    @property
    def checkpoint_path(self) -> Path:
        return self.folder / f"{self.stage.name}.pt"

    @property
    def has_lost_patience(self) -> bool:
        """Whether the watched figure has not improved for as many validations as are allowed."""
        return self._patience.is_lost

    def run(self) -> bool:
        """Train until ``settings.steps``, or until patience is lost.

        Returns:
            Whether the run is finished; False when ``should_stop`` ended it.

        Raises:
            ParameterError: ``settings.watch`` is no figure of the validation, gradients are not finite
                for many steps; or there is too little memory.
        """
        stopped = False
        self._say_where_it_is()
        with closing(self._steps()) as steps:
            for losses, seconds in steps:
                stopped = self.compute.any(self._should_stop is not None and self._should_stop())
                self._after_step(losses, seconds, stopped)
                if stopped:
                    break
        best = self._patience.best
        if self.has_lost_patience and best is not None:
            logger.info(
                "%s ended at step %d: best %s was at step %d",
                self.stage.name,
                self.step,
                self.settings.watch,
                best["step"],
            )
        if self._board is not None:
            self._board.close()
        return not stopped

    def _say_where_it_is(self) -> None:
        name, where = self.stage.name, shown(self.checkpoint_path)
        if self.has_lost_patience:
            way = "until validation gained no more; to train it anew choose another --runs folder"
            logger.info("%s was trained already, in %s, %s", name, where, way)
        elif self.step >= self.settings.steps:
            way = "go on with more --steps, or begin in another --runs folder"
            logger.info("%s was trained already, in %s: %s", name, where, way)
        else:
            logger.info(
                "%s: at step %d of %d on %s; a line comes every %d steps",
                name,
                self.step,
                self.settings.steps,
                self.compute.device,
                _LOG_EVERY,
            )

    def _steps(self) -> Generator[tuple[Mapping[str, float], float]]:
        self.stage.module.train()
        made = Batches(
            self.stage.maker,
            batch_size=self.settings.batch_size,
            parts=self.settings.accumulate,
            seed=self.settings.seed,
            rank=self.compute.rank,
        ).between(self.step, self.settings.steps, self._workers)
        with closing(made) as batches:
            while self.step < self.settings.steps and not self.has_lost_patience:
                started = time.perf_counter()
                with self._memory_faults_told():
                    losses = self._gradients(batches)
                    losses.update(self.optimizers.step(self.step))
                self._end_if_it_only_seems_to_go_on()
                self._update_average()
                self.step += 1
                yield losses, time.perf_counter() - started

    @contextmanager
    def _memory_faults_told(self) -> Iterator[None]:
        try:
            yield
        except (MemoryError, RuntimeError) as error:
            if not _is_lack_of_memory(error):
                raise
            raise ParameterError(
                f"{self.stage.name}: {self.compute.device} has too little memory for batch_size"
                f" {self.settings.batch_size}; take a smaller --batch-size, and --accumulate in its place"
            ) from error

    def _gradients(self, batches: Iterator[tuple[BatchPlace, Batch]]) -> dict[str, float]:
        """Gradients of one step in place, and the mean of its losses."""
        parts = self.settings.accumulate
        self.optimizers.zero_gradients()
        sums: dict[str, Tensor] = {}
        for _ in range(parts):
            place, batch = next(batches)
            random = place.random(self.settings.seed, 1)
            torch.manual_seed(int(random.integers(2**62)))
            losses = self.stage.loss(batch, random, self.step)
            self.compute.backward(losses["total"] / parts)
            if "critics" in losses:
                self.compute.backward(losses["critics"] / parts)
            for name, loss in losses.items():
                sums[name] = sums.get(name, 0.0) + loss.detach() / parts
        return {name: float(value) for name, value in sums.items()}

    def _end_if_it_only_seems_to_go_on(self) -> None:
        if self.optimizers.skipped >= _MOST_SKIPPED:
            path = self.checkpoint_path
            way = f"move {shown(path)} away and begin anew" if path.exists() else "begin anew"
            raise ParameterError(
                f"{self.stage.name}: {_MOST_SKIPPED} steps in a row had no finite gradient;"
                f" {way}, with a --learning-rate below {self.settings.learning_rate:g}"
            )

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(self.settings.ema_decay, (1 + self.step) / (10 + self.step))
        averages: list[Tensor] = list(self.average.parameters())
        currents: list[Tensor] = list(self.stage.module.parameters())
        torch._foreach_lerp_(averages, currents, 1.0 - decay)

    def _after_step(self, losses: Mapping[str, float], seconds: float, stopped: bool) -> None:
        last = self.step == self.settings.steps
        if self.compute.is_main and self.step % _LOG_EVERY == 0:
            text = "  ".join(f"{name} {value:.4g}" for name, value in losses.items())
            logger.info("%s step %d  %s  %.2f s/step", self.stage.name, self.step, text, seconds)
            if self._board is not None:
                self._board.write_figures(self.step, losses)
        if self.step % self.settings.validate_every == 0 or last:
            if self.compute.is_main:
                self._validate(losses)
            if self.compute.any(self.has_lost_patience):  # which only the main process knows
                self._patience.lose()
                last = True
        if last or stopped:
            self.save()
        elif self.step % self.settings.checkpoint_every == 0:
            try:
                self.save()
            except OSError as error:
                logger.warning("%s; the run goes on, and tries again", error)

    def _validate(self, losses: Mapping[str, float]) -> None:
        torch.manual_seed(0)
        with torch.inference_mode():
            found = self.stage.validate(self.average)
            if self._board is not None:
                self._board.write_figures(self.step, found, "validation")
                for example in self.stage.examples(self.average):
                    self._board.write_example(self.step, example)
        text = (
            "  ".join(f"{name} {value:.4g}" for name, value in found.items()) or "there are no clips for it"
        )
        logger.info("%s validation at step %d  %s", self.stage.name, self.step, text)
        self.record["figures"] = dict(found)
        try:
            append_figures(self.folder / f"{self.stage.name}.csv", {"step": self.step, **losses, **found})
        except OSError as error:
            logger.warning("%s.csv lacks step %d: %s", self.stage.name, self.step, error.strerror or error)
        self._patience.judge(self.step, found, self.average)

    def save(self) -> None:
        """Write the checkpoint, and wait until it is there.

        Raises:
            OSError: it cannot be written; the one before is still there.
        """
        try:
            if self.compute.is_main:
                write_checkpoint(self.checkpoint_path, self._state())
        finally:
            self.compute.wait()

    def _state(self) -> dict[str, Any]:
        state: dict[str, Any] = {
            "step": self.step,
            "steps": self.settings.steps,
            "module": self.stage.module.state_dict(),
            "average": self.average.state_dict(),
            **self.optimizers.state(),
            "best": self._patience.best,
            "waited": self._patience.waited,
            "record": self.record,
            "blend": self.settings.blend,
        }
        if self.stage.adversary is not None:
            state["critics"] = self.stage.adversary.critics.state_dict()
        return state

    def _load(self) -> None:
        try:
            state = read_checkpoint(self.checkpoint_path, self.compute.device)
            self.stage.module.load_state_dict(state["module"])
            self.average.load_state_dict(state["average"])
            self.optimizers.load(state)
            if self.stage.adversary is not None and "critics" in state:
                self.stage.adversary.critics.load_state_dict(state["critics"])
            self.step = int(state["step"])
            self._patience.take_up(state.get("best"), int(state.get("waited", 0)))
            before: dict[str, Any] = dict(state.get("record") or {})
        except (AttributeError, LookupError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(
                f"{self.checkpoint_path} does not fit this stage ({shortened(error)});"
                " move it away to start afresh"
            ) from error
        check_start(self.checkpoint_path, before, self.record)
        self.record = join_records(before, self.record)
        logger.info("%s continues at step %d", self.stage.name, self.step)
        self._say_where_its_decay_went(int(state.get("steps", self.settings.steps)))

    def _say_where_its_decay_went(self, steps_before: int) -> None:
        """The learning rate falls towards the last step, so that another last step moves all of it."""
        now, step = self.settings, self.step
        if steps_before == now.steps or step >= now.steps:
            return
        before = replace(now, steps=steps_before)
        logger.info(
            "%s: %d steps in place of %d move the learning rate: it is %.3g here, not %.3g, and falls from"
            " step %d on",
            self.stage.name,
            now.steps,
            steps_before,
            now.learning_rate * now.learning_rate_share(step),
            now.learning_rate * before.learning_rate_share(step),
            max(step, math.ceil(now.decay_start)),
        )


def _is_lack_of_memory(error: Exception) -> bool:
    """For the memory of a CPU torch has no error of its own, only words of its allocator."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)
