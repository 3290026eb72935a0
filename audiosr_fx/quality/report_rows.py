"""What a report is made of: one row per file, and the check of a set of stems."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    """One file of a batch: what was done to it.

    ``output``: None where none was written: skipped, or failed (``error`` then says why). ``rendered``:
    whether the model made new highs; False passed through, None where nobody knows, as both files came from
    elsewhere. ``is_cleaned``: whether it took noise away.
    ``cutoff_hz``: where the input ended. ``reason``: the gate's one line on that. ``decisions``: lines of
    loudness stages. ``render_s``: how long it took. ``start_s``: where in the source the output begins.
    ``lacks``: which side of two folders has no file of this name.
    """

    source: Path
    output: Path | None
    error: str = ""
    preset: str = ""
    rendered: bool | None = False
    is_cleaned: bool = False
    cutoff_hz: float | None = None
    reason: str = ""
    decisions: tuple[str, ...] = ()
    render_s: float | None = None
    start_s: float = 0.0
    lacks: Literal["", "before", "after"] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StemCheck:
    """Whether the sum of all finished stems is the sum of the originals below the crossover.

    ``null_dbfs``: RMS of what differs. ``crossover_hz``: 0 where
    the whole spectrum was compared. ``reason``: a line on what was compared.
    """

    null_dbfs: float
    crossover_hz: float
    stems: int
    reason: str
