"""Split stereo put together: one mono file per channel becomes one file, kept for as long as it may serve."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

import numpy as np

from audiosr_fx.audio import AudioWriter
from audiosr_fx.decode_limits import ALL_KINDS, DecodeLimits
from audiosr_fx.decoding import decode_apart
from audiosr_fx.files import BLOCK_FRAMES
from audiosr_fx.metadata import read_metadata

KEPT_S: Final = 7 * 86_400.0
_EXACT: Final = ("FLOAT", "PCM_24", "PCM_16")


def join_channels(paths: Sequence[Path], folder: Path, is_needed: Callable[[Path], bool]) -> Path:
    """One file with a channel for each mono file; the same files give the same one again.

    Args:
        paths: of equal rate and length.
        folder: for it; made if need be.
        is_needed: whether a joint file that was made long ago is still to be read.

    Raises:
        AudioFormatError: a file cannot be read, or the joint one not be written.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _sweep(folder, is_needed)
    digest = hashlib.sha256()
    for path in paths:
        stat = path.stat()
        digest.update(
            repr((str(path), stat.st_size, stat.st_mtime_ns, stat.st_ino)).encode("utf-8", "replace")
        )
    joined = folder / f"{digest.hexdigest()[:32]}.wav"
    if joined.exists():
        os.utime(joined)
        return joined
    with ExitStack() as stack:
        limits = DecodeLimits(kinds=ALL_KINDS)
        sources = [stack.enter_context(decode_apart(path, limits, folder=folder)) for path in paths]
        first = sources[0].info
        subtypes = {source.info.subtype for source in sources}
        metadata = read_metadata(paths[0], info=first)
        with AudioWriter(
            joined,
            first.sample_rate,
            len(sources),
            subtype=next(each for each in _EXACT if each in subtypes) if subtypes <= {*_EXACT} else "FLOAT",
            expected_frames=first.frames,
            overwrite=True,
            sources=paths,
            dither="none",
            metadata=metadata,
        ) as writer:
            for start in range(0, first.frames, BLOCK_FRAMES):
                stop = min(start + BLOCK_FRAMES, first.frames)
                writer.write(np.concatenate([source.read(start, stop) for source in sources]))
    return joined


def _sweep(folder: Path, is_needed: Callable[[Path], bool]) -> None:
    """Remove what has not been asked for in a week, but for what a job waits for: a queue may rest."""
    with suppress(OSError):
        for path in folder.iterdir():
            is_old = path.suffix == ".wav" and time.time() - path.stat().st_mtime > KEPT_S
            if is_old and not is_needed(path):
                path.unlink()
