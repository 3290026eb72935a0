"""An order: a request with everything pinned down that it only names: source, chain and weights.

It is what the store keeps, so a job renders what its key says, whatever becomes of a preset meanwhile.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from audiosr_fx.errors import AudioFormatError, AudioSRError, CheckpointError, MessageError, ParameterError
from audiosr_fx.jobs.request import RenderRequest, request_from_dict
from audiosr_fx.model.catalogue import find_model
from audiosr_fx.model.places import file_sha256
from audiosr_fx.wording import shown

if TYPE_CHECKING:
    from audiosr_fx.preset import Preset

_BLOCK_BYTES: Final = 1 << 20
PLAIN: Final = """\
schema = 1
name = "Restore"
description = "New highs above the cutoff, everything below it as it was."

[[chain]]
type = "AudioSR"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceIdentity:
    """Which content a file had when it was taken in.

    ``sha256`` says it for certain; the others change whenever the content does, and are quick to compare.
    """

    sha256: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A request and what it stood for when it was made.

    Attributes:
        request: as the front door gave it.
        source: the content it is about.
        recipe: the chain as the text of a preset, all overrides applied.
        recipe_path: the file that the recipe came from; files that it names lie beside that.
        models: the name of every model the chain renders with, and the SHA-256 of its file.
    """

    request: RenderRequest
    source: SourceIdentity
    recipe: str
    recipe_path: str = ""
    models: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> str:
        """The same for two orders that would make the same file; 64 hexadecimal digits."""
        return self.key_in(os.path.realpath(self.request.folder))

    def key_in(self, real_folder: str) -> str:
        """The key, where the real name of its request's folder is known already."""
        request = self.request
        told = [
            self.source.sha256,
            " ".join(request.region.split()),
            self.recipe,
            self.recipe_path,
            sorted(self.models),
            request.format,
            request.bits,
            request.keep_metadata,
            real_folder,
            request.output_name,
            *([request.splice] if request.splice else []),
        ]
        return hashlib.sha256(json.dumps(told).encode("ascii")).hexdigest()

    @property
    def output_is_replaced(self) -> bool:
        """Whether a file of its name may be replaced."""
        return self.request.collision == "replace"

    def to_dict(self) -> dict[str, Any]:
        """The order as JSON can say it; ``order_from_dict`` reads it back."""
        return {
            "request": self.request.to_dict(),
            "source": asdict(self.source),
            "recipe": self.recipe,
            "recipe_path": self.recipe_path,
            "models": [list(model) for model in self.models],
        }


def order_from_dict(told: Any) -> Order:
    """Read an order back.

    Raises:
        MessageError, ParameterError: it is none.
    """
    if not isinstance(told, Mapping):
        raise MessageError(f"the order is {type(told).__name__}; expected an object")
    try:
        source = told["source"]
        if {one.name for one in fields(SourceIdentity)} != set(source):
            raise MessageError("the order's source has other keys than expected")
        return Order(
            request=request_from_dict(told["request"]),
            source=SourceIdentity(**source),
            recipe=str(told["recipe"]),
            recipe_path=str(told["recipe_path"]),
            models=tuple((str(name), str(digest)) for name, digest in told["models"]),
        )
    except (KeyError, TypeError, ValueError) as cause:
        if isinstance(cause, (MessageError, ParameterError)):
            raise
        raise MessageError(f"the order cannot be read ({cause})") from cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a request asks for, whatever the source; the attributes as those of ``Order``."""

    recipe: str
    recipe_path: str
    models: tuple[tuple[str, str], ...]


class RecipeBook:
    """Recipes as they are now, each read once, good or bad: for who places many orders in one moment."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], Recipe | AudioSRError] = {}

    def find(self, request: RenderRequest) -> Recipe:
        """The recipe of a request; raises as ``place_order``."""
        key = (request.preset, request.model, request.seed, request.overrides)
        if key not in self._known:
            try:
                self._known[key] = _read_recipe(request)
            except AudioSRError as error:
                self._known[key] = error
        found = self._known[key]
        if isinstance(found, AudioSRError):
            raise found.with_traceback(None)
        return found


def place_order(request: RenderRequest, book: RecipeBook | None = None) -> Order:
    """Pin a request down: hash its source, read its preset, hash its models.

    Args:
        request: what is asked for.
        book: of recipes, which may be as old as itself; None reads anew.

    Raises:
        AudioFormatError: the source cannot be read.
        PresetError, ParameterError: no such preset, or a value that does not fit.
        CheckpointError: no such model.
    """
    from audiosr_fx.settings import parse_region

    if request.region:
        parse_region(request.region, 48_000)
    found = (book or RecipeBook()).find(request)
    return Order(
        request=request,
        source=identify(request.source),
        recipe=found.recipe,
        recipe_path=found.recipe_path,
        models=found.models,
    )


