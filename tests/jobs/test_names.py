from __future__ import annotations

import os
from pathlib import Path

from audiosr_fx.jobs.names import RealNames


def test_real_names_are_what_the_system_says(tmp_path: Path) -> None:
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "linked").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "a.wav").write_bytes(b"")
    (tmp_path / "real" / "b.wav").symlink_to("deep/b.wav")
    (tmp_path / "real" / "turn").symlink_to("turn")
    real = RealNames()
    places = ("a.wav", "b.wav", "turn", "none.wav", "deep/..", "deep/../a.wav", "none/c.wav", "..", ".")
    for place in places:
        for path in (tmp_path / "real" / place, tmp_path / "linked" / place):
            assert real.file(path) == os.path.realpath(path)
            assert real.folder(path) == os.path.realpath(path)
    assert real.file(Path("/")) == "/"
