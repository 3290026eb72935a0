"""``audiosr-fx doctor``: what this machine has, and what would not work on it."""

from __future__ import annotations

import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from audiosr_fx import __version__
from audiosr_fx.commands.terminal import ExitCode, describe_error, say, say_json
from audiosr_fx.errors import CheckpointError

_PACKAGES = ("torch", "numpy", "scipy", "soundfile", "soxr", "pedalboard", "safetensors", "huggingface-hub")


def doctor(
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show devices, versions, weights and helper programs, and load the embedded model."""
    report: dict[str, object] = {
        "audiosr-fx": __version__,
        "python": f"{platform.python_version()} on {platform.platform()}",
        "packages": {name: _version(name) for name in _PACKAGES},
        "devices": find_devices(),
        "formats": _formats(),
        "ffmpeg": shutil.which("ffmpeg") or "not found; not needed",
        "models": _models(),
    }
    problem = _try_mini()
    report["mini"] = problem or "loads"
    if json:
        say_json(report)
    else:
        for name, value in report.items():
            _say_entry(name, value)
    raise typer.Exit(ExitCode.MODEL if problem else ExitCode.OK)


def find_devices() -> list[str]:
    """Every device torch can compute on, the one that ``auto`` takes first."""
    import torch

    devices = [f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return [*devices, f"cpu (threads: {torch.get_num_threads()})"]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def _formats() -> str:
    import soundfile

    return f"libsndfile {soundfile.__libsndfile_version__}"


def _models() -> dict[str, str]:
    from audiosr_fx.model.catalogue import list_models

    return {entry.name: str(entry.path or "not here") for entry in list_models()}


def _try_mini() -> str | None:
    """What keeps the embedded model from loading, if anything."""
    from audiosr_fx.model.checkpoint import load_model

    try:
        load_model("mini")
    except CheckpointError as error:
        return describe_error(error)
    return None


def _say_entry(name: str, value: object) -> None:
    if isinstance(value, dict):
        value = [f"{key} {text}" for key, text in value.items()]
    lines = value if isinstance(value, list) else [value]
    for i, line in enumerate(lines):
        say(f"{name if i == 0 else '':<12}{line}")
