"""Which recordings a model was trained on, as its file tells it: ``evaluate`` leaves them out.

A recording is known by its folder's name, its own and its length, as hashes: wherever the folder lies, and
without a word about what its maker's files are called.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiosr_fx.training.data import Clip
from audiosr_fx.training.samples import FileSamples

KEY = "trained_on"
"""Of a checkpoint's record, and of a model file's metadata."""
_DIGITS = 12  # two of a million recordings share a hash once in five hundred times


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedOn:
    """What one or several models were trained on.

    Attributes:
        recordings: hashes.
        unknown: names of models, of these or their ancestors, that do not say what they were trained on.
    """

    recordings: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()

    @classmethod
    def these(cls, clips: Iterable[Clip]) -> TrainedOn:
        """Exactly these clips."""
        return cls(recordings=frozenset(map(_hash, clips)))

    @classmethod
    def of_records(cls, records: Iterable[Mapping[str, Any]], name: str) -> TrainedOn:
        """What the stages of a model were trained on, by the records in their checkpoints."""
        return cls().also(*(cls.from_text(str(record.get(KEY, "")), name) for record in records))

    @classmethod
    def from_text(cls, text: str, name: str) -> TrainedOn:
        """Read back ``to_text``; where a model has none, or another, it is unknown by its name."""
        try:
            told = json.loads(text)
            recordings, unknown = (frozenset(map(str, told[key])) for key in ("recordings", "unknown"))
            return cls(recordings=recordings, unknown=unknown)
        except (ValueError, TypeError, KeyError):
            return cls(unknown=frozenset({name}))

    def also(self, *others: TrainedOn) -> TrainedOn:
        """All of these and others."""
        return TrainedOn(
            recordings=self.recordings.union(*(other.recordings for other in others)),
            unknown=self.unknown.union(*(other.unknown for other in others)),
        )

    def has(self, clip: Clip) -> bool:
        """Whether a clip's recording is known to be one of them."""
        return _hash(clip) in self.recordings

    def to_text(self) -> str:
        """For a record or a model's file; the same for the same."""
        return json.dumps({"recordings": sorted(self.recordings), "unknown": sorted(self.unknown)})


def join_records(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a stage that went on from where another run left it: made of what both were made of."""
    joined = {**before, **now}
    if not now.get("init"):
        joined |= {key: before.get(key) for key in ("init", "init_sha256")}
    if "data" in before:
        joined["data"] = join_rows([*now.get("data", ()), *before["data"]])
    if KEY in before and KEY in now:
        joined[KEY] = TrainedOn.of_records((before, now), "").to_text()
    else:
        joined.pop(KEY, None)
    return joined


def join_rows(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row for each origin, licence and author; runs mostly share them, so the longest of each counts."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in rows:
        key = (row["origin"], row["licence"], row["author"])
        if key not in found or found[key]["seconds"] < row["seconds"]:
            found[key] = dict(row)
    return sorted(found.values(), key=lambda row: (-row["seconds"], row["origin"], row["author"]))


def _hash(clip: Clip) -> str:
    path = clip.samples.path if isinstance(clip.samples, FileSamples) else Path(clip.kind, clip.file)
    name = unicodedata.normalize("NFC", f"{path.absolute().parent.name}/{path.name}")
    text = f"{name} {len(clip.samples)}".encode("utf-8", "surrogateescape")
    return hashlib.sha256(text).hexdigest()[:_DIGITS]
