"""A whole studio for tests: the queue with a renderer that does as the source says, and its front doors."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import mido
import numpy as np
import soundfile

from audiosr_fx import header_look
from audiosr_fx.jobs.service import Service
from audiosr_fx.jobs.store import JobStore
from hosts.client import OscClient
from hosts.midi import MidiSettings
from hosts.osc import Message
from hosts.server import ServerSettings
from hosts.serving import HostServer, HostSettings

RATE = 48_000
RENDERER = "studio_renderer:render"


@dataclass
class Studio:
    """What runs, and a client of it."""

    folder: Path
    service: Service
    server: HostServer
    client: OscClient

    @property
    def stems(self) -> Path:
        return self.folder / "stems"

    @property
    def port(self) -> int:
        return self.server.osc.port

    def stem(self, name: str, *, frames: int = RATE, channels: int = 1, rate: int = RATE) -> Path:
        """A file of noise, different for every name."""
        path = self.stems / name
        noise = np.random.default_rng(list(name.encode())).standard_normal((frames, channels)) * 0.1
        soundfile.write(path, noise, rate, subtype="PCM_24")
        return path

    def hold(self, name: str) -> Path:
        """Let renders of a file wait until the returned one is gone."""
        path = self.stems / f"{Path(name).stem}.hold"
        path.touch()
        return path

    def renders(self, name: str) -> list[str]:
        """What was rendered of a file: region, splice, seed and preset."""
        path = self.stems / f"{Path(name).stem}.renders"
        return path.read_text().splitlines() if path.exists() else []

    def replies(self, message: Message) -> list[Message]:
        """All that a render is answered, in order."""
        return list(self.client.render(message))


def midi_file(path: Path, *markers: tuple[int, str], tempo: int = 500_000) -> Path:
    """A song of one tempo, in microseconds a quarter note of 480 ticks, with markers at ticks."""
    track, now = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=tempo)]), 0
    for tick, name in markers:
        track.append(mido.MetaMessage("marker", text=name, time=tick - now))
        now = tick
    file = mido.MidiFile(ticks_per_beat=480, charset="utf-8")
    file.tracks.append(track)
    file.save(path)
    return path


@contextmanager
def studio(
    folder: Path,
    *,
    port: int = 0,
    secret: bytes | None = None,
    midi: MidiSettings | None = None,
    tempo_map: Path | None = None,
    http: bool = False,
    renderer: str = RENDERER,
) -> Iterator[Studio]:
    """Everything, from the queue to a client."""
    (folder / "stems").mkdir(exist_ok=True)
    settings = HostSettings(
        roots={"stems": folder / "stems"},
        osc=ServerSettings(port=port, secret=secret),
        http_port=0 if http else None,
        midi=midi,
        tempo_map=tempo_map,
    )
    with JobStore(folder / "state") as store:
        service = Service(store, devices=("cpu",), renderer=renderer)
        server = HostServer(settings, service)
        with service:
            server.start()
            try:
                with OscClient(port=server.osc.port, secret=secret, give_up_s=100.0) as client:
                    yield Studio(folder, service, server, client)
            finally:
                server.stop()


if __name__ == "__main__":
    with studio(Path(sys.argv[1]), port=int(sys.argv[2])):
        idle = [child._process for child in list(header_look._idle)]  # none where what was left is looked at
        waiting = idle[-1] if idle else None
        print("ready", waiting.pid if waiting else 0, flush=True)  # for the first look
        threading.Event().wait()
