"""``python -m reader_study``."""

from reader_study.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
