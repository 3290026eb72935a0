"""``--stems``: one decision for a set of stems before it is rendered, and the check that it still adds up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from audiosr_fx.commands.job import Outcome, Recipe, Result
from audiosr_fx.commands.outputs import Task
from audiosr_fx.commands.plain_render import PlainRecipe
from audiosr_fx.errors import AudioSRError
from audiosr_fx.settings import parse_region

if TYPE_CHECKING:
    from audiosr_fx.bandwidth import Verdict
    from audiosr_fx.null_sum import NullSum, StemPair


@dataclass(frozen=True, slots=True, kw_only=True)
class SetCheck:
    """Whether the finished stems add up to the originals, or why that was not asked."""

    found: NullSum | None = None
    why_not: str = ""

    def __str__(self) -> str:
        if self.found is None:
            return f"sum of the stems: not compared, {self.why_not}"
        where = "" if self.found.below_hz is None else f" below {self.found.below_hz / 1000.0:.2f} kHz"
        what, originals, ends = f"sum of the {self.found.stems} stems", "the originals", "the ends of stems"
        if self.found.stems == 1:
            what, originals, ends = "the one stem", "its original", "its ends"
        return (
            f"{what}{where}: nulls against {originals} to {self.found.left_dbfs:.1f} dBFS RMS over all;"
            f" peaks at {self.found.ends_peak_dbfs:.1f} dBFS at {ends}, at {self.found.peak_dbfs:.1f} dBFS"
            " between them"
        )

    def told(self) -> dict[str, object]:
        """As a table of plain values."""
        return {"why_not": self.why_not} if self.found is None else asdict(self.found)


def share_cutoff(tasks: Sequence[Task], recipe: Recipe) -> list[Task]:
    """The same tasks, with the cutoff of the set where a stem takes it, and a note on that."""
    from audiosr_fx.stems import decide_stems

    verdicts = {task: verdict for task in tasks if (verdict := _verdict(task.source, recipe)) is not None}
    decisions = dict(zip(verdicts, decide_stems(list(verdicts.values())), strict=True))
    return [
        replace(task, cutoff_hz=decisions[task].cutoff_hz, note=decisions[task].reason)
        if task in decisions
        else task
        for task in tasks
    ]


def check_sum(recipe: Recipe, outcomes: Sequence[Outcome]) -> SetCheck:
    """Hold the sum of the finished stems against that of the originals, below every crossover."""
    from audiosr_fx.null_sum import measure_null_sum

    why_not, gain_db = _level_of(recipe)
    results = [one for one in outcomes if isinstance(one, Result)]
    if not why_not and not any(one.output for one in results):
        why_not = "no stem was written"
    edges = [one.intact_below_hz for one in results if one.output and one.intact_below_hz is not None]
    if not why_not and edges and min(edges) <= 0.0:
        why_not = "the low band was not to be kept"
    if why_not:
        return SetCheck(why_not=why_not)
    pairs = [_pair(one, recipe.job.region) for one in results if one.output is not None]
    try:
        return SetCheck(found=measure_null_sum(pairs, below_hz=min(edges, default=None), gain_db=gain_db))
    except (AudioSRError, OSError) as error:
        return SetCheck(why_not=str(error))


def _level_of(recipe: Recipe) -> tuple[str, float]:
    """Why no null can be expected of a chain, if so; else the one gain that all stems got."""
    if isinstance(recipe, PlainRecipe):
        return ("" if recipe.job.settings.keep_low_band else "the low band was not to be kept"), 0.0
    from audiosr_fx.album import AlbumGain
    from audiosr_fx.commands.preset_render import PresetRecipe

    assert isinstance(recipe, PresetRecipe)
    gain_db, others = 0.0, []
    for effect in recipe.board():
        if isinstance(effect, AlbumGain):
            gain_db += effect.decision.gain_db
        elif type(effect).__name__ != "AudioSR":
            others.append(type(effect).__name__)
    if others:
        return f"{', '.join(others)} of {recipe.chosen.name} changes more than the highs", 0.0
    return "", gain_db


def _pair(result: Result, region: str | None) -> StemPair:
    from audiosr_fx.files import read_info
    from audiosr_fx.null_sum import StemPair

    assert result.output is not None
    rate = 0 if region is None else read_info(result.input).sample_rate
    return StemPair(
        original=result.input,
        finished=result.output,
        region=None if region is None else parse_region(region, rate),
    )


def _verdict(path: Path, recipe: Recipe) -> Verdict | None:
    """What one stem says for itself; None for one that cannot be read, of which its render tells."""
    from audiosr_fx.files import FileSource

    try:
        with FileSource(path, warns=False) as source:
            return recipe.judge(source)
    except AudioSRError:
        return None
