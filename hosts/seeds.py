"""The seed that an ask is rendered with, wherever it is said, and the same ask with another one."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from audiosr_fx.jobs.order import PLAIN
from audiosr_fx.presets import Preset, load_preset, parse_preset
from hosts.asks import Ask

_MODEL: Final = "AudioSR"
_SEED_OF_ONE: Final = re.compile(rf"({_MODEL}|\d+(\.\d+)*)\.seed", re.ASCII)


def with_another_seed(ask: Ask, last: Ask, request: str) -> Ask:
    """An ask once more, under another word, with a seed that none of its effects had.

    Args:
        ask: what somebody wanted.
        last: the same as it was rendered, with all that stood for renders then.
        request: the word.

    Raises:
        PresetError: its preset is not there any more.
    """
    seed = (_highest_seed(last) + 1) % (1 << 32)
    others = tuple(each for each in ask.options.overrides if not _SEED_OF_ONE.fullmatch(each[0]))
    return replace(ask, request=request, options=replace(ask.options, seed=seed, overrides=others))


def _highest_seed(ask: Ask) -> int:
    """Of the preset, of the option, which is of all effects, or of an override, which is of one of them."""
    preset = load_preset(ask.preset) if ask.preset else parse_preset(PLAIN)
    if ask.options.seed is not None and _seeds(preset):
        preset = preset.with_values(_MODEL, {"seed": ask.options.seed})
    for key, value in ask.options.overrides:
        if _SEED_OF_ONE.fullmatch(key):
            preset = preset.with_setting(key, value)
    return max(_seeds(preset), default=0)


def _seeds(preset: Preset) -> list[int]:
    return [int(str(one.values.get("seed", 0))) for _, one in preset.sections() if one.type == _MODEL]
