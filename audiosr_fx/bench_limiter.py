"""The limiter against pedalboard's: ``python -m audiosr_fx.bench_limiter``.

All run in the same process over the same made-up signals, at a ceiling of -1 dB. The height of an output is
the highest that three unlike interpolators read at 16 points per sample: soxr, a polyphase filter and an FFT.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Annotated, Any, Final, TypeAlias

import numpy as np
import pedalboard
import soxr
import typer
from numpy.typing import NDArray
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table
from scipy import signal

from audiosr_fx.limiter import TruePeakLimiter
from audiosr_fx.sources import Audio

RATE: Final = 48_000
CEILING_DB: Final = -1.0
BASS_HZ: Final = 60.0

Process: TypeAlias = Callable[[Audio, float], Audio]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One limiter on one signal."""

    limiter: str
    signal: str
    over_db: float
    """The highest point over the ceiling."""
    largest_step_db: float
    """The largest change of gain from one sample to the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One limiter over all signals."""

    limiter: str
    worst_over_db: float
    bass_thd_db: float
    """Harmonics of a 60 Hz sine that is pushed 6 dB over the ceiling, against its fundamental."""
    changed_below_ceiling_db: float
    """The largest error on a mix 6 dB below the ceiling; -inf where it comes out bit for bit."""
    times_real_time: float
    """Stereo seconds per second of computing, on a mix pushed 6 dB over the ceiling."""


def limiters() -> dict[str, Process]:
    """Ours, and those of pedalboard that this version has."""
    found: dict[str, Process] = {"TruePeakLimiter": TruePeakLimiter(CEILING_DB)}
    brickwall: Any = getattr(pedalboard, "BrickwallLimiter", None)  # since 0.9.25
    if brickwall is not None:
        found["BrickwallLimiter, true peak"] = brickwall(ceiling_db=CEILING_DB, true_peak=True)
        found["BrickwallLimiter"] = brickwall(ceiling_db=CEILING_DB)
    found["Limiter"] = pedalboard.Limiter(threshold_db=CEILING_DB)
    return found


