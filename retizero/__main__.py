"""``python -m retizero`` is the ``retizero`` console script."""

from retizero.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
