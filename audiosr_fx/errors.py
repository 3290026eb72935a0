"""The error tree: everything this project raises on purpose."""

from __future__ import annotations

import errno
from typing import ClassVar, Final

NO_ROOM: Final = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})
"""Error numbers of a disk, or of a quota, that takes no more."""
AWAY: Final = frozenset(
    {errno.EROFS, errno.EIO, errno.ENODEV, errno.ENXIO, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT}
    | {getattr(errno, name, errno.EIO) for name in ("EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN", "ENETUNREACH")}
)
"""Error numbers of a disk or share that is not there just now, or takes nothing until somebody sees to it."""


class AudioSRError(Exception):
    """Base of every error this project raises on purpose; its text is one line a user can act on."""


class AudioFormatError(AudioSRError, ValueError):
    """A file, sample rate, shape, dtype or length we cannot take."""


class NoRoom(AudioFormatError):
    """A disk or a quota has no room left; nothing is wrong with the file, and it may go well later."""


class NameTaken(AudioFormatError):
    """A name that a file has already, and nobody said that it may be replaced."""

    WAY_OUT: ClassVar[str] = "give overwrite=True"


class ParameterError(AudioSRError, ValueError):
    """A control outside its range; the message names it, its value and what is allowed."""


class PresetError(AudioSRError, ValueError):
    """A preset, or another file of settings, that cannot be read; the message names file, key and reason."""


class MessageError(AudioSRError, ValueError):
    """A malformed OSC or MIDI message."""


class CheckpointError(AudioSRError, RuntimeError):
    """Weights that are missing, damaged, of the wrong hash, or whose keys do not fit."""


class PluginError(AudioSRError, RuntimeError):
    """A plugin that cannot be loaded, crashed or hung; the message names it and the reason."""


class JobError(AudioSRError, RuntimeError):
    """A move between job states that is not allowed."""


class StorageError(JobError):
    """The job database cannot be used just now, as on a full disk; nothing of a change was kept."""


class RenderCancelled(AudioSRError):
    """Somebody asked the render to stop; not a failure."""


def name_of(error: AudioSRError) -> str:
    """The name of the kind in this module that an error is of, for the way to another process."""
    return next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == __name__)


def error_of(name: object, text: str) -> AudioSRError | None:
    """The error of that name, on the other side; None where there is none."""
    kind = globals().get(name) if isinstance(name, str) else None
    return kind(text) if isinstance(kind, type) and issubclass(kind, AudioSRError) else None
