"""MIDI: what keys, programs, knobs and transports do, mappings by file and by playing, and real ports."""

from __future__ import annotations

import contextlib
import queue
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import mido
import mido.sockets
import pytest

from audiosr_fx.errors import MessageError, ParameterError, PresetError
from audiosr_fx.presets import find_presets
from hosts.asks import Ask, Options
from hosts.controls import Controls
from hosts.midi import MidiFront, MidiHandler, MidiSettings, learn
from hosts.midi_mapping import MidiMapping, Rule, parse_mapping, read_mapping
from hosts.midi_ports import open_input
from hosts.spans import Span
from hosts.tempo import TempoMap
from hosts.timecode import QuarterFrames, read_sysex, seconds_of

WAIT_S = 60.0


class Desk:
    """Notes what it is told to do."""

    def __init__(self) -> None:
        self.controls = Controls()
        self.tempo_map: TempoMap | None = None
        self.done: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()

    def render_announced(self, request: str) -> None:
        self.done.put(("render",))

    def render_part(self, request: str, seconds: Fraction) -> None:
        self.done.put(("part", seconds))

    def again(self, request: str) -> None:
        self.done.put(("again",))

    def cancel_last(self) -> None:
        self.done.put(("cancel",))

    def all_done(self) -> list[tuple[Any, ...]]:
        return [self.done.get_nowait() for _ in range(self.done.qsize())]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


@pytest.fixture
def desk() -> Desk:
    return Desk()


def play(handler: MidiHandler, *messages: mido.Message) -> list[str]:
    return [handler.handle(message) for message in messages]


def mmc(command: int, *more: int) -> mido.Message:
    return mido.Message("sysex", data=(0x7F, 0x7F, 0x06, command, *more))


def test_keys_and_transports_render_and_cancel(desk: Desk) -> None:
    handler = MidiHandler(desk, clock=Clock())
    play(
        handler,
        mido.Message("note_on", note=60, velocity=90),
        mido.Message("note_on", note=60, velocity=0),
        mido.Message("note_off", note=60),
        mido.Message("note_on", note=61, velocity=90),
        mido.Message("note_on", note=64, velocity=1, channel=9),
        mmc(0x06),
        mmc(0x01),
        mmc(0x02),
        mido.Message("clock"),
        mido.Message("pitchwheel", pitch=1),
    )
    assert desk.all_done() == [("render",), ("again",), ("render",), ("cancel",)]


def test_a_key_that_bounces_counts_once(desk: Desk) -> None:
    handler = MidiHandler(desk, clock=lambda: 5.0)
    key = mido.Message("note_on", note=60, velocity=90)
    assert play(handler, key, key, key) == ["render", "", ""]
    assert desk.all_done() == [("render",)]


def test_only_the_asked_for_channel_is_heard(desk: Desk) -> None:
    handler = MidiHandler(desk, channel=2, clock=Clock())
    play(handler, *(mido.Message("note_on", note=60, velocity=90, channel=channel) for channel in range(16)))
    assert desk.all_done() == [("render",)]


def test_a_program_chooses_the_preset_of_its_number(desk: Desk) -> None:
    handler = MidiHandler(desk)
    names = list(find_presets())
    assert play(handler, mido.Message("program_change", program=2)) == [f"preset is {names[2]}"]
    ask = Ask(request="a", sources=(Path("/a.wav"),), span=Span(), options=Options())
    assert desk.controls.applied_to(ask).preset == names[2]
    with pytest.raises(ParameterError, match="expected 0 to"):
        play(handler, mido.Message("program_change", program=127))


@pytest.mark.parametrize(
    ("control", "position", "value"),
    [
        ("detail", 0, 0.0),
        ("detail", 127, 2.0),
        ("steps", 127, 1000),
        ("quality", 0, "draft"),
        ("quality", 127, "best"),
        ("keep_low_band", 64, True),
        ("keep_low_band", 63, False),
        ("ceiling_dbtp", 127, 0.0),
    ],
)
def test_a_knob_moves_a_control_over_its_range(
    control: str, position: int, value: object, desk: Desk
) -> None:
    mapping = MidiMapping(rules=(Rule(message="control", number=7, control=control),))
    play(MidiHandler(desk, mapping), mido.Message("control_change", control=7, value=position))
    assert desk.controls.get(control) == value
    assert type(desk.controls.get(control)) is type(value)


def test_a_knob_cannot_name_a_model(desk: Desk) -> None:
    mapping = MidiMapping(rules=(Rule(message="control", number=7, control="model"),))
    with pytest.raises(ParameterError, match="which a knob cannot say"):
        play(MidiHandler(desk, mapping), mido.Message("control_change", control=7, value=1))


