"""The daemon's log: lines for people on stderr, for programs in a file that rotates; one event, one line."""

from __future__ import annotations

import json
import logging
import logging.handlers
import time
from pathlib import Path
from typing import Final

from audiosr_fx.wording import printable

FILE_NAME: Final = "watch.log.jsonl"
MAX_BYTES: Final = 5 << 20
KEPT_FILES: Final = 5
_LOGGERS: Final = ("audiosr_fx", "watchfolder")


class HumanFormatter(logging.Formatter):
    """``14:05:09 rendered kick.wav``, warnings and errors marked; always one line."""

    def format(self, record: logging.LogRecord) -> str:
        mark = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        return f"{clock} {mark}{printable(_text(self, record))}"


class JsonFormatter(logging.Formatter):
    """One JSON object: time (UTC), level, logger, text, and what the record carries as ``fields``."""

    def format(self, record: logging.LogRecord) -> str:
        clock = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        told = {
            "time": f"{clock}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "text": _text(self, record),
            **getattr(record, "fields", {}),
        }
        return json.dumps(told, default=str)


class open_log:
    """Send what the project logs to stderr and to a file, while inside.

    A full disk costs log lines and nothing else.
    """

    def __init__(self, folder: Path, *, as_json: bool = False, debug: bool = False) -> None:
        """``folder``: for the file. ``as_json``: stderr gets JSON too."""
        stream = logging.StreamHandler()
        stream.setFormatter(JsonFormatter() if as_json else HumanFormatter())
        self._handlers: list[logging.Handler] = [stream]
        self._level = logging.DEBUG if debug else logging.INFO
        self._before: dict[str, int] = {}
        self._failure: OSError | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # as the queue makes it
            kept = _Rotating(folder / FILE_NAME, maxBytes=MAX_BYTES, backupCount=KEPT_FILES, encoding="utf-8")
        except OSError as error:
            self._failure = error
        else:
            kept.setFormatter(JsonFormatter())
            self._handlers.append(kept)

    def __enter__(self) -> None:
        for name in _LOGGERS:
            logger = logging.getLogger(name)
            self._before[name] = logger.level
            logger.setLevel(self._level)
            for handler in self._handlers:
                logger.addHandler(handler)
        if self._failure is not None:
            logging.getLogger("watchfolder").warning("no log file can be kept: %s", self._failure)

    def __exit__(self, *_: object) -> None:
        for name, level in self._before.items():
            logging.getLogger(name).setLevel(level)
            for handler in self._handlers:
                logging.getLogger(name).removeHandler(handler)
        for handler in self._handlers:
            handler.close()


class _Rotating(logging.handlers.RotatingFileHandler):
    """Says nothing on stderr where a line cannot be written."""

    def handleError(self, record: logging.LogRecord) -> None:
        pass


def _text(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    text = record.getMessage()
    return f"{text}\n{formatter.formatException(record.exc_info)}" if record.exc_info else text
