"""What a render is asked to do: settings that check themselves, what each quality means, and regions."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, TypeAlias

from audiosr_fx.checked_settings import check_settings
from audiosr_fx.errors import ParameterError

Spacing: TypeAlias = Literal["reference", "trailing"]

SESSION_RATE = 48_000
"""In Hz: what a chain runs at, if its source has no higher rate; see ``session_rate``."""
PLUGIN_TIMEOUT_S = 600.0
"""How long the process of a chain with plugins may be without progress."""


def session_rate(sample_rate: int) -> int:
    """The rate in Hz at which a source of such a rate comes out where none is asked for."""
    return max(SESSION_RATE, sample_rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderSettings:
    """How to render; None leaves a choice to the quality, the model or the file.

    Attributes:
        model: ``mini``, ``basic``, ``speech`` or the path of a ``.safetensors`` file.
        quality: ``draft``, ``standard`` or ``best``; see ``QUALITIES``.
        seed: the same seed gives the same result.
        cutoff_hz: where the new highs begin. Given by hand, whatever the input has above it is replaced.
        steps: sampler steps; 0 takes the one-pass prediction of models that have a predictor.
        guidance_scale: weight of the conditional against the unconditional answer; 1 is the former alone.
        sampler: ``ddim`` or ``dpmpp_2m``.
        spacing: timestep spacing, ``reference`` or ``trailing``.
        eta: fresh noise per step, 0 (none) to 1.
        detail: how much of the sampled residual is added to the prediction, for models with a predictor.
        keep_low_band: False takes steady tones and hiss out of the input before anything is made of it, by
            models with a cleaner such as ``mini``: the cutoff is looked for without them, and what needs no
            new band is cleaned all the same. Those whose vocoder makes the whole band make that anew.
        brightness_db: gain of the new band; this and what follows touch nothing below the crossover.
        tilt_db_per_octave: slope of the new band, from the crossover up.
        ceiling_hz: where the new band ends, softly.
        mix: how much of the new band is added, 0 to 1; 0 gives the input bit for bit.
        deess_db: the most that sibilant peaks of the new band are turned down.

    Raises:
        ParameterError: a value outside its range.
    """

    model: str = "mini"
    quality: str = "standard"
    seed: int = 0
    cutoff_hz: float | None = None
    steps: int | None = None
    guidance_scale: float | None = None
    sampler: str | None = None
    spacing: Spacing | None = None
    eta: float = 0.0
    detail: float | None = None
    keep_low_band: bool = True
    brightness_db: float = 0.0
    tilt_db_per_octave: float = 0.0
    ceiling_hz: float | None = None
    mix: float = 1.0
    deess_db: float = 0.0

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """What a quality stands for: how the latent is sampled."""

    steps: int
    sampler: str = "ddim"
    spacing: Spacing = "trailing"
    detail: float = 1.0


QUALITIES: dict[str, dict[str, Quality]] = {
    "with predictor": {
        "draft": Quality(steps=0),
        "standard": Quality(steps=4, detail=0.5),
        "best": Quality(steps=16, detail=0.7),
    },
    "diffusion alone": {
        "draft": Quality(steps=10),
        "standard": Quality(steps=50),
        "best": Quality(steps=100),
    },
}
"""The one table of what ``draft``, ``standard`` and ``best`` mean for the two kinds of model."""


@dataclass(frozen=True, slots=True)
class Region:
    """A stretch of a source in samples of its own rate; ``stop`` None means its end.

    ``said_at_rate``: the rate at which it was given in seconds, for messages in seconds; None was samples.
    A ``stop`` in seconds may lie a little beyond the end of a source, see ``end_slack``.

    Raises:
        ParameterError: negative, or empty.
    """

    start: int
    stop: int | None = None
    said_at_rate: int | None = field(default=None, compare=False, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        if self.start < 0 or (self.stop is not None and self.stop <= self.start):
            raise ParameterError(f"region is {self}; expected 0 <= start < end")

    def __str__(self) -> str:
        stop = "the end" if self.stop is None else self._said(self.stop)
        return f"{self._said(self.start)} to {stop}"

    def _said(self, position: int) -> str:
        """A position in the unit that the region was given in."""
        if self.said_at_rate is None:
            return f"sample {position}"
        return f"{position / self.said_at_rate:.6f}".rstrip("0").rstrip(".") + " s"

    def within(self, frames: int) -> tuple[int, int]:
        """Start and stop of this region in a source of that many frames.

        Raises:
            ParameterError: it reaches beyond the end.
        """
        stop = frames if self.stop is None else self.stop
        slack = 0 if self.said_at_rate is None else end_slack(self.said_at_rate)
        if frames < stop <= frames + slack:
            stop = frames
        if not self.start < stop <= frames:
            length = f"{frames} samples" if self.said_at_rate is None else self._said(frames)
            raise ParameterError(f"region is {self}; the source has {length}")
        return self.start, stop


def end_slack(sample_rate: int) -> int:
    """How many samples the end of a region that is told as a time may lie beyond the end of its source.

    It is a millisecond: people and hosts tell times that are rounded to it, and the tempo of a MIDI file, in
    whole microseconds a quarter note, is off by as much after the 2000 quarters of a long song.
    """
    return round(sample_rate / 1000)


def parse_region(text: str, sample_rate: int) -> Region:
    """Read a region as a person types it.

    Args:
        text: ``START-END`` or ``START-`` (to the end): seconds (``12.5-17``), minutes or hours
            (``1:02.5-1:10``, ``1:00:00-1:00:05``), or samples with an s (``96000s-144000s``).
        sample_rate: of the source, in Hz.

    Raises:
        ParameterError: not of that form, or empty.
    """
    parts = text.split("-")
    if len(parts) != 2:
        raise ParameterError(_region_help(text))
    start = _parse_position(parts[0], sample_rate, text)
    stop = _parse_position(parts[1], sample_rate, text) if parts[1].strip() else None
    return Region(start, stop, said_at_rate=None if "s" in text else sample_rate)


_POSITION = re.compile(r"(?:(?:(\d{1,4}):)?(\d{1,4}):)?(\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})", re.ASCII)
_SAMPLES = re.compile(r"(\d{1,15})s", re.ASCII)


def _parse_position(text: str, sample_rate: int, whole: str) -> int:
    """Samples from the text of one end, rounded to the nearest."""
    if match := _SAMPLES.fullmatch(text.strip()):
        return int(match[1])
    if match := _POSITION.fullmatch(text.strip()):
        hours, minutes, seconds = (Fraction(group or 0) for group in match.groups())
        return round((hours * 3600 + minutes * 60 + seconds) * sample_rate)
    raise ParameterError(_region_help(whole))


def _region_help(text: str) -> str:
    return (
        f"region is {text!r}; expected START-END such as 12.5-17, 1:02.5-1:10 or 96000s-144000s, or 12.5- to"
        " the end"
    )
