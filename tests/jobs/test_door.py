from __future__ import annotations

import json
import os
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from job_orders import FAKE, make_order, new_order, new_source

from audiosr_fx.errors import AudioFormatError, JobError, MessageError
from audiosr_fx.jobs import client as client_module
from audiosr_fx.jobs import door as door_module
from audiosr_fx.jobs.client import Client
from audiosr_fx.jobs.door import ADDRESS_FILE, MAX_LINE, Door, socket_path
from audiosr_fx.jobs.request import RenderRequest
from audiosr_fx.jobs.service import Service
from audiosr_fx.jobs.states import State
from audiosr_fx.jobs.store import JobStore

WAIT_S = 60.0


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with JobStore(tmp_path / "state") as store, Service(store, renderer=FAKE) as started:
        yield started


@pytest.fixture
def door(service: Service) -> Iterator[Door]:
    with Door(service) as opened:
        yield opened


def client_of(tmp_path: Path) -> Client:
    return Client(tmp_path / "state")


def left_by_a_killed_service(service: Service) -> Path:
    """The address of a door that is gone, as it stays after a kill."""
    path = service.store.folder / ADDRESS_FILE
    with Door(service):
        address = path.read_text()
    path.write_text(address)
    return path


def followed(client: Client, job: int) -> dict[str, Any]:
    """Follow a job to its end, as the command line does."""
    last, end = 0, time.monotonic() + WAIT_S
    while time.monotonic() < end:
        for event in client.events(last, job=job, wait_s=5.0):
            last = event["id"]
            if event["new"] in ("done", "failed", "cancelled"):
                return client.show(job)
    raise AssertionError("it did not end")


def test_a_request_goes_through_the_door_and_can_be_followed(
    tmp_path: Path, service: Service, door: Door
) -> None:
    client = client_of(tmp_path)
    request = RenderRequest(
        source=new_source(tmp_path / "in", "a.wav", b"plain"),
        folder=tmp_path / "out",
        output_name="a.wav",
        preset="loudness-only",
        origin="osc",
        tag="region 1",
    )
    told = client.submit(request)
    assert told["outcome"] == "queued"
    job = followed(client, told["job"]["id"])
    assert (job["state"], job["origin"], job["tag"]) == ("done", "osc", "region 1")
    assert [event["new"] for event in job["events"]] == ["queued", "running", "publishing", "done"]
    assert client.submit(request)["outcome"] == "repeated"
    status = client.status()
    assert status is not None
    assert status["jobs"]["done"] == 1


def test_errors_come_through_as_what_they_are(tmp_path: Path, door: Door) -> None:
    client = client_of(tmp_path)
    with pytest.raises(JobError, match="there is no job 7"):
        client.show(7)
    request = RenderRequest(
        source=tmp_path / "none.wav", folder=tmp_path, output_name="a.wav", preset="podcast"
    )
    with pytest.raises(AudioFormatError, match="cannot be read"):
        client.submit(request)


def test_jobs_can_be_managed_with_a_service_and_without_one(tmp_path: Path) -> None:
    client = client_of(tmp_path)
    assert client.jobs() == []
    assert client.last_event() == 0
    assert client.status() is None
    with JobStore(tmp_path / "state") as store:
        for name in ("a", "b", "c"):
            store.submit(new_order(tmp_path, f"{name}.wav", name.encode()))
        assert [job["id"] for job in client.jobs()] == [1, 2, 3]  # another process owns it: looking is free
        with pytest.raises(JobError, match="in use by process"):
            client.cancel(1)
    assert client.cancel(1)["state"] == "cancelled"
    assert client.retry(1)["state"] == "queued"
    assert client.cancel(2)["state"] == "cancelled"
    assert client.clear([State.CANCELLED]) == 1
    assert [job["id"] for job in client.jobs([State.QUEUED])] == [1, 3]
    with JobStore(tmp_path / "state") as store, Service(store, renderer=FAKE) as service, Door(service):
        assert service.drain(WAIT_S)
        assert client.clear([State.DONE], []) == 2
        assert client.jobs() == []
    with pytest.raises(JobError, match="no service runs"):
        client.submit(RenderRequest(source=tmp_path / "a", folder=tmp_path, output_name="a.wav"))


