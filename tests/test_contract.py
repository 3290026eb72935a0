from __future__ import annotations

import numpy as np
import pytest

from audiosr_fx.contract import find_layout
from audiosr_fx.errors import AudioFormatError


@pytest.mark.parametrize(
    ("shape", "channels"),
    [
        ((100,), 1),
        ((2, 100), 2),
        ((100, 2), 2),
        ((1, 1), 1),
        ((0,), 1),
        ((2, 0), 2),
        ((0, 2), 2),
        ((0, 0), 0),
    ],
)
def test_layouts_come_back_as_they_went_in(shape: tuple[int, ...], channels: int) -> None:
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    layout = find_layout(array)
    audio = layout.to_channels_samples(array)
    assert audio.shape == (channels, array.size // max(channels, 1))
    assert np.array_equal(layout.restore(audio), array)
    assert layout.restore(audio).shape == shape


def test_a_square_array_is_refused_rather_than_guessed() -> None:
    with pytest.raises(AudioFormatError, match="either way"):
        find_layout(np.zeros((2, 2)))


@pytest.mark.parametrize("shape", [(), (1, 2, 3)])
def test_other_numbers_of_axes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(AudioFormatError, match="one or two axes"):
        find_layout(np.zeros(shape))
