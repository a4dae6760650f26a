"""Known vulnerabilities of what requirements-lock.txt pins: ``python .ci/audit.py [--database FOLDER]``.

Needs pip-audit and an index, or a checkout of https://github.com/pypa/advisory-database as FOLDER. Fails for one that
is not accepted below. Where no index answers nothing is known, which is said and fails nothing.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

LOCK = Path(__file__).resolve().parent.parent / "requirements-lock.txt"

ACCEPTED: dict[str, str] = {}
"""Identifier → why it does not matter here."""


def verdict(dependencies: list[dict]) -> tuple[list[str], bool | None]:
    """What to say of pip-audit's list, and whether all is well; None: nothing was found out."""
    skipped = [row["name"] for row in dependencies if "skip_reason" in row]
    audited = len(dependencies) - len(skipped)
    if not audited:
        return [f"Not audited: the index knows none of the {len(skipped)} versions."], None
    lines, well = [], True
    for row in dependencies:
        for found in row.get("vulns", []):
            names = (found["id"], *found.get("aliases", []))
            reason = next((ACCEPTED[name] for name in names if name in ACCEPTED), None)
            fixed = ", ".join(found.get("fix_versions", [])) or "no version yet"
            lines.append(f"{row['name']} {row['version']}: {', '.join(names)}; fixed in {fixed}")
            lines[-1] += f"; accepted: {reason}" if reason else ""
            well = well and reason is not None
    lines.append(f"{audited} versions audited." + (f" Unknown to the index: {', '.join(skipped)}." if skipped else ""))
    return lines, well


def affected(version: Version, package: dict) -> bool:
    """Whether an advisory's part, as OSV writes it, names this version or a range that contains it."""
    if str(version) in map(str, package.get("versions", [])):
        return True
    events = [event for one in package.get("ranges", []) if one["type"] == "ECOSYSTEM" for event in one["events"]]
    hurt = False
    for event in sorted(events, key=lambda event: Version(next(iter(event.values())))):
        (kind, at), *_ = event.items()
        if version < Version(at) or (kind == "last_affected" and version == Version(at)):
            break
        hurt = kind == "introduced"
    return hurt


def stored(folder: Path, lock: str) -> list[dict]:
    """What pip-audit would list, from the advisories in a folder."""
    listed = []
    for line in lock.splitlines():
        if not line[:1].isalnum():
            continue
        pinned = Requirement(line.split(" #")[0])
        name, version = canonicalize_name(pinned.name), next(iter(pinned.specifier)).version
        found = []
        for file in sorted((folder / "vulns" / name).glob("*.y*ml")):
            advisory = yaml.safe_load(file.read_text())
            parts = [part for part in advisory.get("affected", []) if affected(Version(version), part)]
            if parts and "withdrawn" not in advisory:
                ranges = [event for part in parts for one in part.get("ranges", []) for event in one["events"]]
                fixes = [str(event["fixed"]) for event in ranges if "fixed" in event]
                found.append({"id": advisory["id"], "aliases": advisory.get("aliases", []), "fix_versions": fixes})
        listed.append({"name": name, "version": version, "vulns": found})
    return listed


def main(arguments: list[str] | None = None) -> int:
    """Ask PyPI, then OSV where PyPI has no answer; or a folder. → 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--database", type=Path, metavar="FOLDER", help="checkout of pypa/advisory-database")
    folder = parser.parse_args(arguments).database
    if folder:
        advisories = sum(1 for _ in folder.glob("vulns/*/*.y*ml"))
        if not advisories:
            parser.error(f"{folder} has no advisories; accepted: a checkout of pypa/advisory-database")
        lines, well = verdict(stored(folder, LOCK.read_text()))
        print(f"{advisories:,} advisories: " + "\n".join(lines))
        return 0 if well else 1
    for service in ("pypi", "osv"):
        command = [sys.executable, "-m", "pip_audit", "-r", LOCK, "--no-deps", "--disable-pip", "-f", "json"]
        asked = subprocess.run([*command, "-s", service], capture_output=True, text=True)
        try:
            lines, well = verdict(json.loads(asked.stdout)["dependencies"])
        except ValueError:  # a connection refused is a traceback
            lines, well = [f"Not audited: {(asked.stderr.strip() or 'no answer').splitlines()[-1]}"], None
        print(f"{service}: " + "\n".join(lines), flush=True)
        if well is not None:
            return 0 if well else 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
