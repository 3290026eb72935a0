from __future__ import annotations

import errno
import os
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pedalboard
import pytest
import soundfile
import soxr
from audio_kinds import load
from hosted import STEREO, needs_vst3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pedalboard import Gain, HighpassFilter, LadderFilter, Pedalboard
from scipy import signal

from audiosr_fx.board import Board
from audiosr_fx.engine import Engine
from audiosr_fx.errors import ParameterError, PresetError
from audiosr_fx.loudness import album_loudness
from audiosr_fx.meters import Levels, measure
from audiosr_fx.mix import Mix
from audiosr_fx.node import AudioSR
from audiosr_fx.params import Control
from audiosr_fx.preset import MAX_DEPTH, Preset, parse_preset
from audiosr_fx.preset_effects import Key, effect_types
from audiosr_fx.presets import find_presets, load_preset, read_preset, user_folder, write_preset
from audiosr_fx.sources import ArraySource, Audio
from audiosr_fx.toml_text import to_toml

ROOT = Path(__file__).parent.parent
CLIPS = ROOT / "tests" / "data"
RATE = 48_000
HEAD = 'schema = 1\nname = "A"\ndescription = "B"\n'
SHIPPED = (
    "album-stems",
    "archive-transfer",
    "broadcast-r128",
    "dark-vocal",
    "dull-drums",
    "generative-model",
    "gentle-restore",
    "loudness-only",
    "mp3-rescue",
    "noisy-tape",
    "podcast",
    "streaming-master",
    "synth-32k",
)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIOSR_FX_PRESETS", str(tmp_path / "presets"))


def chain(*effects: str) -> Preset:
    return parse_preset(HEAD + "".join(f"[[chain]]\n{effect}\n" for effect in effects), "a.toml")


# --- reading --------------------------------------------------------------------------------------


def test_a_preset_becomes_the_board_it_describes(signals: type) -> None:
    preset = chain(
        'type = "HighpassFilter"\ncutoff_frequency_hz = 100',
        'type = "LadderFilter"\nmode = "LPF24"\ncutoff_hz = 3000.0',
        'type = "Gain"\ngain_db = -3',
    )
    native = Pedalboard(
        [HighpassFilter(100), LadderFilter(LadderFilter.Mode.LPF24, cutoff_hz=3000), Gain(-3)]
    )
    audio = signals.noise(10_000, RATE, channels=2)
    assert np.array_equal(preset.build()(audio, RATE), native(audio, RATE))


def test_sections_hold_others_in_series_and_in_parallel() -> None:
    preset = chain('type = "Mix"\nbranches = [{type = "Board"}, {type = "Board", chain = [{type = "Gain"}]}]')
    board = preset.build()
    mix = board[0]
    assert isinstance(mix, Mix)
    assert [type(branch) for branch in mix] == [Board, Board]
    assert len(board.leaves()) == 1
    assert [place for place, _ in preset.sections()] == ["1", "1.1", "1.2", "1.2.1"]


def test_every_effect_of_pedalboard_can_stand_in_a_preset() -> None:
    natives = [
        name
        for name, kind in vars(pedalboard).items()
        if isinstance(kind, type) and issubclass(kind, pedalboard.Plugin) and not name.startswith("_")
    ]
    bases = {"Plugin", "PluginContainer", "ExternalPlugin", "IIRFilter", "VST3Plugin", "AudioUnitPlugin"}
    plain = set(natives) - bases - {"Chain", "Mix", "Pedalboard"}
    assert plain <= set(effect_types())
    for name in plain - {"Convolution"}:
        effect: Any = chain(f'type = "{name}"').build()[0]
        assert type(effect) is getattr(pedalboard, name)
        for key in effect_types()[name].keys:
            assert hasattr(effect, key)