def test_song_position_time_code_and_locates_move_the_playhead(desk: Desk) -> None:
    handler = MidiHandler(desk, clock=Clock())
    part = mido.Message("note_on", note=62, velocity=90)
    play(handler, mido.Message("songpos", pos=16), part)
    desk.tempo_map = TempoMap([(0, 1_000_000)])
    play(handler, mido.Message("songpos", pos=16), part)
    play(handler, mmc(0x44, 0x06, 0x01, 0x20 | 1, 2, 3, 5, 0), part)
    pieces = [4, 0, 3, 0, 2, 0, 1, 2]  # 01:02:03:04 at 25 frames
    play(
        handler,
        *(mido.Message("quarter_frame", frame_type=i, frame_value=value) for i, value in enumerate(pieces)),
        part,
    )
    play(handler, mido.Message("sysex", data=(0x7F, 0x7F, 1, 1, 0x60, 0, 10, 15)), part)
    play(handler, mido.Message("start"), part)
    hour = 3600 + 2 * 60 + 3
    expected = [2, 4, hour + Fraction(1, 5), hour + Fraction(6, 25), Fraction(21, 2), 0]
    assert desk.all_done() == [("part", seconds) for seconds in expected]


def test_drop_frame_time_code_stays_with_the_clock() -> None:
    assert seconds_of(0x40, 0, 59, 29) == Fraction(1799 * 1001, 30_000)
    assert seconds_of(0x40, 1, 0, 2) == Fraction(1800 * 1001, 30_000)
    assert float(seconds_of(0x40 | 1, 0, 0, 0) or 0) == pytest.approx(3600, abs=0.004)
    assert seconds_of(0x00, 0, 0, 24) is None
    assert seconds_of(0x60, 60, 0, 0) is None


def pieces_of(hours: int, minutes: int, seconds: int, frames: int) -> list[tuple[int, int]]:
    values = (frames, seconds, minutes, hours)
    return [
        (2 * place + half, value >> 4 * half & 15) for place, value in enumerate(values) for half in (0, 1)
    ]


def test_running_time_code_tells_where_the_transport_is_when_it_has_been_heard() -> None:
    """The eight pieces take two frames, and tell the time at piece 0: it comes first, or backwards last."""
    frames = QuarterFrames()
    code = pieces_of(0x20 | 1, 0, 0, 0)
    for told in (code, code[::-1], code):
        assert [frames.feed(*piece) for piece in told][:7] == [None] * 7
    assert [frames.feed(*piece) for piece in code[::-1]][-1] == 3600
    assert [frames.feed(*piece) for piece in code][-1] == 3600 + Fraction(2, 25)
    assert [frames.feed(*piece) for piece in pieces_of(0x20 | 1, 0, 0, 2)][-1] == 3600 + Fraction(4, 25)


def test_running_drop_frame_time_code_stays_with_the_clock() -> None:
    before_the_minute = pieces_of(0x40, 0, 59, 28)
    assert [QuarterFrames().feed(*piece) for piece in before_the_minute] == [None] * 8
    frames = QuarterFrames()
    assert [frames.feed(*piece) for piece in before_the_minute][-1] == seconds_of(0x40, 1, 0, 2)


def test_broken_time_code_is_passed_over() -> None:
    frames = QuarterFrames()
    assert [frames.feed(piece, 0) for piece in (3, 4, 0, 1, 2, 4, 5, 6, 7)] == [None] * 9
    assert [frames.feed(piece, 0) for piece in range(8)][-1] == Fraction(2, 24)
    assert [frames.feed(piece, 0) for piece in (7, 6, 5, 4, 4, 3, 2, 1, 0)] == [None] * 9
    for data in (
        (),
        (0x7F,),
        (0x41, 0, 6, 6),
        (0x7F, 0, 6, 0x44),
        (0x7F, 0, 1, 1, 0),
        (0x7F, 0, 6, 0x44, 6, 1, 99),
    ):
        assert read_sysex(data)[1] is None


