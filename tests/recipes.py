"""Recipes for the tests of a batch: a child process imports this file too."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from audiosr_fx.commands.job import Job, Result
from audiosr_fx.commands.outputs import Task
from audiosr_fx.errors import AudioFormatError, CheckpointError
from audiosr_fx.progress import OnEvent, ProgressEvent


@dataclass(frozen=True)
class ByName:
    """Does what a file's name says."""

    job: Job = field(default_factory=Job)
    timeout_s: float | None = None
    needs: str = ""
    finds_cutoff: bool = False

    def apart(self) -> ByName:
        return self

    def prepare(self) -> None:
        if self.needs == "weights":
            raise CheckpointError("the weights are missing")
        if self.needs == "memory":
            os.kill(os.getpid(), signal.SIGKILL)

    def render(self, task: Task, on_event: OnEvent | None = None) -> Result:
        name = task.source.stem.split("-")[0]
        if on_event is not None:
            on_event(
                ProgressEvent(
                    stage="render", windows_done=0, windows_total=0, seconds_done=0.0, seconds_total=1.0
                )
            )
        task.output.write_text(f"{os.getpid()} {os.environ.get('OMP_NUM_THREADS')}", "utf-8")
        if name == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if name == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if name == "memory":
            raise MemoryError
        if name == "damaged":
            raise AudioFormatError(f"{task.source}: damaged")
        if name == "full":
            raise AudioFormatError(f"{task.output}: cannot be written (No space left on device)")
        while name == "hang":
            time.sleep(1)
        return a_result(task.source, task.output)


def a_result(source: Path, output: Path | None, **others: object) -> Result:
    values: dict[str, object] = {
        "input": str(source),
        "output": None if output is None else str(output),
        "rendered": True,
        "bandwidth": "cliff",
        "cutoff_hz": 6000.0,
        "intact_below_hz": 5800.0,
        "reason": "cut off",
        "untouched": False,
        "lufs_before": -20.0,
        "lufs_after": -14.0,
        "true_peak_before_dbtp": -3.0,
        "true_peak_after_dbtp": -1.0,
        "sample_rate": 48_000,
        "channels": 2,
        "start_s": 0.0,
        "duration_s": 10.0,
        "render_s": 2.0,
        "speed": 5.0,
        "clipped_samples": 0,
    }
    return Result.from_told({"decisions": (), **values, **others})
