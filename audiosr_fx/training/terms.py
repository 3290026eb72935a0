"""Licences that ask for their own words: whoever passes recordings on passes on notices and text as well.

Whether weights are such a copy is for courts to say; a card that holds them is right either way.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).with_name("licences")


def licence_text(licence: str) -> str:
    """What has to be kept of a licence beside its copyright notices; "" where it asks for no text.

    Args:
        licence: identifier of SPDX, in letters of any case.
    """
    for path in _FOLDER.glob("*.txt"):
        if path.stem.lower() == licence.strip().lower():
            return path.read_text(encoding="utf-8").strip()
    return ""


def kept_terms(credits: Iterable[tuple[str, str]]) -> str:
    """Notices, and the text once, of every licence that asks for it; "" where none does.

    Args:
        credits: author and licence of recordings, each on one line.
    """
    found = sorted(set(credits))
    parts = []
    for licence in sorted({licence for _, licence in found if licence_text(licence)}):
        notices = "\n".join(
            f"- Copyright {author}" for author, theirs in found if author and theirs == licence
        )
        parts += [f"### {licence}", *([notices] if notices else []), licence_text(licence)]
    return "\n\n".join(parts)
