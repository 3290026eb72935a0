"""Which files of a folder have lain still long enough to be taken.

Everything here is a pure function of what was seen and of a monotonic time, so neither clocks that jump nor
events that are lost change what comes out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from watchfolder.snapshot import Snapshot, Stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A file as it has been seen so far; times are monotonic seconds.

    Attributes:
        stamp: as it is now.
        first_s: when it was first seen.
        since_s: since when its stamp is what it is.
        taken: the stamp with which it was last handed on.
        held: why it waits although it lies still, for people.
    """

    stamp: Stamp
    first_s: float
    since_s: float
    taken: Stamp | None = None
    held: str = ""

    @property
    def is_waiting(self) -> bool:
        """Whether it has not been handed on as it is now."""
        return self.taken != self.stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """All that is known of a folder."""

    files: Mapping[str, Sighting] = field(default_factory=dict)

    def settled(self, now_s: float, settle_s: float) -> list[str]:
        """What is waiting, and has not changed for so long, in the order of names."""
        return sorted(
            name
            for name, sighting in self.files.items()
            if sighting.is_waiting and now_s - sighting.since_s >= settle_s
        )

    def next_s(self, settle_s: float) -> float | None:
        """The monotonic time at which the next one will have settled; None where nothing is waiting."""
        waiting = [s.since_s + settle_s for s in self.files.values() if s.is_waiting and not s.held]
        return min(waiting, default=None)

    def with_taken(self, names: Iterable[str]) -> View:
        """The same with files handed on as they are."""
        changed = {name: self.files[name] for name in names}
        return self.with_changed({n: replace(s, taken=s.stamp, held="") for n, s in changed.items()})

    def with_held(self, reasons: Mapping[str, str]) -> View:
        """The same with reasons why files wait."""
        return self.with_changed(
            {name: replace(self.files[name], held=text) for name, text in reasons.items()}
        )

    def with_changed(self, changed: Mapping[str, Sighting]) -> View:
        """The same with other sightings of some files."""
        return View(files=MappingProxyType({**self.files, **changed})) if changed else self


def observe(view: View, snapshot: Snapshot, now_s: float) -> View:
    """What is known after a look: what is gone is forgotten, what changed starts to settle anew."""
    files: dict[str, Sighting] = {}
    for name, stamp in snapshot.files.items():
        seen = view.files.get(name)
        if seen is None:
            files[name] = Sighting(stamp=stamp, first_s=now_s, since_s=now_s)
        elif seen.stamp != stamp:
            files[name] = replace(seen, stamp=stamp, since_s=now_s, held="")
        else:
            files[name] = seen
    for folder in snapshot.unreadable:
        inside = f"{folder}/" if folder else ""
        files |= {name: seen for name, seen in view.files.items() if name.startswith(inside)}
    return View(files=MappingProxyType(files))
