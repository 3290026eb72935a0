"""What a render writes into the history of a file: one record for each model, one for the chain around it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from audiosr_fx.metadata import Provenance, weights_sha256
from audiosr_fx.params import RENDER_CONTROLS
from audiosr_fx.settings import RenderSettings

if TYPE_CHECKING:
    from audiosr_fx.bandwidth import Verdict
    from audiosr_fx.contract import Effect

_OF_THEIR_OWN = ("model", "quality", "seed", "cutoff_hz")
_BY_HAND = tuple(control.name for control in RENDER_CONTROLS if control.name not in _OF_THEIR_OWN)


def model_record(settings: RenderSettings, verdict: Verdict) -> Provenance:
    """What a model did to a file."""
    from audiosr_fx.bandwidth import crossover_hz

    if verdict.is_untouched:
        return Provenance(action="untouched")
    defaults = RenderSettings()
    given = ((name, getattr(settings, name)) for name in _BY_HAND)
    return Provenance(
        action="restored" if verdict.process else "cleaned",
        model=Path(settings.model).stem if settings.model.endswith(".safetensors") else settings.model,
        weights_sha256=weights_sha256(settings.model),
        quality=settings.quality if verdict.process else None,
        seed=settings.seed if verdict.process else None,
        cutoff_hz=verdict.cutoff_hz if verdict.process else None,
        crossover_hz=crossover_hz(verdict) if verdict.process else None,
        others=tuple((name, str(value)) for name, value in given if value != getattr(defaults, name)),
    )


def board_records(
    effects: Sequence[Effect], renders: Iterable[tuple[RenderSettings, Verdict]], preset: str | None
) -> tuple[Provenance, ...]:
    """What a board did to a file: its models one by one, then the chain as a whole."""
    models = [model_record(settings, verdict) for settings, verdict in renders]
    names = "+".join(type(effect).__name__ for effect in effects)
    if len(effects) == len(models) == 1:
        return (replace(models[0], preset=preset),)
    chain = Provenance(action="processed", preset=preset, others=(("chain", names),) if names else ())
    return (*models, chain)
