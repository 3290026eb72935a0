"""Programs that know nothing of this project speak to the server, and hear it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ports import port_to_tell
from studio import Studio

needs_liblo = pytest.mark.skipif(
    shutil.which("oscsend") is None or shutil.which("oscdump") is None,
    reason="needs oscsend and oscdump: apt-get install liblo-tools",
)
needs_pd = pytest.mark.skipif(
    shutil.which("pd") is None, reason="needs Pure Data: apt-get install puredata-core"
)
needs_sclang = pytest.mark.skipif(
    shutil.which("sclang") is None, reason="needs SuperCollider: apt-get install supercollider-language"
)
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="needs node: apt-get install nodejs")
NAME = "Gläser 1.wav"


@pytest.fixture(scope="module")
def desk(desk: Studio) -> Studio:
    desk.stem(NAME)
    return desk


@contextmanager
def running(*command: str, **environment: str) -> Iterator[Iterator[str]]:
    """The lines that a program says, while it runs."""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment},
    ) as process:
        assert process.stdout is not None
        try:
            yield iter(process.stdout.readline, "")
        finally:
            process.kill()


@contextmanager
def repeating(*command: str) -> Iterator[None]:
    """Run a program again and again, as who listens may not yet: a repeated request is harmless."""
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            subprocess.run(command, check=True)
            stop.wait(0.25)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def check_heard(lines: Iterator[str], word: str) -> None:
    """A ping and a render were answered, up to the render's end."""
    heard = ""
    for line in lines:
        heard += line
        if "done" in line and f"{word}-2" in line:
            break
    assert re.search(rf"pong\W.*{word}-1", heard), heard
    assert re.search(rf"accepted\W.*{word}-2\W+osc-\d", heard)
    assert re.search(rf"done\W.*{word}-2\W+osc-\d+\W.*restored", heard)


def check_rendered(desk: Studio, region: str) -> None:
    assert [line.split()[0] for line in desk.renders(NAME)].count(region) == 1


@needs_liblo
def test_liblo_asks_and_hears_the_answers(desk: Studio) -> None:
    reply_port = port_to_tell()
    words = ["liblo-1", "stems", NAME, "0.25", "0.5", "0", "", f"reply_port={reply_port}"]
    server = f"osc.udp://127.0.0.1:{desk.port}"
    with (
        running("stdbuf", "-oL", "oscdump", "-L", str(reply_port)) as lines,
        repeating("oscsend", server, "/audiosr/render", "sssddiss", *words),
    ):
        said = next((line for line in lines if "/audiosr/done" in line), "")
    assert "liblo-1" in said
    assert "restored" in said
    check_rendered(desk, "12000s-36000s")


PATCH = r"""#N canvas 0 0 600 400 10;
#X obj 10 10 loadbang;
#X msg 10 40 connect 127.0.0.1 {port};
#X obj 10 340 netsend -u -b;
#X obj 120 40 metro 250;
#X msg 120 100 list pd-1;
#X msg 240 100 list pd-2 stems Gläser\ 1.wav 12000 12000 48000;
#X obj 120 140 oscformat -f s audiosr ping;
#X obj 240 140 oscformat -f sssffi audiosr render;
#X obj 120 200 list prepend send;
#X obj 120 240 list trim;
#X obj 300 340 oscparse;
#X obj 300 370 print heard;
#X msg 60 40 1;
#X connect 0 0 1 0;
#X connect 1 0 2 0;
#X connect 0 0 12 0;
#X connect 12 0 3 0;
#X connect 3 0 4 0;
#X connect 3 0 5 0;
#X connect 4 0 6 0;
#X connect 5 0 7 0;
#X connect 6 0 8 0;
#X connect 7 0 8 0;
#X connect 8 0 9 0;
#X connect 9 0 2 0;
#X connect 2 1 10 0;
#X connect 10 0 11 0;
"""


@needs_pd
def test_pure_data_asks_and_hears_the_answers(desk: Studio, tmp_path: Path) -> None:
    """Its numbers are floats of 32 bits, which are exact for samples up to six minutes."""
    (tmp_path / "ask.pd").write_text(PATCH.format(port=desk.port), "utf-8")
    with running("pd", "-nogui", "-noaudio", "-nomidi", "-stderr", str(tmp_path / "ask.pd")) as lines:
        check_heard(lines, "pd")
    check_rendered(desk, "12000s-24000s")


SCRIPT = """
var server = NetAddr("127.0.0.1", {port});
thisProcess.addOSCRecvFunc {{ |said, time, from|
    said.postln;
    if (said[0] == '/audiosr/done') {{ 0.exit }};
}};
fork {{
    loop {{
        server.sendMsg("/audiosr/ping", "sc-1");
        server.sendMsg("/audiosr/render", "sc-2", "stems", "{name}", 0, 6000, 48000, "");
        0.25.wait;
    }};
}};
"""


@needs_sclang
def test_supercollider_asks_and_hears_the_answers(desk: Studio, tmp_path: Path) -> None:
    (tmp_path / "ask.scd").write_text(SCRIPT.format(port=desk.port, name=NAME), "utf-8")
    headless = {"QT_QPA_PLATFORM": "offscreen", "QTWEBENGINE_DISABLE_SANDBOX": "1", "HOME": str(tmp_path)}
    with running("sclang", str(tmp_path / "ask.scd"), **headless) as lines:
        check_heard(lines, "sc")
    check_rendered(desk, "0s-6000s")


DATAGRAM = """
const socket = require("dgram").createSocket("udp4");
const text = (words) => Buffer.concat(words.map((word) => {
  const bytes = Buffer.from(word);
  return Buffer.concat([bytes, Buffer.alloc(4 - bytes.length % 4)]);
}));
const seconds = (value) => { const bytes = Buffer.alloc(8); bytes.writeDoubleBE(value); return bytes; };
const ping = text(["/audiosr/ping", ",s", "node-1"]);
const render = Buffer.concat([
  text(["/audiosr/render", ",sssddi", "node-2", "stems", "NAME"]),
  seconds(0.5), seconds(0.25), Buffer.alloc(4),
]);
socket.on("message", (packet) => console.log(packet.toString("utf8").replace(/\\0+/g, " ")));
const say = () => [ping, render].forEach((packet) => socket.send(packet, PORT, "127.0.0.1"));
setInterval(say, 250);
say();
"""


@needs_node
def test_node_asks_and_hears_the_answers(desk: Studio) -> None:
    code = DATAGRAM.replace("PORT", str(desk.port)).replace("NAME", NAME)
    with running("node", "-e", code) as lines:
        check_heard(lines, "node")
    check_rendered(desk, "24000s-36000s")
