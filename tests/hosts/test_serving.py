"""The server among hostile and unlucky senders: floods, lost packets, replays, and a kill in mid-render."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from osc_packets import mutated_packets
from ports import port_to_tell
from studio import Studio, studio

from audiosr_fx import header_look
from audiosr_fx.errors import ParameterError
from hosts.bridge import Bridge
from hosts.client import NoAnswer, OscClient, render_message
from hosts.config import read_config
from hosts.limits import Rates
from hosts.osc import Message, message, parse_packet
from hosts.peers import Peer
from hosts.receipts import receipt_path
from hosts.server import OscServer, ServerSettings
from hosts.serving import HostSettings
from hosts.signing import sign
from hosts.watching import WatchPart
from watchfolder.studio import read_studio

TESTS = Path(__file__).parent.parent
SECRET = b"0123456789abcdef"


@pytest.fixture
def server() -> Iterator[OscServer]:
    running = OscServer(
        ServerSettings(port=0, rates=Rates(per_source=1e6, burst=1e6, total=1e6, total_burst=1e6))
    )
    running.start()
    yield running
    running.stop()


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def next_message(server: OscServer) -> Message:
    with server.received.next(60) as received:
        assert received is not None
        return received[0]


def storm(server: OscServer, count: int, caplog: pytest.LogCaptureFixture) -> None:
    """Send hostile packets, a good one in between; none is answered or makes a traceback."""
    with (
        caplog.at_level(logging.WARNING),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        sender.settimeout(60)
        sender.connect(("127.0.0.1", server.port))
        for number, packet in enumerate(mutated_packets(count, random.Random(4)), 1):
            with contextlib.suppress(OSError):  # larger than a datagram can be
                sender.send(packet)
            if number % 100 == 0:
                sender.send(message("/audiosr/ping", f"good-{number}").encode())
                while next_message(server).arguments != (f"good-{number}",):
                    pass
        sender.setblocking(False)
        with pytest.raises(BlockingIOError):
            sender.recv(100)
    assert caplog.records == []
    assert server.counts.refused > count / 3


def test_hostile_packets_are_neither_answered_nor_logged(
    server: OscServer, caplog: pytest.LogCaptureFixture
) -> None:
    storm(server, 5_000, caplog)


def test_a_fault_of_its_own_silences_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    handle = Bridge.handle

    def faulty(bridge: Bridge, said: Message, peer: Peer) -> None:
        if said.arguments == ("fault",):
            raise IndexError("tuple index out of range")
        handle(bridge, said, peer)

    monkeypatch.setattr(Bridge, "handle", faulty)
    with studio(tmp_path) as desk:
        for _ in range(20):  # more than there are threads
            desk.client.send(message("/audiosr/ping", "fault"))
        reply = desk.client.ask(message("/audiosr/ping", "good"))[0]
    assert reply.arguments[0] == "good"
    assert "a fault while a message was handled; the server goes on" in caplog.messages


def test_a_file_that_hangs_holds_up_its_own_sender_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(header_look, "LOOK_S", 300.0)
    with studio(tmp_path) as desk, OscClient(port=desk.port, give_up_s=120.0) as other:
        with first_look_hangs():
            said = [render_message(str(desk.stem(f"{word}.wav")), request=word) for word in ("stuck", "next")]
            for each in said:
                assert desk.client.ask(each)[0].address == "/audiosr/accepted"
            replies = list(other.render(render_message(str(desk.stem("free.wav")), request="free")))
            assert replies[-1].address == "/audiosr/done"
            counts = other.ask(message("/audiosr/status", ""))[0]
            assert counts.arguments[2:] == (2, 0, 1, 0)
        for each in said:
            assert desk.replies(each)[-1].address == "/audiosr/done"


def test_a_request_is_cancelled_while_its_file_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(header_look, "LOOK_S", 300.0)
    with studio(tmp_path) as desk:
        said = render_message(str(desk.stem("away.wav")), request="away", options=("receipt=yes",))
        with first_look_hangs():
            accepted = desk.client.ask(said)[0]
            desk.client.send(message("/audiosr/cancel", "away"))
            error = desk.replies(said)[-1]
        assert (error.address, error.arguments) == ("/audiosr/error", (*accepted.arguments, "cancelled"))
        assert desk.replies(render_message(str(desk.stem("after.wav"))))[-1].address == "/audiosr/done"
        assert desk.replies(said) == [accepted, error]
        assert receipt_path(desk.stems / "away.wav", "away").read_text().splitlines()[3] == "cancelled"
        assert len(desk.service.store.jobs()) == 1


@contextlib.contextmanager
def first_look_hangs() -> Iterator[None]:
    """Stop the process that waits for the first look, as a file does that hangs its decoder."""
    process = header_look._idle[-1]._process
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGCONT)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc for the memory")
def test_a_hundred_thousand_of_them_leave_memory_flat(
    server: OscServer, caplog: pytest.LogCaptureFixture
) -> None:
    storm(server, 10_000, caplog)
    before = resident_mb()
    storm(server, 90_000, caplog)
    assert resident_mb() - before < 20


def test_a_good_sender_is_heard_while_another_floods(tmp_path: Path) -> None:
    with studio(tmp_path) as desk, flooding(desk.port) as sent:
        for number in range(20):
            said = message("/audiosr/ping", f"calm-{number}")
            assert desk.client.ask(said)[0].address == "/audiosr/pong"
        assert sent[0] > 0
        counts = desk.server.osc.counts
        assert counts.taken < counts.limited + counts.refused


@contextlib.contextmanager
def flooding(port: int) -> Iterator[list[int]]:
    """Somebody who sends good and bad packets as fast as it goes, from one port."""
    stop, sent = threading.Event(), [0]

    def run() -> None:
        good = message("/audiosr/ping", "flood").encode()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not stop.is_set():
                for packet in (good, b"/audiosr/*\0\0,\0\0\0", b"junk"):
                    with contextlib.suppress(OSError):
                        sender.sendto(packet, ("127.0.0.1", port))
                sent[0] += 3

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield sent
    finally:
        stop.set()
        thread.join()


class LossyNetwork:
    """Between a client and a server: drops, doubles and reorders packets, both ways."""

    def __init__(self, port: int, seed: int) -> None:
        self._outside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._outside.bind(("127.0.0.1", 0))
        self.port = self._outside.getsockname()[1]
        self._inside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._inside.connect(("127.0.0.1", port))
        self._chance = random.Random(seed)
        self._late: list[tuple[socket.socket, bytes]] = []
        self._client: tuple[str, int] | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self.dropped = 0

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        self._outside.close()
        self._inside.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            ready, _, _ = select.select([self._outside, self._inside], [], [], 0.1)
            for arrived in ready:
                data, sender = arrived.recvfrom(9000)
                if arrived is self._outside:
                    self._client = sender
                onward = self._inside if arrived is self._outside else self._outside
                fate = self._chance.random()
                if fate < 0.5:
                    self.dropped += 1
                elif fate < 0.7:
                    self._late.append((onward, data))
                    continue
                else:
                    for _ in range(2 if fate < 0.85 else 1):
                        self._pass(onward, data)
                for late in self._late:
                    self._pass(*late)
                self._late.clear()

    def _pass(self, onward: socket.socket, data: bytes) -> None:
        if onward is self._inside:
            onward.send(data)
        elif self._client is not None:
            onward.sendto(data, self._client)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_lost_doubled_and_reordered_packets_end_in_one_job(seed: int, tmp_path: Path) -> None:
    with studio(tmp_path) as desk:
        network = LossyNetwork(desk.port, seed)
        desk.stem("far.wav")
        try:
            with OscClient(port=network.port, give_up_s=90) as client:
                replies = list(client.render(render_message(str(desk.stems / "far.wav"))))
        finally:
            network.close()
        assert replies[-1].address == "/audiosr/done"
        assert network.dropped > 0
        assert len(desk.renders("far.wav")) == 1
        assert len(desk.service.store.jobs()) == 1


@contextlib.contextmanager
def killable(folder: Path, port: int) -> Iterator[int]:
    """A studio in a process that ends without warning; gives that of its first look, 0 where none waits."""
    with subprocess.Popen(
        [sys.executable, "-m", "studio", str(folder), str(port)],
        cwd=TESTS,
        env={**os.environ, "PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}"},
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout is not None
            word, looker = process.stdout.readline().split()
            assert word == b"ready"
            yield int(looker)
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def files_of_a_studio(folder: Path) -> Studio:
    """For what is served by another process, which can be killed."""
    (folder / "stems").mkdir()
    return Studio(folder, None, None, None)  # type: ignore[arg-type] # only its files


@pytest.mark.slow
def test_a_render_completes_and_is_told_after_the_service_was_killed(tmp_path: Path) -> None:
    port = port_to_tell()
    desk = files_of_a_studio(tmp_path)
    desk.stem("unlucky.wav")
    hold = desk.hold("unlucky.wav")
    heard: list[Message] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(300)
        with killable(tmp_path, port):
            said = render_message(str(desk.stems / "unlucky.wav"), request="unlucky-1")
            listener.sendto(said.encode(), ("127.0.0.1", port))
            while not any(each.arguments[2:] == (0.5, "running") for each in heard):
                heard.extend(parse_packet(listener.recv(9000)))
        hold.unlink()
        with killable(tmp_path, port):
            while heard[-1].address != "/audiosr/done":
                heard.extend(parse_packet(listener.recv(9000)))
    assert {each.arguments[0] for each in heard} == {"unlucky-1"}
    assert {each.arguments[1] for each in heard} == {"osc-1"}
    assert Path(str(heard[-1].arguments[2])).is_file()
    assert len(desk.renders("unlucky.wav")) == 2


@pytest.mark.slow
def test_a_file_is_looked_at_after_the_service_was_killed_before_it_could(tmp_path: Path) -> None:
    port = port_to_tell()
    desk = files_of_a_studio(tmp_path)
    desk.stem("good.wav")
    (desk.stems / "text.wav").write_text("no audio")
    said = [
        render_message(f"{word}.wav", root="stems", request=word, options=("receipt=yes",))
        for word in ("good", "text")
    ]
    heard: list[Message] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(300)
        with contextlib.ExitStack() as afterwards, killable(tmp_path, port) as looker:
            assert looker > 0
            afterwards.callback(os.kill, looker, signal.SIGKILL)
            os.kill(looker, signal.SIGSTOP)
            for each in said:
                listener.sendto(each.encode(), ("127.0.0.1", port))
                heard.extend(parse_packet(listener.recv(9000)))
        assert [each.address for each in heard] == ["/audiosr/accepted"] * 2
        names = {each.arguments[0]: each.arguments[1] for each in heard}
        ends: dict[object, Message] = {}
        with killable(tmp_path, port):
            while len(ends) < 2:
                for each in parse_packet(listener.recv(9000)):
                    assert each.arguments[1] == names[each.arguments[0]]
                    if each.address in ("/audiosr/done", "/audiosr/error"):
                        assert ends.setdefault(each.arguments[0], each) is each, "an end is told once"
    assert (ends["good"].address, ends["text"].address) == ("/audiosr/done", "/audiosr/error")
    assert "cannot be read as audio" in str(ends["text"].arguments[2])
    for word, end in ends.items():
        receipt = receipt_path(desk.stems / "good.wav", str(word)).read_text()
        assert receipt.splitlines() == [end.address, *map(str, end.arguments)]
    assert len(desk.renders("good.wav")) == 1


def test_with_a_secret_only_signed_messages_are_answered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with studio(tmp_path, secret=SECRET) as desk:
        desk.stem("signed.wav")
        said = render_message(str(desk.stems / "signed.wav"))
        assert desk.replies(said)[-1].address == "/audiosr/done"
        with (
            OscClient(port=desk.port, give_up_s=1.0) as stranger,
            pytest.raises(NoAnswer, match="takes signed messages only: --secret FILE"),
        ):
            stranger.ask(message("/audiosr/ping", "hello"))
        other = OscClient(port=desk.port, give_up_s=1.0, secret=b"another secret of enough bytes")
        with other, pytest.raises(NoAnswer, match="another secret or another time"):
            other.ask(message("/audiosr/ping", "hello"))
        complaints = [record.message for record in caplog.records if "not heard" in record.message]
        assert complaints == ["not heard, from 127.0.0.1: a message is not signed"], "one a minute"


def test_a_message_that_was_overheard_is_not_taken_again_after_a_restart(
    tmp_path: Path,
) -> None:
    packet = sign(message("/audiosr/ping", "once"), SECRET).encode()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.settimeout(90)
        server = ("127.0.0.1", port_to_tell())
        with studio(tmp_path, port=server[1], secret=SECRET) as desk:
            sender.sendto(packet, server)
            assert parse_packet(sender.recv(9000))[0].arguments[0] == "once"
        for _ in range(2):
            with studio(tmp_path, port=server[1], secret=SECRET) as desk:
                sender.sendto(packet, server)
                sender.sendto(sign(message("/audiosr/ping", "next"), SECRET).encode(), server)
                assert parse_packet(sender.recv(9000))[0].arguments[0] == "next"
                assert desk.server.osc.counts.refused == 1


def test_watched_folders_and_osc_share_one_queue(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "studio.toml").write_text(
        'schema = 1\n[roots]\nstems = "stems"\n[[folder]]\ninput = "in"\noutput = "out"\nsettle_s = 0\n'
        "scan_s = 0.1\nalbum = false\n"
    )
    with studio(tmp_path) as desk:
        assert read_config(tmp_path / "studio.toml").has_folders
        watch = WatchPart(read_studio(tmp_path / "studio.toml"), desk.service)
        watch.start()
        try:
            stem = desk.stem("both.wav")
            assert desk.replies(render_message(str(stem)))[-1].address == "/audiosr/done"
            os.replace(stem, tmp_path / "in" / "both.wav")
            while "done" not in [event.new for event in desk.service.store.events(job=2)]:
                desk.service.events(desk.service.store.last_event(), wait_s=1.0)
        finally:
            watch.stop()
    assert [path.suffix for path in (tmp_path / "out").iterdir() if path.suffix == ".wav"] == [".wav"]


def test_other_machines_need_both_a_switch_and_a_secret() -> None:
    for settings in ({}, {"allow_remote": True}, {"secret": SECRET}):
        with pytest.raises(ParameterError, match="--allow-remote and --secret"):
            ServerSettings(host="0.0.0.0", **settings)  # type: ignore[arg-type]
    assert ServerSettings(host="0.0.0.0", allow_remote=True, secret=SECRET).host == "0.0.0.0"
    assert SECRET.decode() not in repr(ServerSettings(secret=SECRET))
    with pytest.raises(ParameterError, match="expected an IP address"):
        ServerSettings(host="localhost")


def test_a_taken_port_and_no_root_are_said() -> None:
    first = OscServer(ServerSettings(port=0))
    try:
        with pytest.raises(ParameterError, match=r"is another server running.*--osc-port"):
            OscServer(ServerSettings(port=first.port))
    finally:
        first.stop()
    with pytest.raises(ParameterError, match="name one with --root DIR"):
        HostSettings(roots={})
