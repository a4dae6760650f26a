"""``app``: serves the explorer with Streamlit."""

from __future__ import annotations

import argparse
import sys


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of Streamlit."""
    parser.usage = f"{parser.prog} [OPTION OF STREAMLIT …]"
    parser.epilog = "Options go to 'streamlit run': --server.port 8502, --server.headless true, …"


def run(arguments: argparse.Namespace) -> None:
    """Run ``streamlit run`` in this process, with the settings in ``.streamlit/config.toml``."""
    import runpy

    from ipage_core.runtime.paths import ROOT

    sys.argv = ["streamlit", "run", str(ROOT / "streamlit_app.py"), *arguments.others]
    runpy.run_module("streamlit", run_name="__main__", alter_sys=False)
