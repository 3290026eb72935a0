"""Board, the container: pedalboard's list and call, for effects of any kind, and for whole files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from audiosr_fx.files import FilePath, all_paths
from audiosr_fx.rack import Rack

if TYPE_CHECKING:
    from audiosr_fx.cache import RenderCache
    from audiosr_fx.decoding import DecodedFile
    from audiosr_fx.file_job import RenderedFile
    from audiosr_fx.progress import OnEvent, ShouldCancel
    from audiosr_fx.settings import Region


class Board(Rack):
    """Effects one after another; a drop-in for pedalboard's ``Pedalboard``.

    It is a list of effects, and an effect itself: pedalboard's plugins, ``VST3``, ``AudioSR``, other boards,
    ``Mix``, or anything else that answers to ``process``. Runs of native plugins are one real ``Pedalboard``,
    so a board of nothing else sounds the same bit for bit.
    """

    def render_file(
        self,
        source: FilePath,
        destination: FilePath,
        sample_rate: float | None = 48_000,
        *,
        format: str | None = None,
        subtype: str | None = None,
        overwrite: bool = False,
        keep_metadata: bool = True,
        region: Region | None = None,
        skip_untouched: bool = False,
        preset: str | None = None,
        protected: FilePath | Iterable[FilePath] = (),
        on_event: OnEvent | None = None,
        should_cancel: ShouldCancel | None = None,
        isolated: bool = False,
        timeout_s: float | None = None,
        cache: RenderCache | bool = True,
        decoded: DecodedFile | None = None,
        small_batches: bool = False,
        bound_for: str | None = None,
    ) -> RenderedFile:
        """Render a file into another, which appears only when it is whole.

        The file is brought to the session's rate first, then runs through the board in blocks, so memory does
        not grow with its length. Offline effects such as ``AudioSR`` read their input from a temporary file
        where they are not first; pedalboard's ``PitchShift`` and ``GSMFullRateCompressor``, and offline
        effects without ``render_source``, are handed the whole signal in memory. The result has the length of
        the source, with latency compensated.

        Args:
            source: WAV, AIFF, FLAC, Ogg or MP3.
            destination: never the source itself.
            sample_rate: of the session and the result, in Hz; None keeps the source's.
            format: WAV, AIFF or FLAC; None takes it from the name.
            subtype: PCM_16 (dithered), PCM_24, PCM_32, FLOAT; None keeps float where the format can, and
                takes PCM_24 otherwise.
            overwrite: replace a file of that name.
            keep_metadata: carry tags, markers and time stamps over, and note what was done.
            region: only this part, in samples of the source; its metadata is moved to it. It sounds as in the
                whole: ``AudioSR`` in first place judges and hears the whole file, other effects start some
                seconds before. Loudness is measured in the region alone.
            skip_untouched: write nothing where the board leaves every sample as it came.
            preset: name of the preset the board was made from, for that note.
            protected: a further file that must not be replaced, or several.
            on_event: hears how far it is.
            should_cancel: asked at every block.
            isolated: run in a process of its own, so that a plugin that crashes or hangs fails only this
                file. What the board holds must be able to travel: ``VST3(path)``, pedalboard's own plugins,
                ``AudioSR`` by the name of its model.
            timeout_s: how long that process may be without progress; None is for ever.
            cache: where what models make is kept and taken from; True is the user's cache, False none.
            decoded: the source as ``decode_apart`` gave it; None decodes it where it is rendered.
            small_batches: spare memory: models do one item at a time.
            bound_for: subtype of the file that the result ends up in, where that is another than the
                destination. Where it is an integer one, and the board one ``AudioSR`` and nothing else, the
                new band gives way at full scale, so that nothing is clipped but what the source has there.

        Raises:
            AudioFormatError: a file that cannot be read, or a destination that cannot be written.
            ParameterError: an argument of another kind, settings that do not fit the rate, a region beyond
                the end, or an effect that cannot travel.
            PluginError: a plugin that cannot be loaded, failed, crashed or hung.
            RenderCancelled: should_cancel said so; nothing is left behind.
        """
        from audiosr_fx.cache import chosen_cache
        from audiosr_fx.file_job import FileJob, run_job, run_job_apart
        from audiosr_fx.params import check_seconds, check_switch

        check_switch("isolated", isolated)
        if timeout_s is not None:
            check_seconds("timeout_s", timeout_s)
        job = FileJob(
            source=Path(source),
            destination=Path(destination),
            sample_rate=sample_rate,
            format=format,
            subtype=subtype,
            overwrite=overwrite,
            keep_metadata=keep_metadata,
            region=region,
            skip_untouched=skip_untouched,
            preset=preset,
            protected=all_paths(protected),
            cache=chosen_cache(cache),
            decoded=decoded,
            small_batches=small_batches,
            bound_for=bound_for,
        )
        if isolated:
            return run_job_apart(self, job, on_event, should_cancel, timeout_s)
        return run_job(self, job, on_event, should_cancel)
