"""The bridge over a real queue: what is said comes back as a file, once, whatever goes wrong."""

from __future__ import annotations

import logging
import re
import socket
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile
from studio import RATE, Studio, midi_file

from audiosr_fx import __version__
from hosts.client import OscClient, new_request, render_message
from hosts.osc import Message, message, parse_packet
from hosts.song import Song

RENDER = "/audiosr/render"


def kinds(replies: list[Message]) -> list[str]:
    return list(dict.fromkeys(reply.address.removeprefix("/audiosr/") for reply in replies))


def one_reply(desk: Studio, said: Message) -> Message:
    return desk.client.ask(said)[0]


def test_a_region_comes_back_as_a_file(desk: Studio, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    desk.stem("vocal.wav", frames=2 * RATE)
    said = Message(RENDER, ("vocal-1", "stems", "vocal.wav", 9_600, 48_001, RATE), "sssiii")
    replies = desk.replies(said)
    assert kinds(replies) == ["accepted", "progress", "done"]
    assert {reply.arguments[0] for reply in replies} == {"vocal-1"}
    assert len({reply.arguments[1] for reply in replies}) == 1
    _, _, output, manifest = replies[-1].arguments
    assert Path(str(output)).parent == desk.stems / "restored"
    assert Path(str(manifest)).is_file()
    before, after = soundfile.read(desk.stems / "vocal.wav")[0], soundfile.read(str(output))[0]
    assert np.array_equal(after, before[9_600:57_601])
    stem = desk.stems / "vocal.wav"
    assert f"vocal-1 asks for {stem}, samples 9600 to 57601 at 48000 Hz" in caplog.messages
    assert f"vocal-1 is done: {output}" in caplog.messages


def test_a_repeated_request_is_answered_alike_and_rendered_once(desk: Studio) -> None:
    desk.stem("twice.wav")
    said = render_message(str(desk.stems / "twice.wav"), request="twice-1")
    first = desk.replies(said)
    for _ in range(3):
        again = desk.replies(said)
        assert kinds(again)[-1] == "done"
        assert again[-1] == first[-1]
        assert {reply.arguments[1] for reply in again} == {first[0].arguments[1]}
    assert len(desk.renders("twice.wav")) == 1


def test_a_word_stands_for_one_render_only(desk: Studio) -> None:
    desk.stem("word.wav")
    desk.replies(render_message(str(desk.stems / "word.wav"), request="word-1"))
    replies = desk.replies(
        render_message(str(desk.stems / "word.wav"), request="word-1", options=("seed=2",))
    )
    assert replies[-1].address == "/audiosr/error"
    assert "stands for another render" in str(replies[-1].arguments[2])


@pytest.mark.parametrize(
    ("start", "length", "rate", "tags", "region"),
    [
        (4_800, 9_600, RATE, "iii", "4800s-14400s"),
        (4_800, 9_600, RATE, "hhi", "4800s-14400s"),
        (4_800.0, 9_600.0, RATE, "ddi", "4800s-14400s"),
        (4_800.0, 9_600.0, float(RATE), "fff", "4800s-14400s"),
        ("4800", "9600", RATE, "ssi", "4800s-14400s"),
        (0.1, 0.2, 0, "ddi", "4800s-14400s"),
        ("0.1", "0.2", 0, "ssi", "4800s-14400s"),
        (0, 1, 0, "iii", "0s-48000s"),
        (0, 0, 0, "iii", "0s-48000s"),
        (4_410, 8_820, 44_100, "iii", "4800s-14400s"),
        (24_000, 0, RATE, "iii", "24000s-48000s"),
        (1, 44_100, 44_100, "iii", "1s-48000s"),
    ],
)
def test_positions_are_exact_however_they_are_said(
    start: object, length: object, rate: object, tags: str, region: str, desk: Studio
) -> None:
    name = f"span-{tags}-{start}-{rate}.wav"
    desk.stem(name)
    said = Message(RENDER, (new_request(), "stems", name, start, length, rate), "sss" + tags)  # type: ignore[arg-type]
    assert kinds(desk.replies(said))[-1] == "done"
    assert desk.renders(name)[0].split()[0] == region


@pytest.mark.parametrize(
    ("arguments", "tags", "says"),
    [
        (("stems", "here.wav", 0.1, 0.2, 0), "ssffi", "32-bit float, which is not exact"),
        (("stems", "here.wav", 0.5, 1.0, RATE), "ssddi", "whole samples"),
        (("stems", "here.wav", -1, 10, RATE), "ssiii", "expected 0 or more"),
        (("stems", "here.wav", "1e9", "2", 0), "ssssi", "expected a number such as 12.5"),
        (("stems", "here.wav", 0, 10, 7), "ssiii", "expected 1000 to 768000 Hz"),
        (("stems", "../here.wav", 0, 0, 0), "ssiii", r"\.\. is not taken"),
        (("", "/etc/passwd", 0, 0, 0), "ssiii", "outside of what is served"),
        (("other", "here.wav", 0, 0, 0), "ssiii", "root is 'other'; expected stems"),
        (("stems", "none.wav", 0, 0, 0), "ssiii", "there is no file"),
        (("stems", "", 0, 0, 0), "ssiii", "expected text without control characters"),
        (("stems", "folder", 0, 0, 0), "ssiii", "not a file; expected one audio file"),
        (("stems", "here.wav", 0, 0, 0, "/etc/x.toml"), "ssiiis", "expected a name that presets lists"),
        (("stems", "here.wav", 0, 0, 0, "", "seed"), "ssiiiss", "expected KEY=VALUE"),
        (("stems", "here.wav", 0, 0, 0, "", "seed=x"), "ssiiiss", "expected a whole number"),
        (("stems", "here.wav", 0, 0, 0, "", "seed=1", "seed=2"), "ssiiisss", "given twice"),
        (("stems", "here.wav", 0, 0, 0, "", "model=/x/evil.safetensors"), "ssiiiss", "no name of a file"),
        (("stems", "here.wav", 0, 0, 0, "", "mode=all"), "ssiiiss", "expected region, file"),
        (("stems", "here.wav", "0", "0"), "ssss", "has 5 arguments; expected 6 to more"),
        (("stems", 7, 0, 0, 0), "siiii", "path is of type i; expected s"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    arguments: tuple[object, ...], tags: str, says: str, desk: Studio
) -> None:
    desk.stem("here.wav")
    (desk.stems / "folder").mkdir(exist_ok=True)
    (reply,) = desk.replies(Message(RENDER, (new_request(), *arguments), "s" + tags))  # type: ignore[arg-type]
    assert (reply.address, reply.arguments[1]) == ("/audiosr/error", ""), "there is no job"
    assert "\n" not in str(reply.arguments[2])
    assert re.search(says, str(reply.arguments[2]))


@pytest.mark.parametrize(
    ("arguments", "tags", "says"),
    [
        (("stems", "text.wav", 0, 0, 0), "ssiii", "cannot be read as audio"),
        (("stems", "here.wav", 0, 48_002, RATE), "ssiii", r"0 to 48002; .* has 48000 samples"),
        (("stems", "here.wav", 48_000, 0, RATE), "ssiii", "has 48000 samples"),
        (("stems", "here.wav", 0, 0, 0, "no-such"), "ssiiis", "no such preset"),
        (("stems", "here.wav", 0, 0, 0, "", "quality=great"), "ssiiiss", "expected draft, standard, best"),
        (("stems", "here.wav", 0, 0, 0, "", "colour=red"), "ssiiiss", "nothing in Restore has it"),
    ],
)
def test_what_only_a_look_tells_is_accepted_and_ends_in_one_line(
    arguments: tuple[object, ...], tags: str, says: str, desk: Studio
) -> None:
    desk.stem("here.wav")
    (desk.stems / "text.wav").write_text("no audio")
    said = Message(RENDER, (new_request(), *arguments), "s" + tags)  # type: ignore[arg-type]
    jobs = len(desk.service.store.jobs())
    accepted, error = desk.replies(said)
    assert (accepted.address, error.address) == ("/audiosr/accepted", "/audiosr/error")
    assert accepted.arguments == error.arguments[:2]
    assert re.fullmatch(r"osc-\d+", str(error.arguments[1]))
    assert "\n" not in str(error.arguments[2])
    assert re.search(says, str(error.arguments[2]))
    assert desk.replies(said) == [accepted, error], "a repeat is answered alike"
    assert len(desk.service.store.jobs()) == jobs


def test_a_render_that_fails_is_an_error_with_its_reason(desk: Studio) -> None:
    desk.stem("bad.wav")
    replies = desk.replies(render_message(str(desk.stems / "bad.wav")))
    assert replies[-1].address == "/audiosr/error"
    assert "is bad" in str(replies[-1].arguments[2])


def test_split_stereo_becomes_one_file(desk: Studio) -> None:
    left, right = desk.stem("take%L.wav"), desk.stem("take%R.wav")
    said = Message(
        "/audiosr/render/channels",
        ("split-1", "", 4_800, 9_600, RATE, "", "seed=3 mode=region", str(left), str(right)),
    )
    replies = desk.replies(said)
    audio, _ = soundfile.read(str(replies[-1].arguments[2]))
    expected = np.stack([soundfile.read(path)[0] for path in (left, right)], axis=1)
    assert np.array_equal(audio, expected[4_800:14_400])
    assert Path(str(replies[-1].arguments[2])).parent == desk.stems / "restored"


def test_channels_that_do_not_fit_each_other_are_refused(desk: Studio) -> None:
    left, stereo, short = desk.stem("c1.wav"), desk.stem("c2.wav", channels=2), desk.stem("c3.wav", frames=9)
    for other, says in ((stereo, "expected a mono file"), (short, "has 9 samples")):
        said = Message(
            "/audiosr/render/channels", (new_request(), "", 0, 0, 0, "", "", str(left), str(other))
        )
        assert says in str(desk.replies(said)[-1].arguments[2])


def test_bars_and_parts_of_a_song_are_found_in_the_file(desk: Studio) -> None:
    desk.stem("song.wav", frames=10 * RATE)
    midi_file(desk.stems / "song.mid", (0, "Intro"), (1920, "Chorus 2"), (3840, "Outro"))
    bars = "/audiosr/render/bars"
    for arguments in (
        ("2:2.5", "3", "", "song.mid"),
        ("chorus 2", "", "", "song.mid"),
        ("3", "4", "2", "song.mid"),
        ("2", "", "", "song.mid"),
        ("outro", "", "", "song.mid"),
        ("3-", "", "2", "song.mid"),
    ):
        desk.replies(Message(bars, (new_request(), "stems", "song.wav", *arguments)))
    spans = [line.split()[0] for line in desk.renders("song.wav")]
    assert spans == ["132000s-192000s", *["96000s-192000s"] * 3, "192000s-480000s", "96000s-480000s"]


def test_a_map_counts_for_the_message_that_names_it(desk: Studio) -> None:
    stem = str(desk.stem("fast.wav", frames=5 * RATE))
    midi_file(desk.stems / "slow.mid", tempo=1_000_000)

    def bar(map_path: str) -> Message:
        said = Message("/audiosr/render/bars", (new_request(), "", stem, "1", "", "", map_path))
        return desk.replies(said)[-1]

    assert "serve has none" in str(bar("").arguments[2])
    desk.server.bridge.use_song(Song(midi_file(desk.folder / "own.mid")))
    for map_path in ("", str(desk.stems / "slow.mid"), ""):
        bar(map_path)
    desk.server.bridge.use_song(None)
    assert [line.split()[0] for line in desk.renders("fast.wav")] == [
        "0s-96000s",
        "0s-192000s",
        "0s-96000s",
    ]


def test_controls_stand_for_renders_to_come_and_repeats_stay_harmless(desk: Studio) -> None:
    desk.stem("knob.wav")
    said = render_message(str(desk.stems / "knob.wav"), request="knob-1")
    assert one_reply(desk, message("/audiosr/param", "p1", "seed", 11)).arguments[2:] == ("seed", 11)
    desk.replies(said)
    desk.client.send(message("/audiosr/param/seed", 12.0))
    assert one_reply(desk, message("/audiosr/param", "p2", "seed")).arguments[3] == 12
    assert kinds(desk.replies(said))[-1] == "done"
    desk.replies(render_message(str(desk.stems / "knob.wav"), options=("seed=5",)))
    one_reply(desk, Message("/audiosr/param", ("p3", "seed", None)))
    desk.replies(render_message(str(desk.stems / "knob.wav")))
    assert [line.split()[2] for line in desk.renders("knob.wav")] == ["11", "5", "None"]
    error = one_reply(desk, message("/audiosr/param", "p4", "seed", -1))
    assert "expected 0 to" in str(error.arguments[2])
    error = one_reply(desk, message("/audiosr/param", "p5", "volume", 1))
    assert "there is no control 'volume'" in str(error.arguments[2])


def test_a_running_render_is_cancelled_and_says_so(desk: Studio) -> None:
    desk.stem("stop.wav")
    hold = desk.hold("stop.wav")
    said = render_message(str(desk.stems / "stop.wav"), request="stop-1")
    replies = []
    for reply in desk.client.render(said):
        replies.append(reply)
        if reply.address == "/audiosr/progress" and reply.arguments[3] == "running":
            desk.client.send(message("/audiosr/cancel", "stop-1"))
    hold.unlink()
    assert replies[-1].arguments[0] == "stop-1"
    assert replies[-1].arguments[2] == "cancelled"
    assert one_reply(desk, message("/audiosr/status", "stop-1")).arguments[2] == "cancelled"
    error = one_reply(desk, message("/audiosr/cancel", "nobody"))
    assert "there is no request nobody" in str(error.arguments[2])


def test_status_presets_and_ping_are_answered(desk: Studio) -> None:
    counts = one_reply(desk, Message("/audiosr/status", ("",)))
    assert counts.address == "/audiosr/state"
    assert sum(int(str(each)) for each in counts.arguments[2:]) >= 0
    presets = desk.client.ask(
        message("/audiosr/presets", "list-1"),
        lambda replies: len(replies) >= replies[0].arguments[3],  # type: ignore[operator]
    )
    assert {reply.arguments[4] for reply in presets} >= {"podcast", "dark-vocal"}
    assert one_reply(desk, message("/audiosr/ping", "ping-1")).arguments == (
        "ping-1",
        "",
        f"audiosr_fx {__version__}",
        1,
    )


def test_nothing_bad_is_answered_and_the_good_still_is(desk: Studio) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.settimeout(0.3)
        for packet in (
            b"",
            b"noise!!",
            message("/audiosr/none", "id").encode(),
            b"/audiosr/*\0\0,s\0\0id\0\0",
            message("/audiosr/render").encode(),
            message("/audiosr/render", "no good word!").encode(),
            message("/audiosr/param/seed", "x" * 200).encode(),
            message("/audiosr/ping", b"blob").encode(),
        ):
            sender.sendto(packet, ("127.0.0.1", desk.port))
        with pytest.raises(TimeoutError):
            sender.recv(9000)
        sender.sendto(message("/audiosr/ping", "good").encode(), ("127.0.0.1", desk.port))
        sender.settimeout(90)
        assert parse_packet(sender.recv(9000))[0].arguments[0] == "good"


def test_replies_go_where_the_sender_wants_them_on_its_own_machine(desk: Studio) -> None:
    desk.stem("elsewhere.wav")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(90)
        options = (
            f"reply_port={listener.getsockname()[1]}",
            "notify=/access_action LuaAction/script-2",
        )
        desk.client.send(render_message(str(desk.stems / "elsewhere.wav"), request="else-1", options=options))
        heard = []
        while not heard or heard[-1].address != "/access_action":
            heard.extend(parse_packet(listener.recv(9000)))
    assert kinds(heard[:-1]) == ["accepted", "progress", "done"]
    assert heard[-1].arguments == ("LuaAction/script-2",)


def test_refusals_go_there_too(desk: Studio) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(90)
        port = f"reply_port={listener.getsockname()[1]}"
        for said in (
            render_message("/etc/hostname", request="no-1", options=("seed=1", port)),
            message("/audiosr/render/channels", "no-2", "", 0, 0, 0, "", f"seed=1 {port}", "/etc/hostname"),
            message(RENDER, "no-3", "", "/a.wav", 0, port),
        ):
            desk.client.send(said)
            (heard,) = parse_packet(listener.recv(9000))
            assert (heard.address, heard.arguments[0]) == ("/audiosr/error", said.arguments[0])


def test_tcp_carries_long_messages_and_bad_frames_end_only_their_connection(desk: Studio) -> None:
    desk.stem("tcp.wav")
    with OscClient(port=desk.port, over_tcp=True, give_up_s=90) as client:
        filler = [f"/no/such/{'x' * 200}/{i}.wav" for i in range(100)]
        long = Message("/audiosr/render/channels", ("long-1", "", 0, 0, 0, "", "", *filler))
        assert len(long.encode()) > 20_000
        reply = client.ask(long)[0]
        assert "there are 100 paths; expected 1 to 32" in str(reply.arguments[2])
        replies = list(client.render(render_message(str(desk.stems / "tcp.wav"))))
        assert replies[-1].address == "/audiosr/done"
    with socket.create_connection(("127.0.0.1", desk.port)) as raw:
        raw.settimeout(90)
        raw.sendall(b"\xc0\xdb\x01\xc0")
        assert raw.recv(100) == b""
    assert one_reply(desk, message("/audiosr/ping", "after")).arguments[0] == "after"


def test_only_so_many_connections_are_kept(desk: Studio) -> None:
    connections = [socket.create_connection(("127.0.0.1", desk.port)) for _ in range(40)]
    try:
        connections[-1].settimeout(90)
        assert connections[-1].recv(10) == b""
    finally:
        for connection in connections:
            connection.close()


def test_requests_that_are_announced_are_rendered_by_a_key(desk: Studio) -> None:
    desk.stem("key.wav")
    bridge = desk.server.bridge
    said = Message("/audiosr/announce", ("key-1", "stems", "key.wav", 0, 24_000, RATE), "sssiii")
    assert kinds([one_reply(desk, said)]) == ["accepted"]
    assert desk.renders("key.wav") == []
    entries = [bridge.render_announced("key-2"), bridge.again("key-3"), bridge.again("key-4")]
    for entry in entries:
        desk.client.ask(
            message("/audiosr/status", entry.ask.request), lambda r: r[-1].address.endswith("done")
        )
    lines = [line.split() for line in desk.renders("key.wav")]
    assert [line[0] for line in lines] == ["0s-24000s"] * 3
    assert [line[2] for line in lines] == ["None", "1", "2"]


def test_what_was_announced_stays_so_whatever_is_rendered_after_it(desk: Studio) -> None:
    """By E with another seed, by D, and over OSC."""
    desk.stem("stay.wav", frames=3 * RATE)
    bridge = desk.server.bridge
    bridge.use_song(Song(midi_file(desk.folder / "stay.mid", (0, "A"), (960, "B"), (1920, "C"))))
    announced = Message("/audiosr/announce", ("stay-1", "stems", "stay.wav", 24_000, 24_000, RATE), "sssiii")
    one_reply(desk, announced)
    bridge.again("stay-2")
    bridge.render_part("stay-3", Fraction(3, 2))
    desk.replies(render_message("stay.wav", root="stems", length=100, rate=RATE, request="stay-4"))
    bridge.render_announced("stay-5")
    bridge.again("stay-6")
    for number in range(2, 7):
        word = message("/audiosr/status", f"stay-{number}")
        desk.client.ask(word, lambda replies: replies[-1].address.endswith("done"))
    lines = {tuple(line.split()[:3:2]) for line in desk.renders("stay.wav")}
    assert lines == {
        ("24000s-48000s", "1"),
        ("48000s-96000s", "None"),
        ("0s-100s", "None"),
        ("24000s-48000s", "None"),
    }
    bridge.use_song(None)


def test_a_repeat_is_answered_without_another_look_at_the_file(desk: Studio) -> None:
    stem = desk.stem("taken away.wav")
    said = render_message(str(stem), request="away-1")
    end = desk.replies(said)[-1]
    stem.unlink()
    assert desk.replies(said)[-1] == end
    assert end.address == "/audiosr/done"
