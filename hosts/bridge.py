"""The bridge: messages in, renders into the queue, and replies to whoever asked, across restarts.

A request that may be good is written into the ledger and acknowledged at once. Threads of their own then look
at its file, hand it on to the queue, which reads and hashes the file, and hear what becomes of jobs; what is
wrong with a file is told as the request's end. Killed anywhere between, the next start goes on: what was not
handed on is, what has ended meanwhile is told.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Final

from audiosr_fx import __version__
from audiosr_fx.errors import AudioSRError, ParameterError, StorageError
from audiosr_fx.presets import find_presets, read_preset
from audiosr_fx.wording import one_line, shown
from hosts import protocol
from hosts.asks import Ask
from hosts.checking import Checking, find_region
from hosts.controls import Controls
from hosts.endings import Endings
from hosts.handing_on import HandingOn
from hosts.ledger import Entry, Ledger
from hosts.looks import Looks
from hosts.osc import Message
from hosts.peers import NOBODY, Peer
from hosts.protocol import check_request_id, find_address
from hosts.reading import Reader
from hosts.receipts import Receipts
from hosts.render_queue import RenderQueue
from hosts.replies import Replies, Send
from hosts.roots import Roots
from hosts.seeds import with_another_seed
from hosts.song import Song
from hosts.spans import Span
from hosts.tempo import TempoMap
from hosts.turns import first_turn
from hosts.values import Values, one

_KEPT: Final = 1000
_log = logging.getLogger(__name__)


class Bridge:
    """Answers messages, and renders what they ask for; composed by ``hosts.serving``.

    Attributes:
        controls: what stands for renders to come.
        announced: the region that a MIDI key renders.
    """

    def __init__(
        self,
        jobs: RenderQueue,
        ledger: Ledger,
        roots: Roots,
        send: Send,
        *,
        out: Path | None = None,
        work: Path,
    ) -> None:
        """Nothing is started yet.

        Args:
            jobs: the queue.
            ledger: of requests.
            roots: folders that files may lie in.
            send: sends a reply; never waits, never raises.
            out: where outputs go; None is a folder beside each source.
            work: a folder for files that are put together here.
        """
        self.controls = Controls()
        self.announced: Ask | None = None
        self._jobs, self._ledger = jobs, ledger
        self._looks = Looks()
        self._reader = Reader(roots)
        receipts = Receipts(ledger, roots)
        self._replies = Replies(send, receipts, roots)
        self._endings = Endings(jobs, ledger, receipts, self._replies)
        self._handing_on = HandingOn(jobs, ledger, self._endings, out=out, work=work)
        self._checking = Checking(ledger, self._looks.read, self._handing_on.put)
        self._last: tuple[Ask, Ask] | None = None
        """The newest ask, and the same with all that stood for renders then."""
        self._asked: dict[Message, Ask] = {}
        self._guard = threading.Lock()
        self._handlers: dict[str, Callable[[Message, Values, Peer], None]] = {
            protocol.RENDER: self._on_render,
            protocol.RENDER_CHANNELS: self._on_render,
            protocol.RENDER_BARS: self._on_render,
            protocol.ANNOUNCE: self._on_announce,
            protocol.CANCEL: self._on_cancel,
            protocol.STATUS: self._on_status,
            protocol.PRESETS: self._on_presets,
            protocol.PARAM: self._on_param,
            protocol.PING: self._on_ping,
        }

    def start(self) -> None:
        """Go on with what an earlier run left, then with what comes."""
        self._endings.start()
        self._handing_on.start()
        self._checking.start()

    def stop(self) -> None:
        """Stop; what is open stays in the ledger."""
        self._checking.stop()
        self._handing_on.stop()
        self._endings.stop()

    # Messages

    def handle(self, message: Message, peer: Peer) -> None:
        """Do what a message says, and answer it; for any thread, and never raises for what a sender did."""
        try:
            address = find_address(message.address)
            values = address.read(message)
            if address.control is not None:
                self.controls.set(address.control.name, one(values, "value"))
            else:
                self._handlers[address.path](message, values, peer)
        except AudioSRError as error:
            _log.info("%s is refused: %s", message.address, error)
            self._replies.refusal(message, peer, one_line(error))
        except OSError as error:
            self._replies.refusal(message, peer, f"the disk does not answer ({error.strerror or error})")
        except Exception:
            _log.exception("a fault while %s was handled", message.address)
            self._replies.refusal(message, peer, "a fault of this program; its log says more")

    def render(self, ask: Ask, peer: Peer = NOBODY) -> Entry:
        """Take a render in, acknowledge it, and hand it on; a repeated one is told how it stands.

        Raises:
            JobError: the request's word stands for something else.
            StorageError: the ledger cannot be written.
        """
        full = self.controls.applied_to(ask)
        with first_turn():
            entry, is_new = self._ledger.enter(full, peer.at(ask.options.reply_port), ask.digest)
            if is_new:
                self._last = ask, full
            try:
                self._replies.accepted(entry)
            finally:  # it is on the disk: whatever becomes of the reply, it is rendered
                if is_new:
                    self._checking.put(entry)
        if is_new:
            _log.info("%s asks for %s, %s", ask.request, shown(ask.sources[0]), ask.span)
        if not is_new and entry.is_ended:
            self._replies.end_again(entry)
        return entry

    def again(self, request: str) -> Entry:
        """Render what was asked for last once more, or what was announced, with another seed.

        Raises:
            ParameterError: nothing was.
            PresetError: its preset is not there any more.
        """
        ask, last = self._last or (self._announced(), self.controls.applied_to(self._announced()))
        return self.render(with_another_seed(ask, last, request))

    def render_announced(self, request: str) -> Entry:
        """Render what was announced.

        Raises:
            ParameterError: nothing was.
        """
        return self.render(replace(self._announced(), request=request))

    def render_part(self, request: str, seconds: Fraction) -> Entry:
        """Of the announced file, render the part of the song that a time lies in.

        Raises:
            ParameterError: nothing was announced, or no marker is before that time.
        """
        ask = self._announced()
        tempo_map = self.tempo_map
        part = None if tempo_map is None else tempo_map.region_at(seconds)
        if part is None:
            raise ParameterError(
                f"no marker names a part at {float(seconds):.1f} s; start with a --tempo-map that has markers"
            )
        span = Span(start=part.start_s, stop=part.stop_s)
        return self.render(replace(ask, request=request, span=span))

    def cancel(self, request: str) -> None:
        """Stop a request.

        Raises:
            ParameterError: there is none of that word.
        """
        entry = self._ledger.find(request)
        if entry is None:
            raise ParameterError(f"there is no request {request}")
        if entry.is_ended:
            self._replies.end_again(entry)
        else:
            self._endings.cancel(entry)

    def cancel_last(self) -> None:
        """Stop the newest request that has not ended, if there is one."""
        entries = [*self._ledger.running(), *self._ledger.waiting()]
        if entries:
            self.cancel(max(entries, key=lambda entry: entry.number).ask.request)

    def use_song(self, song: Song | None) -> None:
        """Count bars by this song where a message names no map."""
        self._reader.song = song

    @property
    def tempo_map(self) -> TempoMap | None:
        """Of the song, as it is now."""
        return None if self._reader.song is None else self._reader.song.tempo_map

    def counts(self) -> dict[str, int]:
        """Requests that wait, run, are done and failed."""
        return self._ledger.counts()

    def _announced(self) -> Ask:
        if self.announced is None:
            raise ParameterError(f"no region was announced; send {protocol.ANNOUNCE} first")
        return self.announced

    # Handlers

    def _on_render(self, message: Message, values: Values, peer: Peer) -> None:
        ask = self._asked.get(message)
        if ask is None or self._ledger.find(ask.request) is None:
            ask = self._reader.read(message, values)
        self.render(ask, peer)
        with self._guard:
            self._asked[message] = ask  # its repeats need no file, which may be gone or hang
            if len(self._asked) > _KEPT:
                del self._asked[next(iter(self._asked))]

    def _on_announce(self, message: Message, values: Values, peer: Peer) -> None:
        ask = self._reader.read(message, values)
        region = find_region(ask, self._looks.read)
        self._handing_on.check(self.controls.applied_to(ask), region)
        self.announced = ask
        self._replies.reply(peer.at(ask.options.reply_port), protocol.ACCEPTED, ask.request, "")

    def _on_cancel(self, message: Message, values: Values, peer: Peer) -> None:
        self.cancel(check_request_id(one(values, "request")))

    def _on_status(self, message: Message, values: Values, peer: Peer) -> None:
        request = one(values, "request") or ""
        if request:
            entry = self._ledger.find(check_request_id(request))
            if entry is None:
                raise ParameterError(f"there is no request {request!r}")
            self._tell_state(replace(entry, peer=peer))
            return
        counts = self._ledger.counts()
        numbers = (counts[name] for name in ("waiting", "running", "done", "failed"))
        self._replies.reply(peer, protocol.STATE, "", "", *numbers)

    def _tell_state(self, entry: Entry) -> None:
        if entry.job is not None and not entry.is_ended:
            try:
                self._endings.settle(entry)
            except StorageError as error:  # it stays open; an error would be taken for its end
                _log.warning("%s waits: %s", entry.name, error)
                self._replies.accepted(entry)
                return
            now = self._ledger.get(entry.number)
            if now.is_ended and now.peer == entry.peer:
                return  # who asks has just been told
            entry = replace(now, peer=entry.peer)
        if entry.is_ended:
            self._replies.end_again(entry)
            return
        self._replies.accepted(entry)
        if entry.job is not None:
            job = self._jobs.store.get(entry.job)
            self._replies.progress(entry, job.progress, job.state)

    def _on_presets(self, message: Message, values: Values, peer: Peer) -> None:
        request = str(one(values, "request") or "")
        found = find_presets()
        for number, (name, path) in enumerate(found.items()):
            try:
                description = read_preset(path).description
            except AudioSRError as error:
                description = one_line(error)
            place = (number, len(found))
            self._replies.reply(peer, protocol.PRESET_REPLY, request, "", *place, name, description[:1000])

    def _on_param(self, message: Message, values: Values, peer: Peer) -> None:
        name = str(one(values, "name"))
        if "value" in values:
            self.controls.set(name, one(values, "value"))
        value = self.controls.get(name)
        self._replies.reply(peer, protocol.VALUE, str(one(values, "request")), "", name, value)

    def _on_ping(self, message: Message, values: Values, peer: Peer) -> None:
        request = str(one(values, "request") or "")
        program = f"audiosr_fx {__version__}"
        self._replies.reply(peer, protocol.PONG, request, "", program, protocol.VERSION)
