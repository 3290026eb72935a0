"""A render over a toy model in a process of its own, killed by itself at its n-th piece for the cache."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import torch
from tiny import excited_engine

from audiosr_fx.board import Board
from audiosr_fx.cache import RenderCache
from audiosr_fx.node import AudioSR

SETTINGS = {"cutoff_hz": 6000.0, "quality": "draft"}


def main(source: str, destination: str, folder: str, piece: int, moment: str) -> None:
    """``moment``: ``before`` the piece is written, ``half`` way, or ``after``."""
    torch.set_num_threads(1)
    replace, pieces = Path.replace, 0

    def dying(path: Path, target: Path) -> Path:
        nonlocal pieces
        if path.suffix != ".part":
            return replace(path, target)
        pieces += 1
        if pieces == piece and moment == "half":
            target.write_bytes(path.read_bytes()[:1000])
        if pieces == piece and moment != "after":
            os.kill(os.getpid(), signal.SIGKILL)
        done = replace(path, target)
        if pieces == piece:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    Path.replace = dying  # type: ignore[method-assign, assignment]
    node = AudioSR(engine=excited_engine(), **SETTINGS)  # type: ignore[arg-type]
    Board([node]).render_file(source, destination, cache=RenderCache(folder=Path(folder)))


if __name__ == "__main__":
    main(*sys.argv[1:4], int(sys.argv[4]), sys.argv[5])
