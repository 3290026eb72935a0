"""Named folders, and the promise that no path that comes in leads out of them."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from audiosr_fx.errors import ParameterError
from audiosr_fx.wording import shown

MAX_PATH: Final = 4096
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_DRIVE: Final = re.compile(r"[A-Za-z]:")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_DEVICES: Final = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


class Roots:
    """Folders that files may be named in, by short names.

    Attributes:
        folders: by name, with every link in their own paths followed.
    """

    def __init__(self, folders: Mapping[str, Path]) -> None:
        """Take existing folders.

        Raises:
            ParameterError: a name of other characters, or what is no folder.
        """
        self.folders: dict[str, Path] = {}
        for name, folder in folders.items():
            if not _NAME.fullmatch(name):
                raise ParameterError(f"a root's name is {name!r}; expected letters, digits, - and _")
            if not folder.is_dir():
                raise ParameterError(f"root {name} is {shown(folder)}, which is no folder")
            self.folders[name] = folder.resolve()

    def find(self, root: str, path: str) -> Path:
        """The file that a sender means.

        Args:
            root: a root's name and ``path`` is below it; empty, and ``path`` is absolute, inside any root.
            path: with ``/`` between names; composed or decomposed Unicode.

        Returns:
            The path of what exists there, without links.

        Raises:
            ParameterError: nothing there, or it lies outside, or is not of that form.
        """
        if not self.folders:
            raise ParameterError(f"path is {path!r:.200}, but no folder is served; start with --root DIR")
        if root and root not in self.folders:
            raise ParameterError(f"root is {root!r:.80}; expected {', '.join(self.folders)}")
        names = _names(path, is_absolute=not root)
        try:
            found = self._below(self.folders[root], names) if root else self._anywhere(path, names)
        except (OSError, RuntimeError) as cause:  # a loop of links, a name too long
            raise ParameterError(f"path is {path!r:.200}, which cannot be followed") from cause
        return found

    def holds(self, path: Path) -> bool:
        """Whether an existing path lies in one of the folders, once all links are followed."""
        resolved = path.resolve(strict=True)
        return any(_is_inside(resolved, folder) for folder in self.folders.values())

    def _below(self, folder: Path, names: Iterable[str]) -> Path:
        path = folder
        for name in names:
            path = path / _spelled(path, name)
        if not path.exists():
            raise ParameterError(f"path is {shown(path)}, where there is no file")
        resolved = path.resolve(strict=True)
        if _is_same(resolved, folder):
            raise ParameterError(f"path is {shown(path)}, a folder that is served; expected a file in it")
        if not _is_inside(resolved, folder):
            raise ParameterError(f"path is {shown(path)}, a link that leads out of its root")
        return resolved

    def _anywhere(self, path: str, names: list[str]) -> Path:
        """An absolute path: it is followed only below a root that it begins with."""
        start = Path(path.replace("\\", "/")).anchor if os.name == "nt" else "/"
        whole = Path(start, *names)
        for folder in self.folders.values():
            for depth in range(len(names) + 1):
                ancestor = Path(start, *names[:depth])
                if _is_same(ancestor, folder):
                    return self._below(folder, names[depth:])
        served = ", ".join(shown(folder) for folder in self.folders.values())
        raise ParameterError(
            f"path is {shown(whole)}, outside of what is served: {served}; add it with --root"
        )


def _names(path: str, *, is_absolute: bool) -> list[str]:
    """The names that a path is made of.

    Raises:
        ParameterError: one that could mean something else than a file below a folder.
    """
    if not path or len(path) > MAX_PATH or _CONTROL.search(path):
        raise ParameterError(f"path is {path!r:.80}; expected text without control characters")
    if os.name == "nt":
        path = path.replace("\\", "/")
    elif "\\" in path:
        raise ParameterError(f"path is {path!r:.200}; expected / between names, not a backslash")
    if path.startswith("//"):
        raise ParameterError(f"path is {path!r:.200}; a network share is not served by its own name")
    drive = _DRIVE.match(path)
    if (path.startswith("/") or bool(drive)) != is_absolute or (drive and os.name != "nt"):
        kind = "an absolute path, or a root's name with it" if is_absolute else "a path below the root"
        raise ParameterError(f"path is {path!r:.200}; expected {kind}")
    names = [name for name in (path[2:] if drive else path).split("/") if name not in ("", ".")]
    for name in names:
        if name == ".." or (os.name == "nt" and (":" in name or _DEVICES.fullmatch(name))):
            raise ParameterError(f"path is {path!r:.200}; {name} is not taken in it")
    return names


def _spelled(folder: Path, name: str) -> str:
    """A name as the folder has it: as it came, or else composed the other way."""
    if os.path.lexists(folder / name) or name.isascii():
        return name
    composed = unicodedata.normalize("NFC", name)
    try:
        entries = os.listdir(folder)
    except OSError:
        return name
    return next((each for each in entries if unicodedata.normalize("NFC", each) == composed), name)


def _is_inside(path: Path, folder: Path) -> bool:
    """Whether one of the folders above a path is that very folder, however either is spelled."""
    return any(_is_same(above, folder) for above in path.parents)


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except (OSError, ValueError):
        return False
