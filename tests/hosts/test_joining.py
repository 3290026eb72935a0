"""Split stereo put together, and how long it is kept."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import soundfile

from hosts.joining import KEPT_S, join_channels


def test_joint_files_are_the_channels_and_old_ones_go_but_for_those_that_a_job_waits_for(
    tmp_path: Path,
) -> None:
    sides = [tmp_path / "a.L.wav", tmp_path / "a.R.wav"]
    for number, path in enumerate(sides):
        noise = 0.1 * np.random.default_rng(number).standard_normal(5_001)
        soundfile.write(path, noise, 44_100, subtype="PCM_24")
    folder = tmp_path / "joint"
    folder.mkdir()
    needed, unneeded = folder / "needed.wav", folder / "unneeded.wav"
    for old in (needed, unneeded):
        old.touch()
        os.utime(old, (0.0, old.stat().st_mtime - KEPT_S - 60.0))
    joined = join_channels(sides, folder, lambda path: path == needed)
    audio, rate = soundfile.read(joined, dtype="int32")
    assert (rate, soundfile.info(joined).subtype) == (44_100, "PCM_24")
    for channel, path in enumerate(sides):
        assert np.array_equal(audio[:, channel], soundfile.read(path, dtype="int32")[0])
    assert {path.name for path in folder.iterdir()} == {needed.name, joined.name}
    assert join_channels(sides, folder, lambda path: True) == joined
