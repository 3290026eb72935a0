"""What came of the storm of ``watchfolder.bench_storm``: seen while it goes on, and counted at its end."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Final

from audiosr_fx.atomic import TEMPORARY_PREFIX
from audiosr_fx.errors import AudioSRError
from audiosr_fx.headers import Wholeness, read_header
from audiosr_fx.jobs.manifest import Manifest, find_manifest, manifest_path, read_manifest
from audiosr_fx.jobs.order import hash_file
from watchfolder.storm_stems import Stem

_LOOK_S: Final = 0.2
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Each is a list of names, and empty where the promise held.

    Attributes:
        missing: stems that lie there whole and have no output, or one of an older content.
        duplicates: outputs of one content and name beyond the first.
        torn: outputs that somebody saw half, or that are not what their manifest says.
        half: outputs of a content that no stem ever had whole.
        changed: sources that are not as they were left.
        left_over: what should have been swept away.
        faults: what the log tells of faults of the program.
    """

    missing: list[str]
    duplicates: list[str]
    torn: list[str]
    half: list[str]
    changed: list[str]
    left_over: list[str]
    faults: list[str]

    @property
    def is_good(self) -> bool:
        """Whether every promise held."""
        return not any(getattr(self, one.name) for one in fields(self))

    def lines(self) -> Iterator[str]:
        """For a table."""
        for one in fields(self):
            names: list[str] = getattr(self, one.name)
            told = f": {', '.join(sorted(names)[:_SHOWN])}" if names else ""
            yield f"{one.name.replace('_', ' '):28} {len(names):7}{told}"


class Onlooker(threading.Thread):
    """Looks at every output as soon as it can be seen, as anybody might.

    Attributes:
        looks: how many files it looked at.
        torn: those that were not whole.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.looks = 0
        self.torn: list[str] = []
        self._folder = folder
        self._has_ended = threading.Event()
        self._seen: set[tuple[Path, int]] = set()

    def end(self) -> None:
        """Look no more."""
        self._has_ended.set()
        self.join()

    def run(self) -> None:
        """Look until told to end."""
        while not self._has_ended.wait(_LOOK_S):
            for path in outputs(self._folder):
                with suppress(FileNotFoundError):
                    key = (path, path.stat().st_ino)
                    if key not in self._seen:
                        self._seen.add(key)
                        self._look(path)

    def _look(self, path: Path) -> None:
        self.looks += 1
        with path.open("rb") as stream:
            if read_header(stream).wholeness is not Wholeness.WHOLE:
                self.torn.append(path.name)


def outputs(folder: Path) -> Iterator[Path]:
    """Every audio file below a folder that a user would see."""
    for place, inside, names in os.walk(folder):
        inside[:] = [name for name in inside if not name.startswith(".")]
        yield from (Path(place, name) for name in names if name.endswith(".wav") and name[0] != ".")


def manifests(folder: Path) -> dict[Path, Manifest]:
    """What the manifests below a folder say, by output; outputs without one are left out."""
    found = {}
    for path in outputs(folder):
        with suppress(AudioSRError, OSError):
            told = manifest_path(path)
            found[path] = _read(told, told.stat().st_ino)
    return found


@lru_cache(maxsize=100_000)
def _read(path: Path, inode: int) -> Manifest:
    """A manifest, which never changes but by another in its place."""
    del inode
    return read_manifest(path)


def missing(stems: Mapping[Path, Stem], known: Mapping[Path, Manifest]) -> list[Path]:
    """Stems that lie there whole and whose content, as it is now, has no output yet."""
    made = {(one.order.request.source, one.order.source.sha256) for one in known.values()}
    return [p for p, s in [*stems.items()] if s.is_whole and s.versions and (p, s.versions[-1]) not in made]


def judge(stems: Mapping[Path, Stem], folder: Path, onlooker: Onlooker, faults: Sequence[str]) -> Verdict:
    """Count what is there, once nothing moves any more."""
    known = manifests(folder)
    made = Counter((one.order.request.source, one.order.source.sha256) for one in known.values())
    return Verdict(
        missing=[path.name for path in missing(stems, known)],
        duplicates=[source.name for (source, _), count in made.items() if count > 1],
        torn=onlooker.torn + [path.name for path in outputs(folder) if find_manifest(path) is None],
        half=[
            source.name
            for source, digest in made
            if source not in stems or digest not in stems[source].versions
        ],
        changed=[path.name for path, stem in stems.items() if not _is_as_left(path, stem)],
        left_over=[path.name for path in folder.rglob(f"{TEMPORARY_PREFIX}*")],
        faults=list(faults),
    )


def _is_as_left(path: Path, stem: Stem) -> bool:
    status = path.lstat()
    stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
    return stamp == stem.stamp and (not stem.is_whole or hash_file(path) == stem.versions[-1])
