"""A preset: a chain of effects as text, read into a checked value, from which a board is made."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from audiosr_fx.errors import ParameterError, PresetError
from audiosr_fx.preset_effects import (
    EffectType,
    Key,
    Value,
    effect_types,
    find_effect_type,
    make_effect,
)
from audiosr_fx.toml_tables import check_keys, check_schema
from audiosr_fx.toml_text import faults_of, parse_toml, to_toml
from audiosr_fx.wording import did_you_mean, shown

if TYPE_CHECKING:
    from audiosr_fx.board import Board

SCHEMA: Final = 1
MAX_DEPTH: Final = 8
_KEYS: Final = ("schema", "name", "description", "chain")
_TEXT_LENGTH: Final = {"name": 80, "description": 1000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One effect of a chain, checked.

    Attributes:
        type: of the effect.
        values: what the preset says; what it leaves out takes the effect's default.
        inner: the effects that a ``Board`` or a ``Mix`` holds.
    """

    type: str
    values: Mapping[str, Value]
    inner: tuple[Section, ...] = ()

    @property
    def effect_type(self) -> EffectType:
        """What is known of effects of this type."""
        return effect_types()[self.type]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A chain of effects with a name; ``parse_preset`` makes one, and checks it.

    Attributes:
        name: for people.
        description: what it is for.
        chain: its effects, first to last.
        source: the file it came from, or another word for it, for messages; equality does not ask for it.
    """

    name: str
    description: str
    chain: tuple[Section, ...]
    source: str = field(default="the preset", compare=False)

    __hash__ = None  # type: ignore[assignment]

    def build(self, sample_rate: float = 48_000, *, device: str = "auto") -> Board:
        """A new board of this chain.

        Args:
            sample_rate: of the session, in Hz; frequencies are held against it.
            device: that models run on.

        Raises:
            PresetError: a frequency outside 0 to half the sample rate, or a file that is not there.
        """
        from audiosr_fx.board import Board

        return Board([self._make(section, place, sample_rate, device) for place, section in self._top()])

    def sections(self) -> Iterator[tuple[str, Section]]:
        """Every effect with its place: 1, 2, and 2.1 for the first that the second holds."""
        for place, section in self._top():
            yield from _walk(place, section)

    @property
    def has_plugins(self) -> bool:
        """Whether it runs code that may crash, and so belongs into a process of its own."""
        return any(section.type == "VST3" for _, section in self.sections())

    def with_setting(self, key: str, text: str) -> Preset:
        """A preset with one value changed, as a person types both.

        Args:
            key: of an effect, such as ``target_lufs``; where several have it, with the type or the place in
                front: ``Gain.gain_db``, ``2.gain_db``. Of a plugin: ``VST3.parameters.attack_ms``.
            text: a number, ``true``, ``false`` or a text, with or without quotes; a file is sought from the
                current folder.

        Raises:
            ParameterError: no effect has such a key, or several have.
            PresetError: the effect does not take the value.
        """
        target, own_key, parameter = self._find(key)
        effect_key = target[1].effect_type.keys[own_key]
        value = _typed(text, effect_key.type)
        if isinstance(value, str) and _names_file(effect_key, value):
            value = str(Path(value).expanduser().absolute())
        if parameter:
            known: Any = target[1].values.get(own_key, {})
            value = {**known, parameter: value}
        return self._with_value(target[0], own_key, value)

    def with_values(self, type: str, values: Mapping[str, Value]) -> Preset:
        """A preset with values changed in every effect of a type.

        Raises:
            ParameterError: it has no effect of that type.
            PresetError: such effects do not take them.
        """
        places = [place for place, section in self.sections() if section.type == type]
        if values and not places:
            raise ParameterError(f"{self.name} has no {type}, so {next(iter(values))} cannot be set")
        changed = self
        for place in places:
            for key, value in values.items():
                changed = changed._with_value(place, key, value)
        return changed

    def to_toml(self) -> str:
        """The preset as the text of a file, which reads back as the same preset."""
        return to_toml(
            {
                "schema": SCHEMA,
                "name": self.name,
                "description": self.description,
                "chain": [_plain(section) for section in self.chain],
            }
        )

    def _top(self) -> Iterator[tuple[str, Section]]:
        return ((str(i), section) for i, section in enumerate(self.chain, 1))

    def _make(self, section: Section, place: str, sample_rate: float, device: str) -> Any:
        from audiosr_fx.board import Board
        from audiosr_fx.mix import Mix

        effect: Any
        if section.effect_type.inner:
            effects = [
                self._make(inner, f"{place}.{i}", sample_rate, device)
                for i, inner in enumerate(section.inner, 1)
            ]
            return Mix(effects) if section.type == "Mix" else Board(effects)
        with _errors_at(self.source, place, section.type):
            effect = make_effect(section.type, self._with_paths(section), device)
            _check_frequencies(effect, section, sample_rate)
        return effect

    def _with_paths(self, section: Section) -> dict[str, Value]:
        """Its values, with files sought beside the preset."""
        folder = Path(self.source).parent if self.source.endswith(".toml") else Path()
        values = dict(section.values)
        for name, value in values.items():
            if isinstance(value, str) and _names_file(section.effect_type.keys[name], value):
                values[name] = str(folder / Path(value).expanduser())
        return values

    def _with_value(self, place: str, key: str, value: Any) -> Preset:
        chain = [
            _replaced(section, top.split("."), place.split("."), key, value) for top, section in self._top()
        ]
        table = {"schema": SCHEMA, "name": self.name, "description": self.description, "chain": chain}
        return _preset(table, self.source)

    def _find(self, key: str) -> tuple[tuple[str, Section], str, str]:
        """The one effect that a key means, the key itself, and the name of a plugin's parameter."""
        match = re.fullmatch(r"(?:(?P<place>\d+(?:\.\d+)*)\.)?(?P<rest>.+)", key, re.ASCII | re.DOTALL)
        place, rest = (match["place"], match["rest"]) if match else (None, key)
        kind, dot, after = rest.partition(".")
        kind, rest = (kind, after) if dot and kind in effect_types() else ("", rest)
        own_key, _, parameter = rest.partition(".")
        if bool(parameter) != (own_key == "parameters"):
            own_key = rest
        named = [
            (at, section)
            for at, section in self.sections()
            if (place is None or at == place) and (not kind or section.type == kind)
        ]
        found = [(at, section) for at, section in named if own_key in section.effect_type.keys]
        if len(found) == 1:
            return found[0], own_key, parameter
        if found:
            choices = ", ".join(f"{at}.{rest} ({section.type})" for at, section in found)
            raise ParameterError(f"{key}: there are several in {self.name}; say which: {choices}")
        keys = sorted({name for _, section in self.sections() for name in section.effect_type.keys})
        raise ParameterError(
            f"{key}: nothing in {self.name} has it{did_you_mean(own_key, keys)};"
            f" there are: {', '.join(keys) or 'none'}"
        )


