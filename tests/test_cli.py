from __future__ import annotations

import json
import os
import re
import shutil
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
import typer
from typer.testing import CliRunner, Result

from audiosr_fx import __version__
from audiosr_fx.cli import app
from audiosr_fx.commands.terminal import INTERRUPTS, ExitCode, interrupts_held
from audiosr_fx.engine import Engine
from audiosr_fx.errors import ParameterError
from audiosr_fx.params import RENDER_CONTROLS

ROOT = Path(__file__).parent.parent
RATE = 48_000
QUICK = ("--steps", "1", "--cutoff", "6000")

Run = Callable[..., Result]


@pytest.fixture
def dull(tmp_path: Path) -> Path:
    """A third of a second of tones, stereo, 24 bit."""
    time_s = np.arange(RATE // 3) / RATE
    tones = 0.2 * np.sin(2 * np.pi * np.outer(time_s, [440.0, 660.0]))
    soundfile.write(tmp_path / "dull.wav", tones, RATE, subtype="PCM_24")
    return tmp_path / "dull.wav"


def command_options(name: str) -> dict[str, Any]:
    """Every option of a command, by flag."""
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    return {flag: option for option in command.params for flag in option.opts}


# --- help -----------------------------------------------------------------------------------------


def test_help_loads_neither_torch_nor_scipy() -> None:
    code = (
        "import sys; from audiosr_fx.cli import app; "
        "app(['--help'], standalone_mode=False); print('torch' in sys.modules, 'scipy' in sys.modules)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert finished.stdout.splitlines()[-1] == "False False"


@pytest.mark.parametrize(
    "command",
    [
        *("render", "inspect", "models", "doctor", "upstream", "evaluate", "models pull", "models import"),
        *("train", "train vae"),
    ],
)
def test_every_command_explains_itself(command: str, run: Run) -> None:
    for flag in ("-h", "--help"):
        result = run(*command.split(), flag)
        assert result.exit_code == ExitCode.OK
        assert re.search(rf"Usage: [\w-]+ {command} ", result.stdout)


@pytest.mark.parametrize(
    "command", ["render", "train all", "cache", "evaluate", "watch", "listen", "send render", "models pull"]
)
def test_help_speaks_plainly_of_values_and_cuts_nothing_off(
    command: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = run(*command.split(), "--help").stdout
    assert "--help" in text
    assert not re.search(r"<\w|\[\[|\.\.\.\}|…", text), "a type of Python, or a name twice in brackets"
    assert command != "render" or "draft|standard|best" in text, "on one line"


@pytest.mark.parametrize("command", ["render x -o y --bits 17", "train export x --runs y --nope"])
def test_wrong_usage_is_told_without_the_words_of_a_library(command: str, run: Run) -> None:
    result = run(*command.split())
    assert result.exit_code == ExitCode.USAGE
    assert "'17' is not one of 'auto'" in result.stderr or "No such option: --nope" in result.stderr
    assert "Value error" not in result.stderr


def all_commands() -> list[Any]:
    def walk(command: Any) -> list[Any]:
        return [command, *(one for below in getattr(command, "commands", {}).values() for one in walk(below))]

    from audiosr_fx.training.cli import app as training

    return [one for top in (app, training) for one in walk(typer.main.get_command(top))]


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["render", "", "-o", "out"], "IN"),
        (["render", "dull.wav", "", "-o", "out"], "IN"),
        (["render", "dull.wav", "-o", ""], "--output"),
        (["jobs", "list", "--queue", ""], "--queue"),
        (["watch", "", "--out", "out"], "IN"),
        (["upstream", "-i", ""], "--input_audio_file"),
        (["train", "export", "my_model", "--runs", ""], "--runs"),
    ],
)
def test_an_empty_path_is_told_in_one_line_and_is_not_the_current_folder(
    command: list[str], name: str, run: Run, dull: Path
) -> None:
    result = run(*command)
    assert result.exit_code == ExitCode.USAGE
    what = "an empty path, as a shell makes it of a variable that is not set; expected a name"
    assert result.stderr == f"error: {name} is {what}\n"
    assert [path.name for path in dull.parent.iterdir()] == ["dull.wav"]


