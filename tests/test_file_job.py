from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pedalboard
import pytest
import soundfile
from audio_kinds import load
from effects import Crashes, Hangs, HoldsBack, Passes, WholeOnly
from hosted import LATENT, MONO_EQ, STEREO, needs_vst3
from pedalboard import (
    BrickwallLimiter,
    Delay,
    Gain,
    HighpassFilter,
    LowpassFilter,
    MP3Compressor,
    PitchShift,
    Resample,
    Reverb,
)

from audiosr_fx.board import Board
from audiosr_fx.decoding import decode_apart
from audiosr_fx.engine import Engine
from audiosr_fx.errors import AudioFormatError, ParameterError, PluginError, RenderCancelled
from audiosr_fx.loudness import LoudnessNormalize
from audiosr_fx.mastering import MasterTo
from audiosr_fx.metadata import Marker, Metadata, read_metadata
from audiosr_fx.meters import measure_loudness
from audiosr_fx.mix import Mix
from audiosr_fx.node import AudioSR
from audiosr_fx.plugins import VST3
from audiosr_fx.progress import ProgressEvent
from audiosr_fx.sources import ArraySource, Audio, ResampledSource
from audiosr_fx.writer import AudioWriter

RATE = 48_000
Made = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path, signals: type) -> Made:
    """A file of stereo noise, in a folder that holds nothing else."""

    def write(
        samples: int = 200_001,
        rate: int = RATE,
        *,
        channels: int = 2,
        audio: Audio | None = None,
        name: str = "in.wav",
    ) -> Path:
        audio = signals.noise(samples, rate, channels=channels) if audio is None else audio
        soundfile.write(tmp_path / name, audio.T, rate, subtype="FLOAT" if name.endswith("wav") else "PCM_24")
        return tmp_path / name

    return write


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("samples", [1, 2, 64, 65_537, 200_001])
def test_a_file_in_blocks_sounds_as_the_whole_at_once(samples: int, make: Made) -> None:
    source = make(samples)
    out = source.with_name("out.wav")

    def board() -> Board:
        return Board(
            [
                HighpassFilter(100),
                Mix([Board(), Board([BrickwallLimiter(-12.0), HoldsBack(777)])]),
                Delay(0.1, 0.3),
                Resample(12_000),
                HoldsBack(70_000),
                pedalboard.Mix([Gain(-6), Reverb()]),
                Passes(),
                MP3Compressor(),
            ]
        )

    done = board().render_file(source, out)
    assert (done.path, done.sample_rate, done.channels, done.frames) == (out, RATE, 2, samples)
    assert np.array_equal(load(out), board()(load(source), RATE) if samples > 2 else load(out))
    assert done.peak == np.abs(load(out)).max()
    assert names(out.parent) == ["in.wav", "out.wav"]


@pytest.mark.parametrize(
    "board",
    [
        lambda: Board([Gain(-3), WholeOnly(), Reverb(), WholeOnly(), WholeOnly(), Gain(1)]),
        lambda: Board([Reverb(), PitchShift(3), Gain(-3)]),
        lambda: Board(
            [Delay(0.1), Mix([Board(), Board([Gain(1), WholeOnly(), HoldsBack(999)]), None]), Gain(1)]
        ),
        lambda: Board([Mix([WholeOnly(), PitchShift(2)])]),
        lambda: Board([Mix(), Gain(3)]),
        lambda: Board(),
    ],
)
def test_effects_that_need_the_whole_get_it(board: Callable[[], Board], make: Made) -> None:
    source = make()
    board().render_file(source, source.with_name("out.wav"))
    assert np.array_equal(load(source.with_name("out.wav")), board()(load(source), RATE))
    assert names(source.parent) == ["in.wav", "out.wav"]


