"""The iXML document of a field recorder, adapted: rates, time stamp, sync points and bit depth.

Source: the iXML specification 2.10 (SPEED, SYNC_POINT_LIST, BEXT, LOUDNESS).
"""

from __future__ import annotations

import codecs
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree

if TYPE_CHECKING:
    from audiosr_fx.metadata.moving import Move

_DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
MAX_IXML_BYTES: Final = 1 << 20
_LONGEST_NUMBER: Final = 20  # digits of 64 bits
_DEEPEST: Final = 50


def check_ixml(payload: bytes) -> str:
    """The document of an iXML chunk as text.

    Raises:
        ValueError: longer than 1 MiB, not well-formed, nested too deep, of another root than BWFXML, or with
            types or entities of its own (which can be bombs).
    """
    if len(payload) > MAX_IXML_BYTES:
        raise ValueError(f"it is longer than {MAX_IXML_BYTES} bytes")
    text = _decoded(payload).strip("\0 \r\n\t")
    if "<!" in text.replace("<!--", "").replace("<![CDATA[", ""):
        raise ValueError("it declares types or entities")
    root = _parse(text)
    if root.tag != "BWFXML":
        raise ValueError(f"its root is {root.tag[:20]!r}, not BWFXML")
    _check_depth(root)
    return text


def move_ixml(text: str, move: Move) -> str:
    """The document at another rate or for a region: FILE_SAMPLE_RATE, time stamp and sync points move along.

    A time stamp that counts at a rate of its own (pull-up, pull-down) keeps that rate.
    """

    def change(root: ElementTree.Element) -> None:
        _move_time_stamp(root, move)
        _set(root, "SPEED/FILE_SAMPLE_RATE", move.rate_out)
        _move_reference(root, "BEXT/BWF_TIME_REFERENCE_LOW", "BEXT/BWF_TIME_REFERENCE_HIGH", move)
        _move_sync_points(root, move)

    return _changed(text, change)


def finish_ixml(text: str, bits: int, history: str) -> str:
    """The document for a file of so many bits; loudness measured on the source is left out of it."""

    def change(root: ElementTree.Element) -> None:
        _set(root, "SPEED/AUDIO_BIT_DEPTH", bits)
        _set(root, "BEXT/BWF_CODING_HISTORY", history)
        for parent, name in ((root, "LOUDNESS"), (root.find("BEXT"), "BWF_LOUDNESS")):
            if parent is not None:
                for child in [child for child in parent if _is_measured(child, name)]:
                    parent.remove(child)

    return _changed(text, change)


def _is_measured(element: ElementTree.Element, name: str) -> bool:
    tag = element.tag if isinstance(element.tag, str) else ""
    return tag.startswith((name, "BWF_MAX_")) if name.startswith("BWF") else tag == name


def _changed(text: str, change: Callable[[ElementTree.Element], None]) -> str:
    if not text:
        return text
    root = _parse(text)
    before = ElementTree.tostring(root, "unicode")
    change(root)
    after = ElementTree.tostring(root, "unicode")
    return text if after == before else _DECLARATION + after


def _parse(text: str) -> ElementTree.Element:
    try:
        builder = ElementTree.TreeBuilder(insert_comments=True)
        parser = ElementTree.XMLParser(target=builder, encoding="utf-8")
        parser.feed(text.encode("utf-8"))
        root = parser.close()
    except ElementTree.ParseError as cause:
        raise ValueError(f"it is no well-formed XML ({cause})") from cause
    assert isinstance(root, ElementTree.Element)
    return root


def _decoded(payload: bytes) -> str:
    """By the byte order mark; without one UTF-8, or else Latin-1."""
    if payload.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return payload.decode("utf-16")
    try:
        return payload.decode("utf-8-sig")
    except UnicodeDecodeError:
        return payload.decode("latin-1")


def _check_depth(root: ElementTree.Element) -> None:
    level = [root]
    for _ in range(_DEEPEST):
        level = [child for element in level for child in element]
        if not level:
            return
    raise ValueError(f"it is nested deeper than {_DEEPEST}")


def _move_time_stamp(root: ElementTree.Element, move: Move) -> None:
    high, low = "SPEED/TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_HI", "SPEED/TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO"
    stamp, rate = _pair(root, high, low), _number(root, "SPEED/TIMESTAMP_SAMPLE_RATE")
    rate = rate or move.rate_in
    rate_out = move.rate_out if rate == move.rate_in else rate
    _set(root, "SPEED/TIMESTAMP_SAMPLE_RATE", rate_out)
    if stamp is not None:
        seconds = Fraction(stamp, rate) + Fraction(move.start_out, move.rate_out)
        _set_pair(root, high, low, round(seconds * rate_out))


def _move_reference(root: ElementTree.Element, low: str, high: str, move: Move) -> None:
    reference = _pair(root, high, low)
    if reference is not None:
        _set_pair(root, high, low, move.scaled(reference) + move.start_out)


def _move_sync_points(root: ElementTree.Element, move: Move) -> None:
    points = root.find("SYNC_POINT_LIST")
    if points is None:
        return
    for point in list(points.findall("SYNC_POINT")):
        position = _pair(point, "SYNC_POINT_HIGH", "SYNC_POINT_LOW")
        if position is None:
            continue
        is_absolute = (point.findtext("SYNC_POINT_TYPE") or "").strip().upper() == "ABSOLUTE"
        there = move.scaled(position) if is_absolute else move.position(position)
        if there is None:
            points.remove(point)
            continue
        _set_pair(point, "SYNC_POINT_HIGH", "SYNC_POINT_LOW", there)
        duration = _number(point, "SYNC_POINT_EVENT_DURATION")
        if duration is not None:
            _set(point, "SYNC_POINT_EVENT_DURATION", move.scaled(duration))
    _set(points, "SYNC_POINT_COUNT", len(points.findall("SYNC_POINT")))


def _number(parent: ElementTree.Element, path: str) -> int | None:
    text = (parent.findtext(path) or "").strip()
    return int(text) if text.isdecimal() and text.isascii() and len(text) <= _LONGEST_NUMBER else None


def _pair(parent: ElementTree.Element, high: str, low: str) -> int | None:
    """A number in two halves of 32 bits; a missing upper half is 0."""
    lower = _number(parent, low)
    return None if lower is None else ((_number(parent, high) or 0) << 32) + lower


def _set(parent: ElementTree.Element, path: str, value: object) -> None:
    """Change an element that is there; none is added."""
    element = parent.find(path)
    if element is not None:
        element.text = "".join(c for c in str(value) if c.isprintable() or c in "\r\n\t")


def _set_pair(parent: ElementTree.Element, high: str, low: str, value: int) -> None:
    _set(parent, low, value & 0xFFFFFFFF)
    _set(parent, high, value >> 32)
