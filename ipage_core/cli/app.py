"""``app``: the explorer, served by Streamlit."""

from __future__ import annotations

import argparse
import sys


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its options are Streamlit's."""
    parser.usage = f"{parser.prog} [OPTION OF STREAMLIT …]"
    parser.epilog = "Options go to 'streamlit run': --server.port 8502, --server.headless true, …"


def run(arguments: argparse.Namespace) -> None:
    """``streamlit run`` in this process, with the settings beside the script: they name the loopback address."""
    import runpy

    from ipage_core.runtime.paths import ROOT

    sys.argv = ["streamlit", "run", str(ROOT / "streamlit_app.py"), *arguments.others]
    runpy.run_module("streamlit", run_name="__main__", alter_sys=False)
