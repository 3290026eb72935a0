from __future__ import annotations

from pathlib import Path

import pytest

from watchfolder.memory import Memory
from watchfolder.set_gains import SetGain, SetPlace

GAIN = SetGain(gain_db=-15.6936, stems={"song/drums.wav": "1", "song/pad \udcff.wav": "2"})


@pytest.mark.parametrize(
    ("arriving", "is_for"),
    [
        ({"song/pad \udcff.wav": "3"}, True),
        ({"song/late.wav": "3"}, True),
        ({"song/drums.wav": "3", "song/late.wav": "4"}, True),
        ({**GAIN.stems, "song/late.wav": "4"}, True),  # all of it as it was, as when it is looked at anew
        ({**GAIN.stems, "song/drums.wav": "3"}, False),
    ],
)
def test_a_gain_is_for_all_that_comes_later_but_for_a_whole_set_anew(
    arriving: dict[str, str], is_for: bool
) -> None:
    assert GAIN.is_for(arriving) is is_for


def test_a_gain_is_kept_by_place_and_recipe_whatever_queue_it_was_for(tmp_path: Path) -> None:
    place = SetPlace(folder=Path("/in"), place="song \udcff", recipe="a chain")
    memory = Memory(tmp_path)
    memory.follow(1)
    memory.keep_gain(place, GAIN)
    memory.keep_gain(place, GAIN.with_stems({"song/late.wav": "5"}))
    memory.close()
    memory = Memory(tmp_path)
    memory.follow(2)
    kept = memory.gain_of(place)
    assert kept == SetGain(gain_db=GAIN.gain_db, stems={**GAIN.stems, "song/late.wav": "5"})
    for other in (
        SetPlace(folder=Path("/in"), place="song \udcff", recipe="another"),
        SetPlace(folder=Path("/in"), place="song", recipe="a chain"),
        SetPlace(folder=Path("/other"), place="song \udcff", recipe="a chain"),
    ):
        assert memory.gain_of(other) is None
    memory.close()
