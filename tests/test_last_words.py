from __future__ import annotations

import subprocess
import sys

from audiosr_fx.last_words import KEPT_BYTES, LastWords


def test_of_what_a_process_says_only_the_end_is_kept() -> None:
    code = "import sys; [print('x' * 99, file=sys.stderr) for _ in range(10_000)]; sys.exit('  the end ')"
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) as child:
        assert child.stderr is not None
        words = LastWords(child.stderr)
        assert child.wait() == 1  # so nobody was kept from writing a megabyte
    told = words.lines()
    assert told[-2:] == ["x" * 99, "the end"]
    assert sum(len(line) for line in told) <= KEPT_BYTES


def test_what_a_process_says_moves_no_cursor() -> None:
    code = r"import sys; sys.exit('\x1b[2Jgone\a' + 'y' * 900)"
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) as child:
        assert child.stderr is not None
        words = LastWords(child.stderr)
        child.wait()
    (line,) = words.lines()
    assert line.isprintable()
    assert len(line) == 300
