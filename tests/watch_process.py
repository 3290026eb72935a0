"""A daemon in a process, with a renderer that only pretends: ``python -m watch_process IN OUT STATE``."""

from __future__ import annotations

import sys
from pathlib import Path

from audiosr_fx.jobs.service import Service
from audiosr_fx.jobs.store import JobStore
from watchfolder.daemon import Daemon
from watchfolder.logs import open_log
from watchfolder.signals import signals_heard
from watchfolder.studio import FolderSettings, StudioSettings


def main(input_folder: Path, output: Path, state: Path) -> None:
    settings = FolderSettings(input=input_folder, output=output, recursive=True, settle_s=0.2, scan_s=0.2)
    with JobStore(state) as store, open_log(state):
        service = Service(store, renderer="fake_renderers:render")
        daemon = Daemon(StudioSettings(folders=(settings,)), service, state)
        with signals_heard(daemon), service:
            print("ready", flush=True)
            daemon.run()
    print("stopped", flush=True)


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:4]))
