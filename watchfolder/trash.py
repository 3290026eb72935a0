"""Moving a source aside once it is rendered: into a folder beside it, or into the user's trash.

Nothing is ever deleted, copied or replaced: each is one rename on the same file system, and it is taken back
where the file turns out not to be the one that was rendered.
Source: FreeDesktop.org Trash specification 1.0.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from contextlib import suppress
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import quote

from platformdirs import user_data_dir

from audiosr_fx.atomic import rename_exclusively
from audiosr_fx.jobs.names import numbered
from audiosr_fx.jobs.order import SourceIdentity
from audiosr_fx.wording import shown
from watchfolder.snapshot import open_within
from watchfolder.studio import DONE_FOLDER, After, FolderSettings

_MAX_TRIES: Final = 10_000
_log = logging.getLogger(__name__)


def put_away(settings: FolderSettings, name: str, identity: SourceIdentity) -> None:
    """Do with a rendered source what its folder asks for; where that cannot be done, it stays and is told.

    Args:
        settings: of the watched folder.
        name: relative to it.
        identity: of the content that was rendered.
    """
    if settings.after is After.KEEP:
        return
    source = settings.input / name
    move = move_aside if settings.after is After.MOVE else move_to_trash
    try:
        place = move(settings.input, name, identity)
    except FileNotFoundError:
        return  # moved already, before an interruption
    except OSError as error:
        _log.warning("%s is not put away: %s", shown(source), error.strerror or error)
    else:
        _log.info("%s is now %s", shown(source), shown(place))


def move_aside(root: Path, name: str, identity: SourceIdentity) -> Path:
    """Move a source into the folder for rendered ones, under its own relative path.

    Args:
        root: the watched folder.
        name: relative to it.
        identity: of the content that was rendered.

    Returns:
        Where it is now.

    Raises:
        OSError: it has changed, or cannot be moved.
    """
    target = root / DONE_FOLDER / PurePosixPath(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    return _rename(root, name, identity, target)


def move_to_trash(root: Path, name: str, identity: SourceIdentity) -> Path:
    """Move a source into the trash of its file system; arguments and errors as ``move_aside``."""
    trash = _trash_for(root)
    if sys.platform == "darwin":
        return _rename(root, name, identity, trash / PurePosixPath(name).name)
    (trash / "info").mkdir(parents=True, exist_ok=True, mode=0o700)
    (trash / "files").mkdir(exist_ok=True, mode=0o700)
    moved = _rename(root, name, identity, trash / "files" / PurePosixPath(name).name)
    date = time.strftime("%Y-%m-%dT%H:%M:%S")
    text = f"[Trash Info]\nPath={quote(os.fsencode(root / name))}\nDeletionDate={date}\n"
    with suppress(OSError), (trash / "info" / f"{moved.name}.trashinfo").open("x", encoding="ascii") as file:
        file.write(text)
    return moved


def _rename(root: Path, name: str, identity: SourceIdentity, target: Path) -> Path:
    """Rename a file that is still what it was to a name that is free."""
    _check(root, name, identity)
    for free in islice(numbered(target.name), _MAX_TRIES):
        place = target.with_name(free)
        try:
            rename_exclusively(root / name, place)
        except FileExistsError:
            continue
        if not _is(place.lstat(), identity):  # replaced between the two: that one is still to be rendered
            raise OSError(f"{name} was replaced meanwhile{_put_back(place, root / name)}")
        return place
    raise OSError(f"no name is left for {name} in {target.parent}")


def _put_back(place: Path, source: Path) -> str:
    """Return a file to where it came from, or beside what stands there by now; where it is, if not there."""
    try:
        for free in islice(numbered(source.name), _MAX_TRIES):
            try:
                rename_exclusively(place, source.with_name(free))
            except FileExistsError:
                continue
            return "" if free == source.name else f", twice: what came between is now {free}"
    except OSError as error:
        return f", and cannot be put back ({error.strerror or error}): it is {shown(place)}"
    return f", and cannot be put back (no name is left): it is {shown(place)}"


def _check(root: Path, name: str, identity: SourceIdentity) -> None:
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        opened = open_within(descriptor, name)
    except ValueError as cause:
        raise OSError(str(cause)) from cause
    finally:
        os.close(descriptor)
    try:
        if not _is(os.fstat(opened), identity):
            raise OSError(f"{name} is no longer the file that was rendered")
    finally:
        os.close(opened)


def _is(status: os.stat_result, identity: SourceIdentity) -> bool:
    found = (status.st_ino, status.st_size, status.st_mtime_ns)
    return found == (identity.inode, identity.size, identity.mtime_ns)


def _trash_for(root: Path) -> Path:
    """The trash on the same file system as a folder."""
    if sys.platform == "darwin":
        return Path.home() / ".Trash"
    home = Path(os.environ.get("XDG_DATA_HOME") or Path(user_data_dir()))
    home.mkdir(parents=True, exist_ok=True)
    device = root.stat().st_dev
    if home.stat().st_dev == device:
        return home / "Trash"
    top = root.absolute()
    while top.parent != top and top.parent.stat().st_dev == device:
        top = top.parent
    return top / f".Trash-{os.getuid()}"
