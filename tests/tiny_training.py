"""Quick recipes for toy models, for tests of training."""

from __future__ import annotations

from dataclasses import replace

from tiny import TINY, WITH_PREDICTOR

from audiosr_fx.model.config import ModelConfig
from audiosr_fx.training.recipes import STAGES, Recipe, read_recipe

FAST = {
    "steps": 12,
    "segment_s": 0.64,
    "batch_size": 2,
    "learning_rate": 3e-3,
    "warmup_steps": 2,
    "validate_every": 12,
    "checkpoint_every": 4,
}
CRITICS = {"width": 2, "weight": 0.1, "feature_weight": 0.1, "start_step": 1}


def recipe_of(config: ModelConfig, *, adversarial: bool = False, **changes: object) -> Recipe:
    """A quick recipe for a toy model; plain low-pass filters, single layers."""
    critics = {"adversarial": CRITICS} if adversarial else {}
    stages = {name: {**FAST, **changes} for name in STAGES}
    stages["vae"] |= critics
    stages["vocoder"] |= critics | {"segment_s": 0.32}
    plain = {"layer_weights": [1.0], "degrade": {"codec_share": 0.0, "saturation_probability": 0.0}}
    return replace(read_recipe({"augment": plain, **stages}, "quick"), model=config)


CASES = {
    **{f"mini {name}": (WITH_PREDICTOR, name, False) for name in STAGES},
    "mini vae against critics": (WITH_PREDICTOR, "vae", True),
    "mini vocoder against critics": (WITH_PREDICTOR, "vocoder", True),
    "published vae": (TINY, "vae", True),
    "published vocoder": (TINY, "vocoder", True),
    "published ldm": (TINY, "ldm", False),
}
"""Model, stage, and whether it is trained against critics, by name."""
