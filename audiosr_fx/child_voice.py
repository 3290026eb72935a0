"""A child process's own side of ``child_process``: its messages to the parent, one JSON object a line.

It loads next to nothing, for children that bind themselves before they load the rest.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
from typing import Any, TypeAlias

Message: TypeAlias = dict[str, Any]


class Voice:
    """Speaks on what was stdout; any thread may."""

    def __init__(self) -> None:
        """From here on, what libraries print goes to stderr, not among the messages."""
        self._out = os.fdopen(os.dup(1), "w", encoding="ascii")
        os.dup2(2, 1)
        self._guard = threading.Lock()

    def say(self, message: Message) -> None:
        """Send anything JSON can say; where the parent is gone, that is noticed by who reads stdin."""
        line = json.dumps(message) + "\n"
        with self._guard, contextlib.suppress(OSError):
            self._out.write(line)
            self._out.flush()

    def forward_logs(self) -> None:
        """Send what this project logs too, for ``repeat_log`` in the parent."""
        logging.getLogger("audiosr_fx").addHandler(_Forward(self))


def repeat_log(message: Message) -> None:
    """Log here what a child has logged there."""
    logging.getLogger(message["log"]).log(message["level"], "%s", message["text"])


class _Forward(logging.Handler):
    """Hands log records to the parent."""

    def __init__(self, voice: Voice) -> None:
        super().__init__()
        self._voice = voice

    def emit(self, record: logging.LogRecord) -> None:
        self._voice.say({"log": record.name, "level": record.levelno, "text": record.getMessage()})
