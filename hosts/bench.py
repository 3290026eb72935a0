"""``python -m hosts.bench``: how quickly the OSC server answers while it renders and while it is flooded.

Everything is real: the queue, the embedded model on a minute of noise, sockets on this machine.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path

import numpy as np
import soundfile

from audiosr_fx.errors import ParameterError
from audiosr_fx.jobs.service import Service
from audiosr_fx.jobs.store import JobStore
from hosts.client import OscClient, render_message
from hosts.osc import message
from hosts.server import ServerSettings
from hosts.serving import HostServer, HostSettings, answer_at_once

_RATE = 48_000
_PAUSE_S = 0.025
"""Between messages, so that the sender keeps to what it may."""
_SHORT_S = 0.5
_REQUEST_BYTES = 6 * 4096
"""Of the ledger's log: pages of a table and its indexes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latencies:
    """How long answers took, in milliseconds."""

    count: int
    median_ms: float
    p99_ms: float
    worst_ms: float

    def __str__(self) -> str:
        return (
            f"{self.count} messages: median {self.median_ms:.1f} ms, p99 {self.p99_ms:.1f} ms,"
            f" worst {self.worst_ms:.1f} ms"
        )


def latencies(seconds: list[float]) -> Latencies:
    """Sum measured times up."""
    times = np.sort(np.array(seconds)) * 1000
    return Latencies(
        count=len(times),
        median_ms=float(np.median(times)),
        p99_ms=float(np.quantile(times, 0.99)),
        worst_ms=float(times[-1]),
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
    with tempfile.TemporaryDirectory() as folder, _serving(Path(folder)) as (pipe, process):
        stems = Path(folder) / "stems"
        stem, port = _noise(stems / "short.wav", _SHORT_S), pipe.recv()
        with OscClient(port=port) as client:
            _say(f"pings, idle: {_pings(client, options.requests)}")
            _render_something_long(client, _noise(stems / "long.wav", 120.0))
            _say(f"pings while a render runs: {_pings(client, options.requests)}")
            _say(
                f"this disk alone, a write of what a request takes: {_syncs(Path(folder), options.requests)}"
            )
            _say(f"renders acknowledged while a render runs: {_renders(client, stem, options.requests)}")
            before_mb = _resident_mb(process.pid)
            with _flood(port, options.rate, options.flood):
                count = max(10, int(options.flood / _PAUSE_S / 4))
                _say(f"pings during a flood of {options.rate} packets a second: {_pings(client, count)}")
            pipe.send("counts")
            counts = pipe.recv()
            _say(f"taken, refused, over the limit: {counts}")
            _say(f"memory: {before_mb:.0f} MB before the flood, {_resident_mb(process.pid):.0f} MB after")


@contextmanager
def _serving(folder: Path) -> Iterator[tuple[Connection, SpawnProcess]]:
    """A server in a process of its own; its pipe says the port, then its counts when asked."""
    (folder / "stems").mkdir()
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(folder, theirs))
    process.start()
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


def _render_something_long(client: OscClient, stem: Path) -> None:
    for reply in client.render(render_message(str(stem), options=("quality=best",))):
        if reply.arguments[3:] == ("running",):
            return


def _pings(client: OscClient, count: int) -> Latencies:
    taken = []
    for number in range(count):
        started = time.perf_counter()
        client.ask(message("/audiosr/ping", f"p-{number}-{started}"), lambda replies: True)
        taken.append(time.perf_counter() - started)
        time.sleep(_PAUSE_S)
    return latencies(taken)


def _syncs(folder: Path, count: int) -> Latencies:
    """What an acknowledgement waits for at least, as it may be sent only once the request is on the disk."""
    taken = []
    with (folder / "syncs").open("wb", buffering=0) as stream:
        for _ in range(count):
            started = time.perf_counter()
            stream.write(bytes(_REQUEST_BYTES))
            (os.fdatasync if hasattr(os, "fdatasync") else os.fsync)(stream.fileno())
            taken.append(time.perf_counter() - started)
            time.sleep(_PAUSE_S)
    return latencies(taken)


def _renders(client: OscClient, stem: Path, count: int) -> Latencies:
    """Distinct requests, each timed up to its acknowledgement, then left to the queue."""
    taken = []
    for number in range(count):
        said = render_message(str(stem), options=(f"seed={number}",), request=f"bench-{number}")
        started = time.perf_counter()
        for _ in client.render(said):
            break
        taken.append(time.perf_counter() - started)
        time.sleep(_PAUSE_S)
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


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
