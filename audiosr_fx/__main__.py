"""The command line as a program: ``audiosr-fx``, and ``python -m audiosr_fx``."""

import os
import sys

CANCELLED = 130
"""The exit code; that of ``commands.terminal``, which is not imported yet when it is needed here."""


def main() -> None:
    """Run the command line. Ctrl-C is one line and an exit code from the first moment, while it loads too."""
    try:
        _open_standard_streams()
        from audiosr_fx.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("error: cancelled\n")
        raise SystemExit(CANCELLED) from None


def _open_standard_streams() -> None:
    """Give the standard streams that the caller closed (``>&-``) to nothing.

    Otherwise Python has none, and the next file that is opened, such as an output, gets their number and all
    that a plugin or library prints.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest free number, which is this
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115


if __name__ == "__main__":
    main()
