"""A list of effects: everything a Python list of them can do, for what a board and a mix have in common."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, MutableSequence
from reprlib import recursive_repr
from typing import Any, ClassVar, Self, cast, overload

import pedalboard

from audiosr_fx.contract import Effect
from audiosr_fx.errors import ParameterError
from audiosr_fx.native import PackedNative, clone_native


class EffectTypeError(ParameterError, TypeError):
    """Something that is no effect; pedalboard's callers expect a TypeError."""


class EffectList(MutableSequence[Effect]):
    """Effects in their order; slices, ``+`` and ``copy`` give a list of the same kind with the same effects.

    Two are equal when they are of one kind and hold equal effects. ``None`` may stand for no effect.
    """

    is_parallel: ClassVar[bool] = False
    has_own_process: ClassVar[bool] = False
    """Whether a subclass processes in its own way, so that what it holds cannot run in its place."""

    def __init__(self, plugins: Iterable[Effect | None] | None = None) -> None:
        """``plugins``: list, tuple, generator, another board; None is none at all.

        Raises:
            ParameterError: something that is no effect, or an instrument.
        """
        self._effects: list[Effect] = [] if plugins is None else self._all_checked(plugins)

    @overload
    def __getitem__(self, index: int) -> Effect: ...

    @overload
    def __getitem__(self, index: slice) -> Self: ...

    def __getitem__(self, index: int | slice) -> Effect | Self:
        if isinstance(index, slice):
            return type(self)(self._effects[index])
        return self._effects[index]

    @overload
    def __setitem__(self, index: int, value: Effect) -> None: ...

    @overload
    def __setitem__(self, index: slice, value: Iterable[Effect]) -> None: ...

    def __setitem__(self, index: int | slice, value: Any) -> None:
        if isinstance(index, slice):
            self._effects[index] = self._all_checked(value)
        else:
            self._effects[index] = self._checked(value)

    def __delitem__(self, index: int | slice) -> None:
        del self._effects[index]

    def __len__(self) -> int:
        return len(self._effects)

    def __iter__(self) -> Iterator[Effect]:
        return iter(self._effects)

    def insert(self, index: int, value: Effect) -> None:
        """Put an effect before the one at ``index``."""
        self._effects.insert(index, self._checked(value))

    def extend(self, values: Iterable[Effect]) -> None:
        """Append several: all of them, or none where one is no effect."""
        self._effects.extend(self._all_checked(values))

    def copy(self) -> Self:
        """A new list of the same effects, which are not copied; ``copy.deepcopy`` makes new ones."""
        return type(self)(self._effects)

    __copy__ = copy

    def __add__(self, other: Iterable[Effect]) -> Self:
        return type(self)([*self._effects, *other]) if isinstance(other, Iterable) else NotImplemented

    def __radd__(self, other: Iterable[Effect]) -> Self:
        return type(self)([*other, *self._effects]) if isinstance(other, Iterable) else NotImplemented

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, EffectList) or self.is_parallel != other.is_parallel:
            return NotImplemented
        return self._effects == other._effects

    __hash__ = None  # type: ignore[assignment]

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """The same with new effects, set alike: pedalboard's own plugins too, which it cannot copy."""
        return type(self)([_second(effect, memo) for effect in self._effects])

    def __reduce__(self) -> tuple[type[Self], tuple[list[Effect | PackedNative]]]:
        """For ``pickle``; a plugin of pedalboard's that cannot travel is a ParameterError."""
        return type(self), ([_portable(effect) for effect in self._effects],)

    @recursive_repr()
    def __repr__(self) -> str:
        count = len(self)
        return f"<{type(self).__name__} with {count} plugin{'' if count == 1 else 's'}: {self._effects!r}>"

    def _all_checked(self, effects: Any) -> list[Effect]:
        if not isinstance(effects, Iterable):
            raise EffectTypeError(
                f"{effects!r} is no list of effects; expected one, as in {type(self).__name__}([AudioSR()])"
            )
        return [self._checked(effect) for effect in effects]

    def _checked(self, effect: Any) -> Effect:
        """The effect itself, if it is one that may stand here."""
        if effect is None:
            return cast(Effect, None)
        if isinstance(effect, type) or not isinstance(effect, Effect):
            raise EffectTypeError(
                f"{effect!r} is no effect; expected something with process(), such as AudioSR(), a pedalboard"
                " plugin, VST3(path) or another board"
            )
        if getattr(effect, "is_instrument", False) and not getattr(effect, "is_effect", False):
            raise ParameterError(f"{effect!r} is an instrument, which takes no audio; expected an effect")
        if isinstance(effect, EffectList) and _reaches(effect, self):
            raise ParameterError(f"a {type(self).__name__} cannot hold itself; give it a copy()")
        return effect


def _portable(effect: Effect) -> Effect | PackedNative:
    return PackedNative(effect) if isinstance(effect, pedalboard.Plugin) else effect


def _second(effect: Effect, memo: dict[int, Any]) -> Effect:
    return clone_native(effect) if isinstance(effect, pedalboard.Plugin) else copy.deepcopy(effect, memo)


def _reaches(start: EffectList, target: EffectList) -> bool:
    """Whether a list is another, or holds it, however deep."""
    inner = (effect for effect in start if isinstance(effect, EffectList))
    return start is target or any(_reaches(effect, target) for effect in inner)
