"""Orders for the job tests, without reading presets or models, and how they end without a renderer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from audiosr_fx.jobs.job import Job
from audiosr_fx.jobs.order import Order, hash_file, identify
from audiosr_fx.jobs.publish import Publisher
from audiosr_fx.jobs.request import RenderRequest
from audiosr_fx.jobs.store import JobStore

FAKE = "fake_renderers:render"


def make_order(source: Path, folder: Path, name: str = "", *, recipe: str = "a chain", **more: Any) -> Order:
    """An order for a source that is there; ``more`` are fields of its request."""
    request = RenderRequest(source=source, folder=folder, output_name=name or f"{source.stem}.wav", **more)
    return Order(request=request, source=identify(source), recipe=recipe)


def new_source(folder: Path, name: str, content: bytes) -> Path:
    """A source of a content, in a folder that is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(content)
    return path


def new_order(folder: Path, name: str = "stem.wav", content: bytes = b"plain", **more: Any) -> Order:
    """An order for a new source in ``in`` of a folder, to be rendered into its ``out``."""
    return make_order(new_source(folder / "in", name, content), folder / "out", name, **more)


def outputs(folder: Path) -> list[str]:
    """The names in ``out`` of a folder, without manifests."""
    out = folder / "out"
    names = [path.name for path in out.iterdir()] if out.exists() else []
    return sorted(name for name in names if not name.endswith(".audiosr_fx.json"))


def taken(store: JobStore) -> Job:
    """The next job, running from now on."""
    job = store.take()
    assert job is not None
    return job


def published(store: JobStore, content: bytes) -> Job:
    """The next job brought to its end with a file and a manifest, as a service does it."""
    job, publisher = taken(store), Publisher(store)
    staged = publisher.prepare(job)
    staged.write_bytes(content)
    return publisher.publish(job, hash_file(staged), {})
