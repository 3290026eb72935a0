"""Jobs with the real renderer: what comes out is what a board would write, whatever is killed meanwhile."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from job_orders import new_order

from audiosr_fx.audio import AudioWriter
from audiosr_fx.errors import AudioFormatError, NoRoom
from audiosr_fx.jobs.manifest import find_manifest
from audiosr_fx.jobs.order import hash_file, place_order
from audiosr_fx.jobs.rendering import render
from audiosr_fx.jobs.request import RenderRequest
from audiosr_fx.jobs.service import Service
from audiosr_fx.jobs.states import State
from audiosr_fx.jobs.store import JobStore
from audiosr_fx.jobs.task import Task
from audiosr_fx.preset import parse_preset

WAIT_S = 110.0


def dull_file(folder: Path, seconds: float) -> Path:
    noise = np.random.default_rng(3).standard_normal((2, int(48_000 * seconds))).astype(np.float32)
    smooth = np.stack([np.convolve(row, np.hanning(33) / 16.0, "same") for row in noise]) * 0.2
    folder.mkdir(exist_ok=True)
    with AudioWriter(folder / "dull.wav", 48_000, 2) as writer:
        writer.write(smooth.astype(np.float32))
    return folder / "dull.wav"


def rendered_directly(request: RenderRequest, target: Path) -> str:
    """The hash of what a board makes of a request, without a queue."""
    preset = parse_preset(place_order(request).recipe)
    board = preset.build(48_000, device="cpu")
    board.render_file(request.source, target, 48_000, preset=request.preset or preset.name)
    return hash_file(target)


def test_a_chain_without_a_model_comes_out_as_from_a_board(tmp_path: Path) -> None:
    source = dull_file(tmp_path / "in", 0.5)
    request = RenderRequest(
        source=source, folder=tmp_path / "out", output_name="dull.flac", preset="loudness-only", bits="24"
    )
    with JobStore(tmp_path / "state") as store, Service(store, devices=("cpu",)) as service:
        submitted = service.submit(request).job
        assert submitted is not None
        job = service.wait(submitted.id, WAIT_S)
    assert job.state is State.DONE, job.reason
    assert hash_file(job.output) == rendered_directly(request, tmp_path / "direct.flac")
    manifest = find_manifest(job.output)
    assert manifest is not None
    assert manifest.result["decisions"]
    assert manifest.result["versions"]["audiosr_fx"]


def test_a_region_of_a_float_file_may_go_into_flac(tmp_path: Path) -> None:
    source = tmp_path / "float.wav"
    tone = 0.1 * np.sin(np.arange(24_000, dtype=np.float32) / 8.0)
    soundfile.write(source, tone, 48_000, subtype="FLOAT")
    request = RenderRequest(
        source=source,
        folder=tmp_path / "out",
        output_name="region.flac",
        preset="loudness-only",
        region="4800s-19200s",
        splice="region",
    )
    staged = tmp_path / "region.flac"
    task = Task(order=place_order(request), destination=staged, device="cpu", is_small=False)
    told = render(task, lambda done: None, lambda: False)
    assert told["frames"] == soundfile.info(staged).frames == 14_400
    assert soundfile.info(staged).subtype == "PCM_24"


@pytest.mark.parametrize("splice", ["", "region", "file"])
def test_new_highs_of_a_hot_master_give_way_at_full_scale(splice: str, tmp_path: Path, signals: type) -> None:
    dull = signals.noise(48_000, 48_000, cutoff_hz=5800.0)
    source = tmp_path / "hot.wav"
    soundfile.write(source, (0.999 * dull / np.abs(dull).max()).T, 48_000, subtype="PCM_24")
    request = RenderRequest(
        source=source,
        folder=tmp_path / "out",
        output_name="bright.wav",
        overrides=(("quality", "draft"), ("cutoff_hz", "6000"), ("brightness_db", "12")),
        region="4800s-43200s" if splice else "",
        splice=splice,
    )
    staged = tmp_path / "bright.wav"
    task = Task(order=place_order(request), destination=staged, device="cpu", is_small=False)
    told = render(task, lambda done: None, lambda: False)
    assert soundfile.info(staged).subtype == "PCM_24"
    assert told["clipped_samples"] == 0
    assert told["gave_way_s"] > 0.0
    assert told["lift_db"] > 0.0
    assert np.abs(soundfile.read(staged)[0]).max() < 1.0 - 2.0**-23


@pytest.mark.parametrize(
    ("region", "splice", "needed"),
    [("", "", 3 * 48_000), ("0.5-1", "", 48_000 + 2 * 24_000), ("0.5-1", "file", 2 * 48_000 + 2 * 24_000)],
)
def test_what_there_is_no_room_for_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, region: str, splice: str, needed: int
) -> None:
    source = tmp_path / "nan.wav"
    soundfile.write(source, np.full(48_000, np.nan, np.float32), 48_000, subtype="FLOAT")
    request = RenderRequest(
        source=source, folder=tmp_path, output_name="o.wav", region=region, splice=splice, preset="podcast"
    )
    task = Task(order=place_order(request), destination=tmp_path / "staged.wav", device="cpu")
    disk = shutil.disk_usage(tmp_path)
    for free, error in ((4 * needed - 1, NoRoom), (4 * needed, AudioFormatError)):
        usage = disk._replace(free=free)
        monkeypatch.setattr("audiosr_fx.jobs.rendering.shutil.disk_usage", lambda _, usage=usage: usage)
        with pytest.raises(AudioFormatError) as caught:
            render(task, lambda done: None, lambda: False)
        assert type(caught.value) is error


def test_a_source_without_samples_fails_and_leaves_nothing(tmp_path: Path) -> None:
    source = tmp_path / "none.wav"
    soundfile.write(source, np.zeros((0, 2), np.float32), 48_000)
    request = RenderRequest(source=source, folder=tmp_path, output_name="o.wav", preset="loudness-only")
    task = Task(order=place_order(request), destination=tmp_path / "staged.wav", device="cpu")
    with pytest.raises(AudioFormatError, match=r"none\.wav: holds no samples; record or export it again$"):
        render(task, lambda done: None, lambda: False)
    assert not task.destination.exists()


def test_a_model_that_is_another_by_now_is_told_of_as_what_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    request = RenderRequest(
        source=dull_file(tmp_path / "in", 0.005), folder=tmp_path / "out", output_name="dull.wav"
    )
    order = place_order(request)
    ((name, digest),) = order.models
    before = replace(order, models=((name, "0" * 64),))
    for asked, warnings in ((order, 0), (before, 1)):
        task = Task(order=asked, destination=tmp_path / f"{warnings}.wav", device="cpu")
        told = render(task, lambda done: None, lambda: False)
        assert told["models"] == {"mini": digest}
        assert caplog.text.count("model mini is another than when") == warnings


@pytest.mark.slow
def test_a_render_that_was_killed_comes_out_the_same_to_the_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDIOSR_FX_CACHE", str(tmp_path / "cache of the service"))
    source = dull_file(tmp_path / "in", 12.0)
    request = RenderRequest(
        source=source, folder=tmp_path / "out", output_name="dull.wav", seed=5, tag=str(tmp_path / "died")
    )
    store = JobStore(tmp_path / "state")
    with store, Service(store, devices=("cpu",), renderer="fake_renderers:dies_once") as service:
        job = service.submit(request).job
        assert job is not None
        done = service.wait(job.id, WAIT_S)
    assert (done.state, done.attempts, done.crashes) == (State.DONE, 2, 1), done.reason
    monkeypatch.setenv("AUDIOSR_FX_CACHE_GB", "0")  # nothing that was kept may help here
    assert hash_file(done.output) == rendered_directly(request, tmp_path / "direct.wav")


@pytest.mark.slow
def test_ten_thousand_files_are_hashed_and_taken_in(tmp_path: Path) -> None:
    started = time.monotonic()
    with JobStore(tmp_path / "state") as store:
        for start in range(0, 10_000, 500):
            names = [f"{number}.wav" for number in range(start, start + 500)]
            store.submit_all([new_order(tmp_path, name, name.encode()) for name in names])
        print(f"10,000 orders: {time.monotonic() - started:.1f} s")
        assert store.counts()[State.QUEUED] == 10_000
        assert store.take() is not None
