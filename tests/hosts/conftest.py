from __future__ import annotations

from collections.abc import Iterator

import pytest
from studio import Studio, studio


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with studio(tmp_path_factory.mktemp("studio")) as running:
        yield running
