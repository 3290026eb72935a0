from __future__ import annotations

import copy
import inspect
import pickle
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pedalboard
import pytest
import soundfile
from effects import HoldsBack, Passes, WholeOnly, in_layouts
from pedalboard import (
    Bitcrush,
    BrickwallLimiter,
    Chorus,
    Clipping,
    Compressor,
    Convolution,
    Delay,
    Distortion,
    Gain,
    GSMFullRateCompressor,
    HighpassFilter,
    HighShelfFilter,
    Invert,
    LadderFilter,
    Limiter,
    LowpassFilter,
    LowShelfFilter,
    MP3Compressor,
    NoiseGate,
    PeakFilter,
    Pedalboard,
    Phaser,
    PitchShift,
    Resample,
    Reverb,
)

from audiosr_fx.board import Board
from audiosr_fx.errors import AudioFormatError, ParameterError, PluginError
from audiosr_fx.mix import Mix
from audiosr_fx.native import clone_native, parameter_names
from audiosr_fx.sources import Audio

RATE = 48_000
IMPULSE_RESPONSE = (0.5 ** np.arange(64)).astype(np.float32)

MAKERS: dict[str, Callable[[], pedalboard.Plugin]] = {
    "Bitcrush": lambda: Bitcrush(6),
    "BrickwallLimiter": lambda: BrickwallLimiter(-6.0, true_peak=True),
    "Chorus": Chorus,
    "Clipping": Clipping,
    "Compressor": lambda: Compressor(-20, 4),
    "Convolution": lambda: Convolution(IMPULSE_RESPONSE, 0.5, RATE),
    "Delay": lambda: Delay(0.05, 0.3),
    "Distortion": Distortion,
    "GSMFullRateCompressor": GSMFullRateCompressor,
    "Gain": lambda: Gain(-3),
    "HighShelfFilter": lambda: HighShelfFilter(3000, 4),
    "HighpassFilter": lambda: HighpassFilter(100),
    "Invert": Invert,
    "LadderFilter": lambda: LadderFilter(LadderFilter.Mode.LPF24, 3000, 0.3, 1.5),
    "Limiter": Limiter,
    "LowShelfFilter": lambda: LowShelfFilter(300, 3),
    "LowpassFilter": lambda: LowpassFilter(3000),
    "MP3Compressor": MP3Compressor,
    "NoiseGate": lambda: NoiseGate(-20),
    "PeakFilter": lambda: PeakFilter(1000, 5),
    "Phaser": Phaser,
    "PitchShift": lambda: PitchShift(3),
    "Resample": lambda: Resample(12_000),
    "Reverb": Reverb,
}
ALL = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def chain(make: Callable[[], pedalboard.Plugin]) -> list[pedalboard.Plugin]:
    return [Gain(-1), make(), Delay(0.01)]


def streamed(board: Board | Pedalboard, audio: Audio, chunk: int, flush: int = 0) -> Audio:
    padded = np.pad(audio, ((0, 0), (0, flush)))
    chunks = [padded[:, i : i + chunk] for i in range(0, padded.shape[1], chunk)]
    return np.concatenate([board.process(piece, RATE, reset=False) for piece in chunks], axis=1)


def test_every_plugin_of_pedalboard_is_tried() -> None:
    concrete = {
        name
        for name, kind in vars(pedalboard).items()
        if inspect.isclass(kind) and issubclass(kind, pedalboard.Plugin)
    }
    bases = {"Plugin", "PluginContainer", "ExternalPlugin", "IIRFilter", "VST3Plugin", "AudioUnitPlugin"}
    assert concrete - bases - {"Pedalboard", "Chain", "Mix", "_klass"} == set(MAKERS)


@pytest.mark.parametrize("name", sorted(MAKERS.keys() - {"Convolution"}))
def test_plugins_are_made_anew_as_they_are_set(name: str) -> None:
    plugin = MAKERS[name]()
    assert repr(clone_native(plugin)).split(" at ")[0] == repr(plugin).split(" at ")[0]
    assert clone_native(plugin) is not plugin
    assert all(hasattr(plugin, name) for name in parameter_names(type(plugin)))


def test_a_convolution_is_made_anew_from_its_file(tmp_path: Path, stereo: Audio) -> None:
    soundfile.write(tmp_path / "room.wav", IMPULSE_RESPONSE, RATE, subtype="FLOAT")
    plugin = Convolution(str(tmp_path / "room.wav"), 0.25)
    assert np.array_equal(clone_native(plugin)(stereo, RATE), plugin(stereo, RATE))


