from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from watchfolder import logs


def test_people_get_lines_and_programs_get_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("watchfolder.test")
    before = _levels()
    with logs.open_log(tmp_path):
        logger.info("%s taken", "new\nline.wav", extra={"fields": {"job": 3}})
        logger.warning("mind")
        logger.debug("not told")
    logger.warning("nobody hears this")
    assert _levels() == before
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("new\\nline.wav taken")
    assert second.endswith(" warning: mind")
    told = [json.loads(line) for line in (tmp_path / logs.FILE_NAME).read_text("utf-8").splitlines()]
    assert [one["text"] for one in told] == ["new\nline.wav taken", "mind"]
    assert told[0]["job"] == 3
    assert told[0]["level"] == "info"
    assert told[0]["time"].endswith("Z")


def test_stderr_can_have_json_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with logs.open_log(tmp_path, as_json=True, debug=True):
        logging.getLogger("audiosr_fx").debug("x")
        try:
            raise ValueError("y")
        except ValueError:
            logging.getLogger("audiosr_fx").exception("a fault")
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert first["text"] == "x"
    assert "ValueError: y" in second["text"]


def test_the_file_rotates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MAX_BYTES", 2000)
    with logs.open_log(tmp_path):
        for n in range(200):
            logging.getLogger("watchfolder").info("line %d", n)
    found = sorted(path.name for path in tmp_path.iterdir())
    assert found == [logs.FILE_NAME, *(f"{logs.FILE_NAME}.{n}" for n in range(1, logs.KEPT_FILES + 1))]
    assert all(path.stat().st_size <= 2000 for path in tmp_path.iterdir())


def test_no_room_for_a_log_is_no_reason_to_stop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    with logs.open_log(tmp_path / "file" / "folder"):
        logging.getLogger("watchfolder").info("goes on")
    assert "no log file can be kept" in capsys.readouterr().err


def _levels() -> list[int]:
    return [logging.getLogger(name).level for name in ("audiosr_fx", "watchfolder")]
