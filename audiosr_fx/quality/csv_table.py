"""Tables as CSV text that a spreadsheet takes for what it is: text as text, nothing for what is unknown."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a formula begins with, wide forms of East Asian keyboards and white space among it."""


def csv_table(rows: Iterable[Mapping[str, object]], columns: Sequence[str] | None = None) -> str:
    """A header and a line per row; text that a spreadsheet would run as a formula begins with an apostrophe.

    Args:
        rows: values by column; None and NaN are unknown, and what a row lacks is too.
        columns: in their order; None for those of the rows, as they come.

    Source: OWASP, "CSV Injection".
    """
    kept = list(rows)
    text = io.StringIO()
    names = list(dict.fromkeys(name for row in kept for name in row)) if columns is None else columns
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    for row in kept:
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return text.getvalue()


def _cell(value: object) -> object:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