def test_only_the_owner_may_open_the_door(tmp_path: Path, door: Door) -> None:
    told = json.loads((tmp_path / "state" / ADDRESS_FILE).read_text())
    for path in (Path(told["address"]), tmp_path / "state" / ADDRESS_FILE):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
    assert len(told["secret"]) == 48


def test_to_open_a_door_changes_the_mode_of_no_other_file(
    tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The umask is the whole process's: a worker that starts meanwhile would keep a changed one."""
    asked: list[int] = []
    monkeypatch.setattr(os, "umask", asked.append)
    with Door(service):
        pass
    assert asked == []


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the mode is set after the socket is there")
def test_a_door_is_never_open_to_others_not_even_for_a_moment(
    tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "chmod", lambda *_: None)
    with Door(service):
        assert stat.S_IMODE(socket_path(tmp_path / "state").stat().st_mode) & 0o077 == 0


def test_a_door_that_cannot_be_told_of_leaves_nothing(tmp_path: Path, service: Service) -> None:
    (tmp_path / "state" / ADDRESS_FILE).mkdir()
    with pytest.raises(OSError, match="directory"):
        Door(service)
    assert not socket_path(tmp_path / "state").exists()


def test_an_address_that_a_killed_service_left_counts_for_nothing(tmp_path: Path, service: Service) -> None:
    left_by_a_killed_service(service)
    request = RenderRequest(
        source=new_source(tmp_path / "in", "a.wav", b"plain"), folder=tmp_path / "out", output_name="a.wav"
    )
    with pytest.raises(JobError, match="no service runs"):
        client_of(tmp_path).submit(request)
    with Door(service):  # the next one takes the place of what was left
        assert client_of(tmp_path).submit(request)["outcome"] == "queued"


def test_nobody_is_let_in_before_the_secret_of_a_new_door_is_told(
    tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_by_a_killed_service(service)
    told: list[object] = []
    write = door_module.write_through

    def ask_first(path: Path, *more: Any) -> None:
        assert socket_path(tmp_path / "state").exists(), "it is bound already"
        told.append(client_of(tmp_path).status())
        write(path, *more)

    monkeypatch.setattr(door_module, "write_through", ask_first)
    with Door(service):
        assert client_of(tmp_path).status() is not None
    assert told == [None]


def test_whoever_read_the_address_of_a_door_before_the_next_one_opened_is_answered(
    tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_by_a_killed_service(service)
    opened: list[Door] = []
    connect = client_module._connect

    def connect_late(address: object) -> socket.socket:
        if not opened:
            opened.append(Door(service))
        return connect(address)

    monkeypatch.setattr(client_module, "_connect", connect_late)
    try:
        assert client_of(tmp_path).last_event() == 0
        assert client_of(tmp_path).status() is not None
    finally:
        opened[0].close()


def test_a_secret_that_stays_wrong_is_told(tmp_path: Path, service: Service, door: Door) -> None:
    path = tmp_path / "state" / ADDRESS_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), "secret": "another"}))
    with pytest.raises(MessageError, match="secret of this door is missing or wrong"):
        client_of(tmp_path).status()


