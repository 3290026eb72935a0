"""``python -m audiosr_fx`` is the command line."""

from audiosr_fx.cli import main

if __name__ == "__main__":
    main()
