"""``audiosr-fx jobs``: what is queued, how far it is, and what became of it; cancel, try again, forget."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audiosr_fx.commands.options import QueueOption
from audiosr_fx.commands.terminal import (
    ExitCode,
    describe_error,
    exit_code_of,
    joint_exit_code,
    printable,
    say,
    say_error,
    say_json,
    say_note,
)
from audiosr_fx.errors import AudioSRError, ParameterError
from audiosr_fx.jobs.states import State

if TYPE_CHECKING:
    from audiosr_fx.jobs.client import Client

app = typer.Typer(no_args_is_help=True, help="See, follow, cancel, retry and clear the jobs of the queue.")


JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object per line.")]
StatesOption = Annotated[
    list[State] | None,
    typer.Option("--state", metavar="STATE", help="Only such jobs; may be given more than once."),
]
JobsArgument = Annotated[list[int], typer.Argument(metavar="JOB", help="Numbers of jobs.")]
SomeJobsArgument = Annotated[list[int] | None, typer.Argument(metavar="JOB", help="Numbers of jobs.")]


@app.command("list")
def list_command(
    states: StatesOption = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what happens, until Ctrl-C.")
    ] = False,
    json: JsonOption = False,
    queue: QueueOption = None,
) -> None:
    """Show the jobs there are, oldest first.

    Live: [bold]audiosr-fx jobs list --follow[/bold]
    """
    client = _client(queue)
    last = client.last_event() if follow else 0
    jobs = client.jobs(states or [])
    for job in jobs:
        say_json(job) if json else say(_line(job))
    if not jobs and not json:
        say_note("no such jobs" if states else "no jobs")
    _note_standstill(client, jobs)
    if follow:
        _follow(client, last, json=json)


@app.command("show")
def show_command(
    job: Annotated[int, typer.Argument(metavar="JOB", help="Number of a job.")],
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what happens, until it has ended.")
    ] = False,
    json: JsonOption = False,
    queue: QueueOption = None,
) -> None:
    """Show one job: what it makes of what, where it stands, and how it got there."""
    client = _client(queue)
    shown = client.show(job)
    if json:
        say_json(shown)
    else:
        for line in _details(shown):
            say(line)
    _note_standstill(client, [shown])
    if follow and not _has_ended(shown["state"]):
        last = max((event["id"] for event in shown["events"]), default=0)
        _follow(client, last, json=json, job=job)


@app.command("cancel")
def cancel_command(jobs: JobsArgument, json: JsonOption = False, queue: QueueOption = None) -> None:
    """Cancel jobs that are queued, parked or running; nothing of them is left behind."""
    client = _client(queue)
    _each(client, jobs, client.cancel, json=json)


@app.command("retry")
def retry_command(
    jobs: SomeJobsArgument = None,
    states: Annotated[
        list[State] | None,
        typer.Option("--state", metavar="STATE", help="All such jobs; may be given more than once."),
    ] = None,
    json: JsonOption = False,
    queue: QueueOption = None,
) -> None:
    """Queue jobs again that failed, were cancelled, or whose output is gone.

    All that failed: [bold]audiosr-fx jobs retry --state failed[/bold]
    """
    client = _client(queue)
    picked = states or []
    if not picked and not jobs:
        raise ParameterError("expected numbers of jobs, or --state failed for all of them")
    if going := [state for state in picked if state.is_live]:
        raise ParameterError(f"state is {going[0]}; such jobs are to be rendered as it is")
    numbers = [*(jobs or []), *(job["id"] for job in (client.jobs(picked) if picked else []))]
    if numbers:
        _each(client, dict.fromkeys(numbers), client.retry, json=json)
    elif not json:
        say_note("no such jobs" if client.is_there else "no jobs")


@app.command("clear")
def clear_command(
    jobs: SomeJobsArgument = None,
    states: Annotated[
        list[State] | None,
        typer.Option(
            "--state",
            metavar="STATE",
            help="All such jobs; may be given more than once.",
            show_default="failed, cancelled and superseded",
        ),
    ] = None,
    json: JsonOption = False,
    queue: QueueOption = None,
) -> None:
    """Forget jobs that have ended; their files stay."""
    picked = states or []
    if not picked and not jobs:
        picked = [State.FAILED, State.CANCELLED, State.SUPERSEDED]
    client = _client(queue)
    count = client.clear(picked, jobs or [])
    if json:
        say_json({"cleared": count})
    elif client.is_there:
        say(f"{count} {'job' if count == 1 else 'jobs'} cleared")
    else:
        say_note("no jobs")


def _client(folder: Path | None) -> Client:
    from audiosr_fx.jobs.client import Client
    from audiosr_fx.jobs.database import queue_folder

    return Client(queue_folder(folder))


def _each(
    client: Client, jobs: Iterable[int], act: Callable[[int], Mapping[str, Any]], *, json: bool
) -> None:
    """Do something to every job, and let none that fails stop the others."""
    codes, done = [], []
    for number in jobs:
        try:
            job = act(number)
        except AudioSRError as error:
            codes.append(exit_code_of(error))
            say_error(describe_error(error))
            continue
        codes.append(ExitCode.OK)
        done.append(job)
        say_json(job) if json else say(_line(job))
    _note_standstill(client, done)
    raise typer.Exit(joint_exit_code(codes))


def _note_standstill(client: Client, jobs: Iterable[Mapping[str, Any]]) -> None:
    """Say that nobody is there to render what waits, which nothing else would tell."""
    if any(not _has_ended(job["state"]) for job in jobs) and not client.is_served:
        say_note(printable(client.no_service("what waits")))


def _follow(client: Client, since: int, *, json: bool, job: int | None = None) -> None:
    """Tell what happens as it does: lines for moves, bars for what runs; of one job, until it has ended."""
    from audiosr_fx.commands.job_bars import JobBars

    with JobBars(quiet=json) as bars:
        has_ended = False
        while not has_ended:
            events = client.events(since, job=job, wait_s=5.0)
            if not events and job is not None:  # it may have ended unseen, or have been cleared
                shown = client.show(job)
                has_ended = _has_ended(shown["state"])
                events = [event for event in shown["events"] if event["id"] > since]
            for event in events:
                since, is_move = event["id"], event["old"] != event["new"]
                if json:
                    say_json(event)
                elif is_move:
                    say(_event_line(event))
                bars.hear(event, lambda number: _short_name(client, number))
                has_ended |= job is not None and is_move and _has_ended(event["new"])


def _short_name(client: Client, job: int) -> str:
    try:
        return printable(Path(client.show(job)["output"]).name)
    except AudioSRError:
        return f"job {job}"


def _has_ended(state: str) -> bool:
    return not State(state).is_live


def _line(job: Mapping[str, Any]) -> str:
    """A job on one line."""
    state = f"{job['state']} {job['progress']:.0%}" if job["state"] == "running" else job["state"]
    region = f" [{printable(job['region'])}]" if job["region"] else ""
    reason = f" ({printable(job['reason'])})" if job["reason"] else ""
    source, output = printable(job["source"]), printable(job["output"])
    return f"{job['id']:>5}  {state:<12}{source}{region} > {output}{reason}"


def _event_line(event: Mapping[str, Any]) -> str:
    clock = time.strftime("%H:%M:%S", time.localtime(event["time"]))
    reason = f" ({printable(event['reason'])})" if event["reason"] else ""
    return f"{clock}  job {event['job']}: {event['new']}{reason}"


def _details(job: Mapping[str, Any]) -> list[str]:
    """A job in full, for people."""
    lines = [_line(job).strip()]
    chain = job["preset"] or "plain restore"
    origin = f"{job['origin']} {job['tag']}".strip()
    lines.append(f"  chain: {printable(chain)}; priority {job['priority']}; asked for by {printable(origin)}")
    for verdict in job["result"].get("verdicts", []):
        lines.append(f"  model: {printable(str(verdict.get('reason', '')))}")
    lines += [f"  level: {printable(str(one))}" for one in job["result"].get("decisions", [])]
    lines += [f"  {_event_line(event)}" for event in job["events"]]
    return lines
