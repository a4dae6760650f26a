"""Folders that ship with the code: at the top of a clone, or inside one folder of a wheel."""

from __future__ import annotations

import os
from pathlib import Path

_ABOVE = Path(__file__).resolve().parent.parent.parent
_WHEEL = _ABOVE / "ipage_explorer"  # the name in pyproject.toml
ROOT = _WHEEL if (_WHEEL / "streamlit_app.py").exists() else _ABOVE
"""Folder with ``app/``, ``pretrained/``, ``data/``, ``streamlit_app.py`` and its ``.streamlit/``. Read only."""
PRETRAINED = ROOT / "pretrained"
DATA = ROOT / "data"


def home() -> Path:
    """The folder of the user's files; it is created at the first write.

    Raises:
        ValueError: the system knows no home of this user.
    """
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return in_home(os.environ.get("IPAGE_HOME") or f"{base}/ipage-explorer", "IPAGE_HOME")


def in_home(path: str, variable: str) -> Path:
    """A path that may begin with ``~``, the user's home.

    Raises:
        ValueError: the system knows no such home; ``variable`` is the one to set.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ValueError(f"{path}: this user has no home folder; accepted: a folder in ${variable}") from None
