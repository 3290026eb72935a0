from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hosted import STEREO, needs_vst3
from typer.testing import Result

from audiosr_fx.metadata import read_metadata
from audiosr_fx.presets import find_presets

RATE = 48_000
PRESETS = Path(__file__).parent.parent.parent / "presets"
QUICK = 'schema = 1\nname = "Quick"\ndescription = "For tests."\n'
MODEL = '[[chain]]\ntype = "AudioSR"\nsteps = 1\ncutoff_hz = 6000\n'

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def _own_presets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AUDIOSR_FX_PRESETS", str(tmp_path / "mine"))


@pytest.fixture
def dull(tmp_path: Path) -> Path:
    """Half a second of tones, stereo, 24 bit."""
    tones = 0.2 * np.sin(2 * np.pi * np.outer(np.arange(RATE // 2) / RATE, [440.0, 660.0]))
    soundfile.write(tmp_path / "dull.wav", tones, RATE, subtype="PCM_24")
    return tmp_path / "dull.wav"


@pytest.fixture
def quick(tmp_path: Path) -> Path:
    (tmp_path / "quick.toml").write_text(QUICK + MODEL + '[[chain]]\ntype = "Gain"\ngain_db = -6\n', "utf-8")
    return tmp_path / "quick.toml"


def is_one_line(result: Result) -> bool:
    return result.stderr.startswith("error: ") and result.stderr.count("\n") == 1 and result.stdout == ""


# --- list, show, check, new -----------------------------------------------------------------------


def test_presets_are_listed_with_a_users_own_marked(run: Run) -> None:
    assert run("presets", "new", "my-vocal", "--from", "dark-vocal").exit_code == 0
    lines = run("presets", "list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(find_presets())
    assert [line.split()[0] for line in lines if line.endswith(" (yours)")] == ["my-vocal"]
    told = [json.loads(line) for line in run("presets", "list", "--json").stdout.splitlines()]
    assert {one["name"]: one["origin"] for one in told}["my-vocal"] == "yours"
    assert {one["title"] for one in told} >= {"Dark vocal", "Podcast"}


def test_a_broken_preset_is_one_line_beside_the_list(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "bad\x1b.toml").write_text("x", "utf-8")
    result = run("presets", "list")
    assert result.exit_code == 1, "some of several"
    shipped = Path(__file__).parent.parent.parent / "presets"
    assert len(result.stdout.splitlines()) == len(list(shipped.glob("*.toml")))
    assert result.stderr.startswith("error: ")
    assert "\x1b" not in result.stderr


def test_a_preset_is_shown_with_its_comments(run: Run) -> None:
    assert run("presets", "show", "podcast").stdout == (PRESETS / "podcast.toml").read_text("utf-8")
    unknown = run("presets", "show", "podcst")
    assert unknown.exit_code == 2
    assert is_one_line(unknown)
    assert "did you mean podcast?" in unknown.stderr


def test_a_new_preset_is_checked_by_its_name(run: Run) -> None:
    assert run("presets", "new", "my-vocal", "--from", "dark-vocal").exit_code == 0
    checked = run("presets", "check", "my-vocal", "podcast")
    assert (checked.exit_code, checked.stderr) == (0, "")
    assert [line.split(",")[0] for line in checked.stdout.splitlines()] == [
        "my-vocal: my-vocal",
        "podcast: Podcast",
    ]
    copy, origin = (run("presets", "show", name).stdout for name in ("my-vocal", "dark-vocal"))
    assert copy == origin.replace('name = "Dark vocal"', 'name = "my-vocal"'), "comments and all"
    elsewhere = run("presets", "check", "my-vocal.toml")
    assert elsewhere.exit_code == 2
    assert "the preset is called my-vocal" in elsewhere.stderr


def test_files_are_checked_one_by_one(run: Run, quick: Path, tmp_path: Path) -> None:
    good = run("presets", "check", quick, *PRESETS.glob("*.toml"))
    assert good.exit_code == 0
    assert good.stdout.splitlines()[0] == f"{quick}: Quick, AudioSR > Gain"
    (tmp_path / "bad.toml").write_text(QUICK + '[[chain]]\ntype = "Gain"\ngian_db = 3', "utf-8")
    mixed = run("presets", "check", "bad.toml", quick)
    assert mixed.exit_code == 1
    assert mixed.stdout.splitlines() == [f"{quick}: Quick, AudioSR > Gain"]
    assert mixed.stderr.startswith(
        "error: bad.toml: chain 1 (Gain): unknown key 'gian_db' (did you mean gain_db?)"
    )
    assert run("presets", "check", "bad.toml").exit_code == 2
    assert "half the sample rate" in run("presets", "check", quick, "--sample-rate", "8000").stderr


def test_a_new_preset_never_takes_the_place_of_another(run: Run, tmp_path: Path) -> None:
    made = run("presets", "new", "mine")
    assert made.stdout.strip() == str(tmp_path / "mine" / "mine.toml")
    text = (tmp_path / "mine" / "mine.toml").read_text("utf-8")
    assert run("presets", "check", made.stdout.strip()).exit_code == 0
    again = run("presets", "new", "mine", "--from", "podcast")
    assert again.exit_code == 2
    assert is_one_line(again)
    assert (tmp_path / "mine" / "mine.toml").read_text("utf-8") == text


@pytest.mark.parametrize("name", ["", "../up", 'a"b', "\x1b", "a b", "UP"])
def test_a_new_preset_wants_a_good_name(run: Run, name: str, tmp_path: Path) -> None:
    result = run("presets", "new", name)
    assert result.exit_code == 2
    assert "expected small letters" in result.stderr
    assert not list(tmp_path.rglob("*.toml"))


# --- render ---------------------------------------------------------------------------------------


def test_a_file_is_rendered_through_a_preset(run: Run, dull: Path, quick: Path, tmp_path: Path) -> None:
    result = run("render", dull, "-o", "out.wav", "--preset", quick, "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["preset"] == "quick"
    assert told["rendered"] is True
    assert told["cutoff_hz"] == 6000
    before, after = (soundfile.read(tmp_path / name)[0] for name in ("dull.wav", "out.wav"))
    assert after.shape == before.shape
    assert np.vdot(before, after) / np.vdot(before, before) == pytest.approx(10 ** (-6 / 20), abs=1e-3)
    assert any("preset=quick" in str(made) for made in read_metadata(tmp_path / "out.wav").provenance)


def test_json_tells_at_least_what_a_plain_render_tells(run: Run, dull: Path, quick: Path) -> None:
    plain = run("render", dull, "-o", "a.wav", "--steps", "1", "--cutoff", "6000", "--json")
    preset = run("render", dull, "-o", "b.wav", "--preset", quick, "--json")
    assert set(json.loads(preset.stdout)) == {*json.loads(plain.stdout), "preset"}


def test_values_are_set_from_the_command_line(run: Run, dull: Path, quick: Path, tmp_path: Path) -> None:
    changes = ("--set", "gain_db=-12", "--set", "AudioSR.seed=3", "--cutoff", "5000")
    result = run("render", dull, "-o", "out.flac", "--preset", quick, *changes, "--bits", "16", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["cutoff_hz"] == 5000
    assert soundfile.info(tmp_path / "out.flac").subtype == "PCM_16"
    assert np.std(soundfile.read(tmp_path / "out.flac")[0]) < 0.3 * np.std(soundfile.read(dull)[0])


@pytest.mark.parametrize(
    ("options", "code", "reason"),
    [
        (("--preset", "nonsense"), 2, "no such preset"),
        (("--preset", "none.toml"), 2, "none.toml: cannot be read"),
        (("--preset", "quick.toml", "--set", "gain=3"), 2, "did you mean gain_db?"),
        (("--preset", "quick.toml", "--set", "gain_db"), 2, "expected KEY=VALUE"),
        (("--preset", "quick.toml", "--set", "gain_db=loud"), 2, "chain 2 (Gain): gain_db is 'loud'"),
        (("--preset", "quick.toml", "--cutoff", "24000"), 2, "half the sample rate"),
        (("--preset", "quick.toml", "--region", "0-1"), 2, "region is 0 s to 1 s; the source has 0.5 s"),
        (("--preset", "loudness-only", "--quality", "draft"), 2, "has no AudioSR"),
        (("--set", "gain_db=3"), 2, "there is no --preset"),
    ],
)
def test_wrong_usage_is_one_line_before_any_work(
    run: Run, dull: Path, quick: Path, options: tuple[str, ...], code: int, reason: str, tmp_path: Path
) -> None:
    result = run("render", dull, "-o", "out.wav", *options)
    assert result.exit_code == code
    assert is_one_line(result)
    assert reason in result.stderr
    assert not (tmp_path / "out.wav").exists()


def test_outputs_are_not_replaced_and_inputs_never(run: Run, dull: Path, quick: Path) -> None:
    assert run("render", dull, "-o", "out.wav", "--preset", quick).exit_code == 0
    assert run("render", dull, "-o", "out.wav", "--preset", quick).exit_code == 5
    assert run("render", dull, "-o", "out.wav", "--preset", quick, "--overwrite").exit_code == 0
    assert run("render", dull, "-o", dull, "--preset", quick, "--overwrite").exit_code == 5


def test_one_file_that_fails_does_not_stop_the_others(run: Run, dull: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_bytes(b"no audio")
    result = run("render", "broken.wav", dull, "-o", "out", "--preset", "loudness-only")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: broken.wav")
    assert "loudness-only, " in result.stdout
    assert "LUFS" in result.stdout
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["dull.wav"]
    assert run("render", "broken.wav", "-o", "out", "--preset", "loudness-only").exit_code == 3


def test_a_region_through_a_preset_is_that_part_of_the_whole(run: Run, dull: Path, quick: Path) -> None:
    assert run("render", dull, "-o", "whole.wav", "--preset", quick).exit_code == 0
    for out, jobs in (("part.wav", "1"), ("part", "2")):
        part = run("render", dull, "-o", out, "--preset", quick, "--region", "0.1-0.25", "--jobs", jobs)
        assert part.exit_code == 0, part.output
    whole, one = soundfile.read("whole.wav")[0], soundfile.read("part.wav")[0]
    np.testing.assert_array_equal(one, whole[RATE // 10 : RATE // 4])


def test_an_album_gets_one_gain(run: Run, dull: Path, tmp_path: Path) -> None:
    audio, _ = soundfile.read(dull)
    soundfile.write("quiet.wav", 0.25 * audio, RATE, subtype="PCM_24")
    (tmp_path / "broken.wav").write_bytes(b"no audio")
    soundfile.write("nan.wav", np.full(RATE, np.nan), RATE, subtype="FLOAT")
    text = QUICK + '[[chain]]\ntype = "LoudnessNormalize"\nmode = "album"\ntarget_lufs = -20\n'
    (tmp_path / "album.toml").write_text(text, "utf-8")
    inputs = (dull, "quiet.wav", "broken.wav", "nan.wav")
    result = run("render", *inputs, "-o", "out", "--preset", "album.toml")
    assert result.exit_code == 1
    note, *errors = result.stderr.splitlines()
    assert re.match(r"album: one gain of .+ dB for the set of 2, which has .+ LUFS", note)
    assert [line.split()[1].rstrip(":") for line in errors] == ["broken.wav", "nan.wav"]
    loud, quiet = (np.std(soundfile.read(tmp_path / "out" / name)[0]) for name in ("dull.wav", "quiet.wav"))
    assert loud / quiet == pytest.approx(4.0, rel=1e-4)
    assert loud != pytest.approx(np.std(audio), rel=0.01)


@needs_vst3
def test_plugins_run_in_a_process_of_their_own(run: Run, dull: Path, tmp_path: Path) -> None:
    text = f'{QUICK}[[chain]]\ntype = "VST3"\npath = "{STEREO}"\n'
    (tmp_path / "plugin.toml").write_text(text, "utf-8")
    result = run("render", dull, "-o", "out.wav", "--preset", "plugin.toml")
    assert result.exit_code == 0, result.stderr
    assert soundfile.info(tmp_path / "out.wav").frames == RATE // 2
    wrong = run("render", dull, "-o", "b.wav", "--preset", "plugin.toml", "--set", "parameters.atack_ms=3")
    assert wrong.exit_code == 2
    assert "attack_ms" in wrong.stderr
