"""What ten thousand stems cost a daemon that finds them at once: ``python -m watchfolder.bench_backlog``.

Nothing is rendered; what is counted is the time from the first look until all are queued on the disk, and
what the process of the daemon keeps in memory then. For Linux, where memory is told in ``/proc``.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from audiosr_fx.jobs.job import Job
from audiosr_fx.jobs.service import Service
from audiosr_fx.jobs.states import State
from audiosr_fx.jobs.store import JobStore
from audiosr_fx.jobs.task import Task
from audiosr_fx.jobs.worker import Deliver
from watchfolder.daemon import Daemon
from watchfolder.snapshot import take_snapshot
from watchfolder.studio import FolderSettings, StudioSettings

_LARGE: Final = ("torch", "scipy.signal", "matplotlib")
_FRAMES: Final = 500
_PATIENCE_S: Final = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Figures of one run.

    Attributes:
        look_s: one look at the whole folder.
        wall_s: from the first look until all are queued.
        cpu_s: of the processor, for the same; a busy machine tells much the same.
        before_mb: resident memory before the first look.
        after_mb: resident memory when all are queued.
        large: large libraries that were loaded for it.
    """

    stems: int
    look_s: float
    wall_s: float
    cpu_s: float
    before_mb: float
    after_mb: float
    large: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{self.stems} stems: one look {1000 * self.look_s:.0f} ms, queued after {self.wall_s:.1f} s"
            f" ({self.cpu_s:.1f} s of the processor), memory {self.before_mb:.0f} MB before and"
            f" {self.after_mb:.0f} MB after; loaded: {', '.join(self.large) or 'nothing large'}"
        )


def measure_backlog(stems: int, preset: str, base: Path) -> Backlog:
    """Let a daemon in this process take stems in.

    Args:
        stems: how many.
        preset: for all of them.
        base: an empty folder.
    """
    settings = FolderSettings(input=base / "in", output=base / "out", settle_s=0.2, scan_s=1.0, preset=preset)
    settings.input.mkdir()
    for number in range(stems):
        (settings.input / f"{number:06d}.wav").write_bytes(_stem(number))
    started = time.monotonic()
    take_snapshot(settings.input, settings.wants, settings.ignores, recursive=False)
    look_s = time.monotonic() - started
    with JobStore(base / "state") as store:
        service = Service(store, make_worker=_Idle)
        daemon = Daemon(StudioSettings(folders=(settings,)), service, base / "state")
        with service:
            thread = threading.Thread(target=daemon.run)
            before_mb, wall, cpu = _resident_mb(), time.monotonic(), time.process_time()
            thread.start()
            while store.counts()[State.QUEUED] < stems and time.monotonic() - wall < _PATIENCE_S:
                time.sleep(0.05)
            wall_s, cpu_s = time.monotonic() - wall, time.process_time() - cpu
            after_mb = _resident_mb()
            daemon.stop()
            thread.join()
    return Backlog(
        stems=stems,
        look_s=look_s,
        wall_s=wall_s,
        cpu_s=cpu_s,
        before_mb=before_mb,
        after_mb=after_mb,
        large=tuple(name for name in _LARGE if name in sys.modules),
    )


class _Idle:
    """A worker that is never free."""

    job: Job | None = None
    device = "cpu"
    is_free = False
    pid: int | None = None

    def __init__(self, device: str, renderer: str, deliver: Deliver, clock: Callable[[], float]) -> None: ...

    def start(self) -> None: ...

    def assign(self, job: Job, task: Task) -> None: ...

    def cancel(self) -> None: ...

    def hear(self, number: int, message: dict[str, Any]) -> None: ...

    def check(self, stall_s: float) -> None: ...

    def restart(self) -> None: ...

    def close(self) -> None: ...


def _stem(number: int) -> bytes:
    """A WAV file of 16 bits that is like no other."""
    body = number.to_bytes(4, "little") * (_FRAMES // 2)
    format = b"".join(
        n.to_bytes(size, "little") for n, size in ((1, 2), (1, 2), (48_000, 4), (96_000, 4), (2, 2), (16, 2))
    )
    chunks = (
        b"fmt "
        + len(format).to_bytes(4, "little")
        + format
        + b"data"
        + len(body).to_bytes(4, "little")
        + body
    )
    return b"RIFF" + (4 + len(chunks)).to_bytes(4, "little") + b"WAVE" + chunks


def _resident_mb() -> float:
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("/proc/self/smaps_rollup says nothing of Rss")


def bench_backlog(
    stems: Annotated[int, typer.Option(min=1, help="How many.")] = 10_000,
    preset: Annotated[str, typer.Option(help="For all of them.")] = "streaming-master",
) -> None:
    """Show what a backlog costs the daemon."""
    logging.disable(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="backlog-") as base:
        typer.echo(str(measure_backlog(stems, preset, Path(base))))


if __name__ == "__main__":
    typer.run(bench_backlog)
