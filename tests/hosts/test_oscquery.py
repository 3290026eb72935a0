"""The description over HTTP: made from the table, for this machine only."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest

from audiosr_fx.errors import ParameterError
from hosts.controls import Controls
from hosts.oscquery import OscQuery, describe
from hosts.protocol import COMMANDS, CONTROLS


@pytest.fixture
def query() -> Iterator[OscQuery]:
    running = OscQuery(Controls(), 9123)
    running.start()
    yield running
    running.stop()


def get(query: OscQuery, path: str, host: str | None = None, method: str = "GET") -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", query.port, timeout=90)
    try:
        connection.putrequest(method, path, skip_host=True)
        connection.putheader("Host", f"127.0.0.1:{query.port}" if host is None else host)
        connection.endheaders()
        answer = connection.getresponse()
        body = answer.read()
        return answer.status, json.loads(body) if answer.status in (200, 403, 404) and body else None
    finally:
        connection.close()


def paths(node: dict[str, Any]) -> Iterator[str]:
    yield node["FULL_PATH"]
    for child in node.get("CONTENTS", {}).values():
        yield from paths(child)


def test_every_address_is_in_the_tree(query: OscQuery) -> None:
    status, tree = get(query, "/")
    assert status == 200
    found = list(paths(tree))
    assert len(found) == len(set(found))
    assert {address.path for address in COMMANDS} <= set(found)


def test_a_control_has_its_range_and_its_value() -> None:
    controls = Controls()
    controls.set("detail", 1.5)
    node = describe("/audiosr/param/detail", controls)
    assert node is not None
    assert node["TYPE"] == "f"
    assert node["VALUE"] == [1.5]
    assert node["RANGE"] == [{"MIN": 0.0, "MAX": 2.0}]
    for control in CONTROLS:
        told = describe(f"/audiosr/param/{control.name}", controls)
        assert told is not None
        assert told["DESCRIPTION"] == control.help
    node = describe("/audiosr/param/quality", controls)
    assert node is not None
    assert node["RANGE"] == [{"VALS": ["draft", "standard", "best"]}]


def test_attributes_and_host_info_are_answered(query: OscQuery) -> None:
    assert get(query, "/audiosr/render?TYPE") == (200, {"TYPE": "sssiiiss"})
    status, info = get(query, "/?HOST_INFO")
    assert (status, info["OSC_PORT"], info["OSC_TRANSPORT"]) == (200, 9123, "UDP")
    assert get(query, "/audiosr/render?NONE")[0] == 404
    assert get(query, "/nothing")[0] == 404
    assert get(query, "/audiosr/ren")[0] == 404


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "localhost:1", "0.0.0.0"])
def test_other_hosts_are_refused(query: OscQuery, host: str) -> None:
    assert get(query, "/", host=host)[0] == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD"])
def test_nothing_but_reading_is_offered(query: OscQuery, method: str) -> None:
    assert get(query, "/", method=method)[0] == 501


def test_a_taken_port_is_said(query: OscQuery) -> None:
    query_port = query.port
    with pytest.raises(ParameterError, match="--http-port"):
        blocked(query_port)


def blocked(port: int) -> None:
    """A second server on a port; reuse of addresses must not hide the first."""
    OscQuery(Controls(), 9123, port=port).stop()