def check_recipe(request: RenderRequest) -> None:
    """Refuse what ``place_order`` would for a reason other than its source; reads no model, so it is quick.

    Raises:
        PresetError, ParameterError: no such preset, or a value that does not fit.
        CheckpointError: no such model.
    """
    for name in _models_of(_read_preset(request)):
        find_model(name)


def _read_recipe(request: RenderRequest) -> Recipe:
    """Read a request's preset, apply what it overrides, and hash the models."""
    preset = _read_preset(request)
    return Recipe(
        recipe=preset.to_toml(),
        recipe_path=preset.source if preset.source.endswith(".toml") else "",
        models=tuple((name, model_sha256(name)) for name in _models_of(preset)),
    )


def _read_preset(request: RenderRequest) -> Preset:
    """A request's preset, with what it overrides."""
    from audiosr_fx.preset import parse_preset
    from audiosr_fx.presets import find_preset, read_preset

    preset = (
        read_preset(find_preset(request.preset)) if request.preset else parse_preset(PLAIN, "the request")
    )
    restores = any(section.type == "AudioSR" for _, section in preset.sections())
    asked = {"model": request.model or None, "seed": request.seed}
    given = {name: value for name, value in asked.items() if value is not None}
    if given and restores:
        preset = preset.with_values("AudioSR", given)
    elif request.model:
        raise ParameterError(f"model is {request.model!r}, but the preset {preset.name} has no AudioSR")
    for key, value in request.overrides:
        preset = preset.with_setting(key, value)
    return preset


def _models_of(preset: Preset) -> list[str]:
    """The names of the models that a chain renders with, each once, sorted."""
    return sorted(
        {
            str(section.values.get("model", "mini"))
            for _, section in preset.sections()
            if section.type == "AudioSR"
        }
    )


def model_sha256(name: str) -> str:
    """The SHA-256 of a model's file as it is now.

    Raises:
        CheckpointError: there is none of that name, or it cannot be read.
    """
    path = find_model(name)
    try:
        return file_sha256(path)
    except OSError as cause:
        raise CheckpointError(
            f"model {name}: {shown(path)} cannot be read ({cause.strerror or cause})"
        ) from cause


def identify(path: Path) -> SourceIdentity:
    """Read a source to its end, and say which content it has.

    Raises:
        AudioFormatError: it is no plain file, cannot be read, or changes meanwhile.
    """
    try:
        with _opened(path) as stream:
            before = os.fstat(stream.fileno())
            if not stat.S_ISREG(before.st_mode):
                raise AudioFormatError(f"{shown(path)}: not a file; expected one audio file")
            digest = _digest(stream)
            after = os.fstat(stream.fileno())
    except OSError as cause:
        raise AudioFormatError(f"{shown(path)}: cannot be read ({cause.strerror or cause})") from cause
    if _times(before) != _times(after):
        raise AudioFormatError(f"{shown(path)}: is being written; try again when that has ended")
    return SourceIdentity(
        sha256=digest,
        size=after.st_size,
        mtime_ns=after.st_mtime_ns,
        ctime_ns=after.st_ctime_ns,
        inode=after.st_ino,
    )


def is_unchanged(path: Path, identity: SourceIdentity) -> bool:
    """Whether a file still has the content it was taken in with; read again only where its dates differ."""
    try:
        now = path.stat()
    except OSError:
        return False
    known = (identity.size, identity.mtime_ns, identity.ctime_ns, identity.inode)
    if (now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino) == known:
        return True
    try:
        return now.st_size == identity.size and identify(path).sha256 == identity.sha256
    except AudioFormatError:
        return False


def hash_file(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal digits; OSError where it cannot be read."""
    with _opened(path) as stream:
        return _digest(stream)


def _opened(path: Path) -> io.FileIO:
    """A file to read, without waiting for whoever may write into a pipe of that name."""
    return open(path, "rb", buffering=0, opener=_open_at_once)


def _open_at_once(name: str, flags: int) -> int:
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))


def _digest(stream: io.FileIO) -> str:
    digest = hashlib.sha256()
    while block := stream.read(_BLOCK_BYTES):
        digest.update(block)
    return digest.hexdigest()


def _times(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns
