"""Material for tests of listening: folders of systems, and results as pages save them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from audiosr_fx.sources import Audio

RATE = 48_000
PAGE = "0123456789abcdef" * 4


def noise(seconds: float = 0.6, *, gain: float = 1.0, channels: int = 1, rate: int = RATE) -> Audio:
    """White noise of RMS 0.05 times a gain, always the same."""
    samples = np.random.default_rng(0).standard_normal((channels, round(seconds * rate)))
    return (0.05 * gain * samples).astype(np.float32)


def save(path: Path, audio: Audio, rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio.T, rate, subtype="PCM_24")
    return path


def make_systems(
    folder: Path,
    systems: Sequence[str] = ("reference", "plain", "fancy"),
    items: Sequence[str] = ("one", "two"),
    seconds: float = 0.6,
) -> Path:
    """A folder of systems; every file has a level of its own."""
    for i, system in enumerate(systems):
        for j, item in enumerate(items):
            save(folder / system / f"{item}.flac", noise(seconds, gain=1.0 + 0.5 * i + 0.25 * j))
    return folder


def mushra_results(
    participant: str,
    ratings: Mapping[str, Sequence[float]],
    items: Sequence[str] = ("one", "two"),
    **fields: Any,
) -> dict[str, Any]:
    """What a page saves: ``ratings`` by system, one per item."""
    roles = {"reference": "reference", "lowpass:3500": "anchor"}
    return {
        "format": "audiosr-fx listening results 1",
        "page": PAGE,
        "mode": "mushra",
        "title": "Listening test",
        "seed": 0,
        "participant": participant,
        "started": "2025-01-01T00:00:00.000Z",
        "finished": "2025-01-01T00:10:00.000Z",
        "complete": True,
        "systems": [{"name": name, "role": roles.get(name, "system")} for name in ratings],
        "items": list(items),
        "trials": [
            {
                "item": item,
                "position": place + 1,
                "seconds": 20.0,
                "stimuli": [
                    {"system": system, "rating": values[place], "listens": 2}
                    for system, values in ratings.items()
                ],
            }
            for place, item in enumerate(items)
        ],
        **fields,
    }


def vote_results(
    participant: str, choices: Sequence[str], mode: str = "ab", a: str = "plain", b: str = "fancy"
) -> dict[str, Any]:
    """Votes on one pair: ``a``, ``b`` or ``none`` each; in ``abx``, X is always ``a``."""
    trial: dict[str, Any] = {"item": "one", "a": a, "b": b, "seconds": 5.0}
    answers = [{"choice": choice} if mode == "ab" else {"answer": choice, "x": "a"} for choice in choices]
    return {
        **mushra_results(participant, {a: [0.0, 0.0], b: [0.0, 0.0]}),
        "mode": mode,
        "trials": [{**trial, "position": place + 1, **answer} for place, answer in enumerate(answers)],
    }


def save_results(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
    return path
