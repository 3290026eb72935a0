"""The meters against EBU Tech 3341 and 3342: ``python -m audiosr_fx.bench_meters``.

The test signals are synthesised from what the documents say. Cases 7 and 8 of Tech 3341, and 5 and 6 of Tech
3342, are recorded programmes: ``--ebu-files FOLDER`` measures them, and all other files of the EBU's own set.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import numpy as np
import typer
from numpy.typing import NDArray
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table
from scipy import signal

from audiosr_fx.errors import AudioSRError
from audiosr_fx.meters import Levels, Meter, measure
from audiosr_fx.sources import Audio

Readings: TypeAlias = list[tuple[float, float]]
"""Pairs of what was read and what should have been."""

LOUDNESS_LU: Final = (0.1, 0.1)
RANGE_LU: Final = (1.0, 1.0)
TRUE_PEAK_DB: Final = (0.4, 0.2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test case: what it is, what it reads at a sample rate, and how far below and above it may lie."""

    name: str
    signal: str
    quantity: str
    tolerance: tuple[float, float]
    read: Callable[[int], Readings]

    def passes(self, readings: Readings) -> bool:
        """Whether every reading is within the tolerance."""
        below, above = self.tolerance
        return all(-below <= got - wanted <= above for got, wanted in readings)


def tone(sample_rate: int, *parts: tuple[float, float], channels: int = 2) -> Audio:
    """A sine of 1 kHz that goes on through parts of (dBFS, seconds); -inf dBFS is silence."""
    gain = np.concatenate([np.full(round(s * sample_rate), 10.0 ** (db / 20.0)) for db, s in parts])
    wave = gain * np.sin(2.0 * np.pi * 1000.0 / sample_rate * np.arange(gain.size))
    return np.tile(wave.astype(np.float32), (channels, 1))


