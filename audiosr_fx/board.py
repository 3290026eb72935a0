"""Board, the container: pedalboard's list and call, for effects of any kind."""

from __future__ import annotations

from audiosr_fx.rack import Rack


class Board(Rack):
    """Effects one after another; a drop-in for pedalboard's ``Pedalboard``.

    It is a list of effects, and an effect itself: pedalboard's plugins, ``VST3``, ``AudioSR``, other boards,
    ``Mix``, or anything else that answers to ``process``. Runs of native plugins are one real ``Pedalboard``,
    so a board of nothing else sounds the same bit for bit.
    """
