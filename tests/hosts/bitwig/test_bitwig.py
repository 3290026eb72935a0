"""Bitwig's controller script in node, over a stub of the documented API, with the real service."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from ports import port_to_tell
from studio import RATE, Studio

from hosts.osc import Message, parse_packet

HERE = Path(__file__).parent
SCRIPT = HERE.parent.parent.parent / "hosts" / "bitwig" / "audiosr.control.js"

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="needs node: apt-get install nodejs")


def press(port: int, panel: dict[str, str], **more: Any) -> list[list[Any]]:
    """What Bitwig shows and does after Restore was pressed in the panel, up to the render's end."""
    song = {
        "panel": panel,
        "tempo": 120.0,
        "loop": [0.0, 4.0],
        "speed": 1,
        "slots": [{"exists": True}],
    } | more
    words = [str(SCRIPT), str(port), str(port_to_tell()), json.dumps(song)]
    finished = subprocess.run(
        ["node", str(HERE / "bitwig.js"), *words], capture_output=True, text=True, check=False, timeout=90
    )
    assert finished.returncode == 0, finished.stderr
    return [json.loads(line) for line in finished.stdout.splitlines()]


def test_the_arranger_loop_of_a_file_comes_back_in_the_first_free_slot(desk: Studio) -> None:
    stem = desk.stem("Größe 'x'.wav", frames=6 * RATE)
    panel = {"File": f' "{stem}" ', "Region": "Arranger loop", "Options": " seed=7  bits=16"}
    slots = [{"exists": True, "has": True}, {"exists": True, "has": False}]
    told = press(desk.port, panel, tempo=117.3, loop=[2.0, 4.0], slots=slots)
    kind, slot, output = told[-2]
    assert (kind, slot) == ("insert", 1)
    assert told[-1] == ["popup", "audiosr_fx: Größe 'x'.wav: restored"]
    first, stop = round(2 * 60 / 117.3 * RATE), round(6 * 60 / 117.3 * RATE)
    assert desk.renders("Größe 'x'.wav") == [f"{first}s-{stop}s region 7 "]
    assert np.array_equal(soundfile.read(output)[0], soundfile.read(stem)[0][first:stop])


def test_a_whole_file_comes_back_and_is_named_where_no_slot_is_free(desk: Studio) -> None:
    stem = desk.stem("whole.wav")
    told = press(desk.port, {"File": str(stem)}, slots=[{"exists": True, "has": True}])
    assert "no free launcher slot; the result is " in told[-1][1]
    assert Path(told[-1][1].split("the result is ")[1]).is_file()
    assert desk.renders("whole.wav") == [f"0s-{RATE}s region None "]


def test_what_goes_wrong_is_shown(desk: Studio) -> None:
    assert press(desk.port, {}) == [["popup", "audiosr_fx: name a file in the panel first"]]
    (told,) = press(desk.port, {"File": "/etc/hostname"})
    assert "hostname: path is /etc/hostname, outside of what is served" in told[1]
    (told,) = press(9, {"File": "/a b.wav"}, speed=50)
    assert told == [
        "popup",
        "audiosr_fx: a b.wav: nothing answers; start it with: audiosr-fx serve --root FOLDER",
    ]


def test_a_lost_end_is_asked_for_and_other_messages_are_passed_over() -> None:
    """A server whose first replies are none of ours, or cut short, and whose first end is lost."""
    said = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(100)  # else a script that asks once would hang the test

        def answer() -> None:
            while len(said) < 2:
                (heard,) = parse_packet(server.recv(8192))
                said.append(heard)
                options = str(heard.arguments[6])
                to = ("127.0.0.1", int(options.partition("reply_port=")[2]))
                word, replies = (
                    heard.arguments[0],
                    [Message("/audiosr/error", (7,)), Message("/audiosr/done")],
                )
                replies += [Message("/other", (word,)), Message("/audiosr/error", ("toString", "", "no"))]
                end = Message("/audiosr/error", (word, "osc-1", "it is told"))
                replies.append(end if len(said) == 2 else Message("/audiosr/accepted", (word, "osc-1")))
                for reply in replies:
                    server.sendto(reply.encode(), to)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        told = press(server.getsockname()[1], {"File": "/a b.wav"}, speed=2)
        thread.join()
    assert told == [["popup", "audiosr_fx: a b.wav: it is told"]]
    assert said[0] == said[1]