def made_up_signals(seconds: float = 5.0) -> dict[str, Audio]:
    """Stereo signals that are hard to limit, most of them far over the ceiling."""
    count = round(seconds * RATE)
    place = np.arange(count)
    white = np.random.default_rng(0).standard_normal((2, count))

    def sine(hz: float) -> NDArray[np.float64]:
        wave: NDArray[np.float64] = np.sin(2.0 * np.pi * hz / RATE * place + np.pi / 4.0)
        return wave

    hits = np.exp(-(place % 12_000) / 1500.0)
    wide = signal.sosfilt(signal.butter(2, [60.0, 16_000.0], "band", fs=RATE, output="sos"), white)
    drums = hits * (sine(70.0) + wide)
    chord = sum(np.sign(sine(hz)) for hz in (110.0, 165.1, 220.3))
    soft = signal.sosfilt(signal.butter(4, 9000.0, fs=RATE, output="sos"), chord)
    found = {
        "fs/4 at 45 degrees": 1.5 * sine(RATE / 4.0),
        "20 kHz": 1.5 * sine(20_000.3),
        "12 kHz tone bursts": 1.8 * sine(11_999.5) * (place // 1000 % 3 == 0),
        "white noise": white,
        "noise bursts": 2.0 * white * (place // 2400 % 4 == 0),
        "5 kHz square": np.sign(sine(5000.0)),
        "1 kHz square": np.sign(sine(997.0)),
        "clicks": 3.0 * (place % 5000 == 77),
        "drums": 2.0 * drums,
        "dense mix": drums + 0.4 * soft + 0.1 * wide,
    }
    return {name: np.broadcast_to(wave, (2, count)).astype(np.float32) for name, wave in found.items()}


def highest_db(audio: Audio) -> float:
    """The highest reading at 16 points per sample, in dB of full scale."""
    padded = np.pad(audio.astype(np.float64), ((0, 0), (2000, 2000)))
    drawn = (
        soxr.resample(padded.T, 1.0, 16.0, quality="VHQ"),
        signal.resample_poly(padded, 16, 1, axis=1),
        signal.resample(padded, 16 * padded.shape[1], axis=1),
    )
    return 20.0 * float(np.log10(max(np.abs(wave).max() for wave in drawn)))


def bench_signals(processes: dict[str, Process], signals: dict[str, Audio]) -> Iterator[Row]:
    """Every limiter on every signal."""
    for name, audio in signals.items():
        for limiter, process in processes.items():
            limited = process(audio, RATE)
            yield Row(
                limiter=limiter,
                signal=name,
                over_db=highest_db(limited) - CEILING_DB,
                largest_step_db=_largest_step_db(audio, limited),
            )


def summarize(limiter: str, process: Process, rows: list[Row], mix: Audio) -> Summary:
    """What one limiter does beside overshooting."""
    below = (mix * 10.0 ** ((CEILING_DB - 6.0 - highest_db(mix)) / 20.0)).astype(np.float32)
    error = float(np.abs(process(below, RATE) - below).max())
    over = (mix * 10.0 ** ((CEILING_DB + 6.0 - highest_db(mix)) / 20.0)).astype(np.float32)
    over = np.tile(over, (1, 4))
    process(over, RATE)
    spent = []
    for _ in range(3):
        started = time.process_time()
        process(over, RATE)
        spent.append(time.process_time() - started)
    return Summary(
        limiter=limiter,
        worst_over_db=max(row.over_db for row in rows if row.limiter == limiter),
        bass_thd_db=_bass_thd_db(process),
        changed_below_ceiling_db=20.0 * float(np.log10(error)) if error else -np.inf,
        times_real_time=over.shape[1] / RATE / min(spent),
    )


def _bass_thd_db(process: Process) -> float:
    level = 10.0 ** ((CEILING_DB + 6.0) / 20.0)
    wave = level * np.sin(2.0 * np.pi * BASS_HZ / RATE * np.arange(4 * RATE))
    settled = process(np.tile(wave.astype(np.float32), (2, 1)), RATE)[0, 2 * RATE : 3 * RATE]
    spectrum = np.abs(np.fft.rfft(settled.astype(np.float64)))
    harmonics = spectrum[2 * round(BASS_HZ) : RATE // 2 : round(BASS_HZ)]
    return 20.0 * float(np.log10(np.hypot.reduce(harmonics) / spectrum[round(BASS_HZ)]))


def _largest_step_db(audio: Audio, limited: Audio) -> float:
    """Where samples are large enough to tell a gain by."""
    both = (np.abs(audio) > 0.01) & (np.abs(limited) > 1e-4)
    gain_db = 20.0 * np.log10(
        np.abs(limited / np.where(both, audio, 1.0)), where=both, out=np.zeros(audio.shape)
    )
    steps = np.abs(np.diff(gain_db, axis=1))[both[:, 1:] & both[:, :-1]]
    return float(steps.max(initial=0.0))


def _print(rows: list[Row], summaries: list[Summary]) -> None:
    names = [summary.limiter for summary in summaries]
    peaks = Table("signal", box=MARKDOWN)
    for name in names:
        peaks.add_column(name, justify="right")
    for signal_name in dict.fromkeys(row.signal for row in rows):
        found = {row.limiter: row for row in rows if row.signal == signal_name}
        peaks.add_row(
            signal_name,
            *(f"{found[name].over_db:+.2f} ({found[name].largest_step_db:.2f})" for name in names),
        )
    whole = Table("", *names, box=MARKDOWN)
    whole.add_row("worst overshoot, dB", *(f"{s.worst_over_db:+.3f}" for s in summaries))
    whole.add_row("THD of 60 Hz, dB", *(f"{s.bass_thd_db:.1f}" for s in summaries))
    whole.add_row(
        "change 6 dB below the ceiling, dBFS",
        *(
            "none" if np.isinf(s.changed_below_ceiling_db) else f"{s.changed_below_ceiling_db:.1f}"
            for s in summaries
        ),
    )
    whole.add_row("stereo, times real time", *(f"{s.times_real_time:.0f}" for s in summaries))
    console = Console(width=150, highlight=False)
    console.print(
        f"dB over a ceiling of {CEILING_DB:g} dB; in brackets the largest step of gain, dB per sample"
    )
    console.print(peaks)
    console.print(f"pedalboard {version('pedalboard')}, one core")
    console.print(whole)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def bench_limiter(
    seconds: Annotated[float, typer.Option(min=1.0, help="Length of each signal.")] = 5.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
) -> None:
    """Hold the limiter against pedalboard's, in one run."""
    processes, signals = limiters(), made_up_signals(seconds)
    rows = list(bench_signals(processes, signals))
    summaries = [summarize(name, process, rows, signals["dense mix"]) for name, process in processes.items()]
    if as_json:
        for line in ([asdict(row) for row in rows], [asdict(summary) for summary in summaries]):
            for values in line:
                typer.echo(json.dumps(values).replace("-Infinity", "null"))
    else:
        _print(rows, summaries)


if __name__ == "__main__":
    app()
