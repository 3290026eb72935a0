"""What can be sent, as OSCQuery JSON over HTTP: made from the table, for programs that build panels.

Loopback only, and only to who names this machine as the host, so that no web page can read it. Nothing can be
changed here.

Source: github.com/Vidvox/OSCQueryProposal.
"""

from __future__ import annotations

import json
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from audiosr_fx.errors import ParameterError
from audiosr_fx.params import Control, Value
from hosts.controls import Controls
from hosts.protocol import COMMANDS, Address

EXTENSIONS: Final = {"ACCESS": True, "VALUE": True, "RANGE": True, "DESCRIPTION": True, "UNIT": True}
_WRITE_ONLY: Final = 2
_READ_WRITE: Final = 3
_HOSTS: Final = ("127.0.0.1", "localhost", "[::1]")
_TIMEOUT_S: Final = 2.0


def describe(path: str, controls: Controls) -> dict[str, Any] | None:
    """The node at a path with all below it; None where there is none."""
    path = "/" + path.strip("/")
    below = [each for each in COMMANDS if path == "/" or f"{each.path}/".startswith(f"{path}/")]
    return _node(path, below, controls) if below else None


def _node(path: str, addresses: list[Address], controls: Controls) -> dict[str, Any]:
    node: dict[str, Any] = {"FULL_PATH": path}
    prefix = "/" if path == "/" else f"{path}/"
    children = dict.fromkeys(
        each.path.removeprefix(prefix).partition("/")[0] for each in addresses if each.path != path
    )
    own = next((each for each in addresses if each.path == path), None)
    node |= {"ACCESS": 0} if own is None else _described(own, controls)
    if children:
        node["CONTENTS"] = {
            name: _node(
                prefix + name,
                [each for each in addresses if f"{each.path}/".startswith(f"{prefix}{name}/")],
                controls,
            )
            for name in children
        }
    return node


def _described(address: Address, controls: Controls) -> dict[str, Any]:
    told: dict[str, Any] = {
        "TYPE": address.types,
        "ACCESS": _WRITE_ONLY,
        "DESCRIPTION": address.help,
    }
    if address.control is not None:
        control = address.control
        told |= {
            "ACCESS": _READ_WRITE,
            "VALUE": [controls.get(control.name)],
            "RANGE": [_range(control)],
            "UNIT": [control.unit],
        }
    return told


def _range(control: Control) -> dict[str, Value | list[str]]:
    if control.choices:
        return {"VALS": list(control.choices)}
    told: dict[str, Value | list[str]] = {}
    if control.minimum is not None:
        told["MIN"] = control.minimum
    if control.maximum is not None:
        told["MAX"] = control.maximum
    return told


class OscQuery:
    """Serves the description from ``start`` to ``stop``.

    Attributes:
        port: of HTTP.
    """

    def __init__(self, controls: Controls, osc_port: int, *, port: int = 0) -> None:
        """Bind the port.

        Raises:
            ParameterError: it is taken.
        """
        try:
            self._server = _Server(("127.0.0.1", port), _handler(controls, osc_port))
        except OSError as cause:
            raise ParameterError(
                f"port {port} cannot be listened to ({cause.strerror}); choose another with --http-port"
            ) from cause
        self.port: int = self._server.server_address[1]
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Answer."""
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.2,), name="oscquery", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Answer no more."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


class _Server(HTTPServer):
    allow_reuse_address = True
    request_queue_size = 16

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A guest that hung up is nothing to write about."""


def _handler(controls: Controls, osc_port: int) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _TIMEOUT_S
        server_version = "audiosr_fx"
        sys_version = ""

        def do_GET(self) -> None:
            port = self.server.server_address[1]  # type: ignore[index]
            host = self.headers.get("Host", "")
            if host not in {*_HOSTS, *(f"{name}:{port}" for name in _HOSTS)}:
                self._answer(HTTPStatus.FORBIDDEN, {"error": "the Host is not this machine"})
                return
            target = urlsplit(self.path)
            if target.query == "HOST_INFO":
                self._answer(HTTPStatus.OK, _host_info(osc_port))
                return
            told = describe(unquote(target.path), controls)
            if told is not None and target.query:
                told = _attribute(told, target.query)
            if told is None:
                self._answer(HTTPStatus.NOT_FOUND, {"error": "there is no such address or attribute"})
            else:
                self._answer(HTTPStatus.OK, told)

        def _answer(self, status: HTTPStatus, told: dict[str, Any]) -> None:
            body = json.dumps(told, ensure_ascii=False).encode("utf-8")
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Nothing: who looks is nobody's business."""

    return Handler


def _host_info(osc_port: int) -> dict[str, Any]:
    return {
        "NAME": "audiosr_fx",
        "OSC_IP": "127.0.0.1",
        "OSC_PORT": osc_port,
        "OSC_TRANSPORT": "UDP",
        "EXTENSIONS": EXTENSIONS,
    }


def _attribute(node: dict[str, Any], name: str) -> dict[str, Any] | None:
    return {name: node[name]} if name in node else None
