"""Stems for the storm of ``watchfolder.bench_storm``: dropped in every way people and programs do it.

What was dropped is written down here, so that in the end it is known what must have come out.
"""

from __future__ import annotations

import hashlib
import io
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import soundfile

Stamp: TypeAlias = tuple[int, int, int]
KINDS: Final = {
    "wav": (("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "FLOAT"), ("WAVEX", "PCM_24"), ("RF64", "PCM_24")),
    "w64": (("W64", "PCM_16"),),
    "aiff": (("AIFF", "PCM_16"), ("AIFF", "FLOAT")),
    "flac": (("FLAC", "PCM_16"), ("FLAC", "PCM_24")),
}
"""Formats and subtypes of libsndfile by suffix."""
_NAMES: Final = (
    "kick",
    "Gesang laut",
    "snare %s",
    "u\u0308ber",
    "bass 'n' keys",
    "-rf",
    "鼓",
    "a;b",
    "x" * 120,
)
_RATES: Final = (44_100, 48_000, 96_000)


@dataclass(slots=True)
class Stem:
    """A file that was dropped.

    Attributes:
        versions: SHA-256 of every content it has had whole, oldest first.
        stamp: inode, size and time as it was left; None while it is written.
        is_whole: whether it can be rendered.
    """

    versions: list[str] = field(default_factory=list)
    stamp: Stamp | None = None
    is_whole: bool = True


class Dropper:
    """Drops stems into a folder, and writes down which; for several threads.

    Attributes:
        stems: by path.
        counts: how often what was done.
    """

    def __init__(self, folder: Path, aside: Path, settle_s: float, seed: int) -> None:
        """``aside``: a folder on the same disk, for what is renamed into place."""
        self.stems: dict[Path, Stem] = {}
        self.counts: Counter[str] = Counter()
        self._folder = folder
        self._aside = aside
        self._settle_s = settle_s
        self._dice = random.Random(seed)
        self._guard = threading.RLock()
        self._number = 0
        self._busy: set[Path] = set()

    def drop_something(self) -> None:
        """One of the ways, at random."""
        acts = {
            self.rename_in: 6,
            self.copy_slowly: 4,
            self.drop_set: 1,
            self.replace: 2,
            self.drop_again: 1,
            self.truncate: 1,
            self.complete: 2,
        }
        self._dice.choices(list(acts), list(acts.values()))[0]()

    def rename_in(self) -> None:
        """A whole file appears in one step."""
        with self._new() as (path, content):
            self._put(path, content)
            self.counts["renamed into place"] += 1

    def copy_slowly(self) -> None:
        """A file grows in pieces, with pauses shorter than what counts as lying still."""
        with self._new() as (path, content):
            self._write_slowly(path, content)
            self._note(path, content)
            self.counts["copied slowly"] += 1

    def drop_set(self) -> None:
        """A folder of stems, one after the other."""
        with self._guard:
            self._number += 1
            place = f"song {self._number}/"
        for _ in range(self._dice.randint(2, 4)):
            with self._new(place) as (path, content):
                self._put(path, content)
                self.counts["in sets"] += 1

    def replace(self) -> None:
        """Another content takes the place of a stem, be it waiting, rendered just now or done."""
        with self._known(is_whole=True) as path:
            if path is not None:
                self._put(path, self._content(path.suffix[1:]))
                self.counts["replaced"] += 1

    def drop_again(self) -> None:
        """The same content comes once more under the same name: nothing is to be made of it."""
        with self._known(is_whole=True) as path:
            if path is not None:
                self._put(path, path.read_bytes())
                self.counts["dropped again"] += 1

    def truncate(self) -> None:
        """A file that lacks its end, for now or for good."""
        with self._new() as (path, content):
            self._put(path, content[: len(content) * 2 // 3], is_whole=False)
            self.counts["truncated"] += 1

    def complete(self) -> None:
        """A truncated file gets whole after all."""
        with self._known(is_whole=False) as path:
            if path is not None:
                self._put(path, self._content(path.suffix[1:]))
                self.counts["completed"] += 1

    # Inside

    @contextmanager
    def _new(self, place: str = "") -> Iterator[tuple[Path, bytes]]:
        """A new stem's path, and what is to be in it; nobody else touches it meanwhile."""
        with self._guard:
            self._number += 1
            suffix = self._dice.choice(list(KINDS))
            name = f"{self._dice.choice(_NAMES)} {self._number:05d}.{suffix}"
            path = self._folder / f"{place}{name}"
            self.stems[path] = Stem()
            self._busy.add(path)
            content = self._content(suffix)
        path.parent.mkdir(exist_ok=True)
        try:
            yield path, content
        finally:
            self._release(path)

    @contextmanager
    def _known(self, *, is_whole: bool) -> Iterator[Path | None]:
        """A stem that was dropped before, more likely one of the last; None where there is none."""
        with self._guard:
            fit = [p for p, s in self.stems.items() if s.is_whole == is_whole and p not in self._busy]
            path = self._dice.choice(fit[-20:] if self._dice.random() < 0.8 else fit) if fit else None
            if path is not None:
                self._busy.add(path)
        try:
            yield path
        finally:
            self._release(path)

    def _release(self, path: Path | None) -> None:
        with self._guard:
            self._busy.discard(path or Path())

    def _content(self, suffix: str) -> bytes:
        with self._guard:
            format, subtype = self._dice.choice(KINDS[suffix])
            rate, channels = self._dice.choice(_RATES), self._dice.randint(1, 2)
            frames, seed = int(2_000 * 60 ** self._dice.random()), self._dice.randrange(2**32)
        audio = 0.1 * np.random.default_rng(seed).standard_normal((frames, channels))
        stream = io.BytesIO()
        soundfile.write(stream, audio, rate, subtype, format=format)
        return stream.getvalue()

    def _put(self, path: Path, content: bytes, *, is_whole: bool = True) -> None:
        aside = self._aside / f"{threading.get_ident()}"
        aside.write_bytes(content)
        os.replace(aside, path)
        self._note(path, content, is_whole=is_whole)

    def _write_slowly(self, path: Path, content: bytes) -> None:
        pieces = self._dice.randint(3, 8)
        size = -(-len(content) // pieces)
        last = time.monotonic()
        with path.open("wb", buffering=0) as stream:
            for piece in range(pieces):
                stream.write(content[piece * size : (piece + 1) * size])
                pause = time.monotonic() - last
                if pause > self._settle_s:  # the machine was too busy to keep the word
                    self.counts["copies that paused too long"] += 1
                last = time.monotonic()
                time.sleep(self._dice.uniform(0.02, 0.7) * self._settle_s)

    def _note(self, path: Path, content: bytes, *, is_whole: bool = True) -> None:
        status = path.stat()
        with self._guard:
            stem = self.stems[path]
            stem.stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
            stem.is_whole = is_whole
            digest = hashlib.sha256(content).hexdigest()
            if is_whole and digest not in stem.versions[-1:]:
                stem.versions.append(digest)