def test_the_call_is_pedalboards() -> None:
    assert list(inspect.signature(Board.process).parameters) == [
        "self",
        "input_array",
        "sample_rate",
        "buffer_size",
        "reset",
    ]
    assert inspect.signature(Board.__call__) == inspect.signature(Board.process)
    assert list(inspect.signature(Board).parameters) == list(inspect.signature(Pedalboard).parameters)
    assert Board.is_effect is True
    assert Board.is_instrument is False


@ALL
def test_native_plugins_sound_as_in_pedalboard_bit_for_bit(
    make: Callable[[], pedalboard.Plugin], stereo: Audio
) -> None:
    assert np.array_equal(Board(chain(make))(stereo, RATE), Pedalboard(chain(make))(stereo, RATE))


@ALL
@pytest.mark.parametrize("buffer_size", [1, 64, 65, 8193, 100_000])
def test_block_sizes_change_nothing_against_pedalboard(
    make: Callable[[], pedalboard.Plugin], buffer_size: int, signals: type
) -> None:
    audio = signals.noise(3001, RATE, channels=2)
    expected = Pedalboard(chain(make))(audio, RATE, buffer_size)
    assert np.array_equal(Board(chain(make))(audio, RATE, buffer_size), expected)


@ALL
def test_streams_are_pedalboards_bit_for_bit(make: Callable[[], pedalboard.Plugin], stereo: Audio) -> None:
    board, native = Board(chain(make)), Pedalboard(chain(make))
    for start in range(0, stereo.shape[1], 4801):
        chunk = stereo[:, start : start + 4801]
        out = board.process(chunk, RATE, reset=False)
        assert np.array_equal(out, native.process(chunk, RATE, reset=False))


@ALL
def test_nesting_changes_nothing(make: Callable[[], pedalboard.Plugin], stereo: Audio) -> None:
    expected = Pedalboard([Gain(1), Pedalboard([make(), Gain(2)]), Delay(0.01)])(stereo, RATE)
    ours = Board([Gain(1), Board([Pedalboard([make()]), Gain(2)]), Delay(0.01)])
    assert np.array_equal(ours(stereo, RATE), expected)


@pytest.mark.parametrize(
    "layout",
    ["(n,)", "(1, n)", "(n, 1)", "(2, n)", "(n, 2)", "fortran", "strided", "float64", "big-endian", "(8, n)"],
)
@pytest.mark.parametrize("rate", [8000, 44_100, 48_000, 96_000.0])
def test_layouts_and_rates_are_pedalboards(layout: str, rate: float, stereo: Audio, signals: type) -> None:
    audio = {**in_layouts(stereo), "(8, n)": signals.noise(1000, RATE, channels=8)}[layout]
    kept = audio.copy()
    out = Board(chain(Compressor))(audio, rate)
    expected = Pedalboard(chain(Compressor))(audio, rate)
    assert out.shape == audio.shape
    assert out.dtype == np.float32
    assert out.flags.c_contiguous
    assert np.array_equal(out, expected)
    assert np.array_equal(audio, kept)


@pytest.mark.parametrize("samples", [0, 1, 64, 65, 8193])
@pytest.mark.parametrize("channels", [1, 2])
def test_odd_lengths_are_kept(samples: int, channels: int, signals: type) -> None:
    audio = signals.noise(samples, RATE, channels=channels)
    for board in (
        Board(),
        Board([Gain(0)]),
        Board([Passes()]),
        Board([BrickwallLimiter(), Passes(), Reverb()]),
    ):
        out = board(audio, RATE)
        assert out.shape == audio.shape
        assert not np.may_share_memory(out, audio) or audio.size == 0


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 2)])
def test_nothing_in_nothing_out(shape: tuple[int, ...]) -> None:
    board = Board([Delay(), Passes()])
    for reset in (True, False):
        assert board(np.zeros(shape, np.float32), RATE, reset=reset).shape == shape


def test_a_stream_in_chunks_of_any_size_is_the_whole(stereo: Audio) -> None:
    board = Board([Reverb(), HoldsBack(100), BrickwallLimiter(-6.0), Passes(), Delay(0.01)])
    whole = board(stereo, RATE)
    board.reset()
    sizes, position, out = [3000, 1, 2, 1, 7000, 64, 65, 8193, 2], 0, []
    for size in [*sizes, 20_000]:
        chunk = np.pad(stereo, ((0, 0), (0, 20_000)))[:, position : position + size]
        out.append(board.process(chunk, RATE, reset=False))
        position += size
    assert np.array_equal(np.concatenate(out, axis=1)[:, : stereo.shape[1]], whole)


