"""REAPER's actions in Lua 5.4, against a host that holds every call to its documented types."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from studio import RATE, Studio

from audiosr_fx.metadata import read_metadata
from hosts.osc import Message, parse_packet

HERE = Path(__file__).parent
ROOT = HERE.parent.parent.parent
ACTIONS = ROOT / "hosts" / "reaper"
DRUMS = ROOT / "tests" / "data" / "stems" / "drum_loop_dull.flac"

pytestmark = pytest.mark.skipif(shutil.which("lua5.4") is None, reason="needs lua5.4: apt-get install lua5.4")
needs_sockets = pytest.mark.skipif(
    shutil.which("lua5.4") is None
    or subprocess.run(["lua5.4", "-e", "require 'socket.core'"], capture_output=True, check=False).returncode,
    reason="needs sockets in Lua: apt-get install lua-socket",
)


def lua(value: Any) -> str:
    """A value as Lua source; texts byte by byte, so that none needs quoting."""
    if isinstance(value, str):
        return '"' + "".join(f"\\{byte:03d}" for byte in value.encode()) + '"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"[{lua(key)}] = {lua(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "{" + ", ".join(map(lua, value)) + "}"
    return repr(value)


def run(folder: Path, items: list[dict[str, Any]], action: str = "audiosr_render", **more: Any) -> Any:
    """What has become of a project after an action."""
    resource = folder / "REAPER res"
    resource.mkdir(exist_ok=True)
    told = {
        "items": items,
        "script": str(ACTIONS / f"{action}.lua"),
        "resource": str(resource),
        "guid": uuid.uuid4().hex,
        **more,
    }
    description = folder / "project.lua"
    description.write_text(f"return {lua(told)}")
    finished = subprocess.run(
        ["lua5.4", str(HERE / "run.lua"), str(description)], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


def item(path: Path | str, **more: Any) -> dict[str, Any]:
    """An item of two seconds from 10 s on, whose take begins half a second into a file of six."""
    values = {"D_POSITION": 10.0, "D_LENGTH": 2.0} | more.pop("item", {})
    source = {"path": str(path), "rate": RATE, "length": 6.0} | more.pop("source", {})
    take = {"values": {"D_STARTOFFS": 0.5} | more.pop("take", {}), "source": source, "name": "vocal"}
    return {"values": values, "takes": [take | more]}


def done(output: Path | str, number: int = 1) -> str:
    return f"accepted\t{{{number}}}\tosc-1\ndone\t{{{number}}}\tosc-1\t{output}\t{output}.json\n"


@pytest.fixture
def result(tmp_path: Path) -> Path:
    """A file for the fake of the program to name."""
    path = tmp_path / "restored.wav"
    path.touch()
    return path


@pytest.fixture
def stem(tmp_path: Path) -> Path:
    path = tmp_path / "vocal.wav"
    path.touch()
    return path


def requests(project: Any) -> list[str]:
    """The words of the command line that was started."""
    (words,) = project["executed"]
    return [str(word) for word in words]


def test_a_selected_item_gets_a_take_that_fits(stem: Path, result: Path, tmp_path: Path) -> None:
    kept = {"D_STARTOFFS": 0.5, "D_VOL": 0.7, "D_PITCH": -2.0, "I_CHANMODE": 2.0}
    project = run(tmp_path, [item(stem, take=kept, fx=["ReaEQ", "ReaComp"])], pieces=[done(result)])
    old, new = project["items"][0]["takes"]
    assert (new["path"], new["name"]) == (str(result), "vocal (restored)")
    assert new["values"] == old["values"] | {"D_STARTOFFS": 0.0}
    assert new["fx"] == ["ReaEQ", "ReaComp"]
    assert project["items"][0]["active"] == 2
    assert project["undo"] == ["Restore a take"]
    assert project["boxes"] == []
    assert requests(project)[1:3] == ["send", "lines"]
    assert not list((tmp_path / "REAPER res" / "audiosr_fx").iterdir())


def asked(folder: Path, items: list[dict[str, Any]], **more: Any) -> list[list[str]]:
    """The lines that the program is given, split; it answers that there is nothing."""
    spy = folder / "spy.sh"
    spy.write_text(f'#!/bin/sh\ncat "$3" > "{folder}/asked"; echo "error\t\t\tno" > "$5"\n')
    spy.chmod(0o755)
    run(folder, items, state={"program": str(spy)} | more.pop("state", {}), **more)
    return [line.split("\t") for line in (folder / "asked").read_text().splitlines()]


def test_an_ask_names_the_file_and_exact_samples(stem: Path, tmp_path: Path) -> None:
    ((word, *fields),) = asked(tmp_path, [item(stem)])
    assert re.fullmatch(r"reaper-[0-9a-f]{32}0001", word)
    assert fields == [str(stem), "24000", "96000", "48000", ""]
    ((_, *fields),) = asked(
        tmp_path, [item(stem)], state={"preset": "podcast", "options": "seed=7  quality=draft"}
    )
    assert fields[-3:] == ["podcast", "seed=7", "quality=draft"]


def test_between_samples_the_take_is_placed_by_the_rest(stem: Path, result: Path, tmp_path: Path) -> None:
    offset = (24_000 + 0.25) / RATE
    between = item(stem, take={"D_STARTOFFS": offset})
    ((_, _, first, count, *_),) = asked(tmp_path, [between])
    assert (first, count) == ("24000", "96001")
    project = run(tmp_path, [between], pieces=[done(result)])
    assert project["items"][0]["takes"][1]["values"]["D_STARTOFFS"] == pytest.approx(0.25 / RATE, abs=1e-9)


def test_the_time_selection_changes_only_its_part_of_an_item(
    stem: Path, result: Path, tmp_path: Path
) -> None:
    items = [item(stem), item(stem, item={"D_POSITION": 100.0})]
    ((_, _, first, count, *rest),) = asked(tmp_path, items, range=[10.5, 11.0])
    assert (first, count, rest[-1]) == ("48000", "24000", "mode=file")
    project = run(tmp_path, items, range=[10.5, 11.0], pieces=[done(result)])
    assert [len(each["takes"]) for each in project["items"]] == [2, 1]
    assert project["items"][0]["takes"][1]["values"]["D_STARTOFFS"] == 0.5, "the whole file comes back"
    assert asked(tmp_path, items, range=[9.0, 50.0])[0][-1] == "", "the item whole is a region of its own"


def test_an_item_that_was_slipped_meanwhile_still_fits(stem: Path, result: Path, tmp_path: Path) -> None:
    changes = [{"item": 1, "values": {"D_STARTOFFS": 0.75}}]
    project = run(tmp_path, [item(stem)], pieces=[done(result)], meanwhile=changes)
    assert project["items"][0]["takes"][1]["values"]["D_STARTOFFS"] == 0.25


def test_an_item_that_was_deleted_meanwhile_leaves_the_others(
    stem: Path, result: Path, tmp_path: Path
) -> None:
    pieces = [done(result) + done(result, 2)]
    project = run(tmp_path, [item(stem), item(stem)], pieces=pieces, meanwhile=[{"item": 1, "is_gone": True}])
    assert [len(each["takes"]) for each in project["items"]] == [1, 2]
    assert project["boxes"] == [f"vocal: its item is gone; the result is {result}"]


def test_all_takes_are_one_step_to_undo_and_errors_are_told_once(
    stem: Path, result: Path, tmp_path: Path
) -> None:
    """Replies come in pieces, in any order, cut anywhere."""
    text = (
        "accepted\t{2}\tosc-2\nprogress\t{2}\tosc-2\t0.5\trunning\n"
        + done(result, 3)
        + "error\t{1}\tosc-1\tit is bad\n"
        + done(result, 2)
    )
    pieces = re.findall(r"(?s)[^{]{0,9}(?:\{\d\})?", text)
    project = run(tmp_path, [item(stem, name=name) for name in ("a", "b", "c")], pieces=pieces)
    assert [len(each["takes"]) for each in project["items"]] == [1, 2, 2]
    assert project["undo"] == ["Restore takes"]
    assert project["boxes"] == ["a: it is bad"]
    assert "audiosr_fx: 16 % of 3" in project["help"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"is_midi": True}, "is MIDI"),
        ({"take": {"D_PLAYRATE": 1.5}}, "plays at 1.5 times its speed; glue the item first"),
        ({"stretch": 2}, "stretch markers"),
        ({"take": {"D_STARTOFFS": -0.1}}, "begins before its file"),
        ({"source": {"is_section": True}}, "plays a section of its file, or plays it reversed"),
        ({"source": {"rate": 0, "length": 0.0}}, "is offline, or its file is gone"),
        ({"source": {"path": "/no/such/file.wav"}}, r"is offline, or its file is gone: /no/such/file\.wav"),
        ({"source": {"path": ""}}, "has no file"),
        ({"source": {"path": "/music/a\tb.wav"}}, "control character"),
        ({"source": {"is_in_beats": True}}, "is offline"),
        ({"item": {"D_LENGTH": 7.0}}, "loops its file"),
        ({"item": {"C_LOCK": 1.0}}, "is locked"),
        ({"take": {"D_STARTOFFS": 8.0}, "item": {"B_LOOPSRC": 0.0}}, "has nothing of its file in it"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_reason(
    change: dict[str, Any], says: str, stem: Path, tmp_path: Path
) -> None:
    project = run(tmp_path, [item(stem, **change)])
    assert re.search(says, project["boxes"][0])
    assert project["boxes"][0].startswith("vocal: ")
    assert (project["executed"], project["undo"]) == ([], [])


def test_an_item_longer_than_its_file_is_rendered_as_far_as_that_goes(stem: Path, tmp_path: Path) -> None:
    ((_, _, first, count, *_),) = asked(tmp_path, [item(stem, item={"D_LENGTH": 7.0, "B_LOOPSRC": 0.0})])
    assert (first, count) == ("24000", str(6 * RATE - 24_000))


def test_no_selection_and_empty_items_are_said(stem: Path, tmp_path: Path) -> None:
    assert run(tmp_path, [])["boxes"] == ["Select an audio item first."]
    assert run(tmp_path, [{"takes": []}])["boxes"] == ["an empty item is passed over"]
    assert run(tmp_path, [item(stem)], range=[90.0, 91.0])["boxes"] == [
        "No selected item lies in the time selection."
    ]


def test_a_program_that_is_not_there_is_said(stem: Path, tmp_path: Path) -> None:
    project = run(tmp_path, [item(stem)], state={"program": "/no/such/audiosr-fx"})
    assert project["boxes"] == [
        "vocal: /no/such/audiosr-fx does not start; set its path with the action audiosr_settings"
    ]
    assert project["undo"] == []
    project = run(tmp_path, [item(stem)], state={"program": 'a"b'})
    assert project["boxes"] == ['A path holds a ", which a command line cannot: a"b']
    assert not list((tmp_path / "REAPER res" / "audiosr_fx").iterdir())


def test_a_program_that_dies_is_said_and_what_came_is_kept(stem: Path, result: Path, tmp_path: Path) -> None:
    pieces = [done(result), "accepted\t{2}\tosc-2\n", "\n"]
    project = run(tmp_path, [item(stem, name="a"), item(stem, name="b")], pieces=pieces)
    assert project["boxes"] == ["b: audiosr-fx has ended before its renders; try again"]
    assert [len(each["takes"]) for each in project["items"]] == [2, 1]


def test_paths_of_windows_go_through_unharmed(tmp_path: Path) -> None:
    for path in (r"C:\Müller & Söhne\100% 'wet'\tnew.wav", r"\\server\share\a ^b!.wav"):
        ((_, said, *_),) = asked(tmp_path, [item(path)], os="Win64", all_files_exist=True)
        assert said == path


def test_settings_are_asked_for_checked_and_kept(tmp_path: Path) -> None:
    run_settings = {"action": "audiosr_settings", "items": []}
    typed = " /opt/my tools/audiosr-fx ,9200,podcast,seed=7"
    project = run(tmp_path, **run_settings, inputs=typed)  # type: ignore[arg-type]
    assert project["state"] == {
        "program": "/opt/my tools/audiosr-fx",
        "port": "9200",
        "preset": "podcast",
        "options": "seed=7",
    }
    for typed, says in (("a,port,,", "expected 1 to 65535"), ("a,b,9123,,", "holds a comma")):
        project = run(tmp_path, **run_settings, inputs=typed)  # type: ignore[arg-type]
        assert says in project["boxes"][0]
        assert project["state"] == []
    assert run(tmp_path, **run_settings)["boxes"] == []  # type: ignore[arg-type]


def program(folder: Path) -> Path:
    """The real command line, as an installed program in a folder with spaces and quotes."""
    path = folder / "Bob's tools" / "audiosr fx"
    path.parent.mkdir()
    path.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m audiosr_fx "$@"\n')
    path.chmod(0o755)
    return path


def hostile_items(desk: Studio) -> list[dict[str, Any]]:
    """Items of files with hostile names, two takes of one file, one that the server refuses."""
    names = ['it\'s "Größe" $HOME; `x`.wav', "日本語 &amp; %41.wav", "bad one.wav"]
    stems = [desk.stem(name, frames=6 * RATE) for name in names]
    return [*map(item, stems), item(stems[0], take={"D_STARTOFFS": 1.0}), item("/etc/hostname")]


def check_hostile_items(project: Any, desk: Studio) -> None:
    takes = [each["takes"] for each in project["items"]]
    assert [len(each) for each in takes] == [2, 2, 1, 2, 1]
    for first, each in ((24_000, takes[0]), (24_000, takes[1]), (48_000, takes[3])):
        before, after = (soundfile.read(take["path"])[0] for take in each)
        assert np.array_equal(after, before[first : first + 2 * RATE])
    refused = project["boxes"][0].splitlines()
    assert "bad one.wav: is bad" in refused[0]
    assert "outside of what is served" in refused[1]
    assert project["undo"] == ["Restore takes"]


def test_hostile_names_come_back_through_the_real_program(desk: Studio, tmp_path: Path) -> None:
    state = {"program": str(program(tmp_path)), "port": str(desk.port)}
    check_hostile_items(run(tmp_path, hostile_items(desk), state=state), desk)


@needs_sockets
def test_hostile_names_come_back_over_a_socket(desk: Studio, tmp_path: Path) -> None:
    state = {"program": "/no/such", "port": str(desk.port)}
    project = run(tmp_path, hostile_items(desk), state=state, has_sockets=True)
    check_hostile_items(project, desk)
    assert project["executed"] == []


@needs_sockets
def test_over_a_socket_a_server_that_does_not_run_is_said(stem: Path, tmp_path: Path) -> None:
    project = run(tmp_path, [item(stem)], state={"port": "9"}, has_sockets=True, look_s=0.2)
    assert project["boxes"] == [
        "vocal: nothing answers at port 9; start it with: audiosr-fx serve --root FOLDER"
    ]


@needs_sockets
def test_over_a_socket_repeats_of_the_first_items_hold_up_no_later_one(stem: Path, tmp_path: Path) -> None:
    """No more than a quarter of the items fits between two repeats: the five looks of a quarter second."""
    count, words = 80, set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def answer() -> None:
            while packet := server.recvfrom(8192):
                if packet[0] == b"tick":
                    server.sendto(*packet)
                    continue
                for said in parse_packet(packet[0]):
                    if said.address == "/stop":
                        return
                    words.add(said.arguments[0])
                if len(words) == count:  # not before all are heard
                    reply = Message("/audiosr/error", (said.arguments[0], "", "it is heard"))
                    server.sendto(reply.encode(), packet[1])

        thread = threading.Thread(target=answer)
        thread.start()
        port = server.getsockname()[1]
        more = {"has_sockets": True, "look_s": 0.06, "tick_port": port}
        project = run(tmp_path, [item(stem)] * count, state={"port": str(port)}, **more)
        server.sendto(Message("/stop").encode(), server.getsockname())
        thread.join()
    assert project["boxes"][0].splitlines() == ["vocal: it is heard"] * count


@pytest.mark.slow
def test_a_take_of_the_drum_loop_is_restored_by_the_real_service(tmp_path: Path) -> None:
    stem = tmp_path / "drum loop.flac"
    stem.write_bytes(DRUMS.read_bytes())
    command = program(tmp_path)
    words = ["serve", "--root", str(tmp_path), "--osc-port", "0", "--queue", str(tmp_path / "queue")]
    with subprocess.Popen([str(command), *words], stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            match = re.search(r"at 127\.0\.0\.1:(\d+), UDP and TCP", server.stderr.readline())
            assert match
            state = {"program": str(command), "port": match[1], "options": "quality=draft"}
            items = [item(stem, name="drums"), item(stem, name="late", take={"D_STARTOFFS": 3.0})]
            whole = run(tmp_path, items, state=state)
            part = run(tmp_path, items[:1], state=state, range=[10.5, 11.5])
        finally:
            server.send_signal(signal.SIGTERM)
            assert server.wait(300) == 0
    before, rate = soundfile.read(stem)
    for place, first in ((0, 24_000), (1, 144_000)):
        take = Path(whole["items"][place]["takes"][1]["path"])
        after = soundfile.read(take)[0]
        assert len(after) == 2 * rate
        broadcast = read_metadata(take).broadcast
        assert broadcast is not None
        assert broadcast.time_reference == first
        assert highs(after, rate) > 100 * highs(before[first : first + 2 * rate], rate)
    replaced = soundfile.read(part["items"][0]["takes"][1]["path"])[0]
    assert np.array_equal(replaced[:48_000], before[:48_000])
    assert np.array_equal(replaced[96_000:], before[96_000:])
    assert highs(replaced[48_000:96_000], rate) > 100 * highs(before[48_000:96_000], rate)


def highs(audio: np.ndarray, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(audio, axis=0)) ** 2
    return float(spectrum[np.fft.rfftfreq(len(audio), 1 / rate) > 8_000].sum())
