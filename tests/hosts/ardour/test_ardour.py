"""A real Ardour and the real service: a key is pressed, and restored takes lie at the very samples.

Ardour runs on a screen that nobody sees, with the backend that needs no sound card.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
from ardour_desk import KEYS, OWN, RATE, ArdourDesk, Region, ardour_desk, needs_ardour
from scipy.signal import butter, sosfiltfilt
from studio import Studio, studio

from audiosr_fx.jobs.service import RENDERER
from hosts.scripts import find_scripts

pytestmark = [needs_ardour, pytest.mark.slow, pytest.mark.timeout(1200)]

CUTOFF_HZ = 5_000
RESTORE, _, RESTORE_TO_TRACK, RESTORE_BY_NOBODY = KEYS


@dataclass(frozen=True)
class Desk:
    ardour: ArdourDesk
    service: Studio

    def tell(self, script: str) -> str:
        return self.ardour.tell((OWN / script).read_text())

    def wait_for_regions(self, count: int) -> list[Region]:
        """The regions of the saved session, once there are that many."""
        while len(found := self.ardour.save()) < count:
            time.sleep(0.2)
        return found


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("ardour")
    scripts = {path.stem: path for path in find_scripts("ardour").files}
    restore, back = scripts["audiosr_restore"], scripts["audiosr_import"]
    with studio(folder, renderer=RENDERER) as service:
        session = service.stems / "My song"
        with ardour_desk(
            folder / "own",
            session,
            actions=(restore, back, restore, restore),
            hooks=[scripts["audiosr_bring_back"]],
            parameters={
                "1_port": str(service.port),
                "3_port": str(service.port),
                "3_where": "track",
                "4_port": "9",
            },
        ) as ardour:
            for name, channels in (("Stereo", 2), ("Mono", 1)):
                write_dull_take(session / f"{name} take.wav", channels)
            running = Desk(ardour, service)
            running.tell("import_regions.lua")
            yield running


def write_dull_take(path: Path, channels: int) -> None:
    """Six seconds of tones and noise without highs, another in every channel."""
    random = np.random.default_rng(channels)
    noise = random.standard_normal((6 * RATE + 123, channels)) * 0.1
    tones = 0.1 * np.sin(2 * np.pi * np.outer(np.arange(len(noise)) / RATE, 300 * np.arange(1, channels + 1)))
    dull = sosfiltfilt(butter(8, CUTOFF_HZ, fs=RATE, output="sos"), noise, axis=0) + tones
    soundfile.write(path, dull, RATE, subtype="PCM_24")


def read(region: Region, start: int = 0, length: int | None = None) -> np.ndarray:
    """What a region plays, or a part of it, before its gain: (channels, samples)."""
    first, count = region.start + start, region.length if length is None else length
    return np.stack([soundfile.read(path, start=first, frames=count)[0] for path in region.sources])


def level_db(audio: np.ndarray, kind: str, at_hz: float) -> float:
    """Root mean square above or below a frequency, in dBFS."""
    filtered = sosfiltfilt(butter(8, at_hz, kind, fs=RATE, output="sos"), audio)
    return float(10 * np.log10(np.mean(filtered**2) + 1e-20))


def assert_is_restored(take: Region, original: Region, *, offset: int = 0) -> None:
    """The low band of the original, sample for sample, and highs that it had not."""
    before, after = read(original, offset, take.length), read(take)
    assert before.shape == after.shape
    assert level_db(after - before, "lowpass", 0.7 * CUTOFF_HZ) < level_db(before, "lowpass", 2_000) - 70
    assert level_db(after, "highpass", 1.6 * CUTOFF_HZ) > level_db(before, "highpass", 1.6 * CUTOFF_HZ) + 20


def test_one_key_press_brings_every_selected_region_back_at_its_sample(desk: Desk) -> None:
    before = desk.ardour.save()
    assert [(each.name, each.position, each.start, each.length) for each in before] == [
        ("Mono take", 70_001, 30_011, 72_003),
        ("Stereo take", 100_003, 50_021, 96_001),
    ]
    assert desk.tell("select_regions.lua") == "2"
    desk.ardour.press(RESTORE)
    after = desk.wait_for_regions(4)
    for original in before:
        kept, take = sorted(
            (each for each in after if each.playlist == original.playlist), key=lambda r: r.layer
        )
        assert kept == original
        assert (take.name, take.position, take.start, take.length, take.layer, take.gain) == (
            f"{original.name} restored",
            original.position,
            0,
            original.length,
            1,
            original.gain,
        )
        assert (take.fade_in, take.fade_out) == (original.fade_in, original.fade_out)
        assert (take.fade_in.length, take.fade_out.length) == (4801, 7203)
        assert_is_restored(take, original)
    assert not list(desk.service.stems.rglob("*.pending"))
    assert not list(desk.service.stems.rglob("*.receipt"))


def test_a_range_comes_back_on_new_tracks_and_goes_by_undo(desk: Desk) -> None:
    known = desk.ardour.save()
    desk.ardour.tell(
        "Editor:get_selection ():clear_all () "
        "Editor:set_loop_range (Temporal.timepos_t (90007), Temporal.timepos_t (120011), 'loop') "
        "Editor:access_action ('Editor', 'select-loop-range')"
    )
    desk.ardour.press(RESTORE_TO_TRACK)
    tops = {
        each.playlist: each
        for each in known
        if each.layer == max(k.layer for k in known if k.playlist == each.playlist)
    }
    after = desk.wait_for_regions(len(known) + 2)
    for name, position, end in (("Mono", 90_007, 120_011), ("Stereo", 100_003, 120_011)):
        (take,) = (each for each in after if each.playlist.startswith(f"{name} take") and each not in known)
        assert (take.position, take.position + take.length, take.start) == (position, end, 0)
        top = tops[name]
        assert (take.fade_in == top.fade_in) == (take.position == top.position)
        assert take.fade_out.length != top.fade_out.length  # as it ends elsewhere
        before = read(top, take.position - top.position, take.length)
        difference = read(take) - before
        assert level_db(difference, "lowpass", 0.7 * CUTOFF_HZ) < level_db(before, "lowpass", 2_000) - 70
    desk.ardour.tell("Editor:undo (2)")
    assert desk.ardour.save() == known


def test_the_import_action_brings_back_what_the_hook_has_not_and_moves_nothing(desk: Desk) -> None:
    known = desk.ardour.save()
    finished = next(desk.service.stems.rglob("restored/Mono take-*.wav"))
    copied = shutil.copy(finished, finished.with_name("By hand.wav"))
    receipt = finished.with_name("by-hand.receipt")
    receipt.write_text(f"/audiosr/done\nby-hand\nosc-99\n{copied}\n{copied}.json\n")
    track = desk.ardour.tell("return Session:route_by_name ('Mono'):to_stateful ():id ():to_s ()")
    line = f"{receipt}\t{track}\t1\t50017\t1\tlayer\tMono take\n"
    (desk.ardour.session / "aside").write_text(line)
    mode = desk.ardour.tell(  # in one turn, so that the hook does not come first
        "os.rename (Session:path () .. '/aside', Session:path () .. '/audiosr-fx.pending') "
        "ARDOUR.config ():set_edit_mode (ARDOUR.EditMode.Ripple) "
        "Editor:access_action ('LuaAction', 'script-2') "
        "return tostring (ARDOUR.config ():get_edit_mode () == ARDOUR.EditMode.Ripple)"
    )
    after = desk.wait_for_regions(len(known) + 1)
    (take,) = (each for each in after if each.position == 50_017)
    assert (take.playlist, take.name, take.gain) == ("Mono", "Mono take restored", 1.0)
    assert {(each.name, each.position) for each in known} < {(each.name, each.position) for each in after}
    assert mode == "true"
    assert not receipt.exists()


def test_a_server_that_is_not_there_is_said(desk: Desk) -> None:
    known = desk.ardour.save()
    desk.tell("select_regions.lua")
    desk.ardour.press(RESTORE_BY_NOBODY)
    desk.ardour.press("Return", "^AudioSR$")
    assert desk.ardour.save() == known
    assert not list(desk.service.stems.rglob("*.pending"))