def test_audiosr_reads_its_input_in_blocks_wherever_it_stands(
    make: Made, engine: Engine, signals: type
) -> None:
    audio = signals.noise(3 * RATE + 11, RATE, cutoff_hz=5800.0, channels=2)
    source = make(audio=audio)

    def node() -> AudioSR:
        return AudioSR(engine=engine, steps=1, guidance_scale=1.0)

    for board in (Board([node()]), Board([HighpassFilter(40), Mix([node(), Gain(-60)]), Gain(-6)])):
        done = board.render_file(source, source.with_name("out.wav"), overwrite=True)
        assert np.array_equal(load(done.path), board(audio, RATE))
        assert [verdict.process for verdict in done.verdicts] == [True]
        assert done.verdicts[0].cutoff_hz == pytest.approx(6000, rel=0.1)


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ({"overwrite": "no"}, "overwrite is 'no'; expected True or False"),
        ({"keep_metadata": None}, "keep_metadata is None; expected True or False"),
        ({"skip_untouched": 1}, "skip_untouched is 1; expected True or False"),
        ({"isolated": "no"}, "isolated is 'no'; expected True or False"),
        ({"small_batches": "no"}, "small_batches is 'no'; expected True or False"),
        ({"cache": "no"}, "cache is 'no'; expected True, False or a RenderCache"),
        ({"timeout_s": "5"}, "timeout_s is '5'; expected seconds above 0"),
        ({"timeout_s": 0}, "timeout_s is 0; expected seconds above 0"),
        ({"region": "1-2"}, "region is '1-2'; expected a Region"),
        ({"format": 3}, "format is 3; expected a name"),
        ({"preset": 3}, "preset is 3; expected a name"),
    ],
)
def test_arguments_of_another_kind_are_refused(argument: dict[str, Any], words: str, make: Made) -> None:
    source = make()
    out = source.with_name("out.wav")
    out.write_bytes(b"mine")
    with pytest.raises(ParameterError, match=words):
        Board([Gain(1)]).render_file(source, out, **{"overwrite": True, **argument})
    assert out.read_bytes() == b"mine"


