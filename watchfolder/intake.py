"""From files that are ready to jobs in the queue: preset, output name, content, and the gain of a set."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Final, TypeAlias

from audiosr_fx.errors import AudioSRError, JobError, ParameterError, PresetError, StorageError
from audiosr_fx.jobs.job import Outcome, Submission
from audiosr_fx.jobs.order import Order, RecipeBook, place_order
from audiosr_fx.jobs.request import Collision, RenderRequest
from audiosr_fx.jobs.service import Service
from audiosr_fx.jobs.states import LIVE, State
from audiosr_fx.preset import parse_preset
from audiosr_fx.presets import find_presets
from audiosr_fx.wording import shown
from watchfolder.folder import ReadyBatch
from watchfolder.memory import Memory, Taken
from watchfolder.naming import fill_template
from watchfolder.studio import FolderSettings
from watchfolder.subfolders import Rule, find_rule
from watchfolder.trash import put_away

ORIGIN: Final = "watch"
_SUFFIX: Final = {"wav": ".wav", "flac": ".flac", "aiff": ".aiff"}
_log = logging.getLogger(__name__)
_Entry: TypeAlias = tuple[ReadyBatch, str, str, Order]
"""A stem's batch, its name, its set or nothing, and its order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """How one stem would be rendered."""

    name: str
    rule: Rule
    output: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class PutOff:
    """A stem that cannot be rendered as things are: a rule to mend, a file that may not be read."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """Hands batches to the queue.

    Attributes:
        service: the queue.
        memory: of what was taken.
        should_cancel: asked while a set is measured.
    """

    service: Service
    memory: Memory
    should_cancel: Callable[[], bool]

    def submit(self, batches: Sequence[ReadyBatch]) -> list[tuple[ReadyBatch, PutOff]]:
        """Put batches into the queue in one step, on the disk when this returns.

        Returns:
            Files that cannot be rendered as things are.

        Raises:
            StorageError: the queue takes nothing just now; the batches are to be given back.
            RenderCancelled: should_cancel said so.
        """
        put_off: list[tuple[ReadyBatch, PutOff]] = []
        entries: list[_Entry] = []
        book = RecipeBook()
        for batch, plans in _planned(batches):
            orders: dict[str, Order] = {}
            settings = batch.folder.settings
            for planned in plans:
                found = planned if isinstance(planned, PutOff) else self._order(batch, planned, book)
                if isinstance(found, PutOff):
                    put_off.append((batch, found))
                elif found is not None:
                    orders[found[0]] = found[1]
            is_set = settings.album and any("/" in name for name in orders)
            orders = self._with_gain(orders)
            stem_set = _set_id(orders) if is_set else ""
            entries += [(batch, name, stem_set, order) for name, order in orders.items()]
        self._supersede_older(entries)
        try:
            submissions = self.service.submit_orders([order for *_, order in entries])
        except ParameterError:  # one of them is to blame, and the others shall not wait for it
            return put_off + [found for entry in entries for found in self._submit_alone(*entry)]
        self._note(entries, submissions)
        return put_off

    def _submit_alone(
        self, batch: ReadyBatch, name: str, stem_set: str, order: Order
    ) -> list[tuple[ReadyBatch, PutOff]]:
        try:
            done = self.service.submit_order(order)
        except ParameterError as error:
            return [(batch, PutOff(name=name, reason=str(error)))]
        self._note([(batch, name, stem_set, order)], [done])
        return []

    def _note(self, entries: Sequence[_Entry], submissions: Sequence[Submission]) -> None:
        """Remember what was taken, and say so; what was rendered before is put away at once."""
        by_folder: dict[Path, dict[str, Taken]] = {}
        for (batch, name, stem_set, order), done in zip(entries, submissions, strict=True):
            folder = batch.folder.settings.input
            _tell(folder / name, done)
            job = 0 if done.job is None else done.job.id
            if done.job is not None and done.job.state is State.DONE:  # before it counts as taken
                put_away(batch.folder.settings, name, order.source)
            taken = Taken(stamp=batch.stamps[name], job=job, stem_set=stem_set)
            by_folder.setdefault(folder, {})[name] = taken
        for folder, files in by_folder.items():
            self.memory.take(folder, files)
        for (batch, name, _, order), done in zip(entries, submissions, strict=True):
            if self._has_ended_since(done):  # and nobody knew then that this file was of it
                put_away(batch.folder.settings, name, order.source)

    def _has_ended_since(self, done: Submission) -> bool:
        """Whether a job that was rendered already when a stem of it came is done by now."""
        if done.job is None or done.outcome is not Outcome.REPEATED or done.job.state not in LIVE:
            return False
        try:
            return self.service.store.get(done.job.id).state is State.DONE
        except JobError:  # cleared
            return False

    def _order(
        self, batch: ReadyBatch, planned: Planned, book: RecipeBook
    ) -> tuple[str, Order] | PutOff | None:
        """The order for a stem; None where it has changed, so that it is found again."""
        settings, stamp = batch.folder.settings, batch.stamps[planned.name]
        source = settings.input / planned.name
        try:
            request = RenderRequest(
                source=source,
                folder=planned.output.parent,
                output_name=planned.output.name,
                preset=planned.rule.preset,
                model=planned.rule.model,
                format=settings.format,
                bits=settings.bits,
                collision=Collision(settings.name_taken),
                origin=ORIGIN,
            )
            order = place_order(request, book)
        except AudioSRError as error:
            return PutOff(name=planned.name, reason=str(error))
        found = (order.source.inode, order.source.size, order.source.mtime_ns)
        if found != (stamp.inode, stamp.size, stamp.mtime_ns):
            _log.info("%s changed while it was taken; it is waited for again", shown(source))
            return None
        return planned.name, order

    def _with_gain(self, orders: Mapping[str, Order]) -> dict[str, Order]:
        """Orders with the gain of their set, where their presets ask for one; sets go by preset."""
        by_recipe: dict[str, list[str]] = {}
        for name, order in orders.items():
            by_recipe.setdefault(order.recipe, []).append(name)
        done = dict(orders)
        for recipe, names in by_recipe.items():
            if "album" not in recipe:  # quick, for thousands of stems
                continue
            from watchfolder.albums import decide_album, is_album, with_fixed_gain  # large, to measure with

            preset = parse_preset(recipe, orders[names[0]].recipe_path or "the preset")
            if not is_album(preset):
                continue
            stems = [orders[name].request.source for name in names]
            decision = decide_album(preset, stems, should_cancel=self.should_cancel)
            fixed = with_fixed_gain(preset, decision.gain_db).to_toml()
            _log.info("%d stems share one gain: %s", len(names), decision.reason)
            done |= {name: replace(orders[name], recipe=fixed) for name in names}
        return done

    def _supersede_older(self, entries: Sequence[_Entry]) -> None:
        """Give up jobs that have not ended and whose source has changed; their names are free then."""
        names: dict[Path, list[str]] = {}
        for batch, name, *_ in entries:
            names.setdefault(batch.folder.settings.input, []).append(name)
        before = {folder: self.memory.jobs_of(folder, some) for folder, some in names.items()}
        for batch, name, _, order in entries:
            if job := before[batch.folder.settings.input].get(name):
                self._supersede(job, order)

    def _supersede(self, before: int, order: Order) -> None:
        try:
            job = self.service.store.get(before)
            if job.state in LIVE and job.key != order.key:
                self.service.supersede(before, f"{shown(order.request.source)} has changed")
        except StorageError:
            raise
        except JobError:  # forgotten, ended or being published
            return


def plan_files(settings: FolderSettings, root: int, names: Iterable[str]) -> list[Planned | PutOff]:
    """How each stem would be rendered, or why it cannot be.

    Args:
        settings: of the watched folder.
        root: the folder, opened.
        names: of the stems, relative to it.
    """
    base = Rule(preset=settings.preset, model=settings.model)
    presets = find_presets()
    rules: dict[str, Rule | PresetError] = {}
    planned: list[Planned | PutOff] = []
    for name in names:
        place = name.rpartition("/")[0]
        if place not in rules:
            rules[place] = _rule_or_fault(root, place, base, presets)
        planned.append(_plan(settings, name, rules[place]))
    return planned


def _rule_or_fault(root: int, place: str, base: Rule, presets: Mapping[str, object]) -> Rule | PresetError:
    try:
        return find_rule(root, PurePosixPath(place), base, presets)
    except PresetError as error:
        return error


def _plan(settings: FolderSettings, name: str, rule: Rule | PresetError) -> Planned | PutOff:
    if isinstance(rule, PresetError):
        return PutOff(name=name, reason=str(rule))
    try:
        return Planned(name=name, rule=rule, output=_output(settings, name, rule))
    except ParameterError as error:
        return PutOff(name=name, reason=str(error))


def _planned(batches: Sequence[ReadyBatch]) -> list[tuple[ReadyBatch, list[Planned | PutOff]]]:
    """How the files of each batch would be rendered; each folder's rules are read once."""
    by_folder: dict[int, list[ReadyBatch]] = {}
    for batch in batches:
        by_folder.setdefault(id(batch.folder), []).append(batch)
    done: list[tuple[ReadyBatch, list[Planned | PutOff]]] = []
    for group in by_folder.values():
        folder = group[0].folder
        names = [name for batch in group for name in batch.names]
        plans = iter(plan_files(folder.settings, folder.descriptor, names))
        done += [(batch, list(islice(plans, len(batch.names)))) for batch in group]
    return done


def _output(settings: FolderSettings, name: str, rule: Rule) -> Path:
    folder, _, own = name.rpartition("/")
    path = PurePosixPath(own)
    values = {
        "name": path.stem,
        "folder": folder,
        "preset": Path(rule.preset).stem or "restore",
        "model": Path(rule.model).stem or "mini",
        "source_format": path.suffix.lstrip(".").lower(),
    }
    relative = fill_template(settings.template, values)
    return settings.output / f"{relative}{_SUFFIX[settings.format]}"


def _set_id(orders: Mapping[str, Order]) -> str:
    """A name for a set, the same for the same stems."""
    keys = "".join(sorted(order.key for order in orders.values()))
    return hashlib.sha256(keys.encode("ascii")).hexdigest()[:16]


def _tell(source: Path, done: Submission) -> None:
    name = shown(source)
    if done.job is None:
        _log.warning("%s is left: %s", name, done.reason, extra={"fields": {"source": os.fspath(source)}})
        return
    fields = {"source": os.fspath(source), "job": done.job.id}
    if done.is_new:
        _log.info("%s taken as job %d", name, done.job.id, extra={"fields": fields})
    else:
        _log.info("%s: nothing new (%s)", name, done.reason, extra={"fields": fields})
