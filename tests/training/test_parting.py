"""Parting of whole batches as the renderer parts recordings."""

from __future__ import annotations

import numpy as np
import torch

from audiosr_fx.bandwidth import Verdict, apply_fir, crossover
from audiosr_fx.meltrack import BandPlan
from audiosr_fx.training.data import SAMPLE_RATE
from audiosr_fx.training.parting import part_at

CUTOFFS_HZ = (2_100.0, 7_777.0, 15_900.0)


def noise(items: int, seconds: float = 0.7) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return 0.1 * torch.randn(items, round(seconds * SAMPLE_RATE), generator=generator)


def level_db(waveform: torch.Tensor, low_hz: float, high_hz: float) -> float:
    window = torch.hann_window(waveform.shape[-1])
    power = torch.fft.rfft(waveform * window).abs().square()
    frequency_hz = torch.fft.rfftfreq(waveform.shape[-1], 1.0 / SAMPLE_RATE)
    band = (frequency_hz >= low_hz) & (frequency_hz < high_hz)
    return float(10.0 * torch.log10(power[band].mean()))


def test_what_is_kept_and_what_is_added_make_up_the_whole() -> None:
    sound = noise(3)
    parting = part_at(torch.tensor(CUTOFFS_HZ), torch.device("cpu"))
    torch.testing.assert_close(parting.kept(sound) + parting.added(sound), sound)


def test_the_parts_are_those_of_a_render_that_is_given_the_cutoff() -> None:
    sound = noise(3)
    parting = part_at(torch.tensor(CUTOFFS_HZ), torch.device("cpu"))
    kept, heard = parting.kept(sound), parting.heard(sound)
    for item, cutoff_hz in enumerate(CUTOFFS_HZ):
        place = crossover(Verdict(cutoff_hz=cutoff_hz, process=True, reason="", kind="given"))
        plan = BandPlan(crossover=place, gains=np.ones(1, np.float32))
        for ours, taps in ((kept, plan.lowpass), (heard, plan.mel_lowpass)):
            theirs = torch.from_numpy(apply_fir(sound[item : item + 1].numpy(), taps))[0]
            reach = len(taps) // 2
            ours_within = ours[item, reach : len(sound[item]) - reach]
            difference = ours_within - theirs  # two shapes of one transition, equal on both sides of it
            assert level_db(difference, 100.0, place.lower_hz - 50.0) < level_db(sound[item], 0, 24e3) - 60.0
            assert level_db(ours_within, place.known_hz + 1.2 * place.transition_hz, 24e3) < -60.0


def test_the_lower_edge_is_where_the_recording_is_alone() -> None:
    parting = part_at(torch.tensor(CUTOFFS_HZ), torch.device("cpu"))
    sound = noise(3)
    added = parting.added(sound)
    for item in range(3):
        below_hz = float(parting.lower_hz[item]) - 20.0
        assert level_db(added[item], 50.0, below_hz) < level_db(sound[item], 50.0, below_hz) - 60.0