def parse_preset(text: str, source: str = "the preset") -> Preset:
    """Read a preset's text.

    Args:
        text: TOML; see the README for what may stand in it.
        source: the file it is from, for messages, and for the files that it names.

    Raises:
        PresetError: not TOML, an unknown or missing key, or a value that does not fit; it names source, key
            and reason.
    """
    return _preset(parse_toml(text, _shown(source)), source)


def _preset(table: Mapping[str, Any], source: str) -> Preset:
    with faults_of(_shown(source)):
        check_schema(table, SCHEMA)
        check_keys(table, _KEYS)
    texts = {key: _text(table, key, source) for key in _TEXT_LENGTH}
    sections = _sections(table, "chain", "", source, 1)
    for place, section in (found for i, top in enumerate(sections, 1) for found in _walk(str(i), top)):
        if section.values.get("mode") == "album" and place != "1":
            raise PresetError(
                f"{_shown(source)}: chain {place} ({section.type}): mode is 'album', which measures a whole"
                " set before anything is done to it; put it first"
            )
    return Preset(name=texts["name"], description=texts["description"], chain=sections, source=source)


def _text(table: Mapping[str, Any], key: str, source: str) -> str:
    value = table.get(key)
    longest = _TEXT_LENGTH[key]
    if not isinstance(value, str) or not value.strip() or len(value) > longest or not value.isprintable():
        told = f"{key} is missing" if key not in table else f"{key} is {str(value)[:40]!r}"
        raise PresetError(
            f"{_shown(source)}: {told}; expected a text of one line, up to {longest} characters"
        )
    return value


