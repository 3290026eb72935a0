"""Help as people read it: paragraphs as wide as the terminal, and plain words for what an option takes.

What is taken is seen to here as well: an empty text is no path.
"""

from __future__ import annotations

import inspect
import os
import re
from typing import Any, Final

import typer
from typer.core import TyperGroup

from audiosr_fx.errors import ParameterError

HELP_NAMES: Final = ("-h", "--help")
_WORDS: Final = {
    "str": "TEXT",
    "int": "N",
    "int range": "N",
    "float": "X",
    "float range": "X",
    "path": "FILE",
}


class FlowingHelp(TyperGroup):
    """A group whose help, and that of all commands below it, wraps at the terminal's edge alone.

    With rich markup, typer joins the lines of a docstring's first paragraph and keeps those of the others. It
    also writes ``--overwrite <bool>``, as if ``--overwrite true`` were to be typed, and Python's types behind
    other options and arguments.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        _let_flow(self)

    def invoke(self, ctx: Any) -> Any:
        """As typer does, but what is wrong with a value begins without pydantic's words."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")
            raise


def flowing(text: str) -> str:
    """A docstring with every paragraph on one line; what follows a form feed stays out of help as it was."""
    shown, feed, hidden = inspect.cleandoc(text).partition("\f")
    paragraphs = (" ".join(paragraph.split()) for paragraph in shown.split("\n\n"))
    return "\n\n".join(paragraphs) + feed + hidden


def _word(kind: str) -> str:
    """What stands for a value, from how typer shows its type: ``<a|b>``, ``<int range>``, ``<list[str]>``."""
    plain = re.sub(r"^<(?:list\[)?(.*?)\]?>$", r"\1", kind)
    return _WORDS.get(plain, plain)


def _let_flow(command: Any) -> None:
    command.help = flowing(command.help) if command.help else command.help
    context = typer.Context(command, help_option_names=list(HELP_NAMES))
    for parameter in command.get_params(context):
        _refuse_empty_paths(parameter)
        if getattr(parameter, "is_bool_flag", False):
            parameter.metavar = ""
        elif not hasattr(parameter, "display_type_rich"):
            continue  # typer before 0.29 writes plain words
        elif parameter.param_type_name == "argument":
            parameter.display_type_rich = lambda ctx: ""  # its name and its help say it
        elif parameter.metavar is None:
            parameter.metavar = _word(parameter.display_type_rich(context))
    for below in getattr(command, "commands", {}).values():
        _let_flow(below)


def _refuse_empty_paths(parameter: Any) -> None:
    """Let an argument or option take no empty text as a path: it would be the current folder."""
    process = parameter.process_value

    def process_named(context: Any, value: Any) -> Any:
        taken = process(context, value)
        texts = value if isinstance(value, (list, tuple)) else [value]
        paths = taken if isinstance(taken, (list, tuple)) else [taken]
        if "" in texts and any(isinstance(path, os.PathLike) for path in paths):
            is_option = parameter.param_type_name == "option"
            name = parameter.opts[0] if is_option else parameter.metavar or parameter.name.upper()
            raise ParameterError(
                f"{name} is an empty path, as a shell makes it of a variable that is not set; expected a name"
            )
        return taken

    parameter.process_value = process_named