def test_a_mapping_comes_back_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    mapping = MidiMapping(
        rules=(
            Rule(message="note", number=36, channel=10, action="render"),
            Rule(message="control", number=1, control="detail"),
            Rule(message="program", number=3, preset="podcast"),
        )
    )
    for each in (mapping, MidiMapping(), MidiMapping(rules=())):
        path.write_text(each.to_toml(), "utf-8")
        assert read_mapping(path) == each


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("schema = 2", "schema is 2; expected 1"),
        ("x", "not TOML"),
        ("schema = 1\nmaps = []", r"unknown key 'maps'.*did you mean"),
        ("schema = 1\nmap = 3", "map is no list"),
        ("schema = 1\n[[map]]\nmessage = 'note'\naction = 'render'", "map 1: number is missing"),
        ("schema = 1\n[[map]]\nmessage = 'key'\nnumber = 1\naction = 'render'", "expected note, control"),
        ("schema = 1\n[[map]]\nmessage = 'note'\nnumber = 128\naction = 'render'", "expected 0 to 127"),
        ("schema = 1\n[[map]]\nmessage = 'note'\nnumber = true\naction = 'render'", "number is True"),
        ("schema = 1\n[[map]]\nmessage = 'note'\nnumber = 1\naction = 'rendr'", r"did you mean.*render"),
        ("schema = 1\n[[map]]\nmessage = 'note'\nnumber = 1", "one of action, preset and control"),
        ("schema = 1\n[[map]]\nmessage = 'note'\nnumber = 1\ncontrol = 'detail'", "expected control"),
        ("schema = 1\n[[map]]\nmessage = 'control'\nnumber = 1\ncontrol = 'volume'", "there is no control"),
        ("schema = 1\n[[map]]\nmessage = 'note'\nnumber = 1\naction = 3", "expected a text"),
        (
            "schema = 1\n[[map]]\nmessage = 'note'\nnumber = 1\npreset = 'podcats'",
            r"map 1: preset podcats: no such",
        ),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused(text: str, says: str) -> None:
    with pytest.raises(PresetError, match=says):
        parse_mapping(text)


def test_learning_writes_what_was_played() -> None:
    played = iter(
        [
            mido.Message("note_off", note=1),
            mido.Message("control_change", control=1, value=3),
            mido.Message("note_on", note=36, velocity=100, channel=9),
            mido.Message("note_on", note=36, velocity=100, channel=9),
            mmc(0x05),
            mido.Message("note_on", note=40, velocity=1),
            mido.Message("control_change", control=21, value=64),
        ]
    )
    said: list[str] = []
    mapping = learn(["render", "preset:podcast", "control:detail"], played, said.append)
    assert [rule.message for rule in mapping.rules] == ["note", "mmc", "control"]
    assert mapping.rules[0] == Rule(message="note", number=36, channel=10, action="render")
    assert mapping.rules[2] == Rule(message="control", number=21, channel=1, control="detail")
    assert said[:2] == ["now play what shall mean render", "  note 36 on channel 10"]
    assert "  that means something already; play another" in said
    with pytest.raises(ParameterError, match="nothing was played"):
        learn(["render"], iter([]), said.append)


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("rendr", "did you mean"),
        ("preset:podcats", "no such preset.*podcast"),
        ("control:x", "no control 'x'"),
    ],
)
def test_a_target_that_is_none_is_refused_before_anything_is_played(target: str, says: str) -> None:
    said: list[str] = []
    with pytest.raises(ParameterError, match=says):
        learn(["render", target], iter([]), said.append)
    assert said == []


def test_a_socket_port_hears_mido_and_noise(desk: Desk) -> None:
    front = MidiFront(MidiSettings(port="socket:0"), desk)
    front.start()
    try:
        port = int(front.name.removeprefix("socket:"))
        with mido.sockets.connect("127.0.0.1", port) as sender:
            sender._socket.sendall(b"\x80\xff\xf0\x01\x02garbage\xf7\x00\x00")
            sender.send(mido.Message("note_on", note=60, velocity=90))
            assert desk.done.get(timeout=WAIT_S) == ("render",)
        with mido.sockets.connect("127.0.0.1", port) as sender:
            sender.send(mido.Message("program_change", program=127))
            sender.send(mido.Message("note_on", note=65, velocity=90))
            assert desk.done.get(timeout=WAIT_S) == ("cancel",)
    finally:
        front.stop()
    for bad in ("socket:", "socket:x", "socket:99999"):
        with pytest.raises(ParameterError, match="expected a port"):
            open_input(bad, print)


