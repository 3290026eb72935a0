"""How a file was made: one line of text that stands in the coding history and in a comment, and back."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from audiosr_fx import __version__
from audiosr_fx.model.places import file_sha256, place_of

SOFTWARE: Final = f"audiosr_fx {__version__}"
_LINE: Final = re.compile(r"audiosr_fx \d[\w.+-]*(?:; [a-z0-9_]+=[^;,\s\x00]*)*")
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.+:/-]+")
_NO_NAME: Final = re.compile(r"[^a-z0-9_]+")
_LONGEST: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What was done to a file, and with what; None where it does not apply.

    Attributes:
        software: name and version.
        action: ``restored``, ``cleaned`` (and no more), ``untouched`` (it passed through), ``resampled``, or
            what else was done.
        model: its name.
        weights_sha256: of the model's file.
        quality: of the render.
        seed: of the render.
        cutoff_hz: where the input ended.
        crossover_hz: where what was generated is joined, the -6 dB point.
        preset: of the chain.
        others: any other (name, value), in small letters.
    """

    software: str = SOFTWARE
    action: str = "restored"
    model: str | None = None
    weights_sha256: str | None = None
    quality: str | None = None
    seed: int | None = None
    cutoff_hz: float | None = None
    crossover_hz: float | None = None
    preset: str | None = None
    others: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        """One line of ASCII without commas, such as ``audiosr_fx 0.1.0; action=restored; seed=7``."""
        values = [(name, getattr(self, name)) for name in _NAMED]
        pairs = [(name, value) for name, value in values if value is not None]
        return "; ".join(
            [self.software, *(f"{name}={_text(value)}" for name, value in [*pairs, *self._others()])]
        )

    def _others(self) -> list[tuple[str, str]]:
        return [(_NO_NAME.sub("_", name.lower()), value) for name, value in self.others]


_NAMED: Final = tuple(item.name for item in fields(Provenance) if item.name not in ("software", "others"))
_NUMBERS: Final = {"seed": int, "cutoff_hz": float, "crossover_hz": float}


def parse_provenance(text: str) -> Provenance | None:
    """Read a line that ``str`` of a provenance made, of this or another version; None for any other text."""
    if not _LINE.fullmatch(text):
        return None
    software, *pairs = text.split("; ")
    known: dict[str, Any] = {"action": ""}
    others = []
    for name, value in (pair.split("=", 1) for pair in pairs):
        if name not in _NAMED:
            others.append((name, value))
        else:
            try:
                known[name] = _NUMBERS[name](value) if name in _NUMBERS else value
            except ValueError:
                return None
    return Provenance(software=software, others=tuple(others), **known)


def find_provenance(text: str) -> list[Provenance]:
    """All such lines of a comment, in order."""
    return [found for line in text.splitlines() if (found := parse_provenance(line.strip())) is not None]


def provenance_in_history(coding_history: str) -> list[Provenance]:
    """All such lines of a coding history, where they stand in the field T, in order."""
    lines = (line.partition(",T=")[2] for line in coding_history.splitlines())
    return [found for line in lines if (found := parse_provenance(line.strip())) is not None]


def without_provenance(text: str) -> str:
    """The text without such lines, as it was before this program wrote them."""
    kept = [line for line in text.splitlines() if parse_provenance(line.strip()) is None]
    return text if len(kept) == len(text.splitlines()) else "\n".join(kept)


def weights_sha256(model: str | Path) -> str | None:
    """The SHA-256 of a model's file in hexadecimal; None where there is no such file."""
    path = place_of(str(model))
    try:
        return None if path is None else file_sha256(path)
    except OSError:
        return None


def _text(value: object) -> str:
    """A value in ASCII, without what separates fields here and in a coding history."""
    text = f"{value:.10g}" if isinstance(value, float) else str(value)
    return _UNSAFE.sub("_", text)[:_LONGEST]
