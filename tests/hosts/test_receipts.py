"""Receipts: what a sender that cannot listen finds beside its file, whatever becomes of the request."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest
from studio import RATE, Studio

from audiosr_fx.errors import ParameterError, StorageError
from hosts.asks import Ask, Options, ask_from_dict, split_options
from hosts.client import render_message
from hosts.ledger import Ledger
from hosts.osc import Message, message, parse_packet
from hosts.peers import NOBODY
from hosts.receipts import Receipts, receipt_path
from hosts.roots import Roots
from hosts.spans import Span

CHANNELS = "/audiosr/render/channels"


def receipt(desk: Studio, request: str) -> list[str]:
    return receipt_path(desk.stems / "any.wav", request).read_text("utf-8").splitlines()


def ask_for(source: Path, *, word: str, receipt: str = "yes") -> Ask:
    return Ask(request=word, sources=(source,), span=Span(), options=Options(receipt=receipt))


def test_the_end_of_a_request_stands_in_its_receipt(desk: Studio) -> None:
    stem = desk.stem("told.wav")
    replies = desk.replies(render_message(str(stem), request="told-1", options=("receipt=yes",)))
    assert receipt(desk, "told-1") == [replies[-1].address, *map(str, replies[-1].arguments)]
    assert [path.suffix for path in (desk.stems / "restored").iterdir() if path.name.startswith(".")] == []
    desk.replies(render_message(str(stem), request="told-2"))
    assert not receipt_path(stem, "told-2").exists()


def test_progress_stands_there_until_it_has_ended(desk: Studio) -> None:
    stem = desk.stem("slow.wav")
    hold = desk.hold("slow.wav")
    seen = []
    for reply in desk.client.render(render_message(str(stem), request="slow-1", options=("receipt=yes",))):
        if reply.address == "/audiosr/progress" and reply.arguments[3] == "running" and not seen:
            while "running" not in (seen := receipt(desk, "slow-1")):
                desk.service.events(desk.service.store.last_event(), wait_s=0.1)
            desk.client.send(message("/audiosr/cancel", "slow-1"))
    hold.unlink()
    assert seen[:3] == ["/audiosr/progress", "slow-1", reply.arguments[1]]
    assert receipt(desk, "slow-1")[0::3] == ["/audiosr/error", "cancelled"]


@pytest.mark.parametrize(
    ("said", "says"),
    [
        (("/audiosr/render", "told.wav", 0, 0, 0, "no-such", "receipt=yes"), "no such preset"),
        (("/audiosr/render", "told.wav", 0, 0, 0, "", "receipt=yes", "seed=x"), "a whole number"),
        (("/audiosr/render", "told.wav", 0, 9 * RATE, RATE, "", "receipt=yes"), "has 48000 samples"),
        ((CHANNELS, 0, 0, 0, "no-such", "receipt=yes seed=3", "told.wav"), "no such preset"),
        ((CHANNELS, 0, 0, 0, "", 'receipt=yes "seed=3', "told.wav"), "every quote to be closed"),
    ],
)
def test_what_is_refused_leaves_the_reason(said: tuple[object, ...], says: str, desk: Studio) -> None:
    desk.stem("told.wav")
    word = f"no-{abs(hash(said))}"
    reply = desk.replies(Message(str(said[0]), (word, "stems", *said[1:])))[-1]  # type: ignore[arg-type]
    assert says in str(reply.arguments[2])
    assert receipt(desk, word) == ["/audiosr/error", *map(str, reply.arguments)]


def test_a_refusal_takes_no_receipt_from_a_request_of_that_word(desk: Studio) -> None:
    stem = desk.stem("word.wav")
    desk.replies(render_message(str(stem), request="word-1", options=("receipt=yes",)))
    again = render_message(str(stem), request="word-1", options=("receipt=yes", "seed=8"))
    assert "stands for another" in str(desk.replies(again)[-1].arguments[2])
    assert receipt(desk, "word-1")[0] == "/audiosr/done"


def test_nothing_is_left_outside_of_the_roots(desk: Studio, tmp_path: Path) -> None:
    (tmp_path / "away.wav").write_bytes(b"")
    for path in (str(tmp_path / "away.wav"), "../away.wav"):
        said = render_message(path, request="away-1", options=("receipt=yes",))
        assert desk.replies(said)[-1].address == "/audiosr/error"
    assert [path.name for path in tmp_path.rglob("*")] == ["away.wav"]


def test_a_receipt_is_left_before_the_request_has_ended_and_never_goes_back(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "state")
    receipts = Receipts(ledger, Roots({"root": tmp_path}))
    entry, _ = ledger.enter(ask_for(tmp_path / "a.wav", word="w-1"), NOBODY, "digest")
    path = receipt_path(tmp_path / "a.wav", "w-1")
    with receipts.ending(entry, message("/audiosr/done", "w-1", "osc-1", "out.wav", "out.json")):
        assert path.read_text().startswith("/audiosr/done\n")
        assert not ledger.get(entry.number).is_ended
        ledger.end(entry.number, output="out.wav")
    receipts.leave_while_open(entry, message("/audiosr/progress", "w-1", "osc-1", 0.5, "running"))
    assert path.read_text().startswith("/audiosr/done\n")
    ledger.close()


def test_a_full_disk_keeps_a_request_open_and_no_rights_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(tmp_path / "state")
    receipts = Receipts(ledger, Roots({"root": tmp_path}))
    entry, _ = ledger.enter(ask_for(tmp_path / "a.wav", word="w-1"), NOBODY, "digest")
    done = message("/audiosr/done", "w-1", "osc-1", "out.wav", "out.json")
    for number in (errno.ENOSPC, errno.EACCES):
        monkeypatch.setattr("hosts.receipts.os.replace", _fails_with(number))
        if number == errno.ENOSPC:
            receipts.leave_while_open(entry, done)
            with pytest.raises(StorageError, match=r"w-1\.receipt"), receipts.ending(entry, done):
                pytest.fail("the request must stay open")
        else:
            with receipts.ending(entry, done):
                ledger.end(entry.number, output="out.wav")
    assert ledger.get(entry.number).is_ended
    assert list((tmp_path / "restored").iterdir()) == []
    ledger.close()


def test_a_file_in_the_place_of_the_folder_costs_the_receipt_alone(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "state")
    receipts = Receipts(ledger, Roots({"root": tmp_path}))
    (tmp_path / "restored").write_text("a file")
    entry, _ = ledger.enter(ask_for(tmp_path / "a.wav", word="w-1"), NOBODY, "digest")
    with receipts.ending(entry, message("/audiosr/done", "w-1", "osc-1", "out.wav", "out.json")):
        ledger.end(entry.number, output="out.wav")
    assert ledger.get(entry.number).is_ended
    assert (tmp_path / "restored").read_text() == "a file"
    ledger.close()


def test_a_folder_that_is_a_link_out_of_the_roots_gets_no_receipt(tmp_path: Path) -> None:
    away, root = tmp_path / "away", tmp_path / "root"
    away.mkdir()
    root.mkdir()
    (root / "restored").symlink_to(away)
    ledger = Ledger(tmp_path / "state")
    receipts = Receipts(ledger, Roots({"root": root}))
    entry, _ = ledger.enter(ask_for(root / "a.wav", word="w-1"), NOBODY, "digest")
    with receipts.ending(entry, message("/audiosr/done", "w-1", "osc-1", "out.wav", "out.json")):
        ledger.end(entry.number, output="out.wav")
    receipts.leave_refusal(root / "a.wav", "w-2", message("/audiosr/error", "w-2", "", "no"))
    assert list(away.iterdir()) == []
    ledger.close()


def _fails_with(number: int) -> object:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def test_asks_of_older_ledgers_keep_their_digest() -> None:
    """Their outputs' names are made of it, and so what the queue knows them by."""
    for receipt in ("", "yes"):
        told = ask_for(Path("/a/a.wav"), word="w-1", receipt=receipt).to_dict()
        del told["span"]
        ask = ask_from_dict(told | {"start": 0, "stop": 9})
        assert ask.digest == "d7f9462e9d30625e301a365dbc6ae9b20d17493e52616d55c78dbee846054b5e"
        assert ask_from_dict(ask.to_dict()) == ask