def _sections(table: Mapping[str, Any], key: str, place: str, source: str, depth: int) -> tuple[Section, ...]:
    """The effects under a key of a table, be it of the preset or of an effect that holds others."""
    tables = table.get(key, () if place else None)
    where = f"{_shown(source)}: {f'chain {place}: ' if place else ''}{key}"
    if isinstance(tables, str) or not isinstance(tables, (list, tuple)) or (not tables and not place):
        told = "is missing" if tables is None else "is no list of effects"
        raise PresetError(f"{where} {told}; expected [[chain]] sections, each with a type")
    if depth > MAX_DEPTH:
        raise PresetError(f"{where} is nested more than {MAX_DEPTH} deep")
    dot = f"{place}." if place else ""
    return tuple(_section(inner, f"{dot}{i}", source, depth) for i, inner in enumerate(tables, 1))


def _section(table: Any, place: str, source: str, depth: int) -> Section:
    name = table.get("type") if isinstance(table, Mapping) else None
    with _errors_at(source, place, name if isinstance(name, str) and name in effect_types() else ""):
        if not isinstance(table, Mapping) or "type" not in table:
            raise ParameterError("type is missing; expected such as type = 'AudioSR'")
        kind = find_effect_type(name)
        own = {key: value for key, value in table.items() if key not in ("type", kind.inner or "type")}
        values = kind.check_values(own)
    inner = _sections(table, kind.inner, place, source, depth + 1) if kind.inner else ()
    return Section(type=kind.name, values=values, inner=inner)


def _walk(place: str, section: Section) -> Iterator[tuple[str, Section]]:
    yield place, section
    for i, inner in enumerate(section.inner, 1):
        yield from _walk(f"{place}.{i}", inner)


def _plain(section: Section) -> dict[str, Any]:
    inner = section.effect_type.inner
    table: dict[str, Any] = {"type": section.type, **section.values}
    if inner and section.inner:
        table[inner] = [_plain(one) for one in section.inner]
    return table


def _replaced(section: Section, at: list[str], target: list[str], key: str, value: Any) -> dict[str, Any]:
    """A section as a table, with a value changed where it is, or holds, the one at ``target``."""
    table = _plain(section)
    if at == target:
        table[key] = value
    elif section.inner:
        table[section.effect_type.inner] = [
            _replaced(inner, [*at, str(i)], target, key, value) for i, inner in enumerate(section.inner, 1)
        ]
    return table


def _typed(text: str, kind: type[Any]) -> Any:
    """A value from what was typed: as TOML would read it, else the text itself."""
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    value = table.get("value")
    is_one = len(table) == 1 and isinstance(value, (bool, int, float, str))
    return value if is_one and not (kind is str and not isinstance(value, str)) else text


def _names_file(key: Key, value: str) -> bool:
    return key.is_path or (key.name == "model" and value.endswith(".safetensors"))


def _check_frequencies(effect: Any, section: Section, sample_rate: float) -> None:
    from audiosr_fx.native import check_native, is_native

    if is_native(effect):
        check_native(effect, int(sample_rate))
    cutoff_hz = section.values.get("cutoff_hz")
    if section.type == "AudioSR" and isinstance(cutoff_hz, float) and cutoff_hz >= sample_rate / 2:
        raise ParameterError(
            f"cutoff_hz is {cutoff_hz:.10g}; expected less than {sample_rate / 2:.10g} Hz,"
            " half the sample rate"
        )


@contextmanager
def _errors_at(source: str, place: str, kind: str) -> Iterator[None]:
    """Say of an error where in which preset it arose."""
    try:
        yield
    except ParameterError as cause:
        where = f"chain {place} ({kind})" if kind else f"chain {place}"
        raise PresetError(f"{_shown(source)}: {where}: {cause}") from cause


def _shown(source: str) -> str:
    return shown(Path(source))
