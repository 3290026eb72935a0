"""What the decoding process does: an opened file in, its samples out, or one line on why not."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from audiosr_fx.decode_limits import DecodeLimits, decoded_bytes
from audiosr_fx.errors import NO_ROOM, AudioFormatError, NoRoom
from audiosr_fx.files import BLOCK_FRAMES, AudioInfo, FileSource
from audiosr_fx.headers import read_header
from audiosr_fx.sources import check_finite

_SAY_S: Final = 0.5


def decode_into(request: Mapping[str, Any], say: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Decode a file.

    Args:
        request: descriptors ``source`` and ``spool``, the ``path``, how it is ``shown``, the ``folder`` that
            the spool lies in, as it is shown, and ``limits``.
        say: hears the ``info`` before a sample is decoded, then now and then how far it is.

    Returns:
        ``info`` and ``sha256``, or ``error`` and whether it is one of ``no_room``.
    """
    name, folder = request["shown"], request["folder"]
    path = _path_of(request)
    limits = DecodeLimits(**{**request["limits"], "kinds": tuple(request["limits"]["kinds"])})
    try:
        with os.fdopen(os.dup(request["source"]), "rb") as stream:
            _check_plain(os.fstat(stream.fileno()), name)
            limits.check_header(read_header(stream), name)
        rates = range(limits.min_rate, limits.max_rate + 1)
        with FileSource(path, rates=rates) as source:
            limits.check_info(source.info, name)
            _check_room(request["spool"], decoded_bytes(source.info), name, folder)
            say({"info": _told(source.info, str(path), name)})
            _copy(source, request["spool"], name, say)
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except AudioFormatError as error:
        return _refusal(str(error).replace(str(path), name), error)
    except OSError as error:
        way_out = f"make room in {folder}" if error.errno in NO_ROOM else "try again"
        return _refusal(f"{name}: cannot be decoded ({error.strerror or error}); {way_out}", error)
    return {"info": _told(source.info, str(path), name), "sha256": digest}


def _refusal(text: str, error: Exception) -> dict[str, Any]:
    is_full = isinstance(error, NoRoom) or (isinstance(error, OSError) and error.errno in NO_ROOM)
    return {"error": text, "no_room": is_full}


def _path_of(request: Mapping[str, Any]) -> Path:
    """A path of the opened file itself, whatever now stands where it was; its name where there is none."""
    opened = Path(f"/proc/self/fd/{request['source']}")
    return opened if opened.exists() else Path(request["path"])


def _copy(source: FileSource, spool: int, name: str, say: Callable[[dict[str, Any]], None]) -> None:
    said = time.monotonic()
    with os.fdopen(os.dup(spool), "wb") as stream:
        for start in range(0, source.frames, BLOCK_FRAMES):
            block = source.read(start, min(start + BLOCK_FRAMES, source.frames))
            check_finite(block, f"{name}: holds", start, ": export it again")
            stream.write(block.T.tobytes())
            if time.monotonic() - said > _SAY_S:
                said = time.monotonic()
                say({"frames": start})


def _told(info: AudioInfo, path: str, name: str) -> dict[str, Any]:
    """What is known of the file, as JSON can say it, under its own name."""
    told = asdict(info) | {"path": ""}
    if info.warning is not None:
        told["warning"] = info.warning.replace(path, name)
    return told


def _check_plain(status: os.stat_result, name: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise AudioFormatError(f"{name}: not a file; expected one audio file")
    if status.st_size == 0:
        raise AudioFormatError(f"{name}: the file is empty (0 bytes): copy or export it again")


def _check_room(spool: int, size: int, name: str, folder: str) -> None:
    """Refuse before the disk is full, where that can be told."""
    with suppress(OSError, AttributeError):
        disk = os.fstatvfs(spool)
        free = disk.f_bavail * disk.f_frsize
        if free < size:
            raise NoRoom(
                f"{name}: {os.strerror(errno.ENOSPC)}: its samples take {_megabytes(size)} for a while, and"
                f" {_megabytes(free)} are free; make room in {folder}"
            )


def _megabytes(size: int) -> str:
    """A size for people, never rounded down to nothing."""
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size} bytes"