def test_ours_take_every_control_of_the_table() -> None:
    for name in ("AudioSR", "LoudnessNormalize", "TruePeakLimiter", "MasterTo"):
        keys = effect_types()[name].keys
        effect: Any = chain(f'type = "{name}"').build()[0]
        assert set(keys) == set(effect.settings.__dataclass_fields__)
        assert all(key.control is not None and key.control.name == key.name for key in keys.values())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x=", "not TOML"),
        ("a=" + "[" * 5000, "not TOML: nested too deeply"),
        ('name = "A"', "schema is missing; expected 1"),
        (HEAD.replace("1", "2", 1), "schema is 2; expected 1; update audiosr_fx"),
        (HEAD.replace("1", "true", 1), "schema is True; expected 1"),
        (HEAD, "chain is missing"),
        (HEAD + "chain = []", "chain is no list of effects"),
        (HEAD + "chain = [3]", "chain 1: type is missing"),
        (HEAD + "chian = []", r"unknown key 'chian' \(did you mean chain\?\)"),
        (HEAD.replace('"A"', '""'), "name is ''; expected a text"),
        (HEAD.replace('"A"', '"\\u001b"'), "name is "),
        (HEAD + '[[chain]]\ntype = "Gian"', r"chain 1: type is 'Gian' \(did you mean Gain\?\)"),
        (
            HEAD + '[[chain]]\ntype = "HighpassFilter"\ncutoff_hz = 3',
            r"chain 1 \(HighpassFilter\): unknown key 'cutoff_hz' \(did you mean cutoff_frequency_hz\?\)",
        ),
        (HEAD + '[[chain]]\ntype = "AudioSR"\nquality = "top"', "quality is 'top'; expected draft, standard"),
        (HEAD + '[[chain]]\ntype = "MasterTo"\ntarget_lufs = 3', "target_lufs is 3; expected -60 to 0 LUFS"),
        (
            HEAD + '[[chain]]\ntype = "LadderFilter"\nmode = "LP24"',
            r"mode is 'LP24'.*did you mean LPF24\?",
        ),
        (HEAD + '[[chain]]\ntype = "Gain"\ngain_db = nan', "gain_db is nan; expected a finite number"),
        (HEAD + '[[chain]]\ntype = "Gain"\ngain_db = 1e30', "gain_db is 1e"),
        (HEAD + f'[[chain]]\ntype = "Gain"\ngain_db = {"9" * 400}', "gain_db is "),
        (HEAD + '[[chain]]\ntype = "Gain"\ngain_db = "3"', "gain_db is '3'; expected a finite number"),
        (HEAD + '[[chain]]\ntype = "Compressor"\nratio = 0.5', "ratio 0.5 is refused"),
        (HEAD + '[[chain]]\ntype = "Convolution"', "impulse_response_filename is missing"),
        (HEAD + '[[chain]]\ntype = "VST3"', "path is missing"),
        (
            HEAD + '[[chain]]\ntype = "VST3"\npath = "a.vst3"\nparameters = 3',
            "parameters is 3; expected a table",
        ),
        (HEAD + '[[chain]]\ntype = "Mix"\nbranches = 3', "chain 1: branches is no list of effects"),
        (
            HEAD + '[[chain]]\ntype = "Mix"\n[[chain.branches]]\ntype = "Gain"\ngain = 1',
            r"chain 1\.1 \(Gain\): unknown key 'gain' \(did you mean gain_db\?\)",
        ),
        (
            HEAD + '[[chain]]\ntype = "Gain"\n[[chain]]\ntype = "LoudnessNormalize"\nmode = "album"',
            r"chain 2 \(LoudnessNormalize\): mode is 'album'.*put it first",
        ),
    ],
)
def test_what_is_wrong_is_one_line_with_file_place_and_reason(text: str, reason: str) -> None:
    with pytest.raises(PresetError, match=reason) as caught:
        parse_preset(text, "a.toml")
    assert str(caught.value).startswith("a.toml: ")
    assert "\n" not in str(caught.value)


def test_nesting_has_an_end() -> None:
    inner = '{type = "Gain"}'
    for _ in range(MAX_DEPTH):
        inner = f'{{type = "Board", chain = [{inner}]}}'
    with pytest.raises(PresetError, match="nested more than"):
        parse_preset(f"{HEAD}chain = [{inner}]")


def test_frequencies_are_held_against_the_rate_of_the_session() -> None:
    preset = chain(
        'type = "LowpassFilter"\ncutoff_frequency_hz = 23000', 'type = "AudioSR"\ncutoff_hz = 9000'
    )
    assert len(preset.build(48_000)) == 2
    with pytest.raises(PresetError, match=r"a\.toml: chain 1 \(LowpassFilter\).*less than 22050 Hz"):
        preset.build(44_100)
    with pytest.raises(PresetError, match=r"chain 2 \(AudioSR\): cutoff_hz is 9000"):
        chain('type = "Gain"', 'type = "AudioSR"\ncutoff_hz = 9000').build(16_000)


