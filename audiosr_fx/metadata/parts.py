"""What a file says beside its audio, in one shape for all formats: ``Metadata`` and the parts it is made of.

Positions are samples at ``Metadata.sample_rate``, counted from the first sample of the audio they belong to.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from audiosr_fx.metadata.provenance import Provenance

Tag = tuple[str, str]
"""A field and its text; the fields are those of Vorbis comments, in upper case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loudness:
    """Measured values for the loudness fields of a ``bext`` chunk; None where one was not measured."""

    integrated_lufs: float | None = None
    range_lu: float | None = None
    true_peak_dbtp: float | None = None
    momentary_max_lufs: float | None = None
    short_term_max_lufs: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Broadcast:
    """The fields of a broadcast wave's ``bext`` chunk; ``time_reference`` is samples since midnight.

    Source: EBU Tech 3285 version 2.
    """

    description: str = ""
    originator: str = ""
    originator_reference: str = ""
    origination_date: str = ""
    origination_time: str = ""
    time_reference: int = 0
    umid: bytes = b""
    coding_history: str = ""
    loudness: Loudness | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """A named place, or with a ``length`` a named stretch. ``purpose`` is the code of a RIFF ``ltxt``."""

    position: int
    label: str = ""
    note: str = ""
    length: int = 0
    purpose: bytes = b"rgn "
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """A stretch a sampler repeats, ``stop`` excluded; ``kind`` 0 forward, 1 there and back, 2 backward."""

    start: int
    stop: int
    kind: int = 0
    play_count: int = 0
    fraction: int = 0
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """How a sampler plays the audio: MIDI notes, tuning, key and velocity range, loops.

    ``fine_tune_cents`` is what the recording lies above ``base_note``. ``has_note`` says whether the source
    stated the two, ``has_range`` whether it stated key range, velocity range and gain. The last four are kept
    for RIFF's ``smpl`` chunk.
    """

    base_note: int = 60
    fine_tune_cents: float = 0.0
    has_note: bool = True
    has_range: bool = False
    gain_db: int = 0
    low_note: int = 0
    high_note: int = 127
    low_velocity: int = 1
    high_velocity: int = 127
    loops: tuple[Loop, ...] = ()
    manufacturer: int = 0
    product: int = 0
    smpte_format: int = 0
    smpte_offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CueTrack:
    """A track of a cue sheet; ``indexes`` are (offset from the track's position, number)."""

    position: int
    number: int
    isrc: str = ""
    flags: int = 0
    indexes: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CueSheet:
    """The table of a disc, as FLAC keeps it (RFC 9639, section 8.7), without the lead-out."""

    catalog: str = ""
    lead_in: int = 0
    is_cd: bool = False
    tracks: tuple[CueTrack, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An embedded picture with the fields of FLAC (RFC 9639, section 8.8); kind 3 is the front cover."""

    data: bytes = field(repr=False)
    kind: int = 3
    mime: str = ""
    description: str = ""
    width: int = 0
    height: int = 0
    depth: int = 0
    colours: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What a file says beside its audio.

    Attributes:
        sample_rate: of all positions, in Hz.
        frames: samples per channel of the audio they lie in; None where that is not known.
        tags: text fields.
        pictures: embedded pictures.
        markers: cue points, AIFF markers, chapters.
        instrument: for samplers.
        cue_sheet: of a disc image.
        broadcast: of broadcast waves; None where there is none.
        ixml: an iXML document.
        id3_frames: (name, payload) of ID3v2.4 frames that have no other place here.
        chunks: (name, payload) of RIFF chunks carried unchanged from WAV to WAV.
        provenance: what this program did to the audio, oldest first.
    """

    sample_rate: int
    frames: int | None = None
    tags: tuple[Tag, ...] = ()
    pictures: tuple[Picture, ...] = ()
    markers: tuple[Marker, ...] = ()
    instrument: Instrument | None = None
    cue_sheet: CueSheet | None = None
    broadcast: Broadcast | None = None
    ixml: str = ""
    id3_frames: tuple[tuple[str, bytes], ...] = ()
    chunks: tuple[tuple[bytes, bytes], ...] = ()
    provenance: tuple[Provenance, ...] = ()

    @property
    def title(self) -> str:
        """The first title, or an empty text."""
        return self.tag("TITLE")

    def tag(self, name: str) -> str:
        """The first text of a field, or an empty one."""
        return next((text for field_name, text in self.tags if field_name == name), "")

    def with_provenance(self, *made: Provenance) -> Metadata:
        """The same, with a record of what was done last."""
        return replace(self, provenance=(*self.provenance, *made))
