from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from audio_kinds import some_audio, write_kind

from audiosr_fx.jobs.service import Service
from audiosr_fx.jobs.store import JobStore
from watchfolder.folder import ReadyBatch, WatchedFolder
from watchfolder.handover import Handover
from watchfolder.intake import Intake, Placed, Refused
from watchfolder.memory import Memory
from watchfolder.studio import FolderSettings
from watchfolder.subfolders import RULE_FILE


class Faulty(Intake):
    """Has a fault of its own wherever a certain stem is among the others."""

    def place(self, batches: Sequence[ReadyBatch]) -> tuple[list[Placed], Refused]:
        if any("fault.wav" in batch.names for batch in batches):
            raise ZeroDivisionError
        return super().place(batches)


class Hands:
    """A watched folder and what hands its stems on, one look after the other; time is told."""

    def __init__(self, folder: Path) -> None:
        (folder / "in").mkdir()
        self.store = JobStore(folder / "state")
        self.memory = Memory(folder / "state")
        settings = FolderSettings(input=folder / "in", output=folder / "out", recursive=True)
        self.watched = WatchedFolder(settings, lambda: None)
        self.now_s = 0.0
        self.woken = threading.Event()
        self.stopping = threading.Event()
        intake = Faulty(service=Service(self.store), memory=self.memory, should_cancel=self.stopping.is_set)
        self.handover = Handover(intake, self.woken.set, self.stopping, lambda: self.now_s)
        self.is_started = False

    def look(self) -> None:
        """Look twice, and wait until what is ready was handed on, or is back."""
        self.watched.turn(self.now_s)
        self.now_s += self.watched.settings.patience_s
        for batch in self.watched.turn(self.now_s):
            self.handover.put(batch)
        if not self.is_started:  # now, so that it finds all at once
            self.handover.start()
            self.is_started = True
        while self.handover.size:
            self.woken.wait(0.1)
        self.now_s += 60.0
        self.handover.take_back(self.now_s)

    def taken(self) -> list[str]:
        return [job.order.request.source.name for job in self.store.jobs()]

    def close(self) -> None:
        self.stopping.set()
        self.handover.join(60.0)
        self.watched.close()
        self.memory.close()
        self.store.close()


@pytest.fixture
def hands(tmp_path: Path) -> Iterator[Hands]:
    hands = Hands(tmp_path)
    yield hands
    hands.close()


def drop(hands: Hands, *names: str) -> None:
    for seed, name in enumerate(names):
        path = hands.watched.settings.input / name
        path.parent.mkdir(exist_ok=True)
        write_kind(path, "pcm16.wav", some_audio(1000, seed=seed))


def test_a_stem_that_cannot_be_handed_on_keeps_no_other(
    hands: Hands, caplog: pytest.LogCaptureFixture
) -> None:
    drop(hands, "a.wav", "fault.wav", "z.wav")
    hands.look()
    assert hands.taken() == ["a.wav", "z.wav"]
    assert caplog.text.count("a fault in handing files on") == 1
    assert hands.watched.view.files["fault.wav"].is_waiting
    assert not hands.watched.view.files["z.wav"].is_waiting


def test_why_a_stem_cannot_be_taken_is_said_once_until_it_is_another_reason(
    hands: Hands, caplog: pytest.LogCaptureFixture
) -> None:
    drop(hands, "songs/a.wav")
    rule = hands.watched.settings.input / "songs" / RULE_FILE
    for text, times in (("preset = 3", 3), ("model = 3", 2), ("", 1)):
        rule.write_text(text, "utf-8")
        for _ in range(times):
            assert hands.taken() == []
            hands.look()
    assert hands.taken() == ["a.wav"]
    told = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(told) == 2
    assert "preset is 3" in told[0]
    assert "model is 3" in told[1]
