"""The scripts that DAWs load: which there are, where a DAW looks for them, and copies of them there."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audiosr_fx import atomic
from audiosr_fx.errors import ParameterError
from audiosr_fx.wording import did_you_mean, shown

_HERE: Final = Path(__file__).parent
_PLACES: Final = (
    ("ardour", "linux", ".config/ardour[0-9]*", "scripts"),
    ("ardour", "darwin", "Library/Preferences/Ardour[0-9]*", "scripts"),
    ("bitwig", "linux", "Bitwig Studio", "Controller Scripts/audiosr_fx"),
    ("bitwig", "darwin", "Documents/Bitwig Studio", "Controller Scripts/audiosr_fx"),
    ("reaper", "linux", ".config/REAPER", "Scripts/audiosr_fx"),
    ("reaper", "darwin", "Library/Application Support/REAPER", "Scripts/audiosr_fx"),
)
"""Host, platform, its own folder below the home folder, and where scripts lie in that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostScripts:
    """What there is for one DAW.

    Attributes:
        name: of the DAW, as its folder here is called.
        folder: with the scripts, as they were installed.
    """

    name: str
    folder: Path

    @property
    def files(self) -> list[Path]:
        """What the DAW needs: all but Python and the page that says how."""
        every = (path for path in self.folder.rglob("*") if path.is_file())
        return sorted(path for path in every if path.suffix not in (".py", ".pyc", ".md"))

    @property
    def readme(self) -> Path:
        """The page that says how to install, use and bind it."""
        return self.folder / "README.md"

    def places(self, home: Path, platform: str = sys.platform) -> list[Path]:
        """Where installed versions of the DAW look for scripts.

        Raises:
            ParameterError: it has no such place that is known, or was never started here.
        """
        known = [place for place in _PLACES if place[0] == self.name and place[1] == platform]
        if not known:
            raise ParameterError(
                f"where {self.name} keeps scripts is not known here; name a folder with --to"
            )
        found = [own / below for _, _, pattern, below in known for own in sorted(home.glob(pattern))]
        if not found:
            wanted = ", ".join(str(home / pattern) for _, _, pattern, _ in known)
            raise ParameterError(
                f"{self.name} has left no {wanted}; start it once, or name a folder with --to"
            )
        return found

    def install(self, place: Path, *, force: bool = False) -> list[Path]:
        """Copy the scripts, all or, where one is in the way, none; returns what is new or different now.

        Args:
            place: a folder; made if need be.
            force: replace files of other contents.

        Raises:
            ParameterError: a file of another content is in the way.
            OSError: it cannot be written.
        """
        wanted = {place / path.relative_to(self.folder): path.read_bytes() for path in self.files}
        changed = [path for path, content in wanted.items() if _content(path) != content]
        in_the_way = [path for path in changed if path.exists()]
        if in_the_way and not force:
            raise ParameterError(
                f"{shown(in_the_way[0])} is there and differs, by another version or your changes;"
                " --force replaces it"
            )
        for path in changed:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = atomic.temporary_beside(path)
            try:
                atomic.write_through(temporary, wanted[path])
                atomic.publish(temporary, path, overwrite=force)
            except OSError:
                temporary.unlink(missing_ok=True)
                raise
        return changed


def all_scripts() -> list[HostScripts]:
    """Every DAW that there are scripts for."""
    readmes = sorted(_HERE.glob("*/README.md"))
    return [HostScripts(name=readme.parent.name, folder=readme.parent) for readme in readmes]


def find_scripts(name: str) -> HostScripts:
    """What there is for a DAW.

    Raises:
        ParameterError: there is nothing of that name.
    """
    by_name = {each.name: each for each in all_scripts()}
    if name.lower() not in by_name:
        hint = did_you_mean(name, by_name)
        raise ParameterError(f"there are no scripts for {name!r}{hint}; there are: {', '.join(by_name)}")
    return by_name[name.lower()]


def _content(path: Path) -> bytes | None:
    with suppress(OSError):
        return path.read_bytes()
    return None
