"""What leaves the repository: the wheel as its users get it, the lock, the citation, the container's recipe."""

import importlib.metadata
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.request
import venv
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ("app", "ipage_core", "pretrained", "data", ".streamlit", "streamlit_app.py", "requirements-dft.txt")
NEEDED = (*SHIPPED, "pyproject.toml", "requirements.txt", "README.md", "LICENSE")
LOCK = ROOT / "requirements-lock.txt"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy: setuptools leaves a build/ where it works, and takes up what an earlier one left there."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in NEEDED:
        if (ROOT / name).is_dir():
            skipped = shutil.ignore_patterns("__pycache__", "screenshots")
            shutil.copytree(ROOT / name, folder / name, ignore=skipped)
        else:
            shutil.copy(ROOT / name, folder / name)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder / "dist", folder]
    if Version(importlib.metadata.version("setuptools")) >= Version("77"):
        command.insert(4, "--no-build-isolation")  # needs no network
    subprocess.run(command, check=True, capture_output=True, text=True)
    (built,) = (folder / "dist").iterdir()
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The scripts of a fresh environment that holds the wheel, and sees the requirements of this one."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(folder, symlinks=os.name != "nt")
    scripts = Path(sysconfig.get_path("scripts", "venv", {"base": str(folder)}))
    command = [sys.executable, "-m", "pip", "--python", scripts / "python", "install", "-q", "--no-deps", wheel]
    subprocess.run(command, check=True, capture_output=True, text=True)
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder), "platbase": str(folder)}))
    (packages / "requirements.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    return scripts


def environment(folder):
    """No path leads back to the checkout."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return kept | {"HOME": str(folder), "IPAGE_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"}


def run(installed, folder, *arguments):
    command = [str(installed / "ipage"), *arguments]
    return subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=True)


@pytest.mark.slow
def test_the_wheel_holds_what_runs_and_litters_no_ones_site_packages(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    assert {name.split("/")[0] for name in held if ".dist-info/" not in name} == {"ipage_core", "ipage_explorer"}
    for top in SHIPPED:
        paths = [ROOT / top] if (ROOT / top).is_file() else (ROOT / top).rglob("*")
        for path in paths:
            name = path.relative_to(ROOT).as_posix()
            if path.is_file() and "__pycache__" not in name and not name.startswith("app/screenshots/"):
                assert (name if top == "ipage_core" else f"ipage_explorer/{name}") in held
    assert wheel.stat().st_size < 100e6, "PyPI takes no larger file"


@pytest.mark.slow
def test_the_installed_command_line_works_from_any_folder(installed, tmp_path):
    said = run(installed, tmp_path, "--help").stdout
    assert said.startswith("usage: ipage ")
    assert "design" in said
    assert "app" in said
    assert "sinewave" in run(installed, tmp_path, "tasks").stdout
    run(installed, tmp_path, "design", "sinewave", "--target", "1.2", "--n", "5", "--out", "solutions.csv")
    frame = pd.read_csv(tmp_path / "solutions.csv")
    assert (frame.loc[frame["stage"] == "localized", "resim_error"] < 1e-3).all()
    code = "import ipage_core.shipped as s; from ipage_core.physics import cells, lattices; print(s.ROOT); "
    code += "print(len(cells.read_card()), len(lattices.read_rows()))"
    command = [installed / "python", "-c", code]
    found = subprocess.run(command, cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, check=True)
    assert Path(found.stdout.splitlines()[0]).is_relative_to(installed.parent)


@pytest.mark.slow
def test_the_installed_app_answers_on_the_loopback_address(installed, tmp_path):
    (tmp_path / "app.py").write_text("raise SystemExit('another app was taken for the explorer')")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [installed / "ipage", "app", "--server.headless", "true", "--server.port", str(port)]
    with open(tmp_path / "log", "w+") as log:
        server = subprocess.Popen(command, cwd=tmp_path, env=environment(tmp_path), stdout=log, stderr=log)
        try:
            end, answer = time.monotonic() + 120, b""
            while answer != b"ok" and time.monotonic() < end and server.poll() is None:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5) as reply:
                        answer = reply.read()
                except OSError:
                    time.sleep(0.2)
            log.seek(0)
            assert answer == b"ok", log.read()
            log.seek(0)
            assert f"http://127.0.0.1:{port}" in log.read(), "its own settings were not found"
        finally:
            server.terminate()
            server.wait(timeout=30)


def test_streamlit_starts_before_torch_is_imported(monkeypatch):
    code = """
import runpy, sys
runpy.run_module = lambda name, **_: print(name, sys.argv, {"torch", "pandas"} & set(sys.modules))
from ipage_core.cli import main
main(["app", "--server.port", "8600"])
"""
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    script = str(ROOT / "streamlit_app.py")
    assert said == f"streamlit {['streamlit', 'run', script, '--server.port', '8600']} set()\n"


def test_only_app_takes_options_that_are_not_its_own():
    command = [sys.executable, "-m", "ipage_core", "tasks", "--server.port", "8600"]
    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert refused.returncode == 2
    assert "unrecognized arguments: --server.port 8600" in refused.stderr
