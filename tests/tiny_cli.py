"""The command line over a toy model, for tests that need a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from unittest import mock

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

from tiny import tiny_model

from audiosr_fx.cli import main
from audiosr_fx.engine import Engine

if __name__ == "__main__":
    with mock.patch("audiosr_fx.engine.load_engine", lambda *_: Engine(tiny_model(), "cpu")):
        main()
