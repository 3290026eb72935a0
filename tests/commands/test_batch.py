"""Folders and sets on the command line."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from tiny import WITH_PREDICTOR, muting_above, tiny_model
from typer.testing import Result

from audiosr_fx.commands.terminal import ExitCode
from audiosr_fx.engine import Engine
from audiosr_fx.metadata import read_provenance
from audiosr_fx.meters import measure_loudness

RATE = 48_000
ROOT = Path(__file__).parent.parent.parent
LEVELS = 'schema = 1\nname = "Levels"\ndescription = "For tests."\n[[chain]]\ntype = "Gain"\ngain_db = -6\n'
MASTER = '[[chain]]\ntype = "MasterTo"\ntarget_lufs = -16\n'

Run = Callable[..., Result]


@pytest.fixture
def songs(tmp_path: Path, signals: type) -> Path:
    """A dull one, a quiet dull one in a sub-folder, one of full bandwidth and a silent one."""
    root = tmp_path / "songs"
    (root / "more").mkdir(parents=True)
    dull = signals.noise(RATE // 2, RATE, cutoff_hz=6000.0, channels=2)
    for name, audio in {
        "dull.wav": dull,
        "more/quiet.wav": 0.25 * dull,
        "full.wav": signals.noise(RATE, RATE, channels=2),
        "silent.wav": signals.silence(RATE, channels=2),
    }.items():
        soundfile.write(root / name, audio.T, RATE, subtype="PCM_24")
    return root


@pytest.fixture
def levels(tmp_path: Path) -> Path:
    (tmp_path / "levels.toml").write_text(LEVELS + MASTER, "utf-8")
    return tmp_path / "levels.toml"


def told(result: Result) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    *files, last = (json.loads(line) for line in result.stdout.splitlines())
    return files, last["summary"]


def files_in(folder: str) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


def test_a_folder_comes_out_as_it_is_laid_out_with_a_table(run: Run, songs: Path) -> None:
    result = run("render", songs, "-o", "out", "-r", "--steps", "1")
    assert result.exit_code == ExitCode.OK, result.output
    assert files_in("out") == ["dull.wav", "full.wav", "more/quiet.wav", "silent.wav"]
    lines, table, last = result.stdout.split("\n\n")
    assert len(lines.splitlines()) == 4
    assert table.startswith("file ")
    assert [line.rsplit("  ", 1)[1] for line in table.splitlines()[1:]] == [
        "restored", "written untouched", "written untouched", "restored",
    ]  # fmt: skip
    assert last.startswith("4 files: 2 restored, 2 written untouched; 3.0 s of audio in ")


def test_what_needs_nothing_may_be_left_out(run: Run, songs: Path) -> None:
    result = run("render", songs, "-o", "out", "--steps", "1", "--skip-untouched", "--json")
    files, summary = told(result)
    assert files_in("out") == ["dull.wav"]
    assert [one["output"] for one in files] == ["out/dull.wav", None, None]
    assert [one["bandwidth"] for one in files] == ["cliff", "full_band", "silent"]
    assert (summary["rendered"], summary["skipped"], summary["failed"]) == (1, 2, 0)
    assert files[0]["lufs_before"] == pytest.approx(measure_loudness(*loaded(songs / "dull.wav")), abs=0.01)
    assert files[0]["lufs_after"] == pytest.approx(measure_loudness(*loaded(Path("out/dull.wav"))), abs=0.01)


def test_what_is_cleaned_and_no_more_is_written_and_called_so(
    run: Run, songs: Path, signals: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(tiny_model(config=WITH_PREDICTOR), "cpu")
    monkeypatch.setattr("audiosr_fx.engine.load_engine", lambda *_: engine)
    full, silent = songs / "long.wav", songs / "silent.wav"
    soundfile.write(full, signals.noise(4 * RATE, RATE).T, RATE)
    files, summary = told(
        run("render", full, silent, "-o", "out", "--no-keep-low-band", "--skip-untouched", "--json")
    )
    assert (summary["rendered"], summary["untouched"], summary["skipped"]) == (0, 0, 1)
    assert files_in("out") == ["long.wav"]
    told_of = [(one["rendered"], one["cleaned"], one["untouched"], one["intact_below_hz"]) for one in files]
    assert told_of == [(False, True, False, 0.0), (False, False, True, None)]
    [made] = read_provenance(Path("out/long.wav"))
    assert (made.action, made.cutoff_hz, made.seed) == ("cleaned", None, None)
    assert made.others == (("keep_low_band", "False"),)
    result = run("render", full, "-o", "again.wav", "--no-keep-low-band")
    assert "again.wav: cleaned, no new highs, " in result.stdout


def loaded(path: Path) -> tuple[np.ndarray, int]:
    audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return audio.T, rate


def test_what_a_preset_leaves_as_it_was_may_be_left_out(run: Run, songs: Path, tmp_path: Path) -> None:
    text = (
        LEVELS.replace("gain_db = -6", "gain_db = 0")
        .replace("Gain", "TruePeakLimiter")
        .replace("gain_db = 0", "")
    )
    (tmp_path / "limit.toml").write_text(text, "utf-8")
    _, summary = told(
        run("render", songs, "-o", "out", "--preset", "limit.toml", "--json", "--skip-untouched")
    )
    assert summary["skipped"] == 3
    assert files_in("out") == []


def test_an_album_keeps_its_balance_with_any_preset_of_loudness(run: Run, songs: Path, levels: Path) -> None:
    result = run("render", songs, "-o", "out", "-r", "--preset", levels, "--album", "--json")
    files, summary = told(result)
    heard = [one for one in files if one["lufs_before"] is not None]
    gains = {round(one["lufs_after"] - one["lufs_before"], 1) for one in heard}
    assert len(gains) == 1
    assert summary["album_lufs"] == pytest.approx(-16.0, abs=0.1)
    assert "album: one gain of" in result.stderr


def test_an_album_of_nothing_but_silence_has_no_loudness(run: Run, songs: Path, levels: Path) -> None:
    for name in ("full.wav", "dull.wav"):
        (songs / name).write_bytes((songs / "silent.wav").read_bytes())
    result = run("render", songs, "-o", "out", "--preset", levels, "--album", "--json")
    assert result.exit_code == ExitCode.OK
    files, summary = told(result)
    assert len(files) == 3
    assert summary["album_lufs"] is None
    assert "for the set of 3, which is silent" in result.stderr
    result = run("render", songs, "-o", "again", "--preset", levels, "--album")
    assert result.stdout.rstrip().endswith("; the album is silent")
    assert "inf" not in result.output


def test_an_album_keeps_its_balance_with_loudness_inside_a_board(
    run: Run, songs: Path, tmp_path: Path
) -> None:
    inner = '[[chain]]\ntype = "Board"\nchain = [{type = "MasterTo", target_lufs = -16}]\n'
    (tmp_path / "inner.toml").write_text(LEVELS + inner, "utf-8")
    result = run("render", songs, "-o", "out", "-r", "--preset", "inner.toml", "--album", "--json")
    files, summary = told(result)
    gains = {round(one["lufs_after"] - one["lufs_before"], 1) for one in files if one["lufs_before"]}
    assert len(gains) == 1
    assert summary["album_lufs"] == pytest.approx(-16.0, abs=0.1)


def test_an_album_with_loudness_inside_a_mix_is_refused(run: Run, songs: Path, tmp_path: Path) -> None:
    mix = '[[chain]]\ntype = "Mix"\nbranches = [{type = "Board", chain = [{type = "LoudnessNormalize"}]}]\n'
    (tmp_path / "mixed.toml").write_text(LEVELS + mix, "utf-8")
    result = run("render", songs, "-o", "out", "--preset", "mixed.toml", "--album")
    assert result.exit_code == ExitCode.USAGE
    assert "2.1.1 (LoudnessNormalize) of mixed stands in a Mix" in result.stderr
    assert not (tmp_path / "out").exists()


def test_an_album_without_a_stage_of_loudness_is_told_so(run: Run, songs: Path, tmp_path: Path) -> None:
    (tmp_path / "plain.toml").write_text(LEVELS, "utf-8")
    result = run("render", songs, "-o", "out", "--preset", "plain.toml", "--album")
    assert result.exit_code == ExitCode.OK
    assert result.stderr == "album: plain has no stage of loudness, so --album changes nothing\n"
    result = run("render", songs / "silent.wav", "-o", "alone.wav", "--album")
    assert "without a preset no level is touched" in result.stderr


def test_several_processes_give_the_same_bytes_in_the_same_order(
    run: Run, songs: Path, levels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (songs / "broken.wav").write_bytes(b"no audio")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    one = run("render", songs, "-o", "one", "-r", "--preset", levels, "--album", "--json")
    two = run("render", songs, "-o", "two", "-r", "--preset", levels, "--album", "--jobs", "2", "--json")
    assert two.exit_code == one.exit_code == ExitCode.SOME_FAILED
    assert files_in("two") == files_in("one")
    for name in files_in("one"):
        assert (Path("two") / name).read_bytes() == (Path("one") / name).read_bytes()
    assert [file["input"] for file in told(two)[0]] == [file["input"] for file in told(one)[0]]
    assert two.stderr == one.stderr


@pytest.mark.slow
def test_the_embedded_model_gives_the_same_bytes_in_several_processes(songs: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "audiosr_fx", "render", songs, "-r", "--threads", "1"]
    for out, jobs in (("one", "1"), ("two", "2")):
        subprocess.run([*command, "-o", tmp_path / out, "--jobs", jobs], check=True, capture_output=True)
    for name in ("dull.wav", "more/quiet.wav"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--jobs", "0"), "jobs is 0; expected 1 to 64"),
        (("--threads", "0"), "threads is 0; expected 1 to 1024"),
        (("--report", "page.txt"), "report is page.txt; expected a name in .html"),
    ],
)
def test_wrong_numbers_are_refused_before_any_work(
    options: tuple[str, str], words: str, run: Run, songs: Path
) -> None:
    result = run("render", songs, "-o", "out", *options)
    assert result.exit_code == ExitCode.USAGE
    assert words in result.stderr
    assert not Path("out").exists()


def test_a_report_that_cannot_be_written_is_refused_before_any_work(run: Run, songs: Path) -> None:
    Path("page.html").write_text("precious", "utf-8")
    Path("file").touch()
    for page in ("page.html", "file/page.html", "/proc/page.html"):
        result = run("render", songs, "-o", "out", "--report", page)
        assert result.exit_code == ExitCode.OUTPUT
        assert result.stderr.count("\n") == 1
        assert page.split("/page")[0] in result.stderr
        assert ".part" not in result.stderr, "nobody knows that name"
    assert not Path("out").exists()
    assert Path("page.html").read_text("utf-8") == "precious"


def test_what_can_be_refused_early_is_so_before_a_model_is_loaded(songs: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for name in ("dull.wav", "full.wav", "silent.wav"):
        (tmp_path / "out" / name).touch()
    (tmp_path / "text.wav").write_text("no audio", "utf-8")
    soundfile.write(tmp_path / "pulled_up.wav", np.zeros((1000, 1)), 96_096)
    soundfile.write(tmp_path / "nine.wav", np.zeros((1000, 9)), RATE)
    code = (
        "import sys; from typer.testing import CliRunner; from audiosr_fx.cli import app\n"
        "for line in sys.stdin.read().splitlines():\n"
        "    result = CliRunner().invoke(app, line.split('|'))\n"
        "    print(result.exit_code, 'torch' in sys.modules, result.stderr.splitlines()[0])"
    )
    lines = [
        "render|songs|-o|out|--report|page.html|--stems|-q",
        "render|songs/dull.wav|-o|out/dull.wav",
        "render|songs/dull.wav|-o|songs/dull.wav|--overwrite",
        "render|nowhere.wav|-o|x.wav",
        "render|text.wav|-o|x.wav|--preset|podcast",
        "render|songs/dull.wav|-o|x.wav|--region|5-9",
        "render|songs/dull.wav|-o|text.wav/deep/x.wav",
        "render|songs/dull.wav|-o|x.wav|--model|nope",
        "render|pulled_up.wav|-o|x.flac",
        "render|nine.wav|-o|x.flac|--preset|podcast",
    ]
    finished = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        input="\n".join(lines),
        capture_output=True,
        text=True,
        check=True,
    )
    told = [line.split(" ", 2) for line in finished.stdout.splitlines()]
    assert [(code, torch) for code, torch, _ in told] == [(code, "False") for code in "5553325455"]
    words = ["exists already", "exists already", "is the input", "no such file"]
    words += [
        "cannot be read as audio (format not recognised)",
        "region is",
        "text.wav: is a file",
        "model is",
        "x.flac: sample_rate is 96096; above 65535 FLAC takes multiples of 10 alone",
        "x.flac: 9 channels; FLAC takes 1 to 8",
    ]
    assert [word for word, (*_, error) in zip(words, told, strict=True) if word not in error] == []
    assert not (tmp_path / "page.html").exists(), "a page of nothing but failures"


@pytest.mark.parametrize(
    "options",
    [
        ("--model", "nope"),
        ("--model", "nope", "--preset", "podcast", "--report", "pages/page.html"),
        ("--region", "5-9"),
    ],
)
def test_no_empty_folder_stays_where_nothing_was_made(
    options: tuple[str, ...], run: Run, songs: Path, tmp_path: Path
) -> None:
    before = sorted(tmp_path.iterdir())
    result = run("render", songs / "dull.wav", "-o", "new/deep/", *options)
    assert result.exit_code != ExitCode.OK
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_that_was_there_stays_though_it_is_empty(run: Run, songs: Path) -> None:
    Path("out").mkdir()
    run("render", songs / "silent.wav", "-o", "out/deep/", "--skip-untouched")
    assert list(Path("out").iterdir()) == []


def test_a_report_holds_every_file(run: Run, songs: Path, levels: Path) -> None:
    (songs / "broken.wav").write_bytes(b"no audio")
    result = run("render", songs, "-o", "out", "--preset", levels, "--report", "pages/page.html")
    assert result.exit_code == ExitCode.SOME_FAILED, result.output
    assert result.stderr.splitlines()[-1] == "report: pages/page.html"
    data = re.search(r'id="report">([^<]*)<', Path("pages/page.html").read_text("utf-8"))
    assert data is not None
    page = base64.b64decode(data[1]).decode("utf-8")
    assert all(name in page for name in ("dull.wav", "full.wav", "silent.wav", "broken.wav: cannot be read"))
    assert "levels" in page


@pytest.mark.parametrize("options", [(), ("--preset", "levels.toml", "--album"), ("--stems",)])
def test_what_is_odd_about_a_file_is_told_once(
    options: tuple[str, ...], run: Run, songs: Path, levels: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = bytearray((songs / "full.wav").read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = b"\xff\xff\xff\xff"
    (songs / "full.wav").write_bytes(data)
    result = run("render", songs / "full.wav", songs / "silent.wav", "-o", "out", *options)
    assert result.exit_code == ExitCode.OK, result.output
    assert [record.message for record in caplog.records if "length open" in record.message] == [
        f"{songs / 'full.wav'}: the header leaves the length open (streamed or broken off); read to its end"
    ]


# --- stems ----------------------------------------------------------------------------------------


def test_stems_share_a_cutoff_and_still_add_up(run: Run, songs: Path) -> None:
    result = run("render", songs, "-o", "out", "-r", "--steps", "1", "--stems", "--json")
    assert result.exit_code == ExitCode.OK, result.output
    files, summary = told(result)
    by_name = {Path(one["input"]).stem: one for one in files}
    assert by_name["dull"]["cutoff_hz"] == by_name["quiet"]["cutoff_hz"] == pytest.approx(6000, rel=0.06)
    assert by_name["dull"]["bandwidth"] == "shared"
    assert by_name["dull"]["reason"] == "", "nobody gave one; the set's note tells of it"
    assert "the set's cutoff" in by_name["dull"]["decisions"][0]
    assert not by_name["full"]["rendered"]
    assert not by_name["silent"]["rendered"]
    assert summary["stems"]["stems"] == 4
    assert summary["stems"]["below_hz"] == pytest.approx(6000, rel=0.1)
    assert summary["stems"]["peak_dbfs"] < -90.0


@pytest.mark.parametrize("chain", [(), ("--preset", "hissing.toml")])
def test_stems_under_hiss_share_the_cutoff_they_show_without_it(
    chain: tuple[str, ...], run: Run, signals: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cleaner = Engine(muting_above(7_000.0, tiny_model(config=WITH_PREDICTOR)), "cpu")
    monkeypatch.setattr("audiosr_fx.engine.load_engine", lambda *_: cleaner)
    node = '[[chain]]\ntype = "AudioSR"\nkeep_low_band = false\n'
    Path("hissing.toml").write_text(LEVELS.partition("[[chain]]")[0] + node, "utf-8")
    (tmp_path / "reels").mkdir()
    for name, gain in {"drums": 1.0, "voice": 0.3}.items():
        dull = signals.noise(4 * RATE, RATE, cutoff_hz=6_000.0)
        dull += signals.sine(4 * RATE, RATE, frequency_hz=200.0)  # louder than the hiss
        hiss = 2.0 * signals.noise(4 * RATE, RATE)
        soundfile.write(f"reels/{name}.wav", gain * (dull + hiss).T, RATE, subtype="FLOAT")
    result = run("render", "reels", "-o", "out", "--stems", "--json", *(chain or ("--no-keep-low-band",)))
    assert result.exit_code == ExitCode.OK, result.output
    files, summary = told(result)
    assert [one["bandwidth"] for one in files] == ["shared", "shared"]
    assert files[0]["cutoff_hz"] == files[1]["cutoff_hz"] == pytest.approx(6_500.0, rel=0.1)
    assert all(one["cleaned"] and "shown by 2 of 2 stems" in one["decisions"][0] for one in files)
    assert summary["stems"]["why_not"] == "the low band was not to be kept"


def test_stems_may_keep_their_own_cutoffs(run: Run, songs: Path) -> None:
    result = run("render", songs, "-o", "out", "--steps", "1", "--stems", "--stem-cutoff", "own")
    assert "given" not in result.stdout
    last = result.stdout.splitlines()[-1]
    assert last.startswith("sum of the 3 stems below 5.")
    assert re.search(r"RMS over all; peaks at \S+ dBFS at the ends of stems, at \S+ dBFS between them$", last)


def test_a_set_of_one_stem_is_spoken_of_as_one(run: Run, songs: Path) -> None:
    result = run("render", songs / "dull.wav", "-o", "out", "--steps", "1", "--stems")
    assert result.exit_code == ExitCode.OK, result.output
    assert "kHz, shown by its one stem" in result.stdout
    last = result.stdout.splitlines()[-1]
    assert re.match(r"the one stem below \S+ kHz: nulls against its original to \S+ dBFS RMS over all;", last)
    assert re.search(r"; peaks at \S+ dBFS at its ends, at \S+ dBFS between them$", last)


def test_a_sum_that_must_change_is_not_compared(run: Run, songs: Path, levels: Path) -> None:
    result = run("render", songs, "-o", "out", "--preset", levels, "--stems")
    assert result.exit_code == ExitCode.OK, result.output
    assert result.stdout.splitlines()[-1] == (
        "sum of the stems: not compared, Gain, MasterTo of levels changes more than the highs"
    )


def test_an_album_of_stems_is_compared_at_its_gain(run: Run, songs: Path) -> None:
    preset = ("--preset", "album-stems", "--steps", "1", "--model", "mini")
    result = run("render", songs, "-o", "out", "-r", "--stems", "--bits", "32", *preset)
    assert result.exit_code == ExitCode.OK, result.output
    last = result.stdout.splitlines()[-1]
    assert float(last.split("to ")[1].split(" dBFS")[0]) < -90.0


# --- the end, before it is due --------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
def test_interrupted_it_says_what_was_done_and_leaves_nothing_half_written(
    tmp_path: Path, signals: type
) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        pytest.skip("whoever started the tests ignores this signal")
    (tmp_path / "in").mkdir()
    for name, seconds in {"1": 1, "2": 900, "3": 900}.items():
        soundfile.write(tmp_path / "in" / f"{name}.flac", np.full(seconds * 8000, 0.1), 8000)
    (tmp_path / "levels.toml").write_text(LEVELS, "utf-8")
    command = [sys.executable, "-m", "audiosr_fx", "render", "in", "-o", "out", "--preset", "levels.toml"]
    process = subprocess.Popen(
        [*command, "--jobs", "2"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("out/1.flac: levels")
    deadline = time.monotonic() + 60
    while not list((tmp_path / "out").glob(".*/.*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=60)
    assert process.returncode == ExitCode.CANCELLED
    assert errors.splitlines()[-1] == "error: cancelled"
    assert "3 files: 1 without new highs, 2 not done" in said
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["1.flac"]
