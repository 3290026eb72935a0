"""``audiosr-fx render``: files or folders in, the same files with their highs restored out."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from audiosr_fx.cache import chosen_cache
from audiosr_fx.commands.batch_run import Batch, run_batch
from audiosr_fx.commands.inputs import find_inputs
from audiosr_fx.commands.job import Bits, Job, Recipe
from audiosr_fx.commands.options import control_option
from audiosr_fx.commands.outputs import OutputFormat, Place, plan_outputs
from audiosr_fx.commands.plain_render import PlainRecipe
from audiosr_fx.commands.terminal import printable, say_note
from audiosr_fx.errors import ParameterError
from audiosr_fx.settings import RenderSettings, Spacing, parse_region
from audiosr_fx.wording import first_few

NEW_BAND = "New band"
_output_option = partial(typer.Option, rich_help_panel="Output")
_machine_option = partial(typer.Option, rich_help_panel="Machine")
_set_option = partial(typer.Option, rich_help_panel="Folders, albums and stems")


class StemCutoff(StrEnum):
    """Whose cutoff a stem of a set takes."""

    SHARED = "shared"
    OWN = "own"


def render_files(
    context: typer.Context,
    inputs: Annotated[list[Path], typer.Argument(metavar="IN", help="Audio files, or folders of them.")],
    out: Annotated[
        Place,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            parser=Place.from_text,
            help="A file for one input file, otherwise a folder, as a name that ends in a slash always is.",
        ),
    ],
    recursive: Annotated[
        bool, _set_option("--recursive", "-r", help="Read the sub-folders of folders too, and keep them.")
    ] = False,
    preset: Annotated[
        str | None,
        typer.Option(
            "--preset",
            metavar="NAME",
            help="A whole chain instead: a name from audiosr-fx presets list, or a .toml file.",
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change a value of the preset, such as target_lufs=-16; may be given more than once.",
        ),
    ] = None,
    model: Annotated[str, control_option("model")] = "mini",
    quality: Annotated[str, control_option("quality")] = "standard",
    seed: Annotated[int, control_option("seed")] = 0,
    cutoff_hz: Annotated[float | None, control_option("cutoff_hz")] = None,
    region: Annotated[
        str | None,
        typer.Option(
            "--region",
            metavar="START-END",
            help="Only this part: seconds (12.5-17), minutes (1:02.5-1:10) or samples (480s-960s);"
            " 12.5- goes to the end.",
        ),
    ] = None,
    tempo_map: Annotated[
        Path | None,
        typer.Option(
            "--tempo-map",
            metavar="FILE",
            help="MIDI file of the song, which begins with the audio; --region is then a marker's name"
            " ('Chorus 2') or bars (17, 17:3-18:1, 17-, 17-25, which ends where 25 begins).",
        ),
    ] = None,
    format: Annotated[
        OutputFormat | None,
        _output_option(
            "--format", help="File format.", show_default="by the name of the output or the input"
        ),
    ] = None,
    bits: Annotated[
        Bits,
        _output_option(
            "--bits", help="Bits per sample: 16 (dithered), 24, or 32 (float); auto keeps float, else 24."
        ),
    ] = Bits.AUTO,
    overwrite: Annotated[
        bool, _output_option("--overwrite", help="Replace outputs that exist; never an input.")
    ] = False,
    metadata: Annotated[
        bool,
        _output_option(
            "--metadata/--no-metadata",
            help="Carry tags, markers, time stamps and pictures over, and note how the file was made.",
        ),
    ] = True,
    skip_untouched: Annotated[
        bool,
        _set_option(
            "--skip-untouched",
            help="Write nothing for files that need nothing; else they are written as they are.",
        ),
    ] = False,
    album: Annotated[
        bool,
        _set_option("--album", help="One gain for all files, measured over the set: their balance is kept."),
    ] = False,
    stems: Annotated[
        bool,
        _set_option(
            "--stems",
            help="All files are stems of one session; check that their sum is still that of the originals.",
        ),
    ] = False,
    stem_cutoff: Annotated[
        StemCutoff,
        _set_option(
            "--stem-cutoff",
            help="With --stems: shared takes the cutoff that the set has in common, own each its own.",
        ),
    ] = StemCutoff.SHARED,
    jobs: Annotated[
        int, _machine_option("--jobs", "-j", metavar="N", help="Processes at a time, a model in each.")
    ] = 1,
    threads: Annotated[
        int | None,
        _machine_option(
            "--threads",
            metavar="N",
            help="Of the model in each process.",
            show_default="the cores divided by --jobs",
        ),
    ] = None,
    report: Annotated[
        Path | None,
        _set_option(
            "--report", metavar="HTML", help="Write a page to read, look at and listen to what was done."
        ),
    ] = None,
    cache: Annotated[
        bool,
        _machine_option(
            "--cache/--no-cache",
            help="Keep what the model makes, and reuse it; audiosr-fx cache show says where.",
        ),
    ] = True,
    device: Annotated[
        str, _machine_option("--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:1 or mps.")
    ] = "auto",
    json: Annotated[
        bool, typer.Option("--json", help="One JSON object per file and line, and one for all.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
    steps: Annotated[int | None, control_option("steps", panel="Sampling")] = None,
    guidance_scale: Annotated[float | None, control_option("guidance_scale", panel="Sampling")] = None,
    sampler: Annotated[str | None, control_option("sampler", panel="Sampling")] = None,
    spacing: Annotated[Spacing | None, control_option("spacing", panel="Sampling")] = None,
    eta: Annotated[float, control_option("eta", panel="Sampling")] = 0.0,
    detail: Annotated[float | None, control_option("detail", panel="Sampling")] = None,
    keep_low_band: Annotated[bool, control_option("keep_low_band", panel=NEW_BAND)] = True,
    brightness_db: Annotated[float, control_option("brightness_db", panel=NEW_BAND)] = 0.0,
    tilt_db_per_octave: Annotated[float, control_option("tilt_db_per_octave", panel=NEW_BAND)] = 0.0,
    ceiling_hz: Annotated[float | None, control_option("ceiling_hz", panel=NEW_BAND)] = None,
    mix: Annotated[float, control_option("mix", panel=NEW_BAND)] = 1.0,
    deess_db: Annotated[float, control_option("deess_db", panel=NEW_BAND)] = 0.0,
) -> None:
    """Restore the highs of audio files.

    One file: [bold]audiosr-fx render dull.wav -o restored.wav[/bold]

    A folder: [bold]audiosr-fx render stems -o restored --recursive --jobs 2[/bold]

    A part: [bold]audiosr-fx render song.flac -o chorus.flac --region 1:02.5-1:30[/bold]

    Through a chain: [bold]audiosr-fx render voice.wav -o voice.flac --preset podcast[/bold]

    An album: [bold]audiosr-fx render songs -o out --preset streaming-master --album --report out.html[/bold]

    Material that already reaches 20 kHz, and silence, pass through untouched, but for noise that is to go.
    """
    settings = RenderSettings(
        model=model,
        quality=quality,
        seed=seed,
        cutoff_hz=cutoff_hz,
        steps=steps,
        guidance_scale=guidance_scale,
        sampler=sampler,
        spacing=spacing,
        eta=eta,
        detail=detail,
        keep_low_band=keep_low_band,
        brightness_db=brightness_db,
        tilt_db_per_octave=tilt_db_per_octave,
        ceiling_hz=ceiling_hz,
        mix=mix,
        deess_db=deess_db,
    )
    region = _region_in_song(region, tempo_map) if tempo_map is not None else region
    job = Job(
        settings=settings,
        region=region,
        bits=bits,
        overwrite=overwrite,
        keep_metadata=metadata,
        skip_untouched=skip_untouched,
        cache=chosen_cache(cache),
    )
    if region is not None:
        parse_region(region, 48_000)
    found = find_inputs(inputs, recursive=recursive)
    tasks = plan_outputs(found.inputs, out.path, format, is_folder=out.is_folder)
    _tell_of_foreign(found.foreign)
    job = replace(job, protected=tuple(task.source for task in tasks))
    if bits is Bits.FLOAT and any(task.format is OutputFormat.FLAC for task in tasks):
        raise ParameterError("bits is 32; FLAC takes 16 or 24, so choose another format")
    recipe: Recipe = PlainRecipe(job=job, device=device)
    if preset is not None:
        from audiosr_fx.commands.preset_render import PresetRecipe, choose_preset

        chosen = choose_preset(preset, changes or [], context)
        recipe = PresetRecipe(chosen=chosen, job=job, device=device)
        album = album or chosen.is_album
        if album:
            chosen.check_album()
    elif changes:
        raise ParameterError(f"--set is {changes[0]!r}, but there is no --preset whose value it could be")
    batch = Batch(
        jobs=jobs,
        threads=threads,
        is_album=album,
        is_stem_set=stems,
        shares_cutoff=stem_cutoff is StemCutoff.SHARED,
        report=report,
        json=json,
        quiet=quiet,
    )
    run_batch(tasks, recipe, batch)


def _tell_of_foreign(foreign: list[Path]) -> None:
    """Say what stays behind in the folders although it is audio."""
    if foreign:
        named = printable(first_few([str(path) for path in foreign], 3))
        say_note(f"left out, as such formats are not read: {named}; convert them to WAV")


def _region_in_song(region: str | None, tempo_map: Path) -> str:
    """A part of a song as seconds; the bridge to hosts knows bars and markers."""
    from hosts.tempo import read_tempo_map

    if region is None:
        raise ParameterError("--tempo-map is given without --region; name a marker or bars")
    return read_tempo_map(tempo_map).region_text(region)
