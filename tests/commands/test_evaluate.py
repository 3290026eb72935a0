"""``audiosr-fx evaluate`` as a person uses it: tables, files, gaps, bad input and Ctrl-C."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import typer
from tiny import WITH_PREDICTOR, tiny_model
from typer.testing import CliRunner, Result

from audiosr_fx.cli import app
from audiosr_fx.commands.terminal import ExitCode
from audiosr_fx.engine import Engine
from audiosr_fx.model.checkpoint import save_model
from audiosr_fx.quality.cases import choose_clips
from audiosr_fx.quality.metrics import METRIC_NAMES
from audiosr_fx.quality.plan import EXPERIMENTS, Plan
from audiosr_fx.training.folders import scan_folder
from audiosr_fx.training.trained_on import TrainedOn

RATE = 48_000
QUICK = ("--qualities", "draft", "--seconds", "0.3")

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def mini() -> Engine:
    return Engine(tiny_model(config=WITH_PREDICTOR), "cpu")


@pytest.fixture
def run(mini: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """The command in an empty folder beside a folder of two clips, over a toy model."""
    monkeypatch.setattr("audiosr_fx.engine.load_engine", lambda *_: mini)
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("speech/a.wav", "bells/b.wav")):
        Path("clips", name).parent.mkdir(parents=True)
        noise = 0.1 * np.random.default_rng(number).standard_normal(RATE // 2)
        soundfile.write(Path("clips", name), noise, RATE, subtype="PCM_24")
    return lambda *args: CliRunner().invoke(app, ["evaluate", *(str(arg) for arg in args)])


def test_models_and_baselines_stand_in_a_table(run: Run) -> None:
    result = run("clips", *QUICK)
    assert result.exit_code == ExitCode.OK, result.output
    for system in ("unprocessed", "folding, -12 dB/octave", "mini predictor + noise", "mini draft"):
        assert f"│ {system} " in result.stdout
    assert "chebyshev 8, 4 kHz (LSD / envelope dB / flatness dB" in result.stdout
    assert "1 of speech, 1 of bells from 2 sources; seeds 0" in result.stdout


def test_results_are_written_and_not_replaced(run: Run) -> None:
    files = ("--csv", "scores.csv", "--markdown", "table.md", "--plots", "pictures", "--audio", "kept")
    rows = ("--no-predictor", "--cutoffs", "4000,8000", "--seeds", "0,1")
    result = run("clips", *QUICK, *files, *rows)
    assert result.exit_code == ExitCode.OK, result.output
    with Path("scores.csv").open() as file:
        scores = list(csv.DictReader(file))
    assert len(scores) == 2 * 2 * (3 + 2)
    assert Path("table.md").read_text().count("| mini draft |") == 2
    assert sorted(path.name for path in Path("pictures").iterdir()) == [
        "lsd_over_cutoff.png",
        "spectrograms_bells.png",
        "spectrograms_speech.png",
    ]
    kept = Path("kept/chebyshev_8_4_khz")
    assert sorted(path.name for path in kept.iterdir()) == [
        "folding_-12_dB_octave",
        "input",
        "mini_draft_seed_0",
        "mini_draft_seed_1",
        "noise_-12_dB_octave",
        "reference",
        "unprocessed",
    ]
    assert (kept / "input/speech_a.wav").is_file()
    for option, name in zip(files[::2], files[1::2], strict=True):
        again = run("clips", *QUICK, option, name)
        assert again.exit_code == ExitCode.OUTPUT
        assert again.stderr.count("\n") == 1
        assert "--overwrite" in again.stderr
    assert run("clips", *QUICK, *files, *rows, "--overwrite").exit_code == ExitCode.OK


def test_kinds_in_any_script_have_pictures_of_their_own(run: Run) -> None:
    for kind, file in (("日本", "speech/a.wav"), ("한국", "bells/b.wav")):
        Path("scripts", kind).mkdir(parents=True)
        Path("scripts", kind, "a.wav").write_bytes(Path("clips", file).read_bytes())
    result = run("scripts", "--qualities", "", "--no-predictor", "--seconds", "0.3", "--plots", "pictures")
    assert result.exit_code == ExitCode.OK, result.output
    assert sorted(path.name for path in Path("pictures").iterdir()) == [
        "spectrograms_kind.png",
        "spectrograms_kind_2.png",
    ]
    assert result.stderr.count("\n") == 2  # a line for each, and no warning of letters that a font lacks


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names of files are Unicode")
def test_names_that_are_no_text_lose_no_result(run: Run) -> None:
    odd = os.fsdecode(b"odd\xff\n")
    Path("odd", odd).mkdir(parents=True)
    Path("clips/speech/a.wav").rename(Path("odd", odd, f"{odd}.wav"))
    Path(f"{odd}theirs").mkdir()
    Path(f"{odd}theirs", f"{odd}.wav").hardlink_to(Path("odd", odd, f"{odd}.wav"))
    rows = ("--qualities", "", "--no-predictor", "--no-baselines", "--outputs", f"{odd}={odd}theirs")
    files = ("--csv", "scores.csv", "--markdown", "table.md", "--plots", "pictures", "--audio", "kept")
    result = run("odd", *rows, "--seconds", "0.3", *files)
    assert result.exit_code == ExitCode.OK, result.output
    told = "odd\\udcff\\n"
    assert f"1 of {told} from 1 source" in result.stdout
    with Path("scores.csv").open() as file:
        [score] = csv.DictReader(file)
    assert (score["system"], score["clip"]) == (told, f"{told}/{told}.wav")
    assert f"| {told} |" in Path("table.md").read_text()
    assert list(Path("pictures").iterdir())


def test_rows_that_spectrograms_have_no_room_for_are_named(run: Run) -> None:
    rows = ("--qualities", "draft", "--seeds", "0,1", "--tilts", "-12,-9,-6", "--no-predictor")
    result = run("clips", *rows, "--seconds", "0.3", "--plots", "pictures")
    assert result.exit_code == ExitCode.OK, result.output
    assert result.stderr.splitlines()[-1] == (
        "not in the spectrograms, which hold 7 panels: noise, -6 dB/octave, mini draft;"
        " compare fewer rows to see them"
    )


def test_measures_of_speech_without_speech_are_explained(run: Run) -> None:
    result = run("clips/bells", "--qualities", "", "--no-predictor", "--metrics", "lsd,pesq")
    assert result.exit_code == ExitCode.OK, result.output
    assert result.stderr == "pesq: measured on clips of the kind speech alone, and there are none\n"


def test_another_system_is_a_row_and_what_it_lacks_is_named_in_a_line(run: Run) -> None:
    Path("theirs").mkdir()
    audio, _ = soundfile.read("clips/speech/a.wav")
    soundfile.write("theirs/a.wav", audio, RATE, subtype="PCM_24")
    result = run("clips", *QUICK, "--outputs", "theirs=theirs", "--json", "--no-baselines", "--no-predictor")
    assert result.exit_code == ExitCode.SOME_FAILED
    assert result.stderr.splitlines() == ["theirs: no output of that name (bells/b.wav)"]
    cells = [json.loads(line) for line in result.stdout.splitlines()]
    [theirs] = [cell for cell in cells if cell["system"] == "theirs"]
    assert theirs["kind"] == "speech"
    assert theirs["lsd"] == pytest.approx(0.0, abs=1e-3)
    assert theirs["over_clips"] is None  # of one clip there is no spread


def test_rows_of_one_name_are_refused_before_any_work(run: Run) -> None:
    for folder in ("ours", "theirs"):
        Path(folder).mkdir()
    result = run("clips", *QUICK, "--outputs", "other=ours", "--outputs", "other=theirs")
    assert result.exit_code == ExitCode.USAGE
    assert "rows called 'other': 2" in result.stderr
    assert result.stdout == ""


def test_outputs_that_come_late_are_told_of(run: Run) -> None:
    Path("theirs").mkdir()
    for name in ("speech/a.wav", "bells/b.wav"):
        audio = np.roll(soundfile.read(Path("clips", name))[0], 100 if name == "speech/a.wav" else 0)
        soundfile.write(Path("theirs", name.replace("/", "_")), audio, RATE, subtype="PCM_24")
    rows = ("--qualities", "", "--no-predictor", "--no-baselines", "--seconds", "0.3", "--csv", "scores.csv")
    result = run("clips", *rows, "--outputs", "other=theirs")
    assert result.exit_code == ExitCode.OK, result.output
    words = (
        "other: outputs that were not in step and were moved: 1, as speech/a.wav; at most 100 samples late\n"
    )
    assert words in result.stderr
    with Path("scores.csv").open() as file:
        assert all(float(row["lsd"]) < 0.1 for row in csv.DictReader(file))


def test_outputs_longer_or_shorter_than_their_clips_are_scored_and_told_of(run: Run) -> None:
    Path("theirs").mkdir()
    for name, samples in (("speech/a.wav", 3 * RATE), ("bells/b.wav", 22_000)):
        audio = np.pad(soundfile.read(Path("clips", name))[0], (0, 3 * RATE))[:samples]
        soundfile.write(Path("theirs", name.replace("/", "_")), audio, RATE, subtype="PCM_24")
    rows = ("--qualities", "", "--no-predictor", "--no-baselines", "--csv", "scores.csv")
    result = run("clips", *rows, "--outputs", "other=theirs")
    assert result.exit_code == ExitCode.OK, result.output
    assert result.stderr.splitlines()[:2] == [
        "other: outputs that are longer or shorter than their clips: 2, as speech/a.wav; by -0.04 to +2.50 s",
        "other: scored without what outputs lack at their end, at most 0.04 s",
    ]
    with Path("scores.csv").open() as file:
        scores = list(csv.DictReader(file))
    assert [row["clip"] for row in scores] == ["speech/a.wav", "bells/b.wav"]
    assert all(float(row["lsd"]) < 0.1 for row in scores)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("their best", "their:best"), "'their best' and 'their:best' would both be kept in their_best"),
        (("Input",), "the inputs and 'Input' would both be kept in Input"),
    ],
)
def test_rows_that_would_be_kept_in_one_folder_are_refused_before_any_work(
    run: Run, names: tuple[str, ...], words: str
) -> None:
    Path("theirs").mkdir()
    outputs = [word for name in names for word in ("--outputs", f"{name}=theirs")]
    result = run("clips", *QUICK, *outputs, "--audio", "kept", "--overwrite")
    assert result.exit_code == ExitCode.USAGE
    assert words in result.stderr
    assert not Path("kept").exists()


def test_qualities_stay_rows_of_their_own_beside_steps(run: Run) -> None:
    result = run(
        "clips", "--seconds", "0.3", "--steps", "1", "--no-baselines", "--no-predictor", "--audio", "k"
    )
    assert result.exit_code == ExitCode.OK, result.output
    for quality in ("draft", "standard", "best"):
        assert f"│ mini {quality} 1 steps " in result.stdout


def test_models_that_do_not_say_what_they_were_trained_on_are_named_in_a_line(run: Run) -> None:
    save_model(tiny_model(config=WITH_PREDICTOR), "theirs.safetensors")
    trained_on = TrainedOn.these(scan_folder(Path("clips", "speech"))).to_text()
    save_model(tiny_model(config=WITH_PREDICTOR), "mine.safetensors", notes={"trained_on": trained_on})
    rows = ("--models", "theirs.safetensors,mine.safetensors", "--no-predictor", "--no-baselines")
    result = run("clips", *QUICK, *rows)
    assert result.exit_code == ExitCode.OK, result.output
    assert "theirs.safetensors: it is not known what it was trained on; if" in result.stderr
    assert "1 of bells from 1 source" in result.stdout
    assert "of speech" not in result.stdout
    everything = run("clips", *QUICK, *rows, "--all")
    assert "1 of speech, 1 of bells from 2 sources" in everything.stdout
    assert everything.stderr == ""


def test_ctrl_c_prints_what_there_is(run: Run, mini: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[int] = []

    def interrupted(*args: object, **options: object) -> None:
        heard.append(1)
        raise KeyboardInterrupt

    monkeypatch.setattr("audiosr_fx.render.render_array", interrupted)
    result = run("clips", *QUICK, "--csv", "scores.csv")
    assert heard == [1]
    assert result.exit_code == ExitCode.CANCELLED
    assert "interrupted; what follows is 4 scores of 10" in result.stderr
    assert "│ unprocessed " in result.stdout
    assert len(Path("scores.csv").read_text().splitlines()) == 5


def test_a_fault_on_the_way_loses_no_score(run: Run, mini: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **options: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr("audiosr_fx.render.render_array", broken)
    result = run("clips", *QUICK, "--csv", "scores.csv")
    assert result.exit_code == ExitCode.INTERNAL
    assert "stopped by an error; what follows is 4 scores of 10" in result.stderr
    assert "out of memory" in result.stderr
    assert len(Path("scores.csv").read_text().splitlines()) == 5


def test_what_cannot_be_written_does_not_keep_the_rest_from_it(run: Run) -> None:
    Path("theirs").mkdir()
    Path("scores.csv").mkdir()
    rows = ("--qualities", "", "--no-predictor", "--seconds", "0.3", "--overwrite")
    result = run("clips", *rows, "--csv", "scores.csv", "--markdown", "table.md")
    assert result.exit_code == ExitCode.OUTPUT
    assert [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert "| unprocessed |" in Path("table.md").read_text()


def test_a_clip_that_vanishes_is_named_and_the_others_are_scored(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scanned(*args: object, **options: object) -> object:
        clips = choose_clips(*args, **options)  # type: ignore[arg-type]
        Path("clips/speech/a.wav").unlink()
        return clips

    Path("clips/INDEX.csv").write_text("file,kind\nspeech/a.wav,speech\nbells/b.wav,bells\n")
    monkeypatch.setattr("audiosr_fx.quality.cases.choose_clips", scanned)
    result = run("clips", "--qualities", "", "--no-predictor", "--seconds", "0.3")
    assert result.exit_code == ExitCode.SOME_FAILED
    assert "skipped: speech/a.wav (chebyshev 8, 4 kHz): " in result.stderr
    assert "Errno" not in result.stderr
    assert "1 of music from 1 source" in result.stdout


def test_a_clip_that_cannot_be_decoded_is_named_and_not_scored_as_silence(run: Run) -> None:
    noise = 0.1 * np.random.default_rng(3).standard_normal(6 * RATE)
    soundfile.write("clips/bells/damaged.flac", noise, RATE)
    content = bytearray(Path("clips/bells/damaged.flac").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 20_000] = bytes(20_000)
    Path("clips/bells/damaged.flac").write_bytes(content)
    Path("clips/INDEX.csv").write_text("file,kind\nspeech/a.wav,speech\nbells/damaged.flac,bells\n")
    result = run("clips", "--qualities", "", "--no-predictor")
    assert result.exit_code == ExitCode.SOME_FAILED
    told = "skipped: bells/damaged.flac (chebyshev 8, 4 kHz): clips/bells/damaged.flac: cannot decode samples"
    assert told in result.stderr
    assert "1 of speech from 1 source" in result.stdout
    assert "of music" not in result.stdout


def test_a_stretch_of_silence_is_named_and_not_counted(run: Run) -> None:
    audio = np.zeros(2 * RATE)
    audio[: RATE // 2] = 0.1 * np.random.default_rng(3).standard_normal(RATE // 2)
    soundfile.write("clips/bells/pause.wav", audio, RATE, subtype="PCM_24")
    result = run("clips", "--qualities", "", "--no-predictor", "--seconds", "0.3")
    assert result.exit_code == ExitCode.OK
    assert result.stderr == (
        "nothing in the first channel's 0.3 s from the middle to restore above the cutoff:"
        " bells/pause.wav (chebyshev 8, 4 kHz)\n"
    )
    assert "1 of bells" in result.stdout


def test_kept_audio_is_of_this_run(run: Run) -> None:
    rows = ("--qualities", "", "--no-predictor", "--audio", "kept", "--overwrite")
    for seconds in (0.2, 0.3):
        assert run("clips", *rows, "--seconds", str(seconds)).exit_code == ExitCode.OK
        kept = Path("kept/chebyshev_8_4_khz")
        lengths = {soundfile.info(path).frames for path in kept.glob("*/speech_a.wav")}
        assert lengths == {round(seconds * RATE)}
    soundfile.write("clips/speech/a.flac", soundfile.read("clips/speech/a.wav")[0], RATE)
    result = run("clips", *rows)
    assert result.exit_code == ExitCode.USAGE
    assert "speech/a.flac and speech/a.wav would both be kept as speech_a.wav" in result.stderr


def test_experiments_are_plans_that_can_be_changed(run: Run) -> None:
    result = run("clips", "--experiment", "steps", "--steps", "0,1", "--seeds", "0,1", "--seconds", "0.3")
    assert result.exit_code == ExitCode.OK, result.output
    for system in ("mini ddim 0 steps", "mini ddim 1 steps", "mini dpmpp_2m 1 steps"):
        assert f"│ {system} " in result.stdout
    assert "mini ddim 4 steps" not in result.stdout
    result = run("clips", "--experiment", "low-band", "--seconds", "0.3")
    assert result.exit_code == ExitCode.OK, result.output
    for system in ("mini standard", "mini standard, low band not kept"):
        assert f"│ {system} " in result.stdout


def test_help_states_the_defaults_and_names_every_metric() -> None:
    command: Any = typer.main.get_command(app)
    options = {option.name: option for option in command.commands["evaluate"].params}
    fields = {"cutoffs": "cutoffs_hz", "tilts": "tilts_db_per_octave"}
    plan = Plan()
    for name, option in options.items():
        value = getattr(plan, fields.get(name, name), None)
        if isinstance(value, bool):
            expected = name.replace("_", "-") if value else f"no-{name.replace('_', '-')}"
            assert option.show_default == expected, name
        elif value is not None and value not in ((), (None,)):
            values = value if isinstance(value, tuple) else (value,)
            shown = ",".join(word if isinstance(word, str) else f"{word:g}" for word in values)
            assert option.show_default == shown, name
    assert all(metric in options["metrics"].help for metric in METRIC_NAMES)
    assert all(experiment in options["experiment"].help for experiment in EXPERIMENTS)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nowhere"], ExitCode.BAD_AUDIO, "no such folder"),
        (["clips", "--cutoffs", "4000,x"], ExitCode.USAGE, "cutoffs is '4000,x'; expected numbers"),
        (["clips", "--steps", "1.5"], ExitCode.USAGE, "steps is '1.5'; expected whole numbers with commas"),
        (["clips", "--seeds", ","], ExitCode.USAGE, "seeds is empty; expected one or more"),
        (["clips", "--cutoffs", "400"], ExitCode.USAGE, "cutoff_hz is 400"),
        (["clips", "--cutoffs", ""], ExitCode.USAGE, "neither cutoffs nor codecs"),
        (
            ["clips", "--experiment", "magic"],
            ExitCode.USAGE,
            "experiment is 'magic'; expected one of readme,",
        ),
        (["clips", "--metrics", "beauty"], ExitCode.USAGE, "metric is 'beauty'"),
        (["clips", "--metrics", ""], ExitCode.USAGE, "metrics is empty; expected one or more of lsd,"),
        (["clips", "--codecs", "wma:64k"], ExitCode.USAGE, "codec is 'wma'"),
        (["clips", "--limit", "0"], ExitCode.USAGE, "limit is 0"),
        (["clips", "--seconds", "nan"], ExitCode.USAGE, "seconds is nan"),
        (["clips", "--tilts", "3"], ExitCode.USAGE, "tilt is 3"),
        (["clips", "--outputs", "theirs"], ExitCode.USAGE, "outputs is 'theirs'"),
        (["clips", "--qualities", "superb"], ExitCode.USAGE, "quality is 'superb'"),
        (["clips", "--csv", "no/where.csv"], ExitCode.OUTPUT, "there is no folder no"),
        (["clips", "--audio", "clips/kept"], ExitCode.USAGE, "outside the originals"),
        (["clips", "--csv", "a", "--markdown", "./a"], ExitCode.USAGE, "csv and markdown are both a"),
        (["clips", "--markdown", "a", "--plots", "./a"], ExitCode.USAGE, "markdown and plots are both a"),
        (
            ["clips", "--no-baselines", "--no-predictor", "--qualities", ""],
            ExitCode.USAGE,
            "nothing to compare",
        ),
    ],
)
def test_bad_input_is_one_line_and_a_code(run: Run, arguments: list[str], code: ExitCode, words: str) -> None:
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert result.stderr.count("\n") == 1
    assert words in result.stderr
    assert result.stdout == ""
