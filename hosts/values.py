"""The values of a message by name, as ``hosts.protocol`` reads them, one or several to each name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from audiosr_fx.errors import ParameterError
from hosts.asks import split_options
from hosts.osc import Argument

Values: TypeAlias = dict[str, Argument | tuple[Argument, ...]]


def one(values: Values, name: str) -> Argument:
    """A value; None where none was given."""
    value = values.get(name)
    assert not isinstance(value, tuple)
    return value


def paths_of(values: Values) -> Sequence[Argument]:
    """The file, or one for each channel."""
    if "paths" not in values:
        return [one(values, "path")]
    paths = values["paths"]
    assert isinstance(paths, tuple)
    return paths


def options_of(values: Values) -> Sequence[Argument]:
    """Options, whether they came as arguments or in one text.

    Raises:
        ParameterError: a text with a quote that is not closed.
    """
    options = values.get("options", ())
    return options if isinstance(options, tuple) else split_options(str(options))


def wants_receipt(values: Values) -> bool:
    """Whether a message says so, though its options may be none."""
    try:
        options = options_of(values)
    except ParameterError:
        options = str(values["options"]).split()
    return any(str(option).strip() == "receipt=yes" for option in options)
