"""A service in a process of its own, to be killed: ``python job_daemon.py FOLDER``.

This process loads everything once and has no threads; for each line on stdin it forks a service over the
folder, says its number, and waits for it. The service ends by itself when all jobs have.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from job_orders import FAKE

from audiosr_fx.jobs import worker
from audiosr_fx.jobs.door import Door
from audiosr_fx.jobs.service import Service
from audiosr_fx.jobs.store import JobStore


def serve(folder: Path) -> None:
    """One life of the service."""
    with JobStore(folder / "state") as store:
        service = Service(store, devices=("cpu", "cpu"), renderer=FAKE)
        with Door(service), service:
            service.drain()


def main() -> None:
    """Fork a service whenever asked to; a worker that was killed while it starts is started anew at once."""
    worker.RESTART_S = 0.05  # type: ignore[misc]
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os.close(0)
            serve(Path(sys.argv[1]))
            os._exit(0)
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
