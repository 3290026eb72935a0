"""Help as people read it: paragraphs as wide as the terminal, no value behind a flag that takes none."""

from __future__ import annotations

import inspect
from typing import Any, Final

import typer
from typer.core import TyperGroup

HELP_NAMES: Final = ("-h", "--help")


class FlowingHelp(TyperGroup):
    """A group whose help, and that of all commands below it, wraps at the terminal's edge alone.

    With rich markup, typer joins the lines of a docstring's first paragraph and keeps those of the others. It
    also writes ``--overwrite <bool>``, as if ``--overwrite true`` were to be typed.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        _let_flow(self)


def flowing(text: str) -> str:
    """A docstring with every paragraph on one line; what follows a form feed stays out of help as it was."""
    shown, feed, hidden = inspect.cleandoc(text).partition("\f")
    paragraphs = (" ".join(paragraph.split()) for paragraph in shown.split("\n\n"))
    return "\n\n".join(paragraphs) + feed + hidden


def _let_flow(command: Any) -> None:
    command.help = flowing(command.help) if command.help else command.help
    for parameter in command.get_params(typer.Context(command, help_option_names=list(HELP_NAMES))):
        if getattr(parameter, "is_bool_flag", False):
            parameter.metavar = ""
    for below in getattr(command, "commands", {}).values():
        _let_flow(below)
