from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/smaps_rollup"), reason="memory is told by Linux alone")
def test_ten_thousand_stems_take_the_daemon_less_than_100_mb() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "watchfolder.bench_backlog"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    print(run.stdout)
    told = re.search(r"memory (\d+) MB before and (\d+) MB after; loaded: nothing large", run.stdout)
    assert told is not None
    assert 20 < int(told[1]) <= int(told[2]) < 100
