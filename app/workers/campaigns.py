"""Campaigns of the app: each is ``python -m ipage_core campaign`` as a process, in a folder of its own.

$IPAGE_HOME/campaigns/<name>/campaign.json    the request
                             hits.csv         the hits so far
                             hits.campaign.jsonl   the ledger: every step
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from app.workers import commands
from ipage_core import registry
from ipage_core.problem.target import Target
from ipage_core.runtime.files import replacing
from ipage_core.runtime.text import parts_of
from ipage_core.training.campaign.ledger import begun_with, is_written
from ipage_core.training.campaign.run import Campaign


@dataclass(frozen=True)
class CampaignRequest:
    """The request of a campaign; see the command ``campaign``."""

    name: str
    task: str
    target: str
    hits: int
    budget: int
    batch: int = 1
    start: str = "none"
    constraints: str = ""
    scheduler: str = ""

    @property
    def folder(self) -> Path:
        """Its folder."""
        return registry.home() / "campaigns" / self.name

    @property
    def out(self) -> Path:
        """The CSV of its hits."""
        return self.folder / "hits.csv"

    @property
    def ledger(self) -> Path:
        """The file of its steps."""
        return self.folder / "hits.campaign.jsonl"

    @property
    def arguments(self) -> list[str]:
        """Arguments of ``python -m ipage_core``."""
        words = ["campaign", registry.find(self.task).as_argument, "--target", self.target, "--hits", f"{self.hits}"]
        words += ["--budget", f"{self.budget}", "--batch", f"{self.batch}", "--out", str(self.out)]
        words += ["--start", begun_with(self.ledger) or self.start]
        words += ["--constrain", self.constraints] if self.constraints.strip() else []
        return words + (["--scheduler", self.scheduler] if self.scheduler.strip() else [])

    @property
    def state(self) -> str:
        """'running' (in a process of this server), 'elsewhere', or how the last run ended."""
        run = commands.run(f"campaign {self.name}")
        run.poll()
        return "elsewhere" if run.state != "running" and is_written(self.ledger) else run.state

    def campaign(self) -> Campaign:
        """The campaign itself, to follow its ledger.

        Raises:
            ValueError: its task is gone, or a value is not acceptable.
        """
        task = registry.find(self.task)
        parts, target = parts_of(self.constraints), Target.parse(task, self.target)
        return Campaign(task, target, self.hits, self.budget, self.ledger, self.batch, constraints=parts)


def start(request: CampaignRequest) -> None:
    """Begin a campaign, or let it go on, perhaps with a larger budget.

    Raises:
        ValueError: as :meth:`CampaignRequest.campaign`.
    """
    request.campaign()
    with replacing(request.folder / "campaign.json") as beside:
        beside.write_text(json.dumps(asdict(request), ensure_ascii=False, indent=1) + "\n")
    commands.run(f"campaign {request.name}").start(*request.arguments)


def stop(request: CampaignRequest) -> None:
    """End its process; all steps so far are kept."""
    commands.run(f"campaign {request.name}").stop()


def stored() -> list[CampaignRequest]:
    """All campaigns, the newest first; a damaged one is left out."""
    rows = []
    for path in (registry.home() / "campaigns").glob("*/campaign.json"):
        try:
            rows.append((path.stat().st_mtime, CampaignRequest(**json.loads(path.read_text()))))
        except (OSError, ValueError, TypeError):
            continue
    return [request for _, request in sorted(rows, key=lambda one: -one[0])]


def free_name(task: str) -> str:
    """A name that no campaign has."""
    taken = {request.name for request in stored()}
    return next(name for k in range(1, 100_000) if (name := f"{task}-{k}") not in taken)
