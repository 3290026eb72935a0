"""Who sent a message, and where replies to it go."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A sender.

    Attributes:
        host: its address.
        port: it sent from, or that it wants replies at.
        over: ``udp``, ``tcp``, or ``midi``, which is never answered.
        connection: number of a TCP connection, which does not outlive the server.
    """

    host: str = "127.0.0.1"
    port: int = 0
    over: Literal["udp", "tcp", "midi"] = "udp"
    connection: int = 0

    def at(self, port: int) -> Peer:
        """The same machine at another port, over UDP; 0 changes nothing."""
        return replace(self, port=port, over="udp", connection=0) if port else self

    def to_json(self) -> str:
        """For the ledger."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Peer:
        """What ``to_json`` said."""
        return Peer(**json.loads(text))


NOBODY = Peer(over="midi")
