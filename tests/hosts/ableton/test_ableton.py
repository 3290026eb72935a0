"""The device for Ableton Live in node: one half over a stub of Live, the other with the real service."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from studio import RATE, Studio

from hosts.osc import Message, parse_packet

HERE = Path(__file__).parent
DEVICE = HERE.parent.parent.parent / "hosts" / "ableton"
ENVIRONMENT = {**os.environ, "NODE_PATH": str(HERE / "modules")}

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="needs node: apt-get install nodejs")


def clip(**more: Any) -> dict[str, Any]:
    """An audio clip from a quarter second on, two seconds long, at beat 8."""
    return {
        "is_audio_clip": 1,
        "warping": 0,
        "file_path": "/s/Größe 'a'.wav",
        "sample_rate": RATE,
        "sample_length": 6 * RATE,
        "loop_start": 0.25,
        "loop_end": 2.25,
        "name": "vocal",
        "start_time": 8.0,
        "is_arrangement_clip": 1,
        "gain": 0.4,
        "pitch_coarse": 0,
        "pitch_fine": 0,
        "color": 255,
    } | more


ARRANGED = "live_set tracks 0 arrangement_clips 0"


def arranged(**more: Any) -> dict[str, Any]:
    return {
        "tempo": 120.0,
        "tracks": [{"arrangement_clips": [clip(**more)], "take_lanes": [], "clip_slots": []}],
    }


def in_live(folder: Path, live_set: dict[str, Any], *messages: list[Any], **more: Any) -> Any:
    """What the script sends out of its outlets, and what the set has become."""
    told = {"set": live_set, "detail_clip": ARRANGED, "messages": messages} | more
    (folder / "live.json").write_text(json.dumps(told))
    finished = subprocess.run(
        ["node", str(HERE / "live.js"), str(DEVICE / "audiosr_live.js"), str(folder / "live.json")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


def said(result: Any) -> list[str]:
    """What the device shows, one after another."""
    return [values[2] for values in result["out"] if values[:2] == [1, "set"]]


DONE = ["done", "WORD", "/s/restored/a.wav", "/s/restored/a.json"]


def test_the_clip_in_view_is_asked_for_in_samples_of_its_file(tmp_path: Path) -> None:
    result = in_live(
        tmp_path,
        arranged(),
        ["use_preset", "podcast"],
        ["use_options", "seed=7", "quality=draft"],
        ["go"],
        ["go"],
    )
    (asked,) = [values for values in result["out"] if values[0] == 0]
    assert asked[1] == "render"
    assert re.fullmatch(r"live-\d+-\d+-1", asked[2])
    assert asked[3:] == ["/s/Größe 'a'.wav", 12_000, 96_000, RATE, "podcast", "seed=7 quality=draft"]


@pytest.mark.parametrize(
    ("live", "ours"),
    [("Macintosh HD:/u/a.wav", "/Volumes/Macintosh HD/u/a.wav"), (r"C:\u\a.wav", r"C:\u\a.wav")],
)
def test_paths_of_other_systems_are_known(live: str, ours: str, tmp_path: Path) -> None:
    assert in_live(tmp_path, arranged(file_path=live), ["go"])["out"][1][3] == ours


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"warping": 1}, "vocal: is warped, so that its beats are not those of its file; switch Warp off"),
        ({"is_audio_clip": 0}, "vocal: is a MIDI clip"),
        ({"file_path": ""}, "vocal: has no file"),
        ({"sample_rate": None}, "Live 12 is needed"),
        ({"loop_start": 7.0, "loop_end": 8.0}, "has nothing of its file in it"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_reason(
    change: dict[str, Any], says: str, tmp_path: Path
) -> None:
    result = in_live(tmp_path, arranged(**change), ["go"])
    assert len(result["out"]) == 1
    assert says in said(result)[0]


def test_nothing_selected_is_said(tmp_path: Path) -> None:
    assert said(in_live(tmp_path, arranged(), ["go"], detail_clip="")) == ["select a clip first"]


def test_the_result_lies_in_a_new_take_lane_at_the_same_beat(tmp_path: Path) -> None:
    result = in_live(tmp_path, arranged(), ["go"], ["accepted", "WORD"], ["progress", "WORD", 0.5], DONE)
    (track,) = result["set"]["tracks"]
    (lane,) = track["take_lanes"]
    (made,) = lane["arrangement_clips"]
    assert made["file_path"] == "/s/restored/a.wav"
    assert (made["start_time"], made["warping"], made["gain"]) == (8.0, 0, 0.4)
    assert made["name"] == "vocal (restored)"
    assert len(track["arrangement_clips"]) == 1
    assert said(result) == ["vocal: asked for", "vocal: waits", "vocal: 50 %", "vocal: restored"]


def test_where_live_has_no_take_lanes_it_lies_in_a_new_track(tmp_path: Path) -> None:
    result = in_live(tmp_path, arranged(loop_start=-0.5), ["go"], DONE, lacks=["create_take_lane"])
    old, new = result["set"]["tracks"]
    assert (len(old["arrangement_clips"]), old["take_lanes"]) == (1, [])
    assert new["arrangement_clips"][0]["start_time"] == 9.0, "half a second later, at 120 beats a minute"


def test_a_session_clip_comes_back_in_the_next_free_slot(tmp_path: Path) -> None:
    slots = [
        {"has_clip": 1, "clip": clip(is_arrangement_clip=0)},
        {"has_clip": 1, "clip": clip()},
        {"has_clip": 0},
    ]
    live_set = {"tempo": 120.0, "tracks": [{"clip_slots": slots}]}
    more = {"detail_clip": "live_set tracks 0 clip_slots 0 clip"}
    result = in_live(tmp_path, live_set, ["go"], DONE, **more)
    assert result["set"]["tracks"][0]["clip_slots"][2]["clip"]["name"] == "vocal (restored)"
    result = in_live(tmp_path, {"tempo": 120.0, "tracks": [{"clip_slots": slots[:2]}]}, ["go"], DONE, **more)
    assert said(result)[-1].endswith("Live makes no clip of the result, which is /s/restored/a.wav")


def test_what_goes_wrong_on_the_way_back_names_the_file(tmp_path: Path) -> None:
    result = in_live(tmp_path, arranged(), ["go"], ["delete_clip"], DONE)
    assert said(result)[-1] == "vocal: the clip is gone; the result is /s/restored/a.wav"
    result = in_live(tmp_path, arranged(), ["go"], DONE, makes_no_clips=True)
    assert said(result)[-1].endswith("Live makes no clip of the result, which is /s/restored/a.wav")
    result = in_live(tmp_path, arranged(), ["go"], ["failed", "WORD", "it is bad"], DONE)
    assert said(result)[1:] == ["vocal: it is bad"]


@contextmanager
def node_script() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        ["node", str(DEVICE / "audiosr_node.js")],
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def tell(process: subprocess.Popen[str], *values: Any) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(values) + "\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[str]) -> list[Any]:
    assert process.stdout is not None
    heard: list[Any] = json.loads(process.stdout.readline())
    return heard


def test_a_clip_comes_back_from_the_real_service(desk: Studio, tmp_path: Path) -> None:
    """Both halves of the device, with what each says handed to the other."""
    stem = desk.stem("it's Größe.wav", frames=6 * RATE)
    live_set = arranged(file_path=str(stem))
    asked = next(values for values in in_live(tmp_path, live_set, ["go"])["out"] if values[0] == 0)
    replies = []
    with node_script() as process:
        tell(process, "port", desk.port)
        tell(process, *asked[1:])
        while not replies or replies[-1][0] not in ("done", "failed"):
            replies.append(hear(process))
    assert [reply[0] for reply in replies][:: len(replies) - 1] == ["accepted", "done"]
    assert {reply[1] for reply in replies} == {asked[2]}
    made = [[reply[0], "WORD", *reply[2:]] for reply in replies]
    result = in_live(tmp_path, live_set, ["go"], *made)
    output = result["set"]["tracks"][0]["take_lanes"][0]["arrangement_clips"][0]["file_path"]
    assert np.array_equal(soundfile.read(output)[0], soundfile.read(stem)[0][12_000:108_000])


def test_refusals_of_the_service_and_of_the_script_are_told(desk: Studio) -> None:
    with node_script() as process:
        tell(process, "port", 70_000)
        assert hear(process) == ["failed", "", "the port is 70000; expected 1 to 65535"]
        tell(process, "port", desk.port)
        tell(process, "render", "live-1", "/etc/hostname", 0, 0, RATE, "", "")
        reply = hear(process)
        assert reply[:2] == ["failed", "live-1"]
        assert "outside of what is served" in reply[2]
        tell(process, "render", "live-2", "/a.wav", "x", 0, RATE, "", "")
        assert hear(process) == ["failed", "live-2", "an argument is NaN; expected a text or a number"]


def test_a_render_is_cancelled(desk: Studio) -> None:
    stem = desk.stem("cancelled.wav")
    desk.hold("cancelled.wav")
    with node_script() as process:
        tell(process, "port", desk.port)
        tell(process, "render", "live-cancel", str(stem), 0, 0, RATE, "", "")
        reply = hear(process)
        tell(process, "cancel")
        while reply[0] in ("accepted", "progress"):
            reply = hear(process)
    assert reply == ["failed", "live-cancel", "cancelled"]


def run_node(code: str) -> Any:
    finished = subprocess.run(
        ["node", "-e", code], cwd=DEVICE, capture_output=True, text=True, check=False, timeout=90
    )
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


def value_of(expression: str) -> Any:
    return run_node(f"process.stdout.write(JSON.stringify({expression}))")


def test_a_server_that_does_not_run_is_said() -> None:
    code = (
        "const { Client } = require('./client.js');"
        "const client = new Client((...said) => { console.log(JSON.stringify(said)); client.close(); },"
        " { port: 9, giveUpMs: 300 }); client.render('live-3', '/a.wav', 0, 0, 0);"
    )
    answer = run_node(code)
    assert answer == [
        "error",
        "live-3",
        "nothing answers at port 9; start it with: audiosr-fx serve --root FOLDER",
    ]


def test_messages_are_those_of_the_server_both_ways() -> None:
    values = ["", "a", "abc", "abcd", "Größe 日本", 0, -1, 2**31 - 1, 2**31, -(2**40), 0.1, 1e300]
    encoded = f"require('./osc.js').encode('/audiosr/x', {json.dumps(values)}).toString('hex')"
    (parsed,) = parse_packet(bytes.fromhex(value_of(encoded)))
    assert parsed == Message("/audiosr/x", tuple(values), "sssssiiihhdd")
    back = Message("/audiosr/x", (*values, 0.5, True, False, None), "sssssiiihhddfTFN").encode().hex()
    decoded = f"require('./osc.js').decode(Buffer.from('{back}', 'hex'))"
    assert value_of(decoded) == {"address": "/audiosr/x", "values": [*values, 0.5, True, False, None]}


def test_packets_that_are_none_are_passed_over() -> None:
    packets = [
        "",
        "00",
        "2f6100002c000000",
        "61000000",
        "2f6100002c690000",
        "2f6100002c780000",
        "2f6100002c73000061626364",
    ]
    decoded = f"{json.dumps(packets)}.map((hex) => require('./osc.js').decode(Buffer.from(hex, 'hex')))"
    assert value_of(decoded) == [None, None, {"address": "/a", "values": []}, None, None, None, None]


def test_the_patch_holds_together() -> None:
    patcher = json.loads((DEVICE / "audiosr.maxpat").read_text("utf-8"))["patcher"]
    boxes = {entry["box"]["id"]: entry["box"] for entry in patcher["boxes"]}
    assert len(boxes) == len(patcher["boxes"])
    for line in (entry["patchline"] for entry in patcher["lines"]):
        (source, outlet), (destination, inlet) = line["source"], line["destination"]
        assert outlet < boxes[source]["numoutlets"]
        assert inlet < boxes[destination]["numinlets"]
    for box in boxes.values():
        assert len(box.get("outlettype", [])) == box["numoutlets"]
        for name in re.findall(r"\w+\.js\b", box.get("text", "")):
            assert (DEVICE / name).is_file()
    script = (DEVICE / "audiosr_live.js").read_text("utf-8")
    for name in ("go", "use_preset", "use_options"):
        assert any(name in box.get("text", "").split() for box in boxes.values())
        assert f"function {name}(" in script
