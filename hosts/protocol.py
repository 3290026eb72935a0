"""The address space, version 1, as one table: what can be sent, what is answered, in which units.

The dispatcher and the OSCQuery description are made from it, and a test holds the README's table against it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from audiosr_fx.errors import MessageError
from audiosr_fx.params import MASTERING_CONTROLS, RENDER_CONTROLS, Control
from hosts.osc import Argument, Message

VERSION: Final = 1
PREFIX: Final = "/audiosr"
CONTROLS: Final = (*RENDER_CONTROLS, *MASTERING_CONTROLS)

MAX_REQUEST_ID: Final = 64
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One argument of a message.

    Attributes:
        name: as it stands in the table.
        types: OSC type tags that are taken.
        help: one sentence.
        unit: of a number.
        is_optional: whether it, and all behind it, may be left out.
        is_repeated: whether any number may follow; the last of a message only.
    """

    name: str
    types: str
    help: str
    unit: str = ""
    is_optional: bool = False
    is_repeated: bool = False

    def check(self, value: Argument, tag: str) -> Argument:
        """Hold an argument against the table.

        Raises:
            MessageError: another type.
        """
        if tag not in self.types:
            raise MessageError(f"{self.name} is of type {tag}; expected {' or '.join(self.types)}")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One address: of a message that is taken, or of a reply.

    Attributes:
        path: exact.
        fields: its arguments, in order.
        help: one sentence.
        replies: paths of what may be answered.
        control: that it sets, where it is one's own address.
    """

    path: str
    fields: tuple[Field, ...] = ()
    help: str
    replies: tuple[str, ...] = ()
    control: Control | None = None

    def read(self, message: Message) -> dict[str, Argument | tuple[Argument, ...]]:
        """A message's arguments by name; what was left out is not there, what repeats is a tuple.

        Raises:
            MessageError: too few, too many, or another type; the text names the argument.
        """
        needed = sum(not (field.is_optional or field.is_repeated) for field in self.fields)
        given = list(zip(message.arguments, message.type_tags, strict=True))
        endless = bool(self.fields) and self.fields[-1].is_repeated
        if len(given) < needed or (len(given) > len(self.fields) and not endless):
            most = "more" if endless else str(len(self.fields))
            raise MessageError(f"{self.path} has {len(given)} arguments; expected {needed} to {most}")
        found: dict[str, Argument | tuple[Argument, ...]] = {}
        for place, field in enumerate(self.fields):
            if field.is_repeated:
                found[field.name] = tuple(field.check(*each) for each in given[place:])
            elif place < len(given):
                found[field.name] = field.check(*given[place])
        return found

    @property
    def types(self) -> str:
        """The first type of every argument, as OSCQuery wants it."""
        return "".join(field.types[0] for field in self.fields)


REQUEST = Field(name="request", types="s", help="Any word of yours; a repeat with the same word is harmless.")
ROOT = Field(name="root", types="s", help="Name of a served folder; empty where the path is absolute.")
PATH = Field(name="path", types="s", help="An audio file, below the root or, absolute, inside any.")
START = Field(
    name="start", types="ihdfs", unit="samples or seconds", help="Where the region begins in the file."
)
LENGTH = Field(
    name="length", types="ihdfs", unit="samples or seconds", help="How long it is; 0 is up to the end."
)
RATE = Field(
    name="rate",
    types="ihdf",
    unit="Hz",
    help="That start and length are counted in; 0 says they are seconds, as d or text, never f.",
)
PRESET = Field(
    name="preset", types="s", help="Name of a preset; empty is the plain restore.", is_optional=True
)
OPTIONS = Field(
    name="options",
    types="s",
    is_repeated=True,
    help="KEY=VALUE each: any key of the preset, or mode, format, bits, reply_port, notify, receipt.",
)
_JOB = Field(name="job", types="s", help="The job's name; empty where there is none.")

ACCEPTED: Final = f"{PREFIX}/accepted"
PROGRESS: Final = f"{PREFIX}/progress"
DONE: Final = f"{PREFIX}/done"
ERROR: Final = f"{PREFIX}/error"
STATE: Final = f"{PREFIX}/state"
PRESET_REPLY: Final = f"{PREFIX}/preset"
VALUE: Final = f"{PREFIX}/value"
PONG: Final = f"{PREFIX}/pong"
_OUTCOMES: Final = (ACCEPTED, PROGRESS, DONE, ERROR)

RENDER: Final = f"{PREFIX}/render"
RENDER_CHANNELS: Final = f"{PREFIX}/render/channels"
RENDER_BARS: Final = f"{PREFIX}/render/bars"
ANNOUNCE: Final = f"{PREFIX}/announce"
CANCEL: Final = f"{PREFIX}/cancel"
STATUS: Final = f"{PREFIX}/status"
PRESETS: Final = f"{PREFIX}/presets"
PARAM: Final = f"{PREFIX}/param"
PING: Final = f"{PREFIX}/ping"

_COMMANDS: Final = (
    Address(
        path=RENDER,
        fields=(REQUEST, ROOT, PATH, START, LENGTH, RATE, PRESET, OPTIONS),
        help="Render a region of a file, or with 0 0 0 all of it.",
        replies=_OUTCOMES,
    ),
    Address(
        path=RENDER_CHANNELS,
        fields=(
            REQUEST,
            ROOT,
            START,
            LENGTH,
            RATE,
            Field(name="preset", types="s", help=PRESET.help),
            Field(
                name="options",
                types="s",
                help='KEY=VALUE each, with a space between them, "KEY=A VALUE" in quotes; empty for none.',
            ),
            Field(name="paths", types="s", help="One mono file for each channel.", is_repeated=True),
        ),
        help="The same for split stereo: one path per channel in, one file with all of them out.",
        replies=_OUTCOMES,
    ),
    Address(
        path=RENDER_BARS,
        fields=(
            REQUEST,
            ROOT,
            PATH,
            Field(
                name="from",
                types="s",
                help="BAR, BAR:BEAT or BAR:BEAT.FRACTION from 1, or a marker's name; 17- with an"
                " empty `to` is all from there on.",
            ),
            Field(
                name="to",
                types="s",
                help="Where the region ends, likewise, excluded: 17 to 25 ends as 25 begins; empty: with that"
                " marker's part, the last one with the file, or with that bar.",
            ),
            Field(name="origin", types="s", help="Where in the song the file begins; empty is 1:1."),
            Field(
                name="map",
                types="s",
                help="A MIDI file with tempo and metre, below the root, for this message alone; empty: the"
                " server's own, of --tempo-map.",
            ),
            PRESET,
            OPTIONS,
        ),
        help="Render bars of a song up to where `to` begins, without it a marker's part or one bar; an empty"
        " map is the server's own.",
        replies=_OUTCOMES,
    ),
    Address(
        path=ANNOUNCE,
        fields=(REQUEST, ROOT, PATH, START, LENGTH, RATE, PRESET, OPTIONS),
        help="Name the region that a MIDI key renders; nothing is rendered yet.",
        replies=(ACCEPTED, ERROR),
    ),
    Address(
        path=CANCEL,
        fields=(REQUEST,),
        help="Stop a request; its end is told as an error that says cancelled.",
        replies=(ERROR,),
    ),
    Address(
        path=STATUS,
        fields=(Field(name="request", types="s", help="A request, or empty for all.", is_optional=True),),
        help="How a request stands, in the words it would be told in; or how many there are.",
        replies=(*_OUTCOMES, STATE),
    ),
    Address(
        path=PRESETS,
        fields=(Field(name="request", types="s", help=REQUEST.help, is_optional=True),),
        help="All presets, a reply for each.",
        replies=(PRESET_REPLY,),
    ),
    Address(
        path=PARAM,
        fields=(
            REQUEST,
            Field(name="name", types="s", help="A control; see below."),
            Field(
                name="value",
                types="ihfdsTFN",
                help="For renders to come; N back to normal.",
                is_optional=True,
            ),
        ),
        help="Set a control, or without a value ask for it.",
        replies=(VALUE, ERROR),
    ),
    Address(
        path=PING,
        fields=(Field(name="request", types="s", help=REQUEST.help, is_optional=True),),
        help="Is anybody there?",
        replies=(PONG,),
    ),
)


def _reply(path: str, help: str, *fields: Field) -> Address:
    return Address(path=path, fields=(REQUEST, _JOB, *fields), help=help)


REPLIES: Final = (
    _reply(ACCEPTED, "It is on the disk, and ends in done or error."),
    _reply(
        PROGRESS,
        "How far it is, a few times a second at most.",
        Field(name="done", types="f", unit="0 to 1", help="How far it is."),
        Field(name="state", types="s", help="queued, running, publishing or parked."),
    ),
    _reply(
        DONE,
        "The file is there, whole.",
        Field(name="output", types="s", help="The finished file."),
        Field(name="manifest", types="s", help="JSON beside it: how it was made."),
    ),
    _reply(
        ERROR,
        "There will be no file.",
        Field(name="text", types="s", help="One line: what is wrong, and the way out."),
    ),
    _reply(
        STATE,
        "How many jobs there are.",
        *(
            Field(name=name, types="i", help=f"Jobs that are {name}.")
            for name in ("waiting", "running", "done", "failed")
        ),
    ),
    _reply(
        PRESET_REPLY,
        "A preset.",
        Field(name="number", types="i", help="From 0; what a MIDI program change of that number takes."),
        Field(name="total", types="i", help="How many there are."),
        Field(name="name", types="s", help="To ask for it by."),
        Field(name="description", types="s", help="What it is for."),
    ),
    _reply(
        VALUE,
        "A control's value.",
        Field(name="name", types="s", help="A control."),
        Field(name="value", types="ihfsTFN", help="What renders to come will take; N: its default."),
    ),
    _reply(
        PONG,
        "Yes.",
        Field(name="program", types="s", help="audiosr_fx and its version."),
        Field(name="protocol", types="i", help="Of this table."),
    ),
)


def _control_address(control: Control) -> Address:
    value = Field(name="value", types=_control_types(control), unit=control.unit, help=control.allowed)
    return Address(path=f"{PARAM}/{control.name}", fields=(value,), help=control.help, control=control)


def _control_types(control: Control) -> str:
    first = {bool: "T", int: "i", float: "f", str: "s"}[control.type]
    return first + "".join(tag for tag in "ihfdsTFN" if tag != first)


COMMANDS: Final = (*_COMMANDS, *(_control_address(control) for control in CONTROLS))
BY_PATH: Final = {address.path: address for address in COMMANDS}


def find_address(path: str) -> Address:
    """What the table says of a path.

    Raises:
        MessageError: there is no such address.
    """
    try:
        return BY_PATH[path]
    except KeyError:
        raise MessageError(f"there is no address {path}") from None


def check_request_id(request: Argument) -> str:
    """The request's word.

    Raises:
        MessageError: not 1 to 64 letters, digits and . _ : -.
    """
    if not isinstance(request, str) or not _REQUEST_ID.fullmatch(request):
        raise MessageError(
            f"request is {request!r:.40}; expected 1 to {MAX_REQUEST_ID} letters, digits, . _ : -"
        )
    return request
