"""``python -m ipage_core``: see :mod:`ipage_core.cli`."""

from ipage_core.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
