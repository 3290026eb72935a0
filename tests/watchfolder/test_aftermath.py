from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from job_orders import new_order

from audiosr_fx.jobs.job import Job
from audiosr_fx.jobs.ledger import REPLACED
from audiosr_fx.jobs.order import SourceIdentity
from audiosr_fx.jobs.service import Service
from audiosr_fx.jobs.store import JobStore
from watchfolder import aftermath
from watchfolder.aftermath import Aftermath
from watchfolder.memory import Memory, Taken
from watchfolder.snapshot import Stamp
from watchfolder.studio import After, FolderSettings


class Ended:
    """A queue whose jobs end as they are told to, and what follows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lost: list[str] = []
        self.store = JobStore(folder / "state")
        self.memory = Memory(folder / "state")
        self.settings = FolderSettings(input=folder / "in", output=folder / "out", after=After.MOVE)
        self.aftermath = self.begin()

    def begin(self) -> Aftermath:
        return Aftermath(Service(self.store), self.memory, lambda: False, self._note_lost)

    def _note_lost(self, folder: Path, names: Iterable[str]) -> None:
        self.lost += names

    def take(self, name: str, stem_set: str = "") -> Job:
        """A job of a stem that was taken."""
        job = self.store.submit(new_order(self.folder, name, name.encode(), origin="watch")).job
        assert job is not None
        self.note(name, job.id, stem_set)
        return job

    def note(self, name: str, job: int, stem_set: str = "") -> None:
        """Remember a stem that is there as a job's."""
        stamp = Stamp.of((self.settings.input / name).stat())
        self.memory.take(self.settings.input, {name: Taken(stamp=stamp, job=job, stem_set=stem_set)})

    def finish(self, result: dict[str, Any]) -> None:
        """The next job is done, and says so of itself."""
        job = self.store.take()
        assert job is not None
        self.store.begin_publishing(job.id, job.token, "0" * 64, result)
        self.store.finish(job.id, job.token)


@pytest.fixture
def ended(tmp_path: Path) -> Iterator[Ended]:
    ended = Ended(tmp_path)
    yield ended
    ended.memory.close()
    ended.store.close()


def test_a_set_that_cannot_be_told_of_keeps_no_other_source_from_being_put_away(
    ended: Ended, caplog: pytest.LogCaptureFixture
) -> None:
    for name, stem_set in (("a.wav", "s"), ("b.wav", "s"), ("c.wav", "")):
        ended.take(name, stem_set)
    for _ in range(3):
        ended.finish({"verdicts": [7]})  # as a manifest may say that somebody wrote by hand
    assert ended.aftermath.turn([ended.settings])
    assert not (ended.settings.input / "c.wav").exists()
    assert ended.aftermath.is_done
    assert not ended.aftermath.turn([ended.settings])
    assert caplog.text.count("a fault in what follows the end of a set") == 1
    assert (ended.settings.input / "a.wav").exists()


