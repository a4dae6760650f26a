"""What ships beside the code: models, data and the app lie at the top of a clone; a wheel keeps them in one folder."""

from __future__ import annotations

from pathlib import Path

_ABOVE = Path(__file__).resolve().parent.parent.parent
_WHEEL = _ABOVE / "ipage_explorer"  # as pyproject.toml names it: site-packages is shared with others
ROOT = _WHEEL if (_WHEEL / "streamlit_app.py").exists() else _ABOVE
"""Holds ``app/``, ``pretrained/``, ``data/``, ``streamlit_app.py`` and its ``.streamlit/``. Read, never written."""
PRETRAINED = ROOT / "pretrained"
DATA = ROOT / "data"
