"""Which MIDI message does what: a TOML file, checked as it is read, and written by learning."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Final, Literal, get_args

from audiosr_fx.errors import ParameterError, PresetError
from audiosr_fx.params import find_control
from audiosr_fx.presets import find_preset
from audiosr_fx.toml_tables import check_keys, check_schema, read_table
from audiosr_fx.toml_text import faults_of, parse_toml, read_text, to_toml
from audiosr_fx.wording import did_you_mean, shown

SCHEMA: Final = 1
MAX_BYTES: Final = 64 << 10
MAX_RULES: Final = 512

Kind = Literal["note", "control", "program", "mmc"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


class Action(StrEnum):
    """What a key can do."""

    RENDER = "render"
    """Render the announced region."""
    PART = "part"
    """Of the announced file, render the part of the song that the playhead is in."""
    AGAIN = "again"
    """Render the last once more, with another seed."""
    CANCEL = "cancel"
    """Stop the newest request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A message and what it does: one of action, preset and control; names are those of what there is.

    Attributes:
        message: ``note``, ``control``, ``program`` or ``mmc`` (a transport command).
        number: of the note, controller, program (from 0) or command.
        channel: 1 to 16; 0 is any.
        action: see ``Action``.
        preset: chosen for renders to come.
        control: moved over its range by the value of a controller.
    """

    message: Kind
    number: int
    channel: int = 0
    action: str = ""
    preset: str = ""
    control: str = ""

    def __post_init__(self) -> None:
        if self.message not in KINDS:
            raise ParameterError(f"message is {self.message!r}; expected {', '.join(KINDS)}")
        for name, most in (("number", 127), ("channel", 16)):
            value = getattr(self, name)
            if type(value) is not int or not 0 <= value <= most:
                raise ParameterError(f"{name} is {value!r}; expected 0 to {most}")
        if sum(map(bool, (self.action, self.preset, self.control))) != 1:
            raise ParameterError("expected one of action, preset and control")
        if self.action and self.action not in tuple(Action):
            hint = did_you_mean(self.action, tuple(Action))
            raise ParameterError(f"action is {self.action!r}{hint}; expected {', '.join(Action)}")
        if self.preset:
            _check_preset(self.preset)
        if self.control:
            find_control(self.control)
            if self.message != "control":
                raise ParameterError(f"control {self.control} is moved by a {self.message}; expected control")

    def matches(self, kind: Kind, number: int, channel: int) -> bool:
        """Whether a message is meant; its channel is 1 to 16, or 0 where it has none."""
        return (self.message, self.number) == (kind, number) and self.channel in (0, channel)


def _check_preset(name: str) -> None:
    try:
        find_preset(name)
    except PresetError as cause:
        raise ParameterError(f"preset {cause}") from cause


DEFAULT_RULES: Final = (
    Rule(message="note", number=60, action="render"),
    Rule(message="note", number=62, action="part"),
    Rule(message="note", number=64, action="again"),
    Rule(message="note", number=65, action="cancel"),
    Rule(message="mmc", number=0x06, action="render"),
    Rule(message="mmc", number=0x01, action="cancel"),
)
"""Without a file: middle C and the D, E and F above; record and stop of a transport. Programs are presets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MidiMapping:
    """Rules, the first that matches counts; a program without a rule is the preset of that number."""

    rules: tuple[Rule, ...] = DEFAULT_RULES

    def find(self, kind: Kind, number: int, channel: int) -> Rule | None:
        """The rule of a message."""
        return next((rule for rule in self.rules if rule.matches(kind, number, channel)), None)

    def to_toml(self) -> str:
        """As it stands in a file."""
        default = {one.name: one.default for one in fields(Rule)}
        rules = [
            {key: value for key, value in asdict(rule).items() if value != default[key]}
            for rule in self.rules
        ]
        return to_toml({"schema": SCHEMA, "map": rules})


def read_mapping(path: Path) -> MidiMapping:
    """Read a mapping's file.

    Raises:
        PresetError: it cannot be read, or has an unknown key or a value that does not fit.
    """
    return parse_mapping(read_text(path, "mapping", MAX_BYTES), shown(path))


def parse_mapping(text: str, source: str = "the mapping") -> MidiMapping:
    """Read a mapping's text; raises as ``read_mapping``."""
    table = parse_toml(text, source)
    with faults_of(source):
        check_schema(table, SCHEMA)
        check_keys(table, ("schema", "map"))
        rules = table.get("map", [])
        if not isinstance(rules, list) or len(rules) > MAX_RULES:
            raise ParameterError(f"map is no list of up to {MAX_RULES}; expected [[map]] sections")
        return MidiMapping(
            rules=tuple(read_table(Rule, rule, f"map {number}") for number, rule in enumerate(rules, 1))
        )
