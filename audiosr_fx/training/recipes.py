"""Recipes: one TOML file says what a model is made of, what it learns from, and how each stage is trained."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from audiosr_fx.errors import ParameterError
from audiosr_fx.model.config import (
    BASIC,
    MINI,
    SPEECH,
    CleanerConfig,
    ExciterConfig,
    HiFiGANConfig,
    ModelConfig,
)
from audiosr_fx.toml_tables import check_is_table, check_keys, read_table
from audiosr_fx.toml_text import faults_of, parse_toml, read_text
from audiosr_fx.training.cleaner import CleanerSettings
from audiosr_fx.training.data import SAMPLE_RATE
from audiosr_fx.training.ldm import LDMSettings
from audiosr_fx.training.predictor import PredictorSettings
from audiosr_fx.training.segments import AugmentSettings
from audiosr_fx.training.stage import TrainSettings
from audiosr_fx.training.vae import VAESettings
from audiosr_fx.training.vocoder import VocoderSettings
from audiosr_fx.wording import shown

CONFIGS: Mapping[str, ModelConfig] = {config.name: config for config in (MINI, BASIC, SPEECH)}

STAGES = ("predictor", "vae", "vocoder", "ldm", "cleaner")
"""In the order in which ``train all`` takes them."""

NEEDS: Mapping[str, tuple[str, ...]] = {"vocoder": ("predictor",), "ldm": ("predictor", "vae")}
"""The stages that each builds on; a model without a predictor builds on none."""

_FOLDER = Path(__file__).parent / "recipes"
_VOCODERS = {"hifigan": HiFiGANConfig, "exciter": ExciterConfig}
_HOP_LENGTH = 480


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSettings:
    """How clips are weighted and split.

    Attributes:
        held_out: sources that are kept from training.
        held_out_fraction: share of the sources kept from it where none of those is there.
        validation_clips: how many of the held-out clips at most are validated on.
        kind_weights: how often a kind is drawn, beside the square root of its sources' lengths.
        on_device: make examples on the device that trains, from clips held in its memory; for GPUs, and for
            low-passes alone (see ``device_segments.py``).

    Raises:
        ParameterError: a value outside its range.
    """

    held_out: tuple[str, ...] = ()
    held_out_fraction: float = 0.1
    validation_clips: int = 64
    kind_weights: Mapping[str, float] = field(default_factory=dict)
    on_device: bool = False

    def __post_init__(self) -> None:
        if not 0.0 <= self.held_out_fraction < 1.0:
            raise ParameterError(f"held_out_fraction is {self.held_out_fraction}; expected 0 to below 1")
        if self.validation_clips < 1:
            raise ParameterError(f"validation_clips is {self.validation_clips}; expected 1 or more")
        for kind, weight in self.kind_weights.items():
            if not 0.0 <= weight < float("inf"):
                raise ParameterError(f"the weight of {kind} is {weight}; expected 0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything about a training run but its data and the machine.

    Attributes:
        name: of the recipe.
        description: one line.
        model: what is built; None takes that of the weights a run starts from.
        stages: those that ``train all`` trains; where a file does not say, those it has tables for.
        then: recipe that ``train all`` goes on with from what this one trained, in a folder of its name
            within the run's; "" ends there. A file is looked for beside the file of this one.
        data, predictor, vae, vocoder, ldm, cleaner: the tables of the file; a stage may be missing.
    """

    name: str
    description: str = ""
    model: ModelConfig | None = None
    stages: tuple[str, ...] = STAGES
    then: str = ""
    data: DataSettings = field(default_factory=DataSettings)
    predictor: PredictorSettings | None = None
    vae: VAESettings | None = None
    vocoder: VocoderSettings | None = None
    ldm: LDMSettings | None = None
    cleaner: CleanerSettings | None = None

    def settings(self, stage: str) -> TrainSettings:
        """The settings of a stage.

        Raises:
            ParameterError: no such stage, or this recipe says nothing about it.
        """
        if stage not in STAGES:
            raise ParameterError(f"stage is {stage!r}; expected one of {', '.join(STAGES)}")
        settings: TrainSettings | None = getattr(self, stage)
        if settings is None:
            there = ", ".join(name for name in STAGES if getattr(self, name) is not None)
            raise ParameterError(f"recipe {self.name!r} has no table [{stage}]; it has: {there}")
        return settings

    def with_overrides(self, **overrides: Any) -> Recipe:
        """A recipe with these settings in all stages; None leaves a setting as it is."""
        given = {key: value for key, value in overrides.items() if value is not None}
        changed = {
            name: replace(getattr(self, name), **given) for name in STAGES if getattr(self, name) is not None
        }
        return replace(self, **changed)

    def to_table(self) -> dict[str, Any]:
        """All of it, defaults included, as a file could say it."""
        table = asdict(self)
        if self.model is not None:
            table["model"]["base"] = "basic" if self.model.predictor is None else "mini"
            table["model"]["vocoder"]["kind"] = _vocoder_kind(self.model)
        return table

    def to_json(self) -> str:
        """The table in one form, whatever the file looked like."""
        return json.dumps(self.to_table(), sort_keys=True, separators=(",", ":"))

    @property
    def sha256(self) -> str:
        """Of :meth:`to_json`."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def recipe_names() -> list[str]:
    """The recipes that come with the package."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load_recipe(name_or_path: str) -> Recipe:
    """Read a recipe by name, or from a file ending in ``.toml``.

    Raises:
        ParameterError: no such recipe.
        PresetError: one that cannot be read, or with a fault; the message names file, key and what is
            allowed.
    """
    if name_or_path.endswith(".toml"):
        path = Path(name_or_path).expanduser()
    else:
        path = _FOLDER / f"{name_or_path}.toml"
        if name_or_path not in recipe_names():
            raise ParameterError(
                f"recipe is {name_or_path!r}; expected one of {', '.join(recipe_names())},"
                " or a file ending in .toml"
            )
    table = parse_toml(read_text(path, "recipe"), shown(path))
    with faults_of(shown(path)):
        recipe = read_recipe(table, path.stem)
    return replace(recipe, then=str(path.parent / recipe.then)) if recipe.then.endswith(".toml") else recipe


