"""``python -m ipage_core``: see :mod:`ipage_core.cli.main`."""

import sys

if __name__ == "__main__":
    try:
        from ipage_core.cli.main import main

        code = main()
    except KeyboardInterrupt:  # before main() can tell it
        print("ipage_core: stopped", file=sys.stderr)
        code = 130
    raise SystemExit(code)
