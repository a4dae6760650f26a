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
    """The folder of the user's files; it is created at the first write."""
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(os.environ.get("IPAGE_HOME") or f"{base}/ipage-explorer").expanduser()
