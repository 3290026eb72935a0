"""Folders that must not lie in one another: what is written into a watched folder would be rendered again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from audiosr_fx.errors import ParameterError
from audiosr_fx.wording import shown


def check_apart(inputs: Sequence[Path], outputs: Sequence[Path]) -> None:
    """Refuse folders that overlap, by whatever names and links they are reached.

    Raises:
        ParameterError: an output is, holds or lies in an input, or an input does so with another.
    """
    for output in outputs:
        for folder in inputs:
            if overlap(folder, output):
                raise ParameterError(
                    f"the output {shown(output)} and the watched {shown(folder)} lie in one another; expected"
                    " two folders apart, or every result would be rendered again"
                )
    for place, first in enumerate(inputs):
        for second in inputs[place + 1 :]:
            if overlap(first, second):
                raise ParameterError(
                    f"{shown(first)} and {shown(second)} are both watched and lie in one another;"
                    " expected each stem in one watched folder only"
                )


def overlap(first: Path, second: Path) -> bool:
    """Whether one folder is the other or holds it; folders that are not there yet count by their name."""
    return holds(first, second) or holds(second, first)


def holds(outer: Path, inner: Path) -> bool:
    """Whether a folder is another or that lies in it."""
    real_outer, real_inner = Path(os.path.realpath(outer)), Path(os.path.realpath(inner))
    if real_inner.is_relative_to(real_outer):
        return True
    for place in (real_inner, *real_inner.parents):
        try:
            if os.path.samefile(real_outer, place):
                return True
        except OSError:
            continue
    return False
