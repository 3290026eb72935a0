"""``audiosr-fx cache``: what the render cache holds, and how to be rid of it."""

from __future__ import annotations

from typing import Annotated

import typer

from audiosr_fx.cache import SIZE_VARIABLE, RenderCache, default_cache
from audiosr_fx.commands.terminal import say, say_json
from audiosr_fx.wording import shown

app = typer.Typer(
    no_args_is_help=True,
    help="See and empty the render cache, which spares the model what it has made before.",
    rich_markup_mode="rich",
)


@app.command("show")
def show(json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False) -> None:
    """Say where the cache is, and how full."""
    cache = default_cache()
    if json:
        say_json(_record(cache))
    elif cache is None:
        say(f"there is no cache: {SIZE_VARIABLE} is 0")
    else:
        use = cache.measure()
        say(
            f"{shown(cache.folder)}: {use.entries} entries, {_size(use.size_bytes)}"
            f" of at most {_size(cache.max_bytes)}"
        )


@app.command("clear")
def clear() -> None:
    """Delete all it holds; renders that run meanwhile are not disturbed."""
    cache = default_cache()
    if cache is None:
        say(f"there is no cache: {SIZE_VARIABLE} is 0")
        return
    gone = cache.clear()
    say(f"{shown(cache.folder)}: {gone.entries} entries deleted, {_size(gone.size_bytes)}")


def _record(cache: RenderCache | None) -> dict[str, object]:
    if cache is None:
        return {"folder": None, "entries": 0, "size_bytes": 0, "max_bytes": 0}
    use = cache.measure()
    return {
        "folder": str(cache.folder),
        "entries": use.entries,
        "size_bytes": use.size_bytes,
        "max_bytes": cache.max_bytes,
    }


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
