"""The watch folders of a studio, as one more part beside OSC and MIDI over the same queue."""

from __future__ import annotations

import logging
import threading

from audiosr_fx.jobs.service import Service
from watchfolder.daemon import Daemon
from watchfolder.studio import StudioSettings

_log = logging.getLogger(__name__)


class WatchPart:
    """Watches from ``start`` to ``stop``."""

    def __init__(self, studio: StudioSettings, service: Service) -> None:
        """Claim every folder.

        Raises:
            JobError: another process has one of the folders.
            OSError: a folder is not there, or cannot be made.
        """
        self._daemon = Daemon(studio, service, service.store.folder)
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        """Watch, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching; what was taken in is rendered by whoever has the queue next."""
        self._daemon.stop()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._daemon.run()
        except Exception:
            _log.exception("watching has ended; OSC and MIDI go on")
