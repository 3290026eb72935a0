"""What a render message asks for: its paths held against the files there are, bars against a tempo map."""

from __future__ import annotations

from audiosr_fx.errors import ParameterError
from hosts import protocol
from hosts.asks import Ask, make_ask
from hosts.osc import Message
from hosts.roots import Roots
from hosts.song import Song
from hosts.spans import Span, read_span
from hosts.tempo import TempoMap, read_tempo_map
from hosts.values import Values, one, options_of, paths_of


class Reader:
    """Makes asks of messages.

    Attributes:
        song: that bars are counted by where a message names no map.
    """

    def __init__(self, roots: Roots) -> None:
        self.song: Song | None = None
        self._roots = roots

    def read(self, message: Message, values: Values) -> Ask:
        """What a message asks for.

        Raises: as ``make_ask``, ``read_span``, ``read_tempo_map`` and ``TempoMap.span``.
        """
        tags = message.type_tags
        if message.address == protocol.RENDER_BARS:
            span = self._bars(values)
        else:
            first = 2 if message.address == protocol.RENDER_CHANNELS else 3
            start, length, rate = (one(values, name) for name in ("start", "length", "rate"))
            span = read_span(start, length, rate, tags[first : first + 2])
        return make_ask(
            one(values, "request"),
            self._roots,
            one(values, "root"),
            paths_of(values),
            span,
            one(values, "preset") or "",
            options_of(values),
        )

    def _bars(self, values: Values) -> Span:
        """A region in bars, as seconds of the file."""
        tempo_map = self._tempo_map(str(one(values, "root")), str(one(values, "map")))
        start, stop = tempo_map.span(str(one(values, "from")), str(one(values, "to")))
        origin = tempo_map.position(str(one(values, "origin")) or "1")
        if start < origin:
            raise ParameterError("the region begins before the file does; check origin")
        return Span(start=start - origin, stop=None if stop is None else stop - origin)

    def _tempo_map(self, root: str, name: str) -> TempoMap:
        """What a message names, for itself alone, or else the server's own."""
        if name:
            return read_tempo_map(self._roots.find(root, name))
        if self.song is None:
            raise ParameterError("map is empty, and serve has none; name a MIDI file, here or to --tempo-map")
        return self.song.tempo_map
