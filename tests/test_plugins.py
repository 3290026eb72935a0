from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pedalboard
import pytest
from hosted import LATENT, MONO, MONO_EQ, STEREO, needs_vst3
from pedalboard import Gain, HighpassFilter, Pedalboard

from audiosr_fx.board import Board
from audiosr_fx.errors import AudioFormatError, ParameterError, PluginError, PresetError
from audiosr_fx.mix import Mix
from audiosr_fx.plugins import VST3, VST3Settings
from audiosr_fx.sources import Audio

RATE = 48_000


def in_a_thread(work: Callable[[], object]) -> Exception | None:
    raised: list[Exception] = []

    def run() -> None:
        try:
            work()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return raised[0] if raised else None


def test_nothing_is_loaded_before_it_is_needed() -> None:
    effect = VST3("/nowhere/Nothing.vst3", {"drive": 3}, plugin_name="Nothing")
    assert effect.name == "Nothing"
    assert effect.latency_samples == 0
    assert repr(effect).startswith("<audiosr_fx.VST3 '/nowhere/Nothing.vst3' {'drive': 3.0} at 0x")
    effect.reset()
    assert not Board([effect, Gain(1)]).is_offline


def test_a_parameter_as_an_attribute_is_refused_with_the_way_out() -> None:
    tube = VST3("tube.vst3")
    with pytest.raises(AttributeError, match=r"set_parameters\(\{'tube_drive': \.\.\.\}\)"):
        tube.tube_drive = 3.5
    with pytest.raises(AttributeError):
        tube.name = "other"
    assert tube.settings.parameters == {}


