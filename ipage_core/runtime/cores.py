"""Number of cores for this process, and of threads for its networks."""

from __future__ import annotations

import os


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads() -> int:
    """Threads for a network: ``$OMP_NUM_THREADS``, else half the cores, at most 4.

    Small networks gain nothing from many threads, and one thread too many on a busy machine costs a factor of ten.
    """
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdigit() and int(wanted):
        return int(wanted)
    return max(1, min(4, cores() // 2))