def test_files_are_sought_beside_the_preset(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "room.wav", np.ones(8, np.float32), RATE)
    path = tmp_path / "a.toml"
    path.write_text(
        f'{HEAD}[[chain]]\ntype = "Convolution"\nimpulse_response_filename = "room.wav"\n', "utf-8"
    )
    assert len(read_preset(path).build()) == 1
    (tmp_path / "room.wav").unlink()
    with pytest.raises(PresetError, match=r"chain 1 \(Convolution\)"):
        read_preset(path).build()


@needs_vst3
def test_a_plugin_stands_in_a_preset_with_its_parameters(signals: type) -> None:
    preset = chain(f'type = "VST3"\npath = "{STEREO}"\n[chain.parameters]\nattack_ms = 20.0')
    assert parse_preset(preset.to_toml()) == preset
    changed = preset.with_setting("VST3.parameters.attack_ms", "30")
    effect: Any = changed.build()[0]
    assert dict(effect.settings.parameters) == {"attack_ms": 30.0}
    assert effect(signals.noise(9000, RATE, channels=2), RATE).shape == (2, 9000)


# --- writing --------------------------------------------------------------------------------------


def numbers(minimum: float, maximum: float) -> st.SearchStrategy[float]:
    return st.floats(minimum, maximum, allow_subnormal=False)  # plugins may have switched those off


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=40).filter(
    lambda text: text.isprintable() and text.strip() != ""
)
PARAMETERS = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12),
    st.one_of(numbers(-1e6, 1e6), st.booleans(), st.text(st.characters(exclude_categories=["Cs"]))),
    max_size=3,
)


def values_of(control: Control) -> st.SearchStrategy[Any]:
    if control.choices:
        return st.sampled_from(control.choices)
    if control.type is bool:
        return st.booleans()
    if control.type is str:
        return TEXTS
    assert control.minimum is not None
    assert control.maximum is not None
    if control.type is int:
        return st.integers(int(control.minimum), int(control.maximum))
    return numbers(control.minimum, control.maximum)


def values_for(key: Key) -> st.SearchStrategy[Any]:
    if key.control is not None:
        return values_of(key.control)
    if key.choices:
        return st.sampled_from(key.choices)
    if key.type is dict:
        return PARAMETERS
    if key.type is bool:
        return st.booleans()
    if key.type is str:
        return TEXTS
    return numbers(1.0, 2.0) if key.name in ("ratio", "drive") else numbers(0.1, 0.9)


def effects() -> st.SearchStrategy[dict[str, Any]]:
    def plain(name: str) -> st.SearchStrategy[dict[str, Any]]:
        keys = effect_types()[name].keys
        required = {key.name: values_for(key) for key in keys.values() if key.is_required}
        optional = {key.name: values_for(key) for key in keys.values() if not key.is_required}
        if name == "VST3":
            del optional["state"]  # a state or a preset, not both
        if name == "LoudnessNormalize":
            del optional["mode"]  # album only goes first
        return st.fixed_dictionaries({"type": st.just(name), **required}, optional=optional)

    leaves = st.sampled_from([name for name, kind in effect_types().items() if not kind.inner]).flatmap(plain)
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.fixed_dictionaries(
                {"type": st.just("Board")}, optional={"chain": st.lists(inner, min_size=1, max_size=2)}
            ),
            st.fixed_dictionaries(
                {"type": st.just("Mix")}, optional={"branches": st.lists(inner, min_size=1, max_size=2)}
            ),
        ),
        max_leaves=5,
    )


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(name=TEXTS, description=TEXTS, sections=st.lists(effects(), min_size=1, max_size=3))
def test_what_is_written_reads_back_the_same(
    name: str, description: str, sections: list[dict[str, Any]]
) -> None:
    table = {"schema": 1, "name": name, "description": description, "chain": sections}
    assert tomllib.loads(to_toml(table)) == table
    preset = parse_preset(to_toml(table))
    assert parse_preset(preset.to_toml()) == preset


# --- changing -------------------------------------------------------------------------------------


def test_a_value_is_changed_by_key_type_or_place() -> None:
    preset = chain(
        'type = "Gain"', 'type = "Board"\nchain = [{type = "Gain", gain_db = 1.0}]', 'type = "MasterTo"'
    )
    assert preset.with_setting("target_lufs", "-20").chain[2].values == {"target_lufs": -20.0}
    assert preset.with_setting("MasterTo.target_lufs", "-20").chain[2].values == {"target_lufs": -20.0}
    assert preset.with_setting("2.1.gain_db", "4").chain[1].inner[0].values == {"gain_db": 4.0}
    assert preset.with_setting("1.gain_db", "4").chain[0].values == {"gain_db": 4.0}
    with pytest.raises(ParameterError, match=r"several.*1\.gain_db \(Gain\), 2\.1\.gain_db"):
        preset.with_setting("gain_db", "4")


