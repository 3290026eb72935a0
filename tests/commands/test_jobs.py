from __future__ import annotations

import json
import re
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from job_orders import FAKE, new_order
from typer.testing import CliRunner

from audiosr_fx.cli import app
from audiosr_fx.jobs.client import Client
from audiosr_fx.jobs.database import state_folder
from audiosr_fx.jobs.door import Door
from audiosr_fx.jobs.service import Service
from audiosr_fx.jobs.states import State
from audiosr_fx.jobs.store import JobStore


@pytest.fixture(autouse=True)
def _own_queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIOSR_FX_STATE", str(tmp_path / "state"))


STANDSTILL = (
    "no service runs that could render what waits; start one with audiosr-fx watch or audiosr-fx serve"
)


def run(*arguments: str, code: int = 0) -> str:
    """All that a command says, but for the line that no service runs."""
    done = CliRunner().invoke(app, ["jobs", *arguments])
    assert done.exit_code == code, done.output
    return "".join(line for line in done.output.splitlines(True) if not line.startswith("no service runs"))


def three_jobs(tmp_path: Path) -> None:
    """One that is done, one that failed, and one that is queued."""
    with JobStore(tmp_path / "state") as store:
        with Service(store, renderer=FAKE) as service:
            for name, content in (("good", b"plain"), ("bad", b"bad-audio")):
                service.submit_order(new_order(tmp_path, f"{name}.wav", content, origin="watch"))
            assert service.drain(60.0)
        store.submit(new_order(tmp_path, "new.wav", b"new", region="1-2"))


def test_without_a_queue_there_are_no_jobs() -> None:
    assert run("list") == "no jobs\n"
    assert run("list", "--json") == ""
    for command in ("show", "cancel", "retry", "clear"):
        assert run(command, "1", code=2) == "error: there is no job 1\n"
    assert run("clear") == run("retry", "--state", "failed") == "no jobs\n"
    assert run("clear", "--json") == '{"cleared": 0}\n'
    assert not state_folder().exists()


def test_the_list_says_where_every_job_stands(tmp_path: Path) -> None:
    three_jobs(tmp_path)
    done, failed, queued = run("list").splitlines()
    assert re.fullmatch(r" +1  done +\S+/in/good.wav > \S+/out/good.wav", done)
    assert failed.endswith("out/bad.wav (the file is damaged: copy or export it again)")
    assert re.search(r"3  queued +\S+/in/new.wav \[1-2\] > ", queued)
    assert run("list", "--state", "failed").splitlines() == [failed]
    assert [json.loads(line)["state"] for line in run("list", "--json").splitlines()] == [
        "done",
        "failed",
        "queued",
    ]


def both_streams(*arguments: str) -> tuple[str, str]:
    done = CliRunner().invoke(app, ["jobs", *arguments])
    return done.stdout, done.stderr


@pytest.mark.parametrize("command", [["list"], ["list", "--json"], ["show", "3"], ["show", "3", "--json"]])
def test_who_looks_at_jobs_that_nobody_renders_is_told_so_beside_the_result(
    tmp_path: Path, command: list[str]
) -> None:
    three_jobs(tmp_path)
    out, notes = both_streams(*command)
    assert notes == f"{STANDSTILL}\n"
    assert "new.wav" in out
    assert "service" not in out


def test_what_was_queued_again_without_a_service_is_told_of(tmp_path: Path) -> None:
    three_jobs(tmp_path)
    assert both_streams("retry", "2")[1] == f"{STANDSTILL}\n"
    assert both_streams("cancel", "2", "3")[1] == ""
    assert both_streams("list")[1] == ""


def test_jobs_that_have_ended_need_no_service(tmp_path: Path) -> None:
    three_jobs(tmp_path)
    assert both_streams("list", "--state", "failed")[1] == ""
    assert both_streams("show", "1")[1] == ""


@pytest.mark.parametrize("has_door", [True, False])
def test_where_a_service_owns_the_queue_nothing_stands_still(tmp_path: Path, *, has_door: bool) -> None:
    with ExitStack() as stack:
        store = stack.enter_context(JobStore(tmp_path / "state"))
        store.submit(new_order(tmp_path, "new.wav", b"new"))
        if has_door:
            stack.enter_context(Door(Service(store, renderer=FAKE)))
        out, notes = both_streams("list")
    assert ("new.wav" in out, notes) == (True, "")