@pytest.mark.parametrize("first", [1, 2, 3])
def test_a_stream_may_begin_with_less_samples_than_channels_once_its_layout_is_known(
    first: int, stereo: Audio
) -> None:
    whole = Board([HighpassFilter(100), Passes(), Gain(3)])(stereo, RATE)
    board = Board([HighpassFilter(100), Passes(), Gain(3)])
    board.process(stereo[:, :100], RATE)
    board.process(stereo[:, :0], RATE)  # a whole signal of nothing: forgets the tail, keeps the layout
    pieces = [
        board.process(piece, RATE, reset=False) for piece in np.split(stereo, [first, 2 * first], axis=1)
    ]
    assert np.array_equal(np.concatenate(pieces, axis=1), whole)


def test_two_boards_run_as_one_after_another(stereo: Audio) -> None:
    first, second = [HighpassFilter(200), Passes()], [Passes(), Limiter()]
    expected = Limiter()(HighpassFilter(200)(stereo, RATE), RATE)
    assert np.array_equal(Board([*first, Board(second)])(stereo, RATE), expected)


def test_a_subclass_with_its_own_process_is_heard(stereo: Audio) -> None:
    class Louder(Gain):  # inside pedalboard's own board the override is silently ignored
        def process(  # type: ignore[override]
            self, input_array: Audio, sample_rate: float, buffer_size: int = 8192, reset: bool = True
        ) -> Audio:
            return input_array * 2

    assert np.array_equal(Board([Louder(0)])(stereo, RATE), stereo * 2)
    assert not np.array_equal(Pedalboard([Louder(0)])(stereo, RATE), stereo * 2)


def test_a_board_with_its_own_process_is_heard_in_another(stereo: Audio) -> None:
    class Twice(Board):
        def process(
            self, input_array: Audio, sample_rate: float, buffer_size: int = 8192, reset: bool = True
        ) -> Audio:
            once = super().process(input_array, sample_rate, buffer_size, reset)
            return super().process(once, sample_rate, buffer_size, reset)

    expected = Gain(3)(Gain(3)(stereo, RATE), RATE)
    assert np.array_equal(Twice([Gain(3)]).process(stereo, RATE), expected)
    assert np.array_equal(Board([Board([Twice([Gain(3)])])])(stereo, RATE), expected)


def test_a_deep_copy_has_effects_of_its_own(stereo: Audio) -> None:
    board = Board([Gain(3), Pedalboard([Reverb(room_size=0.25)]), Board([HoldsBack(5)]), None])
    second = copy.deepcopy(board)
    assert np.array_equal(second(stereo, RATE), board(stereo, RATE))
    assert not {id(effect) for effect in board.leaves()} & {id(effect) for effect in second.leaves()}
    assert Board([board, second])(stereo, RATE).shape == stereo.shape
    with pytest.raises(ParameterError, match="Convolution holds an array"):
        copy.deepcopy(Board([Convolution(IMPULSE_RESPONSE, 0.5, RATE)]))


def test_a_board_can_be_pickled_with_pedalboards_plugins(stereo: Audio) -> None:
    native = Pedalboard([Reverb(room_size=0.25), pedalboard.Mix([Pedalboard(), Gain(-6)]), None])
    board = Board([Gain(3), native, Mix([Board([HighpassFilter(40)])]), None])
    second = pickle.loads(pickle.dumps(board))
    assert (type(second), len(second)) == (Board, 4)
    assert np.array_equal(second(stereo, RATE), board(stereo, RATE))
    with pytest.raises(ParameterError, match="Convolution holds an array"):
        pickle.dumps(Board([Convolution(IMPULSE_RESPONSE, 0.5, RATE)]))


def test_effects_may_be_changed_and_exchanged_between_calls(stereo: Audio) -> None:
    gain = Gain(0)
    board = Board([gain, Passes()])
    gain.gain_db = 6
    assert np.array_equal(board(stereo, RATE), Gain(6)(stereo, RATE))
    board[0] = Invert()
    assert np.array_equal(board(stereo, RATE), -stereo)
    board.clear()
    assert np.array_equal(board(stereo, RATE), stereo)


def test_a_board_is_a_list() -> None:
    a, b, c, d = Gain(1), Gain(2), Gain(3), Passes()
    board = Board(plugins=(effect for effect in [a, b]))
    board.append(c)
    board.extend([d])
    assert len(board) == 4
    assert board[-1] is d
    assert list(board) == [a, b, c, d]
    assert list(reversed(board)) == [d, c, b, a]
    assert c in board
    assert board.index(c) == 2
    assert board.count(a) == 1
    assert board.pop() is d
    assert board.pop(0) is a
    board.insert(0, a)
    board.remove(b)
    assert list(board) == [a, c]
    del board[0]
    board += [d]
    assert list(board) == [c, d]
    board[1:] = [a, b]
    board[0] = d
    assert list(board) == [d, a, b]
    del board[::2]
    assert list(board) == [a]
    board.clear()
    assert not board