@pytest.mark.parametrize(
    ("key", "text", "reason"),
    [
        ("target", "-3", r"nothing in A has it \(did you mean target_lufs\?\)"),
        ("9.target_lufs", "-3", "nothing in A has it"),
        ("type", "Gain", "nothing in A has it"),
        ("parameters.x", "1", "nothing in A has it"),
        ("", "1", "nothing in A has it"),
        ("target_lufs", "loud", "target_lufs is 'loud'; expected -60 to 0 LUFS"),
        ("target_lufs", "", "target_lufs is ''"),
        ("target_lufs", '-3\ntype = "Gain"', "target_lufs is "),
    ],
)
def test_a_change_that_does_not_fit_is_refused(key: str, text: str, reason: str) -> None:
    with pytest.raises((ParameterError, PresetError), match=reason):
        chain('type = "MasterTo"').with_setting(key, text)


def test_texts_need_no_quotes() -> None:
    preset = chain('type = "AudioSR"')
    for text in ("best", '"best"', "'best'"):
        assert preset.with_setting("quality", text).chain[0].values == {"quality": "best"}
    assert preset.with_setting("model", "16").chain[0].values == {"model": "16"}
    assert preset.with_setting("keep_low_band", "false").chain[0].values == {"keep_low_band": False}
    model = preset.with_setting("model", "own.safetensors").chain[0].values["model"]
    assert model == str(Path("own.safetensors").absolute())


# --- files ----------------------------------------------------------------------------------------


def test_a_users_preset_takes_the_place_of_a_shipped_one() -> None:
    assert tuple(find_presets()) == SHIPPED
    path = write_preset("podcast", f'{HEAD}[[chain]]\ntype = "Gain"')
    assert path == user_folder() / "podcast.toml"
    assert load_preset("podcast").name == "A"
    assert tuple(find_presets()) == SHIPPED
    with pytest.raises(PresetError, match="exists already"):
        write_preset("podcast", f'{HEAD}[[chain]]\ntype = "Gain"')


def test_a_new_preset_is_there_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no room"):
        write_preset("mine", f'{HEAD}[[chain]]\ntype = "Gain"')
    assert list(user_folder().iterdir()) == []


@pytest.mark.parametrize("name", ["", "..", "a/b", "A", "a b", "x" * 65, "a\n"])
def test_a_new_preset_wants_a_name_for_a_file(name: str) -> None:
    with pytest.raises(ParameterError, match="expected small letters"):
        write_preset(name, f'{HEAD}[[chain]]\ntype = "Gain"')


def test_what_is_no_preset_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(PresetError, match=r"podcst: no such preset \(did you mean podcast\?\)"):
        load_preset("podcst")
    with pytest.raises(PresetError, match="an empty name: no such preset; there are"):
        load_preset("")
    with pytest.raises(PresetError, match=r"none\.toml: cannot be read \(No such file"):
        load_preset(str(tmp_path / "none.toml"))
    (tmp_path / "a.toml").write_bytes(b"\xff")
    with pytest.raises(PresetError, match="not UTF-8 text at byte 0"):
        read_preset(tmp_path / "a.toml")
    (tmp_path / "a.toml").write_bytes(b"#" * 300_000)
    with pytest.raises(PresetError, match="larger than 256 KiB"):
        read_preset(tmp_path / "a.toml")


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_presets_are_sound(name: str) -> None:
    preset = load_preset(name)
    assert parse_preset(preset.to_toml()) == preset
    assert len(preset.build()) == len(preset.chain)
    assert 20 < len(preset.description) < 120


def test_the_wheel_carries_the_presets(tmp_path: Path) -> None:
    from hatchling.builders.wheel import WheelBuilder

    wheel = Path(next(WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])))
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert {f"presets/{name}.toml" for name in SHIPPED} <= set(names)
        archive.extractall(
            tmp_path / "site", [name for name in names if not name.endswith((".safetensors", ".npz"))]
        )
    code = "from audiosr_fx.presets import find_presets; print(*find_presets().values(), sep='\\n')"
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "site"), "AUDIOSR_FX_PRESETS": str(tmp_path / "none")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert [Path(line) for line in run.stdout.splitlines()] == [
        tmp_path / "site" / "presets" / f"{name}.toml" for name in SHIPPED
    ]


