"""What the measurements of a report mean, in one line each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from audiosr_fx.quality.comparison import Comparison
from audiosr_fx.quality.mono import MonoSum
from audiosr_fx.quality.null import KEPT_DBFS, Null

Tone: TypeAlias = Literal["good", "plain", "warn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of a check: a word or figure for a table, a sentence, and how to colour them."""

    short: str
    text: str
    tone: Tone


def null_finding(comparison: Comparison) -> Finding:
    """Does the output null against the input where nothing was to change?"""
    null = comparison.null
    where = _where(comparison.null_below_hz)
    match null.outcome:
        case "silent":
            return Finding(
                short="silent", text=f"Nothing to null {where}: the input is silent.", tone="plain"
            )
        case "kept" if null.difference_dbfs == -math.inf:
            return Finding(
                short="exact", text=f"Output and input are equal {where}, to the bit.", tone="good"
            )
        case "kept":
            text = (
                f"Output nulls against input {where}: what differs lies at"
                f" {_level(null.difference_dbfs)} dBFS RMS, {_level(-null.depth_db)} dB under the signal,"
                f" and peaks at {_level(null.peak_dbfs)} dBFS, at the file's ends at"
                f" {_level(null.ends_peak_dbfs)} dBFS."
            )
            return Finding(short=f"{_level(null.left_dbfs)} dBFS", text=text, tone=_tone(null))
        case "gain":
            text = (
                f"Only the level changed {where}: after {_gain(null)} the two null to"
                f" {_level(null.left_dbfs)} dBFS RMS, {_level(-null.depth_db)} dB under the signal."
            )
            return Finding(short=f"{_level(null.left_dbfs)} dBFS, after gain", text=text, tone=_tone(null))
        case "changed":
            figure = "nothing in common" if null.depth_db >= 0.0 else f"{_level(null.left_dbfs)} dBFS"
            return Finding(short=f"changed, {figure}", text=_changed(null, where), tone="plain")


def _tone(null: Null) -> Tone:
    """Good is what was promised; floats far over full scale can be alike and yet differ by more than that."""
    return "good" if null.left_dbfs <= KEPT_DBFS else "plain"


def _changed(null: Null, where: str) -> str:
    start = f"Not applicable: the chain changes what lies {where}."
    if null.depth_db >= 0.0:
        return f"{start} The two have nothing in common there that one gain could show."
    return (
        f"{start} After the gain that brings the two closest ({_gain(null)}), what differs lies"
        f" {_level(-null.depth_db)} dB under the signal."
    )


def _where(below_hz: float | None) -> str:
    return "over the whole spectrum" if below_hz is None else f"below {hertz(below_hz)}"


def _gain(null: Null) -> str:
    return f"{round(null.gain_db, 1) + 0.0:+.1f} dB".replace("-", "\N{MINUS SIGN}") + (
        " and turned polarity" if null.is_inverted else ""
    )


def mono_finding(comparison: Comparison) -> Finding | None:
    """Does the sum to mono hold, the added band's too? None for what is not stereo, or silent."""
    before, after, added = comparison.mono_before, comparison.mono_after, comparison.mono_added
    if after is None:
        return None
    parts = [f"Summed to mono, {_kept(after)}"]
    if before is not None:
        parts[0] += f" (before: {_kept(before)})"
    if added is not None:
        verb = "cancels" if added.cancels else "holds"
        parts.append(f"The band above the crossover {verb}: {_kept(added)}")
    is_worse = before is not None and after.cancels and not before.cancels
    warns = is_worse or (added is not None and added.cancels)
    return Finding(
        short=f"{_level(after.level_db)} dB", text=". ".join(parts) + ".", tone="warn" if warns else "good"
    )


def _kept(mono: MonoSum) -> str:
    return f"{_level(mono.level_db)} dB at correlation {mono.correlation:+.2f}".replace("-", "\N{MINUS SIGN}")


def _level(value: float) -> str:
    """A level in typographic figures; what rounds to nothing has no sign."""
    if not math.isfinite(value):
        return "\N{INFINITY}" if value > 0 else "\N{MINUS SIGN}\N{INFINITY}"
    text = f"{value:.1f}"
    return "0.0" if text == "-0.0" else text.replace("-", "\N{MINUS SIGN}")


def hertz(frequency_hz: float) -> str:
    """A frequency as people say it."""
    return f"{frequency_hz / 1000.0:.2f} kHz" if frequency_hz >= 1000.0 else f"{frequency_hz:.0f} Hz"
