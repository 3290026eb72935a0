"""What rounding to 16 bits leaves behind, dithered or not: ``python -m audiosr_fx.bench_dither``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
import typer
from numpy.typing import NDArray
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from audiosr_fx.dither import Quantizer

BITS: Final = 16
SECONDS: Final = 8
TONE_HZ: Final = 1000
TONE_DBFS: Final = -90.0
DITHERS: Final = ("none", "tpdf", "shaped")
BANDS_HZ: Final = ((20, 500), (500, 2000), (2000, 5000), (5000, 10_000), (10_000, 15_000), (15_000, 20_000))


@dataclass(frozen=True, slots=True, kw_only=True)
class Residue:
    """What one way to round leaves beside a tone of -90 dBFS.

    Attributes:
        tone_dbfs: the tone itself.
        worst_harmonic_dbfs: of the harmonics from the 2nd to the 10th.
        line_dbfs: what noise alone reads on such a line, on average over its neighbours.
        noise_dbfs: all of the error, RMS against a full-scale sine's 0.
        bands_dbfs: the error in each of BANDS_HZ.
    """

    tone_dbfs: float
    worst_harmonic_dbfs: float
    line_dbfs: float
    noise_dbfs: float
    bands_dbfs: tuple[float, ...]


def measure_residue(dither: str, sample_rate: int = 48_000) -> Residue:
    """Round a tone of -90 dBFS, 8 s long, and look at the spectrum of what came out."""
    count = SECONDS * sample_rate
    tone = 10.0 ** (TONE_DBFS / 20.0) * np.sin(2.0 * np.pi * TONE_HZ * np.arange(count) / sample_rate)
    quantizer = Quantizer(BITS, 1, sample_rate, dither=dither)
    found = quantizer.quantize(tone[np.newaxis])[0] / 2.0 ** (BITS - 1)
    lines = np.square(np.abs(np.fft.rfft(found)) * 2.0 / count)  # power of a sine of that frequency
    error = np.square(np.abs(np.fft.rfft(found - tone)) * 2.0 / count)
    hz = np.arange(lines.size) / SECONDS
    top = min(10, sample_rate // 2 // TONE_HZ - 1)
    harmonics = TONE_HZ * np.arange(2, top + 1) * SECONDS
    beside = (harmonics[:, np.newaxis] + np.arange(8, 800)).ravel()
    bands = [error[(hz >= low) & (hz < high)].sum() for low, high in BANDS_HZ if high <= sample_rate / 2]
    return Residue(
        tone_dbfs=_decibels(lines[TONE_HZ * SECONDS]),
        worst_harmonic_dbfs=_decibels(lines[harmonics].max()),
        line_dbfs=_decibels(lines[beside[beside < lines.size]].mean()),
        noise_dbfs=_decibels(error[1:].sum()),
        bands_dbfs=tuple(_decibels(power) for power in bands),
    )


def _decibels(power: NDArray[np.float64] | float) -> float:
    return 10.0 * float(np.log10(max(float(power), 1e-40)))


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def bench_dither(
    sample_rate: Annotated[int, typer.Option(min=22_050, max=192_000)] = 48_000,
) -> None:
    """Show what rounding to 16 bits leaves beside a quiet tone."""
    table = Table("dBFS (a full-scale sine is 0)", box=MARKDOWN)
    for dither in DITHERS:
        table.add_column(dither, justify="right")
    found = [measure_residue(dither, sample_rate) for dither in DITHERS]
    table.add_row("tone of -90", *(f"{residue.tone_dbfs:.1f}" for residue in found))
    table.add_row("worst harmonic", *(f"{residue.worst_harmonic_dbfs:.1f}" for residue in found))
    table.add_row("noise per line, for comparison", *(f"{residue.line_dbfs:.1f}" for residue in found))
    table.add_row("all of the error", *(f"{residue.noise_dbfs:.1f}" for residue in found))
    for index in range(len(found[0].bands_dbfs)):
        low, high = BANDS_HZ[index]
        table.add_row(f"error {low} to {high} Hz", *(f"{residue.bands_dbfs[index]:.1f}" for residue in found))
    console = Console(width=110, highlight=False)
    console.print(f"A tone of {TONE_HZ} Hz at {TONE_DBFS:g} dBFS rounded to {BITS} bits at {sample_rate} Hz")
    console.print(table)


if __name__ == "__main__":
    app()