# --- what each is for -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Target:
    """What a preset must reach on a clip that is made dull: by a filter, a lower rate or an encoder."""

    clip: str
    cutoff_hz: float | None = None
    rate: int = RATE
    as_mp3: bool = False
    lufs: float | None = None
    ceiling_dbtp: float = 0.0
    keeps_loudness_within_lu: float | None = None


TARGETS = {
    "archive-transfer": Target("audio/strings.flac", 9000, ceiling_dbtp=-0.1, keeps_loudness_within_lu=0.3),
    "broadcast-r128": Target("audio/mix.flac", 8000, lufs=-23, ceiling_dbtp=-1),
    "dark-vocal": Target("audio/speech.flac", 6000, lufs=-20, ceiling_dbtp=-1),
    "dull-drums": Target("stems/drum_loop_dull.flac", ceiling_dbtp=-1, keeps_loudness_within_lu=0.3),
    "generative-model": Target("audio/winds.flac", rate=16_000, lufs=-14, ceiling_dbtp=-1),
    "gentle-restore": Target("audio/guitar.flac", 6000, ceiling_dbtp=-0.3, keeps_loudness_within_lu=0.1),
    "loudness-only": Target("stems/drum_loop_dull.flac", lufs=-14, ceiling_dbtp=-1),
    "mp3-rescue": Target("audio/mix.flac", as_mp3=True, ceiling_dbtp=-1, keeps_loudness_within_lu=0.1),
    "podcast": Target("audio/speech.flac", 5000, lufs=-16, ceiling_dbtp=-1),
    "streaming-master": Target("stems/drum_loop_dull.flac", lufs=-14, ceiling_dbtp=-1),
    "synth-32k": Target("audio/winds.flac", rate=32_000, ceiling_dbtp=-0.3, keeps_loudness_within_lu=0.1),
}


def make_input(target: Target, folder: Path) -> Path:
    clip = load(CLIPS / target.clip)[0]
    if target.cutoff_hz is not None:
        sections = signal.cheby1(8, 0.05, target.cutoff_hz, fs=RATE, output="sos")
        clip = signal.sosfiltfilt(sections, clip)
    if target.as_mp3:
        mp3 = {"format": "MP3", "bitrate_mode": "CONSTANT", "compression_level": 0.9}  # ends at 16 kHz
        soundfile.write(folder / "in.mp3", clip, RATE, **mp3)
        return folder / "in.mp3"
    soundfile.write(folder / "in.wav", soxr.resample(clip, RATE, target.rate), target.rate, subtype="PCM_24")
    return folder / "in.wav"


def quick(preset: Preset) -> Preset:
    has_model = any(section.type == "AudioSR" for _, section in preset.sections())
    return preset.with_values("AudioSR", {"quality": "draft"}) if has_model else preset


def levels(audio: Audio, rate: int = RATE) -> Levels:
    return measure(ArraySource(audio, rate))


def energy_db(audio: Audio, above_hz: float) -> float:
    power = np.abs(np.fft.rfft(audio[0])) ** 2
    return float(10 * np.log10(power[np.fft.rfftfreq(audio.shape[1], 1 / RATE) > above_hz].sum() + 1e-9))


def test_every_shipped_preset_has_a_target() -> None:
    assert {*TARGETS, "album-stems", "noisy-tape"} == set(SHIPPED)


