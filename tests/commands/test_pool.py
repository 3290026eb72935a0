from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hurried_clock import hurry
from recipes import ByName

from audiosr_fx.commands.batch import render_each
from audiosr_fx.commands.job import Failure, Job, Outcome, Result
from audiosr_fx.commands.outputs import OutputFormat, Task, without_empty_folders
from audiosr_fx.commands.progress import RenderProgress
from audiosr_fx.commands.terminal import ExitCode
from audiosr_fx.errors import CheckpointError

Render = Callable[..., list[Outcome]]


def tasks_named(folder: Path, *names: str) -> list[Task]:
    return [Task(Path(f"{name}.wav"), folder / f"{name}.wav", OutputFormat.WAV) for name in names]


@pytest.fixture
def render(tmp_path: Path) -> Render:
    """Files of some names through a recipe, in two processes."""

    def work(*names: str, recipe: ByName | None = None, jobs: int = 2) -> list[Outcome]:
        tasks = tasks_named(tmp_path, *names)
        progress = RenderProgress(files=len(tasks), quiet=True)
        return list(render_each(tasks, recipe or ByName(), progress, jobs=jobs))

    return work


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_whatever_ends_a_process_ends_one_file_and_nothing_half_written_stays(
    render: Render, tmp_path: Path
) -> None:
    asked = ["fine-1", "crash", "killed", "memory", "damaged", "full", "fine-2", "fine-3"]
    outcomes = render(*asked)
    assert [Path(outcome.input).stem for outcome in outcomes] == asked
    assert names(tmp_path) == ["fine-1.wav", "fine-2.wav", "fine-3.wav"]
    said = {Path(one.input).stem: one.error for one in outcomes if isinstance(one, Failure)}
    assert said["crash"] == "crash.wav: its process crashed (killed by SIGSEGV); nothing else is harmed"
    assert "its process crashed (killed by SIGKILL, as where memory runs out); nothing" in said["killed"]
    assert "MemoryError" in said["memory"]
    assert said["damaged"] == "damaged.wav: damaged"
    assert f"{tmp_path / 'full.wav'}: cannot be written (No space left" in said["full"]
    codes = {Path(one.input).stem: one.exit_code for one in outcomes if isinstance(one, Failure)}
    assert codes["damaged"] == ExitCode.BAD_AUDIO
    assert [one.output for one in outcomes if isinstance(one, Result)] == [
        str(tmp_path / f"fine-{i}.wav") for i in (1, 2, 3)
    ]


def test_processes_are_kept_and_share_the_cores(
    render: Render, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    render("a", "b", "c", "d", "e")
    told = [(tmp_path / f"{name}.wav").read_text("utf-8").split() for name in "abcde"]
    assert len({process for process, _ in told}) <= 2
    assert {threads for _, threads in told} == {"3"}


def test_a_process_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    is_fine_done = threading.Event()
    hurry(monkeypatch, is_fine_done.is_set)
    tasks = tasks_named(tmp_path, "fine", "hang")
    outcomes = render_each(tasks, ByName(timeout_s=60.0), RenderProgress(files=2, quiet=True), jobs=2)
    fine = next(outcomes)
    is_fine_done.set()
    (hangs,) = outcomes
    assert isinstance(fine, Result)
    assert isinstance(hangs, Failure)
    assert "hang.wav: its process hangs: no sign of life for 60 s" in hangs.error
    assert names(tmp_path) == ["fine.wav"]


def test_what_all_files_need_and_is_not_there_ends_the_batch(render: Render, tmp_path: Path) -> None:
    for jobs in (1, 2):
        with pytest.raises(CheckpointError, match="the weights are missing"):
            render("a", "b", recipe=ByName(needs="weights"), jobs=jobs)
    assert names(tmp_path) == []


def test_a_folder_to_which_nothing_came_does_not_stay_whichever_thread_made_it(tmp_path: Path) -> None:
    tasks = [*tasks_named(tmp_path / "made" / "a", "damaged"), *tasks_named(tmp_path / "made" / "b", "fine")]
    with without_empty_folders():
        failed, _ = render_each(tasks, ByName(), RenderProgress(files=2, quiet=True), jobs=2)
        assert (tmp_path / "made" / "a").is_dir()
    assert isinstance(failed, Failure)
    assert names(tmp_path / "made") == ["b"]


def test_an_output_that_is_taken_is_not_replaced(render: Render, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("precious", "utf-8")
    taken, _ = render("a", "b")
    assert isinstance(taken, Failure)
    assert taken.exit_code == ExitCode.OUTPUT
    assert (tmp_path / "a.wav").read_text("utf-8") == "precious"
    again = render("a", "b", recipe=ByName(job=Job(overwrite=True)))
    assert all(isinstance(one, Result) for one in again)


def test_whoever_stops_listening_ends_all_processes(tmp_path: Path) -> None:
    before = threading.active_count()
    tasks = tasks_named(tmp_path, "fine", "hang-1", "hang-2")
    outcomes = render_each(tasks, ByName(), RenderProgress(files=3, quiet=True), jobs=2)
    assert isinstance(next(outcomes), Result)
    outcomes.close()  # type: ignore[attr-defined]
    assert names(tmp_path) == ["fine.wav"]
    while threading.active_count() > before:  # who reads a pipe notices a moment after its process is gone
        time.sleep(0.01)