def test_settings_are_plain_values_and_travel() -> None:
    effect = VST3(Path("a.vst3"), {"drive": np.float32(0.5), "model": "JTM 45", "boost": True, "steps": 3})
    assert effect.settings == VST3Settings(
        path="a.vst3", parameters={"drive": 0.5, "model": "JTM 45", "boost": True, "steps": 3.0}
    )
    assert VST3.from_settings(effect.settings).settings == effect.settings
    assert pickle.loads(pickle.dumps(effect)).settings == effect.settings


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"path": ""}, "path is ''"),
        ({"path": "a\0b"}, "path is"),
        ({"parameters": {"latency_frames": 1.0}}, "'latency_frames' belongs to the host"),
        ({"parameters": {"current_program": "x"}}, "'current_program' belongs to the host"),
        ({"parameters": {"gain": float("nan")}}, "'gain' is nan; expected a finite number"),
        ({"parameters": {"gain": [1]}}, "'gain' is "),
        ({"parameters": ["gain"]}, "parameters is"),
        ({"state": "a", "preset": "b"}, "expected one of them"),
        ({"load_timeout_s": 0.0}, "load_timeout_s is 0.0"),
        ({"load_timeout_s": "5"}, "load_timeout_s is '5'"),
        ({"path": 5}, "path is 5; expected a text"),
        ({"plugin_name": 5}, "plugin_name is 5; expected a text"),
        ({"state": 5}, "state is 5; expected a text"),
    ],
)
def test_settings_check_themselves(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        VST3Settings(**{"path": "a.vst3", **changes})
    with pytest.raises(ParameterError, match=words):
        VST3(**{"path": "a.vst3", **changes})


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing.vst3", "no such plugin; audiosr-fx plugins list"),
        ("text.txt", "ends in .vst3"),
        ("bad.vst3", "cannot be loaded"),
    ],
)
def test_what_is_no_plugin_is_one_line(name: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("no plugin")
    (tmp_path / "bad.vst3").write_bytes(b"no plugin either")
    with pytest.raises(PluginError, match=words) as caught:
        VST3(tmp_path / name).load()
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


@needs_vst3
def test_a_stereo_plugin_sounds_as_in_pedalboard_bit_for_bit(stereo: Audio) -> None:
    expected = Pedalboard([pedalboard.load_plugin(str(STEREO), {"threshold_db": -30.0}), Gain(3)])(
        stereo, RATE
    )
    assert np.array_equal(Board([VST3(STEREO, {"threshold_db": -30}), Gain(3)])(stereo, RATE), expected)
    loaded = pedalboard.load_plugin(str(STEREO), {"threshold_db": -30.0})
    assert np.array_equal(Board([loaded, Gain(3)])(stereo, RATE), expected)


@needs_vst3
@pytest.mark.parametrize("path", [MONO, MONO_EQ, STEREO])
def test_tiny_numbers_are_treated_after_a_plugin_as_before(path: Path, stereo: Audio) -> None:
    tiny = np.full(4, 1e-40, np.float32)
    VST3(path).process(stereo, RATE)
    assert (tiny * np.float32(1.0)).view(np.int32).all()


@needs_vst3
def test_a_mono_plugin_is_hosted_once_per_channel(signals: type) -> None:
    audio = signals.noise(9001, RATE, channels=3)
    effect = VST3(MONO_EQ, {"master_gain_db": 5})
    alone = pedalboard.load_plugin(str(MONO_EQ), {"master_gain_db": 5.0})
    expected = np.stack([alone(channel, RATE) for channel in audio])
    for channels in (3, 1, 2):
        assert np.array_equal(effect(audio[:channels], RATE), expected[:channels])
    assert np.array_equal(effect(audio[0], RATE), expected[0])


@needs_vst3
def test_a_stereo_plugin_takes_mono_on_both_channels(stereo: Audio) -> None:
    effect = VST3(STEREO, {"threshold_db": -30})
    both = effect(np.repeat(stereo[:1], 2, axis=0), RATE)
    assert np.array_equal(effect(stereo[:1], RATE), both.mean(axis=0, keepdims=True, dtype=np.float32))
    assert effect(stereo[0], RATE).shape == stereo[0].shape
    assert effect(stereo.T, RATE).shape == stereo.T.shape


@needs_vst3
def test_channels_it_cannot_be_hosted_for_are_refused(signals: type) -> None:
    with pytest.raises(AudioFormatError, match="ZamCompX2 takes 2 channels, and the audio has 4"):
        VST3(STEREO)(signals.noise(1000, RATE, channels=4), RATE)
    loaded = pedalboard.load_plugin(str(MONO))
    with pytest.raises(AudioFormatError, match=r"ZamTube: .*does not support 2-channel"):
        Board([loaded])(signals.noise(1000, RATE, channels=2), RATE)


@needs_vst3
def test_latency_is_compensated_whole_and_in_streams(stereo: Audio) -> None:
    effect = VST3(LATENT)
    board = Board([HighpassFilter(30), Mix([Board(), effect]), VST3(MONO_EQ)])
    whole = board(stereo, RATE)
    assert effect.latency_samples == 480
    assert whole.shape == stereo.shape
    board.reset()
    padded = np.pad(stereo, ((0, 0), (0, 3000)))
    chunks = [
        board.process(padded[:, i : i + 777], RATE, reset=False) for i in range(0, padded.shape[1], 777)
    ]
    assert np.array_equal(np.concatenate(chunks, axis=1)[:, : stereo.shape[1]], whole)


@needs_vst3
def test_an_impulse_comes_out_of_a_mix_where_it_went_in() -> None:
    impulse = np.zeros((2, 4000), np.float32)
    impulse[:, 1000] = 0.25
    out = Mix([Board(), VST3(LATENT)])(impulse, RATE)
    assert np.flatnonzero(np.abs(out[0]) > 0.2).tolist() == [1000]
    assert out[0, 1000] == pytest.approx(0.5, abs=0.01)


@needs_vst3
@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"tube_drve": 5.0}, "ZamTube has no parameter 'tube_drve'; did you mean tube_drive"),
        ({"zzz": 1.0}, "no parameter 'zzz'; see audiosr-fx plugins show"),
        ({"tube_drive": 50.0}, r"tube_drive is 50.0; .*out of range"),
        ({"tone_stack_model": "Mesa"}, "tone_stack_model is 'Mesa'; .*Mesa Boogie Mark"),
        ({"bass": "loud"}, "bass is 'loud'"),
    ],
)
def test_parameters_are_checked(parameters: dict[str, Any], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        VST3(MONO, parameters).load()


@needs_vst3
def test_parameters_can_be_changed_all_or_none(stereo: Audio) -> None:
    effect = VST3(MONO_EQ, {"master_gain_db": 5})
    effect(stereo, RATE)
    with pytest.raises(ParameterError, match="no parameter 'nonsense'"):
        effect.set_parameters({"bandwidth_1": 2.0, "nonsense": 1.0})
    assert effect.plugin.bandwidth_1 == 1.0  # type: ignore[attr-defined]
    effect.set_parameters({"master_gain_db": -5.0})
    assert effect.settings.parameters == {"master_gain_db": -5.0}
    assert np.array_equal(effect(stereo, RATE), VST3(MONO_EQ, {"master_gain_db": -5})(stereo, RATE))
    assert "boost_cut_1_db" in effect.parameters
    assert "buffer_size_frames" not in effect.parameters


@needs_vst3
def test_parameters_outlast_a_reset_that_loads_the_plugin_anew(stereo: Audio) -> None:
    effect, quiet = VST3(MONO, {"tube_drive": 5}), VST3(MONO)
    for _ in range(3):
        driven = effect(stereo[0], RATE)
        assert np.abs(driven - quiet(stereo[0], RATE)).max() > 0.05
        effect.reset()


@needs_vst3
def test_presets_set_a_plugin_of_their_class_only(tmp_path: Path) -> None:
    preset = tmp_path / "squash.vstpreset"
    tuned = VST3(STEREO, {"threshold_db": -30})
    tuned(np.zeros((2, 1000), np.float32), RATE)  # a plugin learns its parameters when it runs
    preset.write_bytes(tuned.plugin.preset_data)
    effect = VST3(STEREO, {"makeup_db": 6}, preset=preset)
    assert (effect.plugin.threshold_db, effect.plugin.makeup_db) == (-30.0, 6.0)  # type: ignore[attr-defined]
    with pytest.raises(
        PresetError, match=r"squash.vstpreset: is for a plugin of class \w{32}, and ZamTube is"
    ):
        VST3(MONO, preset=preset).load()


@needs_vst3
def test_a_state_is_kept_in_a_file_and_knows_its_plugin(tmp_path: Path) -> None:
    state = tmp_path / "squash.state"
    VST3(STEREO, {"threshold_db": -30}).save_state(state)
    assert VST3(STEREO, state=state).plugin.threshold_db == -30.0  # type: ignore[attr-defined]
    with pytest.raises(PresetError, match="is for a plugin of class"):
        VST3(MONO, state=state).load()
    with pytest.raises(FileExistsError):
        VST3(STEREO).save_state(state)
    plain = tmp_path / "plain.state"
    plain.write_bytes(VST3(STEREO, state=state).plugin.raw_state)
    assert VST3(STEREO, state=plain).plugin.threshold_db == -30.0  # type: ignore[attr-defined]


@needs_vst3
def test_a_plugin_that_a_file_does_not_hold_is_named() -> None:
    with pytest.raises(PluginError, match=r"ZamTube.vst3: holds no 'ZamVerb'; it holds ZamTube"):
        VST3(MONO, plugin_name="ZamVerb").load()
    VST3(MONO, plugin_name="ZamTube").load()


@needs_vst3
def test_loading_and_some_resets_belong_to_the_main_thread(stereo: Audio) -> None:
    error = in_a_thread(VST3(STEREO).load)
    assert isinstance(error, PluginError)
    assert "load on the main thread only" in str(error)
    resettable, other = VST3(STEREO), VST3(MONO)
    for effect in (resettable, other):
        effect(stereo, RATE)
    assert in_a_thread(lambda: resettable(stereo, RATE)) is None
    if in_a_thread(other.plugin.reset) is None:
        pytest.skip("pedalboard, which tries it with noise, has for once found that this plugin forgets")
    error = in_a_thread(lambda: other(stereo, RATE))
    assert isinstance(error, PluginError)
    assert "ZamTube: must be loaded anew to be reset, which only the main thread may do" in str(error)