@pytest.mark.usefixtures("mini_engine")
@pytest.mark.parametrize("name", TARGETS)
def test_shipped_presets_meet_their_targets(name: str, tmp_path: Path) -> None:
    target = TARGETS[name]
    source = make_input(target, tmp_path)
    done = quick(load_preset(name)).build().render_file(source, tmp_path / "out.wav", preset=name)
    out = load(done.path)
    given, rate = soundfile.read(source, dtype="float32", always_2d=True)
    before, after = levels(np.ascontiguousarray(given.T), rate), levels(out)
    assert done.frames == -(-len(given) * RATE // rate)
    assert done.clipped_samples == 0
    assert after.true_peak_dbtp <= target.ceiling_dbtp + 0.05
    if target.lufs is not None:
        assert after.integrated_lufs == pytest.approx(target.lufs, abs=0.1)
    if target.keeps_loudness_within_lu is not None:
        assert after.integrated_lufs == pytest.approx(
            before.integrated_lufs, abs=target.keeps_loudness_within_lu
        )
    if name == "loudness-only":
        assert done.verdicts == ()
        return
    verdict = done.verdicts[0]
    assert verdict.process
    assert verdict.cutoff_hz is not None
    dull = soxr.resample(given[:, 0], rate, RATE)[None]
    assert energy_db(out, 1.15 * verdict.cutoff_hz) > energy_db(dull, 1.15 * verdict.cutoff_hz) + 20


@pytest.mark.usefixtures("mini_engine")
def test_noisy_tape_takes_hiss_away_and_makes_highs_of_what_is_left(tmp_path: Path) -> None:
    speech = np.tile(load(CLIPS / "audio/speech.flac"), 2)
    dull = signal.sosfiltfilt(signal.butter(2, 7_000.0, fs=RATE, output="sos"), speech)
    noisy = dull + 0.01 * np.random.default_rng(0).standard_normal(dull.shape)
    source = tmp_path / "tape.wav"
    soundfile.write(source, noisy.T, RATE, subtype="PCM_24")
    [plain] = Board([AudioSR("draft")]).render_file(source, tmp_path / "plain.wav").verdicts
    assert not plain.process, "hiss hides where the recording ends"
    [verdict] = quick(load_preset("noisy-tape")).build().render_file(source, tmp_path / "out.wav").verdicts
    assert verdict.process
    assert verdict.is_cleaned
    assert verdict.cutoff_hz == pytest.approx(7_000.0, rel=0.15)
    band = signal.butter(8, (3_000.0, 6_000.0), "bandpass", fs=RATE, output="sos")
    pauses = [
        np.quantile(np.square(signal.sosfilt(band, one)).reshape(-1, RATE // 100).mean(axis=1), 0.1)
        for one in (load(tmp_path / "out.wav")[0], noisy[0])
    ]
    assert pauses[0] < 0.1 * pauses[1], "between words"


@pytest.mark.usefixtures("mini_engine")
def test_gentle_restore_adds_the_new_highs_at_half_level_and_changes_nothing_else(tmp_path: Path) -> None:
    source = make_input(TARGETS["gentle-restore"], tmp_path)
    quick(load_preset("gentle-restore")).build().render_file(source, tmp_path / "out.wav")
    Board([AudioSR("draft")]).render_file(source, tmp_path / "full.wav")
    dull, gentle, full = (load(tmp_path / name) for name in ("in.wav", "out.wav", "full.wav"))
    assert np.abs((gentle - dull) - 0.5 * (full - dull)).max() < 1e-5


@pytest.mark.usefixtures("mini_engine")
def test_album_stems_keep_their_balance(tmp_path: Path) -> None:
    clips = {"drums": "stems/drum_loop_dull.flac", "voice": "audio/speech.flac", "synth": "audio/winds.flac"}
    stems = [soxr.resample(load(CLIPS / clip)[0], RATE, RATE)[None] for clip in clips.values()]
    board = quick(load_preset("album-stems")).build()
    effect: Any = board[0]
    decision = effect.learn([ArraySource(stem, RATE) for stem in stems])
    rendered = []
    for name, stem in zip(clips, stems, strict=True):
        soundfile.write(tmp_path / f"{name}.wav", stem[0], RATE, subtype="FLOAT")
        board.render_file(tmp_path / f"{name}.wav", tmp_path / f"{name}_out.wav")
        rendered.append(load(tmp_path / f"{name}_out.wav"))
    for before, after in zip(stems, rendered, strict=True):
        low = signal.butter(8, 3000, fs=RATE, output="sos")
        gains = [np.std(signal.sosfiltfilt(low, audio[0])) for audio in (before, after)]
        assert 20 * np.log10(gains[1] / gains[0]) == pytest.approx(decision.gain_db, abs=0.01)
    assert album_loudness([ArraySource(stem, RATE) for stem in rendered]) == pytest.approx(-23, abs=0.5)


def test_a_preset_with_a_model_runs_over_any_engine(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, signals: type
) -> None:
    monkeypatch.setattr("audiosr_fx.engine.load_engine", lambda *_: engine)
    board = chain('type = "AudioSR"\ncutoff_hz = 6000\nsteps = 1', 'type = "TruePeakLimiter"').build()
    audio = signals.sine(RATE // 3, RATE, channels=2)
    assert board(audio, RATE).shape == audio.shape
