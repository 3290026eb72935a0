"""Words for messages: paths and foreign errors as one line that a terminal can show."""

from __future__ import annotations

from pathlib import Path


def shown(path: Path) -> str:
    """A path for a message: control characters escaped, so that it stays one line."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(path))


def one_line(error: BaseException) -> str:
    """The text of an error from elsewhere, as one line."""
    return " ".join(str(error).split()) or type(error).__name__
