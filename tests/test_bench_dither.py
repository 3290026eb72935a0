from __future__ import annotations

from typer.testing import CliRunner

from audiosr_fx import bench_dither


def test_only_rounding_without_dither_leaves_harmonics() -> None:
    none, tpdf, shaped = (bench_dither.measure_residue(dither) for dither in bench_dither.DITHERS)
    assert none.worst_harmonic_dbfs > -110.0
    for dithered in (tpdf, shaped):
        assert dithered.worst_harmonic_dbfs - dithered.line_dbfs < 12.0  # the highest of nine lines of noise
    assert abs(tpdf.noise_dbfs + 93.3) < 0.1
    assert shaped.bands_dbfs[2] < tpdf.bands_dbfs[2] - 15.0


def test_the_program_prints_a_table() -> None:
    shown = CliRunner().invoke(bench_dither.app, [])
    assert shown.exit_code == 0, shown.output
    for words in ("worst harmonic", "tpdf", "error 2000 to 5000 Hz"):
        assert words in shown.stdout
