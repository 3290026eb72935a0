"""``audiosr-fx inspect``: what is in a file, and whether its highs are missing."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiosr_fx.commands.terminal import (
    ExitCode,
    OutputError,
    describe_error,
    exit_code_of,
    joint_exit_code,
    output_errors,
    printable,
    refuse_taken,
    say,
    say_error,
    say_json,
)
from audiosr_fx.errors import AudioSRError, ParameterError
from audiosr_fx.wording import shown

if TYPE_CHECKING:
    from audiosr_fx.quality.spectrogram import Panel


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What is known about one file. Levels are -inf for silence, loudness is None where it is undefined."""

    path: str
    format: str
    sample_rate: int
    channels: int
    duration_s: float
    cutoff_hz: float | None
    needs_render: bool
    reason: str
    loudness_lufs: float | None
    max_short_term_lufs: float | None
    max_momentary_lufs: float | None
    loudness_range_lu: float | None
    sample_peak_dbfs: float
    true_peak_dbtp: float
    title: str = ""
    time_reference_s: float | None = None
    markers: int = 0
    loops: int = 0
    pictures: int = 0
    made_by: tuple[str, ...] = ()

    def __str__(self) -> str:
        verdict = "would be rendered" if self.needs_render else "would pass through untouched"
        return (
            f"{printable(self.path)}\n"
            f"  {self.format}, {self.sample_rate} Hz, channels: {self.channels}, {self.duration_s:.2f} s\n"
            f"  {verdict}: {self.reason}\n"
            f"  loudness {_shown(self.loudness_lufs, 'LUFS')}, range {_shown(self.loudness_range_lu, 'LU')}, "
            f"most in 3 s {_shown(self.max_short_term_lufs, 'LUFS')}, "
            f"in 0.4 s {_shown(self.max_momentary_lufs, 'LUFS')}\n"
            f"  peak {_shown(self.sample_peak_dbfs, 'dBFS')}, true peak {_shown(self.true_peak_dbtp, 'dBTP')}"
        ) + "".join(f"\n  {line}" for line in self._about())

    def _about(self) -> list[str]:
        """What the file says beside its audio, a line for each thing that it has."""
        counts = (("markers", self.markers), ("loops", self.loops), ("pictures", self.pictures))
        facts = [f"title {self.title!r}"] if self.title else []
        if self.time_reference_s is not None:
            facts.append(f"starts at {_clock(self.time_reference_s)}")
        facts += [f"{name}: {count}" for name, count in counts if count]
        lines = [printable(", ".join(facts))] if facts else []
        return lines + [f"made by {line}" for line in self.made_by]


def inspect_files(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Audio files.")],
    spectrogram: Annotated[
        Path | None,
        typer.Option("--spectrogram", metavar="PNG", help="Draw all files into one picture, a panel each."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a picture that exists.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object per file and line.")] = False,
) -> None:
    """Show rate, bandwidth, loudness and peaks of audio files.

    Compare before and after:

    [bold]audiosr-fx inspect dull.wav restored.wav --spectrogram compare.png[/bold]
    """
    if spectrogram is not None:
        _check_picture(spectrogram, files, overwrite=overwrite)
    panels: list[Panel] = []
    codes: list[ExitCode] = []
    for path in files:
        try:
            inspection = inspect_file(path)
            if spectrogram is not None:
                panels.append(_draw(path))
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
    if spectrogram is not None and panels:
        from audiosr_fx.quality.spectrogram import save_spectrogram

        with output_errors():
            save_spectrogram(spectrogram, panels)
    raise typer.Exit(joint_exit_code(codes))


def _check_picture(path: Path, files: list[Path], *, overwrite: bool) -> None:
    """Refuse, before any work, a picture that could not be written in the end.

    Raises:
        ParameterError: no name of a picture.
        OutputError: the name is taken, by one of the files or anything else, or there is no such folder.
    """
    if path.suffix.lower() != ".png":
        raise ParameterError(f"spectrogram is {path}; expected a name in .png")
    with output_errors():
        if path.exists() and any(file.exists() and path.samefile(file) for file in files):
            raise OutputError(f"{shown(path)}: is an input, which is never replaced")
        refuse_taken(path, overwrite)
        if not path.absolute().parent.is_dir():
            raise OutputError(f"{shown(path)}: there is no folder {shown(path.parent)}")


def inspect_file(path: Path) -> Inspection:
    """Look at one file.

    Raises:
        AudioFormatError: it cannot be read.
    """
    from audiosr_fx.bandwidth import judge
    from audiosr_fx.files import FileSource
    from audiosr_fx.metadata import read_metadata
    from audiosr_fx.meters import measure

    metadata = read_metadata(path)
    broadcast, instrument = metadata.broadcast, metadata.instrument
    with FileSource(path) as source:
        verdict = judge(source)
        levels = measure(source)
        return Inspection(
            path=str(path),
            format=f"{source.info.format} {source.info.subtype}",
            sample_rate=source.sample_rate,
            channels=source.channels,
            duration_s=source.info.duration_s,
            cutoff_hz=verdict.cutoff_hz,
            needs_render=verdict.process,
            reason=verdict.reason,
            loudness_lufs=levels.integrated_lufs,
            max_short_term_lufs=levels.max_short_term_lufs,
            max_momentary_lufs=levels.max_momentary_lufs,
            loudness_range_lu=levels.loudness_range_lu,
            sample_peak_dbfs=levels.sample_peak_dbfs,
            true_peak_dbtp=levels.true_peak_dbtp,
            title=metadata.title,
            time_reference_s=None if broadcast is None else broadcast.time_reference / source.sample_rate,
            markers=len(metadata.markers),
            loops=0 if instrument is None else len(instrument.loops),
            pictures=len(metadata.pictures),
            made_by=tuple(str(step) for step in metadata.provenance),
        )


def _clock(seconds: float) -> str:
    """A time of day, such as 10:00:00.000."""
    minutes, rest = divmod(round(seconds * 1000), 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest / 1000:06.3f}"


def _shown(level: float | None, unit: str) -> str:
    if level is None:
        return "undefined"
    return f"{level:.1f} {unit}" if math.isfinite(level) else "silent"


def _draw(path: Path) -> Panel:
    from audiosr_fx.files import FileSource
    from audiosr_fx.quality.spectrogram import measure_panel

    with FileSource(path) as source:
        return measure_panel(source, path.name)
