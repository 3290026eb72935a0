"""Nonces over a restart, a kill in mid-write, a clock that jumps, and a full disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from audiosr_fx.errors import MessageError, StorageError
from hosts import nonces as under_test
from hosts.nonces import WINDOW_S, Nonces

NOW = 1_800_000_000.0
NONCE = "0123456789abcdef"


def restarted(path: Path, now: float = NOW) -> Nonces:
    return Nonces(path, clock=lambda: now)


def test_a_nonce_is_used_once_over_restarts(tmp_path: Path) -> None:
    path = tmp_path / "nonces"
    for nonce in (NONCE, "\n5 0" + NONCE, "ü" * 64):
        first = restarted(path)
        first.use(nonce, NOW)
        first.close()
        for _ in range(2):
            again = restarted(path)
            with pytest.raises(MessageError, match="used before"):
                again.use(nonce, NOW + 1)
            again.close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_line_that_a_kill_cut_short_takes_no_other_with_it(tmp_path: Path) -> None:
    path = tmp_path / "nonces"
    killed = restarted(path)
    killed.use(NONCE, NOW)
    with path.open("ab") as file:
        file.write(b"\n18000000")
    killed.use("f" * 16, NOW)
    killed.close()
    after = restarted(path)
    for nonce in (NONCE, "f" * 16):
        with pytest.raises(MessageError, match="used before"):
            after.use(nonce, NOW)
    after.use("e" * 16, NOW)
    after.close()


def test_what_can_no_longer_be_replayed_is_forgotten_and_its_room_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(under_test, "MAX_NONCES", 40)
    path = tmp_path / "nonces"
    busy = restarted(path)
    for second in range(1000):
        busy.use(f"{second:016}", NOW + 2 * second)
    assert path.stat().st_size < 100 * 50
    for number in range(1000, 1040):
        try:
            busy.use(f"{number:016}", NOW + 2 * 999)
        except MessageError:
            break
    else:
        pytest.fail("more were taken than are remembered")
    busy.use("later" * 4, NOW + 2 * 999 + 2 * WINDOW_S + 1)
    busy.close()


def test_a_clock_that_is_set_back_makes_none_good_again(tmp_path: Path) -> None:
    path = tmp_path / "nonces"
    ahead = restarted(path, NOW + 3600)
    ahead.use(NONCE, NOW + 3600)
    ahead.close()
    back = restarted(path)
    with pytest.raises(MessageError, match="used before"):
        back.use(NONCE, NOW)
    back.use(NONCE, NOW + 2 * WINDOW_S + 1)
    back.close()


def test_one_that_cannot_be_noted_is_refused_and_good_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    kept = restarted(tmp_path / "nonces")
    with monkeypatch.context() as disk:
        disk.setattr(os, "write", full)
        with pytest.raises(MessageError, match="No space left"):
            kept.use(NONCE, NOW)
    kept.use(NONCE, NOW)
    kept.close()
    with pytest.raises(StorageError, match="cannot be kept"):
        restarted(tmp_path / "none" / "nonces")
