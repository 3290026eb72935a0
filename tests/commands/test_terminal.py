from __future__ import annotations

import errno
from pathlib import Path

import pytest

from audiosr_fx.audio import AudioWriter
from audiosr_fx.commands.terminal import ExitCode, describe_error, exit_code_of
from audiosr_fx.errors import AudioFormatError, NameTaken, NoRoom, ParameterError, StorageError


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (AudioFormatError("the file is damaged"), ExitCode.BAD_AUDIO),
        (NoRoom("a temporary file cannot be written"), ExitCode.OUTPUT),  # nothing is wrong with the audio
        (StorageError("the job database cannot be used"), ExitCode.OUTPUT),
        (ParameterError("seed is -1"), ExitCode.USAGE),
        (ZeroDivisionError(), ExitCode.INTERNAL),
    ],
)
def test_the_exit_code_says_what_is_to_be_mended(error: Exception, code: ExitCode) -> None:
    assert exit_code_of(error) is code


def test_a_name_that_is_taken_names_the_option_not_the_argument(tmp_path: Path) -> None:
    path = tmp_path / "taken.wav"
    path.touch()
    with pytest.raises(NameTaken, match="choose another name, or give overwrite=True") as caught:
        AudioWriter(path, 48_000, 1)
    assert describe_error(caught.value) == f"{path}: exists already; choose another name, or add --overwrite"
    assert exit_code_of(caught.value) is ExitCode.OUTPUT


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("/queue/door", "/queue/door: No space left on device; make room in /queue"),
        (None, "No space left on device; make room on the disk"),
    ],
)
def test_a_full_disk_is_told_with_the_way_out(name: str | None, words: str) -> None:
    error = OSError(errno.ENOSPC, "No space left on device", name)
    assert describe_error(error) == words
    assert exit_code_of(error) is ExitCode.OUTPUT