def read_recipe(table: Mapping[str, Any], name: str) -> Recipe:
    """A recipe from the tables of its file.

    ``[augment]`` holds for every stage; a stage's own ``augment`` table comes on top. ``[model]`` is a
    ``base`` (``mini`` or ``basic``) and what differs from it; it has a cleaner where ``[cleaner]`` is there.

    Raises:
        ParameterError: an unknown key or a value that does not fit.
    """
    allowed = [field.name for field in fields(Recipe)] + ["augment"]
    check_keys(table, allowed)
    augment = read_table(AugmentSettings, table.get("augment", {}), "augment")
    kinds = {
        "predictor": PredictorSettings,
        "vae": VAESettings,
        "vocoder": VocoderSettings,
        "ldm": LDMSettings,
        "cleaner": CleanerSettings,
    }
    values: dict[str, Any] = {key: value for key, value in table.items() if key not in (*kinds, "augment")}
    stages: dict[str, Any] = {
        stage: _read_stage(kind, table[stage], stage, augment)
        for stage, kind in kinds.items()
        if stage in table
    }
    values.setdefault("stages", [name for name in STAGES if name in stages] or list(STAGES))
    model = _read_model(values.pop("model")) if "model" in values else None
    if model is not None and "cleaner" not in table["model"]:
        model = replace(model, cleaner=CleanerConfig() if "cleaner" in stages else None)
    recipe = read_table(Recipe, {"name": name, **values})
    for stage in recipe.stages:
        if stage not in STAGES:
            raise ParameterError(f"stages names {stage!r}; expected some of {', '.join(STAGES)}")
    return replace(recipe, model=model, **stages)


def _read_stage(kind: type[TrainSettings], table: Any, stage: str, augment: AugmentSettings) -> TrainSettings:
    check_keys(table, [field.name for field in fields(kind)], stage)
    own = read_table(AugmentSettings, table.get("augment", {}), f"{stage}.augment", base=augment)
    settings = read_table(kind, {key: value for key, value in table.items() if key != "augment"}, stage)
    frames = round(settings.segment_s * SAMPLE_RATE / _HOP_LENGTH)
    return replace(settings, augment=replace(own, seconds=frames * _HOP_LENGTH / SAMPLE_RATE))


def _read_model(table: Any) -> ModelConfig:
    check_keys(table, [*(field.name for field in fields(ModelConfig)), "base"], "model")
    base = table.get("base", "mini")
    if base not in CONFIGS:
        raise ParameterError(f"model: base is {base!r}; expected one of {', '.join(CONFIGS)}")
    values = {key: value for key, value in table.items() if key not in ("base", "vocoder")}
    config = read_table(ModelConfig, values, "model", base=CONFIGS[base])
    return replace(config, vocoder=_read_vocoder(table["vocoder"], config)) if "vocoder" in table else config


def _vocoder_kind(config: ModelConfig) -> str:
    return "hifigan" if isinstance(config.vocoder, HiFiGANConfig) else "exciter"


def _read_vocoder(table: Any, config: ModelConfig) -> HiFiGANConfig | ExciterConfig:
    own = _vocoder_kind(config)
    check_is_table(table, "model.vocoder")
    kind = table.get("kind", own)
    if kind not in _VOCODERS:
        raise ParameterError(f"model.vocoder: kind is {kind!r}; expected {' or '.join(_VOCODERS)}")
    base: Any = config.vocoder if kind == own else _VOCODERS[kind]()
    rest = {key: value for key, value in table.items() if key != "kind"}
    vocoder: HiFiGANConfig | ExciterConfig = read_table(type(base), rest, "model.vocoder", base=base)
    return vocoder
