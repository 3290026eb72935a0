"""Whatever a message of the right types holds: it is answered, and raises nothing."""

from __future__ import annotations

import logging
import queue
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audiosr_fx.jobs.service import Service
from audiosr_fx.jobs.store import JobStore
from hosts.bridge import Bridge
from hosts.ledger import Ledger
from hosts.osc import Argument, Message
from hosts.peers import Peer
from hosts.protocol import BY_PATH, Field
from hosts.roots import Roots

ALL = [path for path, address in BY_PATH.items() if address.control is None]
PEER = Peer(port=7)
WORDS = ("", "stems", "word", ".", "/", "..", "1:1", "17", "0.5", "mode=file", "receipt=yes", '"', "\u2028")
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "s": st.sampled_from(WORDS) | st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=9),
    "i": st.integers(-(2**31), 2**31 - 1),
    "h": st.integers(-(2**63), 2**63 - 1),
    "f": st.floats(width=32, allow_nan=False, allow_infinity=False),  # which no packet may hold
    "d": st.floats(allow_nan=False, allow_infinity=False),
    "T": st.just(True),
    "F": st.just(False),
    "N": st.none(),
}


class Desk:
    """A bridge over a queue whose service was never started, and what it replies."""

    def __init__(self, folder: Path) -> None:
        self.replies: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._store = JobStore(folder / "state")
        self._ledger = Ledger(folder / "state")
        self.bridge = Bridge(
            Service(self._store),
            self._ledger,
            Roots({"stems": folder}),
            lambda peer, said: self.replies.put(said),
            work=folder / "joined",
        )

    def close(self) -> None:
        self.bridge.stop()
        self._ledger.close()
        self._store.close()


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    made = Desk(tmp_path_factory.mktemp("desk"))
    yield made
    made.close()


@st.composite
def arguments(draw: st.DrawFn, fields: Sequence[Field]) -> list[tuple[Argument, str]]:
    """Values with their type tags for a message's fields; what may be left out, or repeat, does so."""
    told = []
    for field in fields:
        least, most = 0 if field.is_optional or field.is_repeated else 1, 3 if field.is_repeated else 1
        tags = draw(st.lists(st.sampled_from(field.types), min_size=least, max_size=most))
        told += [(draw(VALUES[tag]), tag) for tag in tags]
        if field.is_optional and not tags:
            break  # and all behind it
    return told


@pytest.mark.parametrize("path", ALL)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_it_is_answered_and_raises_nothing(
    path: str, data: st.DataObject, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    told = [("word", "s"), *data.draw(arguments(BY_PATH[path].fields[1:]))]
    values, tags = zip(*told, strict=True)
    desk.bridge.handle(Message(path, values, "".join(tags)), PEER)
    assert desk.replies.get_nowait().arguments[0] == "word"
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
