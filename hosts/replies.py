"""What is said to those who asked: over their socket, and as a receipt where they want one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from audiosr_fx.errors import AudioSRError, MessageError, StorageError
from audiosr_fx.jobs.manifest import manifest_path
from audiosr_fx.jobs.states import State
from hosts import protocol
from hosts.asks import reply_port_of
from hosts.ledger import Entry
from hosts.osc import Argument, Message
from hosts.peers import Peer
from hosts.protocol import check_request_id, find_address
from hosts.receipts import Receipts
from hosts.roots import Roots
from hosts.values import one, paths_of, wants_receipt

Send: TypeAlias = Callable[[Peer, Message], None]


class Replies:
    """Says how requests stand; for any thread."""

    def __init__(self, send: Send, receipts: Receipts, roots: Roots) -> None:
        """Take where replies go.

        Args:
            send: sends one; never waits, never raises.
            receipts: for who cannot listen.
            roots: that receipts of what is refused may lie in.
        """
        self._send, self._receipts, self._roots = send, receipts, roots

    def reply(self, peer: Peer, address: str, *arguments: Argument) -> None:
        """Answer somebody."""
        self._send(peer, Message(address, arguments))

    def accepted(self, entry: Entry) -> None:
        """Say that a request is on the disk."""
        self._tell(entry, protocol.ACCEPTED)

    def progress(self, entry: Entry, done: float, state: State) -> None:
        """Say how far a request is, 0 to 1."""
        self._tell(entry, protocol.PROGRESS, float(done), str(state))

    def end(self, entry: Entry) -> None:
        """Say how a request has ended; the end is known to the ledger and the receipts."""
        self._send(entry.peer, end_of(entry))
        address, _, text = entry.ask.options.notify.partition(" ")
        if address and entry.peer.over != "midi":
            self.reply(entry.peer.at(entry.peer.port), address, *((text,) if text else ()))

    def end_again(self, entry: Entry) -> None:
        """Say once more how a request has ended."""
        reply = end_of(entry)
        self._send(entry.peer, reply)
        with suppress(StorageError):  # who asks has been told
            self._receipts.leave(entry, reply)

    def refusal(self, message: Message, peer: Peer, text: str) -> None:
        """Say why not, to a sender who can tell what it is about."""
        peer = peer.at(reply_port_of(message.arguments))
        with suppress(MessageError):
            if find_address(message.address).control is not None:
                return  # a control's own address, whose argument is no word
            request = check_request_id(message.arguments[0] if message.arguments else None)
            reply = Message(protocol.ERROR, (request, "", text[:1000]))
            self._leave_refusal(message, request, reply)
            self._send(peer, reply)

    def _tell(self, entry: Entry, address: str, *more: Argument) -> None:
        reply = Message(address, (entry.ask.request, entry.name, *more))
        self._send(entry.peer, reply)
        self._receipts.leave_while_open(entry, reply)

    def _leave_refusal(self, message: Message, request: str, reply: Message) -> None:
        """The same as a receipt, where one is wanted and a file is named that it can lie beside."""
        with suppress(AudioSRError, OSError):
            values = find_address(message.address).read(message)
            named = paths_of(values) if {"path", "paths"} & values.keys() else ()
            if named and wants_receipt(values):
                source = self._roots.find(str(one(values, "root")), str(named[0]))
                self._receipts.leave_refusal(source, request, reply)


def end_of(entry: Entry) -> Message:
    """What is said of a request that has ended."""
    if entry.error:
        return Message(protocol.ERROR, (entry.ask.request, entry.name, entry.error))
    manifest = str(manifest_path(Path(entry.output)))
    return Message(protocol.DONE, (entry.ask.request, entry.name, entry.output, manifest))
