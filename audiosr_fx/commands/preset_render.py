"""``audiosr-fx render --preset``: files through a chain, with the outputs and codes of any render."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from audiosr_fx.commands.job import (
    Job,
    Result,
    bandwidth_word,
    check_output,
    intact_below_hz,
    levels_before,
    own_reason,
)
from audiosr_fx.commands.outputs import Task
from audiosr_fx.commands.terminal import OutputError, describe_error
from audiosr_fx.errors import AudioFormatError, ParameterError
from audiosr_fx.files import SUBTYPES, FileSource
from audiosr_fx.part import PartSource
from audiosr_fx.preset import Preset
from audiosr_fx.presets import find_preset, read_preset
from audiosr_fx.settings import PLUGIN_TIMEOUT_S, SESSION_RATE, parse_region, session_rate
from audiosr_fx.wording import shown

if TYPE_CHECKING:
    from audiosr_fx.album import Stages
    from audiosr_fx.bandwidth import Verdict
    from audiosr_fx.board import Board
    from audiosr_fx.file_job import RenderedFile
    from audiosr_fx.progress import OnEvent
    from audiosr_fx.sources import Source

_LOUDNESS = ("LoudnessNormalize", "MasterTo")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenPreset:
    """A preset as the command line asks for it, its name for people to find it by, and its values changed."""

    name: str
    preset: Preset

    @property
    def is_album(self) -> bool:
        """Whether all files are to be measured together first."""
        return any(section.values.get("mode") == "album" for _, section in self.preset.sections())

    @property
    def has_loudness(self) -> bool:
        """Whether it has a stage of loudness, which can be one for a set."""
        return any(section.type in _LOUDNESS for _, section in self.preset.sections())

    def check_album(self) -> None:
        """Refuse a stage of loudness that measures each file by itself whatever the set.

        Raises:
            ParameterError: it stands in a ``Mix``.
        """
        mixes = [place for place, section in self.preset.sections() if section.type == "Mix"]
        for place, section in self.preset.sections():
            if section.type in _LOUDNESS and any(place.startswith(f"{mix}.") for mix in mixes):
                raise ParameterError(
                    f"album: {place} ({section.type}) of {self.name} stands in a Mix, where each file gets a"
                    " gain of its own; put it behind the Mix, or leave --album out"
                )


def choose_preset(name: str, changes: Sequence[str], context: typer.Context) -> ChosenPreset:
    """Find a preset and change its values: by the render options that were typed, then by ``--set``.

    Raises:
        PresetError, ParameterError: no such preset or key, or a value that does not fit.
    """
    path = find_preset(name)
    preset = read_preset(path)
    typed = {key: value for key, value in _typed_controls(context).items() if value is not None}
    preset = preset.with_values("AudioSR", typed)
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals:
            raise ParameterError(f"--set is {change!r}; expected KEY=VALUE, such as target_lufs=-16")
        preset = preset.with_setting(key.strip(), value.strip())
    return ChosenPreset(name=path.stem, preset=preset)


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetRecipe:
    """A preset with the settings of a job.

    Attributes:
        learned: what stands in place of the stages of loudness where all files are one set.
        is_apart: in a process that may crash already.
    """

    chosen: ChosenPreset
    job: Job
    device: str = "auto"
    learned: Stages = field(default_factory=dict)
    is_apart: bool = False

    @property
    def timeout_s(self) -> float | None:
        """How long a process of its own may be without progress."""
        return PLUGIN_TIMEOUT_S if self.chosen.preset.has_plugins else None

    @property
    def finds_cutoff(self) -> bool:
        """Whether it has models, and none with a cutoff of its own."""
        nodes = [section for _, section in self.chosen.preset.sections() if section.type == "AudioSR"]
        return bool(nodes) and not any("cutoff_hz" in section.values for section in nodes)

    def judge(self, source: Source) -> Verdict:
        """What the first model of the chain decides about a file as it is before the chain."""
        section = next(section for _, section in self.chosen.preset.sections() if section.type == "AudioSR")
        if section.values.get("keep_low_band", True):
            from audiosr_fx.bandwidth import judge

            return judge(source)
        from audiosr_fx.node import AudioSR
        from audiosr_fx.sources import ResampledSource

        (node,) = replace(self.chosen.preset, chain=(section,)).build(SESSION_RATE, device=self.device)
        assert isinstance(node, AudioSR)
        at_session = ResampledSource(source, session_rate(source.sample_rate))  # as in the chain
        return node.render_source(at_session, cache=self.job.cache).verdict

    def apart(self) -> PresetRecipe:
        """The same, for a process that may crash without harm."""
        return replace(self, is_apart=True)

    def prepare(self) -> None:
        """Find out whether the chain can be made."""
        self.board()

    def board(self, cutoff_hz: float | None = None) -> Board:
        """The chain, with what a set has decided in place."""
        preset = self.chosen.preset
        if cutoff_hz is not None:
            preset = preset.with_values("AudioSR", {"cutoff_hz": cutoff_hz})
        board = preset.build(SESSION_RATE, device=self.device)
        if not self.learned:
            return board
        from audiosr_fx.album import with_stages

        return with_stages(board, self.learned)

    def for_album(self, tasks: Sequence[Task]) -> PresetRecipe:
        """The same with one gain for all files, measured now."""
        from audiosr_fx.album import Album

        region = self.job.region
        album = Album(
            paths=[task.source for task in tasks],
            sample_rate=SESSION_RATE,
            region_of=lambda rate: None if region is None else parse_region(region, rate),
        )
        return replace(self, learned=album.learn(self.board()))

    def render(self, task: Task, on_event: OnEvent | None = None) -> Result:
        """Run one file through the chain into another file, which appears only when it is whole.

        Raises: as ``Board.render_file``, and
            OutputError: the output exists already, or cannot be written.
        """
        job = self.job
        check_output(task, job)
        started = time.perf_counter()
        is_isolated = self.chosen.preset.has_plugins and not self.is_apart
        with FileSource(task.source, warns=is_isolated) as source:  # of others the board's render tells
            region = None if job.region is None else parse_region(job.region, source.sample_rate)
            start, stop = (0, source.frames) if region is None else region.within(source.frames)
            before = levels_before(PartSource(source, start, stop))
            rate = source.sample_rate
        try:
            done = self.board(task.cutoff_hz).render_file(
                task.source,
                task.output,
                session_rate(rate),
                format=task.format.upper(),
                subtype=SUBTYPES[job.bits],
                overwrite=job.overwrite,
                keep_metadata=job.keep_metadata,
                region=region,
                skip_untouched=job.skip_untouched,
                preset=self.chosen.name,
                protected=job.protected,
                on_event=on_event,
                isolated=is_isolated,
                timeout_s=PLUGIN_TIMEOUT_S,
                cache=job.cache or False,
            )
        except AudioFormatError as error:
            if str(error).startswith(f"{shown(task.output)}:"):
                raise OutputError(describe_error(error)) from error
            raise
        render_s = time.perf_counter() - started
        duration_s = done.frames / done.sample_rate
        return Result(
            input=str(task.source),
            output=str(task.output) if done.is_written else None,
            preset=self.chosen.name,
            **self._verdict(done, task),
            decisions=(*((task.note,) if task.note else ()), *done.decisions),
            untouched=done.is_untouched,
            lufs_before=before.integrated_lufs if before else None,
            lufs_after=done.levels.integrated_lufs if done.levels else None,
            true_peak_before_dbtp=before.true_peak_dbtp if before else None,
            true_peak_after_dbtp=done.levels.true_peak_dbtp if done.levels else None,
            sample_rate=done.sample_rate,
            channels=done.channels,
            start_s=start / rate,
            duration_s=duration_s,
            render_s=render_s,
            speed=duration_s / render_s,
            clipped_samples=done.clipped_samples,
            gave_way_s=done.gave_way_s,
            lift_db=done.lift_db,
            blocks_made=done.blocks_made,
            blocks_reused=done.blocks_reused,
        )

    def _verdict(self, done: RenderedFile, task: Task) -> dict[str, Any]:
        """What the models of the chain found, told by the first that rendered."""
        rendered = [verdict for verdict in done.verdicts if verdict.process]
        told: Verdict | None = next(iter((*rendered, *done.verdicts)), None)
        nodes = (section for _, section in self.chosen.preset.sections() if section.type == "AudioSR")
        keeps_low_band = all(section.values.get("keep_low_band", True) for section in nodes)
        intact = [intact_below_hz(verdict, keeps_low_band=keeps_low_band) for verdict in done.verdicts]
        return {
            "rendered": bool(rendered),
            "cleaned": any(verdict.is_cleaned for verdict in done.verdicts),
            "bandwidth": None if told is None else bandwidth_word(told, task),
            "cutoff_hz": None if told is None else told.cutoff_hz,
            "intact_below_hz": min((edge for edge in intact if edge is not None), default=None),
            "reason": "; ".join(filter(None, (own_reason(verdict, task) for verdict in done.verdicts))),
        }


def _typed_controls(context: typer.Context) -> dict[str, Any]:
    """The render options that stand on the command line, by the name of their control."""
    from audiosr_fx.params import RENDER_CONTROLS

    names = [control.name for control in RENDER_CONTROLS]
    typed = {
        name: context.params[name] for name in names if name in context.params and _is_typed(context, name)
    }
    if str(typed.get("model", "")).endswith(".safetensors"):
        typed["model"] = str(Path(typed["model"]).absolute())
    return typed


def _is_typed(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
