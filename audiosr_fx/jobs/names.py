"""Names of outputs: when two are the same, and which comes next where one is taken."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from audiosr_fx.errors import JobError

MAX_NUMBER = 100_000


def folded(name: str) -> bytes:
    """The same for two names that some file system takes for one: composed, and in one case."""
    composed = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
    return composed.encode("utf-8", "surrogateescape")


class RealNames:
    """Real names of files and folders, found out once for each folder: for a moment that asks for many."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def folder(self, folder: Path) -> str:
        """Of a folder; of one that is not there too."""
        name = str(folder)
        if name not in self._known:
            self._known[name] = os.path.realpath(name)
        return self._known[name]

    def file(self, path: Path) -> str:
        """Of a file, which may itself be a link."""
        if path.name == ".." or os.path.islink(path):
            return os.path.realpath(path)
        return os.path.join(self.folder(path.parent), path.name)


def numbered(name: str) -> Iterator[str]:
    """A name, and what to try after it: ``a.wav``, ``a-2.wav``, ``a-3.wav``.

    Raises:
        JobError: none of a hundred thousand would do.
    """
    yield name
    path = Path(name)
    for number in range(2, MAX_NUMBER):
        yield f"{path.stem}-{number}{path.suffix}"
    raise JobError(f"{name}: so are {MAX_NUMBER} names like it; choose another")


def is_on_disk(folder: Path, name: str) -> bool:
    """Whether a folder has something of that name, however its accents are encoded."""
    forms = {name, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)}
    return any(os.path.lexists(os.path.join(folder, form)) for form in forms)
