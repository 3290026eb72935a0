"""The commands serve, send and midi as a person types them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from studio import Studio
from typer.testing import CliRunner

from audiosr_fx.cli import app
from audiosr_fx.metadata import read_metadata
from hosts.config import HostConfig, parse_root, read_config

ROOT = Path(__file__).parent.parent.parent
DRUMS = ROOT / "tests" / "data" / "stems" / "drum_loop_dull.flac"


def run(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(words))
    return result.exit_code, result.stdout, result.stderr


def test_send_renders_and_prints_the_file(desk: Studio) -> None:
    stem = desk.stem("shell.wav")
    port = ("--port", str(desk.port))
    code, out, err = run("send", "render", str(stem), "--region", "0.25-0.75", *port)
    assert (code, err) == (0, "")
    assert soundfile.info(out.strip()).frames == 24_000
    code, out, _ = run("send", "render", "shell.wav", "--root", "stems", "--region", "0.1-", "--json", *port)
    told = [json.loads(line) for line in out.splitlines()]
    assert (code, told[0]["reply"], told[-1]["reply"]) == (0, "accepted", "done")
    assert desk.renders("shell.wav")[-1].split()[0] == "4800s-48000s"
    code, out, _ = run("send", "render", str(stem), "--request", "shell-3", "--no-wait", "--tcp", *port)
    assert (code, out.split()[0]) == (0, "shell-3")


def test_send_asks_for_everything_else(desk: Studio) -> None:
    port = ("--port", str(desk.port))
    assert run("send", "ping", *port)[1].startswith("pong request=")
    assert re.search(r"^ +\d+  podcast +\S", run("send", "presets", *port)[1], re.MULTILINE)
    assert 'name="quality" value="draft"' in run("send", "param", "quality", "draft", *port)[1]
    assert 'value="standard"' in run("send", "param", "quality", "auto", *port)[1]
    assert run("send", "status", *port)[1].startswith("state waiting=")
    assert "value=-2.0" in run("send", "param", "brightness_db", "-2", *port)[1]
    assert "value=0.0" in run("send", "param", "brightness_db", "auto", *port)[1]
    code, _, err = run("send", "param", "volume", "11", *port)
    assert (code, "there is no control 'volume'" in err) == (2, True)


@pytest.mark.parametrize("command", ["cancel", "status"])
def test_a_request_that_nobody_made_is_an_error(command: str, desk: Studio) -> None:
    code, out, err = run("send", command, "nope", "--port", str(desk.port))
    assert (code, out) == (2, "")
    assert re.fullmatch("error: there is no request '?nope'?\n", err)


@pytest.mark.parametrize(
    "words", [("render", str(DRUMS), "--request", "my take 1"), ("cancel", "tä"), ("status", "take 1")]
)
def test_a_word_that_no_server_would_answer_is_not_sent(words: tuple[str, ...]) -> None:
    code, out, err = run("send", *words, "--port", "9")
    assert (code, out) == (2, "")
    assert re.fullmatch("error: request is '.+'; expected 1 to 64 letters, digits, . _ : -\n", err)


def test_a_render_that_is_refused_ends_with_the_code_of_wrong_usage(desk: Studio) -> None:
    stem = desk.stem("mode.wav")
    code, out, err = run("send", "render", str(stem), "--set", "mode=all", "--port", str(desk.port))
    assert (code, out) == (2, "")
    assert "expected region, file" in err


def test_a_file_that_is_no_audio_fails_at_the_server(desk: Studio) -> None:
    stem, port = desk.stem("text.wav"), ("--port", str(desk.port))
    stem.write_text("no audio", "utf-8")
    code, out, err = run("send", "render", str(stem), "--request", "text-1", *port)
    assert (code, out) == (1, "")
    assert "cannot be read as audio" in err
    code, out, _ = run("send", "status", "text-1", *port)
    assert (code, out.startswith('error request="text-1" job="osc-')) == (0, True)


def test_send_announces_what_a_key_renders(desk: Studio) -> None:
    stem, port = desk.stem("key.wav"), ("--port", str(desk.port))
    code, out, err = run("send", "announce", str(stem), "--region", "0.5-", "--preset", "podcast", *port)
    assert (code, out.split()[0], err) == (0, "accepted", "")
    assert desk.server.bridge.announced is not None
    assert (desk.server.bridge.announced.span.start, desk.server.bridge.announced.preset) == (
        24_000,
        "podcast",
    )
    assert desk.renders("key.wav") == []
    code, _, err = run("send", "announce", str(DRUMS), *port)
    assert (code, "outside of what is served" in err) == (2, True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("send", "render", str(DRUMS)), "outside of what is served"),
        (
            ("send", "render", str(DRUMS), "--region", "2-1"),
            "region is 2 s to 1 s; expected 0 <= start < end",
        ),
        (("send", "render", "a.wav", "--root", "stems", "--region", "1s-2s"), "expected seconds"),
        (("send", "render", str(DRUMS), "--bars", "1-2", "--region", "1-2"), "expected one of them"),
    ],
)
def test_send_says_what_is_wrong_in_one_line(words: tuple[str, ...], says: str, desk: Studio) -> None:
    code, _, err = run(*words, "--port", str(desk.port))
    assert code == 2
    assert says in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "name one with --root DIR"),
        (("--root", "/no/such"), "which is no folder"),
        (("--root", "=x"), "which is no folder"),
        (("--root", "{tmp}", "--osc-host", "0.0.0.0"), "--allow-remote and --secret"),
        (("--root", "{tmp}", "--osc-port", "70000"), "expected 1 to 65535"),
        (("--root", "{tmp}", "--osc-port", "0", "--tempo-map", "{tmp}/none.mid"), "cannot be read"),
        (("--root", "{tmp}", "--midi", "", "--midi-map", "{tmp}/none.toml"), "cannot be read"),
        (("--root", "a={tmp}", "--root", "a=/"), "is given twice"),
        (("--config", "{tmp}/none.toml"), "cannot be read"),
    ],
)
def test_serve_says_what_is_wrong_before_it_starts(words: tuple[str, ...], says: str, tmp_path: Path) -> None:
    typed = [word.replace("{tmp}", str(tmp_path)) for word in words]
    code, _, err = run("serve", *typed, "--queue", str(tmp_path / "queue"))
    assert code != 0
    assert says in err
    assert len(err.splitlines()) == 1


def test_a_studio_file_says_the_same_and_the_command_line_goes_before(tmp_path: Path) -> None:
    (tmp_path / "Stems").mkdir()
    (tmp_path / "studio.toml").write_text(
        'schema = 1\n[roots]\nstems = "Stems"\n[serve]\nout = "out"\n[osc]\nport = 9300\n'
        '[midi]\nchannel = 2\n[[folder]]\ninput = "in"\noutput = "out2"\n'
    )
    config = read_config(tmp_path / "studio.toml")
    settings = HostConfig(roots=(("more", tmp_path),), osc_port=9400).over(config).settings()
    assert settings.roots == {"stems": tmp_path / "Stems", "more": tmp_path}
    assert settings.out == tmp_path / "out"
    assert (settings.osc.port, settings.http_port) == (9400, 9401)
    assert settings.midi is not None
    assert (settings.midi.port, settings.midi.channel) == ("", 2)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "schema is missing"),
        ("schema = 1\nroot = 3", r"unknown key 'root'.*did you mean"),
        ("schema = 1\n[osc]\nprot = 3", r"osc: unknown key 'prot'.*did you mean"),
        ("schema = 1\n[osc]\nport = '9'", "osc: port is '9'; expected a whole number"),
        ("schema = 1\n[roots]\nx = 3", "roots: x is 3; expected a path in quotes"),
        ("schema = 1\nmidi = 3", "midi is 3; expected a table"),
        ("schema = 1\n#" + "x" * 300_000, "larger than 256 KiB, so it is no studio file"),
        ("schema = ", "not TOML"),
    ],
)
def test_a_studio_file_that_does_not_fit_is_refused(text: str, says: str, tmp_path: Path) -> None:
    from audiosr_fx.errors import PresetError

    (tmp_path / "studio.toml").write_text(text)
    with pytest.raises(PresetError, match=says):
        read_config(tmp_path / "studio.toml")


def test_a_root_takes_the_name_of_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "My Sessions (2026)"
    folder.mkdir()
    assert parse_root(str(folder)) == ("My-Sessions--2026", folder)
    assert parse_root(f"s={folder}") == ("s", folder)


@pytest.mark.slow
def test_a_person_serves_a_folder_and_gets_a_region_back(tmp_path: Path) -> None:
    """The real model, in real processes: a region of the demo stem, then the file with only it changed."""
    stem = tmp_path / "drums.flac"
    stem.write_bytes(DRUMS.read_bytes())
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    program = [sys.executable, "-m", "audiosr_fx"]
    words = ["serve", "--root", str(tmp_path), "--osc-port", "0", "--queue", str(tmp_path / "queue")]
    with subprocess.Popen([*program, *words], env=environment, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            line = server.stderr.readline()
            match = re.search(r"at 127\.0\.0\.1:(\d+), UDP and TCP", line)
            assert match, line
            asked = [
                "send",
                "render",
                str(stem),
                "--region",
                "1.5-3",
                "--port",
                match[1],
                "--set",
                "quality=draft",
            ]
            outputs = []
            for more in ([], ["--replace"]):
                finished = subprocess.run(
                    [*program, *asked, *more], env=environment, capture_output=True, text=True, check=False
                )
                assert finished.returncode == 0, finished.stderr
                outputs.append(Path(finished.stdout.strip()))
        finally:
            server.send_signal(signal.SIGTERM)
            assert server.wait(60) == 0
    take, whole = outputs
    before, rate = soundfile.read(stem)
    part, after = soundfile.read(take)[0], soundfile.read(whole)[0]
    start, stop = int(1.5 * rate), 3 * rate
    assert len(part) == stop - start
    assert np.array_equal(after[:start], before[:start])
    assert np.array_equal(after[stop:], before[stop:])
    assert highs(part, rate) > 100 * highs(before[start:stop], rate)
    assert np.abs(after[start:stop] - part).max() < 2**-14, "dither apart"
    broadcast = read_metadata(take).broadcast
    assert broadcast is not None
    assert broadcast.time_reference == start


def highs(audio: np.ndarray, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(audio)) ** 2
    return float(spectrum[np.fft.rfftfreq(len(audio), 1 / rate) > 8_000].sum())
