"""The command line as a program: ``audiosr-fx``, and ``python -m audiosr_fx``."""

import sys

CANCELLED = 130
"""The exit code; that of ``commands.terminal``, which is not imported yet when it is needed here."""


def main() -> None:
    """Run the command line. Ctrl-C is one line and an exit code from the first moment, while it loads too."""
    try:
        from audiosr_fx.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("error: cancelled\n")
        raise SystemExit(CANCELLED) from None


if __name__ == "__main__":
    main()
