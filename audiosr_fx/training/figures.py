"""The log of a run: one CSV row per validation."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

from audiosr_fx.atomic import write_text


def append_figures(path: Path, figures: Mapping[str, float]) -> None:
    """Add a row, rounded to five decimals; rows from its ``step`` on are those of a run that was set back.

    Figures that are new become new columns. The file is written whole or not at all.
    """
    step = figures["step"]
    rows = [row for row in read_figures(path) if row["step"] < step]
    rows.append({name: round(value, 5) for name, value in figures.items()})
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def read_figures(path: Path) -> list[dict[str, float]]:
    """The rows of a log, without what is empty or no number; none if there is no file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows = [{name: _number(text) for name, text in row.items()} for row in csv.DictReader(file)]
    kept = [{name: value for name, value in row.items() if value is not None} for row in rows]
    return [row for row in kept if "step" in row]


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return int(value) if value.is_integer() else value
