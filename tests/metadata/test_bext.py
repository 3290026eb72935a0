"""The fields of broadcast waves, to the byte."""

from __future__ import annotations

import math
import struct

import pytest
from chunk_files import bext

from audiosr_fx.metadata import Broadcast, Loudness, Metadata, Provenance
from audiosr_fx.metadata.bext import build_bext, parse_bext, with_history, with_loudness

MADE = Provenance(model="mini", seed=7)


def test_what_was_read_is_written_as_it_was() -> None:
    payload = bext()
    assert build_bext(parse_bext(payload)) == payload


def test_offsets_are_those_of_the_standard() -> None:
    payload = build_bext(
        Broadcast(
            description="d",
            originator="o",
            originator_reference="r",
            origination_date="2001-02-03",
            origination_time="04:05:06",
            time_reference=0x1122334455667788,
            umid=b"\x06\x0a",
            loudness=Loudness(integrated_lufs=-23.0),
            coding_history="A=PCM\r\n",
        )
    )
    assert [payload[at : at + 1] for at in (0, 256, 288)] == [b"d", b"o", b"r"]
    assert payload[320:338] == b"2001-02-0304:05:06"
    assert struct.unpack_from("<IIH", payload, 338) == (0x55667788, 0x11223344, 2)
    assert payload[348:350] == b"\x06\x0a"
    assert struct.unpack_from("<5h", payload, 412) == (-2300, 0x7FFF, 0x7FFF, 0x7FFF, 0x7FFF)
    assert payload[602:] == b"A=PCM\r\n"


@pytest.mark.parametrize("version", [0, 1, 2])
def test_older_versions_have_fewer_fields(version: int) -> None:
    found = parse_bext(bext(version=version))
    assert bool(found.umid) == (version >= 1)
    assert (found.loudness is not None) == (version >= 2)


def test_texts_are_utf_8_or_else_latin_1_and_cut_between_characters() -> None:
    assert parse_bext(bext(description="Søn".encode())).description == "Søn"
    assert parse_bext(bext(description="Søn".encode("latin-1"))).description == "Søn"
    assert parse_bext(build_bext(Broadcast(originator="ø" * 20))).originator == "ø" * 16
    assert parse_bext(build_bext(Broadcast(originator="x" + "ø" * 20))).originator == "x" + "ø" * 15


@pytest.mark.parametrize(
    ("level", "stored"),
    [
        (-22.644, -2264),
        (-22.645, -2265),
        (0.0, 0),
        (3.005, 301),
        (-math.inf, 0x7FFF),
        (None, 0x7FFF),
        (-200.0, -9999),
    ],
)
def test_levels_are_hundredths(level: float | None, stored: int) -> None:
    payload = with_loudness(bytes(602), Loudness(integrated_lufs=level))
    assert struct.unpack_from("<h", payload, 412)[0] == stored


def test_filling_in_the_loudness_keeps_the_length() -> None:
    payload = bext(version=1, loudness=(0,) * 5)
    filled = with_loudness(payload, Loudness(range_lu=7.0))
    assert len(filled) == len(payload)
    assert filled[348:412] == payload[348:412]
    assert with_loudness(payload, None) == payload


def test_history_gets_a_line_for_each_step_and_keeps_its_own() -> None:
    metadata = Metadata(sample_rate=44_100, broadcast=parse_bext(bext()), provenance=(MADE,))
    history = with_history(metadata, sample_rate=48_000, bits=24, channels=2).coding_history
    assert history.splitlines() == [
        "A=ANALOGUE,M=stereo,T=Studer A820",
        "A=PCM,F=44100,W=16,M=stereo,T=DAT",
        f"A=PCM,F=48000,W=24,M=stereo,T={MADE}",
    ]
    assert history.endswith("\r\n")
    again = Metadata(sample_rate=48_000, broadcast=Broadcast(coding_history=history), provenance=(MADE, MADE))
    lines = with_history(again, sample_rate=48_000, bits=16, channels=6).coding_history.splitlines()
    assert lines[3:] == [f"A=PCM,F=48000,W=16,T={MADE}"]


def test_a_time_reference_beyond_64_bits_is_none() -> None:
    assert parse_bext(build_bext(Broadcast(time_reference=1 << 64))).time_reference == 0
    largest = (1 << 64) - 1
    assert parse_bext(build_bext(Broadcast(time_reference=largest))).time_reference == largest
