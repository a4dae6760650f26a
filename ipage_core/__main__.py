"""``python -m ipage_core``: see :mod:`ipage_core.cli.main`."""

from ipage_core.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
