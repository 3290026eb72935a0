"""``audiosr-fx evaluate``: score models, baselines and other systems against originals."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from audiosr_fx.commands.terminal import ExitCode
from audiosr_fx.errors import ParameterError

T = TypeVar("T")

_row_option = partial(typer.Option, rich_help_panel="Rows")
_bound_option = partial(typer.Option, rich_help_panel="Rows to compare with")
_column_option = partial(typer.Option, rich_help_panel="Columns")
_result_option = partial(typer.Option, rich_help_panel="Results")


def evaluate(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="Originals: a corpus with an INDEX.csv, or any folder of audio;"
            " of stereo files the first channel.",
        ),
    ],
    experiment: Annotated[
        str | None,
        typer.Option(
            "--experiment",
            metavar="NAME",
            help="A prepared comparison with defaults of its own: readme, low-band, bandwidth, codecs, noise,"
            " steps or domains; what is given beside it counts instead.",
        ),
    ] = None,
    models: Annotated[
        str | None, _listed(_row_option, "--models", "NAME", "Names or .safetensors files.", "mini")
    ] = None,
    qualities: Annotated[
        str | None, _listed(_row_option, "--qualities", "NAME", "Of models.", "draft,standard,best")
    ] = None,
    samplers: Annotated[
        str | None, _listed(_row_option, "--samplers", "NAME", "ddim, dpmpp_2m.", "the quality's")
    ] = None,
    steps: Annotated[
        str | None, _listed(_row_option, "--steps", "N", "Sampling steps.", "the quality's")
    ] = None,
    guidance: Annotated[
        str | None, _listed(_row_option, "--guidance", "X", "Guidance scales.", "the model's")
    ] = None,
    seeds: Annotated[
        str | None, _listed(_row_option, "--seeds", "N", "The spread over them is shown.", "0")
    ] = None,
    variants: Annotated[
        str | None,
        _listed(
            _row_option,
            "--variants",
            "NAME",
            "plain (told the cutoff), found, junk (what lies above is kept), low-band (not kept).",
            "plain",
        ),
    ] = None,
    baselines: Annotated[
        bool | None,
        _bound_option(
            "--baselines/--no-baselines", help="Unprocessed, folding and noise.", show_default="baselines"
        ),
    ] = None,
    tilts: Annotated[
        str | None, _listed(_bound_option, "--tilts", "DB", "Of folding and noise, per octave.", "-12")
    ] = None,
    predictor: Annotated[
        bool | None,
        _bound_option(
            "--predictor/--no-predictor", help="A model's first stage, with noise.", show_default="predictor"
        ),
    ] = None,
    vocoder_bound: Annotated[
        bool | None,
        _bound_option(
            "--vocoder-bound/--no-vocoder-bound",
            help="The true mel through each vocoder, and the true envelope with noise.",
            show_default="no-vocoder-bound",
        ),
    ] = None,
    outputs: Annotated[
        list[str] | None,
        _row_option(
            "--outputs",
            metavar="NAME=FOLDER",
            help="Files that another system wrote, named as the originals; of several columns in sub-folders"
            " called as those of --audio. May be repeated.",
        ),
    ] = None,
    cutoffs: Annotated[
        str | None, _listed(_column_option, "--cutoffs", "HZ", "Of low-pass filters.", "4000")
    ] = None,
    families: Annotated[
        str | None,
        _listed(
            _column_option,
            "--families",
            "NAME",
            "chebyshev, elliptic, butterworth, bessel, boxcar.",
            "chebyshev",
        ),
    ] = None,
    order: Annotated[int | None, _column_option("--order", help="Of the filters.", show_default="8")] = None,
    codecs: Annotated[
        str | None,
        _listed(
            _column_option,
            "--codecs",
            "NAME:RATE",
            "mp3:64k, vorbis:48k, opus:16k, aac:32k (kbit/s of one channel).",
        ),
    ] = None,
    hiss: Annotated[
        str | None,
        _listed(
            _column_option,
            "--hiss",
            "X",
            "White noise of this amplitude in recordings that peak at 0.5, before filter or codec.",
            "0",
        ),
    ] = None,
    tones: Annotated[
        str | None, _listed(_column_option, "--tones", "X", "A tone of 1 kHz, likewise.", "0")
    ] = None,
    everything: Annotated[
        bool,
        typer.Option(
            "--all", help="Also clips that a model was trained on; otherwise those held out, where known."
        ),
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option("--limit", metavar="N", help="Clips per kind, spread over sources.", show_default="all"),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", help="Of each clip, from its middle.", show_default="5.12")
    ] = None,
    metrics: Annotated[
        str | None,
        _listed(
            _result_option,
            "--metrics",
            "NAME",
            "What tables show: lsd, lsd_low, lsd_high, envelope_db, flatness_db, tonality_db,"
            " log_mel_db, multi_resolution, lsd_paper, low_si_sdr_db, pesq, stoi. A CSV has all.",
            "lsd,envelope_db,flatness_db",
        ),
    ] = None,
    csv: Annotated[Path | None, _result_option("--csv", metavar="FILE", help="Every single score.")] = None,
    markdown: Annotated[
        Path | None, _result_option("--markdown", metavar="FILE", help="The tables as Markdown.")
    ] = None,
    plots: Annotated[
        Path | None, _result_option("--plots", metavar="FOLDER", help="Curves and spectrograms.")
    ] = None,
    audio: Annotated[
        Path | None,
        _result_option(
            "--audio",
            metavar="FOLDER",
            help="Keep what was compared: originals, inputs for other systems, and outputs.",
        ),
    ] = None,
    json: Annotated[bool, _result_option("--json", help="One JSON object per mean and line.")] = False,
    overwrite: Annotated[bool, _result_option("--overwrite", help="Replace results that exist.")] = False,
    device: Annotated[
        str, typer.Option("--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:1 or mps.")
    ] = "auto",
) -> None:
    """Score models and naive baselines on recordings whose highs are known.

    [bold]audiosr-fx evaluate clips --models mini --cutoffs 4000,8000 --csv scores.csv --plots pictures[/bold]

    Another system: let it work on [bold]--audio kept[/bold], then add [bold]--outputs NAME=FOLDER[/bold].
    """
    from audiosr_fx.commands.comparison import Results, compare, report
    from audiosr_fx.quality.plan import make_plan

    changes = {
        "models": _words(models),
        "qualities": _words(qualities),
        "samplers": _words(samplers),
        "steps": _numbers("steps", steps, int),
        "guidance": _numbers("guidance", guidance, float),
        "seeds": _numbers("seeds", seeds, int),
        "variants": _words(variants),
        "baselines": baselines,
        "tilts_db_per_octave": _numbers("tilts", tilts, float),
        "predictor": predictor,
        "vocoder_bound": vocoder_bound,
        "cutoffs_hz": _numbers("cutoffs", cutoffs, float),
        "families": _words(families),
        "order": order,
        "codecs": _words(codecs),
        "hiss": _numbers("hiss", hiss, float),
        "tones": _numbers("tones", tones, float),
        "limit": limit,
        "seconds": seconds,
        "metrics": _words(metrics),
    }
    plan = make_plan(experiment, {name: value for name, value in changes.items() if value is not None})
    results = Results(csv=csv, markdown=markdown, plots=plots, audio=audio, json=json, overwrite=overwrite)
    results.check(folder)
    done = compare(folder, plan, outputs or [], results, everything=everything, device=device)
    report(done, plan, results)
    if isinstance(done.failure, KeyboardInterrupt):
        raise typer.Exit(ExitCode.CANCELLED)
    if done.failure is not None:
        raise done.failure
    raise typer.Exit(ExitCode.OK if done.is_complete else ExitCode.SOME_FAILED)


def _listed(option: Callable[..., Any], flag: str, each: str, help: str, default: str = "") -> Any:
    """An option that takes several values, with commas between them."""
    return option(flag, metavar=f"{each},...", help=help, show_default=default or True)


def _words(text: str | None) -> tuple[str, ...] | None:
    """What stands between commas; None where nothing was said."""
    if text is None:
        return None
    return tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))


def _numbers(name: str, text: str | None, kind: Callable[[str], T]) -> tuple[T, ...] | None:
    words = _words(text)
    if words is None:
        return None
    try:
        return tuple(kind(word) for word in words)
    except ValueError as error:
        numbers = "whole numbers" if kind is int else "numbers"
        raise ParameterError(f"{name} is {text!r}; expected {numbers} with commas between") from error
