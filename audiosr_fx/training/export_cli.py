"""``audiosr-fx train export``: the trained stages of a run as one model file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audiosr_fx.commands.terminal import printable, refuse_taken, say, say_note
from audiosr_fx.errors import CheckpointError, ParameterError
from audiosr_fx.model.catalogue import KNOWN_MODELS, read_card
from audiosr_fx.model.places import models_folder
from audiosr_fx.toml_text import read_text
from audiosr_fx.training.options import RecipeName, Runs, log_to_stderr

if TYPE_CHECKING:
    from audiosr_fx.model.audiosr import AudioSRModel
    from audiosr_fx.training.card import Ancestor, Card


def export(
    destination: Annotated[
        str,
        typer.Argument(
            metavar="NAME|FILE",
            help="A name, to render with it by that name, or a file ending in .safetensors.",
        ),
    ],
    runs: Runs = Path("runs"),
    recipe: RecipeName = "mini",
    init: Annotated[
        str | None,
        typer.Option(
            "--init",
            metavar="MODEL",
            help="Take stages that were not trained from here; not needed where the run itself recorded it.",
        ),
    ] = None,
    licence: Annotated[
        str,
        typer.Option(
            "--licence",
            help="Licence of the weights, for their card; that of the model gone on from when not given.",
        ),
    ] = "",
    description: Annotated[str, typer.Option("--description", help="One line, for lists and the card.")] = "",
    card: Annotated[
        Path | None, typer.Option("--card", metavar="FILE", help="Text of your own, added to the card.")
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            metavar="FOLDER",
            help="Fit the output level on the validation clips in here (models with a predictor).",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a model that is there.")] = False,
) -> None:
    """Write the trained stages as one half-precision model file with its card.

    Stages that were not trained come from the weights that the run started from.
    """
    import torch

    from audiosr_fx.model.checkpoint import save_model
    from audiosr_fx.training.assemble import check_starts, trained_model
    from audiosr_fx.training.recipes import load_recipe

    log_to_stderr()
    path = _export_path(destination)
    licence, description = (printable(" ".join(text.split())) for text in (licence, description))
    refuse_taken(path, overwrite)
    notes = "" if card is None else read_text(card, "text for a card")
    fallback = load_recipe(recipe)
    model, records = trained_model(runs, fallback, init)
    if init is None:
        check_starts(records)
    if data:
        _calibrate(model, data, next(iter(records.values())), fallback)
    model.config = replace(model.config, name=path.stem)
    text = _write_card(path.stem, model, records, init, licence, description, notes)
    save_model(
        model,
        path,
        text.text,
        torch.float16,
        notes={
            "description": text.description,
            "licence": text.licence,
            "attribution": text.attribution,
            "recipe_sha256": text.recipe_sha256,
            "trained_on": text.trained_on,
        },
    )
    say(str(path))


def _export_path(destination: str) -> Path:
    if destination.endswith(".safetensors"):
        return Path(destination).expanduser()
    if destination in KNOWN_MODELS or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", destination):
        raise ParameterError(
            f"the model's name is {destination!r}; expected letters, digits, dots, _ and -, and none of"
            f" {', '.join(KNOWN_MODELS)}; or a file ending in .safetensors"
        )
    return models_folder() / f"{destination}.safetensors"


def _calibrate(model: AudioSRModel, data: list[str], record: dict[str, Any], recipe: Any) -> None:
    from audiosr_fx.training.calibrate import calibrate_level
    from audiosr_fx.training.data import DataFolder
    from audiosr_fx.training.folders import load_data
    from audiosr_fx.training.run import recorded_data_settings, split_data

    clips = load_data([DataFolder.parse(text) for text in data])
    _, validation = split_data(clips, recorded_data_settings(record, recipe))
    gain_db = calibrate_level(model, validation)
    say_note(f"output level changed by {gain_db:+.1f} dB")


def _write_card(
    name: str,
    model: AudioSRModel,
    records: Mapping[str, Mapping[str, Any]],
    init: str | None,
    licence: str,
    description: str,
    notes: str,
) -> Card:
    from audiosr_fx.training.assemble import first_weights
    from audiosr_fx.training.card import write_card

    start = first_weights(init, records.values())
    ancestor = None if start is None else _ancestor(start)
    if ancestor is not None:
        _say_licence(licence, ancestor)
    return write_card(
        name,
        records,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        licence=licence,
        description=description,
        notes=notes,
        ancestor=ancestor,
    )


def _ancestor(start: str) -> Ancestor:
    """What the weights that a run started from say of themselves; a file that is gone says nothing."""
    from audiosr_fx.training.card import Ancestor

    name = Path(start).stem if start.endswith(".safetensors") else start
    known = KNOWN_MODELS[start].licence if start in KNOWN_MODELS else ""
    try:
        card = read_card(start)
    except CheckpointError:
        return Ancestor(name=name, licence=known)
    return Ancestor(
        name=name,
        licence=card.licence or known,
        card=card.card,
        attribution=card.attribution,
        trained_on=card.trained_on,
    )


def _say_licence(licence: str, ancestor: Ancestor) -> None:
    """Weights that went on from others are made of them, whatever their own card says."""
    theirs = ancestor.licence_id
    if not licence and theirs:
        say_note(printable(f"licence: {theirs}, that of {ancestor.name}, from which these weights went on"))
    elif not theirs:
        say_note(printable(f"{ancestor.name}, from which these weights went on, states no licence"))
    elif licence.partition(",")[0].strip().lower() != theirs.lower():
        say_note(
            printable(
                f"warning: licence is {licence}, but these weights went on from {ancestor.name}, which is"
                f" {theirs}; state that one unless you hold the rights to both"
            )
        )
