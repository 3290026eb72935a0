"""MIDI in front of the bridge: keys render, programs choose presets, knobs move controls."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final, Protocol

from audiosr_fx.errors import AudioSRError, ParameterError
from audiosr_fx.presets import find_presets
from hosts.client import new_request
from hosts.controls import Controls
from hosts.midi_mapping import Action, Kind, MidiMapping, Rule
from hosts.midi_ports import MidiPort, open_input
from hosts.tempo import TempoMap
from hosts.timecode import QuarterFrames, read_sysex

DEBOUNCE_S: Final = 0.2
MAX_WAITING: Final = 1000
_log = logging.getLogger(__name__)


class Actions(Protocol):
    """What keys can do; the bridge can."""

    @property
    def controls(self) -> Controls:
        """That knobs move."""

    @property
    def tempo_map(self) -> TempoMap | None:
        """That song positions are counted by."""

    def render_announced(self, request: str) -> object:
        """Render the announced region."""

    def render_part(self, request: str, seconds: Fraction) -> object:
        """Render the part of the song at a time."""

    def again(self, request: str) -> object:
        """Render the last once more, with another seed."""

    def cancel_last(self) -> None:
        """Stop the newest request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MidiSettings:
    """Where to hear, and what messages mean.

    Attributes:
        port: see ``hosts.midi_ports.open_input``.
        mapping: what messages do.
        channel: 1 to 16; 0 hears all.
    """

    port: str = ""
    mapping: MidiMapping = field(default_factory=MidiMapping)
    channel: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.channel <= 16:
            raise ParameterError(f"channel is {self.channel}; expected 1 to 16, or 0 for all")


