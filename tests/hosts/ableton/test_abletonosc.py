"""The way over AbletonOSC, with a stand-in that answers as that one's README says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from ports import port_to_tell
from studio import RATE, Studio, studio
from typer.testing import CliRunner

from audiosr_fx.cli import app
from audiosr_fx.errors import ParameterError
from hosts.ableton.abletonosc import AbletonOsc
from hosts.osc import Message, parse_packet


class StandIn:
    """Answers for clips by track and slot, to a port of its own; numbers go as floats of 32 bits."""

    def __init__(self, clips: dict[tuple[int, int], dict[str, Any]], selected: tuple[int, ...] = ()) -> None:
        self.clips, self.selected = clips, selected
        self.dropped = 0
        self.answer_port = port_to_tell()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._socket.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        while packet := self._socket.recv(8192):
            (asked,) = parse_packet(packet)
            if self.dropped == 0:  # UDP may lose the first one
                self.dropped = 1
                continue
            answer = self._answer(asked)
            self._socket.sendto(answer.encode(), ("127.0.0.1", self.answer_port))

    def _answer(self, asked: Message) -> Message:
        if asked.address == "/live/view/get/selected_clip":
            return Message(asked.address, self.selected)
        track, slot = asked.arguments
        clip = self.clips.get((track, slot))  # type: ignore[arg-type]
        if clip is None:
            return Message("/live/error", ("Error handling OSC message: no clip",))
        name = asked.address.removeprefix("/live/clip/get/")
        return Message(asked.address, (track, slot, clip[name]) if name in clip else (track, slot))


@contextmanager
def abletonosc(*clips: dict[str, Any], selected: tuple[int, ...] = (0, 0)) -> Iterator[StandIn]:
    running = StandIn({(0, place): clip for place, clip in enumerate(clips)}, selected)
    try:
        yield running
    finally:
        running.close()


def clip(path: Path, **more: Any) -> dict[str, Any]:
    told = {
        "is_audio_clip": True,
        "warping": False,
        "file_path": str(path),
        "loop_start": 0.25,
        "loop_end": 0.75,
    }
    return told | more


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with studio(tmp_path_factory.mktemp("studio")) as running:
        yield running


def send(live: StandIn, desk: Studio, *words: str) -> tuple[int, str, str]:
    ports = ("--live-port", str(live.port), "--answer-port", str(live.answer_port), "--port", str(desk.port))
    result = CliRunner().invoke(app, ["send", "live", *ports, *words])
    return result.exit_code, result.stdout, result.stderr


def test_the_selected_clip_is_rendered(desk: Studio) -> None:
    stem = desk.stem("Größe live.wav")
    with abletonosc(clip(stem), clip(stem, loop_start=0.5), selected=(0, 0)) as live:
        code, out, err = send(live, desk)
        assert (code, err) == (0, "")
        assert np.array_equal(soundfile.read(out.strip())[0], soundfile.read(stem)[0][12_000:36_000])
        code, out, _ = send(live, desk, "--track", "1", "--slot", "2", "--set", "seed=3")
        assert (code, soundfile.info(out.strip()).frames) == (0, RATE // 4)
    assert desk.renders("Größe live.wav") == ["12000s-36000s region None ", "24000s-36000s region 3 "]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"warping": True}, "is warped, so that its beats are not those of its file; switch Warp off"),
        ({"is_audio_clip": False}, "slot 1 of track 1 is a MIDI clip"),
        ({"file_path": "/no/such.wav"}, "no such file"),
        ({"loop_start": 2.0, "loop_end": 3.0}, "plays nothing of its file"),
        ({"loop_end": "a"}, "AbletonOSC says 'a'; expected seconds"),
        ({"loop_end": float("nan")}, "cannot be read: /live/clip/get/loop_end has a number that is NaN"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(change: dict[str, Any], says: str, desk: Studio) -> None:
    stem = desk.stem("refused.wav")
    with abletonosc(clip(stem, **change)) as live:
        code, _, err = send(live, desk)
    assert code != 0
    assert says in err
    assert len(err.splitlines()) == 1


def test_no_clip_an_old_script_and_no_answer_are_said(desk: Studio) -> None:
    stem = clip(desk.stem("said.wav"))
    del stem["warping"]
    with abletonosc(stem) as live:
        assert "tells no warping of a clip; install a newer one" in send(live, desk)[2]
        assert "Live says: Error handling" in send(live, desk, "--track", "9", "--slot", "1")[2]
        assert "belong together" in send(live, desk, "--track", "9")[2]
        live.selected = ()
        assert "no clip is selected" in send(live, desk)[2]
        with AbletonOsc(ask_port=9, answer_port=live.answer_port, give_up_s=0.3) as silent:
            with pytest.raises(ParameterError, match="nothing answers at port 9; install AbletonOSC"):
                silent.selected()
            assert f"port {live.answer_port}, to which AbletonOSC answers, is taken" in send(live, desk)[2]


def test_only_who_was_asked_is_believed() -> None:
    with (
        abletonosc(selected=(3, 4)) as live,
        AbletonOsc(ask_port=live.port, answer_port=live.answer_port) as ours,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
    ):
        lie = Message("/live/view/get/selected_clip", (8, 9))
        other.sendto(lie.encode(), ("127.0.0.1", live.answer_port))
        assert ours.selected() == (3, 4)


@pytest.mark.parametrize("option", ["--port", "--live-port", "--answer-port"])
def test_a_port_that_is_none_is_refused(option: str) -> None:
    result = CliRunner().invoke(app, ["send", "live", option, "70000"])
    assert result.exit_code == 2
    assert "65535" in result.stderr