def test_no_argument_and_no_option_takes_an_empty_text_as_a_path() -> None:
    refused = 0
    for command in all_commands():
        context = typer.Context(command)
        for parameter in command.get_params(context):
            is_list = parameter.nargs != 1 or getattr(parameter, "multiple", False)
            try:
                taken = parameter.process_value(context, ("",) if is_list else "")
            except ParameterError:
                refused += 1
            except (typer.BadParameter, typer.Exit):
                continue  # no text at all is taken, or the version was to be printed
            else:
                assert Path() not in (taken if isinstance(taken, (list, tuple)) else [taken])
    assert refused > 60


def test_help_wraps_at_the_edge_of_the_terminal_alone() -> None:
    commands = all_commands()
    assert len(commands) > 40
    broken = [one.name for one in commands if "\n" in (one.help or "").replace("\n\n", "")]
    assert broken == []


def test_training_on_what_is_not_there_is_one_line(run: Run) -> None:
    result = run("train", "vae", "--data", "nowhere")
    assert result.exit_code not in (ExitCode.OK, ExitCode.INTERNAL)
    assert result.stderr.count("\n") == 1


def test_the_version_can_be_asked_for(run: Run) -> None:
    assert run("--version").stdout == f"audiosr-fx {__version__}\n"


def test_the_module_runs_as_a_program() -> None:
    command = [sys.executable, "-m", "audiosr_fx", "--version"]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert finished.stdout == f"audiosr-fx {__version__}\n"


def test_an_interrupt_while_the_program_is_being_loaded_is_one_line() -> None:
    code = (
        "import sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'audiosr_fx.commands.render': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "from audiosr_fx.__main__ import main\n"
        "main()"
    )
    finished = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (finished.returncode, finished.stderr) == (ExitCode.CANCELLED, "error: cancelled\n")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "1000"),
        ({"GOMP_SPINCOUNT": "7"}, "7"),
        ({"OMP_WAIT_POLICY": "active"}, None),
    ],
)
def test_threads_that_wait_leave_their_core_to_others_unless_told(
    given: dict[str, str], expected: str | None
) -> None:
    code = (
        "import os, sys; from audiosr_fx.cli import main; sys.argv = ['audiosr-fx', '--version']\n"
        "try: main()\nfinally: print(os.environ.get('GOMP_SPINCOUNT'), 'torch' in sys.modules)"
    )
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("GOMP_", "OMP_"))}
    finished = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=bare | given, capture_output=True, text=True, check=True
    )
    assert finished.stdout.splitlines()[-1] == f"{expected} False", "it must stand before torch is loaded"


def test_every_exit_code_is_in_the_help(run: Run) -> None:
    help_text = " ".join(run("--help").stdout.split())
    assert [int(number) for number in re.findall(r"\b(\d+) ", help_text.split("Exit codes:")[1])] == list(
        ExitCode
    )


def test_every_control_is_a_flag_of_render_with_its_default() -> None:
    options = command_options("render")
    for control in RENDER_CONTROLS:
        option = options[control.flag]
        assert option.name == control.name
        assert option.default == control.default


# --- render ---------------------------------------------------------------------------------------


def test_render_writes_what_it_says(run: Run, dull: Path) -> None:
    result = run("render", dull, "-o", "bright.wav", *QUICK)
    assert result.exit_code == ExitCode.OK, result.output
    assert re.match(
        r"bright\.wav: rendered, cutoff given: 6000 Hz, [a-z ]+ above it is replaced;"
        r" 0\.3 s in [\d.]+ s, [\d.]+x real time\n",
        result.stdout,
    )
    before, after = soundfile.info(dull), soundfile.info("bright.wav")
    assert (after.samplerate, after.channels, after.frames) == (RATE, 2, before.frames)
    assert after.subtype == "PCM_24"
    assert sorted(os.listdir()) == ["bright.wav", "dull.wav"]


def test_render_changes_nothing_below_the_cutoff(run: Run, dull: Path) -> None:
    assert run("render", dull, "-o", "bright.wav", *QUICK).exit_code == ExitCode.OK
    difference = soundfile.read("bright.wav")[0] - soundfile.read(dull)[0]
    spectrum = np.abs(np.fft.rfft(difference * np.hanning(len(difference))[:, None], axis=0))
    low = np.fft.rfftfreq(len(difference), 1 / RATE) < 5000
    assert np.max(spectrum[low]) / (len(difference) / 4) < 10 ** (-90 / 20)