def test_several_channels_are_named_after_what_their_names_share(tmp_path: Path) -> None:
    for names, stem in (
        (("take%L", "take%R"), "take"),
        (("Gtr-1%1", "Gtr-1%2", "Gtr-1%3"), "Gtr-1"),
        (("left", "right"), "left"),
        (("solo%L",), "solo%L"),
    ):
        sources = tuple(tmp_path / f"{name}.wav" for name in names)
        ask = Ask(request="w-1", sources=sources, span=Span(), options=Options())
        assert ask.output_name.rpartition("-")[0] == stem


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("", []),
        ("seed=3  mode=region", ["seed=3", "mode=region"]),
        (
            '"notify=/access_action LuaAction/script-2" seed=3',
            ["notify=/access_action LuaAction/script-2", "seed=3"],
        ),
        ('notify="/done now"', ["notify=/done now"]),
        ("a=it's b=back\\slash #c", ["a=it's", "b=back\\slash", "#c"]),
    ],
)
def test_quotes_hold_an_option_together(text: str, options: list[str]) -> None:
    assert split_options(text) == options


def test_an_open_quote_is_refused() -> None:
    with pytest.raises(ParameterError, match="every quote to be closed"):
        split_options('notify="/done now')


def test_notify_takes_an_argument_for_split_stereo_too(desk: Studio) -> None:
    left, right = desk.stem("note%L.wav"), desk.stem("note%R.wav")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(90)
        options = f'reply_port={listener.getsockname()[1]} notify="/access_action LuaAction/script-2"'
        said = Message(CHANNELS, ("note-1", "", 0, 0, 0, "", options, str(left), str(right)))
        desk.client.send(said)
        heard = [Message("/")]
        while heard[-1].address != "/access_action":
            heard.extend(parse_packet(listener.recv(9000)))
    assert heard[-1].arguments == ("LuaAction/script-2",)
    assert Path(str(heard[-2].arguments[2])).name.startswith("note-")
