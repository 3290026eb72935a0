"""Batches are the same whoever makes them, and a clip that cannot be read is one line."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from audiosr_fx.errors import AudioFormatError
from audiosr_fx.training.batches import Batches
from audiosr_fx.training.data import Clip
from audiosr_fx.training.segments import AugmentSettings, Batch, SegmentMaker


def test_batches_are_a_function_of_seed_step_part_and_rank(clips: list[Clip]) -> None:
    maker = SegmentMaker(clips, AugmentSettings(seconds=0.08, layer_weights=(1.0,)))

    def batches(first: int, *, seed: int = 0, rank: int = 0) -> list[Batch]:
        made = Batches(maker, batch_size=2, parts=2, seed=seed, rank=rank)
        return [batch for _, batch in made.between(first, 3, 0)]

    whole, late = batches(0), batches(2)
    assert len(whole) == 6
    for ours, theirs in zip(whole[4:], late, strict=True):
        assert torch.equal(ours.dull, theirs.dull)
    others = [*whole, *batches(0, seed=1), *batches(0, rank=1)]
    assert len({float(batch.target.double().sum()) for batch in others}) == len(others)


@pytest.mark.slow
def test_workers_make_the_same_batches_ahead(clips: list[Clip]) -> None:
    maker = SegmentMaker(clips, AugmentSettings(seconds=0.32))
    made = Batches(maker, batch_size=2, parts=1, seed=3, rank=0)
    inline, ahead = (list(made.between(4, 12, workers)) for workers in (0, 2))
    assert [place for place, _ in inline] == [place for place, _ in ahead]
    for (_, ours), (_, theirs) in zip(inline, ahead, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_a_clip_that_is_gone_ends_the_run_in_one_line() -> None:
    class Gone:
        def __len__(self) -> int:
            return 48_000

        def __getitem__(self, where: slice) -> np.ndarray:
            raise AudioFormatError("clip.wav: no such file")

    clip = Clip(name="clip.wav", kind="k", source="s", limit_hz=24_000.0, samples=Gone())  # type: ignore[arg-type]
    maker = SegmentMaker([clip], AugmentSettings(seconds=0.08))
    with pytest.raises(AudioFormatError, match=r"clip\.wav: no such file"):
        next(Batches(maker, batch_size=1, parts=1, seed=0, rank=0).between(0, 1, 0))
