"""From files that are ready to jobs in the queue: preset, output name, content, and the gain of a set."""

from __future__ import annotations

import hashlib
import logging
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeAlias

from audiosr_fx.errors import AudioSRError, JobError, ParameterError, StorageError
from audiosr_fx.jobs.database import queue_option
from audiosr_fx.jobs.job import Submission
from audiosr_fx.jobs.order import Order, RecipeBook, is_unchanged, place_order
from audiosr_fx.jobs.request import Collision, RenderRequest
from audiosr_fx.jobs.service import Service
from audiosr_fx.jobs.states import LIVE, State
from audiosr_fx.preset import Preset, parse_preset
from audiosr_fx.wording import printable, shown
from watchfolder.folder import ReadyBatch
from watchfolder.memory import Memory, Taken
from watchfolder.plans import ALONE, Planned, PutOff, plan_batches
from watchfolder.set_gains import SetGain, SetPlace
from watchfolder.trash import put_away

ORIGIN: Final = "watch"
_CHANGED: Final = "%s changed while it was taken; it is waited for again"
_KEPT_GAIN: Final = (
    "%d stems get the %+.2f dB that their set got before, so that its balance stays; %s is measured anew when"
    " all of it is bounced again, or its preset changes"
)
_GIVEN_UP: Final = "%s is not rendered: that %s before, as job %d; to try it again: %s"
_log = logging.getLogger(__name__)
Refused: TypeAlias = list[tuple[ReadyBatch, PutOff]]
"""Files that cannot be rendered as things are, each with the batch that it came in."""
_Entry: TypeAlias = tuple[ReadyBatch, str, str, Order]
"""A stem's batch, its name, its set or nothing, and its order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A batch and the orders for its files, by name; what has changed meanwhile is not among them."""

    batch: ReadyBatch
    orders: Mapping[str, Order]

    @property
    def is_to_be_measured(self) -> bool:
        """Whether some of its files may share a gain, for which all of them are decoded first."""
        return any(_may_be_album(recipe) for recipe in {order.recipe for order in self.orders.values()})

    @property
    def entries(self) -> list[_Entry]:
        """What goes into the queue."""
        is_set = self.batch.folder.settings.album and any("/" in name for name in self.orders)
        stem_set = _set_id(self.orders) if is_set else ""
        return [(self.batch, name, stem_set, order) for name, order in self.orders.items()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """Hands batches to the queue: ``place``, then ``measured`` for some, then ``enter``; from any thread.

    Attributes:
        service: the queue.
        memory: of what was taken.
        should_cancel: asked while a set is measured.
    """

    service: Service
    memory: Memory
    should_cancel: Callable[[], bool]

    def place(self, batches: Sequence[ReadyBatch]) -> tuple[list[Placed], Refused]:
        """Read the files of batches and pin down what is to be made of them; and what cannot be rendered."""
        placed: list[Placed] = []
        refused: Refused = []
        book = RecipeBook()
        for batch, plans in plan_batches(batches):
            orders: dict[str, Order] = {}
            for planned in plans:
                found = planned if isinstance(planned, PutOff) else self._order(batch, planned, book)
                if isinstance(found, PutOff):
                    refused.append((batch, found))
                elif found is not None:
                    orders[planned.name] = found
            placed.append(Placed(batch=batch, orders=orders))
        return placed, refused

    def measured(self, placed: Placed) -> Placed:
        """The same with the gain of its set in each order; what has changed meanwhile is left out.

        Raises:
            RenderCancelled: should_cancel said so.
        """
        orders = self._with_gain(placed)
        return replace(placed, orders={n: order for n, order in orders.items() if _is_as_placed(order)})

    def enter(self, placed: Sequence[Placed]) -> Refused:
        """Put batches into the queue in one step, on the disk when this returns.

        Returns:
            Files that cannot be rendered as things are.

        Raises:
            StorageError: the queue takes nothing just now; the batches are to be given back.
        """
        entries = [entry for one in placed for entry in one.entries]
        if not entries:
            return []
        with self.memory.entering():
            self._supersede_older(entries)
            try:
                submissions = self.service.submit_orders([order for *_, order in entries])
            except ParameterError:  # one of them is to blame, and the others shall not wait for it
                return self._enter_singly(entries)
            self._note(entries, submissions)
        return []

    def _enter_singly(self, entries: Sequence[_Entry]) -> Refused:
        """Put files into the queue one by one, and note all at once: no set is to seem smaller than it is."""
        refused: Refused = []
        entered: list[_Entry] = []
        submissions: list[Submission] = []
        for entry in entries:
            batch, name, _, order = entry
            try:
                submissions.append(self.service.submit_order(order))
                entered.append(entry)
            except ParameterError as error:
                refused.append((batch, PutOff(name=name, reason=str(error))))
        self._note(entered, submissions)
        return refused

    def _note(self, entries: Sequence[_Entry], submissions: Sequence[Submission]) -> None:
        """Remember what was taken, and say so; what was rendered before is put away at once.

        But for the stems of a set, which stay until all of it has ended: ``Aftermath`` sees to that.
        """
        by_folder: dict[Path, dict[str, Taken]] = {}
        for (batch, name, stem_set, order), done in zip(entries, submissions, strict=True):
            folder = batch.folder.settings.input
            _tell(folder / name, done, self.service.store.folder)
            job = 0 if done.job is None else done.job.id
            is_done = done.job is not None and done.job.state is State.DONE
            if is_done and not stem_set:  # before it counts as taken
                put_away(batch.folder.settings, name, order.source)
            taken = Taken(stamp=batch.stamps[name], job=job, stem_set=stem_set)
            by_folder.setdefault(folder, {})[name] = taken
        for folder, files in by_folder.items():
            self.memory.take(folder, files)

    def _order(self, batch: ReadyBatch, planned: Planned, book: RecipeBook) -> Order | PutOff | None:
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
            _log.info(_CHANGED, shown(source))
            return None
        return order

    def _with_gain(self, placed: Placed) -> dict[str, Order]:
        """Orders with the gain of their set, where their presets ask for one; sets go by preset."""
        by_recipe: dict[str, dict[str, Order]] = {}
        for name, order in placed.orders.items():
            by_recipe.setdefault(order.recipe, {})[name] = order
        done = dict(placed.orders)
        for recipe, orders in by_recipe.items():
            if not _may_be_album(recipe):
                continue
            from watchfolder.albums import is_album, with_fixed_gain  # large, to measure with

            preset = parse_preset(recipe, next(iter(orders.values())).recipe_path or "the preset")
            if not is_album(preset):
                continue
            fixed = with_fixed_gain(preset, self._gain_db(preset, recipe, placed.batch, orders)).to_toml()
            done |= {name: replace(order, recipe=fixed) for name, order in orders.items()}
        return done

    def _gain_db(self, preset: Preset, recipe: str, batch: ReadyBatch, orders: Mapping[str, Order]) -> float:
        """The gain of the set that stems belong to: kept from before, or measured over these."""
        from watchfolder.albums import decide_album

        folder, sub_folder = batch.folder.settings.input, next(iter(orders)).rpartition("/")[0]
        place = SetPlace(folder=folder, place=sub_folder, recipe=recipe)
        is_set = batch.folder.settings.album and bool(sub_folder)
        stems = {name: order.source.sha256 for name, order in orders.items()}
        kept = self.memory.gain_of(place) if is_set else None
        if kept is not None and kept.is_for(stems):
            self.memory.keep_gain(place, kept.with_stems(stems))
            _log.info(_KEPT_GAIN, len(stems), kept.gain_db, shown(folder / sub_folder))
            return kept.gain_db
        sources = [order.request.source for order in orders.values()]
        decision = decide_album(preset, sources, should_cancel=self.should_cancel)
        _tell_gain(sources[0], list(orders), decision.reason)
        if is_set and decision.measured_lufs is not None and math.isfinite(decision.measured_lufs):
            self.memory.keep_gain(place, SetGain(gain_db=decision.gain_db, stems=stems))
        return decision.gain_db

    def _supersede_older(self, entries: Sequence[_Entry]) -> None:
        """Give up jobs that have not ended and whose source has changed; their names are free then.

        A job may be of another source: of one with the same content, which still wants it.
        """
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
            is_of_it = job.order.request.source == order.request.source
            if is_of_it and job.state in LIVE and job.key != order.key:
                self.service.supersede(before, f"{shown(order.request.source)} has changed")
        except StorageError:
            raise
        except JobError:  # forgotten, ended or being published
            return


def _tell_gain(first: Path, names: Sequence[str], reason: str) -> None:
    if len(names) > 1:
        _log.info("%d stems share one gain: %s", len(names), reason)
    elif "/" in names[0]:
        _log.info("%s has a gain of its own: %s", shown(first), reason)
    else:
        _log.warning("%s %s: %s", shown(first), ALONE, reason)


def _may_be_album(recipe: str) -> bool:
    """Whether a recipe needs a closer look, which is quick for thousands of stems."""
    return "album" in recipe


def _is_as_placed(order: Order) -> bool:
    """Whether a source is what was ordered; where it is not, it is found again as what it is now."""
    if is_unchanged(order.request.source, order.source):
        return True
    _log.info(_CHANGED, shown(order.request.source))
    return False


def _set_id(orders: Mapping[str, Order]) -> str:
    """A name for a set, the same for the same stems."""
    keys = "".join(sorted(order.key for order in orders.values()))
    return hashlib.sha256(keys.encode("ascii")).hexdigest()[:16]


def _tell(source: Path, done: Submission, queue: Path) -> None:
    name = shown(source)
    if done.job is None:
        _log.warning("%s is left: %s", name, done.reason, extra={"fields": {"source": os.fspath(source)}})
        return
    fields = {"source": os.fspath(source), "job": done.job.id}
    if done.is_new:
        _log.info("%s taken as job %d", name, done.job.id, extra={"fields": fields})
    elif done.job.state in (State.FAILED, State.CANCELLED):
        again = printable(f"audiosr-fx jobs retry {done.job.id}{queue_option(queue)}")
        was = "has failed" if done.job.state is State.FAILED else "was cancelled"
        _log.warning(_GIVEN_UP, name, was, done.job.id, again, extra={"fields": fields})
    else:
        _log.info("%s: nothing new (%s)", name, done.reason, extra={"fields": fields})
