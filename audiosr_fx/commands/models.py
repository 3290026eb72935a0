"""``audiosr-fx models``: what there is, where it comes from, and whether it is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from audiosr_fx.commands.terminal import say, say_json

app = typer.Typer(no_args_is_help=True, help="List, fetch, import and verify models.")


@app.command("list")
def list_command(
    json: Annotated[bool, typer.Option("--json", help="One JSON object per model and line.")] = False,
) -> None:
    """Show every model, and where its weights lie."""
    from audiosr_fx.model.checkpoint import list_models


@app.command("pull")
def pull_command(
    name: Annotated[str, typer.Argument(metavar="basic|speech", help="Which published model.")],
) -> None:
    """Download a published model and turn it into safetensors."""


@app.command("import")
def import_command(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A published checkpoint: .bin, .ckpt or .pth.")
    ],
    name: Annotated[str, typer.Option("--name", help="What to call it: basic or speech.")] = "basic",
) -> None:
    """Turn a checkpoint file into safetensors, without running anything inside it."""


@app.command("verify")
def verify_command(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A model's name, or a .safetensors file.")],
) -> None:
    """Hold a model's weights against what was recorded when they were made."""
