"""Patterns: in key, on the beat, reproducible."""

from __future__ import annotations

import numpy as np
import pytest

from audiosr_fx.training.patterns import Harmony, Note, Part, draw_harmony, draw_part, window

ROLES = ("drums", "bass", "chords", "pad", "arpeggio", "melody")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("seed", range(8))
def test_parts_stay_in_time_range_and_key(role: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    harmony = draw_harmony(random)
    part = draw_part(random, harmony, role, 6.0)
    assert part.role == role
    assert part.notes
    assert all(0 <= note.start_s < 6.2 and note.seconds >= 0.04 for note in part.notes)
    assert all(0 <= note.key <= 127 and 1 <= note.velocity <= 127 for note in part.notes)
    if role != "drums":
        scale = {(harmony.tonic + step) % 12 for step in harmony.scale}
        assert {note.key % 12 for note in part.notes} <= scale


@pytest.mark.parametrize("role", ROLES)
def test_the_same_seed_writes_the_same_part(role: str) -> None:
    harmony = draw_harmony(np.random.default_rng(1))
    parts = [draw_part(np.random.default_rng(2), harmony, role, 8.0) for _ in range(2)]
    assert parts[0] == parts[1]


def test_swing_delays_the_second_eighth_only() -> None:
    straight = Harmony(
        tonic=48, scale=(0, 2, 4, 5, 7, 9, 11), degrees=(0,), sevenths=False, beat_s=0.5, beats=4, swing=0.0
    )
    swung = Harmony(
        tonic=48, scale=(0, 2, 4, 5, 7, 9, 11), degrees=(0,), sevenths=False, beat_s=0.5, beats=4, swing=0.66
    )
    late = [swung.time_s(1, step) - straight.time_s(1, step) for step in range(5)]
    assert late == pytest.approx([0, 0, 0.0825, 0, 0])


def test_chords_are_stacked_thirds_near_the_key_asked_for() -> None:
    harmony = Harmony(
        tonic=48, scale=(0, 2, 4, 5, 7, 9, 11), degrees=(0, 4), sevenths=False, beat_s=0.5, beats=4, swing=0.0
    )
    assert [key % 12 for key in harmony.chord(0, 60)] == [7, 0, 4]
    assert {key % 12 for key in harmony.chord(1, 60)} == {7, 11, 2}
    assert all(abs(key - 60) <= 6 for key in harmony.chord(0, 60))


def test_a_window_moves_notes_to_its_start() -> None:
    notes = tuple(Note(start_s=float(at), seconds=0.5, key=60, velocity=90) for at in range(6))
    inside = window(Part(role="melody", notes=notes), 2.0, 3.0)
    assert [note.start_s for note in inside.notes] == [0.0, 1.0, 2.0]
