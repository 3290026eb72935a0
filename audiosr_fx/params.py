"""One table of every control: name, unit, range, default and help.

Render settings check themselves against it, command-line flags are built from it, and a test
walks both, so that a range is written down once.
"""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import Any, TypeAlias

from audiosr_fx.errors import ParameterError

Value: TypeAlias = bool | int | float | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One setting a person can reach.

    ``minimum`` and ``maximum`` are inclusive, in ``unit``. ``choices`` lists all a text control
    takes; empty, it takes any text. ``automatic`` says what happens when the value is None; empty,
    None is not allowed. ``flag`` is the long command-line option, if there is one; of a
    switch, the one that says yes.
    """

    name: str
    type: type[bool] | type[int] | type[float] | type[str]
    default: Value
    help: str
    flag: str = ""
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    automatic: str = ""

    @property
    def allowed(self) -> str:
        """The allowed values in words, such as ``1000 to 24000 Hz``; None, which few can say, is not told."""
        if self.choices:
            return ", ".join(self.choices)
        if self.minimum is not None and self.maximum is not None:
            return f"{self.minimum:.10g} to {self.maximum:.10g} {self.unit}".rstrip()
        return "True or False" if self.type is bool else "a name or a path"

    def check(self, value: Value) -> Value:
        """Hold a value against the table.

        Returns:
            The value as this control's type: an int where a float is asked for becomes a float, and
            numpy's numbers become Python's.

        Raises:
            ParameterError: wrong type, not finite, or outside the range; the text names all three.
        """
        if value is None and self.automatic:
            return None
        if self.type is bool:
            fits = isinstance(value, bool)
        elif self.type is str:
            fits = isinstance(value, str) and value != "" and (not self.choices or value in self.choices)
        else:
            fits = self._number_fits(value)
        if not fits:
            raise ParameterError(f"{self.name} is {value!r}; expected {self.allowed}")
        return self.type(value) if value is not None else value

    def _number_fits(self, value: Any) -> bool:
        kind: Any = numbers.Integral if self.type is int else numbers.Real  # numpy's are among them
        if isinstance(value, bool) or not isinstance(value, kind):
            return False
        above = self.minimum is None or value >= self.minimum
        below = self.maximum is None or value <= self.maximum
        return above and below and math.isfinite(value)


RENDER_CONTROLS: tuple[Control, ...] = (
    Control(
        name="model",
        type=str,
        default="mini",
        flag="--model",
        help="Model to render with: mini (ships with the package), basic, speech, one of your own, or a"
        " .safetensors file.",
    ),
    Control(
        name="quality",
        type=str,
        default="standard",
        choices=("draft", "standard", "best"),
        flag="--quality",
        help="draft is quickest, best takes the most sampling steps.",
    ),
    Control(
        name="seed",
        type=int,
        default=0,
        minimum=0,
        maximum=2**32 - 1,
        flag="--seed",
        help="The same seed gives the same result; another seed, another equally likely one.",
    ),
    Control(
        name="cutoff_hz",
        type=float,
        default=None,
        unit="Hz",
        minimum=1000.0,
        maximum=24_000.0,
        automatic="found in the file",
        flag="--cutoff",
        help="Where the new highs begin; given, the file is rendered whatever its own bandwidth.",
    ),
    Control(
        name="steps",
        type=int,
        default=None,
        minimum=0,
        maximum=1000,
        automatic="set by the quality",
        flag="--steps",
        help="Sampling steps; more are slower. 0 takes the one-pass prediction of models that have one.",
    ),
    Control(
        name="guidance_scale",
        type=float,
        default=None,
        minimum=0.0,
        maximum=20.0,
        automatic="set by the model",
        flag="--guidance",
        help="How firmly the sampler holds to the input; above 1 each step costs twice.",
    ),
    Control(
        name="sampler",
        type=str,
        default=None,
        choices=("ddim", "dpmpp_2m"),
        automatic="set by the quality",
        flag="--sampler",
        help="Sampling method.",
    ),
    Control(
        name="spacing",
        type=str,
        default=None,
        choices=("reference", "trailing"),
        automatic="set by the quality",
        flag="--spacing",
        help="Which timesteps are visited: trailing starts at pure noise, reference as the published tool.",
    ),
    Control(
        name="eta",
        type=float,
        default=0.0,
        minimum=0.0,
        maximum=1.0,
        flag="--eta",
        help="Fresh noise per sampling step: 0 none, 1 as the published tool.",
    ),
    Control(
        name="detail",
        type=float,
        default=None,
        minimum=0.0,
        maximum=2.0,
        automatic="set by the quality",
        flag="--detail",
        help="How much of the sampled residual is added to the prediction of models that have one.",
    ),
    Control(
        name="keep_low_band",
        type=bool,
        default=True,
        flag="--keep-low-band",
        help="Keep the input below the cutoff as it is; otherwise mini takes tones and hiss out of it.",
    ),
    Control(
        name="brightness_db",
        type=float,
        default=0.0,
        unit="dB",
        minimum=-24.0,
        maximum=12.0,
        flag="--brightness",
        help="Level of the new band against what the model made.",
    ),
    Control(
        name="tilt_db_per_octave",
        type=float,
        default=0.0,
        unit="dB",
        minimum=-12.0,
        maximum=6.0,
        flag="--tilt",
        help="Slope of the new band, per octave from its lower end; below 0 is darker towards the top.",
    ),
    Control(
        name="ceiling_hz",
        type=float,
        default=None,
        unit="Hz",
        minimum=2000.0,
        maximum=24_000.0,
        automatic="as far as the rate reaches",
        flag="--ceiling-hz",
        help="Where the new band ends, softly: -3 dB there, 24 dB per octave beyond.",
    ),
    Control(
        name="mix",
        type=float,
        default=1.0,
        minimum=0.0,
        maximum=1.0,
        flag="--mix",
        help="How much of the new band is added; at 0 the input passes through.",
    ),
    Control(
        name="deess_db",
        type=float,
        default=0.0,
        unit="dB",
        minimum=0.0,
        maximum=24.0,
        flag="--deess",
        help="The most that sibilant peaks of the new band are turned down.",
    ),
)
"""What ``RenderSettings`` holds, in the order of its fields."""

MASTERING_CONTROLS: tuple[Control, ...] = (
    Control(
        name="target_lufs",
        type=float,
        default=-14.0,
        unit="LUFS",
        minimum=-60.0,
        maximum=0.0,
        help="Integrated loudness to reach: -14 for streaming, -16 for podcasts, -23 for broadcast.",
    ),
    Control(
        name="max_gain_db",
        type=float,
        default=20.0,
        unit="dB",
        minimum=0.0,
        maximum=60.0,
        help="The most a file is turned up; turning down has no limit.",
    ),
    Control(
        name="tolerance_lu",
        type=float,
        default=0.1,
        unit="LU",
        minimum=0.01,
        maximum=5.0,
        help="How far from its target a loudness may lie and still be left alone.",
    ),
    Control(
        name="mode",
        type=str,
        default="integrated",
        choices=("integrated", "album"),
        help="integrated: every file for itself. album: one gain for a set, which keeps its balance.",
    ),
    Control(
        name="ceiling_dbtp",
        type=float,
        default=-1.0,
        unit="dBTP",
        minimum=-40.0,
        maximum=0.0,
        help="The highest true peak there may be.",
    ),
    Control(
        name="lookahead_ms",
        type=float,
        default=5.0,
        unit="ms",
        minimum=1.0,
        maximum=20.0,
        help="How long before a peak the limiter begins to turn down; longer is gentler on transients.",
    ),
    Control(
        name="release_ms",
        type=float,
        default=100.0,
        unit="ms",
        minimum=5.0,
        maximum=5000.0,
        help="How slowly the limiter returns to full level; ten times as fast after a single peak.",
    ),
    Control(
        name="link",
        type=str,
        default="all",
        choices=("all", "none"),
        help="all: channels are turned down together, so nothing moves in the picture. none: each alone.",
    ),
    Control(
        name="max_limiting_db",
        type=float,
        default=12.0,
        unit="dB",
        minimum=0.0,
        maximum=40.0,
        help="The most a peak may be turned down on the way to a target; past it, the file stays quieter.",
    ),
    Control(
        name="dither",
        type=str,
        default=None,
        choices=("tpdf", "shaped", "none"),
        automatic="tpdf at 16 bits, none above",
        help="Noise that turns rounding errors into a steady floor; shaped puts it where ears hear least.",
    ),
)
"""What the mastering stages hold: loudness, limiter, the way to both, and the last step to a file."""

_BY_NAME = {control.name: control for control in (*RENDER_CONTROLS, *MASTERING_CONTROLS)}


def find_control(name: str) -> Control:
    """The control of that name.

    Raises:
        ParameterError: no such control; the text lists those there are.
    """
    try:
        return _BY_NAME[name]
    except KeyError:
        raise ParameterError(f"there is no control {name!r}; there are: {', '.join(_BY_NAME)}") from None


def check_switch(name: str, value: object) -> None:
    """Refuse what is neither True nor False: a text that says no would count as yes.

    Raises:
        ParameterError: the text names it.
    """
    if not isinstance(value, bool):
        raise ParameterError(f"{name} is {value!r}; expected True or False")


def check_seconds(name: str, value: object, most: float = math.inf) -> None:
    """Refuse what is no time to wait.

    Raises:
        ParameterError: no number, or not above 0 and up to the most; the text names it.
    """
    number: Any = value
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not 0.0 < number <= most:
        limit = "" if math.isinf(most) else f", up to {most:g}"
        raise ParameterError(f"{name} is {value!r}; expected seconds above 0{limit}")