@pytest.mark.parametrize("rate", [8000, 44_100, 96_000])
def test_the_file_is_brought_to_the_sessions_rate_first(rate: int, make: Made) -> None:
    source = make(50_001, rate)
    done = Board([HighpassFilter(1000)]).render_file(source, source.with_name("out.wav"))
    frames = -(-50_001 * RATE // rate)
    resampled = ResampledSource(ArraySource(load(source), rate), RATE).read(0, frames)
    assert (done.sample_rate, done.frames) == (RATE, frames)
    assert np.array_equal(load(done.path), HighpassFilter(1000)(resampled, RATE))


def test_the_sources_own_rate_can_be_kept(make: Made) -> None:
    source = make(5001, 44_100)
    board = Board([LowpassFilter(21_000)])
    assert board.render_file(source, source.with_name("own.wav"), None).sample_rate == 44_100
    assert board.render_file(source, source.with_name("high.wav"), 96_000).frames == -(
        -5001 * 96_000 // 44_100
    )
    with pytest.raises(ParameterError, match="less than 16000 Hz, half the sample rate"):
        board.render_file(source, source.with_name("low.wav"), 32_000)
    with pytest.raises(AudioFormatError, match="sample_rate is 0"):
        board.render_file(source, source.with_name("none.wav"), 0)
    assert names(source.parent) == ["high.wav", "in.wav", "own.wav"]


@pytest.mark.parametrize(
    ("name", "source_name", "options", "expected"),
    [
        ("a.wav", "in.wav", {}, ("WAV", "FLOAT")),
        ("a.flac", "in.wav", {}, ("FLAC", "PCM_24")),
        ("a.wav", "in.flac", {}, ("WAV", "PCM_24")),
        ("a.aiff", "in.flac", {"subtype": "PCM_16"}, ("AIFF", "PCM_16")),
        ("a.tmp", "in.flac", {"format": "flac"}, ("FLAC", "PCM_24")),
    ],
)
def test_the_format_follows_the_name_and_the_source(
    name: str, source_name: str, options: dict[str, str], expected: tuple[str, str], make: Made
) -> None:
    source = make(1000, name=source_name)
    done = Board([Gain(-1)]).render_file(source, source.with_name(name), **options)  # type: ignore[arg-type]
    info = soundfile.info(done.path)
    assert (info.format, info.subtype) == expected


def test_samples_beyond_full_scale_are_counted(make: Made) -> None:
    source = make(1000)
    done = Board([Gain(40)]).render_file(source, source.with_name("out.flac"))
    assert done.clipped_samples > 1000
    assert done.peak > 1.0


def test_the_source_is_never_replaced_and_others_only_when_asked(make: Made, tmp_path: Path) -> None:
    source = make(1000)
    before = source.read_bytes()
    linked = tmp_path / "link.wav"
    linked.symlink_to(source)
    for isolated in (False, True):
        for path in (source, linked):
            with pytest.raises(AudioFormatError, match="is the source, which is never replaced"):
                Board([Gain(1)]).render_file(source, path, overwrite=True, isolated=isolated)
    other = make(500, name="other.wav")
    with pytest.raises(AudioFormatError, match="never replaced"):
        Board().render_file(source, other, overwrite=True, protected=[other])
    with pytest.raises(AudioFormatError, match="never replaced"):  # one name is no list of letters
        Board().render_file(source, other, overwrite=True, protected=str(other))
    with pytest.raises(AudioFormatError, match="exists already"):
        Board().render_file(source, other)
    assert source.read_bytes() == before
    assert Board().render_file(source, other, overwrite=True).frames == 1000
    assert np.array_equal(load(other), load(source))


def test_nothing_is_left_of_what_fails(make: Made, tmp_path: Path) -> None:
    source = make()
    for board, words in (
        (Board([Gain(900), Gain(900)]), "Gain, Gain gives .* at sample 0 of channel 0; expected finite"),
        (Board([Gain(900), Gain(900), WholeOnly()]), "Gain, Gain gives"),
        (Board([HoldsBack(70 * RATE)]), "HoldsBack gave 0 of 200001 samples"),
    ):
        with pytest.raises((AudioFormatError, PluginError), match=words):
            board.render_file(source, tmp_path / "out.wav")
    for destination in (tmp_path / "nowhere" / "out.wav", tmp_path / "out.ogg", tmp_path):
        with pytest.raises(AudioFormatError):
            Board().render_file(source, destination)
    with pytest.raises(AudioFormatError, match="no such file"):
        Board().render_file(tmp_path / "missing.wav", tmp_path / "out.wav")
    assert names(tmp_path) == ["in.wav"]


def test_a_source_that_is_written_into_meanwhile_is_refused(make: Made) -> None:
    source = make(30 * RATE)
    other = make(30 * RATE, name="other.wav")

    def overwrite(event: ProgressEvent) -> None:
        with source.open("r+b") as file:
            file.write(other.read_bytes())

    with pytest.raises(AudioFormatError, match=r"in.wav: changed while it was read; wait until"):
        Board([Gain(0.0)]).render_file(source, source.with_name("out.wav"), on_event=overwrite)
    assert names(source.parent) == ["in.wav", "other.wav"]


def test_a_source_that_is_replaced_meanwhile_is_read_as_it_was(make: Made) -> None:
    source = make(30 * RATE)
    before = load(source)
    other = make(100, name="other.wav")

    def replace_it(event: ProgressEvent) -> None:
        if other.exists():
            other.replace(source)

    Board([Gain(0.0)]).render_file(source, source.with_name("out.wav"), on_event=replace_it)
    assert np.array_equal(load(source.with_name("out.wav")), before)


def test_what_is_not_finite_in_a_file_is_named(make: Made, signals: type) -> None:
    audio = signals.noise(100_000, RATE, channels=2)
    audio[1, 70_000] = np.nan
    source = make(audio=audio)
    for board in (Board([Reverb()]), Board([WholeOnly()]), Board()):
        with pytest.raises(AudioFormatError, match=r"in.wav gives nan at sample 70000 of channel 1"):
            board.render_file(source, source.with_name("out.wav"))


@pytest.mark.parametrize("isolated", [False, True])
def test_a_render_can_be_cancelled(isolated: bool, make: Made) -> None:
    source = make(2_000_000)
    events: list[ProgressEvent] = []
    with pytest.raises(RenderCancelled):
        Board([Reverb()]).render_file(
            source,
            source.with_name("out.wav"),
            on_event=events.append,
            should_cancel=lambda: len(events) > 3,
            isolated=isolated,
        )
    assert names(source.parent) == ["in.wav"]


@pytest.mark.parametrize(
    "board",
    [
        lambda: Board([Reverb()]),
        lambda: Board([Gain(1), WholeOnly(), Gain(1), WholeOnly()]),
        lambda: Board([Gain(1), Mix([WholeOnly(), Board([Gain(1), PitchShift(1)])]), PitchShift(1)]),
        lambda: Board([PitchShift(1)]),
    ],
)
def test_progress_goes_from_nothing_to_the_whole(board: Callable[[], Board], make: Made) -> None:
    events: list[ProgressEvent] = []
    source = make()
    board().render_file(source, source.with_name("out.wav"), on_event=events.append)
    seconds = [event.seconds_done for event in events]
    assert seconds == sorted(seconds)
    assert events[0].stage == "measure"
    assert events[0].seconds_done == 0.0
    assert seconds[-1] == pytest.approx(200_001 / RATE)
    assert seconds[-2] < 200_001 / RATE
    assert {event.seconds_total for event in events} == {200_001 / RATE}


def test_windows_of_the_model_are_told(make: Made, engine: Engine, signals: type) -> None:
    source = make(audio=signals.noise(7 * RATE, RATE, cutoff_hz=5800.0))
    events: list[ProgressEvent] = []
    Board([AudioSR(engine=engine, steps=1, cutoff_hz=6000), Gain(1)]).render_file(
        source, source.with_name("out.wav"), on_event=events.append
    )
    windows = [(event.windows_done, event.windows_total) for event in events]
    assert windows[0] == (0, 0)
    assert windows[-1] == (2, 2)
    assert (1, 2) in windows


def test_metadata_is_kept_rescaled_and_the_chain_noted(make: Made, tmp_path: Path, signals: type) -> None:
    path = tmp_path / "tagged.wav"
    metadata = Metadata(
        sample_rate=24_000, tags=(("TITLE", "Dull"),), markers=(Marker(position=6000, label="verse"),)
    )
    with AudioWriter(path, 24_000, 1, metadata=metadata) as writer:
        writer.write(signals.noise(24_000, 24_000))
    Board([HighpassFilter(30), Board([Gain(-1)])]).render_file(path, tmp_path / "out.flac", preset="gentle")
    kept = read_metadata(tmp_path / "out.flac")
    assert kept.title == "Dull"
    assert [(marker.position, marker.label) for marker in kept.markers] == [(12_000, "verse")]
    assert [(made.action, made.preset, made.others) for made in kept.provenance] == [
        ("processed", "gentle", (("chain", "HighpassFilter+Gain"),))
    ]
    Board().render_file(path, tmp_path / "bare.flac", keep_metadata=False)
    bare = read_metadata(tmp_path / "bare.flac")
    assert (bare.title, bare.markers, bare.provenance) == ("", (), ())


def test_what_the_model_did_is_noted(make: Made, engine: Engine, signals: type, tmp_path: Path) -> None:
    source = make(audio=signals.noise(RATE, RATE, cutoff_hz=5800.0))
    node = AudioSR(engine=engine, steps=1, seed=7)
    node.settings = replace(node.settings, quality="draft")
    Board([node]).render_file(source, tmp_path / "alone.wav", preset="gentle")
    Board([node, Gain(-1)]).render_file(source, tmp_path / "chain.wav")
    alone, chain = (read_metadata(tmp_path / name).provenance for name in ("alone.wav", "chain.wav"))
    assert [(made.action, made.seed, made.quality, made.preset) for made in alone] == [
        ("restored", 7, "draft", "gentle")
    ]
    assert [made.action for made in chain] == ["restored", "processed"]
    assert chain[1].others == (("chain", "AudioSR+Gain"),)


def test_an_isolated_render_is_the_same(make: Made) -> None:
    source = make(100_000, 44_100)

    def board() -> Board:
        return Board([HighpassFilter(100), Mix([Board(), BrickwallLimiter(-12.0)]), WholeOnly()])

    events: list[ProgressEvent] = []
    plain = board().render_file(source, source.with_name("plain.wav"))
    apart = board().render_file(
        source, source.with_name("apart.wav"), isolated=True, timeout_s=60, on_event=events.append
    )
    assert apart == replace(plain, path=apart.path)
    assert np.array_equal(load(apart.path), load(plain.path))
    assert events[-1].seconds_done == pytest.approx(plain.frames / RATE)
    assert names(source.parent) == ["apart.wav", "in.wav", "plain.wav"]


def test_an_isolated_render_hears_the_samples_that_were_decoded_and_not_what_stands_there_now(
    make: Made, signals: type
) -> None:
    source = make(9_000)
    before = load(source)
    with decode_apart(source) as decoded:
        make(audio=signals.noise(9_000, RATE, channels=2, seed=9))
        done = Board([Gain(0)]).render_file(
            source, source.with_name("out.wav"), isolated=True, decoded=decoded
        )
        assert np.array_equal(decoded.read(0, 9_000), before)  # it can be read here too, afterwards
    assert np.array_equal(load(done.path), before)


def test_small_batches_last_as_long_as_the_render(
    make: Made, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "batch_size", 3)
    seen: list[int] = []
    Board([AudioSR(engine=engine, cutoff_hz=6_000, steps=1)]).render_file(
        make(30_000),
        make().with_name("out.wav"),
        small_batches=True,
        on_event=lambda event: seen.append(engine.batch_size),
        cache=False,
    )
    assert set(seen) == {1}
    assert engine.batch_size == 3


@pytest.mark.parametrize(
    ("effect", "timeout_s", "words"),
    [
        (Crashes, 60, r"in.wav: the process of the board \(Gain, Crashes\) crashed \(killed by SIGSEGV\)"),
        (Hangs, 1, r"in.wav: the process of the board \(Gain, Hangs\) hangs: no sign of life for 1 s"),
    ],
)
def test_a_crash_or_hang_fails_that_file_only(
    effect: type[Passes], timeout_s: float, words: str, make: Made
) -> None:
    source = make()
    with pytest.raises(PluginError, match=words):
        Board([Gain(1), effect()]).render_file(
            source, source.with_name("out.wav"), isolated=True, timeout_s=timeout_s
        )
    assert names(source.parent) == ["in.wav"]
    assert Board([Gain(1)]).render_file(source, source.with_name("out.wav"), isolated=True).frames == 200_001


def test_errors_of_an_isolated_render_are_the_same(make: Made) -> None:
    source = make(1000)
    with pytest.raises(ParameterError, match="Gain: gain_db is nan"):
        Board([Gain(float("nan"))]).render_file(source, source.with_name("out.wav"), isolated=True)
    with pytest.raises(PluginError, match="no such plugin"):
        Board([VST3("/nowhere/a.vst3")]).render_file(source, source.with_name("out.wav"), isolated=True)
    with pytest.raises(AudioFormatError, match="exists already"):
        Board().render_file(source, make(10, name="there.wav"), isolated=True)
    assert names(source.parent) == ["in.wav", "there.wav"]


def test_a_verdict_comes_back_from_another_process(make: Made, signals: type) -> None:
    source = make(audio=signals.silence(RATE))
    done = Board([AudioSR(quality="draft")]).render_file(source, source.with_name("out.wav"), isolated=True)
    assert [verdict.process for verdict in done.verdicts] == [False]
    assert "silen" in done.verdicts[0].reason


@pytest.mark.parametrize("isolated", [False, True])
def test_stages_of_loudness_say_what_they_did(isolated: bool, make: Made) -> None:
    source = make()
    board = Board([LoudnessNormalize(-30.0), MasterTo(-23.0)])
    done = board.render_file(source, source.with_name("out.wav"), isolated=isolated)
    assert len(done.decisions) == 2
    assert all(reason and "\n" not in reason for reason in done.decisions)
    assert measure_loudness(load(done.path), RATE) == pytest.approx(-23.0, abs=0.1)


@needs_vst3
@pytest.mark.parametrize("isolated", [False, True])
def test_plugins_render_files(isolated: bool, make: Made) -> None:
    source = make(100_001)

    def board() -> Board:
        eq = VST3(MONO_EQ, {"boost_cut_1_db": 6.0})
        return Board([eq, Mix([Board(), VST3(LATENT)]), VST3(STEREO, {"threshold_db": -30}), Gain(-6)])

    done = board().render_file(source, source.with_name("out.wav"), isolated=isolated, timeout_s=60)
    assert done.frames == 100_001
    assert np.array_equal(load(done.path), board()(load(source), RATE))