def test_slices_sums_and_copies_are_boards_of_the_same_effects() -> None:
    effects = [Gain(1), Passes(), Gain(3)]
    board, nothing = Board(effects), list[object]()
    for derived in (board[:], board.copy(), copy.copy(board), board + nothing, nothing + board, Board(board)):
        assert type(derived) is Board
        assert derived == board
        assert derived is not board
        assert derived[1] is effects[1]
    assert board[::2] == Board(effects[::2])
    assert board[:1] + Board(effects[1:]) == board
    assert board != effects
    assert board != board[:2]
    assert repr(Board([Board()])) == "<Board with 1 plugin: [<Board with 0 plugins: []>]>"
    board[0], board[2] = board[2], board[0]
    board.reverse()
    assert list(board) == effects


def test_none_stands_for_no_effect(stereo: Audio) -> None:
    board = Board([None, Gain(3), None])
    assert len(board) == 3
    assert np.array_equal(board(stereo, RATE), Pedalboard([None, Gain(3), None])(stereo, RATE))


@pytest.mark.parametrize("thing", ["Gain", 1.0, Gain, object(), lambda audio, rate: audio])
def test_what_is_no_effect_is_refused_at_once(thing: object) -> None:
    board = Board([Gain(1)])
    for change in (board.append, lambda it: board.insert(0, it), lambda it: board.extend([Gain(0), it])):
        with pytest.raises(ParameterError, match="no effect; expected something with process"):
            change(thing)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            change(thing)  # type: ignore[arg-type]
    assert len(board) == 1


@pytest.mark.parametrize("thing", [5, Gain(1), lambda audio, rate: audio])
def test_what_is_no_list_of_effects_is_refused_at_once(thing: object) -> None:
    board = Board([Gain(1)])
    for change in (Board, Mix, board.extend, lambda it: board.__setitem__(slice(0, 1), it)):
        for error in (ParameterError, TypeError):
            with pytest.raises(error, match=r"is no list of effects; expected one, as in (Board|Mix)\(\["):
                change(thing)  # type: ignore[arg-type, operator]
    assert len(board) == 1


def test_instruments_are_refused() -> None:
    class Synth(Passes):
        is_effect, is_instrument = False, True

    with pytest.raises(ParameterError, match="instrument"):
        Board([Synth()])


def test_a_board_in_itself_is_refused_before_native_code_sees_it(stereo: Audio) -> None:
    board, inner = Board([Gain(1)]), Board()
    with pytest.raises(ParameterError, match="cannot hold itself"):
        board.append(board)
    board.append(inner)
    with pytest.raises(ParameterError, match="cannot hold itself"):
        inner.append(board)
    native = Pedalboard()
    native.append(native)
    with pytest.raises(ParameterError, match="Pedalboard holds itself"):
        Board([native])(stereo, RATE)


@pytest.mark.parametrize("make", [Gain, Passes])
def test_the_same_instance_twice_is_refused(make: Callable[[], object], stereo: Audio) -> None:
    effect = make()
    for board in (
        (Board([effect, effect]), Board([effect, Board([Pedalboard([effect])])]))
        if make is Gain
        else (Board([effect, Board([effect])]),)
    ):
        with pytest.raises(ParameterError, match="stands in 2 places"):
            board(stereo, RATE)


@pytest.mark.parametrize("buffer_size", [0, -1, 1.5, None, True])
def test_a_buffer_without_samples_is_refused_where_pedalboard_hangs(
    buffer_size: object, stereo: Audio
) -> None:
    with pytest.raises(ParameterError, match="buffer_size is"):
        Board([Gain(1)])(stereo, RATE, buffer_size)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_what_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(AudioFormatError, match="finite"):
        Board([Gain(1)])(np.full((1, 100), value, np.float64), RATE)


@pytest.mark.parametrize(
    "plugin",
    [
        HighpassFilter(24_000),
        HighpassFilter(-5),
        LowpassFilter(0),
        LowpassFilter(float("nan")),
        PeakFilter(30_000, 3),
        HighShelfFilter(float("inf"), 3),
        LowShelfFilter(24_001, 3),
        LadderFilter(LadderFilter.Mode.LPF24, -100),
        Phaser(centre_frequency_hz=30_000),
        Gain(float("nan")),
        Bitcrush(float("nan")),
    ],
    ids=lambda plugin: repr(plugin).split(" at ")[0],
)
def test_settings_that_make_native_code_unstable_are_refused(
    plugin: pedalboard.Plugin, stereo: Audio
) -> None:
    for board in (Board([plugin]), Board([Board([Pedalboard([plugin])])])):
        with pytest.raises(ParameterError, match=rf"{type(plugin).__name__}: \w+ is .*; expected"):
            board(stereo, RATE)