def _meter(audio: Audio, sample_rate: int) -> Meter:
    meter = Meter(sample_rate, len(audio))
    for block in np.array_split(
        audio, max(audio.shape[1] // 5000, 1), axis=1
    ):  # as a stream would bring them
        meter.write(block)
    return meter


def _levels(audio: Audio, sample_rate: int) -> Levels:
    return _meter(audio, sample_rate).levels()


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _integrated(wanted: float, *parts: tuple[float, float]) -> Callable[[int], Readings]:
    return lambda rate: [(_number(_levels(tone(rate, *parts), rate).integrated_lufs), wanted)]


def _range(wanted: float, *parts: tuple[float, float]) -> Callable[[int], Readings]:
    return lambda rate: [(_number(_levels(tone(rate, *parts), rate).loudness_range_lu), wanted)]


def _steady(level: float) -> Callable[[int], Readings]:
    def read(rate: int) -> Readings:
        meter = _meter(tone(rate, (level, 20.0)), rate)
        found = [_number(meter.levels().integrated_lufs), *meter.short_term_lufs, *meter.momentary_lufs]
        return [(float(value), level) for value in found]

    return read


def _surround(rate: int) -> Readings:
    levels = np.array([-28.0, -28.0, -24.0, -30.0, -30.0])
    audio = tone(rate, (0.0, 20.0), channels=5) * (10.0 ** (levels / 20.0))[:, np.newaxis]
    return [(_number(_levels(audio.astype(np.float32), rate).integrated_lufs), -23.0)]


def _constant_short_term(rate: int) -> Readings:
    meter = _meter(tone(rate, *[(-20.0, 1.34), (-30.0, 1.66)] * 5), rate)
    return [(float(value), -23.0) for value in meter.short_term_lufs]


def _constant_momentary(rate: int) -> Readings:
    meter = _meter(tone(rate, *[(-20.0, 0.18), (-30.0, 0.22)] * 25), rate)
    return [(float(value), -23.0) for value in meter.momentary_lufs[6:]]  # from 1 s on


def _bursts(step_s: float, burst_s: float) -> Callable[[int], Readings]:
    def read(rate: int) -> Readings:
        found = []
        for i in range(20):
            levels = _levels(tone(rate, (-math.inf, i * step_s), (-23.0, burst_s), (-math.inf, 1.0)), rate)
            found.append(levels.max_momentary_lufs if burst_s < 1.0 else levels.max_short_term_lufs)
        return [(_number(value), -23.0) for value in found]

    return read


def _rising_bursts(step_s: float, burst_s: float) -> Callable[[int], Readings]:
    def read(rate: int) -> Readings:
        meter, found = Meter(rate, 2), []
        for i in range(20):
            level = -38.0 + i
            gap = burst_s - i * step_s
            meter.write(tone(rate, (-math.inf, i * step_s), (level, burst_s), (-math.inf, gap)))
            levels = meter.levels()
            found.append(levels.max_momentary_lufs if burst_s < 1.0 else levels.max_short_term_lufs)
        return [(_number(value), -38.0 + i) for i, value in enumerate(found)]

    return read


def _peak(wanted: float, divisor: int, amplitude: float, degrees: float) -> Callable[[int], Readings]:
    def read(rate: int) -> Readings:
        wave = amplitude * np.sin(2.0 * np.pi / divisor * np.arange(rate) + np.radians(degrees))
        audio = np.tile(_fade(wave, rate).astype(np.float32), (2, 1))
        return [(_levels(audio, rate).true_peak_dbtp, wanted)]

    return read


def _embedded_peak(offset: int) -> Callable[[int], Readings]:
    """fs/6 at half scale with one period of fs/4 at full scale in it, made at 4 fs and brought down to fs."""

    def read(rate: int) -> Readings:
        around = np.sin(2.0 * np.pi / 24.0 * np.arange(24 * (rate // 24)))
        wave = np.concatenate([0.5 * around, np.sin(2.0 * np.pi / 16.0 * np.arange(16)), 0.5 * around])
        low_pass = signal.firwin(1023, 0.5, window=("kaiser", 10.0), fs=4.0)
        smooth = signal.fftconvolve(wave, low_pass, mode="same")[offset::4]
        audio = np.tile(_fade(smooth, rate).astype(np.float32), (2, 1))
        return [(_levels(audio, rate).true_peak_dbtp, 0.0)]

    return read


def _fade(wave: NDArray[np.float64], rate: int) -> NDArray[np.float64]:
    """10 ms at both ends."""
    ramp = np.minimum(np.arange(wave.size) / (0.01 * rate), 1.0)
    return wave * ramp * ramp[::-1]


def _case(
    name: str,
    signal: str,
    quantity: str,
    read: Callable[[int], Readings],
    tolerance: tuple[float, float] = LOUDNESS_LU,
) -> Case:
    return Case(name=name, signal=signal, quantity=quantity, tolerance=tolerance, read=read)


_SILENCE: Final = -72.0
CASES: Final[tuple[Case, ...]] = (
    _case("3341-1", "-23 dBFS, 20 s", "M, S, I", _steady(-23.0)),
    _case("3341-2", "-33 dBFS, 20 s", "M, S, I", _steady(-33.0)),
    _case("3341-3", "-36, -23, -36", "I", _integrated(-23.0, (-36.0, 10.0), (-23.0, 60.0), (-36.0, 10.0))),
    _case(
        "3341-4",
        "-72, -36, -23, -36, -72",
        "I",
        _integrated(-23.0, (_SILENCE, 10), (-36, 10), (-23, 60), (-36, 10), (_SILENCE, 10)),
    ),
    _case("3341-5", "-26, -20, -26", "I", _integrated(-23.0, (-26.0, 20.0), (-20.0, 20.1), (-26.0, 20.0))),
    _case("3341-6", "5.0: -28 -28 -24 -30 -30", "I", _surround),
    _case("3341-9", "(-20, -30) x 5", "S, constant", _constant_short_term),
    _case("3341-10", "3 s at 20 places", "max S", _bursts(0.15, 3.0)),
    _case("3341-11", "3 s at 20 levels", "max S", _rising_bursts(0.15, 3.0)),
    _case("3341-12", "(-20, -30) x 25", "M, constant", _constant_momentary),
    _case("3341-13", "0.4 s at 20 places", "max M", _bursts(0.02, 0.4)),
    _case("3341-14", "0.4 s at 20 levels", "max M", _rising_bursts(0.02, 0.4)),
    _case("3341-15", "fs/4, 0.50, 0 degrees", "true peak", _peak(-6.0, 4, 0.5, 0.0), TRUE_PEAK_DB),
    _case("3341-16", "fs/4, 0.50, 45 degrees", "true peak", _peak(-6.0, 4, 0.5, 45.0), TRUE_PEAK_DB),
    _case("3341-17", "fs/6, 0.50, 60 degrees", "true peak", _peak(-6.0, 6, 0.5, 60.0), TRUE_PEAK_DB),
    _case("3341-18", "fs/8, 0.50, 67.5 degrees", "true peak", _peak(-6.0, 8, 0.5, 67.5), TRUE_PEAK_DB),
    _case("3341-19", "fs/4, 1.41, 45 degrees", "true peak", _peak(3.0, 4, 1.41, 45.0), TRUE_PEAK_DB),
    *(
        _case(f"3341-{20 + i}", f"fs/4 in fs/6, offset {i}", "true peak", _embedded_peak(i), TRUE_PEAK_DB)
        for i in range(4)
    ),
    _case("3342-1", "-20, -30", "LRA", _range(10.0, (-20.0, 20.0), (-30.0, 20.0)), RANGE_LU),
    _case("3342-2", "-20, -15", "LRA", _range(5.0, (-20.0, 20.0), (-15.0, 20.0)), RANGE_LU),
    _case("3342-3", "-40, -20", "LRA", _range(20.0, (-40.0, 20.0), (-20.0, 20.0)), RANGE_LU),
    _case(
        "3342-4",
        "-50, -35, -20, -35, -50",
        "LRA",
        _range(15.0, (-50, 20), (-35, 20), (-20, 20), (-35, 20), (-50, 20)),
        RANGE_LU,
    ),
)
"""All cases that tones can make."""

NEED_FILES: Final = {"3341-7 = 3342-5": "narrow-range programme", "3341-8 = 3342-6": "wide-range programme"}


def table_of(sample_rate: int) -> tuple[Table, bool]:
    """Every case with its reading and deviation, and whether all passed."""
    table = Table(box=MARKDOWN)
    for heading in ("case", "signal", "quantity"):
        table.add_column(heading)
    for heading in ("expected", "allowed", "read", "deviation", ""):
        table.add_column(heading, justify="right")
    all_pass = True
    for case in CASES:
        readings = case.read(sample_rate)
        got, wanted = max(readings, key=lambda pair: abs(pair[0] - pair[1]))
        below, above = case.tolerance
        passes = case.passes(readings)
        all_pass &= passes
        table.add_row(
            case.name,
            case.signal,
            case.quantity,
            f"{wanted:.1f}",
            f"-{below:g}/+{above:g}",
            f"{got:.3f}",
            f"{got - wanted:+.3f}",
            "pass" if passes else "FAIL",
        )
    for name, what in NEED_FILES.items():
        table.add_row(name, what, "I, LRA", "", "", "", "", "official file")
    return table, all_pass


def ebu_files(folder: Path) -> Iterator[tuple[Path, Levels]]:
    """What the files of the EBU's own test set read."""
    from audiosr_fx.files import FileSource

    for path in sorted(folder.glob("seq-334*.wav")):
        with FileSource(path) as source:
            yield path, measure(source)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def bench_meters(
    sample_rate: Annotated[int, typer.Option(min=8_000, max=192_000)] = 48_000,
    ebu: Annotated[
        Path | None, typer.Option("--ebu-files", exists=True, help="Folder of the EBU's own test files.")
    ] = None,
) -> None:
    """Hold the meters against the EBU's test cases; the exit code is 1 if one fails."""
    table, all_pass = table_of(sample_rate)
    console = Console(width=130, highlight=False)
    console.print(f"EBU Tech 3341 and 3342 at {sample_rate} Hz; the worst of several readings is shown.")
    console.print(table)
    try:
        for path, levels in ebu_files(ebu) if ebu is not None else ():
            console.print(f"{path.name}: {levels}", markup=False)
    except AudioSRError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(3) from error
    raise typer.Exit(0 if all_pass else 1)


if __name__ == "__main__":
    app()
