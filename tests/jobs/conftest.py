from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from audiosr_fx.jobs.store import JobStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    with JobStore(tmp_path / "state") as opened:
        yield opened
