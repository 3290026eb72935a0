"""What is compared: models at their settings, naive baselines, and bounds; the rows of a comparison."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audiosr_fx.errors import ParameterError
from audiosr_fx.quality.baselines import Filler, fill_with_noise, fold
from audiosr_fx.quality.cases import Case
from audiosr_fx.quality.spectra import Waveform
from audiosr_fx.settings import RenderSettings
from audiosr_fx.training.data import SAMPLE_RATE
from audiosr_fx.wording import printable

if TYPE_CHECKING:
    from audiosr_fx.engine import Engine

Restore = Callable[[Case], Waveform]

VARIANTS = ("plain", "found", "junk", "low-band")
"""How a model is used: told the cutoff; left to find it; told, but what the input has above it is kept; told,
and the low band not kept, but cleaned or made anew."""

_NOTES = {
    "plain": "",
    "found": ", cutoff found",
    "junk": ", no low-pass",
    "low-band": ", low band not kept",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One row, or one seed of it. ``steps`` is None where the quality decides or nothing is sampled.

    ``restore`` may return less than a case asks for: what it lacks at the end is not compared.
    """

    name: str
    restore: Restore = field(repr=False)
    seed: int | None = None
    sampler: str | None = None
    steps: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRuns:
    """Every combination of these; None stands for what the quality or the model chooses.

    Raises:
        ParameterError: a value outside its range, or an unknown variant.
    """

    models: Sequence[str] = ("mini",)
    qualities: Sequence[str] = ("standard",)
    samplers: Sequence[str | None] = (None,)
    steps: Sequence[int | None] = (None,)
    guidance: Sequence[float | None] = (None,)
    seeds: Sequence[int] = (0,)
    variants: Sequence[str] = ("plain",)

    def __post_init__(self) -> None:
        for variant in self.variants:
            if variant not in VARIANTS:
                raise ParameterError(f"variant is {variant!r}; expected one of {', '.join(VARIANTS)}")
        self.settings()

    def settings(self) -> list[tuple[str, str, RenderSettings]]:
        """Name, variant and settings of each."""
        made = []
        for model, quality, sampler, steps, guidance, variant, seed in itertools.product(
            self.models, self.qualities, self.samplers, self.steps, self.guidance, self.variants, self.seeds
        ):
            settings = RenderSettings(
                model=model,
                quality=quality,
                seed=seed,
                sampler=sampler,
                steps=steps,
                guidance_scale=guidance,
                keep_low_band=variant != "low-band",
            )
            made.append((self._name(settings, variant), variant, settings))
        return made

    def _name(self, settings: RenderSettings, variant: str) -> str:
        """What tells a row from the others; steps stand for the quality, unless there are several."""
        words = [short_name(settings.model)]
        if settings.steps is None or len(self.qualities) > 1:
            words.append(settings.quality)
        if settings.sampler is not None:
            words.append(settings.sampler)
        if settings.steps is not None:
            words.append(f"{settings.steps} steps")
        if settings.guidance_scale is not None:
            words.append(f"guidance {settings.guidance_scale:g}")
        return " ".join(words) + _NOTES[variant]


def model_systems(runs: ModelRuns, engine_of: Callable[[str], Engine]) -> list[System]:
    """The models at their settings.

    Args:
        runs: which.
        engine_of: loads an engine by the name or file of its model; asked once for each.

    Raises:
        CheckpointError: no such weights, or damaged.
    """
    engines = {model: engine_of(model) for model in runs.models}
    return [
        System(
            name=name,
            restore=partial(_render, engines[settings.model], settings, variant),
            seed=settings.seed,
            sampler=settings.sampler,
            steps=settings.steps,
        )
        for name, variant, settings in runs.settings()
    ]


def baseline_systems(tilts_db_per_octave: Sequence[float]) -> list[System]:
    """Unprocessed, and the two naive fills at each tilt."""
    fillers: dict[str, Filler] = {"folding": fold, "noise": fill_with_noise}
    systems = [System(name="unprocessed", restore=lambda case: case.dull)]
    for (name, filler), tilt in itertools.product(fillers.items(), tilts_db_per_octave):
        systems.append(System(name=f"{name}, {tilt:g} dB/octave", restore=partial(_fill, filler, tilt)))
    return systems


def stage_systems(
    models: Sequence[str], engine_of: Callable[[str], Engine], *, predictor: bool, bound: bool
) -> list[System]:
    """What the stages of each model can do alone, and the true envelope filled with noise.

    Args:
        models: names or files.
        engine_of: as for :func:`model_systems`.
        predictor: the predicted envelope filled with noise, for models that have a predictor.
        bound: the true mel through each vocoder, and the true envelope with noise.
    """
    systems = []
    for model in models:
        engine, name = engine_of(model), short_name(model)
        if predictor and engine.config.predictor is not None:
            systems.append(System(name=f"{name} predictor + noise", restore=partial(_predict, engine)))
        if bound:
            systems.append(System(name=f"{name} vocoder, true mel", restore=partial(_vocode, engine)))
    if bound:
        systems.append(System(name="true envelope + noise", restore=_envelope))
    return systems


def check_rows(systems: Sequence[System]) -> None:
    """Refuse rows that a table could not tell apart.

    Raises:
        ParameterError: two systems of one name that are not seeds of one row, or none at all.
    """
    if not systems:
        raise ParameterError("there is nothing to compare; expected models, baselines or outputs")
    seeds: dict[str, list[int | None]] = defaultdict(list)
    for system in systems:
        seeds[system.name].append(system.seed)
    for name, found in seeds.items():
        rows = max(Counter(found).values()) + (None in found and len(set(found)) > 1)
        if rows > 1:
            raise ParameterError(
                f"rows called {name!r}: {rows}; expected one: give a file or --outputs another name"
            )


def short_name(model: str) -> str:
    """A model's name, or that of its file."""
    return printable(Path(model).stem) if model.endswith(".safetensors") else model


def _render(engine: Engine, settings: RenderSettings, variant: str, case: Case) -> Waveform:
    from audiosr_fx.render import render_array

    told = settings if variant == "found" else replace(settings, cutoff_hz=case.cutoff_hz)
    waveform: Waveform = render_array(case.dull[None], SAMPLE_RATE, told, engine=engine).audio[0]
    if variant == "junk":
        from audiosr_fx.quality.bounds import above_crossover

        return np.asarray(waveform + above_crossover(case.dull, case.cutoff_hz), np.float32)
    return waveform


def _fill(filler: Filler, tilt_db_per_octave: float, case: Case) -> Waveform:
    return filler(case.dull, SAMPLE_RATE, case.cutoff_hz, tilt_db_per_octave)


def _predict(engine: Engine, case: Case) -> Waveform:
    from audiosr_fx.quality.bounds import predictor_with_noise

    return predictor_with_noise(engine, case.dull, case.cutoff_hz)


def _vocode(engine: Engine, case: Case) -> Waveform:
    from audiosr_fx.quality.bounds import vocoder_bound

    return vocoder_bound(engine, case.bright, case.dull, case.cutoff_hz)


def _envelope(case: Case) -> Waveform:
    from audiosr_fx.quality.bounds import envelope_with_noise

    return envelope_with_noise(case.bright, case.dull, case.cutoff_hz)