def test_a_low_band_that_is_not_kept_is_made_anew_and_said_to_be(run: Run, dull: Path) -> None:
    result = run("render", dull, "-o", "clean.wav", "--no-keep-low-band", *QUICK)
    assert result.exit_code == ExitCode.OK, result.output
    assert "above it is replaced; below the cutoff the input is not kept" in result.stdout
    before, after = (np.abs(np.fft.rfft(soundfile.read(path)[0], axis=0)) for path in (dull, "clean.wav"))
    assert before.shape == after.shape
    low = slice(0, int(5000 * len(before) / 24_000))
    assert np.corrcoef(before[low, 0], after[low, 0])[0, 1] < 0.9


def test_render_into_a_folder_keeps_names_and_goes_on_after_a_failure(run: Run, dull: Path) -> None:
    shutil.copy(dull, "again.wav")
    Path("broken.wav").write_bytes(b"RIFF")
    result = run(
        "render", "broken.wav", dull, "missing.wav", "again.wav", "-o", "out", "--format", "flac", *QUICK
    )
    assert result.exit_code == ExitCode.SOME_FAILED
    assert sorted(os.listdir("out")) == ["again.flac", "dull.flac"]
    lines = [line.split(":")[0] for line in result.stdout.splitlines()]
    assert lines[:3] == ["out/dull.flac", "out/again.flac", ""]
    assert lines[-1] == "4 files"
    errors = result.stderr.splitlines()
    assert len(errors) == 2
    assert errors[0].startswith("error: broken.wav")
    assert errors[1] == "error: missing.wav: no such file"


def test_json_has_an_object_for_every_input(run: Run, dull: Path) -> None:
    result = run("render", dull, "missing.wav", "-o", "out", "--json", *QUICK)
    done, failed, all_of_them = (json.loads(line) for line in result.stdout.splitlines())
    assert done["output"] == "out/dull.wav"
    assert done["rendered"] is True
    assert done["cutoff_hz"] == 6000.0
    assert done["duration_s"] == pytest.approx(1 / 3)
    assert failed == {
        "input": "missing.wav",
        "error": "missing.wav: no such file",
        "exit_code": ExitCode.BAD_AUDIO,
    }
    assert all_of_them["summary"]["files"] == 2
    assert all_of_them["summary"]["failed"] == 1


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_hostile_file_names_come_out_escaped(run: Run, dull: Path) -> None:
    hostile = "a\x1b[31m\n.wav"
    shutil.copy(dull, hostile)
    done = run("render", hostile, "-o", "out", *QUICK)
    assert done.exit_code == ExitCode.OK, done.output
    assert done.stdout.startswith("out/a\\x1b[31m\\n.wav: rendered, ")
    refused = run("render", hostile, "-o", "out", *QUICK)
    assert refused.stderr.startswith("error: out/a\\x1b[31m\\n.wav: exists already")
    assert os.listdir("out") == [hostile]


def test_file_names_with_several_spaces_are_told_as_they_are(run: Run, dull: Path) -> None:
    dull.rename("take  1   dull.wav")
    Path("out  1.wav").touch()
    assert run("render", "take  2.wav", "-o", "out.wav").stderr == "error: take  2.wav: no such file\n"
    taken = run("render", "take  1   dull.wav", "-o", "out  1.wav")
    assert taken.stderr == "error: out  1.wav: exists already; choose another name, or add --overwrite\n"
    same = run("render", "take  1   dull.wav", "-o", "take  1   dull.wav")
    assert "error: take  1   dull.wav: is the input take  1   dull.wav" in same.stderr


