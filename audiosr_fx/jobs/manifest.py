"""The manifest beside an output: what made it, so that it can be made again, and known again."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from audiosr_fx.atomic import publish, write_through
from audiosr_fx.errors import AudioSRError, MessageError
from audiosr_fx.jobs.order import Order, hash_file, order_from_dict
from audiosr_fx.jobs.request import MANIFEST_SUFFIX, read_json

VERSION: Final = 1
MAX_BYTES: Final = 1 << 20
DigestOf: TypeAlias = Callable[[Path], str]
"""The SHA-256 of a file; OSError where it cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What is written beside an output.

    Attributes:
        order: what was asked for: source, its hash, chain, models and their hashes, seed.
        output_name: of the file it is about.
        output_sha256: of its content.
        result: what the render said of itself: cutoffs, decisions, versions, device.
    """

    order: Order
    output_name: str
    output_sha256: str
    result: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """As it stands in the file."""
        told = {
            "manifest": VERSION,
            "key": self.order.key,
            "output": {"name": self.output_name, "sha256": self.output_sha256},
            "result": self.result,
            "order": self.order.to_dict(),
        }
        return json.dumps(told, indent=2, sort_keys=True) + "\n"


def manifest_path(output: Path) -> Path:
    """Where the manifest of an output lies."""
    return output.with_name(output.name + MANIFEST_SUFFIX)


def write_manifest(folder: Path, manifest: Manifest, aside: Path) -> None:
    """Put a manifest beside its output, whole or not at all, in place of an older one of that name.

    Args:
        folder: of the output.
        manifest: of the output.
        aside: a folder on the same disk, for the file while it is written.

    Raises:
        OSError: it cannot be written.
    """
    temporary = aside / f"{secrets.token_hex(8)}.json"
    write_through(temporary, manifest.to_json().encode("ascii"))
    publish(temporary, manifest_path(folder / manifest.output_name), overwrite=True)


def read_manifest(path: Path) -> Manifest:
    """Read a manifest, which anybody may have written.

    Raises:
        MessageError, ParameterError: it is none.
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        told = read_json(stream.read(MAX_BYTES + 1), str(path), MAX_BYTES)
    if not isinstance(told, dict) or told.get("manifest") != VERSION:
        raise MessageError(f"{path}: is no manifest of version {VERSION}")
    output, result = told.get("output"), told.get("result")
    if not isinstance(output, dict) or not isinstance(result, dict):
        raise MessageError(f"{path}: output or result is missing")
    return Manifest(
        order=order_from_dict(told.get("order")),
        output_name=str(output.get("name")),
        output_sha256=str(output.get("sha256")),
        result=result,
    )


def find_manifest(output: Path, key: str | None = None, digest_of: DigestOf = hash_file) -> Manifest | None:
    """The manifest of an output, where both are there and fit each other, and a key.

    Args:
        output: the file.
        key: of an order, or None for any.
        digest_of: what a file holds.
    """
    try:
        manifest = read_manifest(manifest_path(output))
        if manifest.output_name != output.name or key not in (None, manifest.order.key):
            return None
        return manifest if digest_of(output) == manifest.output_sha256 else None
    except (AudioSRError, OSError):
        return None


def is_of_another(output: Path, key: str) -> bool:
    """Whether the manifest beside an output says that another order made it; the output is not read."""
    try:
        return read_manifest(manifest_path(output)).order.key != key
    except (AudioSRError, OSError):
        return False


def source_of(output: Path) -> Path | None:
    """What an output was made of, as the manifest beside it says; None where there is none."""
    try:
        return read_manifest(manifest_path(output)).order.request.source
    except (AudioSRError, OSError):
        return None


def find_manifests(folder: Path) -> Iterator[Manifest]:
    """Every manifest of a folder whose output is there and is what it says."""
    with suppress(OSError):
        for path in sorted(folder.iterdir()):
            if path.name.endswith(MANIFEST_SUFFIX):
                manifest = find_manifest(path.with_name(path.name.removesuffix(MANIFEST_SUFFIX)))
                if manifest is not None:
                    yield manifest
