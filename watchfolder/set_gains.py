"""The gain of a set of stems, kept so that what is bounced later gets the same and the balance stays."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPlace:
    """What has one gain: the stems of one sub-folder of a watched folder that are rendered by one recipe."""

    folder: Path
    place: str
    recipe: str

    @property
    def key(self) -> tuple[bytes, bytes, str]:
        """As the memory's file knows it."""
        digest = hashlib.sha256(self.recipe.encode("utf-8", "surrogateescape")).hexdigest()
        return os.fsencode(self.folder), os.fsencode(self.place), digest


@dataclass(frozen=True, slots=True, kw_only=True)
class SetGain:
    """A gain that was measured over a set.

    Attributes:
        gain_db: for each of its stems.
        stems: the SHA-256 of all that got it, as they were last, by name.
    """

    gain_db: float
    stems: Mapping[str, str]

    def is_for(self, arriving: Mapping[str, str]) -> bool:
        """Whether stems that arrive belong to the set.

        They do not where all of it comes again, and not as it was: that is a set of its own, whose balance
        is its own too, such as the next song in the same folder.
        """
        is_all = self.stems.keys() <= arriving.keys()
        return not is_all or all(arriving[name] == digest for name, digest in self.stems.items())

    def with_stems(self, arriving: Mapping[str, str]) -> SetGain:
        """The same for more stems, or for others in place of some."""
        return replace(self, stems={**self.stems, **arriving})

    def stems_json(self) -> str:
        """As ``read_gain`` reads it."""
        return json.dumps(dict(self.stems))


def read_gain(gain_db: float, stems_json: str) -> SetGain:
    """A gain from the columns of the memory's file."""
    return SetGain(gain_db=gain_db, stems=json.loads(stems_json))
