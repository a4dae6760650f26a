"""Known vulnerabilities of what requirements-lock.txt pins: ``python .ci/audit.py``. Needs pip-audit and an index.

Fails for one that is not accepted below. Where no index answers nothing is known, which is said and fails nothing.
"""

import json
import subprocess
import sys
from pathlib import Path

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


def main() -> int:
    """Ask PyPI, then OSV where PyPI has no answer. → 1 where something is wrong."""
    lock = Path(__file__).resolve().parent.parent / "requirements-lock.txt"
    for service in ("pypi", "osv"):
        command = [sys.executable, "-m", "pip_audit", "-r", lock, "--no-deps", "--disable-pip", "-f", "json"]
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
