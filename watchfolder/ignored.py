"""What in a watched folder is no stem: temporary names, half downloads, what programs keep for themselves."""

from __future__ import annotations

from typing import Final

from audiosr_fx.atomic import TEMPORARY_PREFIX

_PREFIXES: Final = (
    TEMPORARY_PREFIX,
    ".",  # hidden: rsync's and Syncthing's temporary names, AppleDouble, editors
    "~$",  # owner files of office programs
    "~syncthing~",
    "unconfirmed ",  # Chrome, before it knows the name
)
_SUFFIXES: Final = (
    # on their way
    "~",
    ".tmp",
    ".temp",
    ".part",
    ".partial",
    ".filepart",
    ".crdownload",
    ".download",
    ".opdownload",
    ".upload",
    ".uploading",
    ".aria2",
    ".!ut",
    ".!qb",
    ".bc!",
    ".swp",
    ".lock",
    ".bak",
    # beside audio: overviews, peaks and analyses
    ".asd",  # Ableton Live
    ".reapeaks",  # REAPER
    ".reapindex",
    ".pkf",  # Adobe Audition
    ".pek",  # Adobe Premiere
    ".cfa",
    ".peak",  # Ardour, Cubase
    ".pk",
    ".sfk",  # Sound Forge, Vegas
    ".sfap0",
    ".gpk",  # WaveLab
    ".mrk",
    ".ovw",  # Logic
    ".wfm",  # Pro Tools
    ".ewf",
    ".h2p",
    ".ini",
    ".audiosr_fx.json",  # our own manifests
)
_NAMES: Final = {
    "thumbs.db",
    "icon\r",
    "$recycle.bin",
    "system volume information",
    "lost+found",
    "__macosx",
    "@eadir",  # Synology
    "#recycle",  # Synology
    "network trash folder",
    "temporary items",
}


def is_ignored(name: str) -> bool:
    """Whether a file or folder of this name (one component of a path) is never looked at."""
    small = name.lower()
    return small in _NAMES or small.startswith(_PREFIXES) or small.endswith(_SUFFIXES)
