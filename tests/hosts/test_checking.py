"""Checking: each acknowledged request is looked at and handed on once, whatever another one's file does."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from audio_kinds import some_audio, write_kind

from audiosr_fx.errors import AudioFormatError, ParameterError, StorageError
from audiosr_fx.files import AudioInfo, read_info
from hosts.asks import Ask, Options
from hosts.checking import Checking, Found, Look
from hosts.ledger import Entry, Ledger
from hosts.peers import Peer
from hosts.spans import Span

WAIT_S = 60.0
PEER, OTHER = Peer(port=7), Peer(port=8)


class Desk:
    """A ledger, what is looked at, and what is handed on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = Ledger(folder / "state")
        self.looked: list[str] = []
        self.handed_on: queue.SimpleQueue[tuple[int, Found]] = queue.SimpleQueue()

    def enter(self, word: str, *, peer: Peer = PEER, channels: int = 0, span: Span | None = None) -> Entry:
        """A request for a file, or for one for each channel."""
        names = [f"{word}{number}.wav" for number in range(channels)] or [f"{word}.wav"]
        sources = tuple(write_kind(self.folder / name, "pcm16.wav") for name in names)
        ask = Ask(request=word, sources=sources, span=span or Span(), options=Options())
        return self.ledger.enter(ask, peer, ask.digest)[0]

    def look(self, path: Path) -> AudioInfo:
        self.looked.append(path.stem)
        return read_info(path)

    def checking(self, look: Look | None = None) -> Checking:
        return Checking(self.ledger, look or self.look, lambda *found: self.handed_on.put(found))

    def next_found(self) -> tuple[int, Found]:
        return self.handed_on.get(timeout=WAIT_S)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.ledger.close()


def hanging_at(word: str, look: Look) -> tuple[Look, threading.Event, threading.Event]:
    """A look that hangs at one file until it is let go; says when it does."""
    hangs, free = threading.Event(), threading.Event()

    def looking(path: Path) -> AudioInfo:
        if path.stem == word:
            hangs.set()
            assert free.wait(WAIT_S)
        return look(path)

    return looking, hangs, free


def test_regions_and_faults_are_handed_on_in_the_order_they_came(desk: Desk) -> None:
    frames = read_info(write_kind(desk.folder / "any.wav", "pcm16.wav")).frames
    checking = desk.checking()
    left = desk.enter("left")  # by an earlier run
    checking.start()
    text = desk.enter("text")
    text.ask.sources[0].write_text("no audio")
    gone = desk.enter("gone")
    gone.ask.sources[0].unlink()
    whole = desk.enter("split", channels=2)
    odd = desk.enter("odd", channels=2)
    write_kind(odd.ask.sources[1], "pcm16.wav", some_audio(channels=2))
    long = desk.enter("long", span=Span(stop=Fraction(frames + 1), rate=None))
    for entry in (text, gone, whole, odd, long):
        checking.put(entry)
    found = [desk.next_found() for _ in range(6)]
    checking.stop()
    assert [number for number, _ in found] == [each.number for each in (left, text, gone, whole, odd, long)]
    assert found[0][1] == found[3][1] == (0, frames)
    kinds = [type(each) for _, each in found]
    assert kinds == [tuple, AudioFormatError, AudioFormatError, tuple, ParameterError, ParameterError]
    assert "has 2 channels; expected a mono file" in str(found[4][1])
    assert f"has {frames} samples" in str(found[5][1])


def test_a_file_that_hangs_keeps_no_other_sender_waiting(desk: Desk) -> None:
    look, hangs, free = hanging_at("stuck", desk.look)
    checking = desk.checking(look)
    checking.start()
    stuck, behind = desk.enter("stuck"), desk.enter("behind")
    others = [desk.enter(f"other{number}", peer=OTHER) for number in range(3)]
    checking.put(stuck)
    assert hangs.wait(WAIT_S)
    for entry in (behind, *others):
        checking.put(entry)
    assert [desk.next_found()[0] for _ in others] == [entry.number for entry in others]
    assert desk.looked == [entry.ask.request for entry in others]
    free.set()
    assert [desk.next_found()[0] for _ in range(2)] == [stuck.number, behind.number]
    checking.stop()


def test_what_was_cancelled_meanwhile_is_not_looked_at(desk: Desk) -> None:
    look, hangs, free = hanging_at("first", desk.look)
    checking = desk.checking(look)
    checking.start()
    first, gone, kept = (desk.enter(word) for word in ("first", "gone", "kept"))
    for entry in (first, gone, kept):
        checking.put(entry)
    assert hangs.wait(WAIT_S)
    desk.ledger.end(gone.number, error="cancelled")
    free.set()
    assert [desk.next_found()[0] for _ in range(2)] == [first.number, kept.number]
    checking.stop()
    assert desk.looked == ["first", "kept"]


def test_a_disk_that_does_not_answer_keeps_no_request_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    checking, entry = desk.checking(), desk.enter("sure")
    checking.start()
    monkeypatch.setattr(desk.ledger, "find", fails_with(StorageError("the disk is full")))
    checking.put(entry)
    assert desk.next_found()[0] == entry.number
    checking.stop()


def fails_with(error: Exception) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise error

    return fail
