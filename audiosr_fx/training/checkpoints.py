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


def check_start(path: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse weights to start from that a run which goes on would not take, as it started from others.

    Args:
        path: of the checkpoint.
        before, now: what the checkpoint, and the run that is to go on from it, are a record of.

    Raises:
        CheckpointError: they began from different weights.
    """
    start = now.get("init")
    if not start or "init" not in before:
        return
    began = before["init"] or ""
    if not _is_the_same(began, start, path.parent):
        raise CheckpointError(
            f"{path} is of a run that began from {printable(began) or 'random weights'};"
            f" to begin from {printable(start)} choose another --runs folder"
        )


def _is_the_same(began: str, start: str, folder: Path) -> bool:
    """Whether both are said of the same weights; files and runs may have been moved or copied since."""
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
