"""The ledger: what was taken in is there after a restart, and a word stands for one render."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from studio import midi_file, studio

from audiosr_fx.errors import JobError, ParameterError, StorageError
from audiosr_fx.jobs.request import check_output_name
from hosts import ledger as module
from hosts.asks import Ask, Options, ask_from_dict, read_options
from hosts.client import render_message
from hosts.ledger import Ledger
from hosts.osc import message
from hosts.peers import Peer
from hosts.song import Song
from hosts.spans import Span

ASK = Ask(
    request="a",
    sources=(Path("/stems/ü.wav"),),
    span=Span(start=Fraction(1, 3), stop=Fraction(9), rate=0),
    preset="podcast",
    options=Options(seed=3, overrides=(("target_lufs", "-16"),)),
)
PEER = Peer(port=7)
SPANS = st.builds(
    Span,
    start=st.fractions(min_value=0),
    stop=st.none() | st.fractions(min_value=0),
    rate=st.sampled_from([0, 44_100, 48_000]),
)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path)
    yield opened
    opened.close()


def test_a_full_disk_is_told_with_the_folder(ledger: Ledger, tmp_path: Path) -> None:
    ledger._connection.execute("PRAGMA max_page_count=1")
    large = replace(ASK, preset="x" * 100_000)
    with pytest.raises(StorageError, match=rf"cannot be written \(.* is full\); make room in {tmp_path}$"):
        ledger.enter(large, PEER, large.digest)


def test_what_was_entered_is_there_after_a_restart(tmp_path: Path) -> None:
    first = Ledger(tmp_path)
    number = first.enter(ASK, PEER, ASK.digest)[0].number
    first.enter(replace(ASK, request="b"), PEER, ASK.digest)
    first.hand_on(number, 17)
    first.close()
    second = Ledger(tmp_path)
    assert [(entry.ask, entry.peer, entry.job) for entry in second.running()] == [(ASK, PEER, 17)]
    assert [entry.ask.request for entry in second.waiting()] == ["b"]
    second.end(number, output="/out.wav")
    assert second.counts() == {"waiting": 1, "running": 0, "done": 1, "failed": 0}
    second.close()


def test_what_was_entered_survives_a_kill_in_a_log_whose_room_was_made_before(
    tmp_path: Path, ledger: Ledger
) -> None:
    log = tmp_path / f"{module.FILE_NAME}-wal"
    size = log.stat().st_size
    ledger.enter(ASK, PEER, ASK.digest)
    assert log.stat().st_size == size > 1000 * 4096  # nothing else had to be written than the entry
    left = tmp_path / "left"
    left.mkdir()
    for name in (module.FILE_NAME, log.name):
        shutil.copy(tmp_path / name, left)
    after = Ledger(left)
    assert [entry.ask for entry in after.waiting()] == [ASK]
    after.close()


def test_a_repeat_is_the_entry_it_was_and_told_to_the_last_who_asked(ledger: Ledger) -> None:
    first, is_new = ledger.enter(ASK, PEER, ASK.digest)
    again, is_new_again = ledger.enter(ASK, Peer(port=8), ASK.digest)
    assert (is_new, is_new_again) == (True, False)
    assert (again.number, again.peer.port) == (first.number, 8)
    other = replace(ASK, span=replace(ASK.span, start=Fraction(2)))
    with pytest.raises(JobError, match="stands for another render"):
        ledger.enter(other, PEER, other.digest)


def test_too_many_open_requests_are_refused_and_old_ended_ones_forgotten(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_OPEN", 3)
    monkeypatch.setattr(module, "MAX_ENDED", 50)
    for number in range(3):
        ledger.enter(replace(ASK, request=f"r{number}"), PEER, "x")
    with pytest.raises(JobError, match="3 requests are open"):
        ledger.enter(replace(ASK, request="r3"), PEER, "x")
    for number in range(1, 4):
        ledger.end(number, error="gone")
    for number in range(97):
        ledger.end(ledger.enter(replace(ASK, request=f"s{number}"), PEER, "x")[0].number, output="o")
    assert ledger.find("r0") is None
    assert ledger.find("s96") is not None


def test_a_ledger_that_cannot_be_written_is_the_disk_s_fault(ledger: Ledger) -> None:
    number = ledger.enter(ASK, PEER, ASK.digest)[0].number
    ledger._connection.execute("PRAGMA query_only=ON")
    for change in (
        lambda: ledger.enter(replace(ASK, request="b"), PEER, ASK.digest),
        lambda: ledger.hand_on(number, 17),
        lambda: ledger.end(number, error="no"),
    ):
        with pytest.raises(StorageError, match="cannot be written"):
            change()
    ledger._connection.execute("PRAGMA query_only=OFF")
    assert ledger.end(number, error="no") is not None
    assert ledger.end(number, output="/out.wav") is None


def test_a_damaged_ledger_is_said(tmp_path: Path) -> None:
    (tmp_path / "requests.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(JobError, match=r"requests\.sqlite: cannot be used"):
        Ledger(tmp_path)


@given(
    st.text(max_size=50),
    st.lists(st.tuples(st.text(max_size=4), st.text(max_size=4)), max_size=3),
    st.sampled_from(["region", "file"]),
    SPANS,
)
def test_an_ask_comes_back_from_json(
    stem: str, overrides: list[tuple[str, str]], mode: str, span: Span
) -> None:
    ask = Ask(
        request="r",
        sources=(Path("/stems") / f"x{stem.replace('/', '')}.flac",),
        span=span,
        options=Options(mode=mode, overrides=tuple(overrides)),
    )
    assert ask_from_dict(json.loads(json.dumps(ask.to_dict()))) == ask
    assert check_output_name(ask.output_name)
    assert ask.output_name.endswith(".flac" if mode == "file" else ".wav")
    assert replace(ask, request="other").output_name != ask.output_name


@given(st.lists(st.text(max_size=12), max_size=4))
def test_any_options_are_read_or_refused(texts: list[str]) -> None:
    try:
        read_options(texts)
    except ParameterError:
        return
    assert all("=" in text for text in texts)


def test_what_waited_is_handed_on_and_told_after_a_restart(tmp_path: Path) -> None:
    with studio(tmp_path) as desk:
        stem = desk.stem("late.wav")
    opened = Ledger(tmp_path / "state")
    span = Span(stop=Fraction(100), rate=48_000)
    ask = Ask(request="late-1", sources=(stem,), span=span, options=Options())
    opened.enter(ask, PEER, ask.digest)
    opened.close()
    with studio(tmp_path) as desk:
        said = render_message("late.wav", root="stems", length=100, rate=48_000, request="late-1")
        assert desk.replies(said)[-1].address == "/audiosr/done"
        assert len(desk.renders("late.wav")) == 1


def test_a_key_renders_the_part_under_the_playhead_and_cancels(tmp_path: Path) -> None:
    with studio(tmp_path) as desk:
        stem, bridge = desk.stem("song.wav", frames=3 * 48_000), desk.server.bridge
        with pytest.raises(ParameterError, match="no region was announced"):
            bridge.render_announced("early")
        said = message("/audiosr/announce", "song-1", "", str(stem), 0, 0, 0)
        desk.client.ask(said)
        with pytest.raises(ParameterError, match="start with a --tempo-map"):
            bridge.render_part("part-0", 1)  # type: ignore[arg-type]
        bridge.use_song(Song(midi_file(tmp_path / "song.mid", (0, "A"), (960, "B"), (1920, "C"))))
        entry = bridge.render_part("part-1", 1.5)  # type: ignore[arg-type]
        assert entry.ask.span == Span(start=Fraction(1), stop=Fraction(2))
        hold = desk.hold("song.wav")
        bridge.render_announced("part-2")
        bridge.cancel_last()
        end = desk.client.ask(
            message("/audiosr/status", "part-2"), lambda replies: replies[-1].address == "/audiosr/error"
        )
        hold.unlink()
        assert end[-1].arguments[2] == "cancelled"


def test_what_a_power_cut_takes_is_found_out_again(tmp_path: Path) -> None:
    """That a request was handed on, and its end, need not be on the disk: the queue knows both."""
    with studio(tmp_path) as desk:
        said = render_message(str(desk.stem("cut.wav")), request="cut-1")
        first = desk.replies(said)[-1]
    with sqlite3.connect(tmp_path / "state" / module.FILE_NAME) as database:
        database.execute("UPDATE request SET job = NULL, ended = 0, output = ''")
    database.close()
    with studio(tmp_path) as desk:
        assert desk.replies(said)[-1] == first
        assert desk.server.bridge.counts()["done"] == 1
        assert len(desk.renders("cut.wav")) == 1
        assert len(desk.service.store.jobs()) == 1


def test_only_what_nobody_else_knows_waits_for_the_disk(ledger: Ledger) -> None:
    said: list[str] = []
    ledger._connection.set_trace_callback(said.append)

    def synced(change: Callable[[], object]) -> list[str]:
        said.clear()
        change()
        return [text.partition("=")[2] for text in said if text.startswith("PRAGMA synchronous")]

    assert synced(lambda: ledger.enter(ASK, PEER, ASK.digest)) == ["FULL"]
    assert synced(lambda: ledger.hand_on(1, 17)) == ["NORMAL"]
    assert synced(lambda: ledger.end(1, output="/out.wav")) == ["NORMAL"]
    assert synced(lambda: ledger.enter(replace(ASK, request="b"), PEER, ASK.digest)) == ["FULL"]
    assert synced(lambda: ledger.end(2, error="cancelled")) == ["FULL"], "no job of the queue says so"
    ledger.hand_on(ledger.enter(replace(ASK, request="c"), PEER, ASK.digest)[0].number, 18)
    assert synced(lambda: ledger.end(3, error="cancelled")) == ["FULL"], (
        "handed on again, it would be retried"
    )
