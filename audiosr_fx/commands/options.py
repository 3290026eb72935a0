"""Command-line options made from the table of controls."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from audiosr_fx.errors import ParameterError
from audiosr_fx.params import Control, find_control

QueueOption = Annotated[
    Path | None,
    typer.Option(
        "--queue",
        metavar="FOLDER",
        help="Folder of the queue.",
        show_default="AUDIOSR_FX_STATE, else the user's own",
    ),
]


def control_option(name: str, *, panel: str | None = None) -> Any:
    """The option of one control: its flag, help, range and default stand in the table.

    The value is held against the table while the command line is parsed, so a wrong one is a usage error.
    """
    control = find_control(name)

    def check(value: Any) -> Any:
        try:
            return control.check(value)
        except ParameterError as error:
            raise typer.BadParameter(str(error)) from error

    return typer.Option(
        f"{control.flag}/--no-{control.flag.removeprefix('--')}" if control.type is bool else control.flag,
        help=_help(control),
        metavar=_metavar(control),
        show_default=control.automatic or True,
        callback=check,
        rich_help_panel=panel,
    )


def _metavar(control: Control) -> str | None:
    if control.type is bool:
        return None
    if control.choices:
        return "|".join(control.choices)
    return control.unit.upper() or {int: "N", float: "X", str: "NAME"}[control.type]


def _help(control: Control) -> str:
    if control.minimum is None or control.maximum is None:
        return control.help
    return f"{control.help} [{control.minimum:.10g} to {control.maximum:.10g}]"
