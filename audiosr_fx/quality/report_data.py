"""What the page of a report is told, as plain values, and the blocks of bytes that go with them."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from audiosr_fx.metadata.provenance import Provenance
from audiosr_fx.meters import Levels
from audiosr_fx.quality.embed import audio_id
from audiosr_fx.quality.excerpt import Excerpt
from audiosr_fx.quality.pictures import RANGE_DB
from audiosr_fx.quality.report_file import FileReport, Picture, Side
from audiosr_fx.quality.report_rows import ReportRow, StemCheck
from audiosr_fx.quality.report_words import Finding, hertz, mono_finding, null_finding
from audiosr_fx.wording import printable

Blocks = dict[str, bytes]
"""Bytes by the name they have in the page."""


def file_data(row: ReportRow, report: FileReport, blocks: Blocks) -> dict[str, Any]:
    """One file; its pictures and sounds are added to ``blocks``."""
    before, after = report.pictures
    comparison = report.comparison
    return {
        "name": printable(row.source.name),
        "source": printable(str(row.source)),
        "output": None if row.output is None else printable(str(row.output)),
        "status": _status(row, report),
        "error": printable(row.error),
        "reason": printable(row.reason),
        "decisions": [printable(line) for line in row.decisions],
        "notes": [printable(line) for line in report.notes],
        "preset": printable(row.preset),
        "cutoff_hz": row.cutoff_hz,
        "crossover_hz": report.crossover_hz,
        "start_s": row.start_s,
        "lag_ms": report.lag_ms,
        "missing_s": report.missing_s,
        "before": _side(report.before),
        "after": _side(report.after),
        "null": None if comparison is None else _finding(null_finding(comparison)),
        "null_dbfs": None if comparison is None else _plain(comparison.null.left_dbfs),
        "mono": None if comparison is None else _finding(mono_finding(comparison)),
        "mono_level_db": None
        if comparison is None or comparison.mono_after is None
        else _plain(comparison.mono_after.level_db),
        "pictures": {
            "before": _picture(before, blocks),
            "after": _picture(after, blocks),
            "nyquist_hz": report.nyquist_hz,
            "seconds": report.seconds,
            "top_db": report.top_db,
            "range_db": RANGE_DB,
        },
        "excerpt": _excerpt(report.excerpt, blocks),
        "render_s": row.render_s,
        "provenance": [_provenance(step) for step in report.provenance],
    }


def stem_data(check: StemCheck) -> dict[str, Any]:
    """The check of a set of stems."""
    return {
        "null_dbfs": _plain(check.null_dbfs),
        "where": f"below {hertz(check.crossover_hz)}"
        if check.crossover_hz > 0.0
        else "over the whole spectrum",
        "stems": check.stems,
        "reason": printable(check.reason),
    }


def _status(row: ReportRow, report: FileReport) -> str:
    if row.error:
        return "failed"
    if row.lacks:
        return f"no_{row.lacks}"
    if row.output is None:
        return "skipped"
    if report.before is None or report.after is None:
        return "unreadable"
    if row.rendered:
        return "restored"
    if row.is_cleaned:
        return "cleaned"
    return "compared" if row.rendered is None else "passed"


def _side(side: Side | None) -> dict[str, Any] | None:
    if side is None:
        return None
    return {**asdict(side), "levels": _levels(side.levels)}


def _levels(levels: Levels) -> dict[str, Any]:
    return {name: _plain(value) for name, value in asdict(levels).items()}


def _finding(finding: Finding | None) -> dict[str, Any] | None:
    return None if finding is None else asdict(finding)


def _picture(picture: Picture | None, blocks: Blocks) -> dict[str, Any] | None:
    if picture is None:
        return None
    name = audio_id(picture.png).replace("audio", "picture")
    blocks[name] = picture.png
    return {"block": name, "curve_db": [round(level, 1) for level in picture.curve_db]}


def _excerpt(excerpt: Excerpt | None, blocks: Blocks) -> dict[str, Any] | None:
    if excerpt is None:
        return None
    names = [audio_id(data) for data in (excerpt.before, excerpt.after)]
    blocks |= dict(zip(names, (excerpt.before, excerpt.after), strict=True))
    return {
        "before": names[0],
        "after": names[1],
        "frames": excerpt.frames,
        "start_s": excerpt.start_s,
        "seconds": excerpt.seconds,
        "choice": excerpt.choice,
        "loudness_lufs": excerpt.loudness_lufs,
        "gains_db": list(excerpt.gains_db),
    }


def _provenance(step: Provenance) -> list[list[str]]:
    """Names and values, in their order."""
    named = asdict(step)
    others = named.pop("others")
    known = [(name, value) for name, value in named.items() if value is not None]
    return [[printable(name), printable(_value(value))] for name, value in [*known, *others]]


def _value(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _plain(value: float | None) -> float | str | None:
    """JSON has no infinity."""
    if value is None or math.isfinite(value):
        return value
    return "inf" if value > 0.0 else "-inf"
