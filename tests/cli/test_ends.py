"""However a command ends – by Ctrl-C, or because nobody reads what it prints – it says so in one line."""

import os
import signal
import subprocess
import sys

import pytest

from ipage_core.cli import main as cli
from ipage_core.runtime.paths import ROOT


@pytest.mark.parametrize("where", ["import_module", "_with_own_task", "refuse_overwriting"])
def test_ctrl_c_is_one_line_from_the_first_import_on(where, monkeypatch, capsys):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, where, stop)
    before = signal.getsignal(signal.SIGINT)  # of a caller in the background it is SIG_IGN
    assert cli.main(["tasks"]) == 130
    assert capsys.readouterr().err == "ipage_core tasks: stopped\n"
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_during_the_imports_of_the_command_line_is_one_line(tmp_path):
    (tmp_path / "argparse.py").write_text("raise KeyboardInterrupt")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT)))}
    command = [sys.executable, "-m", "ipage_core", "tasks"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "ipage_core: stopped\n")


def test_ctrl_c_in_a_finalizer_is_not_lost(tmp_path):
    (tmp_path / "finalizer.py").write_text(
        "import signal, sys, time\n"
        "from ipage_core.cli import main as cli\n"
        "class Finalizer:\n"
        "    def __del__(self):\n"
        "        signal.raise_signal(signal.SIGINT)\n"
        "def work(*_):\n"
        "    Finalizer()\n"
        "    time.sleep(60)\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "cli.refuse_overwriting = work\n"
        "sys.argv[1:] = ['tasks']\n"
        "sys.exit(cli.main())\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(tmp_path / "finalizer.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=50)
    assert (done.returncode, done.stderr) == (130, "ipage_core tasks: stopped\n")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [["tasks"], ["tasks", "--json"], ["design", "--help"]], ids=" ".join)
def test_a_reader_that_has_left_is_no_traceback(words, unbuffered):
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "ipage_core", *words]
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, env=environment)
    os.close(writing)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    if "--help" not in words:
        assert done.stderr == (
            "ipage_core tasks: stopped, because nobody reads what it prints; accepted: a reader that stays, or > FILE\n"
        )
        assert done.returncode == 2


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_what_cannot_be_printed_is_told_in_words():
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "ipage_core", "tasks"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (2, "ipage_core tasks: No space left on device\n")
