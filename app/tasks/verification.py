"""DFT on request: the button, this session's jobs, and the outcome for each design."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import streamlit as st

from app.components.words import duration, plain
from app.figures.run import Run
from app.state import classroom
from app.workers import jobs
from ipage_core.tasks.crystal import dft


@dataclass(frozen=True)
class Operator:
    """A slow Ω that runs in the queue."""

    work: str
    """MODULE:FUNCTION of designs (n, d), workers, progress and cancel."""
    cached: str
    """MODULE:FUNCTION of designs (n, d) → the result on disk of each, or None."""
    each: float
    """CPU seconds for one design."""
    verb: str = "Verify"
    """What the button does, as it says."""
    done: str = "verified"
    """What a design then is."""

    @property
    def key(self) -> str:
        """Name of its button, and of its jobs in a session."""
        return self.verb.split()[0].lower()

    def results(self, x: np.ndarray) -> list[dict[str, Any] | None]:
        """The results for designs (n, d) that are there without a computation, else None."""
        module, _, name = self.cached.partition(":")
        cached: Callable[[np.ndarray], list[dict[str, Any] | None]] = getattr(import_module(module), name)
        return jobs.results(x, cached, self.work)


SRTIO3 = Operator(jobs.GAPS, "ipage_core.tasks.crystal.dft:cached", jobs.SECONDS)


def unavailable() -> str:
    """Why DFT cannot run for this server, or nothing."""
    if jobs.scheduler_of_server():
        return ""
    try:
        dft.require()
    except dft.DFTUnavailable as error:
        return str(error)
    return ""


def verdicts(run: Run, x: np.ndarray, operator: Operator = SRTIO3) -> list[str]:
    """The DFT verdict on each design (n, d) of a run, in a word or two."""
    under_way = pending(x, operator)
    said = []
    for i, lattice in enumerate(jobs.keys(x)):
        if run.verified[i]:
            said.append("hit" if run.hit[i] else "off")
        elif lattice in under_way:
            said.append("under way")
        else:
            failed = "fail" in jobs.queue().finished.get((operator.work, lattice), {})
            said.append("failed" if failed else "not verified")
    return said


def pending(x: np.ndarray, operator: Operator) -> set[jobs.Key]:
    """Those of the designs (n, d), and others of their jobs, that wait for the operator."""
    return {lattice for job in jobs.queue().about(x, operator.work) for lattice in job.lattices}


def ask(
    states: list[str], x: np.ndarray, wanted: list[int], ticked: bool, operator: Operator, kind: str = "primary"
) -> None:
    """The button for the samples ``wanted`` of designs x (n, d), and this session's jobs.

    ``states``: what is known of each design; "not verified" and "failed" can be computed.
    """
    scheduler = jobs.scheduler_of_server()
    if missing := unavailable():
        st.info(f"Not verified, and cannot be here. {missing}", icon=":material/science_off:")
        return
    mine: list[jobs.Job] = st.session_state.setdefault(f"{operator.key}_jobs", [])
    mine += [job for job in jobs.queue().about(x, operator.work) if job not in mine]
    left = [sample for sample in wanted if states[sample] in ("not verified", "failed")]
    left = left[: min(jobs.MOST, classroom.dft_left())]

    def add() -> None:
        mine.append(jobs.queue().add(tuple(left), x[left], operator.work, operator.each))
        st.session_state.dft_requested = st.session_state.get("dft_requested", 0) + len(left)

    count = "the ticked" if ticked else f"the best {len(wanted)}"
    if left:
        which = f"{len(left)} ticked" if ticked else f"the best {len(left)}"
        label = f"{operator.verb} {which} with DFT, about {duration(jobs.guess(len(left), operator.each))}"
    elif not classroom.dft_left():
        label = f"{operator.verb} with DFT: you have reached your limit"
    else:
        under_way = any(states[sample] == "under way" for sample in wanted)
        label = f"{operator.verb} with DFT: {count} are {'under way' if under_way else operator.done}"
    st.button(label, key=operator.key, icon=":material/science:", on_click=add, disabled=not left, type=kind)
    if scheduler and operator.verb == "Verify":  # a second button need not say it again
        st.caption(f"DFT runs on the Dask cluster at {plain(scheduler)}.")
    classroom.note(f"DFT verifies {classroom.DFT} crystals a visitor in this classroom; {classroom.dft_left()} left.")
    active = [job.active for job in mine]
    st.fragment(follow, run_every=1.0 if any(active) else None)(mine, active)


def follow(mine: list[jobs.Job], before: list[bool]) -> None:
    """Progress, polled while a job is active; the page, which knew the jobs ``before``, reruns when one ends."""
    jobs.queue().poll()
    for job in mine:
        if job.active:
            _bar(job)
    if [job.active for job in mine] != before:
        st.rerun()
    for job in mine[-1:]:
        if not job.active:
            _outcome(job)


def _bar(job: jobs.Job) -> None:
    left_column, stop = st.columns([4, 1], vertical_alignment="center")
    count, done, ahead = len(job.samples), len(job.results), jobs.queue().ahead(job)
    if job.state == "waiting":
        text = f"{counted(count)} wait{'s' * (count == 1)} behind {ahead} other {'job' if ahead == 1 else 'jobs'}"
    else:
        left = job.seconds_left
        time_left = (
            f"about {duration(left)} left" if left > 1 else "slower than expected: other work shares these cores"
        )
        text = f"DFT: {done} of {count} done, {time_left}"
    left_column.progress(done / count, text)
    stop.button(
        "Cancel",
        key=f"cancel-{job.number}",
        on_click=jobs.queue().cancel,
        args=(job,),
        icon=":material/close:",
        width="stretch",
    )


def _outcome(job: jobs.Job) -> None:
    """The outcome of the last job."""
    failed = [(job.samples[row], result["fail"]) for row, result in sorted(job.results.items()) if "fail" in result]
    good, count = len(job.results) - len(failed), len(job.samples)
    if job.state == "failed":
        st.error(f"DFT stopped after {good} of {counted(count)}: {plain(job.message)}.", icon=":material/error:")
    elif job.state == "cancelled":
        st.info(f"Cancelled; what DFT said of {good} of {counted(count)} is kept.", icon=":material/close:")
    elif good:
        st.success(f"DFT took {duration(job.took)} for {counted(good)}.", icon=":material/science:")
    for sample, why in failed[:5]:
        st.warning(f"Sample {sample}: {why}", icon=":material/science_off:")


def counted(count: int) -> str:
    """'1 cell', '2 cells'."""
    return f"{count} cell{'' if count == 1 else 's'}"