def test_a_folder_without_recordings_says_so(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = run("render", "empty", "-o", "out", *QUICK)
    assert result.exit_code == ExitCode.USAGE
    assert result.stderr.startswith("error: empty: holds no audio files that can be read; --recursive looks")
    assert result.stderr.count("\n") == 1


def test_recordings_in_a_folder_that_are_not_read_are_named(run: Run, dull: Path, tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"tape {number}.m4a").touch()
    result = run("render", dull.parent, "-o", tmp_path / "out", *QUICK)
    assert result.exit_code == ExitCode.OK, result.output
    told = result.stderr.splitlines()[0]
    assert told.startswith("left out, as such formats are not read: ")
    assert "tape 2.m4a and 2 more; convert them to WAV" in told


def test_an_existing_output_stays_unless_told(run: Run, dull: Path) -> None:
    Path("taken.wav").write_bytes(b"precious")
    refused = run("render", dull, "-o", "taken.wav", *QUICK)
    assert refused.exit_code == ExitCode.OUTPUT
    assert refused.stderr == "error: taken.wav: exists already; choose another name, or add --overwrite\n"
    assert Path("taken.wav").read_bytes() == b"precious"
    assert run("render", dull, "-o", "taken.wav", "--overwrite", *QUICK).exit_code == ExitCode.OK
    assert soundfile.info("taken.wav").frames == RATE // 3


@pytest.mark.parametrize("out", ["out.wav/", "out.wav/."])
def test_a_slash_at_the_end_means_a_folder_whatever_its_name(out: str, run: Run, dull: Path) -> None:
    done = run("render", dull, "-o", out, *QUICK)
    assert done.exit_code == ExitCode.OK, done.stderr
    assert soundfile.info("out.wav/dull.wav").frames == RATE // 3
    Path("taken.wav").touch()
    refused = run("render", dull, "-o", out.replace("out", "taken"), "--overwrite", *QUICK)
    assert refused.exit_code == ExitCode.OUTPUT
    assert refused.stderr == "error: taken.wav: is a file; expected a folder for outputs\n"
    assert Path("taken.wav").read_bytes() == b""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
@pytest.mark.parametrize(
    ("command", "pipe"),
    [
        (["render", "dull.wav", "-o", "pipe.wav"], "pipe.wav"),
        (["render", "dull.wav", "-o", "pipe.wav", "--preset", "loudness-only"], "pipe.wav"),
        (["render", "dull.wav", "-o", "out.wav", "--report", "pipe.html"], "pipe.html"),
        (["inspect", "dull.wav", "--spectrogram", "pipe.png"], "pipe.png"),
        (["report", "dull.wav", "dull.wav", "-o", "pipe.html"], "pipe.html"),
        (["listen", ".", "-o", "pipe.html"], "pipe.html"),
        (["evaluate", ".", "--csv", "pipe.csv"], "pipe.csv"),
    ],
)
def test_a_named_pipe_is_never_replaced(command: list[str], pipe: str, run: Run, dull: Path) -> None:
    os.mkfifo(pipe)
    for flags in ([], ["--overwrite"]):
        result = run(*command, *flags)
        assert result.exit_code == ExitCode.OUTPUT
        assert result.stderr == (
            f"error: {pipe}: is a named pipe, which is never replaced; choose another name\n"
        )
    assert sorted(path.name for path in dull.parent.iterdir()) == ["dull.wav", pipe]
    assert Path(pipe).is_fifo()


def test_the_input_is_never_replaced(run: Run, dull: Path) -> None:
    before = dull.read_bytes()
    os.symlink(dull, "alias.wav")
    for out in ("dull.wav", ".", "alias.wav"):
        result = run("render", dull, "-o", out, "--overwrite", *QUICK)
        assert result.exit_code == ExitCode.OUTPUT
        assert "which is never replaced" in result.stderr
    assert dull.read_bytes() == before


def test_no_input_of_a_batch_is_replaced_by_another(run: Run, dull: Path) -> None:
    Path("out").mkdir()
    Path("apart").mkdir()
    shutil.copy(dull, "out/dull.wav")
    os.symlink("../out/dull.wav", "apart/other.wav")
    before = Path("out/dull.wav").read_bytes()
    result = run("render", dull, "apart/other.wav", "-o", "out", "--overwrite", *QUICK)
    assert result.exit_code == ExitCode.SOME_FAILED
    assert result.stderr == "error: out/dull.wav: is the input apart/other.wav, which is never replaced\n"
    assert Path("out/dull.wav").read_bytes() == before


def test_a_folder_that_cannot_be_made_is_an_output_error(run: Run, dull: Path) -> None:
    Path("file").touch()
    result = run("render", dull, "-o", "file/out.wav", *QUICK)
    assert result.exit_code == ExitCode.OUTPUT
    assert result.stderr.startswith("error: file")


def test_a_region_is_that_part_of_the_whole(run: Run, dull: Path) -> None:
    assert run("render", dull, "-o", "whole.wav", *QUICK).exit_code == ExitCode.OK
    assert run("render", dull, "-o", "part.wav", "--region", "0.1-0.25", *QUICK).exit_code == ExitCode.OK
    whole, part = soundfile.read("whole.wav")[0], soundfile.read("part.wav")[0]
    np.testing.assert_array_equal(part, whole[RATE // 10 : RATE // 4])


@pytest.mark.parametrize(("bits", "subtype"), [("16", "PCM_16"), ("24", "PCM_24"), ("32", "FLOAT")])
def test_bits_choose_the_sample_format(bits: str, subtype: str, run: Run, dull: Path) -> None:
    assert run("render", dull, "-o", "out.wav", "--bits", bits, *QUICK).exit_code == ExitCode.OK
    assert soundfile.info("out.wav").subtype == subtype


def test_a_hot_master_says_what_full_scale_took(run: Run, signals: type) -> None:
    hot = signals.noise(RATE, RATE, cutoff_hz=5800.0)
    soundfile.write("hot.wav", (0.999 * hot / np.abs(hot).max()).T, RATE, subtype="PCM_24")
    how = ("--brightness", "12", "--json", *QUICK)
    results = {}
    for bits in ("24", "32"):
        done = run("render", "hot.wav", "-o", f"{bits}.wav", "--bits", bits, *how)
        results[bits] = json.loads(done.stdout.splitlines()[0])
    given, kept = results["24"], results["32"]
    assert given["clipped_samples"] == kept["clipped_samples"] == 0
    assert 0.0 < given["gave_way_s"] <= 1.0
    assert kept["gave_way_s"] == 0.0
    peak = np.abs(soundfile.read("32.wav")[0]).max()
    assert peak > 1.0
    assert kept["lift_db"] == pytest.approx(20 * np.log10(peak), abs=1e-4)
    assert given["lift_db"] == pytest.approx(kept["lift_db"], abs=1e-4)
    assert np.abs(soundfile.read("24.wav")[0]).max() < 1.0 - 2.0**-23


def test_float_stays_float_where_the_format_can(run: Run, tmp_path: Path) -> None:
    soundfile.write("float.wav", np.full((4800, 1), 0.1), RATE, subtype="FLOAT")
    assert run("render", "float.wav", "-o", "out.wav", *QUICK).exit_code == ExitCode.OK
    assert run("render", "float.wav", "-o", "out.flac", *QUICK).exit_code == ExitCode.OK
    assert soundfile.info("out.wav").subtype == "FLOAT"
    assert soundfile.info("out.flac").subtype == "PCM_24"


def test_silence_passes_through(run: Run) -> None:
    soundfile.write("silence.wav", np.zeros((4800, 2)), RATE)
    result = run("render", "silence.wav", "-o", "out.wav")
    assert result.exit_code == ExitCode.OK
    assert "passed through untouched, silent" in result.stdout
    assert not soundfile.read("out.wav")[0].any()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--quality", "superb"], "quality is 'superb'; expected draft, standard, best"),
        (["--cutoff", "96000"], "cutoff_hz is 96000.0; expected 1000 to 24000 Hz"),
        (["--steps", "-1"], "steps is -1; expected 0 to 1000"),
        (["--region", "5-3"], "region is"),
        (["--region", "tomorrow"], "region is 'tomorrow'"),
        (["--format", "mp3"], "mp3"),
        (["--format", "flac"], "but the format is flac"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_wrong_usage_is_refused_in_words(arguments: list[str], words: str, run: Run, dull: Path) -> None:
    result = run("render", dull, "-o", "out.wav", *arguments)
    assert result.exit_code == ExitCode.USAGE
    assert words in " ".join(re.sub(r"[│╭╮╰╯─]", " ", result.stderr).split())
    assert "None" not in result.stderr, "which nobody can type"
    assert not Path("out.wav").exists()


def test_missing_weights_have_their_own_exit_code(dull: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["render", str(dull), "-o", "x.wav", "--model", "no.safetensors"])
    assert result.exit_code == ExitCode.MODEL
    assert result.stderr.count("\n") == 1


def test_an_input_that_is_written_into_meanwhile_is_refused(
    run: Run, dull: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overwriting(*_: object) -> Engine:
        with dull.open("r+b") as file:
            file.write(dull.read_bytes())
        return engine

    monkeypatch.setattr("audiosr_fx.engine.load_engine", overwriting)
    result = run("render", dull, "-o", "out.wav")
    assert result.exit_code == ExitCode.BAD_AUDIO
    assert "dull.wav: changed while it was read; wait until it is written, and start again" in result.stderr
    assert result.stderr.count("\n") == 1
    assert [path.name for path in dull.parent.iterdir()] == ["dull.wav"]


def test_a_rate_that_the_format_cannot_hold_is_refused_before_anything_is_rendered(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered: list[object] = []
    monkeypatch.setattr("audiosr_fx.render.render", lambda *args, **_: rendered.append(args))
    soundfile.write(tmp_path / "pulled_up.wav", np.zeros((1000, 1)), 96_096)
    result = run("render", "pulled_up.wav", "-o", "out.flac")
    assert result.exit_code == ExitCode.OUTPUT
    assert "out.flac: sample_rate is 96096; above 65535 FLAC takes multiples of 10 alone" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not rendered


def test_a_fault_of_ours_is_one_line_without_debug(
    run: Run, dull: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Engine:
        raise ZeroDivisionError("a fault\nin two lines")

    monkeypatch.setattr("audiosr_fx.engine.load_engine", broken)
    result = run("render", dull, "-o", "out.wav")
    assert result.exit_code == ExitCode.INTERNAL
    assert result.stderr.startswith("error: unexpected ZeroDivisionError: a fault in two lines")
    assert result.stderr.count("\n") == 1
    assert isinstance(run("--debug", "render", dull, "-o", "out.wav").exception, ZeroDivisionError)


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
@pytest.mark.parametrize("number", INTERRUPTS)
def test_interrupted_it_leaves_no_half_file(number: int, tmp_path: Path) -> None:
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip("whoever started the tests ignores this signal")
    noise = np.random.default_rng(0).standard_normal((RATE * 30, 1)) * 0.1
    soundfile.write(tmp_path / "long.wav", noise, RATE)
    command = [sys.executable, ROOT / "tests/tiny_cli.py", "render", "long.wav", "-o", "out/x.wav", *QUICK]
    env = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    process = subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 90
    while not list(tmp_path.glob("out/.*")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(tmp_path.glob("out/.*")), "the writer has begun"
    process.send_signal(number)
    assert process.communicate(timeout=60)[1] == "error: cancelled\n"
    assert process.returncode == ExitCode.CANCELLED
    assert not (tmp_path / "out").exists(), "nor the folder that was made for it"


@pytest.mark.skipif(os.name != "posix", reason="closes streams by a POSIX shell")
@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_are_no_fault_and_no_file_gets_their_number(
    closed: str, tmp_path: Path
) -> None:
    code = (
        "from audiosr_fx.__main__ import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n"
        "    with open('told', 'w') as told:\n        print(end.code, told.fileno() > 2, file=told)\n"
    )
    command = ["sh", "-c", f'exec "$0" "$@" {closed}', sys.executable, "-c", code, "--version"]
    subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=90, check=True)
    assert (tmp_path / "told").read_text() == "0 True\n"


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
def test_an_interrupt_waits_for_what_must_not_be_torn() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job starts without
    done = []

    def work() -> None:
        with interrupts_held():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
            done.append("whole")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["whole"]
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler


# --- inspect --------------------------------------------------------------------------------------


def test_inspect_tells_what_is_in_a_file(run: Run) -> None:
    time_s = np.arange(RATE) / RATE
    soundfile.write("tone.wav", 0.5 * np.sin(2 * np.pi * 997 * time_s), RATE, subtype="PCM_24")
    result = run("inspect", "tone.wav", "--json")
    assert result.exit_code == ExitCode.OK, result.output
    found = json.loads(result.stdout)
    assert (found["sample_rate"], found["channels"], found["duration_s"]) == (RATE, 1, 1.0)
    assert found["format"] == "WAV PCM_24"
    assert found["loudness_lufs"] == pytest.approx(-9.03, abs=0.1)  # BS.1770: a 997 Hz sine at -6.02 dBFS
    assert found["sample_peak_dbfs"] == pytest.approx(-6.02, abs=0.01)
    assert found["true_peak_dbtp"] == pytest.approx(-6.02, abs=0.1)
    assert "tone.wav\n  WAV PCM_24, 48000 Hz" in run("inspect", "tone.wav").stdout


def test_inspect_takes_silence_and_crumbs(run: Run) -> None:
    soundfile.write("silence.wav", np.zeros(RATE), RATE)
    soundfile.write("crumb.wav", np.full(1, 0.5), RATE)
    result = run("inspect", "silence.wav", "crumb.wav", "--json")
    assert result.exit_code == ExitCode.OK, result.output
    silence, crumb = (json.loads(line) for line in result.stdout.splitlines())
    assert silence["needs_render"] is False
    assert silence["loudness_lufs"] is None
    assert crumb["loudness_lufs"] is None
    assert crumb["duration_s"] == 1 / RATE
    text = run("inspect", "silence.wav").stdout
    assert "loudness silent, " in text
    assert "peak silent, true peak silent" in text
    assert "inf" not in text


def test_inspect_draws_all_files_into_one_picture(run: Run, dull: Path) -> None:
    result = run("inspect", dull, dull, "--spectrogram", "picture.png")
    assert result.exit_code == ExitCode.OK, result.output
    assert Path("picture.png").read_bytes().startswith(b"\x89PNG")
    refused = run("inspect", dull, "--spectrogram", "nowhere/picture.png")
    assert refused.exit_code == ExitCode.OUTPUT
    assert refused.output == "error: nowhere/picture.png: there is no folder nowhere\n"


def test_a_picture_is_replaced_on_request_alone_and_a_recording_never(run: Run, dull: Path) -> None:
    Path("picture.png").write_bytes(b"drawn before")
    again = run("inspect", dull, "--spectrogram", "picture.png")
    assert again.exit_code == ExitCode.OUTPUT
    assert again.output == "error: picture.png: exists already; choose another name, or add --overwrite\n"
    assert Path("picture.png").read_bytes() == b"drawn before"
    assert run("inspect", dull, "--spectrogram", "picture.png", "--overwrite").exit_code == ExitCode.OK
    assert Path("picture.png").read_bytes().startswith(b"\x89PNG")
    Path("recording.png").write_bytes(dull.read_bytes())
    own = run("inspect", "recording.png", "--spectrogram", "recording.png", "--overwrite")
    assert own.exit_code == ExitCode.OUTPUT
    assert "recording.png: is an input, which is never replaced" in own.stderr
    assert Path("recording.png").read_bytes() == dull.read_bytes()


def test_a_picture_never_takes_the_name_of_a_recording(run: Run, dull: Path) -> None:
    before = dull.read_bytes()
    result = run("inspect", "--spectrogram", dull, dull)
    assert result.exit_code == ExitCode.USAGE
    assert "expected a name in .png" in result.stderr
    assert dull.read_bytes() == before


def test_inspect_goes_on_after_a_failure(run: Run, dull: Path) -> None:
    result = run("inspect", "missing.wav", dull)
    assert result.exit_code == ExitCode.SOME_FAILED
    assert result.stderr == "error: missing.wav: no such file\n"
    assert str(dull) in result.stdout


# --- upstream, models, doctor ---------------------------------------------------------------------


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> None:
    """The published weights seem to be here."""
    monkeypatch.setattr("audiosr_fx.model.catalogue.find_model", Path)


@pytest.mark.usefixtures("published")
def test_upstream_takes_the_published_flags_and_names_files_as_published(run: Run, dull: Path) -> None:
    flags = ["--model_name", "basic", "-d", "cpu", "--ddim_steps", "1", "-gs", "3.5", "--seed", "7"]
    result = run("upstream", "-i", dull, "-s", "results", *flags)
    assert result.exit_code == ExitCode.OK, result.output
    [folder] = Path("results").iterdir()
    assert re.fullmatch(r"\d\d_\d\d_\d{4}_\d\d_\d\d_\d\d", folder.name)
    assert [path.name for path in folder.iterdir()] == ["dull_AudioSR_Processed_48K.wav"]


@pytest.mark.usefixtures("published")
def test_upstream_reads_a_list_which_wins_over_one_file(run: Run, dull: Path) -> None:
    shutil.copy(dull, "second.wav")
    Path("list.txt").write_text(f"\ufeff{dull}\n\nsecond.wav\n", "utf-8")  # as some editors begin a file
    result = run("upstream", "-il", "list.txt", "-i", "ignored.wav", "--ddim_steps", "1", "--suffix", "_hi")
    assert result.exit_code == ExitCode.OK, result.output
    assert sorted(path.name for path in Path("output").glob("*/*")) == ["dull_hi.wav", "second_hi.wav"]


@pytest.mark.usefixtures("published")
def test_upstream_refuses_two_files_of_one_name_and_takes_one_twice(run: Run, dull: Path) -> None:
    Path("more").mkdir()
    Path("more/dull.wav").write_bytes(dull.read_bytes())
    Path("list.txt").write_text("dull.wav\ndull.wav\n")
    result = run("upstream", "-il", "list.txt", "-s", "once", "--ddim_steps", "1")
    assert result.exit_code == ExitCode.OK, result.output
    assert len(list(Path("once").glob("*/*"))) == 1
    Path("list.txt").write_text("dull.wav\nmore/dull.wav\n")
    result = run("upstream", "-il", "list.txt", "-s", "results", "--ddim_steps", "1")
    assert result.exit_code == ExitCode.USAGE
    assert "dull.wav and more/dull.wav would both become results/" in result.stderr
    assert not Path("results").exists()


def test_a_link_to_nowhere_is_a_name_that_is_taken_before_anything_is_loaded(
    run: Run, dull: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiosr_fx.engine.load_engine", None)
    Path("link.wav").symlink_to("nowhere.wav")
    refused = run("render", dull, "-o", "link.wav")
    assert refused.exit_code == ExitCode.OUTPUT
    assert refused.stderr == "error: link.wav: exists already; choose another name, or add --overwrite\n"


def test_upstream_leaves_no_folder_behind_where_there_is_no_model(
    run: Run, dull: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AUDIOSR_FX_MODELS", str(tmp_path / "none"))
    result = run("upstream", "-i", dull, "-s", "results")
    assert result.exit_code == ExitCode.MODEL, result.output
    assert list(tmp_path.iterdir()) == [dull]


def test_upstream_without_input_says_so(run: Run) -> None:
    result = run("upstream")
    assert result.exit_code == ExitCode.USAGE
    assert result.stderr == "error: no input; expected -i FILE or -il LIST\n"


def test_models_are_listed_whether_here_or_not(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDIOSR_FX_MODELS", str(tmp_path / "models"))
    listed = [json.loads(line) for line in run("models", "list", "--json").stdout.splitlines()]
    assert [entry["name"] for entry in listed] == ["mini", "basic", "speech"]
    assert listed[1]["path"] is None
    assert "audiosr-fx models pull basic" in run("models", "list").stdout


def test_a_file_that_is_no_checkpoint_is_one_line(run: Run, tmp_path: Path) -> None:
    Path("text.bin").write_text("hello")
    for arguments in (["import", "text.bin"], ["import", "missing.bin"], ["verify", "text.safetensors"]):
        result = run("models", *arguments)
        assert result.exit_code == ExitCode.MODEL
        assert result.stderr.startswith("error: ")
        assert result.stderr.count("\n") == 1


def test_doctor_names_devices_versions_and_weights(run: Run) -> None:
    report = json.loads(run("doctor", "--json").stdout)
    assert report["audiosr-fx"] == __version__
    assert report["devices"][-1].startswith("cpu")
    assert set(report["models"]) >= {"mini", "basic", "speech"}
    assert report["packages"]["torch"]


# --- the cache ------------------------------------------------------------------------------------


def test_a_second_render_says_what_came_from_the_cache(run: Run, dull: Path) -> None:
    records = []
    for name, *more in (("1.wav",), ("2.wav",), ("3.wav", "--no-cache")):
        result = run("render", dull, "-o", name, "--json", *QUICK, *more)
        records.append(json.loads(result.stdout))
    assert [(record["blocks_made"], record["blocks_reused"]) for record in records] == [
        (1, 0),
        (0, 1),
        (0, 0),
    ]
    assert Path("1.wav").read_bytes() == Path("2.wav").read_bytes() == Path("3.wav").read_bytes()
    again = run("render", dull, "-o", "4.wav", "--deess", "6", *QUICK)
    assert "; 1 of 1 blocks from the cache\n" in again.stdout


def test_the_cache_is_shown_and_cleared(run: Run, dull: Path) -> None:
    assert run("cache", "show").stdout.endswith(": 0 entries, 0.0 MB of at most 4.00 GB\n")
    run("render", dull, "-o", "1.wav", *QUICK)
    shown = json.loads(run("cache", "show", "--json").stdout)
    assert shown["entries"] == 2
    assert shown["folder"] == os.environ["AUDIOSR_FX_CACHE"]
    assert ": 2 entries deleted, " in run("cache", "clear").stdout
    assert json.loads(run("cache", "show", "--json").stdout)["size_bytes"] == 0


def test_without_a_cache_that_is_said(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIOSR_FX_CACHE_GB", "0")
    for words in (("cache", "show"), ("cache", "clear")):
        assert run(*words).stdout == "there is no cache: AUDIOSR_FX_CACHE_GB is 0\n"
