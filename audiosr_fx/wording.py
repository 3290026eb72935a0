"""Words for messages: paths, values and foreign errors as one line that a terminal can show, and hints."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from audiosr_fx.errors import NameTaken


def printable(text: str) -> str:
    """Text from outside with everything escaped that is no visible character: line breaks, controls, bytes
    that are no UTF-8, and marks that turn the direction of writing.
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def shown(path: Path) -> str:
    """A path for a message, on one line."""
    return printable(str(path))


def taken(path: Path) -> str:
    """What a ``NameTaken`` says."""
    return f"{shown(path)}: exists already; choose another name, or {NameTaken.WAY_OUT}"


def file_name(text: str) -> str:
    """Text as the name of a file or folder, of letters that every system takes."""
    return re.sub(r"[^A-Za-z0-9.+-]+", "_", text).strip("_")


def joined(text: str) -> str:
    """Text from elsewhere as one line. Spaces within a line stay as they are, as a name may hold several."""
    lines = [line for line in text.splitlines() if line.strip()]
    return printable(" ".join(line.strip() if place else line.rstrip() for place, line in enumerate(lines)))


def one_line(error: BaseException) -> str:
    """The text of an error from elsewhere, as one line."""
    return joined(str(error)) or type(error).__name__


def shortened(error: BaseException) -> str:
    """The same, of an error that may list all the tensors of a model."""
    text = one_line(error)
    return text if len(text) <= 200 else f"{text[:196].rpartition(' ')[0]} ..."


def gave_way(seconds: float, lift_db: float) -> str:
    """That the new band was turned down at full scale, and how far it would have gone beyond."""
    time = f"{seconds:.1f} s" if seconds >= 1.0 else f"{math.ceil(1000.0 * seconds)} ms"
    where = f"it would go {lift_db:.1f} dB over full scale" if lift_db >= 0.05 else "full scale has no room"
    return f"the new band gives way for {time}, where {where}"


def brief(value: Any) -> str:
    """A value for a message, of any size."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def first_few(names: Sequence[str], most: int) -> str:
    """Names with commas between them; of more than ``most``, the first and how many there are besides."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint to end a message with, where something known is spelt much the same; else nothing."""
    by_letters = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), by_letters, n=1)
    return f" (did you mean {by_letters[near[0]]}?)" if near else ""
