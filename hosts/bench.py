"""``python -m hosts.bench``: how quickly the OSC server answers while it renders and while it is flooded.

Everything is real: the queue, the embedded model on a minute of noise, sockets on this machine.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path

import numpy as np
import soundfile

from audiosr_fx.commands.terminal import say
from audiosr_fx.errors import ParameterError
from audiosr_fx.jobs.database import filesystem_of
from audiosr_fx.jobs.service import Service
from audiosr_fx.jobs.store import JobStore
from hosts import protocol
from hosts.client import REPEAT_S, OscClient, render_message
from hosts.log_room import make_room
from hosts.osc import MAX_DATAGRAM, Message, message, parse_packet
from hosts.server import ServerSettings
from hosts.serving import HostServer, HostSettings, answer_at_once
from hosts.turns import take_short_turns

_RATE = 48_000
_PAUSE_S = 0.025
"""Between messages, so that the sender keeps to what it may."""
_SHORT_S = 0.5
_BURST = 20
"""Regions that somebody has selected when the key is pressed."""
_RECORD_BYTES = 700
"""Of a request, as JSON."""
_LIMIT_MS = 10.0
_seeds = itertools.count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Latencies:
    """How long answers took, in milliseconds."""

    count: int
    median_ms: float
    p99_ms: float
    worst_ms: float
    late: int

    def __str__(self) -> str:
        return (
            f"median {self.median_ms:.1f} ms, p99 {self.p99_ms:.1f} ms, worst {self.worst_ms:.1f} ms"
            f" ({self.late} of {self.count} above {_LIMIT_MS:g} ms)"
        )


def latencies(seconds: Sequence[float]) -> Latencies:
    """Sum measured times up."""
    times = np.sort(np.array(seconds)) * 1000
    return Latencies(
        count=len(times),
        median_ms=float(np.median(times)),
        p99_ms=float(np.quantile(times, 0.99)),
        worst_ms=float(times[-1]),
        late=int(np.sum(times > _LIMIT_MS)),
    )


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description="How quickly the OSC server answers.")
    parser.add_argument("--requests", type=int, default=300, help="messages to time in each part")
    parser.add_argument("--flood", type=float, default=5.0, help="seconds of flood")
    parser.add_argument("--rate", type=int, default=10_000, help="packets a second of it")
    options = parser.parse_args()
    if min(options.requests, options.flood, options.rate) <= 0:
        raise ParameterError("requests, flood and rate must be above 0")
    _say_machine()
    with tempfile.TemporaryDirectory() as folder, _serving(Path(folder)) as (pipe, process):
        stems = Path(folder) / "stems"
        known, port = _noise(stems / "known.wav", _SHORT_S), pipe.recv()
        with _Sender(port) as sender:
            say(f"pings, idle: {_pings(sender, options.requests)}")
            _render_something_long(port, _noise(stems / "long.wav", 120.0))
            say(f"pings while a render runs: {_pings(sender, options.requests)}")
            with _Disk(Path(folder)) as disk:
                _compare("of a known file", sender, itertools.repeat(known), disk, options.requests)
                _compare(
                    "of files never seen before",
                    sender,
                    _copies(known, options.requests),
                    disk,
                    options.requests,
                )
            say(f"{_BURST} renders at once, acknowledged: {_burst(port, known)}")
            before_mb = _resident_mb(process.pid)
            with _flood(port, options.rate, options.flood):
                count = max(10, int(options.flood / _PAUSE_S / 4))
                say(f"pings during a flood of {options.rate} packets a second: {_pings(sender, count)}")
            pipe.send("counts")
            counts = pipe.recv()
            say(f"taken, refused, over the limit: {counts}")
            say(f"memory: {before_mb:.0f} MB before the flood, {_resident_mb(process.pid):.0f} MB after")
    _say_machine()


def _say_machine() -> None:
    """What else shares the processors, and where the queue's files lie."""
    folder = Path(tempfile.gettempdir())
    table = Path("/proc/self/mountinfo")
    kind = filesystem_of(folder, table.read_text()) if table.exists() else "unknown"
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    say(f"machine: {os.cpu_count()} processors, load {load}; {folder} on {kind}")


@contextmanager
def _serving(folder: Path) -> Iterator[tuple[Connection, SpawnProcess]]:
    """A server in a process of its own; its pipe says the port, then its counts when asked."""
    (folder / "stems").mkdir()
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(folder, theirs))
    process.start()
    theirs.close()  # so that its end is heard here
    try:
        yield ours, process
    finally:
        ours.close()
        process.join()


def _serve(folder: Path, pipe: Connection) -> None:
    answer_at_once()
    settings = HostSettings(roots={"stems": folder / "stems"}, osc=ServerSettings(port=0))
    with ExitStack() as stack:
        store = stack.enter_context(JobStore(folder / "state"))
        service = Service(store, devices=("cpu",))
        server = HostServer(settings, service)
        stack.enter_context(service)
        server.start()
        stack.callback(server.stop)
        pipe.send(server.osc.port)
        with suppress(EOFError):
            while pipe.recv():
                counts = server.osc.counts
                pipe.send((counts.taken, counts.refused, counts.limited))


