"""The page of a listening test: what is in it, how loud, and what is refused."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from listening import RATE, make_systems, noise, save

from audiosr_fx.errors import AudioFormatError, ParameterError
from audiosr_fx.loudness import measure_loudness, true_peak_dbtp
from audiosr_fx.quality import listen
from audiosr_fx.quality.embed import EmbeddedFormat
from audiosr_fx.quality.listen import ListenSettings, Mode, build_test


def blocks(html: str) -> dict[str, bytes]:
    found = re.findall(r'<script type="application/octet-stream" id="([^"]+)">([^<]*)</script>', html)
    return {name: base64.b64decode(content) for name, content in found}


def manifest(html: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(blocks(html)["test"])
    return value


def test_every_stimulus_is_embedded_and_equally_loud(tmp_path: Path) -> None:
    test = build_test(make_systems(tmp_path), ListenSettings(format=EmbeddedFormat.WAV))
    embedded = blocks(test.html)
    assert test.items == ("one", "two")
    assert test.trials == 2
    assert dict(test.systems) == {
        "reference": "reference",
        "lowpass:3500": "anchor",
        "fancy": "system",
        "plain": "system",
    }
    for item in manifest(test.html)["items"]:
        assert item["frames"] == 28_800
        for stimulus in item["stimuli"]:
            audio, rate = soundfile.read(io.BytesIO(embedded[stimulus["audio"]]), dtype="float32")
            assert (rate, audio.shape) == (RATE, (28_800,))
            assert measure_loudness(audio[np.newaxis], rate) == pytest.approx(-23.0, abs=0.03)


def test_peaks_bring_an_item_down_and_are_reported(tmp_path: Path) -> None:
    make_systems(tmp_path)
    spiky = noise()
    spiky[:, ::4800] *= 18.0
    save(tmp_path / "plain" / "two.flac", spiky)
    test = build_test(tmp_path, ListenSettings(target_lufs=-16.0))
    assert test.quieter == ("two",)
    assert test.loudness_lufs["one"] == -16.0 > test.loudness_lufs["two"]
    peaks = [
        true_peak_dbtp(soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)[0].T, RATE)
        for name, data in blocks(test.html).items()
        if name != "test"
    ]
    assert max(peaks) == pytest.approx(-1.0, abs=0.05)  # dither adds a little


def test_the_anchor_has_no_highs_and_the_reference_keeps_them(tmp_path: Path) -> None:
    test = build_test(make_systems(tmp_path), ListenSettings())
    embedded, content = blocks(test.html), manifest(test.html)
    names = [system["name"] for system in content["systems"]]
    stimuli = content["items"][0]["stimuli"]

    def share_above_5_khz(name: str) -> float:
        audio, rate = soundfile.read(io.BytesIO(embedded[stimuli[names.index(name)]["audio"]]))
        power = np.abs(np.fft.rfft(audio)) ** 2
        return float(power[np.fft.rfftfreq(len(audio), 1 / rate) > 5000].sum() / power.sum())

    assert share_above_5_khz("lowpass:3500") < 1e-4
    assert share_above_5_khz("reference") > 0.5


def test_the_same_folder_and_seed_make_the_same_page(tmp_path: Path) -> None:
    make_systems(tmp_path)
    first, again = (build_test(tmp_path, ListenSettings()) for _ in range(2))
    other = build_test(tmp_path, ListenSettings(seed=1))
    assert first.html == again.html
    assert first.page == manifest(first.html)["page"]
    assert first.page != other.page


def test_names_do_not_stand_in_the_page_and_places_say_nothing(tmp_path: Path) -> None:
    test = build_test(make_systems(tmp_path), ListenSettings())
    assert "fancy" not in test.html
    audio = [name for name in blocks(test.html) if name != "test"]
    assert audio == sorted(audio)
    assert len(audio) == 8


def test_equal_recordings_are_embedded_once(tmp_path: Path) -> None:
    for system in ("reference", "plain", "fancy"):
        save(tmp_path / system / "one.flac", noise())
    test = build_test(tmp_path, ListenSettings(mode=Mode.AB))
    assert len(blocks(test.html)) == 2


def test_preference_takes_all_pairs_and_needs_no_reference(tmp_path: Path) -> None:
    test = build_test(
        make_systems(tmp_path, systems=("a", "b", "c", "anchor")), ListenSettings(mode=Mode.AB, repeats=2)
    )
    assert [name for name, _ in test.systems] == ["a", "b", "c"]
    assert manifest(test.html)["pairs"] == [[0, 1], [0, 2], [1, 2]]
    assert test.trials == 2 * 2 * 3


def test_abx_holds_every_system_against_the_reference(tmp_path: Path) -> None:
    test = build_test(make_systems(tmp_path), ListenSettings(mode=Mode.ABX))
    assert manifest(test.html)["pairs"] == [[0, 1], [0, 2]]
    assert test.systems[0] == ("reference", "reference")


def test_an_anchor_folder_replaces_the_made_anchor(tmp_path: Path) -> None:
    test = build_test(
        make_systems(tmp_path, systems=("original", "anchor", "a")), ListenSettings(reference="original")
    )
    assert dict(test.systems) == {"original": "reference", "anchor": "anchor", "a": "system"}


def test_anchors_can_be_more_or_none(tmp_path: Path) -> None:
    make_systems(tmp_path, items=("one",))
    two = build_test(tmp_path, ListenSettings(anchors_hz=(3500, 7000, 3500)))
    assert [name for name, role in two.systems if role == "anchor"] == ["lowpass:3500", "lowpass:7000"]
    none = build_test(tmp_path, ListenSettings(anchors_hz=()))
    assert len(none.systems) == 3


@pytest.mark.parametrize(
    ("systems", "settings", "message"),
    [
        (
            ("a", "b"),
            ListenSettings(),
            "reference is 'reference', but there is no such sub-folder among a, b",
        ),
        (("a", "b"), ListenSettings(mode=Mode.ABX), "there is no such sub-folder"),
        (("a", "b"), ListenSettings(mode=Mode.AB, reference="c"), "reference is 'c'"),
        (("reference", "anchor"), ListenSettings(), "systems beside reference and anchor: 0; expected 1"),
        (("reference", "a"), ListenSettings(mode=Mode.AB), "reference and anchor: 1; expected 2"),
        (
            ("reference", "a"),
            ListenSettings(mode=Mode.ABX, anchors_hz=(3500,)),
            "anchors are for the mode mushra",
        ),
        (("reference", *"abcdefghijk"), ListenSettings(), "stimuli per trial: 13"),
        (("reference", "lowpass:3500"), ListenSettings(), "there is a sub-folder of that name"),
    ],
)
def test_systems_that_make_no_test_are_refused(
    tmp_path: Path, systems: tuple[str, ...], settings: ListenSettings, message: str
) -> None:
    with pytest.raises(ParameterError, match=message):
        build_test(make_systems(tmp_path, systems=systems, items=("one",)), settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seconds": 0.4}, "seconds is 0.4; expected 0.5 or more"),
        ({"seconds": float("nan")}, "seconds is nan"),
        ({"target_lufs": 3.0}, "target_lufs is 3.0; expected -70 to 0"),
        ({"repeats": 0}, "repeats is 0; expected 1 to 20"),
        ({"seed": -1}, "seed is -1"),
        ({"title": " "}, "title is empty"),
        ({"anchors_hz": (20,)}, "lowpass:20; expected 200 to 16000 Hz"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        ListenSettings(**settings)


def test_silence_and_shortness_are_named_with_their_file(tmp_path: Path) -> None:
    make_systems(tmp_path)
    save(tmp_path / "plain" / "two.flac", np.zeros((1, 28_800), np.float32))
    with pytest.raises(AudioFormatError, match=r"plain.two\.flac: is silent"):
        build_test(tmp_path, ListenSettings())
    short = make_systems(tmp_path / "short", seconds=0.45)
    with pytest.raises(AudioFormatError, match=r"one\.flac: is 0\.450 s long; expected 0\.5 s or more"):
        build_test(short, ListenSettings())


def test_a_page_beyond_what_browsers_open_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "MAX_PAGE_BYTES", 300_000)
    with pytest.raises(AudioFormatError, match="at item two; cut it with --seconds 10"):
        build_test(make_systems(tmp_path), ListenSettings(format=EmbeddedFormat.WAV, anchors_hz=()))