def test_a_filter_is_held_against_the_rate_of_the_call(stereo: Audio) -> None:
    board = Board([LowpassFilter(20_000)])
    assert board(stereo, 44_100).shape == stereo.shape
    with pytest.raises(ParameterError, match="less than 16000 Hz, half the sample rate"):
        board(stereo, 32_000)


def test_what_is_no_audio_is_refused_as_by_the_node() -> None:
    board = Board()
    for wrong in ([0.0], None, np.zeros(10, np.int16), np.zeros((1, 10), np.complex64)):
        with pytest.raises(TypeError, match="audio is"):
            board(wrong, RATE)  # type: ignore[arg-type]
    for shape in ((2, 2), (1, 2, 3), (40, 50)):
        with pytest.raises(AudioFormatError, match="shape"):
            board(np.zeros(shape, np.float32), RATE)
    with pytest.raises(AudioFormatError, match="sample_rate is 0"):
        board(np.zeros(10, np.float32), 0)


def test_an_offline_effect_refuses_a_stream_before_anything_runs(stereo: Audio) -> None:
    before = Passes()
    board = Board([before, Board([WholeOnly()])])
    assert board.is_offline
    assert not Board([before]).is_offline
    with pytest.raises(
        ParameterError, match="WholeOnly can only take a whole signal at once; call with reset"
    ):
        board(stereo, RATE, reset=False)
    assert before.calls == 0
    assert np.array_equal(board(stereo, RATE), stereo / 2)


def test_a_stream_keeps_to_its_rate_and_layout(stereo: Audio) -> None:
    board = Board([Reverb()])
    board(stereo, RATE, reset=False)
    with pytest.raises(AudioFormatError, match="44100 in a stream at 48000"):
        board(stereo, 44_100, reset=False)
    for other in (stereo[:1], stereo.T, stereo[0]):
        with pytest.raises(AudioFormatError, match=r"in a stream of \(2, samples\)"):
            board(other, RATE, reset=False)
    board.reset()
    assert board(stereo[0], 44_100, reset=False).shape == stereo[0].shape


def test_reset_forgets_the_tail(stereo: Audio) -> None:
    board = Board([Delay(0.01, mix=1.0), HoldsBack(10)])
    board(stereo, RATE, reset=False)
    board.reset()
    assert not board(np.zeros((2, 4800), np.float32), RATE, reset=False).any()


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (lambda audio: audio[:, :-1], "returned 99 of 100 samples"),
        (lambda audio: audio[0], "returned float32 "),
        (lambda audio: audio.tolist(), "returned list"),
        (lambda audio: 1 / 0, "failed: ZeroDivisionError"),
    ],
)
def test_an_effect_that_breaks_the_contract_is_named(
    result: Callable[[Audio], object], words: str, signals: type
) -> None:
    class Broken(Passes):
        def process(  # type: ignore[override]
            self, input_array: Audio, sample_rate: float, buffer_size: int = 8192, reset: bool = True
        ) -> object:
            return result(input_array)

    with pytest.raises(PluginError, match=f"Broken {words}"):
        Board([Broken()])(signals.noise(100, RATE), RATE)


def test_native_code_never_sees_what_is_not_finite(stereo: Audio) -> None:
    with pytest.raises(AudioFormatError, match="Gain, Gain put out NaN or Inf"):
        Board([Gain(500), Gain(500), Passes(), Reverb()])(stereo, RATE)


def test_what_pedalboard_refuses_is_our_error(signals: type) -> None:
    with pytest.raises(AudioFormatError, match=r"Gain, MP3Compressor: .*mono or stereo"):
        Board([Gain(), MP3Compressor()])(signals.noise(1000, RATE, channels=8), RATE)


def test_threads_take_turns(stereo: Audio) -> None:
    board = Board([Reverb(), Passes(), BrickwallLimiter(-6.0)])
    expected = board(stereo, RATE)
    results: list[Audio] = []
    threads = [threading.Thread(target=lambda: results.append(board(stereo, RATE))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all(np.array_equal(result, expected) for result in results)


def test_a_board_is_iterable_for_type_checkers_too() -> None:
    effects: Iterable[object] = Board([Gain()])
    assert [type(effect) for effect in effects] == [Gain]
