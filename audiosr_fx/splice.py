"""A rendered region put where it belongs: with faded edges on its own, or inside the whole file.

Rendered and original audio meet in a cross-fade just inside the region, so a take that is laid over the
original, or set into it, neither clicks nor steps. What lies outside the region is not touched: as samples of
the same word length it is written bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from audiosr_fx.dither import Quantizer, choose_dither
from audiosr_fx.errors import AudioFormatError, ParameterError
from audiosr_fx.files import BLOCK_FRAMES, AudioInfo, FileSource
from audiosr_fx.metadata import read_metadata
from audiosr_fx.progress import ShouldCancel, stop_if_asked
from audiosr_fx.settings import Region
from audiosr_fx.sources import Audio, ResampledSource, Source, position_at_rate
from audiosr_fx.wording import shown
from audiosr_fx.writer import AudioWriter

if TYPE_CHECKING:
    from audiosr_fx.decoding import DecodedFile

Splice: TypeAlias = Literal["region", "file"]

FADE_S: Final = 0.010
_LOWEST_RATE: Final = 44_100
_BITS: Final = {"PCM_16": 16, "PCM_24": 24}
_EXACT: Final = {*_BITS, "FLOAT"}
_FORMATS: Final = {"WAV", "WAVEX", "RF64", "W64", "AIFF", "FLAC"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SplicedFile:
    """What was written: samples per channel, rate in Hz, the largest magnitude, samples clipped."""

    frames: int
    sample_rate: int
    channels: int
    peak: float
    clipped_samples: int


def splice_rate(info: AudioInfo, splice: str) -> int:
    """The rate to render a region at, in Hz, so that it fits; a take of a low one is at 48 kHz.

    Raises:
        AudioFormatError: a whole file is asked for, of a kind that cannot be written again bit for bit.
    """
    if splice == "region":
        return info.sample_rate if info.sample_rate >= _LOWEST_RATE else 48_000
    if info.format not in _FORMATS or info.subtype not in _EXACT:
        raise AudioFormatError(
            f"{shown(info.path)}: {info.format} with {info.subtype} samples cannot be written again bit for"
            " bit; expected WAV, AIFF or FLAC of 16 or 24 bit, or float: render the region alone"
        )
    return info.sample_rate


def splice_file(
    source: Path,
    rendered: Path,
    destination: Path,
    region: Region,
    splice: Splice,
    *,
    format: str | None = None,
    subtype: str | None = None,
    overwrite: bool = False,
    keep_metadata: bool = True,
    should_cancel: ShouldCancel | None = None,
    decoded: DecodedFile | None = None,
) -> SplicedFile:
    """Join a rendered region and its original.

    Args:
        source: the original.
        rendered: the region of it, at ``splice_rate``, best as float; its metadata says how it was made.
        destination: appears when it is whole; never the source.
        region: of the source, in its samples.
        splice: ``region`` writes the region with faded edges, ``file`` the whole file with the region in it.
        format: WAV, AIFF or FLAC; None takes it from the name.
        subtype: of a region on its own, as for ``AudioWriter``; a whole file keeps the source's.
        overwrite: replace a file of that name.
        keep_metadata: carry metadata over.
        should_cancel: asked at every block.
        decoded: the original as ``decode_apart`` gave it; None decodes it here. It stays open.

    Raises:
        AudioFormatError: files that do not fit each other, or that cannot be read or written.
        RenderCancelled: should_cancel said so; nothing is left behind.
    """
    opened = FileSource(source) if decoded is None else nullcontext(decoded)
    with opened as original, FileSource(rendered) as take:
        rate = splice_rate(original.info, splice)
        joint = _Joint(original, take, region, rate)
        whole = splice == "file"
        if whole and subtype not in (None, original.info.subtype):
            raise ParameterError(f"bits ask for {subtype}; a whole file keeps its {original.info.subtype}")
        subtype = original.info.subtype if whole else subtype or "PCM_24"
        metadata = None
        if keep_metadata:
            made = read_metadata(rendered, info=take.info)
            of_whole = read_metadata(source, info=original.info)
            metadata = replace(of_whole, provenance=made.provenance) if whole else made
        with AudioWriter(
            destination,
            rate,
            original.channels,
            speakers=original.info.speakers,
            subtype=subtype,
            format=format,
            expected_frames=original.frames if whole else take.frames,
            overwrite=overwrite,
            sources=[source, rendered],
            dither="none" if whole else None,
            metadata=metadata,
        ) as writer:
            for block in _whole(joint, subtype) if whole else joint.blocks():
                stop_if_asked(should_cancel)
                writer.write(block)
            original.check_unchanged()
            take.check_unchanged()
    return SplicedFile(
        frames=writer.frames,
        sample_rate=rate,
        channels=writer.channels,
        peak=writer.peak,
        clipped_samples=writer.clipped_samples,
    )


class _Joint:
    """A region and what was there before, at one rate."""

    def __init__(
        self, original: FileSource | DecodedFile, take: FileSource, region: Region, rate: int
    ) -> None:
        start, stop = region.within(original.frames)
        self.original: Source = original if rate == original.sample_rate else ResampledSource(original, rate)
        self.take = take
        self.rate = rate
        self.start, self.stop = (
            position_at_rate(place, original.sample_rate, rate) for place in (start, stop)
        )
        if (take.sample_rate, take.channels, take.frames) != (
            rate,
            original.channels,
            self.stop - self.start,
        ):
            raise AudioFormatError(
                f"{shown(take.info.path)}: has {take.channels} channels of {take.frames} samples at"
                f" {take.sample_rate} Hz; expected {original.channels} of {self.stop - self.start} at {rate}"
            )
        fade = max(1, min(round(FADE_S * rate), take.frames // 4))
        rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(fade) + 0.5) / fade)
        self._rise: NDArray[np.float32] = rise.astype(np.float32)
        self._fades_in = self.start > 0
        self._fades_out = stop < original.frames

    def blocks(self) -> Iterator[Audio]:
        """The region: the take, but for its edges that face original audio."""
        for start in range(0, self.take.frames, BLOCK_FRAMES):
            stop = min(start + BLOCK_FRAMES, self.take.frames)
            share = self._share(start, stop)
            block = self.take.read(start, stop)
            if share.min() < 1.0:
                before = self.original.read(self.start + start, self.start + stop)
                block = before + share * (block - before)
            yield block

    def _share(self, start: int, stop: int) -> NDArray[np.float32]:
        """How much of the take there is at each sample, 0 to 1."""
        share = np.ones(stop - start, np.float32)
        fade, frames = len(self._rise), self.take.frames
        if self._fades_in and start < fade:
            end = min(stop, fade)
            share[: end - start] = self._rise[start:end]
        if self._fades_out and stop > frames - fade:
            first = max(start, frames - fade)
            fall = self._rise[::-1]
            share[first - start :] = fall[first - (frames - fade) : stop - (frames - fade)]
        return share


def _whole(joint: _Joint, subtype: str) -> Iterator[Audio]:
    """The file with the region in it; the region alone is rounded, and dithered where its bits ask for it."""
    yield from _stretch(joint.original, 0, joint.start)
    bits = _BITS.get(subtype)
    if bits is None:
        yield from joint.blocks()
    else:
        channels = joint.original.channels
        quantizer = Quantizer(bits, channels, joint.rate, dither=choose_dither(None, bits))
        for block in joint.blocks():
            yield (quantizer.quantize(block) / 2.0 ** (bits - 1)).astype(np.float32)
    yield from _stretch(joint.original, joint.stop, joint.original.frames)


def _stretch(source: Source, start: int, stop: int) -> Iterator[Audio]:
    for position in range(start, stop, BLOCK_FRAMES):
        yield source.read(position, min(position + BLOCK_FRAMES, stop))
