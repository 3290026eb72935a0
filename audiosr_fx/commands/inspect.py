"""``audiosr-fx inspect``: what is in a file, and whether its highs are missing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiosr_fx.commands.terminal import (
    ExitCode,
    describe_error,
    exit_code_of,
    joint_exit_code,
    say,
    say_error,
    say_json,
)
from audiosr_fx.errors import AudioSRError

if TYPE_CHECKING:
    from audiosr_fx.quality.spectrogram import Panel


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What is known about one file; levels are -inf for silence."""

    path: str
    format: str
    sample_rate: int
    channels: int
    duration_s: float
    cutoff_hz: float | None
    needs_render: bool
    reason: str
    loudness_lufs: float
    sample_peak_dbfs: float
    true_peak_dbtp: float

    def __str__(self) -> str:
        cutoff = "no edge found" if self.cutoff_hz is None else f"content ends at {self.cutoff_hz:.0f} Hz"
        verdict = "would be rendered" if self.needs_render else "would pass through untouched"
        return (
            f"{self.path}\n"
            f"  {self.format}, {self.sample_rate} Hz, {self.channels} channels, {self.duration_s:.2f} s\n"
            f"  {cutoff}; {verdict}: {self.reason}\n"
            f"  loudness {self.loudness_lufs:.1f} LUFS, peak {self.sample_peak_dbfs:.1f} dBFS, "
            f"true peak {self.true_peak_dbtp:.1f} dBTP"
        )


def inspect_files(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Audio files.")],
    spectrogram: Annotated[
        Path | None,
        typer.Option("--spectrogram", metavar="PNG", help="Draw all files into one picture, a panel each."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object per file and line.")] = False,
) -> None:
    """Show rate, bandwidth, loudness and peaks of audio files.

    Compare before and after:
    [bold]audiosr-fx inspect dull.wav restored.wav --spectrogram compare.png[/bold]
    """
    panels: list[Panel] = []
    codes: list[ExitCode] = []
    for path in files:
        try:
            inspection, panel = _inspect(path, draw=spectrogram is not None)
        except (AudioSRError, OSError) as error:
            codes.append(exit_code_of(error))
            text = describe_error(error, about=path)
            say_error(text)
            if json:
                say_json({"path": str(path), "error": text, "exit_code": int(codes[-1])})
            continue
        codes.append(ExitCode.OK)
        if json:
            say_json(asdict(inspection))
        else:
            say(str(inspection))
        if panel is not None:
            panels.append(panel)
    if spectrogram is not None and panels:
        from audiosr_fx.quality.spectrogram import save_spectrogram

        save_spectrogram(spectrogram, panels)
    raise typer.Exit(joint_exit_code(codes))
