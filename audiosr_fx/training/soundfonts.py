"""Soundfonts (SF2) for training: recorded instruments, each note pitched with a full-quality resampler.

Synthesisers for live playing pitch samples with short interpolators, which dim the top octave and leave
mirror images in it: what training needs most. Here every note is resampled by soxr instead, and filters are
left open: soft notes sound soft by the samples recorded for them.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import soxr
from numpy.typing import NDArray

from audiosr_fx.errors import AudioFormatError
from audiosr_fx.training.data import SAMPLE_RATE
from audiosr_fx.wording import one_line

DRUM_BANK: Final = 128

# Generator numbers and defaults of SoundFont 2.04, section 8.1.2.
_START, _END, _LOOP_START, _LOOP_END = 0, 1, 2, 3
_START_COARSE, _END_COARSE, _LOOP_START_COARSE, _LOOP_END_COARSE = 4, 12, 45, 50
_DELAY, _ATTACK, _HOLD, _DECAY, _SUSTAIN, _RELEASE = 33, 34, 35, 36, 37, 38
_INSTRUMENT, _KEYS, _VELOCITIES, _ATTENUATION = 41, 43, 44, 48
_COARSE_TUNE, _FINE_TUNE, _SAMPLE, _MODE, _SCALE, _ROOT = 51, 52, 53, 54, 56, 58
_DEFAULTS: Final = {
    _DELAY: -12_000,
    _ATTACK: -12_000,
    _HOLD: -12_000,
    _DECAY: -12_000,
    _RELEASE: -12_000,
    _SCALE: 100,
    _ROOT: -1,
    _KEYS: 0x7F00,
    _VELOCITIES: 0x7F00,
}
_NOT_ADDED: Final = {_KEYS, _VELOCITIES, _INSTRUMENT, _SAMPLE, _MODE, _ROOT}  # a preset adds to the rest
_ATTENUATION_SCALE: Final = 0.04  # dB per unit: the files are made for the 0.4 of the first synthesisers
_RIGHT, _COMPRESSED, _IN_ROM = 2, 16, 0x8000

_TABLES: Final[dict[str, np.dtype[np.void]]] = {
    "phdr": np.dtype([("name", "S20"), ("preset", "<u2"), ("bank", "<u2"), ("bag", "<u2"), ("rest", "V12")]),
    "pbag": np.dtype([("gen", "<u2"), ("mod", "<u2")]),
    "pgen": np.dtype([("kind", "<u2"), ("amount", "<i2")]),
    "inst": np.dtype([("name", "S20"), ("bag", "<u2")]),
    "ibag": np.dtype([("gen", "<u2"), ("mod", "<u2")]),
    "igen": np.dtype([("kind", "<u2"), ("amount", "<i2")]),
    "shdr": np.dtype(
        [("name", "S20")]
        + [(name, "<u4") for name in ("start", "end", "loop_start", "loop_end", "rate")]
        + [("pitch", "u1"), ("correction", "i1"), ("link", "<u2"), ("type", "<u2")]
    ),
}

Generators = dict[int, int]


class Range(NamedTuple):
    """The keys or velocities, ends included, that a zone answers to."""

    low: int
    high: int

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int) and self.low <= value <= self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """One recorded sample of a preset: when it sounds and how. Times in seconds, levels in dB."""

    sample: str
    sample_rate: int
    keys: Range
    velocities: Range
    start: int
    end: int
    loop_start: int
    loop_end: int
    loops: bool
    root_key: int
    tuning_cents: float
    cents_per_key: float
    gain_db: float
    delay_s: float
    attack_s: float
    hold_s: float
    decay_s: float
    sustain_db: float
    release_s: float

    def speed(self, key: int) -> float:
        """How much faster than recorded the sample runs for ``key``."""
        cents = (key - self.root_key) * self.cents_per_key + self.tuning_cents
        return float(2 ** (cents / 1200))

    def limit_hz(self, key: int) -> float:
        """Half the recorded sample rate, moved with the pitch."""
        return self.sample_rate / 2 * self.speed(key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One instrument of a soundfont, as a MIDI bank and program pick it."""

    name: str
    bank: int
    program: int
    zones: tuple[Zone, ...] = field(repr=False)

    def zones_for(self, key: int, velocity: int) -> list[Zone]:
        """The zones that sound for a note; none where the instrument has no such note."""
        return [zone for zone in self.zones if key in zone.keys and velocity in zone.velocities]


