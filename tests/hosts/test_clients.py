"""Programs that know nothing of this project speak to the server, and hear it."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from studio import studio

needs_liblo = pytest.mark.skipif(
    shutil.which("oscsend") is None or shutil.which("oscdump") is None,
    reason="needs oscsend and oscdump: apt-get install liblo-tools",
)


@needs_liblo
def test_liblo_asks_and_hears_the_answers(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        reply_port = probe.getsockname()[1]
    with (
        studio(tmp_path) as desk,
        subprocess.Popen(
            ["stdbuf", "-oL", "oscdump", "-L", str(reply_port)], stdout=subprocess.PIPE, text=True
        ) as dump,
    ):
        try:
            desk.stem("Gläser 1.wav")
            words = ["liblo-1", "stems", "Gläser 1.wav", "0.25", "0.5", "0", "", f"reply_port={reply_port}"]
            server = f"osc.udp://127.0.0.1:{desk.port}"
            command = ["oscsend", server, "/audiosr/render", "sssddiss", *words]
            lines: list[str] = []
            for _ in range(100):  # oscdump may not listen yet; a repeated request is harmless
                subprocess.run(command, check=True)
                state = desk.server.bridge.counts()
                if state["done"] == 1:
                    break
                desk.service.events(desk.service.store.last_event(), wait_s=1.0)
            subprocess.run(command, check=True)
            assert dump.stdout is not None
            while not lines or "/audiosr/done" not in lines[-1]:
                lines.append(dump.stdout.readline())
        finally:
            dump.terminate()
    assert "liblo-1" in lines[-1]
    assert "restored" in lines[-1]
    assert [line.split()[0] for line in desk.renders("Gläser 1.wav")] == ["12000s-36000s"]
