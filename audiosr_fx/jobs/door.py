"""The door of a running service for other programs of the same user on this machine.

A Unix socket that only its owner may open, or, where there are none, a loopback port with a secret; where it
is stands in a file beside the store. One JSON object a line each way, of bounded length.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import secrets
import socket
import socketserver
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from audiosr_fx.atomic import write_through
from audiosr_fx.errors import AudioSRError, MessageError, name_of
from audiosr_fx.jobs.request import read_json, request_from_dict
from audiosr_fx.jobs.service import Service
from audiosr_fx.jobs.states import State
from audiosr_fx.wording import joined

ADDRESS_FILE: Final = "door.json"
MAX_LINE: Final = 128 * 1024
MAX_ANSWER: Final = 16 << 20
MAX_GUESTS: Final = 32
IDLE_S: Final = 60.0
MAX_WAIT_S: Final = 30.0
MAX_PAGE: Final = 1000
_LONGEST_PATH: Final = 100  # of a Unix socket, on the strictest system
_log = logging.getLogger(__name__)


class Door:
    """Answers other programs while it is open; see ``audiosr_fx.jobs.client``.

    Use it as a context manager, or call ``close``.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._file = service.store.folder / ADDRESS_FILE
        self._secret = secrets.token_hex(24)
        self._guests = threading.BoundedSemaphore(MAX_GUESTS)
        self._socket: Path | None = None
        self._server = self._unbound()
        try:
            self._server.server_bind()
            self._tell_where()
            self._server.server_activate()  # last: whoever is let in could read this door's secret before
        except BaseException:
            self._let_go()
            raise
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.2,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Door:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Answer nobody any more."""
        self._server.shutdown()
        self._thread.join()
        self._let_go()

    def _let_go(self) -> None:
        self._server.server_close()
        for path in (self._file, self._socket):
            with suppress(OSError):
                if path is not None:
                    path.unlink()

    def _unbound(self) -> socketserver.TCPServer:
        if hasattr(socket, "AF_UNIX"):
            self._socket = socket_path(self._service.store.folder)
            self._socket.unlink(missing_ok=True)
            return _UnixServer(str(self._socket), self._handler(), bind_and_activate=False)
        return _TcpServer(("127.0.0.1", 0), self._handler(), bind_and_activate=False)

    def _tell_where(self) -> None:
        """Write the address and the secret into their file."""
        where = self._server.server_address if self._socket is None else str(self._socket)
        told = {"address": where, "secret": self._secret, "pid": os.getpid()}
        fresh = self._file.with_suffix(".new")
        with suppress(FileNotFoundError):
            fresh.unlink()
        write_through(fresh, json.dumps(told).encode("ascii"), 0o600)
        os.replace(fresh, self._file)

    def _handler(self) -> type[socketserver.StreamRequestHandler]:
        door = self

        class Guest(socketserver.StreamRequestHandler):
            timeout = IDLE_S

            def handle(self) -> None:
                if not door._guests.acquire(blocking=False):
                    return
                try:
                    with suppress(OSError):
                        door._talk(self.rfile.readline, self.wfile.write)
                finally:
                    door._guests.release()

        return Guest

    def _talk(self, read: Callable[[int], bytes], write: Callable[[bytes], Any]) -> None:
        while line := read(MAX_LINE + 1):
            if len(line) > MAX_LINE or not line.endswith(b"\n"):
                write(_line(_error(MessageError(f"a line has more than {MAX_LINE} bytes, or no end"))))
                return
            write(_line(self.answer(line)))

    def answer(self, line: bytes) -> dict[str, Any]:
        """The answer to one line, whatever it holds."""
        try:
            told = read_json(line, "the message", MAX_LINE)
            if not isinstance(told, dict):
                raise MessageError("the message is no object")
            secret = told.pop("secret", None)
            if not isinstance(secret, str) or not hmac.compare_digest(_bytes(secret), _bytes(self._secret)):
                raise MessageError("the secret of this door is missing or wrong")
            command = told.pop("command", None)
            if not isinstance(command, str) or command not in _COMMANDS:
                raise MessageError(f"command is {command!r}; expected {', '.join(sorted(_COMMANDS))}")
            return {"ok": _COMMANDS[command](self._service, told)}
        except AudioSRError as error:
            return _error(error)
        except Exception:
            _log.exception("a message at the door could not be answered")
            return {"error": "AudioSRError", "text": "a fault of this program; its log says more"}


def socket_path(folder: Path) -> Path:
    """Where the socket of a store's folder is: in it, unless such a path would be too long for a socket."""
    path = folder / "door.sock"
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        return path
    digest = hashlib.sha256(os.fsencode(os.path.realpath(folder))).hexdigest()[:16]
    user = os.getuid() if hasattr(os, "getuid") else 0
    aside = Path(tempfile.gettempdir()) / f"audiosr_fx-{user}-{digest}"
    aside.mkdir(mode=0o700, exist_ok=True)
    stat = aside.lstat()
    if stat.st_mode & 0o170077 != 0o040000 or stat.st_uid != user:
        raise PermissionError(f"{aside} is not this user's own folder")
    return aside / "door.sock"


