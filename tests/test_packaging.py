"""Published artefacts: the wheel as users install it, the lock file, the citation, the container's recipe."""

import fnmatch
import importlib.metadata
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
import tomllib
import urllib.request
import venv
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ("app", "ipage_core", "pretrained", "data", ".streamlit", "streamlit_app.py", "requirements-dft.txt")
NEEDED = (*SHIPPED, "pyproject.toml", "requirements.txt", "README.md", "LICENSE")
LOCK = ROOT / "requirements-lock.txt"
LOCKED_FOR = {"python_version": "3.11", "python_full_version": "3.11.7", "sys_platform": "linux", "extra": ""}
LOCKED_FOR |= {"platform_system": "Linux", "platform_machine": "x86_64", "os_name": "posix"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy, because setuptools leaves a build/ folder and reuses an earlier one."""
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
    """The scripts folder of a new environment with the wheel and access to this environment's requirements."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(folder, symlinks=os.name != "nt")
    scripts = Path(sysconfig.get_path("scripts", "venv", {"base": str(folder)}))
    command = [sys.executable, "-m", "pip", "--python", scripts / "python", "install", "-q", "--no-deps", wheel]
    subprocess.run(command, check=True, capture_output=True, text=True)
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder), "platbase": str(folder)}))
    (packages / "requirements.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    return scripts


def environment(folder):
    """Without any path back to the checkout."""
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
            left_out = name.startswith("app/screenshots/") or path.name in (
                "designs.parquet",
                "tables_of_others.parquet",
            )
            left_out |= path.stem == "na-published" or (path.stem == "inn-alternating" and "sinewave" not in name)
            left_out |= path.name.startswith(".")  # locks and unfinished files of who works here meanwhile
            if path.is_file() and "__pycache__" not in name and not left_out:
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
    code = "from ipage_core.runtime import paths; from ipage_core.tasks.cells import dataset; "
    code += "from ipage_core.tasks.crystal import lattices; "
    code += "print(paths.ROOT); print(len(dataset.read_card()), len(lattices.read_rows()))"
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
from ipage_core.cli.main import main
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


def pins(path):
    """Name → version in a requirements file and those it refers to, for Python 3.11 on Linux."""
    found = {}
    for line in path.read_text().splitlines():
        line = line.split("#")[0].strip()
        if line.startswith("-r "):
            found |= pins(path.with_name(line[3:].strip()))
        elif line:
            required = Requirement(line)
            (only,) = required.specifier
            assert only.operator == "==", line
            if required.marker is None or required.marker.evaluate(LOCKED_FOR):
                found[canonicalize_name(required.name)] = only.version
    return found


def test_the_lock_holds_every_pin_and_all_that_they_need():
    locked = pins(LOCK)
    assert "for Python 3.11 " in LOCK.read_text()
    for path in ROOT.glob("requirements*.txt"):
        wanted = pins(path)
        assert {name: locked.get(name) for name in wanted} == wanted, f"{path.name} has changed: .ci/lock"
    for name, version in locked.items():
        try:
            package = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:  # CUDA's, GPAW
            continue
        if Version(package.version).public != version:
            continue
        for required in map(Requirement, package.requires or ()):
            if required.marker is None or required.marker.evaluate(LOCKED_FOR):
                needed = canonicalize_name(required.name)
                assert required.specifier.contains(locked[needed], prereleases=True), (
                    f"{name} needs {required}: .ci/lock"
                )


@pytest.fixture
def audit():
    found = importlib.util.spec_from_file_location("audit", ROOT / ".ci" / "audit.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_an_audit_tells_what_is_wrong_from_what_is_unknown(audit):
    skipped = {"name": "torch", "skip_reason": "not found on PyPI"}
    sound = {"name": "numpy", "version": "2.4.6", "vulns": []}
    hurt = {
        "name": "pillow",
        "version": "1.0",
        "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["2"]}],
    }
    assert audit.verdict([skipped]) == (["Not audited: the index knows none of the 1 versions."], None)
    assert audit.verdict([skipped, sound]) == (["1 versions audited. Unknown to the index: torch."], True)
    lines, well = audit.verdict([sound, hurt])
    assert lines[0] == "pillow 1.0: PYSEC-1, CVE-1; fixed in 2"
    assert well is False
    audit.ACCEPTED["CVE-1"] = "only for TIFF, which is never read"
    lines, well = audit.verdict([sound, hurt])
    assert lines[0].endswith("; accepted: only for TIFF, which is never read")
    assert well is True


def test_an_audit_without_an_index_is_said_and_fails_nothing(audit, monkeypatch, capsys):
    refused = subprocess.CompletedProcess([], 1, "", "Traceback\nConnectionError: no route")
    monkeypatch.setattr(audit.subprocess, "run", lambda *_, **__: refused)
    assert audit.main([]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{service}: Not audited: ConnectionError: no route" for service in ("pypi", "osv")
    ]


def test_an_audit_by_a_stored_database(audit, tmp_path, monkeypatch, capsys):
    (tmp_path / "vulns" / "pillow").mkdir(parents=True)
    ranged = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0"}, {"introduced": "3.0"}]}]
    advisory = {"id": "PYSEC-1", "aliases": ["CVE-1"], "affected": [{"ranges": ranged}, {"versions": ["2.5"]}]}
    (tmp_path / "vulns" / "pillow" / "PYSEC-1.yaml").write_text(yaml.safe_dump(advisory))
    hurt = {}
    for version in ("1.9", "2.0", "2.5", "2.10", "3.0", "10.1"):
        (found,) = audit.stored(tmp_path, f"# a lock\nPillow=={version}\n    # via torch\n")
        hurt[version] = [one["id"] for one in found["vulns"]]
    assert hurt == {v: ["PYSEC-1"] if v in ("1.9", "2.5", "3.0", "10.1") else [] for v in hurt}
    monkeypatch.setattr(audit, "LOCK", tmp_path / "lock.txt")
    audit.LOCK.write_text("numpy==2.4.6\npillow==1.9\n")
    assert audit.main(["--database", str(tmp_path)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "1 advisories: pillow 1.9: PYSEC-1, CVE-1; fixed in 2.0",
        "2 versions audited.",
    ]
    with pytest.raises(SystemExit):
        audit.main(["--database", str(tmp_path / "vulns")])


def test_the_citation_names_this_version():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (cited["cff-version"], cited["version"], cited["license"]) == (
        "1.2.0",
        project["version"],
        project["license"],
    )
    assert [author["family-names"] for author in cited["preferred-citation"]["authors"]] == ["Bi", "Fung", "Zhang"]


def test_the_container_is_given_what_the_wheel_is_built_from():
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for name in (*NEEDED, LOCK.name):
        assert any(fnmatch.fnmatch(name, pattern) for pattern in let_in), name
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users == ["1000"]
    assert lines.index("USER 1000") > max(k for k, line in enumerate(lines) if line.startswith("RUN "))
