"""What a process is told: it is written into its pipe from a thread, so that who tells never waits for it."""

from __future__ import annotations

import contextlib
import queue
import threading
from typing import IO, Final

_JOIN_S: Final = 5.0


class Outbox:
    """Writes into a pipe what it is handed, one after another, until nobody reads that any more."""

    def __init__(self, pipe: IO[bytes]) -> None:
        """``pipe``: is the outbox's own from now on, and closed at its end."""
        self._pipe = pipe
        self._contents: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="outbox", daemon=True)
        self._thread.start()

    def put(self, content: bytes) -> None:
        """Have it written; where nobody reads any more, it is dropped."""
        self._contents.put(content)

    def close(self) -> None:
        """Close the pipe, of a process that has ended: what is not written by then is dropped."""
        self._contents.put(None)
        self._thread.join(_JOIN_S)  # not for ever: a process that it started may hold the pipe, and not read

    def _write(self) -> None:
        with contextlib.suppress(OSError), self._pipe:
            while (content := self._contents.get()) is not None:
                self._pipe.write(content)
                self._pipe.flush()
