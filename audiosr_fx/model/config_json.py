"""A model's config as JSON, as it stands in the header of a model file, and back, every value checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from audiosr_fx.errors import CheckpointError
from audiosr_fx.model.config import (
    CleanerConfig,
    DiffusionConfig,
    ExciterConfig,
    HiFiGANConfig,
    MelConfig,
    ModelConfig,
    PredictorConfig,
    UNetConfig,
    VAEConfig,
)

_LARGEST_CONFIG = 1 << 16  # characters
_LARGEST_NUMBER = 1_000_000  # in a config: more is damage, not a model
_LARGEST_COUNT = 64  # of layers
_COUNTS = ("blocks_per_level", "depth")


def config_to_json(config: ModelConfig) -> str:
    """The config as JSON; the vocoder's kind stands in ``vocoder.kind``."""
    values = asdict(config)
    values["vocoder"]["kind"] = "hifigan" if isinstance(config.vocoder, HiFiGANConfig) else "exciter"
    return json.dumps(values)


def config_from_json(text: str) -> ModelConfig:
    """Read :func:`config_to_json` back.

    Raises:
        CheckpointError: not JSON, unknown or missing keys, or values of the wrong kind.
    """
    try:
        if len(text) > _LARGEST_CONFIG:
            raise ValueError(f"{len(text)} characters")
        values = json.loads(text)
        vocoder = dict(values["vocoder"])
        vocoder_class = {"hifigan": HiFiGANConfig, "exciter": ExciterConfig}[vocoder.pop("kind")]
        predictor = values["predictor"]
        cleaner = values.get("cleaner")  # which files of before it was thought of lack
        if not isinstance(values["name"], str) or not isinstance(values["shared_encoder"], bool):
            raise ValueError("name or shared_encoder of the wrong kind")
        return ModelConfig(
            **{
                **values,
                "guidance_scale": _number("guidance_scale", values["guidance_scale"], float),
                "mel": _stage(MelConfig, values["mel"]),
                "vae": _stage(VAEConfig, values["vae"]),
                "unet": _stage(UNetConfig, values["unet"]),
                "diffusion": _stage(DiffusionConfig, values["diffusion"]),
                "vocoder": _stage(vocoder_class, vocoder),
                "predictor": None if predictor is None else _stage(PredictorConfig, predictor),
                "cleaner": None if cleaner is None else _stage(CleanerConfig, cleaner),
            }
        )
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"the model's config cannot be read: {error!r}") from error


def _stage(kind: Any, values: Mapping[str, Any]) -> Any:
    """A config dataclass from JSON: lists become tuples; anything but plain numbers is an error."""
    default = kind()
    checked = {}
    for name, value in values.items():
        expected = getattr(default, name)
        if isinstance(expected, tuple):
            if not isinstance(value, list) or not 0 < len(value) <= _LARGEST_COUNT:
                raise ValueError(f"{name} is {value!r}")
            checked[name] = tuple(_number(name, item, int) for item in value)
        else:
            checked[name] = _number(name, value, type(expected))
    return kind(**checked)


def _number(name: str, value: Any, kind: type) -> Any:
    fits = isinstance(value, (int, float) if kind is float else kind) and not isinstance(value, bool)
    if not fits or not abs(value) <= (_LARGEST_COUNT if name in _COUNTS else _LARGEST_NUMBER):
        raise ValueError(f"{name} is {value!r}; expected {kind.__name__}")
    return kind(value)