def test_a_set_that_is_dropped_again_just_as_it_has_been_put_away_is_put_away_again(
    ended: Ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_away = aftermath.put_away
    jobs: dict[str, int] = {}
    left = ["a.wav", "b.wav"]

    def drop_again(settings: FolderSettings, name: str, identity: SourceIdentity) -> None:
        put_away(settings, name, identity)
        left.remove(name)
        if not left:
            for again, job in jobs.items():
                (ended.settings.input / again).write_bytes(again.encode())
                ended.note(again, job, "s")

    for name in left:
        jobs[name] = ended.take(name, "s").id
        ended.finish({})
    monkeypatch.setattr(aftermath, "put_away", drop_again)
    monkeypatch.setattr(aftermath, "write_set_report", lambda path, jobs, should_cancel: None)
    ended.aftermath.turn([ended.settings])
    monkeypatch.setattr(aftermath, "put_away", put_away)
    assert sorted(path.name for path in ended.settings.input.glob("*.wav")) == ["a.wav", "b.wav"]
    ended.aftermath.turn([ended.settings])
    assert not list(ended.settings.input.glob("*.wav"))
    assert ended.aftermath.is_done


def test_jobs_that_were_cleared_let_nothing_happen_once_more(ended: Ended) -> None:
    ended.take("a.wav")
    ended.finish({})
    ended.aftermath.turn([ended.settings])
    put_away = ended.settings.input / "_rendered" / "a.wav"
    put_away.rename(ended.settings.input / "a.wav")  # its owner wants it back
    last = ended.take("b.wav").id
    ended.finish({})
    ended.aftermath.turn([ended.settings])
    ended.store.clear([], ids=[last])
    assert not ended.begin().turn([ended.settings])
    assert (ended.settings.input / "a.wav").exists()


def test_what_cannot_be_noted_as_acted_on_does_not_come_again_at_once(
    ended: Ended, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    ended.take("a.wav")
    ended.finish({})
    ended.memory._connection.execute("PRAGMA query_only=ON")  # as where the disk is full
    assert ended.aftermath.turn([ended.settings])
    assert not ended.aftermath.turn([ended.settings])
    assert ended.aftermath.is_done
    assert caplog.text.count(" done: ") == 1
    assert "what was taken could not be noted" in caplog.text


def test_what_full_scale_took_is_told(ended: Ended, caplog: pytest.LogCaptureFixture) -> None:
    """As a loud stem is that comes after its set, and gets the gain of the quiet ones before it."""
    caplog.set_level("INFO")
    results = [{"clipped_samples": 0}, {"clipped_samples": 12}, {"gave_way_s": 0.0305, "lift_db": 2.36}]
    for name, result in zip(("a.wav", "b.wav", "c.wav"), results, strict=True):
        ended.take(name)
        ended.finish(result)
    ended.aftermath.turn([ended.settings])
    told = [(one.levelname, one.getMessage()) for one in caplog.records if " done: " in one.getMessage()]
    assert [level for level, _ in told] == ["INFO", "WARNING", "INFO"]
    assert told[0][1].endswith("a.wav")
    assert told[1][1].endswith("b.wav; 12 samples clipped at full scale (bits = 32 keeps them)")
    assert told[2][1].endswith(
        "c.wav; the new band gives way for 31 ms, where it would go 2.4 dB over full scale"
        " (bits = 32 keeps it)"
    )


@pytest.mark.parametrize("reason", [REPLACED, "a.wav has changed"])
def test_what_was_given_up_for_one_file_is_taken_again_for_others_of_its_content(
    ended: Ended, reason: str
) -> None:
    job = ended.take("a.wav")
    stamp = Stamp.of((ended.settings.input / "a.wav").stat())
    ended.memory.take(ended.settings.input, {"b.wav": Taken(stamp=stamp, job=job.id)})
    if reason != REPLACED:
        (ended.settings.input / "a.wav").write_bytes(b"another bounce")
    ended.store.supersede(job.id, reason)
    ended.aftermath.turn([ended.settings])
    assert ended.lost == ["b.wav"]
    assert list(ended.memory.taken(ended.settings.input)) == ["a.wav"]


def test_no_page_of_a_set_is_lost_to_a_later_one(ended: Ended, monkeypatch: pytest.MonkeyPatch) -> None:
    """But one whose failed stem was tried again tells of that on the page that it has."""
    out = ended.folder / "out"

    def write(path: Path, jobs: Sequence[Job], should_cancel: Callable[[], bool]) -> None:
        out.mkdir(exist_ok=True)
        path.write_text(" ".join(f"{job.order.request.source.stem}:{job.state}" for job in jobs), "utf-8")

    def pages() -> dict[str, str]:
        ended.aftermath.turn([settings])
        return {path.name: path.read_text("utf-8") for path in out.glob("*.html")}

    monkeypatch.setattr(aftermath, "write_set_report", write)
    settings = replace(ended.settings, after=After.KEEP)
    for name in ("a.wav", "b.wav"):
        ended.take(name, "first")
    ended.finish({})
    failed = ended.store.take()
    assert failed is not None
    ended.store.fail(failed.id, failed.token, "bad")
    assert pages() == {"stems.report.html": "a:done b:failed"}
    ended.store.retry(failed.id)
    ended.finish({})
    assert pages() == {"stems.report.html": "a:done b:done"}
    for name in ("c.wav", "d.wav"):
        ended.take(name, "second")
    ended.finish({})
    ended.finish({})
    assert pages() == {"stems.report.html": "a:done b:done", "stems.report-2.html": "c:done d:done"}
    ended.take("e.wav", "third")
    ended.finish({})
    assert pages()["stems.report-3.html"] == "e:done"


def test_a_set_whose_stems_end_while_it_is_told_of_has_one_page(
    ended: Ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    monkeypatch.setattr(aftermath, "_PAGE", 1)  # one event a turn, while all are over
    monkeypatch.setattr(aftermath, "write_set_report", lambda path, jobs, stop: told.append(len(jobs)))
    for name in ("a.wav", "b.wav", "c.wav"):
        ended.take(name, "s")
    ended.finish({})
    ended.finish({})
    failed = ended.store.take()
    assert failed is not None
    ended.store.fail(failed.id, failed.token, "bad")
    while ended.aftermath.turn([replace(ended.settings, after=After.KEEP)]):
        pass
    assert told == [3]
