"""``audiosr-fx models``: what there is, where it comes from, what its card says, and whether it is whole."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audiosr_fx.commands.terminal import printable, say, say_json, say_note

if TYPE_CHECKING:
    from audiosr_fx.model.catalogue import ModelEntry


class PublishedModel(StrEnum):
    """Models that AudioSR's authors published."""

    BASIC = "basic"
    SPEECH = "speech"


app = typer.Typer(no_args_is_help=True, help="List, show, fetch, import and verify models.")


@app.command("list")
def list_command(
    json: Annotated[bool, typer.Option("--json", help="One JSON object per model and line.")] = False,
) -> None:
    """Show every model, and where its weights lie."""
    from audiosr_fx.model.catalogue import list_models

    entries = list_models()
    width = max(len(entry.name) for entry in entries) + 2
    for entry in entries:
        if json:
            path = None if entry.path is None else str(entry.path)
            say_json(
                {
                    "name": entry.name,
                    "description": entry.description,
                    "licence": entry.licence,
                    "path": path,
                    "size_bytes": entry.size_bytes,
                }
            )
        else:
            say(printable(f"{entry.name:<{width}}{entry.description} (licence: {entry.licence})"))
            say(printable(f"{'':<{width}}{_place(entry)}"))


def _place(entry: ModelEntry) -> str:
    if entry.path is not None:
        return f"{entry.path}, {entry.size_bytes / 1e6:.1f} MB"
    return f"not here; to fetch it: audiosr-fx models pull {entry.name}"


@app.command("show")
def show_command(
    name: Annotated[
        str, typer.Argument(metavar="NAME|FILE", help="A model by name, or a .safetensors file.")
    ],
) -> None:
    """Print a model's card: its licence, whose recordings it learned from, and how."""
    from audiosr_fx.model.catalogue import read_card

    card = read_card(name)
    say(
        "\n".join(map(printable, card.card.expandtabs().rstrip().splitlines()))
        or f"{name}: its file has no card"
    )


@app.command("pull")
def pull_command(
    name: Annotated[PublishedModel, typer.Argument(metavar="basic|speech", help="Which one.")],
) -> None:
    """Download a published model (about 6 GB) and turn it into safetensors.

    Without a network, bring the file yourself:
    [bold]audiosr-fx models import pytorch_model.bin --name basic[/bold]
    """
    from audiosr_fx.model.catalogue import KNOWN_MODELS
    from audiosr_fx.model.importing import pull

    known = KNOWN_MODELS[name]
    say_note(f"downloading {known.repository} from Hugging Face, about 6 GB; licence: {known.licence}")
    say(str(pull(name)))


@app.command("import")
def import_command(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A published checkpoint, pickled or safetensors.")
    ],
    name: Annotated[
        PublishedModel, typer.Option("--name", help="Which of the published models it is.")
    ] = PublishedModel.BASIC,
) -> None:
    """Turn a checkpoint file into safetensors, without running anything inside it."""
    from audiosr_fx.model.config import BASIC, SPEECH
    from audiosr_fx.model.importing import import_checkpoint

    config = {PublishedModel.BASIC: BASIC, PublishedModel.SPEECH: SPEECH}[name]
    say(str(import_checkpoint(file, config)))


@app.command("verify")
def verify_command(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME|FILE", help="Models by name, or .safetensors files.")
    ],
) -> None:
    """Hold models against their configuration and the hash recorded when they were saved."""
    from audiosr_fx.model.checkpoint import verify

    for name in names:
        card = verify(name)
        unchanged = "as it was saved" if card.tensors_sha256 else "but without a hash to hold it against"
        source = f"; imported from a file with SHA-256 {card.source_sha256}" if card.source_sha256 else ""
        say(f"{name}: whole, {unchanged}{source}")