def test_a_queue_of_another_place_is_named_in_the_command_that_starts_its_service(tmp_path: Path) -> None:
    with JobStore(tmp_path / "a queue") as store:
        store.submit(new_order(tmp_path, "new.wav", b"new"))
    option = f" --queue '{tmp_path / 'a queue'}'"
    _, notes = both_streams("list", "--queue", str(tmp_path / "a queue"))
    assert notes.endswith(f"start one with audiosr-fx watch{option} or audiosr-fx serve{option}\n")


def test_a_job_is_shown_with_its_history(tmp_path: Path) -> None:
    three_jobs(tmp_path)
    lines = run("show", "2").splitlines()
    assert lines[1] == "  chain: plain restore; priority 0; asked for by watch"
    assert re.fullmatch(r"  \d\d:\d\d:\d\d  job 2: failed \(the file is damaged: .*\)", lines[-1])
    assert json.loads(run("show", "1", "--json"))["result"]["device"] == "auto"


def test_jobs_are_cancelled_retried_and_cleared(tmp_path: Path) -> None:
    three_jobs(tmp_path)
    assert "3  cancelled" in run("cancel", "3")
    assert "2  queued" in run("retry", "2")
    text = run("cancel", "1", "2", code=1)
    assert "error: job 1 is done and cannot become cancelled; it can become queued" in text
    assert "2  cancelled" in text
    assert run("clear") == "2 jobs cleared\n"
    assert run("clear", "1", "--json") == '{"cleared": 1}\n'
    assert run("list") == "no jobs\n"


def test_all_that_failed_is_retried_at_once(tmp_path: Path) -> None:
    three_jobs(tmp_path)
    assert re.fullmatch(r" +2  queued .*\n", run("retry", "--state", "failed"))
    assert run("retry", "--state", "failed") == "no such jobs\n"
    assert "state is queued; such jobs are to be rendered" in run("retry", "--state", "queued", code=2)
    assert "expected numbers of jobs, or --state failed" in run("retry", code=2)


def test_a_job_is_followed_until_it_has_ended(tmp_path: Path) -> None:
    with JobStore(tmp_path / "state") as store, Service(store, renderer=FAKE) as service, Door(service):
        job = service.submit_order(new_order(tmp_path, "slow.wav", b"slow")).job
        assert job is not None
        ender = threading.Thread(target=cancel_when_it_moves, args=(service, job.id))
        ender.start()
        text = run("show", str(job.id), "--follow")
        ender.join()
    assert text.splitlines()[-1].endswith(f"job {job.id}: cancelled (cancelled)")


def test_following_ends_where_the_end_was_told_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    three_jobs(tmp_path)
    whole = Client.show

    def first_look(client: Client, job: int) -> dict[str, Any]:
        monkeypatch.setattr(Client, "show", whole)
        return whole(client, job) | {"state": "running"}

    monkeypatch.setattr(Client, "show", first_look)
    assert run("show", "1", "--follow").splitlines()[-1].endswith("job 1: done")


def test_following_ends_where_the_end_comes_between_two_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    three_jobs(tmp_path)

    def cancelled(client: Client, *_: object, **__: object) -> list[dict[str, Any]]:
        client.cancel(3)
        return []

    monkeypatch.setattr(Client, "events", cancelled)
    assert run("show", "3", "--follow").splitlines()[-1].endswith("job 3: cancelled (cancelled)")


def test_following_a_job_that_is_cleared_meanwhile_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    three_jobs(tmp_path)

    def cleared(client: Client, *_: object, **__: object) -> list[dict[str, Any]]:
        client.cancel(3)
        client.clear(jobs=[3])
        return []

    monkeypatch.setattr(Client, "events", cleared)
    assert "there is no job 3" in run("show", "3", "--follow", code=2)


def cancel_when_it_moves(service: Service, job: int) -> None:
    last = 0
    while True:
        for event in service.events(last, job=job, wait_s=5.0):
            last = event.id
            if event.new is State.RUNNING and not event.is_move:
                service.cancel(job)
                return


@pytest.mark.parametrize("named", ["~/queue", "queue"])
def test_a_queue_is_named_from_home_or_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with JobStore(tmp_path / "queue") as store:
        store.submit(new_order(tmp_path, "new.wav", b"new"))
    assert "new.wav" in run("list", "--queue", named)
