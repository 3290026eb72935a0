"""The command line over a toy model, for tests that need a process of its own."""

from __future__ import annotations

from unittest import mock

from tiny import tiny_model

from audiosr_fx.cli import main
from audiosr_fx.engine import Engine

if __name__ == "__main__":
    with mock.patch("audiosr_fx.engine.load_engine", return_value=Engine(tiny_model(), "cpu")):
        main()
