"""Results of listening tests: the files that pages save, checked through and through before they count."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeGuard

from audiosr_fx.errors import AudioFormatError
from audiosr_fx.quality.listen import Mode, Role
from audiosr_fx.wording import shown

RESULTS_FORMAT: Final = "audiosr-fx listening results 1"
_MAX_BYTES: Final = 20_000_000
_LONGEST_NAME: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """What a system was worth in one trial of ``mushra``, 0 to 100."""

    item: str
    system: str
    rating: float
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """An answer to one trial of ``ab`` or ``abx``: ``chosen`` is a system, or None for no preference.

    In ``abx``, ``x`` is the system that X was; in ``ab`` it is None.
    """

    item: str
    a: str
    b: str
    chosen: str | None
    x: str | None
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """One file: who answered what, on which page (the page's hash). ``finished`` is empty before the end,
    ``is_complete`` whether no trial is left without an answer.
    """

    participant: str
    page: str
    mode: Mode
    title: str
    started: str
    finished: str
    is_complete: bool
    roles: dict[str, Role]
    items: tuple[str, ...]
    ratings: tuple[Rating, ...] = ()
    votes: tuple[Vote, ...] = ()

    @property
    def trials(self) -> int:
        """How many trials were answered."""
        return len(self.votes) or len({rating.position for rating in self.ratings})


def read_results(path: Path) -> Results:
    """Read a file that a page saved.

    Raises:
        AudioFormatError: it cannot be read, or is not what pages save; the message names the field.
    """
    name = shown(path)
    try:
        with path.open("rb") as stream:
            data = stream.read(_MAX_BYTES + 1)
    except OSError as cause:
        raise AudioFormatError(f"{name}: cannot be read ({cause.strerror or cause})") from cause
    if len(data) > _MAX_BYTES:
        raise AudioFormatError(
            f"{name}: is larger than {_MAX_BYTES / 1e6:.0f} MB; expected results of a test"
        )
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as cause:
        raise AudioFormatError(f"{name}: is no JSON; expected a file that a listening test saved") from cause
    try:
        return parse_results(value)
    except AudioFormatError as error:
        raise AudioFormatError(f"{name}: {error}") from error


def parse_results(value: Any) -> Results:
    """Check what a page saved.

    Raises:
        AudioFormatError: a field is missing, of the wrong type, or says what cannot be.
    """
    if not isinstance(value, dict) or value.get("format") != RESULTS_FORMAT:
        raise AudioFormatError(
            f"has no format {RESULTS_FORMAT!r}; expected a file that a listening test saved"
        )
    mode_name = _text(value, "mode")
    if mode_name not in list(Mode):
        raise AudioFormatError(f"mode is {mode_name!r}; expected mushra, ab or abx")
    mode = Mode(mode_name)
    roles = {_text(entry, "name"): _role(entry) for entry in _records(value, "systems")}
    items = _names(value, "items")
    trials = _records(value, "trials")
    positions = [_whole(trial, "position") for trial in trials]
    if len(set(positions)) != len(positions):
        raise AudioFormatError("trials share a position; expected each once")
    ratings: list[Rating] = []
    votes: list[Vote] = []
    for trial in trials:
        if mode is Mode.MUSHRA:
            ratings += _ratings(trial, roles, items)
        else:
            votes.append(_vote(trial, roles, items, mode))
    if not trials:
        raise AudioFormatError("has no answered trial; nothing can be learned from it")
    return Results(
        participant=_text(value, "participant"),
        page=_text(value, "page"),
        mode=mode,
        title=_text(value, "title"),
        started=_text(value, "started"),
        finished=_text(value, "finished") if value.get("finished") is not None else "",
        is_complete=_flag(value, "complete"),
        roles=roles,
        items=items,
        ratings=tuple(ratings),
        votes=tuple(votes),
    )


def pool_results(results: Sequence[tuple[Path, Results]]) -> tuple[list[Results], list[str]]:
    """Keep what belongs together: the page of the first file, and each session once: the longest, then last.

    Returns:
        The results to evaluate, and a line for each file that is left out: of another page, or of the same
        with a mode, systems or items that are not that page's.
    """
    complaints: list[str] = []
    sessions: dict[tuple[str, str], Results] = {}
    for path, result in results:
        first = results[0][1]
        if result.page != first.page:
            complaints.append(
                f"{shown(path)}: is of another test (page {result.page[:8]}, {shown(results[0][0])} is of"
                f" {first.page[:8]}); skipped: evaluate it apart"
            )
            continue
        if _asked(result) != _asked(first):
            complaints.append(
                f"{shown(path)}: has another mode, other systems or other items than {shown(results[0][0])},"
                " though it says it is of the same page; skipped: the file was changed"
            )
            continue
        session = (result.participant, result.started)
        known = sessions.get(session)
        if known is None or (known.trials, known.finished) <= (result.trials, result.finished):
            sessions[session] = result
    return list(sessions.values()), complaints


def _asked(results: Results) -> tuple[Mode, dict[str, Role], tuple[str, ...]]:
    """What every file of a page has alike."""
    return results.mode, results.roles, results.items


def _ratings(trial: dict[str, Any], roles: dict[str, Role], items: Sequence[str]) -> list[Rating]:
    found: dict[str, Rating] = {}
    for stimulus in _records(trial, "stimuli"):
        system = _one_of(stimulus, "system", roles)
        rating = stimulus.get("rating")
        if not _is_number(rating) or not 0 <= rating <= 100:
            raise AudioFormatError(f"rating of {system} is {_quoted(rating)}; expected 0 to 100")
        found[system] = Rating(
            item=_one_of(trial, "item", items),
            system=system,
            rating=float(rating),
            position=_whole(trial, "position"),
        )
    if set(found) != set(roles):
        missing = sorted(set(roles) - set(found))
        raise AudioFormatError(f"trial {_whole(trial, 'position')} lacks {', '.join(missing)}; expected all")
    return list(found.values())


def _vote(trial: dict[str, Any], roles: dict[str, Role], items: Sequence[str], mode: Mode) -> Vote:
    pair = {"a": _one_of(trial, "a", roles), "b": _one_of(trial, "b", roles)}
    if pair["a"] == pair["b"]:
        raise AudioFormatError(f"trial {_whole(trial, 'position')} holds {pair['a']} against itself")
    answers: dict[str, str | None] = {**pair}
    if mode is Mode.AB:
        answers["none"] = None
    chosen = _one_of(trial, "choice" if mode is Mode.AB else "answer", answers)
    return Vote(
        item=_one_of(trial, "item", items),
        **pair,
        chosen=answers[chosen],
        x=pair[_one_of(trial, "x", pair)] if mode is Mode.ABX else None,
        position=_whole(trial, "position"),
    )


def _records(value: dict[str, Any], key: str) -> list[dict[str, Any]]:
    found = value.get(key)
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise AudioFormatError(f"{key} is {_quoted(found)}; expected a list of objects")
    return found


def _names(value: dict[str, Any], key: str) -> tuple[str, ...]:
    found = value.get(key)
    if not isinstance(found, list) or not all(isinstance(entry, str) for entry in found):
        raise AudioFormatError(f"{key} is {_quoted(found)}; expected a list of names")
    return tuple(found)


def _text(value: dict[str, Any], key: str) -> str:
    found = value.get(key)
    if not isinstance(found, str) or not found or len(found) > _LONGEST_NAME:
        raise AudioFormatError(f"{key} is {_quoted(found)}; expected text of 1 to {_LONGEST_NAME} characters")
    return found


def _flag(value: dict[str, Any], key: str) -> bool:
    found = value.get(key)
    if not isinstance(found, bool):
        raise AudioFormatError(f"{key} is {_quoted(found)}; expected true or false")
    return found


def _role(value: dict[str, Any]) -> Role:
    found = _one_of(value, "role", [str(role) for role in Role])
    return Role(found)


def _one_of(value: dict[str, Any], key: str, allowed: Sequence[str] | dict[str, Any]) -> str:
    found = value.get(key)
    if not isinstance(found, str) or found not in allowed:
        raise AudioFormatError(f"{key} is {_quoted(found)}; expected one of {', '.join(list(allowed)[:20])}")
    return found


def _whole(value: dict[str, Any], key: str) -> int:
    found = value.get(key)
    if not isinstance(found, int) or isinstance(found, bool) or not 0 < found < 100_000:
        raise AudioFormatError(f"{key} is {_quoted(found)}; expected a whole number from 1")
    return found


def _is_number(value: object) -> TypeGuard[float]:
    if isinstance(value, int):
        return not isinstance(value, bool)
    return isinstance(value, float) and math.isfinite(value)


def _quoted(value: object) -> str:
    """A value for a message, cut short."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
