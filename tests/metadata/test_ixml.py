"""iXML documents: adapted where they speak of rates, positions and levels, and otherwise left as they are."""

from __future__ import annotations

import codecs
from xml.etree import ElementTree

import pytest
from chunk_files import IXML

from audiosr_fx.metadata.ixml import MAX_IXML_BYTES, check_ixml, finish_ixml
from audiosr_fx.metadata.moving import Move

TO_48 = Move(rate_in=44_100, rate_out=48_000)


def moved_ixml(text: str, move: Move) -> ElementTree.Element:
    from audiosr_fx.metadata.ixml import move_ixml

    return ElementTree.fromstring(move_ixml(text, move))


def found(root: ElementTree.Element, *paths: str) -> list[str | None]:
    return [root.findtext(path) for path in paths]


def test_rates_and_time_stamp_move_along() -> None:
    root = moved_ixml(IXML, TO_48)
    assert found(
        root,
        "SPEED/FILE_SAMPLE_RATE",
        "SPEED/TIMESTAMP_SAMPLE_RATE",
        "SPEED/TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO",
        "SPEED/DIGITIZER_SAMPLE_RATE",
        "SPEED/TIMECODE_RATE",
    ) == ["48000", "48000", "172800000", "44100", "25/1"]
    assert found(root, "PROJECT", "TRACK_LIST/TRACK/NAME") == ["Prosjekt & Søn", "Boom"]


def test_sync_points_move_along_and_those_outside_are_left_out() -> None:
    points = moved_ixml(IXML, TO_48).findall("SYNC_POINT_LIST/SYNC_POINT")
    assert [point.findtext("SYNC_POINT_LOW") for point in points] == ["4800", "172800000"]
    assert points[0].findtext("SYNC_POINT_EVENT_DURATION") == "480"
    part = moved_ixml(IXML, Move(rate_in=44_100, rate_out=44_100, start=10_000, stop=20_000, is_whole=False))
    assert found(part, "SYNC_POINT_LIST/SYNC_POINT_COUNT", "SYNC_POINT_LIST/SYNC_POINT/SYNC_POINT_TYPE") == [
        "1",
        "ABSOLUTE",
    ]
    assert found(part, "SPEED/TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO") == ["158770000"]


def test_a_time_stamp_may_need_more_than_32_bits() -> None:
    root = moved_ixml(IXML, Move(rate_in=44_100, rate_out=384_000, start=80_000_000_000))
    high, low = found(
        root,
        "SPEED/TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_HI",
        "SPEED/TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO",
    )
    assert (int(high or 0) << 32) + int(low or 0) == -(-(158_760_000 + 80_000_000_000) * 384_000 // 44_100)


def test_a_time_stamp_at_a_rate_of_its_own_keeps_that_rate() -> None:
    pulled = IXML.replace("<TIMESTAMP_SAMPLE_RATE>44100<", "<TIMESTAMP_SAMPLE_RATE>48048<")
    root = moved_ixml(pulled, Move(rate_in=44_100, rate_out=48_000, start=44_100))
    assert found(root, "SPEED/TIMESTAMP_SAMPLE_RATE", "SPEED/TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO") == [
        "48048",
        str(158_760_000 + 48_048),
    ]


def test_an_untouched_document_stays_as_it_is_to_the_byte() -> None:
    plain = "<?xml version='1.0'?>\n<BWFXML>\n <!-- kept --><PROJECT>x</PROJECT>\n</BWFXML>"
    assert finish_ixml(plain, 24, "") == plain


def test_the_finished_document_has_the_new_bits_and_no_old_levels() -> None:
    text = finish_ixml(IXML, 24, "")
    root = ElementTree.fromstring(text)
    assert found(root, "SPEED/AUDIO_BIT_DEPTH", "LOUDNESS") == ["24", None]
    assert "<!-- a remark -->" in text


def test_a_mirrored_bext_is_kept_true() -> None:
    mirrored = (
        "<BWFXML><BEXT><BWF_TIME_REFERENCE_LOW>44100</BWF_TIME_REFERENCE_LOW>"
        "<BWF_TIME_REFERENCE_HIGH>0</BWF_TIME_REFERENCE_HIGH><BWF_CODING_HISTORY>old</BWF_CODING_HISTORY>"
        "<BWF_LOUDNESS_VALUE>-2300</BWF_LOUDNESS_VALUE><BWF_MAX_TRUE_PEAK_LEVEL>-1</BWF_MAX_TRUE_PEAK_LEVEL>"
        "</BEXT></BWFXML>"
    )
    assert found(moved_ixml(mirrored, TO_48), "BEXT/BWF_TIME_REFERENCE_LOW") == ["48000"]
    root = ElementTree.fromstring(finish_ixml(mirrored, 24, "A=PCM\r\n\x01"))
    assert [element.tag for element in root.iter()] == [
        "BWFXML",
        "BEXT",
        "BWF_TIME_REFERENCE_LOW",
        "BWF_TIME_REFERENCE_HIGH",
        "BWF_CODING_HISTORY",
    ]
    assert (root.findtext("BEXT/BWF_CODING_HISTORY") or "").strip() == "A=PCM"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_encodings_found_in_the_field_are_read(encoding: str) -> None:
    assert check_ixml(IXML.encode(encoding) + b"\0\0") == IXML.strip()
    assert "Søn" in check_ixml(IXML.replace("UTF-8", encoding).encode(encoding))


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (b"", "no well-formed XML"),
        (b"<BWFXML>", "no well-formed XML"),
        (b"<OTHER/>", "its root is 'OTHER'"),
        (b'<!DOCTYPE x [<!ENTITY a "aaaa">]><BWFXML>&a;</BWFXML>', "declares types or entities"),
        (codecs.BOM_UTF16_LE + "<!DOCTYPE x><BWFXML/>".encode("utf-16-le"), "declares types or entities"),
        (b"<BWFXML>" + b"<a>" * 60 + b"</a>" * 60 + b"</BWFXML>", "nested deeper than 50"),
        (b"<BWFXML>" + b" " * MAX_IXML_BYTES + b"</BWFXML>", "longer than 1048576 bytes"),
    ],
)
def test_documents_that_are_none_or_may_be_bombs_are_refused(document: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_ixml(document)


def test_numbers_that_are_none_are_left_alone() -> None:
    odd = IXML.replace(">158760000</TIMESTAMP", ">x</TIMESTAMP").replace(">0</TIMESTAMP", "></TIMESTAMP")
    root = moved_ixml(odd, TO_48)
    assert found(root, "SPEED/FILE_SAMPLE_RATE", "SPEED/TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO") == [
        "48000",
        "x",
    ]
