"""Which systems a command can do its work on."""

from __future__ import annotations

import re

import pytest
import typer.main

from audiosr_fx.cli import app
from audiosr_fx.commands import system
from audiosr_fx.errors import ParameterError


def test_windows_is_sent_to_a_command_that_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "IS_WINDOWS", True)
    with pytest.raises(ParameterError, match=r"^watch needs Linux or macOS") as told:
        system.refuse_windows("watch")
    (named,) = re.findall(r"audiosr-fx (\w+)", str(told.value))
    commands = typer.main.get_group(app).commands
    assert named in commands


def test_other_systems_are_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "IS_WINDOWS", False)
    system.refuse_windows("watch")
