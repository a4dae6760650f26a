"""The start of the server: what is loaded while the browser loads the page."""

import subprocess
import sys

from app.server import engine
from ipage_core.runtime.paths import ROOT

FRAME = "import re, sys; from pathlib import Path; " + (
    "lines = Path('app/main.py').read_text().split('st.set_page_config')[0]; exec(lines); "
    "print([name for name in ('torch', 'pandas', 'scipy') if name in sys.modules])"
)


def test_the_frame_of_a_page_is_sent_before_the_engine_is_loaded():
    run = subprocess.run([sys.executable, "-c", FRAME], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_the_engine_designs_in_advance_what_the_first_visitor_sees(app):
    test = app()
    assert test.session_state.shown.key() == engine.first_request().key()
