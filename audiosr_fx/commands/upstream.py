"""``audiosr-fx upstream``: the flags and file names of the published AudioSR tool, on this renderer."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from audiosr_fx.cache import default_cache
from audiosr_fx.commands.batch_run import Batch, run_batch
from audiosr_fx.commands.job import Bits, Job
from audiosr_fx.commands.models import PublishedModel
from audiosr_fx.commands.outputs import OutputFormat, Task, check_distinct
from audiosr_fx.commands.plain_render import PlainRecipe
from audiosr_fx.errors import ParameterError
from audiosr_fx.settings import RenderSettings


def upstream(
    input_audio_file: Annotated[
        Path | None, typer.Option("--input_audio_file", "-i", metavar="FILE", help="One audio file.")
    ] = None,
    input_file_list: Annotated[
        Path | None,
        typer.Option(
            "--input_file_list", "-il", metavar="FILE", help="A text file, one path per line; wins over -i."
        ),
    ] = None,
    save_path: Annotated[
        Path, typer.Option("--save_path", "-s", metavar="FOLDER", help="A dated folder is made in it.")
    ] = Path("output"),
    model_name: Annotated[
        PublishedModel, typer.Option("--model_name", help="Pull it first: audiosr-fx models pull basic.")
    ] = PublishedModel.BASIC,
    device: Annotated[
        str, typer.Option("--device", "-d", metavar="DEVICE", help="auto, cpu, cuda, cuda:1 or mps.")
    ] = "auto",
    ddim_steps: Annotated[int, typer.Option("--ddim_steps", metavar="N", help="Sampling steps.")] = 50,
    guidance_scale: Annotated[
        float, typer.Option("--guidance_scale", "-gs", metavar="X", help="Guidance of the sampler.")
    ] = 3.5,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="The same for every file.")] = 42,
    suffix: Annotated[
        str, typer.Option("--suffix", help="Stands between the input's base name and .wav.")
    ] = "_AudioSR_Processed_48K",
) -> None:
    """Take the flags of the published audiosr tool, and name files as it does.

    [bold]audiosr-fx upstream -i dull.wav -s results --ddim_steps 50 -gs 3.5[/bold]

    What comes out is this renderer's work: level, length and channels are the input's, the low band is not
    touched, and files are 24-bit WAV at 48 kHz.
    """
    settings = RenderSettings(
        model=model_name,
        seed=seed,
        steps=ddim_steps,
        guidance_scale=guidance_scale,
        sampler="ddim",
        eta=1.0,
    )
    sources = _sources(input_audio_file, input_file_list)
    folder = save_path / datetime.now().strftime("%d_%m_%Y_%H_%M_%S")
    tasks = [Task(path, folder / f"{path.stem}{suffix}.wav", OutputFormat.WAV) for path in sources]
    check_distinct(tasks)
    job = Job(
        settings=settings,
        bits=Bits.PCM_24,
        sample_rate_out=48_000,
        protected=tuple(sources),
        cache=default_cache(),
    )
    run_batch(tasks, PlainRecipe(job=job, device=device), Batch())


def _sources(one: Path | None, listed: Path | None) -> list[Path]:
    """The inputs, those of the list first of all.

    Raises:
        ParameterError: neither is given, or the list cannot be read or is empty.
    """
    if listed is None:
        if one is None:
            raise ParameterError("no input; expected -i FILE or -il LIST")
        return [one]
    try:
        lines = listed.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise ParameterError(f"input_file_list is {listed}; expected a text file in UTF-8 ({why})") from error
    sources = list(dict.fromkeys(Path(line.strip()) for line in lines if line.strip()))
    if not sources:
        raise ParameterError(f"input_file_list is {listed}; it names no file")
    return sources