class SoundFont:
    """The presets of an SF2 file. Samples are read from the file as notes ask for them.

    Of a stereo pair only the left channel is used: clips are mono, and a sum of both would comb. Samples
    whose name matches ``leave_out`` are passed over.

    Raises:
        AudioFormatError: not an SF2 file, damaged, or with compressed samples (SF3).
    """

    def __init__(self, path: Path, leave_out: re.Pattern[str] | None = None) -> None:
        self.path = path
        self._leave_out = leave_out
        self.author, self._smpl, tables = _read(path)
        self._tables = tables
        if bool(np.any(tables["shdr"]["type"] & _COMPRESSED)):
            raise AudioFormatError(f"{path} holds compressed samples (SF3); expected a plain SF2 file")
        try:
            self.presets = tuple(self._read_presets())
        except (IndexError, KeyError) as error:
            raise AudioFormatError(f"{path} is damaged: its tables point outside themselves") from error

    @cached_property
    def _samples(self) -> NDArray[np.int16]:
        offset, size = self._smpl
        return np.memmap(self.path, np.dtype("<i2"), "r", offset, (size // 2,))

    def play(self, zone: Zone, key: int, velocity: int, seconds: float) -> NDArray[np.float32]:
        """One note of one zone: held for ``seconds``, then its release. Mono at 48 kHz, (T,)."""
        held = zone.delay_s + seconds
        total = held + min(zone.release_s, 3.0)
        rate = zone.sample_rate * zone.speed(key)
        recorded = self._unrolled(zone, int((total - zone.delay_s) * rate) + 64)
        sound = soxr.resample(recorded, rate, SAMPLE_RATE, quality="HQ")
        sound = sound[: round((total - zone.delay_s) * SAMPLE_RATE)]
        level_db = zone.gain_db + 40 * np.log10(velocity / 127)  # section 8.4.1: concave, 96 dB at most
        envelope_db = _envelope_db(zone, len(sound), seconds)
        gain = 10 ** ((envelope_db + level_db) / 20)
        attack = max(1, round(zone.attack_s * SAMPLE_RATE))
        gain[:attack] *= np.linspace(0, 1, attack + 1)[1:][: len(gain)]
        silence = np.zeros(round(zone.delay_s * SAMPLE_RATE), np.float32)
        return np.concatenate([silence, (sound * gain).astype(np.float32)])

    def _unrolled(self, zone: Zone, length: int) -> NDArray[np.float32]:
        """The first ``length`` samples of a zone, its loop repeated; fewer where it just ends."""
        if not zone.loops:
            index: NDArray[np.int64] | slice = slice(zone.start, min(zone.end, zone.start + length))
        else:
            position = np.arange(zone.start, zone.start + length)
            period = zone.loop_end - zone.loop_start
            index = np.where(
                position < zone.loop_end, position, zone.loop_start + (position - zone.loop_start) % period
            )
        return np.asarray(self._samples[index], np.float32) / np.float32(32768)

    def _read_presets(self) -> Iterator[Preset]:
        headers = self._tables["phdr"]
        for index in np.lexsort((headers[:-1]["preset"], headers[:-1]["bank"])):
            header = headers[index]
            zones = tuple(self._preset_zones(int(header["bag"]), int(headers[index + 1]["bag"])))
            if zones:
                name = header["name"].decode("latin-1").strip()
                yield Preset(name=name, bank=int(header["bank"]), program=int(header["preset"]), zones=zones)

    def _preset_zones(self, first: int, stop: int) -> Iterator[Zone]:
        instruments = self._tables["inst"]
        for added in _merged(self._tables, "pbag", "pgen", first, stop, _INSTRUMENT):
            instrument = added[_INSTRUMENT]
            bags = int(instruments[instrument]["bag"]), int(instruments[instrument + 1]["bag"])
            for own in _merged(self._tables, "ibag", "igen", *bags, _SAMPLE):
                zone = self._zone(own, added)
                if zone is not None:
                    yield zone

    def _zone(self, own: Generators, added: Generators) -> Zone | None:
        header = self._tables["shdr"][own[_SAMPLE]]
        name = header["name"].decode("latin-1").strip()
        if int(header["type"]) & (_RIGHT | _IN_ROM) or (self._leave_out and self._leave_out.search(name)):
            return None
        g = {**_DEFAULTS, **own}
        for kind, amount in added.items():
            if kind not in _NOT_ADDED:
                g[kind] = g.get(kind, 0) + amount
        keys = _overlap(g[_KEYS], added.get(_KEYS, _DEFAULTS[_KEYS]))
        velocities = _overlap(g[_VELOCITIES], added.get(_VELOCITIES, _DEFAULTS[_VELOCITIES]))
        start, end, loop_start, loop_end = (
            int(header[name]) + g.get(fine, 0) + 32_768 * g.get(coarse, 0)
            for name, fine, coarse in (
                ("start", _START, _START_COARSE),
                ("end", _END, _END_COARSE),
                ("loop_start", _LOOP_START, _LOOP_START_COARSE),
                ("loop_end", _LOOP_END, _LOOP_END_COARSE),
            )
        )
        if keys.low > keys.high or velocities.low > velocities.high or end - start < 32 or not header["rate"]:
            return None
        return Zone(
            sample=name,
            sample_rate=int(header["rate"]),
            keys=keys,
            velocities=velocities,
            start=start,
            end=end,
            loop_start=loop_start,
            loop_end=loop_end,
            loops=bool(g.get(_MODE, 0) & 1) and loop_end - loop_start >= 8,
            root_key=g[_ROOT] if g[_ROOT] >= 0 else min(int(header["pitch"]), 127),
            tuning_cents=100.0 * g.get(_COARSE_TUNE, 0) + g.get(_FINE_TUNE, 0) + int(header["correction"]),
            cents_per_key=float(g[_SCALE]),
            gain_db=-_ATTENUATION_SCALE * max(g.get(_ATTENUATION, 0), 0),
            delay_s=_seconds(g[_DELAY], 5.0),
            attack_s=_seconds(g[_ATTACK], 5.0),
            hold_s=_seconds(g[_HOLD], 20.0),
            decay_s=_seconds(g[_DECAY], 60.0),
            sustain_db=-min(max(g.get(_SUSTAIN, 0), 0), 1_000) / 10,
            release_s=_seconds(g[_RELEASE], 20.0),
        )


def _envelope_db(zone: Zone, samples: int, seconds: float) -> NDArray[np.float64]:
    """Hold, decay, sustain and release of section 8.1.3, in dB; the attack is left to the caller."""
    time = np.arange(samples) / SAMPLE_RATE
    decay_starts = zone.attack_s + zone.hold_s
    level = -100 * np.clip((time - decay_starts) / max(zone.decay_s, 1e-3), 0, 1)
    level = np.maximum(level, zone.sustain_db)
    return np.asarray(level - 100 * np.maximum(time - seconds, 0) / max(zone.release_s, 0.01))


def _seconds(timecents: int, longest: float) -> float:
    return 0.0 if timecents <= -12_000 else min(float(2 ** (timecents / 1200)), longest)


def _overlap(first: int, second: int) -> Range:
    """Ranges are stored as two bytes, low then high."""
    first, second = first & 0xFFFF, second & 0xFFFF
    return Range(max(first & 0xFF, second & 0xFF), min(first >> 8, second >> 8))


def _merged(
    tables: Mapping[str, np.ndarray], bags: str, generators: str, first: int, stop: int, end_kind: int
) -> Iterator[Generators]:
    """The zones between two bags, each over the global zone before it."""
    shared: Generators = {}
    for bag in range(first, stop):
        low, high = int(tables[bags][bag]["gen"]), int(tables[bags][bag + 1]["gen"])
        rows = tables[generators][low:high]
        found = {int(row["kind"]): int(row["amount"]) for row in rows}
        if end_kind in found:
            found[end_kind] &= 0xFFFF
            yield {**shared, **found}
        elif bag == first:
            shared = found


def _read(path: Path) -> tuple[str, tuple[int, int], dict[str, np.ndarray]]:
    """The author, where the samples lie (offset and size in bytes), and the tables of an SF2 file."""
    author, samples, tables = "", None, {}
    try:
        with path.open("rb") as file:
            riff, _, form = struct.unpack("<4sI4s", file.read(12))
            if (riff, form) != (b"RIFF", b"sfbk"):
                raise AudioFormatError(f"{path} is not an SF2 soundfont")
            while len(head := file.read(8)) == 8:
                tag, size = struct.unpack("<4sI", head)
                if tag == b"LIST":
                    file.seek(4, 1)
                    continue
                name = tag.decode("latin-1")
                if name == "smpl":
                    samples = (file.tell(), size)
                elif name in _TABLES:
                    content = file.read(size)
                    whole = size // _TABLES[name].itemsize
                    tables[name] = np.frombuffer(content, _TABLES[name], whole)
                    file.seek(-size, 1)
                elif name == "IENG":
                    author = file.read(size).split(b"\0")[0].decode("latin-1")
                    file.seek(-size, 1)
                file.seek(size + size % 2, 1)
    except (OSError, struct.error, ValueError) as error:
        if isinstance(error, AudioFormatError):
            raise
        reason = error.strerror if isinstance(error, OSError) else one_line(error)
        raise AudioFormatError(f"{path} cannot be read as a soundfont: {reason}") from error
    missing = sorted(set(_TABLES) - set(tables))
    if samples is None or missing:
        raise AudioFormatError(f"{path} is damaged: without {', '.join(missing or ['samples'])}")
    return author, samples, tables
