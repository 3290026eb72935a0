"""``audiosr-fx listen``: make a blind listening test as one page, and evaluate the answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiosr_fx.commands.terminal import (
    ExitCode,
    OutputError,
    describe_error,
    output_errors,
    printable,
    refuse_taken,
    say,
    say_error,
    say_json,
    say_note,
)
from audiosr_fx.errors import AudioSRError, ParameterError

if TYPE_CHECKING:
    from audiosr_fx.quality.listen import ListeningTest, ListenSettings
    from audiosr_fx.quality.listen_results import Results

_making_option = partial(typer.Option, rich_help_panel="Making a test")
_summary_option = partial(typer.Option, rich_help_panel="Evaluating answers")


def listen(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="DIR|RESULTS",
            help="A folder with one sub-folder per system, files of the same names in each; with --summary,"
            " files of results, or the folder they are in.",
        ),
    ],
    out: Annotated[
        Path | None, _making_option("--output", "-o", metavar="HTML", help="The page to write.")
    ] = None,
    mode: Annotated[
        str,
        _making_option(
            "--mode",
            metavar="mushra|ab|abx",
            help="Rate all systems on scales, prefer one of two, or tell which of two X is.",
        ),
    ] = "mushra",
    reference: Annotated[
        str | None,
        _making_option(
            "--reference", metavar="NAME", help="Sub-folder of the reference; 'reference' when not given."
        ),
    ] = None,
    anchor: Annotated[
        list[str] | None,
        _making_option(
            "--anchor",
            metavar="lowpass:HZ|none",
            help="Add the reference without its highs; may be repeated. When not given: lowpass:3500, unless"
            " there is a sub-folder 'anchor'.",
        ),
    ] = None,
    seconds: Annotated[
        float | None, _making_option("--seconds", metavar="S", help="Take the first seconds of each file.")
    ] = None,
    loudness: Annotated[
        float,
        _making_option(
            "--loudness",
            metavar="LUFS",
            help="Loudness of everything; lower where a true peak would pass -1 dBTP.",
        ),
    ] = -23.0,
    format: Annotated[
        str,
        _making_option("--format", metavar="flac|wav", help="How audio lies in the page, 16 bit either way."),
    ] = "flac",
    repeats: Annotated[
        int, _making_option("--repeats", metavar="N", help="Ask every trial so many times.")
    ] = 1,
    seed: Annotated[
        int,
        _making_option("--seed", metavar="N", help="Of the orders, which also differ between participants."),
    ] = 0,
    title: Annotated[
        str, _making_option("--title", metavar="TEXT", help="Stands above the test.")
    ] = "Listening test",
    reveal: Annotated[
        bool, _making_option("--reveal", help="Show participants their own results at the end.")
    ] = False,
    summary: Annotated[bool, _summary_option("--summary", help="Evaluate files of results instead.")] = False,
    keep_all: Annotated[
        bool,
        _summary_option("--keep-all", help="Count those, too, who fail the post-screening of BS.1534-3."),
    ] = False,
    csv: Annotated[
        Path | None, _summary_option("--csv", metavar="FILE", help="Write the summary as a table.")
    ] = None,
    answers: Annotated[
        Path | None,
        _summary_option(
            "--answers",
            metavar="FILE",
            help="Write every single answer as a table (CSV). In both tables, text that a spreadsheet would"
            " run as a formula has an apostrophe before it.",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
) -> None:
    """Make a blind listening test that is one page, or evaluate the answers to it.

    [bold]audiosr-fx listen systems -o test.html[/bold]

    [bold]audiosr-fx listen --summary results/*.json[/bold]

    The page needs no network and no server: send it to listeners, who open it in a browser, and collect the
    files that they save. All systems of an item are matched in loudness and play in step.
    """
    if summary:
        if out is not None:
            raise ParameterError(f"output is {out}; with --summary expected none: use --csv or --answers")
        _summarise(paths, keep_all=keep_all, csv=csv, answers=answers, overwrite=overwrite, json=json)
        return
    if csv is not None or answers is not None or keep_all:
        raise ParameterError("--csv, --answers and --keep-all go with --summary; add it")
    if len(paths) != 1:
        raise ParameterError(f"folders: {len(paths)}; expected one with a sub-folder per system")
    if out is None or out.suffix.lower() not in (".html", ".htm"):
        given = "not given" if out is None else out
        raise ParameterError(f"output is {given}; expected a name in .html, as in -o test.html")
    settings = _settings(
        mode, reference, anchor, seconds, loudness, format, repeats, seed, title, reveal=reveal
    )
    _make(paths[0], out, settings, overwrite=overwrite, json=json)


def _settings(
    mode: str,
    reference: str | None,
    anchor: list[str] | None,
    seconds: float | None,
    loudness: float,
    format: str,
    repeats: int,
    seed: int,
    title: str,
    *,
    reveal: bool,
) -> ListenSettings:
    from audiosr_fx.quality.embed import EmbeddedFormat
    from audiosr_fx.quality.listen import ListenSettings, Mode

    if mode not in list(Mode):
        raise ParameterError(f"mode is {mode}; expected mushra, ab or abx")
    if format not in list(EmbeddedFormat):
        raise ParameterError(f"format is {format}; expected flac or wav")
    return ListenSettings(
        mode=Mode(mode),
        reference=reference,
        anchors_hz=None if anchor is None else _anchors_hz(anchor),
        seconds=seconds,
        target_lufs=loudness,
        format=EmbeddedFormat(format),
        repeats=repeats,
        seed=seed,
        title=title,
        reveal=reveal,
    )


def _anchors_hz(texts: list[str]) -> tuple[int, ...]:
    """The cutoffs of anchors as they were typed: ``lowpass:3500``, or ``none`` alone."""
    if texts == ["none"]:
        return ()
    found = []
    for text in texts:
        match = re.fullmatch(r"lowpass:([1-9][0-9]{0,5})", text)
        if match is None:
            raise ParameterError(f"anchor is {text}; expected lowpass:HZ, as in lowpass:3500, or none")
        found.append(int(match[1]))
    return tuple(found)


def _make(folder: Path, out: Path, settings: ListenSettings, *, overwrite: bool, json: bool) -> None:
    from audiosr_fx.commands.progress import counted
    from audiosr_fx.quality.embed import write_whole
    from audiosr_fx.quality.listen import build_test

    _check_name(out, overwrite=overwrite)
    with counted("reading and matching") as on_item:
        test = build_test(folder, settings, on_item)
    with output_errors():
        write_whole(out, test.html.encode("utf-8"), overwrite=overwrite)
    for item in test.quieter:
        say_note(
            f"{printable(item)}: matched at {test.loudness_lufs[item]:.1f} LUFS, because of its true peaks"
        )
    for item, late in test.moved.items():
        named = ", ".join(
            f"{name} {abs(lag)} samples {'late' if lag > 0 else 'early'}" for name, lag in late.items()
        )
        say_note(printable(f"{item}: put in step: {named}; all are cut to what they have in common"))
    if json:
        say_json(
            {
                "path": str(out),
                "size_bytes": test.size_bytes,
                "page": test.page,
                "mode": test.mode,
                "trials": test.trials,
                "items": list(test.items),
                "systems": [{"name": name, "role": role} for name, role in test.systems],
                "loudness_lufs": dict(test.loudness_lufs),
                "moved_samples": {item: dict(late) for item, late in test.moved.items()},
            }
        )
    else:
        say(_described(out, test))


def _described(out: Path, test: ListeningTest) -> str:
    systems = ", ".join(name if role == "system" else f"{name} ({role})" for name, role in test.systems)
    low, high = (f"{found(test.loudness_lufs.values()):.1f}" for found in (min, max))
    loudness = high if low == high else f"{low} to {high}"
    return printable(
        f"{out}: {test.size_bytes / 1e6:.1f} MB, {test.mode}, {test.trials} trials, {len(test.items)} items"
        f" at {loudness} LUFS, {len(test.systems)} systems: {systems}"
    )


def _check_name(path: Path, *, overwrite: bool) -> None:
    """Say what keeps a name from being written before the work, not after it; what listeners said is never
    replaced.
    """
    if path.is_dir():
        raise OutputError(f"{path}: is a folder; expected the name of a file")
    if not path.absolute().parent.is_dir():
        raise OutputError(f"{path}: there is no folder {path.parent}")
    refuse_taken(path, overwrite)
    if path.exists() and _holds_results(path):
        raise OutputError(
            f"{path}: holds a listener's results, which are never replaced; choose another name"
        )


def _holds_results(path: Path) -> bool:
    from audiosr_fx.quality.listen_results import read_results

    try:
        read_results(path)
    except AudioSRError:
        return False
    return True


def _summarise(
    paths: list[Path],
    *,
    keep_all: bool,
    csv: Path | None,
    answers: Path | None,
    overwrite: bool,
    json: bool,
) -> None:
    from audiosr_fx.quality import listen_report, listen_summary
    from audiosr_fx.quality.embed import write_whole

    for path in (csv, answers):
        if path is not None:
            _check_name(path, overwrite=overwrite)
    if csv is not None and answers is not None and csv.resolve() == answers.resolve():
        raise ParameterError(f"csv and answers are both {csv}; expected two files")
    results, failed = _read_all(paths)
    if not results:
        say_error("no results to evaluate; expected files that the pages of audiosr-fx listen save")
        raise typer.Exit(ExitCode.SOME_FAILED)
    summary = listen_summary.summarise(results, keep_all=keep_all)
    is_empty = not (summary.scores or summary.preferences)
    with output_errors():
        if csv is not None and is_empty:
            say_error(f"{csv} is not written: no listener is left to count; --keep-all counts everyone")
        elif csv is not None:
            write_whole(csv, listen_report.summary_csv(summary), overwrite=overwrite)
        if answers is not None:
            write_whole(answers, listen_report.answers_csv(results, summary), overwrite=overwrite)
    if json:
        for record in listen_report.records(summary):
            say_json(record)
    else:
        for line in listen_report.lines(summary):
            say(printable(line))
    raise typer.Exit(ExitCode.SOME_FAILED if failed or is_empty else ExitCode.OK)


def _files(paths: list[Path]) -> Iterator[Path]:
    """The files of results: a folder stands for those in it, as not every shell unfolds a pattern."""
    for path in paths:
        found = sorted(path.glob("*.json")) if path.is_dir() else []
        yield from found or [path]


def _read_all(paths: list[Path]) -> tuple[list[Results], bool]:
    """All results that can be used, and whether some could not: each of those has had its line."""
    from audiosr_fx.quality.listen_results import pool_results, read_results

    results: list[tuple[Path, Results]] = []
    failed = False
    for path in _files(paths):
        try:
            results.append((path, read_results(path)))
        except (AudioSRError, OSError) as error:
            failed = True
            say_error(f"{describe_error(error, about=path)}; skipped")
    pooled, complaints = pool_results(results)
    for complaint in complaints:
        say_error(complaint)
    return pooled, failed or bool(complaints)