def test_a_socket_port_closes_while_somebody_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is accepted just before the end, and would be taken in just after it, is let go."""
    is_accepted, is_closed = threading.Event(), threading.Event()
    real_accept, real_close = socket.socket.accept, socket.socket.close

    def accept(listener: socket.socket) -> Any:
        accepted = real_accept(listener)
        is_accepted.set()
        assert is_closed.wait(WAIT_S)
        return accepted

    def close(each: socket.socket) -> None:
        real_close(each)
        is_closed.set()

    monkeypatch.setattr(socket.socket, "accept", accept)
    monkeypatch.setattr(socket.socket, "close", close)
    port = open_input("socket:0", print)
    with socket.create_connection(("127.0.0.1", int(port.name.removeprefix("socket:")))) as late:
        assert is_accepted.wait(WAIT_S)
        closing = threading.Thread(target=port.close, daemon=True)
        closing.start()
        closing.join(WAIT_S)
        assert not closing.is_alive()
        late.settimeout(WAIT_S)
        assert late.recv(1) == b""


def test_a_socket_port_takes_the_next_as_soon_as_one_leaves() -> None:
    heard: queue.SimpleQueue[mido.Message] = queue.SimpleQueue()
    port = open_input("socket:0", heard.put)
    address = ("127.0.0.1", int(port.name.removeprefix("socket:")))
    try:
        with contextlib.ExitStack() as stay:
            for _ in range(7):
                stay.enter_context(socket.create_connection(address))
            for note in range(3):
                with socket.create_connection(address) as sender:
                    sender.sendall(bytes((0x90, note, 90)))
                    assert heard.get(timeout=WAIT_S).note == note
    finally:
        port.close()


def test_a_machine_without_midi_says_so_once_and_goes_on(
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    def no_driver(*arguments: object, **others: object) -> None:
        raise SystemError("MidiInAlsa::initialize: error creating ALSA sequencer client object.")

    monkeypatch.setattr(mido, "Backend", no_driver)
    front = MidiFront(MidiSettings(), desk)
    front.start()
    front.stop()
    why = "MIDI is off: no MIDI driver answers (error creating ALSA sequencer client object.)"
    assert front.problem == why
    assert caplog.messages == [f"{why}; all else goes on without it"]
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("port", "says"),
    [
        ("socket:99999", r"socket is '99999'; expected a port, .*"),
        ("socket:{taken}", r"port \d+ cannot be .*"),
    ],
)
def test_with_a_port_that_cannot_be_had_midi_is_off_and_the_rest_goes_on(
    port: str, says: str, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        front = MidiFront(MidiSettings(port=port.format(taken=other.getsockname()[1])), desk)
        front.start()
        front.stop()
    (said,) = caplog.messages
    assert re.fullmatch(rf"MIDI is off: {says}; all else goes on without it", said)


def test_without_the_extra_the_way_to_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_there(*arguments: object, **others: object) -> None:
        raise ModuleNotFoundError("No module named 'rtmidi'")

    monkeypatch.setattr(mido, "Backend", not_there)
    with pytest.raises(ParameterError, match=r"pip install 'audiosr-fx\[midi\]'"):
        open_input("", print)


@pytest.fixture
def jack() -> Iterator[None]:
    """A JACK server without a sound card."""
    pytest.importorskip("rtmidi", reason="needs python-rtmidi: pip install 'audiosr-fx[midi]'")
    if shutil.which("jackd") is None:
        pytest.skip("needs jackd: apt-get install jackd2")
    server = subprocess.Popen(
        ["jackd", "-r", "--no-mlock", "-d", "dummy", "-r", "48000", "-p", "1024"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        end = time.monotonic() + WAIT_S
        while subprocess.run(["jack_wait", "-w", "-t", "1"], capture_output=True, check=False).returncode:
            if server.poll() is not None or time.monotonic() > end:
                pytest.skip("jackd does not run here")
        yield
    finally:
        server.terminate()
        server.communicate()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_real_port_is_heard(jack: None, desk: Desk) -> None:
    front = MidiFront(MidiSettings(port="jack:"), desk)
    front.start()
    assert front.problem == ""
    try:
        backend = mido.Backend("mido.backends.rtmidi/UNIX_JACK")
        names = backend.get_output_names()
        with backend.open_output(next(name for name in names if name.startswith("audiosr_fx"))) as sender:
            send_until(desk, ("render",), sender, mido.Message("note_on", note=60, velocity=90))
            send_until(desk, ("cancel",), sender, mmc(0x01))
    finally:
        front.stop()


def send_until(
    desk: Desk, done: tuple[Any, ...], sender: mido.ports.BaseOutput, message: mido.Message
) -> None:
    """Send until it is done: on a busy machine JACK drops what comes before its connections stand."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        sender.send(message)
        with contextlib.suppress(queue.Empty):
            while desk.done.get(timeout=1.0) != done:
                pass  # an earlier one, come late
            return
    raise AssertionError(f"{done} was not done within {WAIT_S:.0f} s of sending {message}")


def test_a_blob_is_no_value_of_a_control() -> None:
    with pytest.raises(MessageError, match="is a blob"):
        Controls().set("detail", b"x")
