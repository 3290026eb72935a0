from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import pytest
from watchdog.events import FileClosedNoWriteEvent, FileCreatedEvent, FileOpenedEvent

from watchfolder.wakeups import Wakeups


class FakeObserver:
    """watchdog's observer as far as it is used, with the faults it is known for."""

    made: list[FakeObserver]
    fails = False

    def __init__(self) -> None:
        if self.fails:
            raise OSError(28, "inotify watch limit reached")
        self.alive, self.emitter_alive, self.stopped = True, True, False
        self.handler: Any = None
        self.made.append(self)

    @property
    def emitters(self) -> set[Any]:
        return {_Emitter(self)}

    def schedule(self, handler: Any, path: str, recursive: bool, event_filter: list[type]) -> None:
        self.handler = handler
        self.heard = event_filter

    def start(self) -> None: ...

    def is_alive(self) -> bool:
        return self.alive

    def stop(self) -> None:
        self.stopped = True

    def join(self, timeout: float) -> None: ...


class _Emitter:
    def __init__(self, observer: FakeObserver) -> None:
        self.observer = observer

    def is_alive(self) -> bool:
        return self.observer.emitter_alive


@pytest.fixture
def observers(monkeypatch: pytest.MonkeyPatch) -> list[FakeObserver]:
    made: list[FakeObserver] = []
    monkeypatch.setattr(FakeObserver, "made", made, raising=False)
    return made


def wakeups(wake: Any = lambda: None) -> Wakeups:
    return Wakeups(Path("/in"), wake, recursive=True, make_observer=FakeObserver)


ROOT = (1, 2)


def test_an_event_wakes_but_our_own_looking_does_not(observers: list[FakeObserver]) -> None:
    woken: list[int] = []
    heard = wakeups(lambda: woken.append(1))
    heard.check(ROOT, 0.0)
    assert heard.is_hearing
    assert FileCreatedEvent in observers[0].heard
    assert not {FileOpenedEvent, FileClosedNoWriteEvent} & {*observers[0].heard}
    observers[0].handler.dispatch(FileCreatedEvent("/in/a.wav"))
    assert woken == [1]


def test_an_exception_does_not_reach_the_observer_which_would_die_of_it(
    observers: list[FakeObserver], caplog: pytest.LogCaptureFixture
) -> None:
    def wake() -> None:
        raise RuntimeError("nobody\nforesaw this")

    wakeups_ = wakeups(wake)
    wakeups_.check(ROOT, 0.0)
    observers[0].handler.dispatch(FileCreatedEvent("/in/a.wav"))
    assert "an event was lost: nobody foresaw this" in caplog.text


@pytest.mark.parametrize("fault", ["observer dies", "emitter dies", "root changes"])
def test_whatever_no_longer_hears_is_set_up_anew(fault: str, observers: list[FakeObserver]) -> None:
    heard = wakeups()
    heard.check(ROOT, 0.0)
    heard.check(ROOT, 1.0)
    assert len(observers) == 1
    observers[0].alive = fault != "observer dies"
    observers[0].emitter_alive = fault != "emitter dies"
    heard.check((1, 3) if fault == "root changes" else ROOT, 2.0)
    assert len(observers) == 2
    assert observers[0].stopped
    assert heard.is_hearing


def test_a_root_that_is_away_is_heard_again_when_it_is_back(observers: list[FakeObserver]) -> None:
    heard = wakeups()
    heard.check(ROOT, 0.0)
    heard.check(None, 1.0)
    assert not heard.is_hearing
    heard.check(ROOT, 2.0)
    assert heard.is_hearing
    assert len(observers) == 2


def test_a_system_without_events_is_told_once_and_asked_ever_more_rarely(
    observers: list[FakeObserver], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeObserver, "fails", True)
    heard = wakeups()
    for now_s in range(1000):
        heard.check(ROOT, float(now_s))
    assert not heard.is_hearing
    assert caplog.text.count("it is looked at every few seconds instead") == 1
    monkeypatch.setattr(FakeObserver, "fails", False)
    heard.check(ROOT, 2000.0)
    assert heard.is_hearing


def test_the_real_observer_wakes_and_is_set_up_anew_for_a_new_root(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    folder = tmp_path / "in"
    folder.mkdir()
    woken = threading.Event()
    heard = Wakeups(folder, woken.set, recursive=True)
    heard.check((folder.stat().st_dev, folder.stat().st_ino), 0.0)
    if not heard.is_hearing:
        pytest.skip("this system has no events to give")
    (folder / "a.wav").write_bytes(b"x")
    assert woken.wait(30.0)
    folder.rename(tmp_path / "away")
    folder.mkdir()
    heard.check((folder.stat().st_dev, folder.stat().st_ino), 1.0)
    assert "setting them up anew" in caplog.text
    woken.clear()
    (folder / "b.wav").write_bytes(b"x")
    assert woken.wait(30.0)
    heard.close()
    assert not heard.is_hearing
