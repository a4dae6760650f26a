"""DFT of SrTiO₃ cells on request: the button, the bar while it runs, and how it ended."""

from __future__ import annotations

import streamlit as st

from app.components.words import duration, plain
from app.figures.run import Run
from app.state import classroom
from app.tasks.crystal.candidates import counted, lattices, verdicts
from app.workers import jobs
from ipage_core.tasks.crystal import dft


def verify(run: Run, wanted: list[int], ticked: bool) -> None:
    """The button, and what has become of the jobs of this session."""
    try:
        dft.require()
    except dft.DFTUnavailable as error:
        st.info(f"Not verified, and cannot be here. {error}", icon=":material/science_off:")
        return
    x = lattices(run)
    mine: list[jobs.Job] = st.session_state.setdefault("dft_jobs", [])
    mine += [job for job in jobs.queue().about(x) if job not in mine]
    states = verdicts(run)
    left = [sample for sample in wanted if states[sample] in ("not verified", "failed")]
    left = left[: min(jobs.MOST, classroom.dft_left())]

    def ask() -> None:
        mine.append(jobs.queue().add(tuple(left), x[left]))
        st.session_state.dft_asked = st.session_state.get("dft_asked", 0) + len(left)

    count = "the ticked" if ticked else f"the best {len(wanted)}"
    if left:
        which = f"{len(left)} ticked" if ticked else f"the best {len(left)}"
        label = f"Verify {which} with DFT, about {duration(jobs.guess(len(left)))}"
    elif not classroom.dft_left():
        label = "Verify with DFT: your share is used up"
    else:
        under_way = any(states[sample] == "under way" for sample in wanted)
        label = f"Verify with DFT: {count} {'are under way' if under_way else 'are verified'}"
    st.button(label, key="verify", icon=":material/science:", on_click=ask, disabled=not left, type="primary")
    classroom.told(f"DFT verifies {classroom.DFT} crystals a visitor in this classroom; {classroom.dft_left()} left.")
    active = [job.active for job in mine]
    st.fragment(_progress, run_every=1.0 if any(active) else None)(mine, active)


def _progress(mine: list[jobs.Job], before: list[bool]) -> None:
    """Polled while a job is active; the page, which knew those ``before``, follows once one ends or is cancelled."""
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
    told, stop = st.columns([4, 1], vertical_alignment="center")
    count, done, ahead = len(job.samples), len(job.results), jobs.queue().ahead(job)
    if job.state == "waiting":
        text = f"{counted(count)} wait{'s' * (count == 1)} behind {ahead} other {'job' if ahead == 1 else 'jobs'}"
    else:
        left = job.seconds_left
        told_left = (
            f"about {duration(left)} left" if left > 1 else "slower than expected: other work shares these cores"
        )
        text = f"DFT: {done} of {count} done, {told_left}"
    told.progress(done / count, text)
    stop.button(
        "Cancel",
        key=f"cancel-{job.number}",
        on_click=jobs.queue().cancel,
        args=(job,),
        icon=":material/close:",
        width="stretch",
    )


def _outcome(job: jobs.Job) -> None:
    """How the last job ended."""
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
