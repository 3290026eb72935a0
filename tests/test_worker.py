from __future__ import annotations

import logging
import time
from pathlib import Path

import pedalboard
import pytest
import tasks
from effects import Passes
from hurried_clock import hurry

from audiosr_fx import errors, worker
from audiosr_fx.child_process import ChildProcess
from audiosr_fx.child_voice import Message
from audiosr_fx.errors import AudioSRError, ParameterError, PluginError, RenderCancelled
from audiosr_fx.worker import run_apart


def test_a_task_runs_in_another_process_on_its_main_thread() -> None:
    heard: list[Message] = []
    told = run_apart(tasks.describe, {"answer": 42}, what="it", on_message=heard.append)
    assert told["argument"] == {"answer": 42}
    assert told["thread"] == "MainThread"
    assert told["process"] != tasks.process_id()
    assert heard == [{"step": 1}, {"step": 2}]


def test_what_a_plugin_prints_does_not_get_among_the_messages() -> None:
    heard: list[Message] = []
    assert run_apart(tasks.print_much, what="it", on_message=heard.append) == {"printed": True}
    assert heard == [{"step": 1}]


@pytest.mark.parametrize(
    "plugin",
    [
        pedalboard.Gain(-3.5),
        pedalboard.LadderFilter(pedalboard.LadderFilter.Mode.BPF24, 3000, 0.25, 2.0),
        pedalboard.Pedalboard([pedalboard.Mix([pedalboard.Reverb(room_size=0.75)]), pedalboard.Invert()]),
        pedalboard.Resample(8000, pedalboard.Resample.Quality.Linear),
    ],
    ids=lambda plugin: type(plugin).__name__,
)
def test_pedalboards_plugins_travel_with_their_settings(plugin: pedalboard.Plugin) -> None:
    told = run_apart(tasks.word, plugin, what="it")["words"]
    assert told == tasks.without_addresses(repr(plugin))


@pytest.mark.parametrize(
    "kind",
    [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, AudioSRError)],
)
def test_our_errors_come_back_as_they_were_raised(kind: type[AudioSRError]) -> None:
    with pytest.raises(kind, match=r"^the words of it$") as caught:
        run_apart(tasks.fail, kind.__name__, what="it")
    assert type(caught.value) is kind


def test_any_other_error_is_one_line() -> None:
    with pytest.raises(PluginError, match=r"^it failed: ZeroDivisionError: division by zero$"):
        run_apart(tasks.divide, what="it")


def test_a_crash_is_told_by_its_signal_and_harms_nobody() -> None:
    with pytest.raises(PluginError, match=r"^it crashed \(killed by SIGSEGV\); nothing else is harmed$"):
        run_apart(tasks.crash, what="it")
    with pytest.raises(PluginError, match=r"^it crashed \(exit code 3\)"):
        run_apart(tasks.leave, 3, what="it")


def test_a_hang_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Message] = []
    hurry(monkeypatch, lambda: bool(heard))
    with pytest.raises(PluginError, match=r"^it hangs: no sign of life for 60 s; it was ended$"):
        run_apart(tasks.hang, what="it", on_message=heard.append, timeout_s=60.0)
    assert not tasks.is_alive(heard[0]["process"])


def test_slow_but_steady_work_is_no_hang() -> None:
    assert run_apart(tasks.work_slowly, 8, 0.5, what="it", timeout_s=3.0) == {"steps": 8}


def test_a_cancelled_task_is_gone() -> None:
    heard: list[Message] = []
    with pytest.raises(RenderCancelled):
        run_apart(tasks.hang, what="it", on_message=heard.append, should_cancel=lambda: bool(heard))
    assert not tasks.is_alive(heard[0]["process"])


@pytest.fixture
def child_that_reads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of one that does, and with no more time to start."""
    monkeypatch.setattr(worker, "_started", lambda *_: ChildProcess("talking_child", "silent"))
    monkeypatch.setattr(worker, "START_S", 0.0)


@pytest.mark.usefixtures("child_that_reads_nothing")
def test_a_large_task_that_nobody_takes_is_cancelled_and_ended_as_any() -> None:
    large = b"x" * 300_000
    with pytest.raises(RenderCancelled):
        run_apart(tasks.word, large, what="it", should_cancel=lambda: True)
    with pytest.raises(PluginError, match=r"^it hangs: no sign of life for 0.1 s; it was ended$"):
        run_apart(tasks.word, large, what="it", timeout_s=0.1)


def test_what_a_child_logs_is_logged_here(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "audiosr_fx"):
        run_apart(tasks.warn, "mind the gap", what="it")
    assert [(record.name, record.getMessage()) for record in caplog.records] == [
        ("audiosr_fx.tasks", "mind the gap")
    ]


def test_a_child_does_not_outlive_its_parent() -> None:
    parent, child = tasks.parent_and_child()
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 20
    while tasks.is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not tasks.is_alive(child)


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan")])
def test_a_timeout_is_some_time(timeout_s: float) -> None:
    with pytest.raises(ParameterError, match="timeout_s is"):
        run_apart(tasks.leave, 0, what="it", timeout_s=timeout_s)


def test_what_cannot_travel_is_refused() -> None:
    class Local(Passes):
        pass

    for thing in (Local(), lambda: None, open(__file__)):  # noqa: SIM115
        with pytest.raises(ParameterError, match="cannot be sent to another process"):
            run_apart(tasks.word, thing, what="it")
        getattr(thing, "close", lambda: None)()
    with pytest.raises(ParameterError, match="whose sample rate it does not tell"):
        run_apart(tasks.word, pedalboard.Convolution(tasks.IMPULSE, 1.0, 48_000), what="it")


def test_files_beside_are_not_taken_for_code(tmp_path: Path) -> None:
    assert tasks.run_in_a_folder_with_a_module("queue", tmp_path) == "{'words': \"'hello'\"}\n"


def test_what_stands_in_the_script_itself_is_named() -> None:
    told = tasks.run_script_with_own_effect()
    assert "ParameterError: Own is defined in the script itself" in told