class MidiHandler:
    """Turns messages into actions, one after another."""

    def __init__(
        self,
        actions: Actions,
        mapping: MidiMapping | None = None,
        *,
        channel: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing has been heard yet.

        Args:
            actions: what is done.
            mapping: what messages mean.
            channel: 1 to 16; 0 hears all.
            clock: monotonic, in seconds; a key that bounces within a fifth of one counts once.
        """
        self.playhead_s = Fraction(0)
        self._actions = actions
        self._mapping = mapping or MidiMapping()
        self._channel = channel
        self._clock = clock
        self._frames = QuarterFrames()
        self._acted_at: dict[Rule, float] = {}

    def handle(self, message: Any) -> str:
        """Do what a ``mido.Message`` means; returns what was done in words, empty for nothing.

        Raises:
            AudioSRError: it cannot be done; the text says why.
        """
        self._locate(message)
        event = event_of(message)
        if event is None or (event.channel and self._channel not in (0, event.channel)):
            return ""
        rule = self._mapping.find(event.kind, event.number, event.channel)
        if rule is None:
            return self._choose_by_number(event.number) if event.kind == "program" else ""
        if rule.control:
            value = self._actions.controls.turn(rule.control, event.value)
            return f"{rule.control} is {value}"
        if rule.preset:
            return self._choose(rule.preset)
        return self._act(rule)

    def _act(self, rule: Rule) -> str:
        now = self._clock()
        if now - self._acted_at.get(rule, -DEBOUNCE_S) < DEBOUNCE_S:
            return ""
        self._acted_at[rule] = now
        request = f"midi-{new_request()}"
        match Action(rule.action):
            case Action.RENDER:
                self._actions.render_announced(request)
            case Action.PART:
                self._actions.render_part(request, self.playhead_s)
            case Action.AGAIN:
                self._actions.again(request)
            case Action.CANCEL:
                self._actions.cancel_last()
        return rule.action

    def _choose_by_number(self, number: int) -> str:
        names = list(find_presets())
        if number >= len(names):
            raise ParameterError(f"program is {number}; expected 0 to {len(names) - 1}, one for each preset")
        return self._choose(names[number])

    def _choose(self, name: str) -> str:
        self._actions.controls.choose_preset(name)
        return f"preset is {name}"

    def _locate(self, message: Any) -> None:
        seconds: Fraction | None = None
        if message.type == "songpos":
            seconds = (self._actions.tempo_map or TempoMap()).sixteenths(message.pos)
        elif message.type == "quarter_frame":
            seconds = self._frames.feed(message.frame_type, message.frame_value)
        elif message.type == "sysex":
            seconds = read_sysex(tuple(message.data))[1]
        elif message.type == "start":
            seconds = Fraction(0)
        if seconds is not None:
            self.playhead_s = seconds


@dataclass(frozen=True, slots=True)
class MidiEvent:
    """A message that a rule can be about; the channel is 1 to 16, or 0 where it has none."""

    kind: Kind
    number: int
    channel: int = 0
    value: int = 127

    def __str__(self) -> str:
        channel = f" on channel {self.channel}" if self.channel else ""
        value = f", value {self.value}" if self.kind == "control" else ""
        return f"{self.kind} {self.number}{channel}{value}"


def event_of(message: Any) -> MidiEvent | None:
    """What a ``mido.Message`` is to a rule; None for what no rule is about."""
    match message.type:
        case "note_on" if message.velocity > 0:
            return MidiEvent("note", message.note, message.channel + 1, message.velocity)
        case "control_change":
            return MidiEvent("control", message.control, message.channel + 1, message.value)
        case "program_change":
            return MidiEvent("program", message.program, message.channel + 1)
        case "sysex":
            command = read_sysex(tuple(message.data))[0]
            return None if command is None else MidiEvent("mmc", command)
    return None


class MidiFront:
    """Hears a port from ``start`` to ``stop``. Without MIDI on this machine it says so once, and rests.

    Attributes:
        problem: why there is no MIDI; empty where there is.
    """

    def __init__(self, settings: MidiSettings, actions: Actions) -> None:
        """Nothing is open yet."""
        self.problem = ""
        self._settings = settings
        self._handler = MidiHandler(actions, settings.mapping, channel=settings.channel)
        self._heard: queue.Queue[Any] = queue.Queue(MAX_WAITING)
        self._port: MidiPort | None = None
        self._thread: threading.Thread | None = None

    @property
    def name(self) -> str:
        """Of the open port; empty where there is none."""
        return "" if self._port is None else self._port.name

    def start(self) -> None:
        """Open the port."""
        try:
            self._port = open_input(self._settings.port, self._hear)
        except ParameterError as error:
            self.problem = f"MIDI is off: {error}"
            _log.warning("%s; all else goes on without it", self.problem)
            return
        self._thread = threading.Thread(target=self._run, name="midi", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close the port."""
        if self._port is not None:
            self._port.close()
        if self._thread is not None:
            self._heard.put(None)
            self._thread.join()

    def _hear(self, message: Any) -> None:
        with suppress(queue.Full):  # a stuck knob is no reason to stop
            self._heard.put_nowait(message)

    def _run(self) -> None:
        while (message := self._heard.get()) is not None:
            try:
                if done := self._handler.handle(message):
                    _log.info("MIDI: %s", done)
            except AudioSRError as error:
                _log.warning("MIDI: %s", error)
            except Exception:
                _log.exception("a fault while %s was handled", message)


def learn(targets: Iterable[str], messages: Iterator[Any], say: Callable[[str], None]) -> MidiMapping:
    """Ask for a message for each target, and make the mapping.

    Args:
        targets: an action, ``preset:NAME`` or ``control:NAME`` each; a control takes a controller.
        messages: as they arrive.
        say: shows a line.

    Raises:
        ParameterError: a target that is none, before anything is played, or no messages left.
    """
    rules: list[Rule] = []
    for target, wanted in [(target, _target(target)) for target in targets]:
        say(f"now play what shall mean {target}")
        for message in messages:
            event = event_of(message)
            if event is None or ("control" in wanted) != (event.kind == "control"):
                continue
            say(f"  {event}")
            if any(rule.matches(event.kind, event.number, event.channel) for rule in rules):
                say("  that means something already; play another")
                continue
            rules.append(Rule(message=event.kind, number=event.number, channel=event.channel, **wanted))
            break
        else:
            raise ParameterError(f"nothing was played for {target}")
    return MidiMapping(rules=tuple(rules))


def _target(text: str) -> dict[str, str]:
    kind, colon, name = text.partition(":")
    wanted = {kind: name} if colon and kind in ("preset", "control") else {"action": text}
    Rule(message="control", number=0, **wanted)  # type: ignore[arg-type] # says what is wrong with it
    return wanted
