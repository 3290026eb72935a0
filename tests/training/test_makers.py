"""Processes that make batches leave it to their run to end, and end with it however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from nightly import IS_NIGHT

from audiosr_fx.training.batches import Batches
from audiosr_fx.training.segments import Batch

REQUESTS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


class Asked:
    """Makes batches in a process that is asked to end, as a closed terminal asks all of a group.

    A batch says which requests its process, and so the server that forked it, was started without.
    """

    is_on_device = False

    def make_batch(self, random: np.random.Generator, size: int) -> Batch:
        for number in REQUESTS:
            signal.raise_signal(number)
        held = torch.tensor([sorted(REQUESTS & signal.pthread_sigmask(signal.SIG_BLOCK, []))])
        return Batch(held, torch.zeros(1, 8), torch.zeros(1), torch.zeros(1))


def test_processes_that_make_batches_leave_it_to_the_run_to_end() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    batches = Batches(Asked(), batch_size=1, parts=1, seed=0, rank=0).between(0, 3, 1)
    made = [(place.step, set(batch.target[0].tolist())) for place, batch in batches]
    assert made == [(step, REQUESTS) for step in range(3)]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


ENDLESS = """
import os, signal, sys
import torch
from audiosr_fx.training.batches import Batches
from audiosr_fx.training.segments import Batch

class Zeros:
    is_on_device = False

    def make_batch(self, random, size):
        return Batch(*(torch.zeros(1) for _ in range(4)))

if __name__ == "__main__":
    batches = Batches(Zeros(), batch_size=1, parts=1, seed=0, rank=0).between(0, 10**6, 2)
    next(batches)
    knot = [batches]
    knot.append(knot)  # as the traceback of an error ties one: nothing closes the batches
    del batches, knot
    if sys.argv[1] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    sys.exit(3)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("how", "code"), [("killed", -signal.SIGKILL), *([("left", 3)] if IS_NIGHT else [])])
def test_processes_that_make_batches_end_with_the_run(how: str, code: int, tmp_path: Path) -> None:
    script = tmp_path / "endless.py"
    script.write_text(ENDLESS)
    run = subprocess.Popen(
        [sys.executable, script, how],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = run.communicate()  # they hold its output open as long as they live
        assert run.returncode == code, said
        assert "Traceback" not in said
    finally:
        with suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