class _Threads(socketserver.ThreadingMixIn):
    daemon_threads = True
    block_on_close = False


if hasattr(socketserver, "UnixStreamServer"):

    class _UnixServer(_Threads, socketserver.UnixStreamServer):
        def server_bind(self) -> None:
            """Only for its owner, and without the process's umask, which files of other threads go by too."""
            with suppress(OSError):  # Linux makes the socket with this mode; elsewhere it is set below
                os.fchmod(self.fileno(), 0o600)
            super().server_bind()
            os.chmod(str(self.server_address), 0o600)


class _TcpServer(_Threads, socketserver.TCPServer):
    pass


def _submit(service: Service, told: dict[str, Any]) -> dict[str, Any]:
    _only(told, "request")
    done = service.submit(request_from_dict(told.get("request")))
    job = None if done.job is None else done.job.to_dict()
    return {"outcome": str(done.outcome), "reason": done.reason, "job": job}


def _list(service: Service, told: dict[str, Any]) -> list[dict[str, Any]]:
    _only(told, "states", "after", "limit")
    states = _states(told.get("states", []))
    after, limit = _number(told, "after"), _number(told, "limit", MAX_PAGE)
    return [job.to_dict() for job in service.store.jobs(states, after=after, limit=min(limit, MAX_PAGE))]


def _show(service: Service, told: dict[str, Any]) -> dict[str, Any]:
    _only(told, "job")
    job, moves = service.store.history(_number(told, "job"))
    return job.to_dict() | {"events": [event.to_dict() for event in moves]}


def _cancel(service: Service, told: dict[str, Any]) -> dict[str, Any]:
    _only(told, "job")
    return service.cancel(_number(told, "job")).to_dict()


def _retry(service: Service, told: dict[str, Any]) -> dict[str, Any]:
    _only(told, "job")
    return service.retry(_number(told, "job")).to_dict()


def _clear(service: Service, told: dict[str, Any]) -> int:
    _only(told, "states", "jobs")
    jobs = told.get("jobs", [])
    if not isinstance(jobs, list) or not all(_is_number(job) for job in jobs):
        raise MessageError("jobs is no list of numbers")
    return service.clear(_states(told.get("states", [])), ids=jobs)


def _events(service: Service, told: dict[str, Any]) -> list[dict[str, Any]]:
    _only(told, "since", "job", "wait_s", "limit")
    wait_s = told.get("wait_s", 0)
    if isinstance(wait_s, bool) or not isinstance(wait_s, (int, float)) or not 0 <= wait_s <= MAX_WAIT_S:
        raise MessageError(f"wait_s is {wait_s!r}; expected 0 to {MAX_WAIT_S:.0f}")
    job = _number(told, "job") if told.get("job") is not None else None
    limit = min(_number(told, "limit", MAX_PAGE), MAX_PAGE)
    found = service.events(_number(told, "since"), job=job, wait_s=wait_s, limit=limit)
    return [event.to_dict() for event in found]


def _last(service: Service, told: dict[str, Any]) -> int:
    _only(told)
    return service.store.last_event()


def _status(service: Service, told: dict[str, Any]) -> dict[str, Any]:
    _only(told)
    return service.status()


_COMMANDS: Final[Mapping[str, Callable[[Service, dict[str, Any]], Any]]] = {
    "submit": _submit,
    "list": _list,
    "show": _show,
    "cancel": _cancel,
    "retry": _retry,
    "clear": _clear,
    "events": _events,
    "last": _last,
    "status": _status,
}


def _only(told: dict[str, Any], *known: str) -> None:
    if unknown := sorted(set(told) - set(known)):
        raise MessageError(f"the message has an unknown key {unknown[0]!r}")


def _number(told: dict[str, Any], key: str, default: int = 0) -> int:
    value = told.get(key, default)
    if not _is_number(value):
        raise MessageError(f"{key} is {value!r}; expected a whole number from 0")
    return int(value)


def _is_number(value: Any) -> bool:
    """Whether it may be the number of a job or an event; the database takes no larger ones."""
    return type(value) is int and 0 <= value < 1 << 62


def _states(names: Any) -> list[State]:
    if not isinstance(names, list) or not all(name in tuple(State) for name in names):
        raise MessageError(f"states is {names!r}; expected a list of {', '.join(State)}")
    return [State(name) for name in names]


def _error(error: AudioSRError) -> dict[str, Any]:
    return {"error": name_of(error), "text": joined(str(error))}


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _line(told: dict[str, Any]) -> bytes:
    return json.dumps(told).encode("ascii") + b"\n"
