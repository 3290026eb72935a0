"""Rows of a report from nothing but the files: two of them, or two folders with files of the same names."""

from __future__ import annotations

from pathlib import Path

from audiosr_fx.bandwidth import judge
from audiosr_fx.errors import AudioFormatError, AudioSRError
from audiosr_fx.files import FileSource, read_info
from audiosr_fx.metadata.reading import read_provenance
from audiosr_fx.quality.listen_folder import audio_files
from audiosr_fx.quality.report_rows import ReportRow
from audiosr_fx.wording import shown


def pair_rows(before: Path, after: Path) -> list[ReportRow]:
    """Find out what became of each file, as far as the files tell.

    Args:
        before: a file, or a folder.
        after: the same; in a folder the ending of a name may be another.

    Returns:
        A row for every file of ``before``, in alphabetical order, then for those that only ``after`` has.

    Raises:
        AudioFormatError: one of two files cannot be read, a file beside a folder, or folders that share no
            name.
    """
    if before.is_dir() != after.is_dir():
        folder, file = (before, after) if before.is_dir() else (after, before)
        raise AudioFormatError(
            f"{shown(folder)} is a folder, {shown(file)} is not; expected two files, or two folders"
        )
    if not before.is_dir():
        read_info(before)
        read_info(after)
        return [_row(before, after)]
    sources, outputs = audio_files(before), audio_files(after)
    if not sources.keys() & outputs.keys():
        raise AudioFormatError(
            f"{shown(after)}: no audio file has the name of one in {shown(before)};"
            " expected the same names, whatever their endings"
        )
    return [
        _row_of(before, after, sources.get(name), outputs.get(name))
        for name in dict.fromkeys((*sources, *outputs))
    ]


def _row_of(before: Path, after: Path, source: Path | None, output: Path | None) -> ReportRow:
    """The row of two folders' files of one name, of which one may be missing."""
    if source is None and output is not None:
        absent = before / output.name
        reason = f"{shown(before)} has no file of this name"
        return ReportRow(source=absent, output=output, rendered=None, reason=reason, lacks="before")
    assert source is not None
    if output is None:
        return ReportRow(
            source=source, output=None, reason=f"{shown(after)} has no file of this name", lacks="after"
        )
    return _row(source, output)


def _row(before: Path, after: Path) -> ReportRow:
    """Files that cannot be read have their line later, when they are measured."""
    try:
        steps = read_provenance(after)
    except (AudioSRError, OSError):
        steps = ()
    restored = [step for step in steps if step.action == "restored"]
    try:
        with FileSource(before) as source:
            verdict = judge(source)
    except (AudioSRError, OSError):
        return ReportRow(source=before, output=after, rendered=None)
    told = restored[-1].cutoff_hz if restored else None
    return ReportRow(
        source=before,
        output=after,
        rendered=True if restored else None,
        is_cleaned=any(step.action == "cleaned" for step in steps),
        cutoff_hz=told or (verdict.cutoff_hz if verdict.process else None),
        reason=verdict.reason,
        preset=next((step.preset for step in reversed(steps) if step.preset), ""),
    )
