"""What a person reads when a batch is done: a line for every file, in columns, and one for all of them."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from audiosr_fx.commands.job import Failure, Outcome, Result, speed_text
from audiosr_fx.commands.terminal import printable

_WORDS: Final = {
    "cliff": "cut off",
    "slope": "rolls off",
    "nyquist": "low rate",
    "given": "given",
    "shared": "the set's",
    "full_band": "full band",
    "no_cutoff": "fades out",
    "too_short": "too short",
    "silent": "silent",
}
_WIDTH: Final = 160  # where there is no terminal to ask
_NARROWEST: Final = 100
_LONGEST_NAME: Final = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A batch in numbers.

    Attributes:
        files: that were to be rendered.
        rendered: with new highs.
        untouched: written sample for sample as they were.
        skipped: not written, as they would have been untouched.
        failed: that nothing became of.
        not_begun: or not finished, because the batch was cancelled.
        duration_s: of the audio that was gone through.
        wall_s: what the batch took.
        album_lufs: of all that was written, as one programme; None where it was not one set.
    """

    files: int
    rendered: int
    untouched: int
    skipped: int
    failed: int
    not_begun: int
    duration_s: float
    wall_s: float
    album_lufs: float | None = None

    @classmethod
    def of(
        cls, files: int, outcomes: Sequence[Outcome], wall_s: float, album_lufs: float | None = None
    ) -> Summary:
        """Count what became of a batch."""
        results = [outcome for outcome in outcomes if isinstance(outcome, Result)]
        return cls(
            files=files,
            rendered=sum(result.rendered for result in results),
            untouched=sum(result.untouched and result.output is not None for result in results),
            skipped=sum(result.output is None for result in results),
            failed=len(outcomes) - len(results),
            not_begun=files - len(outcomes),
            duration_s=sum(result.duration_s for result in results),
            wall_s=wall_s,
            album_lufs=album_lufs,
        )

    @property
    def speed(self) -> float:
        """Seconds of audio per second, over all processes."""
        return self.duration_s / self.wall_s if self.wall_s > 0.0 else 0.0

    def __str__(self) -> str:
        counts = [
            (self.rendered, "restored"),
            (
                self.files - self.rendered - self.untouched - self.skipped - self.failed - self.not_begun,
                "without new highs",
            ),
            (self.untouched, "written untouched"),
            (self.skipped, "left out, nothing to do"),
            (self.failed, "failed"),
            (self.not_begun, "not done"),
        ]
        told = ", ".join(f"{count} {words}" for count, words in counts if count)
        text = (
            f"{self.files} files: {told}; {_clock(self.duration_s)} of audio in {_clock(self.wall_s)},"
            f" {speed_text(self.speed)} real time"
        )
        if self.album_lufs is None:
            return text
        loudness = f"has {self.album_lufs:.1f} LUFS" if math.isfinite(self.album_lufs) else "is silent"
        return f"{text}; the album {loudness}"


def table_text(outcomes: Sequence[Outcome]) -> str:
    """The table of a batch, as wide as the terminal if that is wide enough."""
    console = Console(file=sys.stdout)
    width = max(_NARROWEST, console.width) if console.is_terminal else _WIDTH
    plain = Console(width=width, color_system=None, force_terminal=False, file=sys.stdout)
    with plain.capture() as captured:
        plain.print(_table(outcomes, name_length=min(_LONGEST_NAME, max(16, width - 84))))
    return "\n".join(line.rstrip() for line in captured.get().splitlines() if line.strip())


def _table(outcomes: Sequence[Outcome], name_length: int) -> Table:
    """Last words give way where there is no room; figures never do."""
    table = Table(box=None, pad_edge=False, header_style="")
    table.add_column("file", no_wrap=True)
    table.add_column("bandwidth", no_wrap=True)
    for name in ("cutoff", "LUFS in", "out", "dBTP in", "out", "took", "speed"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("what was done", min_width=12)
    for outcome in outcomes:
        table.add_row(
            *(Text(cell, no_wrap=True, overflow="ellipsis") for cell in _cells(outcome, name_length))
        )
    return table


def _cells(outcome: Outcome, name_length: int) -> tuple[str, ...]:
    name = printable(outcome.input)
    if isinstance(outcome, Failure):
        reason = printable(outcome.error).removeprefix(f"{name}: ")
        return (_tail(name, name_length), "-", *[""] * 7, f"failed: {reason}")
    return (
        _tail(name, name_length),
        "-" if outcome.bandwidth is None else _WORDS[outcome.bandwidth],
        "" if outcome.cutoff_hz is None else f"{outcome.cutoff_hz / 1000.0:.2f} kHz",
        _level(outcome.lufs_before),
        _level(outcome.lufs_after),
        _level(outcome.true_peak_before_dbtp),
        _level(outcome.true_peak_after_dbtp),
        f"{outcome.render_s:.1f} s",
        speed_text(outcome.speed),
        _done(outcome),
    )


def _done(result: Result) -> str:
    if result.output is None:
        return "left out, nothing to do"
    if result.rendered:
        done = "restored"
    elif result.cleaned:
        done = "cleaned"
    else:
        done = "written untouched" if result.untouched else "processed"
    if result.gave_way_s:
        done += f", gives way {result.lift_db:.1f} dB at full scale"
    return f"{done}, {result.clipped_samples} samples clipped" if result.clipped_samples else done


def _tail(name: str, length: int) -> str:
    """The end of a name, which tells files apart."""
    return name if len(name) <= length else f"...{name[3 - length :]}"


def _level(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1f}" if math.isfinite(value) else "silent"


def _clock(seconds: float) -> str:
    if seconds < 60.0:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02} min"
