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


def may_replace(
    output: Path, made_of: Path | None, source: Path, wanted: str, *, is_held: bool, real: RealNames
) -> bool:
    """Whether a name is for a request to replace: its own source has it, or something of before.

    What nobody knows anything of, or was made of a source that is no more, is only replaced under the very
    name that was asked for.

    Args:
        output: of that name.
        made_of: the source that it was made of, or is to be; None where nobody knows.
        source: of the request.
        wanted: the name that was asked for.
        is_held: whether a job has the name.
        real: names of folders.
    """
    if made_of is not None and real.file(made_of) == real.file(source):
        return True
    is_of_before = not is_held and (made_of is None or not os.path.lexists(made_of))
    return is_of_before and output.name == wanted


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
