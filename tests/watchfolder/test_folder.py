from __future__ import annotations

import itertools
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from audio_kinds import some_audio, write_kind

from audiosr_fx.errors import JobError
from watchfolder.claims import FolderClaim
from watchfolder.folder import ReadyBatch, WatchedFolder
from watchfolder.studio import FolderSettings

KINDS = ("pcm16.wav", "rf64.wav", "wave64.w64", "pcm16.aiff", "pcm24.flac")


class NoObserver:
    """Events of a system that has none."""

    def __init__(self) -> None:
        raise OSError("inotify watch limit reached")


@pytest.fixture
def input_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    return folder


@pytest.fixture
def watched(input_folder: Path) -> Iterator[WatchedFolder]:
    folder = watch(input_folder)
    yield folder
    folder.close()


def watch(input_folder: Path, **changes: object) -> WatchedFolder:
    values = {"recursive": True, **changes}
    settings = FolderSettings(input=input_folder, output=input_folder.parent / "out", **values)  # type: ignore[arg-type]
    return WatchedFolder(settings, lambda: None, make_observer=NoObserver)


def names(watched: WatchedFolder, now_s: float) -> list[str]:
    return [name for batch in watched.turn(now_s) for name in batch.names]


@pytest.fixture(scope="module")
def stems(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("stems")
    return {kind: write_kind(folder / kind, kind, some_audio(2_049)).read_bytes() for kind in KINDS}


@pytest.mark.parametrize("seed", range(4))
def test_of_200_slow_copies_none_is_taken_half(
    seed: int, stems: dict[str, bytes], input_folder: Path
) -> None:
    """Each comes in pieces with pauses of up to 2.9 s, some into room set aside, some renamed at the end."""
    random_ = random.Random(seed)
    clock_s = 1000.0
    watched = watch(input_folder)
    copies = {f"{n}-{kind}": stems[kind] for n, kind in zip(range(50), itertools.cycle(KINDS), strict=False)}
    unwritten = dict.fromkeys(copies, 0)
    for name in copies:
        if random_.random() < 0.3:
            (input_folder / name).write_bytes(bytes(len(copies[name])))
    taken: dict[str, bytes] = {}
    tick = 0
    while unwritten:
        for name in list(unwritten):
            content, start = copies[name], unwritten[name]
            stop = min(len(content), start + random_.randint(1, len(content) // 3))
            path = input_folder / name
            with path.open("r+b" if path.exists() else "wb") as file:
                file.seek(start)
                file.write(content[start:stop])
            tick += 1
            os.utime(path, ns=(tick, tick))  # two writes within one tick of a coarse clock are no matter here
            unwritten[name] = stop
            if stop == len(content):
                del unwritten[name]
        pause_s = random_.uniform(0.1, 2.9)
        for part in (0.5, 1.0):
            for name in names(watched, clock_s + part * pause_s):
                taken[name] = (input_folder / name).read_bytes()
        clock_s += pause_s
    for _ in range(2):
        clock_s += watched.settings.settle_s
        for name in names(watched, clock_s):
            taken[name] = (input_folder / name).read_bytes()
    watched.close()
    assert taken == copies


def test_a_file_whose_header_disagrees_waits_with_a_reason_and_is_handed_on_after_a_long_while(
    watched: WatchedFolder, input_folder: Path, stems: dict[str, bytes]
) -> None:
    for name, content in stems.items():
        (input_folder / name).write_bytes(content[: len(content) // 2])
    (input_folder / "zeros.wav").write_bytes(bytes(1000))
    patience_s = watched.settings.patience_s
    assert [names(watched, now_s) for now_s in (0.0, 3.0, patience_s - 1.0)] == [[], [], []]
    assert "promises" in watched.view.files["pcm16.wav"].held
    assert "first bytes are still to come" in watched.view.files["zeros.wav"].held
    (input_folder / "pcm16.wav").write_bytes(stems["pcm16.wav"])
    assert names(watched, patience_s - 0.5) == []
    assert sorted(names(watched, patience_s)) == sorted({*KINDS, "zeros.wav"} - {"pcm16.wav"})
    assert names(watched, patience_s + 3.0) == ["pcm16.wav"]


def test_a_header_that_came_before_its_samples_waits_for_them(
    watched: WatchedFolder, input_folder: Path, stems: dict[str, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    """As from a DAW whose plug-ins warm up; what never comes fails by name, as one that is half there."""
    caplog.set_level("INFO")
    patience_s = watched.settings.patience_s
    header = stems["pcm16.wav"][:40] + bytes(4)
    for name in ("late.wav", "never.wav"):
        (input_folder / name).write_bytes(header)
    assert [names(watched, now_s) for now_s in (0.0, 3.0, patience_s - 1.0)] == [[], [], []]
    assert watched.view.files["late.wav"].held == "it holds no samples yet"
    assert "late.wav waits: it holds no samples yet" in caplog.text
    (input_folder / "late.wav").write_bytes(stems["pcm16.wav"])
    assert [names(watched, patience_s + s) for s in (-0.5, 0.0, 2.5)] == [[], ["never.wav"], ["late.wav"]]


def test_a_format_that_was_not_asked_for_is_never_handed_on(
    watched: WatchedFolder, input_folder: Path, tmp_path: Path
) -> None:
    write_kind(tmp_path / "layer3.mp3", "layer3.mp3").rename(input_folder / "disguised.wav")
    assert [names(watched, now_s) for now_s in (0.0, 3.0, 1000.0)] == [[], [], []]
    assert watched.view.files["disguised.wav"].held.startswith("it is mp3, which this folder takes only with")


def test_an_mp3_that_was_not_asked_for_is_told_of_once(
    watched: WatchedFolder, input_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    (input_folder / "voice.MP3").write_bytes(b"ID3")
    assert [names(watched, now_s) for now_s in (0.0, 5.0, 50.0)] == [[], [], []]
    said = [message for message in caplog.messages if "voice.MP3" in message]
    assert len(said) == 1
    assert said[0].endswith("voice.MP3 is left: it is mp3, which this folder takes only with --also mp3")


def test_ten_thousand_files_that_come_while_nobody_looks_are_all_found(
    watched: WatchedFolder, input_folder: Path, stems: dict[str, bytes]
) -> None:
    assert names(watched, 0.0) == []
    (input_folder / "one.wav").write_bytes(stems["pcm16.wav"])
    for n in range(10_000):
        os.link(input_folder / "one.wav", input_folder / f"{n}.wav")
    assert names(watched, 1.0) == []
    assert len(names(watched, 4.0)) == 10_001
    assert names(watched, 5.0) == []


def test_a_replaced_file_is_handed_on_again(
    watched: WatchedFolder, input_folder: Path, stems: dict[str, bytes]
) -> None:
    path = input_folder / "a.wav"
    path.write_bytes(stems["pcm16.wav"])
    assert [names(watched, now_s) for now_s in (0.0, 3.0, 6.0)] == [[], ["a.wav"], []]
    other = input_folder / ".a.wav.tmp"
    other.write_bytes(stems["pcm16.wav"][:-2] + b"\x01\x02")
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)  # of the same size and time; the inode tells
    assert [names(watched, now_s) for now_s in (7.0, 10.0)] == [[], ["a.wav"]]


def test_what_could_not_be_handed_on_is_found_again(
    watched: WatchedFolder, input_folder: Path, stems: dict[str, bytes]
) -> None:
    (input_folder / "a.wav").write_bytes(stems["pcm16.wav"])
    watched.turn(0.0)
    (batch,) = watched.turn(3.0)
    watched.give_back(batch)
    assert names(watched, 4.0) == ["a.wav"]
    watched.put_off(batch, {"a.wav": "no such preset"}, 5.0)
    assert names(watched, 6.0) == []
    assert watched.view.files["a.wav"].held == "no such preset"
    assert names(watched, 5.0 + watched.settings.patience_s) == ["a.wav"]


def test_what_is_mended_while_it_is_refused_is_not_made_to_wait_for_that(
    watched: WatchedFolder, input_folder: Path, stems: dict[str, bytes]
) -> None:
    (input_folder / "a.wav").write_bytes(stems["pcm16.wav"][:100])
    watched.turn(0.0)
    batch = ReadyBatch(folder=watched, stamps={"a.wav": watched.view.files["a.wav"].stamp})
    (input_folder / "a.wav").write_bytes(stems["pcm16.wav"])
    assert names(watched, 1.0) == []
    watched.put_off(batch, {"a.wav": "cannot be read"}, 2.0)
    assert names(watched, 4.0) == ["a.wav"]


def test_a_folder_that_goes_and_comes_back_is_watched_again(
    watched: WatchedFolder, input_folder: Path, stems: dict[str, bytes]
) -> None:
    """As a share does that is unmounted for a while; the new one must be ours alone too."""
    (input_folder / "a.wav").write_bytes(stems["pcm16.wav"])
    assert [names(watched, now_s) for now_s in (0.0, 3.0)] == [[], ["a.wav"]]
    input_folder.rename(input_folder.with_name("away"))
    assert names(watched, 4.0) == []
    assert "cannot be looked at: No such file" in watched.problem
    input_folder.mkdir()
    (input_folder / "b.wav").write_bytes(stems["pcm16.wav"])
    assert [names(watched, now_s) for now_s in (5.0, 8.0)] == [[], ["b.wav"]]
    assert watched.problem == ""
    with pytest.raises(JobError, match="another audiosr-fx watches it"):
        FolderClaim(input_folder)
    FolderClaim(input_folder.with_name("away")).close()


def test_a_folder_that_comes_back_in_another_hand_is_left_alone(
    watched: WatchedFolder, input_folder: Path
) -> None:
    shutil.rmtree(input_folder)
    names(watched, 0.0)
    input_folder.mkdir()
    with FolderClaim(input_folder):
        assert names(watched, 1.0) == []
        assert "another audiosr-fx watches it" in watched.problem
    names(watched, 2.0)
    assert watched.problem == ""


def test_clocks_that_jump_by_ten_years_change_nothing(
    watched: WatchedFolder, input_folder: Path, stems: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    ten_years_ns = 10 * 365 * 86_400 * 10**9
    now_ns = time.time_ns()
    jumps = itertools.cycle((now_ns + ten_years_ns, now_ns - ten_years_ns))
    monkeypatch.setattr(time, "time", lambda: next(jumps) / 1e9)
    monkeypatch.setattr(time, "time_ns", lambda: next(jumps))
    for name, mtime_ns in (
        ("past.wav", now_ns - ten_years_ns),
        ("future.wav", now_ns + ten_years_ns),
        ("0.wav", 0),
    ):
        (input_folder / name).write_bytes(stems["pcm16.wav"])
        os.utime(input_folder / name, ns=(mtime_ns, mtime_ns))
    assert [names(watched, now_s) for now_s in (0.0, 2.9)] == [[], []]
    os.utime(input_folder / "past.wav", ns=(now_ns + ten_years_ns,) * 2)
    assert names(watched, 3.0) == ["0.wav", "future.wav"]
    assert names(watched, 6.0) == ["past.wav"]


def test_what_an_earlier_run_took_is_known_if_it_is_the_same(
    watched: WatchedFolder, input_folder: Path, stems: dict[str, bytes]
) -> None:
    for name in ("a.wav", "b.wav", "c.wav"):
        (input_folder / name).write_bytes(stems["pcm16.wav"])
    watched.turn(0.0)
    stamps = {name: stamp for batch in watched.turn(3.0) for name, stamp in batch.stamps.items()}
    watched.close()
    os.utime(input_folder / "b.wav", ns=(5, 5))
    (input_folder / "c.wav").unlink()
    again = watch(input_folder)
    assert again.remember(stamps, 0.0) == ["c.wav"]
    assert names(again, 3.0) == ["b.wav"]
    again.close()


def test_stems_in_sub_folders_that_are_not_looked_into_are_told_of_once(
    input_folder: Path, stems: dict[str, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    flat = watch(input_folder, recursive=False)
    for place in ("song/deep", "_rendered"):
        (input_folder / place).mkdir(parents=True)
    assert names(flat, 0.0) == names(flat, 1.0) == []
    for number, name in enumerate(("song/a.wav", "song/deep/b.wav", "_rendered/c.wav", "song/notes.txt")):
        (input_folder / name).write_bytes(stems["pcm16.wav"])
        names(flat, 2.0 + number)
    for now_s in (10.0, 20.0):
        assert names(flat, now_s) == []
    told = [line for line in caplog.messages if "sub-folders" in line]
    assert told == [
        f"{input_folder}: 2 stems in its sub-folders are left; --recursive takes them, as does recursive ="
        " true in a studio file"
    ]
    flat.close()


def test_of_twenty_at_once_exactly_one_gets_a_folder(tmp_path: Path) -> None:
    start = threading.Barrier(20)
    held: list[FolderClaim] = []
    refused: list[str] = []

    def claim() -> None:
        start.wait()
        try:
            held.append(FolderClaim(tmp_path))
        except JobError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=claim) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(held), len(refused)) == (1, 19)
    assert "another audiosr-fx watches it or writes to it; stop that first" in refused[0]
    held[0].close()
    FolderClaim(tmp_path).close()


def test_a_killed_holder_leaves_the_folder_free(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path[:] = sys.argv[2:]\n"
        "from pathlib import Path\n"
        "from watchfolder.claims import FolderClaim\n"
        "claim = FolderClaim(Path(sys.argv[1])); print('has it', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path), *sys.path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "has it\n"
        with pytest.raises(JobError):
            FolderClaim(tmp_path)
        holder.kill()
    FolderClaim(tmp_path).close()
