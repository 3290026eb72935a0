"""The bridge: messages in, renders into the queue, and replies to whoever asked, across restarts.

A good request is written into the ledger and acknowledged at once. A second thread hands it on to the queue,
which reads and hashes the file. A third hears what becomes of jobs. Killed anywhere between, the next start
goes on: what was not handed on is, what has ended meanwhile is told.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Final, Protocol

from audiosr_fx import __version__
from audiosr_fx.errors import AudioSRError, JobError, MessageError, ParameterError, StorageError
from audiosr_fx.jobs.database import is_disk_full
from audiosr_fx.jobs.job import Event, Job, Submission
from audiosr_fx.jobs.manifest import manifest_path
from audiosr_fx.jobs.request import RenderRequest
from audiosr_fx.jobs.states import State
from audiosr_fx.looking import read_info_apart
from audiosr_fx.presets import find_presets, read_preset
from audiosr_fx.wording import one_line
from hosts import protocol
from hosts.asks import Ask, Span, make_ask, reply_port_of, split_options, with_seed
from hosts.controls import Controls
from hosts.joining import join_channels
from hosts.ledger import Entry, Ledger
from hosts.osc import Argument, Message
from hosts.peers import NOBODY, Peer
from hosts.protocol import check_request_id, find_address
from hosts.receipts import Receipts
from hosts.roots import Roots
from hosts.tempo import TempoMap, read_tempo_map

_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 8.0
_PAGE: Final = 1000
_log = logging.getLogger(__name__)


class RenderQueue(Protocol):
    """What the bridge needs of ``audiosr_fx.jobs.service.Service``."""

    def submit(self, request: RenderRequest) -> Submission:
        """Take a request in; on the disk when this returns."""

    def cancel(self, job: int, reason: str = ...) -> Job:
        """Cancel a job; JobError where it has ended."""

    def retry(self, job: int) -> Job:
        """Queue a job again that has ended without a file."""

    def events(
        self, since: int = ..., *, job: int | None = ..., wait_s: float = ..., limit: int = ...
    ) -> list[Event]:
        """What happened after an event; waits where there is nothing yet."""

    @property
    def store(self) -> JobSource:
        """What is known of jobs."""


class JobSource(Protocol):
    """What the bridge reads of a store."""

    def get(self, job: int) -> Job:
        """One job; JobError where there is none."""

    def find_source(self, path: Path) -> int | None:
        """The job that has not ended and whose source a file is."""

    def last_event(self) -> int:
        """The newest event."""


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
        send: Callable[[Peer, Message], None],
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
        self._jobs, self._ledger, self._roots, self._send = jobs, ledger, roots, send
        self._receipts = Receipts(ledger, roots)
        self._out, self._work = out, work
        self._tempo_map: TempoMap | None = None
        self._last_seed: int | None = None
        self._asked: dict[Message, Ask] = {}
        self._to_hand_on: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._handlers: dict[
            str, Callable[[Message, dict[str, Argument | tuple[Argument, ...]], Peer], None]
        ] = {
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
        since = self._jobs.store.last_event()
        for entry in (*self._ledger.running(), *self._ledger.waiting()):
            self._to_hand_on.put(entry.number)
        for name, run in (("hand on", self._hand_all_on), ("events", lambda: self._hear(since))):
            thread = threading.Thread(target=run, name=f"bridge {name}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Stop; what is open stays in the ledger."""
        self._stopping.set()
        self._to_hand_on.put(None)
        for thread in self._threads:
            thread.join()

    # Messages

    def handle(self, message: Message, peer: Peer) -> None:
        """Do what a message says, and answer it; never raises for what a sender did."""
        try:
            address = find_address(message.address)
            values = address.read(message)
            if address.control is not None:
                self.controls.set(address.control.name, _one(values, "value"))
            else:
                self._handlers[address.path](message, values, peer)
        except AudioSRError as error:
            _log.info("%s is refused: %s", message.address, error)
            self._refuse(message, peer, one_line(error))
        except OSError as error:
            self._refuse(message, peer, f"the disk does not answer ({error.strerror or error})")
        except Exception:
            _log.exception("a fault while %s was handled", message.address)
            self._refuse(message, peer, "a fault of this program; its log says more")

    def render(self, ask: Ask, peer: Peer = NOBODY) -> Entry:
        """Take a render in, acknowledge it, and hand it on; a repeated one is told how it stands.

        Raises:
            JobError: the request's word stands for something else.
            StorageError: the ledger cannot be written.
        """
        full = self.controls.applied_to(ask)
        entry, is_new = self._ledger.enter(full, peer.at(ask.options.reply_port), ask.digest)
        self.announced, self._last_seed = ask, full.options.seed
        try:
            self._tell(entry, protocol.ACCEPTED)
        finally:  # it is on the disk: whatever becomes of the reply, it is rendered
            if is_new:
                self._to_hand_on.put(entry.number)
        if not is_new and entry.is_ended:
            self._tell_end(entry)
        return entry

    def again(self, request: str) -> Entry:
        """Render what was asked for last once more, with another seed.

        Raises:
            ParameterError: nothing was.
        """
        seed = ((self._last_seed or 0) + 1) % (1 << 32)
        return self.render(with_seed(self._announced(), seed, request))

    def render_announced(self, request: str) -> Entry:
        """Render what was announced.

        Raises:
            ParameterError: nothing was.
        """
        return self.render(replace(self._announced(), request=request))

    def render_part(self, request: str, seconds: Fraction) -> Entry:
        """Of the announced file, render the part of the song that a time lies in.

        Raises:
            ParameterError: nothing was announced, or no marker is before that time, or the file ends before.
        """
        ask = self._announced()
        part = None if self._tempo_map is None else self._tempo_map.region_at(seconds)
        if part is None:
            raise ParameterError(
                f"no marker names a part at {float(seconds):.1f} s; load a tempo map with markers"
            )
        span = Span(part.start_s, part.stop_s - part.start_s, 0)
        start, stop = span.within(read_info_apart(ask.sources[0]))
        return self.render(replace(ask, request=request, start=start, stop=stop))

    def cancel(self, request: str) -> None:
        """Stop a request.

        Raises:
            ParameterError: there is none of that word.
        """
        entry = self._ledger.find(request)
        if entry is None:
            raise ParameterError(f"there is no request {request}")
        if entry.is_ended:
            self._tell_end(entry)
        elif entry.job is None:
            self._end(entry, error="cancelled")
        else:
            self._cancel(entry.job)

    def cancel_last(self) -> None:
        """Stop the newest request that has not ended, if there is one."""
        entries = [*self._ledger.running(), *self._ledger.waiting()]
        if entries:
            self.cancel(max(entries, key=lambda entry: entry.number).ask.request)

    def use_tempo_map(self, tempo_map: TempoMap | None) -> None:
        """Count bars by this map where a message names none."""
        self._tempo_map = tempo_map

    @property
    def tempo_map(self) -> TempoMap | None:
        """The last map that was used."""
        return self._tempo_map

    def counts(self) -> dict[str, int]:
        """Requests that wait, run, are done and failed."""
        return self._ledger.counts()

    # Handlers

    def _on_render(self, message: Message, values: Values, peer: Peer) -> None:
        ask = self._asked.get(message)
        if ask is None or self._ledger.find(ask.request) is None:
            ask = self._ask(message, values)
        self.render(ask, peer)
        self._asked[message] = ask  # its repeats need no look at the file, which may hang
        if len(self._asked) > _PAGE:
            del self._asked[next(iter(self._asked))]

    def _on_announce(self, message: Message, values: Values, peer: Peer) -> None:
        self.announced = ask = self._ask(message, values)
        self._reply(peer.at(ask.options.reply_port), protocol.ACCEPTED, ask.request, "")

    def _on_cancel(self, message: Message, values: Values, peer: Peer) -> None:
        self.cancel(check_request_id(_one(values, "request")))

    def _on_status(self, message: Message, values: Values, peer: Peer) -> None:
        request = _one(values, "request") or ""
        if request:
            entry = self._ledger.find(check_request_id(request))
            if entry is None:
                raise ParameterError(f"there is no request {request!r}")
            self._tell_state(replace(entry, peer=peer))
            return
        counts = self._ledger.counts()
        numbers = (counts[name] for name in ("waiting", "running", "done", "failed"))
        self._reply(peer, protocol.STATE, "", "", *numbers)

    def _on_presets(self, message: Message, values: Values, peer: Peer) -> None:
        request = str(_one(values, "request") or "")
        found = find_presets()
        for number, (name, path) in enumerate(found.items()):
            try:
                description = read_preset(path).description
            except AudioSRError as error:
                description = one_line(error)
            self._reply(
                peer, protocol.PRESET_REPLY, request, "", number, len(found), name, description[:1000]
            )

    def _on_param(self, message: Message, values: Values, peer: Peer) -> None:
        name = str(_one(values, "name"))
        if "value" in values:
            self.controls.set(name, _one(values, "value"))
        value = self.controls.get(name)
        self._reply(peer, protocol.VALUE, str(_one(values, "request")), "", name, value)

    def _on_ping(self, message: Message, values: Values, peer: Peer) -> None:
        request = str(_one(values, "request") or "")
        self._reply(peer, protocol.PONG, request, "", f"audiosr_fx {__version__}", protocol.VERSION)

    def _ask(self, message: Message, values: Values) -> Ask:
        """What a message asks for, held against the files there are."""
        tags = message.type_tags
        if message.address == protocol.RENDER_BARS:
            span = self._bars(values)
        else:
            first = 2 if message.address == protocol.RENDER_CHANNELS else 3
            start, length, rate = (_one(values, name) for name in ("start", "length", "rate"))
            span = Span(start, length, rate, tags[first : first + 2])
        return make_ask(
            _one(values, "request"),
            self._roots,
            _one(values, "root"),
            _paths(values),
            span,
            _one(values, "preset") or "",
            _options(values),
        )

    def _bars(self, values: Values) -> Span:
        """A region in bars, as seconds of the file."""
        name = str(_one(values, "map"))
        if name:
            self._tempo_map = read_tempo_map(self._roots.find(str(_one(values, "root")), name))
        if self._tempo_map is None:
            raise ParameterError("map is empty, and there was none before; name a MIDI file")
        start, stop = self._tempo_map.span(str(_one(values, "from")), str(_one(values, "to")))
        origin = self._tempo_map.position(str(_one(values, "origin")) or "1")
        if start < origin:
            raise ParameterError("the region begins before the file does; check origin")
        return Span(start - origin, stop - start, 0)

    def _announced(self) -> Ask:
        if self.announced is None:
            raise ParameterError(f"no region was announced; send {protocol.ANNOUNCE} first")
        return self.announced

    # Jobs

    def _hand_all_on(self) -> None:
        wait_s = _WAIT_S
        while (number := self._to_hand_on.get()) is not None and not self._stopping.is_set():
            try:
                self._hand_one_on(number)
                wait_s = _WAIT_S
            except Exception as error:  # as a full disk: it stays in the ledger, and is tried again
                if isinstance(error, StorageError):
                    _log.warning("osc-%d waits: %s", number, error)
                else:
                    _log.exception("a fault of the bridge; osc-%d waits", number)
                self._stopping.wait(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
                self._to_hand_on.put(number)

    def _hand_one_on(self, number: int) -> None:
        """Hand a request on, or end it with the reason why that cannot be; of one that was, tell its end.

        Raises:
            StorageError: a disk does not answer; nothing is lost, and it may be called again.
        """
        entry = self._ledger.get(number)
        if entry.is_ended:
            return
        if entry.job is not None:  # by an earlier run, or just before a disk failed
            self._settle(entry)
            return
        try:
            self._hand_on(entry)
        except StorageError:
            raise
        except Exception as error:
            if is_disk_full(error):
                raise StorageError(one_line(error)) from error
            if isinstance(error, AudioSRError):
                self._end(entry, error=one_line(error))
                return
            _log.exception("request %s could not be handed on", entry.ask.request)
            self._end(entry, error=f"a fault of this program ({type(error).__name__}); its log says more")

    def _is_needed(self, path: Path) -> bool:
        """Whether a job that has not ended is still to read a file of ours."""
        return self._jobs.store.find_source(path) is not None

    def _hand_on(self, entry: Entry) -> None:
        """Make a job of a request, or find the one it already is."""
        ask = entry.ask
        source = ask.sources[0]
        if len(ask.sources) > 1:
            source = join_channels(ask.sources, self._work, self._is_needed)
        options = ask.options
        request = RenderRequest(
            source=source,
            folder=ask.folder(self._out),
            output_name=ask.output_name,
            preset=ask.preset,
            overrides=options.overrides,
            model=options.model,
            seed=options.seed,
            region=f"{ask.start}s-{ask.stop}s",
            splice=options.mode,
            format=options.format,
            bits=options.bits,
            priority=10,  # somebody waits for it
            origin="osc",
            tag=f"{entry.name} {ask.request}",
        )
        job = self._jobs.submit(request).job
        if job is None:
            raise JobError(f"{request.output_name} is taken")
        if job.state in (State.FAILED, State.CANCELLED):
            job = self._jobs.retry(job.id)
        entry = self._ledger.hand_on(entry.number, job.id)
        if entry.is_ended:  # cancelled meanwhile
            self._cancel(job.id)
        else:  # it may have ended before anybody could know whose it is
            self._settle(entry)

    def _hear(self, since: int) -> None:
        while not self._stopping.is_set():
            try:
                for event in self._jobs.events(since, wait_s=_WAIT_S, limit=_PAGE):
                    self._follow(event)
                    since = event.id  # not before: what fails is heard again
            except AudioSRError as error:
                _log.warning("the queue does not answer: %s", error)
                self._stopping.wait(_WAIT_S)
            except Exception:
                _log.exception("a fault of the bridge; it goes on")
                self._stopping.wait(_WAIT_S)

    def _follow(self, event: Event) -> None:
        """Tell those who asked what happened to a job.

        Raises:
            StorageError: a disk does not answer; it may be called again.
        """
        try:
            for entry in self._ledger.of_job(event.job):
                if entry.is_ended:
                    continue
                if event.new.is_live:
                    self._tell_progress(entry, event.progress, event.new)
                else:
                    self._settle(entry)
        except StorageError:
            raise
        except Exception:  # it would be the same the next time, and hide all that comes after it
            _log.exception("a fault of the bridge; event %d is passed over", event.id)

    def _settle(self, entry: Entry) -> None:
        """End a request whose job has ended, with a file or without, or is not known any more.

        Raises:
            StorageError: a disk does not answer; it may be called again.
        """
        assert entry.job is not None
        try:
            job = self._jobs.store.get(entry.job)
        except StorageError:
            raise
        except JobError as error:
            self._end(entry, error=one_line(error))
            return
        if job.state.is_live:
            return
        if job.state is State.DONE:
            self._end(entry, output=str(job.output))
        else:
            self._end(entry, error=job.reason or str(job.state))

    def _end(self, entry: Entry, *, output: str = "", error: str = "") -> None:
        """End a request that may have ended already, and say so.

        Raises:
            StorageError: a disk does not answer; it may be called again.
        """
        reply = _end_of(replace(entry, is_ended=True, output=output, error=error))
        with self._receipts.ending(entry, reply):
            ended = self._ledger.end(entry.number, output=output, error=error)
        if ended is not None:  # else another thread came first, and has told it
            self._send(ended.peer, reply)
            self._notify(ended)

    def _cancel(self, job: int) -> None:
        try:
            self._jobs.cancel(job, "cancelled")
        except StorageError:
            raise
        except JobError as error:  # it has just ended, which is told by itself
            _log.debug("%s", error)

    # Replies

    def _tell_state(self, entry: Entry) -> None:
        if entry.job is not None and not entry.is_ended:
            try:
                self._settle(entry)
            except StorageError as error:  # it stays open; an error would be taken for its end
                _log.warning("%s waits: %s", entry.name, error)
                self._tell(entry, protocol.ACCEPTED)
                return
            now = self._ledger.get(entry.number)
            if now.is_ended and now.peer == entry.peer:
                return  # who asks has just been told
            entry = replace(now, peer=entry.peer)
        if entry.is_ended:
            self._tell_end(entry)
            return
        self._tell(entry, protocol.ACCEPTED)
        if entry.job is not None:
            job = self._jobs.store.get(entry.job)
            self._tell_progress(entry, job.progress, job.state)

    def _tell_end(self, entry: Entry) -> None:
        reply = _end_of(entry)
        self._send(entry.peer, reply)
        with suppress(StorageError):  # who asks has been told
            self._receipts.leave(entry, reply)

    def _tell_progress(self, entry: Entry, done: float, state: State) -> None:
        self._tell(entry, protocol.PROGRESS, float(done), str(state))

    def _tell(self, entry: Entry, address: str, *more: Argument) -> None:
        reply = Message(address, (entry.ask.request, entry.name, *more))
        self._send(entry.peer, reply)
        self._receipts.leave_while_open(entry, reply)

    def _notify(self, entry: Entry) -> None:
        """Send what a request wanted to be sent when it ends."""
        address, _, text = entry.ask.options.notify.partition(" ")
        if address and entry.peer.over != "midi":
            self._send(entry.peer.at(entry.peer.port), Message(address, (text,) if text else ()))

    def _refuse(self, message: Message, peer: Peer, text: str) -> None:
        """Say why not, to a sender who can tell what it is about."""
        peer = peer.at(reply_port_of(message.arguments))
        with suppress(MessageError):
            if message.address not in self._handlers:
                return  # a control's own address, whose argument is no word
            request = check_request_id(message.arguments[0] if message.arguments else None)
            reply = Message(protocol.ERROR, (request, "", text[:1000]))
            self._leave_refusal(message, request, reply)
            self._send(peer, reply)

    def _leave_refusal(self, message: Message, request: str, reply: Message) -> None:
        """The same as a receipt, where one is wanted and a file is named that it can lie beside."""
        with suppress(AudioSRError, OSError):
            values = find_address(message.address).read(message)
            if "path" in values or "paths" in values:
                source = self._roots.find(str(_one(values, "root")), str(_paths(values)[0]))
                if _wants_receipt(values):
                    self._receipts.leave_refusal(source, request, reply)

    def _reply(self, peer: Peer, address: str, *arguments: Argument) -> None:
        self._send(peer, Message(address, arguments))


Values = dict[str, Argument | tuple[Argument, ...]]


def _one(values: Values, name: str) -> Argument:
    value = values.get(name)
    assert not isinstance(value, tuple)
    return value


def _all(values: Values, name: str) -> tuple[Argument, ...]:
    value = values.get(name, ())
    assert isinstance(value, tuple)
    return value


def _paths(values: Values) -> Sequence[Argument]:
    """The file, or one for each channel."""
    return _all(values, "paths") if "paths" in values else [_one(values, "path")]


def _options(values: Values) -> Sequence[Argument]:
    """Options, whether they came as arguments or in one text."""
    options = values.get("options", ())
    return options if isinstance(options, tuple) else split_options(str(options))


def _wants_receipt(values: Values) -> bool:
    """Whether a message says so, though its options may be none."""
    try:
        options = _options(values)
    except ParameterError:
        options = str(values["options"]).split()
    return any(str(option).strip() == "receipt=yes" for option in options)


def _end_of(entry: Entry) -> Message:
    """What is said of a request that has ended."""
    if entry.error:
        return Message(protocol.ERROR, (entry.ask.request, entry.name, entry.error))
    manifest = str(manifest_path(Path(entry.output)))
    return Message(protocol.DONE, (entry.ask.request, entry.name, entry.output, manifest))
