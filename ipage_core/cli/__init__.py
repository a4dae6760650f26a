"""The command line: ``python -m ipage_core COMMAND``."""
