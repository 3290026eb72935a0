"""A soundfont small enough to make in a test: one looped sample as an instrument, and as drums."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

SAMPLE_RATE = 44_100


def write_soundfont(
    path: Path,
    sound: np.ndarray,
    *,
    name: str = "Noise",
    root_key: int = 60,
    loop: tuple[int, int] | None = None,
    release_s: float = 0.1,
    sample_type: int = 1,
    cents_per_key: int = 100,
) -> Path:
    """Write ``sound`` (T,) within ±1 as program 0 of bank 0 and as the drum kit of bank 128."""
    pcm = np.round(np.asarray(sound) * 32767).astype("<i2").tobytes() + bytes(92)
    release = round(1200 * np.log2(release_s))
    instrument = [(38, release), (54, 1 if loop else 0), (56, cents_per_key), (53, 0)]
    begin, end = loop or (0, 0)
    tables = {
        "phdr": [_preset("Sound", 0, 0, 0), _preset("Kit", 0, 128, 1), _preset("EOP", 0, 0, 2)],
        "pbag": [struct.pack("<HH", i, 0) for i in range(3)],
        "pmod": [bytes(10)],
        "pgen": [struct.pack("<Hh", 41, 0)] * 2 + [bytes(4)],
        "inst": [struct.pack("<20sH", b"Sound", 0), struct.pack("<20sH", b"EOI", 1)],
        "ibag": [struct.pack("<HH", 0, 0), struct.pack("<HH", len(instrument), 0)],
        "imod": [bytes(10)],
        "igen": [struct.pack("<Hh", *row) for row in instrument] + [bytes(4)],
        "shdr": [
            _sample(name, (0, len(sound), begin, end), root_key, sample_type),
            _sample("EOS", (0, 0, 0, 0), 0, 0),
        ],
    }
    info = _list(b"INFO", _chunk(b"ifil", struct.pack("<HH", 2, 1)) + _chunk(b"IENG", b"A. Tester\0"))
    samples = _list(b"sdta", _chunk(b"smpl", pcm))
    presets = _list(b"pdta", b"".join(_chunk(key.encode(), b"".join(rows)) for key, rows in tables.items()))
    body = b"sfbk" + info + samples + presets
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path


def _preset(name: str, program: int, bank: int, bag: int) -> bytes:
    return struct.pack("<20sHHHIII", name.encode(), program, bank, bag, 0, 0, 0)


def _sample(name: str, ends: tuple[int, int, int, int], root_key: int, sample_type: int) -> bytes:
    return struct.pack("<20sIIIIIBbHH", name.encode(), *ends, SAMPLE_RATE, root_key, 0, 0, sample_type)


def _chunk(tag: bytes, content: bytes) -> bytes:
    return tag + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def _list(kind: bytes, content: bytes) -> bytes:
    return _chunk(b"LIST", kind + content)
