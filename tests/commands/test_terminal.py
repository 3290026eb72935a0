from __future__ import annotations

import pytest

from audiosr_fx.commands.terminal import ExitCode, exit_code_of
from audiosr_fx.errors import AudioFormatError, NoRoom, ParameterError, StorageError


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
