"""Which text field is called what: Vorbis comments, RIFF ``LIST/INFO``, ID3v2 and AIFF."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from audiosr_fx.metadata.parts import Tag

INFO: Final = {
    b"INAM": "TITLE",
    b"IART": "ARTIST",
    b"IPRD": "ALBUM",
    b"ICMT": "COMMENT",
    b"ICOP": "COPYRIGHT",
    b"ICRD": "DATE",
    b"IGNR": "GENRE",
    b"ITRK": "TRACKNUMBER",
    b"IPRT": "TRACKNUMBER",
    b"IENG": "ENGINEER",
    b"ITCH": "ENCODED-BY",
    b"IKEY": "KEYWORDS",
    b"ILNG": "LANGUAGE",
    b"ISBJ": "SUBJECT",
    b"ISRC": "SOURCE",
    b"ISRF": "SOURCEMEDIA",
    b"IMED": "MEDIUM",
    b"IARL": "ARCHIVALLOCATION",
    b"ICMS": "COMMISSIONED",
    b"IMUS": "COMPOSER",
    b"ISMP": "TIMECODE",
    b"ISFT": "ENCODER",
}
"""Fields of ``LIST/INFO``. Any other four-letter one is kept as ``INFO_XXXX``."""

ID3: Final = {
    "TIT2": "TITLE",
    "TPE1": "ARTIST",
    "TALB": "ALBUM",
    "TPE2": "ALBUMARTIST",
    "TCOM": "COMPOSER",
    "TCON": "GENRE",
    "TDRC": "DATE",
    "TRCK": "TRACKNUMBER",
    "TPOS": "DISCNUMBER",
    "TSRC": "ISRC",
    "TCOP": "COPYRIGHT",
    "TPUB": "LABEL",
    "TENC": "ENCODED-BY",
    "TBPM": "BPM",
    "TKEY": "KEY",
    "TLAN": "LANGUAGE",
    "TIT1": "GROUPING",
    "TIT3": "SUBTITLE",
    "TEXT": "LYRICIST",
    "TPE3": "CONDUCTOR",
    "TPE4": "REMIXER",
    "TMED": "MEDIUM",
    "TSSE": "ENCODER",
    "TDOR": "ORIGINALDATE",
    "TSST": "DISCSUBTITLE",
    "TCMP": "COMPILATION",
    "TSOA": "ALBUMSORT",
    "TSOP": "ARTISTSORT",
    "TSOT": "TITLESORT",
    "TSO2": "ALBUMARTISTSORT",
    "TSOC": "COMPOSERSORT",
}
"""Text frames of ID3v2.4, and those of iTunes. Other fields stand in TXXX frames by their names."""

ID3_GENRES: Final = (
    "Blues", "Classic Rock", "Country", "Dance", "Disco", "Funk", "Grunge", "Hip-Hop", "Jazz", "Metal",
    "New Age", "Oldies", "Other", "Pop", "R&B", "Rap", "Reggae", "Rock", "Techno", "Industrial",
    "Alternative", "Ska", "Death Metal", "Pranks", "Soundtrack", "Euro-Techno", "Ambient", "Trip-Hop",
    "Vocal", "Jazz+Funk", "Fusion", "Trance", "Classical", "Instrumental", "Acid", "House", "Game",
    "Sound Clip", "Gospel", "Noise", "Alt. Rock", "Bass", "Soul", "Punk", "Space", "Meditative",
    "Instrumental Pop", "Instrumental Rock", "Ethnic", "Gothic", "Darkwave", "Techno-Industrial",
    "Electronic", "Pop-Folk", "Eurodance", "Dream", "Southern Rock", "Comedy", "Cult", "Gangsta Rap",
    "Top 40", "Christian Rap", "Pop/Funk", "Jungle", "Native American", "Cabaret", "New Wave",
    "Psychedelic", "Rave", "Showtunes", "Trailer", "Lo-Fi", "Tribal", "Acid Punk", "Acid Jazz", "Polka",
    "Retro", "Musical", "Rock & Roll", "Hard Rock",
)  # fmt: skip
"""Genres by their numbers in ID3v1, to which version 2 points."""

AIFF: Final = {b"NAME": "TITLE", b"AUTH": "ARTIST", b"(c) ": "COPYRIGHT", b"ANNO": "COMMENT"}
"""Text chunks of AIFF."""

INFO_OF_TAG: Final = {name: key for key, name in reversed(INFO.items())}
ID3_OF_TAG: Final = {name: key for key, name in ID3.items()}
AIFF_OF_TAG: Final = {name: key for key, name in AIFF.items()}

_PLAIN: Final = re.compile(r"[ -<>-}]{1,100}")
_INFO_NAME: Final = re.compile(r"INFO_([0-9A-Z ]{4})")
_MEASURED: Final = re.compile(
    r"REPLAYGAIN_.*|R128_.*|ITUNNORM|ITUNSMPB|ACCURATERIP.*|MD5|ENCODER|ENCODER_?SETTINGS|LENGTH|WAVEFORMATEX.*"
)


def check_tag(name: str, text: str) -> Tag | None:
    """A field in upper case with its text; None where it is empty or no field name (ASCII, no ``=``)."""
    text = text.replace("\0", "").strip()
    return (name.upper(), text) if text and _PLAIN.fullmatch(name) else None


def info_key(name: str) -> bytes | None:
    """The four letters of a field in ``LIST/INFO``; None where it has none."""
    match = _INFO_NAME.fullmatch(name)
    return match[1].encode("ascii") if match else INFO_OF_TAG.get(name)


def has_place(tags: Iterable[Tag], place: Callable[[str], object]) -> bool:
    """Whether single texts in chunks can say it all: no field without one, none twice, and nothing but ASCII.

    Neither RIFF nor AIFF says how its texts are encoded, so anything else stands in an ID3 tag as well.
    """
    return all(
        place(name) is not None and len(texts) == 1 and texts[0].isascii()
        for name, texts in grouped(tags).items()
    )


def still_true(tags: Iterable[Tag]) -> tuple[Tag, ...]:
    """The fields that hold for other samples too: not levels, checksums and encoders of the source."""
    return tuple((name, text) for name, text in tags if not _MEASURED.fullmatch(name))


def merged(first: Iterable[Tag], second: Iterable[Tag]) -> tuple[Tag, ...]:
    """Two sets of fields of one file; where both have a field, the first's counts."""
    first = tuple(first)
    known = {name for name, _ in first}
    return (*first, *((name, text) for name, text in second if name not in known))


def grouped(tags: Iterable[Tag]) -> dict[str, list[str]]:
    """Texts by field, in order, each once."""
    found: dict[str, dict[str, None]] = {}
    for name, text in tags:
        found.setdefault(name, {})[text] = None
    return {name: list(texts) for name, texts in found.items()}
