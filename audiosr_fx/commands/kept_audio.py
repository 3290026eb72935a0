"""What ``audiosr-fx evaluate --audio`` keeps: originals, inputs for other systems, and outputs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from audiosr_fx.audio import AudioWriter
from audiosr_fx.commands.terminal import output_errors
from audiosr_fx.errors import ParameterError
from audiosr_fx.quality.cases import Case
from audiosr_fx.quality.spectra import Waveform
from audiosr_fx.quality.systems import System
from audiosr_fx.training.data import SAMPLE_RATE
from audiosr_fx.wording import file_name

_REFERENCE, _INPUT = "reference", "input"


@dataclass(kw_only=True)
class KeptAudio:
    """A folder per condition, in it one per system, and the original and the input beside them.

    ``written`` holds what this run wrote: the original and the input of a case are the same for all systems.
    """

    folder: Path
    several_seeds: bool
    overwrite: bool
    written: set[Path] = field(default_factory=set)

    def keep(self, system: System, case: Case, waveform: Waveform) -> None:
        """Write what a system made of a case.

        Raises:
            OutputError: it cannot be written.
        """
        base = self.folder / case.condition.slug
        name = kept_name(case.clip)
        for path, samples in ((base / _REFERENCE / name, case.bright), (base / _INPUT / name, case.dull)):
            if path not in self.written:
                self._write(path, samples)
        self._write(base / self._row(system) / name, waveform)

    def check_rows(self, systems: Iterable[System]) -> None:
        """Refuse systems whose outputs would be kept in one folder, or among the originals or inputs.

        Raises:
            ParameterError: two of them have one name there, or one has theirs.
        """
        taken = {_REFERENCE: "the originals", _INPUT: "the inputs"}
        for system in systems:
            row = self._row(system)
            if row.lower() in taken:
                raise ParameterError(
                    f"{taken[row.lower()]} and {system.name!r} would both be kept in {row}; give another name"
                )
            taken[row.lower()] = repr(system.name)

    def _row(self, system: System) -> str:
        seed = f" seed {system.seed}" if system.seed is not None and self.several_seeds else ""
        return file_name(system.name + seed)

    def _write(self, path: Path, waveform: Waveform) -> None:
        with output_errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            with AudioWriter(path, SAMPLE_RATE, 1, subtype="FLOAT", overwrite=self.overwrite) as writer:
                writer.write(waveform[None])
        self.written.add(path)


def kept_name(clip: str) -> str:
    """The file that a clip's audio is kept in."""
    return str(Path(clip).with_suffix(".wav")).replace("/", "_")


def check_kept_names(clips: Iterable[str]) -> None:
    """Refuse clips whose audio would be kept in one file.

    Raises:
        ParameterError: two of them have one name.
    """
    taken: dict[str, str] = {}
    for clip in clips:
        other = taken.setdefault(kept_name(clip), clip)
        if other != clip:
            raise ParameterError(f"{other} and {clip} would both be kept as {kept_name(clip)}; rename one")
