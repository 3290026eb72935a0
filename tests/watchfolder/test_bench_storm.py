from __future__ import annotations

import sys
from pathlib import Path

import pytest

from watchfolder.bench_storm import run_storm

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")


@pytest.mark.slow
def test_a_short_storm_loses_nothing(tmp_path: Path) -> None:
    verdict, table = run_storm(0.3, 1, tmp_path)
    print("\n".join(table))
    assert verdict.is_good
    assert any(line.startswith("outputs") and line.split()[1] != "0" for line in table)
