from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, BinaryIO

import pytest
from audio_kinds import some_audio, write_kind
from job_orders import make_order
from typer.testing import CliRunner, Result

from audiosr_fx.cli import app
from audiosr_fx.commands import system
from audiosr_fx.commands.terminal import ExitCode
from audiosr_fx.jobs import lock
from audiosr_fx.jobs.database import FILE_NAME as DATABASE_NAME
from audiosr_fx.jobs.store import JobStore
from watchfolder.logs import FILE_NAME as LOG_NAME
from watchfolder.memory import Memory, Taken
from watchfolder.service_commands import unit_path
from watchfolder.snapshot import Stamp, open_file_within
from watchfolder.status import write_status

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """The command line in an empty folder, with a queue and a home of its own."""
    monkeypatch.setenv("AUDIOSR_FX_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def is_one_line(result: Result) -> bool:
    return result.stderr.startswith("error: ") and result.stderr.count("\n") == 1 and result.stdout == ""


@pytest.mark.parametrize("arguments", [("watch", "in", "--out", "out"), ("serve", "--root", "in")])
def test_windows_is_told_which_systems_it_takes(
    arguments: tuple[str, ...], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "IS_WINDOWS", True)
    done = run(*arguments)
    assert (done.exit_code, is_one_line(done)) == (2, True)
    assert f"{arguments[0]} needs Linux or macOS" in done.stderr


@pytest.mark.parametrize("arguments", [("watch", "in", "--out", "out"), ("serve", "--root", "in")])
def test_a_cache_of_no_size_is_told_at_the_start(
    arguments: tuple[str, ...], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDIOSR_FX_CACHE_GB", "plenty")
    done = run(*arguments)
    assert (done.exit_code, is_one_line(done)) == (2, True)
    assert "AUDIOSR_FX_CACHE_GB is 'plenty'; expected gigabytes, 0 to 1000000" in done.stderr


def test_a_dry_run_warns_of_stems_that_an_album_preset_meets_alone(run: Run, tmp_path: Path) -> None:
    for name in ("in/drums.wav", "in/song/bass.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write_kind(tmp_path / name, "pcm16.wav", some_audio(64))
    done = run("watch", "in", "--out", "out", "--dry-run", "-r", "--preset", "album-stems")
    alone, in_a_song = sorted(line for line in done.stdout.splitlines() if " -> " in line)
    assert "drums" in alone
    assert "lies in no sub-folder, so an album preset gives it a gain of its own" in alone
    assert "sub-folder" not in in_a_song
    done = run("watch", "in", "--out", "out", "--dry-run", "--preset", "podcast")
    assert "in no sub-folder" not in done.stdout


def test_a_dry_run_says_what_would_become_of_each_file_and_touches_nothing(run: Run, tmp_path: Path) -> None:
    write_kind(tmp_path / "in" / "a.flac", "pcm24.flac")
    (tmp_path / "in" / "podcast").mkdir()
    write_kind(tmp_path / "in" / "podcast" / "b.wav", "pcm16.wav")
    (tmp_path / "in" / "cut.flac").write_bytes((tmp_path / "in" / "a.flac").read_bytes()[:-9])
    (tmp_path / "in" / "notes.txt").touch()
    done = run("watch", "in", "--out", "out", "--dry-run", "-r", "--format", "flac")
    assert done.exit_code == 0, done.stderr
    folder = tmp_path / "in"
    assert done.stdout.splitlines() == [
        f"{folder}/a.flac -> {tmp_path}/out/a.flac",
        f"{folder}/cut.flac -> {tmp_path}/out/cut.flac; waits: the header promises 8193 samples and the last"
        " of them is missing",
        f"{folder}/podcast/b.wav -> {tmp_path}/out/podcast/b.flac with podcast",
        "1 left alone: no audio that is taken, by its name",
        "3 to be rendered; nothing was rendered now",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]


def test_a_dry_run_numbers_names_that_would_be_the_same(run: Run, tmp_path: Path) -> None:
    for name in ("Cafe\u0301.wav", "CAF\u00c9.flac", "caf\u00e9.aiff"):
        write_kind(tmp_path / "in" / name, f"pcm16.{name[-4:].strip('.')}", some_audio(64))
    stems = ("watch", "in", "--out", "out", "--dry-run", "--if-taken")
    for taken in ("suffix", "replace"):  # of another source, nothing is replaced
        names = [line.rpartition("/")[2] for line in run(*stems, taken).stdout.splitlines() if "->" in line]
        assert names == ["CAF\u00c9.wav", "Cafe\u0301-2.wav", "caf\u00e9-3.wav"]
    said = run(*stems, "skip").stdout.splitlines()
    assert [line.endswith("is taken, and is to be left") for line in said] == [False, True, True, False]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "CAF\u00c9.wav").touch()
    first, *others = run(*stems, "replace").stdout.splitlines()
    assert first.endswith("out/CAF\u00c9.wav; replaces what has that name")
    assert not any("replaces" in line for line in others)


def test_a_dry_run_goes_on_past_a_file_that_cannot_be_read(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.wav", "b.wav"):
        write_kind(tmp_path / "in" / name, "pcm16.wav", some_audio(64))

    def refuse_first(root: int, name: str) -> BinaryIO:
        if name == "a.wav":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return open_file_within(root, name)

    monkeypatch.setattr("watchfolder.planning.open_file_within", refuse_first)
    lines = run("watch", "in", "--out", "out", "--dry-run").stdout.splitlines()
    assert lines[0].endswith("in/a.wav: cannot be taken: Permission denied")
    assert lines[1].endswith("out/b.wav")


def test_a_dry_run_counts_what_is_left_alone_by_reason(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in" / "song").mkdir()
    for name in ("a.mp3", "b.MP3", "c.ogg", "d.wav", ".d.wav.tmp", "notes.txt"):
        (tmp_path / "in" / name).touch()
    write_kind(tmp_path / "in" / "disguised_dull.wav", "layer3.mp3")
    done = run("watch", "in", "--out", "out", "--dry-run", "--pattern", "*_dull.*")
    assert done.stdout.splitlines()[-1] == "0 to be rendered; nothing was rendered now"
    assert sorted(done.stdout.splitlines()[:-1]) == [
        "1 left alone: hidden, temporary, or what programs keep beside audio",
        "1 left alone: mp3, which is taken only with --also mp3",
        "1 left alone: no audio that is taken, by its name",
        "1 left alone: sub-folders, which --recursive looks into",
        "4 left alone: not named *_dull.*",
    ]
    done = run("watch", "in", "--out", "out", "--dry-run", "-r")
    assert "3 left alone: mp3, which is taken only with --also mp3" in done.stdout


def test_a_dry_run_tells_what_is_done_from_what_is_new(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    with JobStore(tmp_path / "state") as store:
        memory = Memory(tmp_path / "state")
        memory.follow(store.identity)
        for name in ("done.wav", "open.wav", "changed.wav"):
            write_kind(folder / name, "pcm16.wav", some_audio(len(name)))
            job = store.submit(make_order(folder / name, tmp_path / "out")).job
            assert job is not None
            stamp = Stamp.of((folder / name).stat())
            memory.take(folder, {name: Taken(stamp=stamp, job=job.id)})
        memory.close()
        job = store.take()
        assert job is not None
        store.begin_publishing(job.id, job.token, "0" * 64, {})
        store.finish(job.id, job.token)
    write_kind(folder / "changed.wav", "pcm16.wav", some_audio(65))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    done = run("watch", "in", "--out", "out", "--dry-run")
    assert done.stdout.splitlines() == [
        f"{folder}/open.wav: nothing new (it is job 2, queued)",
        f"{folder}/changed.wav -> {tmp_path}/out/changed.wav",
        "1 left alone: done already",
        "1 to be rendered; nothing was rendered now",
    ]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    other = run("watch", "in", "--out", "out", "--dry-run", "--queue", str(tmp_path / "other"))
    assert "3 to be rendered" in other.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "expected a folder to watch and --out for its results, or --config"),
        (["in"], 2, "expected a folder to watch"),
        (["in", "--out", "in/out"], 2, "lie in one another"),
        (["in", "--out", "out", "--settle", "-1"], 2, "settle_s is -1.0"),
        (["in", "--out", "out", "--template", "{nmae}"], 2, "unknown field {nmae} (did you mean name?)"),
        (["in", "--out", "out", "--preset", "podcats"], 2, "did you mean podcast?"),
        (["in", "--out", "out", "--model", "nonsense"], 4, "nonsense"),
        (["--config", "none.toml"], 2, "none.toml: cannot be read (No such file or directory)"),
        (["in", "--config", "none.toml"], 2, "input is given beside --config"),
        (["nowhere", "--out", "out"], 3, "nowhere, which is no folder that is there"),
    ],
)
def test_a_mistake_is_one_line_and_a_code(arguments: list[str], code: int, message: str, run: Run) -> None:
    done = run("watch", *arguments)
    assert done.exit_code == code, done.stderr
    assert message in done.stderr
    assert is_one_line(done)


def test_a_studio_file_is_refused_with_the_folder_at_fault(run: Run, tmp_path: Path) -> None:
    table = '[[folder]]\ninput = "in"\noutput = "out"\n'
    studio = tmp_path / "studio.toml"
    for fault, code, words in [
        ('preset = "podcst"', 2, "podcst: no such preset (did you mean podcast?)"),
        ('input = "gone"', 3, f"input is {tmp_path}/gone, which is no folder that is there"),
    ]:
        second = table.replace('"in"', '"other"').replace('"out"', '"out2"')
        second = second.replace('input = "other"\n', "") if fault.startswith("input") else second
        (tmp_path / "other").mkdir(exist_ok=True)
        studio.write_text(f"schema = 1\n{table}{second}{fault}\n", "utf-8")
        done = run("watch", "--config", "studio.toml", "--once", "--dry-run")
        assert done.exit_code == code
        assert done.stderr.startswith(f"error: {studio}: folder 2: {words}")
        assert is_one_line(done)


def test_what_did_not_become_a_result_is_counted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchfolder.commands.run_daemon", lambda *_, **__: 3)
    for more, place in ((), ""), (("--queue", "my state"), f" --queue '{Path('my state').absolute()}'"):
        done = run("watch", "in", "--out", "out", "--once", *more)
        assert done.exit_code == 1
        look = f"audiosr-fx jobs list --state failed --state parked --state queued{place}"
        assert done.stderr == f"error: 3 files did not become a result; {look} says why\n"


@pytest.mark.parametrize("arguments", [("watch", "in", "--out", "out", "--once"), ("serve", "--root", "in")])
@pytest.mark.parametrize("device", ["nope", "cuda:", "cuda:one", "cpu\n", ""])
def test_what_is_no_device_is_refused(device: str, arguments: tuple[str, ...], run: Run) -> None:
    done = run(*arguments, "--device", device)
    assert (done.exit_code, is_one_line(done)) == (2, True)
    assert f"device is {device!r}; expected auto, cpu, mps, cuda, or one such as cuda:1" in done.stderr


STARTS = pytest.mark.parametrize("starts", [("watch", "in", "--out", "out"), ("serve", "--root", "in")])


@STARTS
def test_a_queue_that_another_process_owns_is_told(
    starts: tuple[str, ...], run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "START_PATIENCE_S", 0.1)
    with JobStore(tmp_path / "state"):
        done = run(*starts)
    assert done.exit_code == 2
    assert f"is in use by process {os.getpid()}" in done.stderr
    assert is_one_line(done)


@STARTS
def test_a_queue_that_is_in_use_for_a_moment_is_waited_for(
    starts: tuple[str, ...], run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by jobs cancel; here the queue is of a newer program, so that what has it says so and ends."""
    store = JobStore(tmp_path / "state")
    store._connection.execute("PRAGMA user_version = 99")
    take = lock._take

    def take_or_let_go(stream: IO[str]) -> None:
        try:
            take(stream)
        finally:
            store.close()

    monkeypatch.setattr(lock, "_take", take_or_let_go)
    monkeypatch.setattr(lock, "START_PATIENCE_S", 60.0)
    done = run(*starts)
    assert "the job database has version 99" in done.stderr
    assert is_one_line(done)


def test_a_queue_that_was_damaged_is_in_the_log(run: Run, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / DATABASE_NAME).write_bytes(b"no database at all")
    done = run("watch", "in", "--out", "out", "--once")
    assert done.exit_code == ExitCode.OK, done.stderr
    lines = (tmp_path / "state" / LOG_NAME).read_text("ascii").splitlines()
    told = [json.loads(line)["text"] for line in lines]
    assert [text for text in told if text.startswith("the job store was built anew")] != []


def test_a_service_is_shown_installed_and_removed(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("this is about systemd")
    monkeypatch.setenv("PATH", str(tmp_path))
    studio = tmp_path / "my studio.toml"
    assert "cannot be read" in run("service", "install", "--config", studio).stderr
    folder = 'schema = 1\n[[folder]]\ninput = "in"\noutput = "out"\n'
    studio.write_text(f'{folder}preset = "podcst"\n', "utf-8")
    assert "did you mean podcast?" in run("service", "install", "--config", studio).stderr
    studio.write_text(folder, "utf-8")
    shown = run("service", "install", "--config", studio, "--print")
    assert f'watch --config "{studio}"' in shown.stdout
    assert not unit_path().exists()
    done = run("service", "install", "--config", studio)
    assert done.exit_code == 0, done.stderr
    assert (
        "run this where systemctl is: systemctl --user enable --now audiosr-fx-watch.service" in done.stdout
    )
    assert unit_path() == tmp_path / "config" / "systemd" / "user" / "audiosr-fx-watch.service"
    assert unit_path().read_text("utf-8") == shown.stdout
    assert run("service", "uninstall").stdout.splitlines()[-1] == f"{unit_path()} removed"
    assert not unit_path().exists()
    assert "nothing to remove" in run("service", "uninstall").stdout


def test_a_service_has_the_queue_devices_and_variables_it_is_given(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("this is about systemd")
    (tmp_path / "studio.toml").write_text('schema = 1\n[[folder]]\ninput = "in"\noutput = "out"\n', "utf-8")
    monkeypatch.setenv("AUDIOSR_FX_PRESETS", "presets")
    monkeypatch.setenv("AUDIOSR_FX_CACHE_GB", "2")
    monkeypatch.setenv("AUDIOSR_FX_OF_ANOTHER", "program")
    options = ["--queue", "q", "--device", "cuda:0", "--device", "cpu", "--print"]
    lines = run("service", "install", "--config", "studio.toml", *options).stdout.splitlines()
    command = next(line for line in lines if line.startswith("ExecStart="))
    assert command.endswith(
        f"--config {tmp_path}/studio.toml --queue {tmp_path}/q --device cuda:0 --device cpu"
    )
    assert [line for line in lines if line.startswith("Environment=") and "_CACHE=" not in line] == [
        "Environment=AUDIOSR_FX_CACHE_GB=2",
        f"Environment=AUDIOSR_FX_PRESETS={tmp_path}/presets",
        f"Environment=AUDIOSR_FX_STATE={tmp_path}/state",
    ]


def test_a_system_that_refuses_is_told_and_the_unit_of_what_may_run_stays(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("this is about systemd")
    (tmp_path / "studio.toml").write_text('schema = 1\n[[folder]]\ninput = "in"\noutput = "out"\n', "utf-8")
    tool = tmp_path / "systemctl"
    tool.write_text("#!/bin/sh\necho Failed to connect to bus >&2; exit 1\n", "utf-8")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    done = run("service", "install", "--config", "studio.toml")
    assert done.exit_code == ExitCode.SOME_FAILED
    assert done.stderr.splitlines() == [
        "error: systemctl --user daemon-reload failed (Failed to connect to bus)",
        f"error: {unit_path()} is written, but not started; do that from your own session",
    ]
    done = run("service", "uninstall")
    assert done.exit_code == ExitCode.SOME_FAILED
    assert "Failed to connect to bus" in done.stderr
    assert "stays, as it may run; stop it from your own session, or remove that file by hand" in done.stderr
    assert unit_path().exists()
    tool.write_text("#!/bin/sh\n", "utf-8")
    assert run("service", "uninstall").exit_code == ExitCode.OK
    assert not unit_path().exists()


def test_the_status_says_who_runs_and_what_waits(run: Run, tmp_path: Path) -> None:
    none = run("service", "status")
    assert (none.exit_code, none.stdout) == (1, "no watch has run yet; audiosr-fx watch starts one\n")
    (tmp_path / "state").mkdir()
    folder = {
        "input": "/in",
        "output": "/out",
        "preset": "",
        "files": 12,
        "settling": 1,
        "held": {"cut\n.wav": "it is short"},
        "events": False,
        "problem": "cannot be looked at: gone",
    }
    told = {
        "state": "running",
        "pid": os.getpid(),
        "updated": 0.0,
        "folders": [folder],
        "jobs": {"done": 11, "failed": 0, "queued": 1},
        "paused": "the disk is full",
    }
    write_status(tmp_path / "state", told)
    done = run("service", "status")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"runs as process {os.getpid()}; last word ")
    assert lines[1:] == [
        "/in -> /out: 12 files, 1 settling, 1 held, no events: scans only",
        "  cannot be looked at: gone",
        "  cut\\n.wav waits: it is short",
        "jobs: 11 done, 1 queued",
        "rests: the disk is full",
    ]
    write_status(tmp_path / "state", {**told, "state": "stopped"})
    assert run("service", "status").exit_code == 1
    whole = json.loads(run("service", "status", "--json").stdout)
    assert (whole["running"], whole["installed"], whole["jobs"]["done"]) == (False, False, 11)


def test_a_daemon_with_nothing_to_do_loads_nothing_large(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    code = (
        "import sys\n"
        "from audiosr_fx.cli import app\n"
        "try:\n"
        "    app(sys.argv[1:])\n"
        "finally:\n"
        "    print({'torch', 'scipy.signal', 'matplotlib'} & set(sys.modules))\n"
    )
    options = ["--out", "out", "--queue", "state", "--preset", "podcast", "--model", "mini", "--once"]
    run = subprocess.run(
        [sys.executable, "-c", code, "watch", "in", *options],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(str(Path(path).absolute()) for path in sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "set()\n"


@pytest.mark.parametrize(
    ("once", "number"), [(True, signal.SIGINT), (True, signal.SIGTERM), (False, signal.SIGTERM)]
)
def test_only_a_watch_that_was_to_end_by_itself_was_cancelled(
    once: bool, number: int, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.wav", "b.wav"):
        write_kind(tmp_path / "in" / name, "pcm16.wav")
    options = ["--out", "out", "--queue", "state", "--settle", "3600", *(["--once"] if once else [])]
    process = subprocess.Popen(
        [sys.executable, "-m", "audiosr_fx", "watch", "in", *options],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(str(Path(path).absolute()) for path in sys.path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert "watching " in process.stderr.readline()
    process.send_signal(number)
    said = process.communicate()[1]
    assert process.returncode == (ExitCode.CANCELLED if once else ExitCode.OK), said
    assert ("stopped; 2 stems are not done yet, and go on with the next start" in said) is once
    assert "Traceback" not in said
