"""Checkpoints of a run: written whole or not at all, and taken up only by a run that began as theirs did."""

from __future__ import annotations

import filecmp
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from audiosr_fx.atomic import replacing
from audiosr_fx.errors import CheckpointError
from audiosr_fx.wording import printable, shortened


def write_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint whole or not at all.

    Raises:
        OSError: it cannot be written; the one before is still there.
    """
    try:
        with replacing(path) as temporary:
            torch.save(state, temporary)
    except (OSError, RuntimeError) as error:
        raise OSError(f"{path}: cannot be written ({error})") from error


def read_checkpoint(path: Path, device: torch.device | str = "cpu") -> Any:
    """What a checkpoint holds, its tensors on ``device``; no code in it is run.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # torch raises errors of many kinds on damaged files
        raise ValueError(shortened(error) or type(error).__name__) from error


def read_record(path: Path) -> dict[str, Any]:
    """What a checkpoint says of its run, its tensors left on the disk; nothing where it cannot be read."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        return dict(state["record"])
    except Exception:  # torch raises errors of many kinds on damaged files
        return {}


def check_start(path: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse weights to start from that a run which goes on would not take, as it started from others.

    Args:
        path: of the checkpoint.
        before, now: what the checkpoint, and the run that is to go on from it, are a record of.

    Raises:
        CheckpointError: they began from different weights.
    """
    if not now.get("init") or "init" not in before or is_same_start(before, now, path.parent):
        return
    began, start = (printable(record["init"] or "random weights") for record in (before, now))
    if began == start:
        began, start = f"{began} as it was then", f"{start} as it is now"
    raise CheckpointError(
        f"{path} is of a run that began from {began}; to begin from {start} choose another --runs folder"
    )


def is_same_start(before: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> bool:
    """Whether two records in a run's folder say that they began from the same weights.

    By the hashes of their files, whatever these are called. A run's folder, whose weights move on, has none,
    and neither have records of old: there names decide, and files and runs may have been moved or copied.
    """
    hashes = [record.get("init_sha256") for record in (before, now)]
    if all(hashes):
        return hashes[0] == hashes[1]
    return _is_called_the_same(before["init"] or "", now["init"], folder)


def _is_called_the_same(began: str, start: str, folder: Path) -> bool:
    if Path(began).name == Path(start).name:
        return not _are_two(Path(began), Path(start)) or Path(start) == folder.absolute().parent
    was_a_run = Path(began).is_absolute() and not began.endswith(".safetensors")
    if not was_a_run or not Path(start).is_dir():
        return False
    return Path(start) == folder.absolute().parent or not Path(began).exists()


def _are_two(began: Path, start: Path) -> bool:
    """Whether both are there and are not the same: files by what they hold, folders by where they lie."""
    if not (began.is_absolute() and start.is_absolute() and began.exists() and start.exists()):
        return False
    if began.is_file() and start.is_file():
        return not filecmp.cmp(began, start, shallow=False)
    return not began.samefile(start)