@pytest.mark.parametrize("hears", [True, False])
def test_a_service_that_ends_amid_a_question_is_as_none(tmp_path: Path, hears: bool) -> None:
    with JobStore(tmp_path / "state") as store:
        job = store.submit(new_order(tmp_path)).job
    assert job is not None

    def end(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            if hears:
                connection.recv(1 << 16)

    with socket.create_server(("127.0.0.1", 0)) as server:
        address = {"address": server.getsockname(), "secret": "s"}
        (tmp_path / "state" / ADDRESS_FILE).write_text(json.dumps(address), "ascii")
        client = client_of(tmp_path)
        asked: list[Callable[[], Any]] = [
            client.jobs,
            lambda: client.events(0),
            lambda: [client.show(job.id)],
        ]
        for ask in asked:
            ending = threading.Thread(target=end, args=(server,))
            ending.start()
            assert len(ask()) == 1
            ending.join(WAIT_S)


def test_a_long_path_moves_the_socket_but_not_the_queue(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 20) / ("name" * 20)
    with JobStore(folder) as store, Service(store, renderer=FAKE) as service, Door(service):
        request = RenderRequest(
            source=new_source(tmp_path / "in", "a.wav", b"plain"),
            folder=tmp_path / "out",
            output_name="a.wav",
        )
        assert Client(folder).submit(request)["outcome"] == "queued"
        assert len(os.fsencode(socket_path(folder))) <= 100
        assert stat.S_IMODE(socket_path(folder).parent.stat().st_mode) == 0o700
    assert not socket_path(folder).exists()


def raw(tmp_path: Path, content: bytes) -> bytes:
    """What the door answers to bytes."""
    address = json.loads((tmp_path / "state" / ADDRESS_FILE).read_text())["address"]
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(WAIT_S)
        connection.connect(address)
        connection.sendall(content)
        with connection.makefile("rb") as stream:
            return stream.readline()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"not json\n", "is no JSON"),
        (b"[]\n", "no object"),
        (b"{}\n", "secret"),
        (b'{"secret": "x", "command": "list"}\n', "secret"),
        (b'{"secret": "\\ud800", "command": "list"}\n', "secret"),
        (b"x" * (MAX_LINE + 10), "more than"),
    ],
)
def test_what_is_no_message_is_told_so(tmp_path: Path, door: Door, content: bytes, told: str) -> None:
    answer = json.loads(raw(tmp_path, content))
    assert answer["error"] == "MessageError"
    assert told in answer["text"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
COMMANDS = ["submit", "list", "show", "cancel", "retry", "clear", "events", "last", "status", "stop"]
KEYS = ["request", "states", "after", "limit", "job", "jobs", "since", "wait_s", "other"]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(command=st.sampled_from(COMMANDS), told=st.dictionaries(st.sampled_from(KEYS), JSON, max_size=3))
def test_whatever_a_message_says_it_is_answered(
    command: str, told: dict[str, Any], service: Service, door: Door
) -> None:
    told.pop("wait_s", None) if told.get("wait_s") else None
    line = json.dumps({**told, "command": command, "secret": door._secret}).encode() + b"\n"
    answer = door.answer(line)
    assert "ok" in answer or answer["text"]
    assert "fault of this program" not in str(answer)


def test_an_unknown_command_or_key_is_named(service: Service, door: Door) -> None:
    for message, told in (
        ({"command": "run"}, "expected cancel, clear"),
        ({"command": ["last"]}, "expected cancel, clear"),
        ({"command": "clear", "jobs": [1 << 70]}, "no list of numbers"),
        ({"command": "last", "x": 1}, "'x'"),
    ):
        answer = door.answer(json.dumps({**message, "secret": door._secret}).encode())
        assert told in answer["text"]


def test_what_the_door_refuses_is_a_message_error(tmp_path: Path, door: Door) -> None:
    with pytest.raises(MessageError, match="wait_s is 1000"):
        client_of(tmp_path).events(0, wait_s=1000)


def test_many_jobs_come_by_page(
    tmp_path: Path, service: Service, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (door_module, client_module):
        monkeypatch.setattr(module, "MAX_PAGE", 10)
    source = new_source(tmp_path / "in", "a.wav", b"bad-audio")
    service.submit_orders([make_order(source, tmp_path / "out", f"{n}.wav") for n in range(25)])
    assert [job["id"] for job in client_of(tmp_path).jobs()] == list(range(1, 26))