def _noise(path: Path, seconds: float) -> Path:
    """White noise cut off at 6 kHz by leaving out bins."""
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(round(seconds * _RATE)) * 0.1)
    spectrum[round(6_000 * seconds) :] = 0
    soundfile.write(path, np.fft.irfft(spectrum), _RATE, subtype="PCM_24")
    return path


def _render_something_long(port: int, stem: Path) -> None:
    """It is under way when this returns, and rendered to its end."""
    with OscClient(port=port) as client:
        for reply in client.render(render_message(str(stem), options=("quality=best",))):
            if reply.arguments[3:] == ("running",):
                return


class _Sender:
    """A socket that says a thing and waits for the answer, as short of ways of its own as can be."""

    def __init__(self, port: int) -> None:
        take_short_turns()  # its own waiting for a processor is not what is measured
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", port))
        self._socket.settimeout(REPEAT_S)

    def __enter__(self) -> _Sender:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, said: Message) -> float:
        """How many seconds pass before the first answer; what is lost is said again meanwhile."""
        packet, started = said.encode(), time.perf_counter()
        while True:
            with suppress(TimeoutError):
                self._socket.send(packet)
                while True:
                    (reply,) = parse_packet(self._socket.recv(MAX_DATAGRAM))
                    if reply.arguments[0] == said.arguments[0]:
                        assert reply.address != protocol.ERROR, reply.arguments
                        return time.perf_counter() - started


def _pings(sender: _Sender, count: int) -> Latencies:
    taken = []
    for number in range(count):
        taken.append(sender.ask(message("/audiosr/ping", f"p-{number}-{time.perf_counter()}")))
        time.sleep(_PAUSE_S)
    return latencies(taken)


class _Disk:
    """The least that an acknowledgement waits for: a record is on the disk, in room that was made before."""

    def __init__(self, folder: Path) -> None:
        path = folder / "records"
        path.touch()
        make_room(path, 4 << 20)
        self._stream = path.open("r+b", buffering=0)

    def __enter__(self) -> _Disk:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def write(self) -> float:
        """Write a record through; how long it took, in seconds."""
        started = time.perf_counter()
        self._stream.write(bytes(_RECORD_BYTES))
        (os.fdatasync if hasattr(os, "fdatasync") else os.fsync)(self._stream.fileno())
        return time.perf_counter() - started


def _compare(what: str, sender: _Sender, stems: Iterable[Path], disk: _Disk, count: int) -> None:
    """Acknowledgements of distinct renders, which are then left to the queue, and in turn the disk alone."""
    acknowledged, written = [], []
    for stem in itertools.islice(stems, count):
        said = render_message(str(stem), options=(f"seed={next(_seeds)}",))
        acknowledged.append(sender.ask(said))
        time.sleep(_PAUSE_S / 2)
        written.append(disk.write())
        time.sleep(_PAUSE_S / 2)
    ours, least = latencies(acknowledged), latencies(written)
    say(f"renders {what} acknowledged while a render runs: {ours}")
    say(f"  this disk alone meanwhile, one record: {least}")
    say(
        f"  beyond the disk: {_beyond(ours.median_ms, least.median_ms)} at the median,"
        f" {_beyond(ours.p99_ms, least.p99_ms)} at p99"
    )


def _beyond(ours_ms: float, least_ms: float) -> str:
    return f"{ours_ms - least_ms:+.1f} ms ({ours_ms / least_ms:.1f} times)"


def _copies(stem: Path, count: int) -> list[Path]:
    """Files of one content that are on the disk: one still on its way would be waited for with the ledger."""
    copies = [shutil.copyfile(stem, stem.with_name(f"new-{number}.wav")) for number in range(count)]
    os.sync()
    return copies


def _burst(port: int, stem: Path) -> Latencies:
    """As a script that sends them all before it listens; each is timed from the first on."""
    taken: list[float] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", port))
        sender.settimeout(10.0)
        started = time.perf_counter()
        for _ in range(_BURST):
            sender.send(render_message(str(stem), options=(f"seed={next(_seeds)}",)).encode())
        while len(taken) < _BURST:
            (reply,) = parse_packet(sender.recv(MAX_DATAGRAM))
            if reply.address == protocol.ACCEPTED:
                taken.append(time.perf_counter() - started)
    return latencies(taken)


@contextmanager
def _flood(port: int, rate: int, seconds: float) -> Iterator[None]:
    """Good and bad packets from one port of another process, so many a second for so long."""
    process = multiprocessing.get_context("spawn").Process(target=_send_flood, args=(port, rate, seconds))
    process.start()
    time.sleep(1.0)
    yield
    process.join()


def _send_flood(port: int, rate: int, seconds: float) -> None:
    packets = (message("/audiosr/ping", "flood").encode(), b"/audiosr/*\0\0,\0\0\0", b"junk")
    started, sent = time.perf_counter(), 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        while (passed := time.perf_counter() - started) < seconds + 1.0:
            for _ in range(int(passed * rate) - sent):
                with suppress(OSError):
                    sender.sendto(packets[sent % len(packets)], ("127.0.0.1", port))
                sent += 1
            time.sleep(0.001)


def _resident_mb(process: int | None) -> float:
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except OSError:
        return float("nan")
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
