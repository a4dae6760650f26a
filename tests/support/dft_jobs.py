"""Lattices for tests of DFT's queue, and waiting for its jobs."""

import time

import numpy as np


def lattices(*a):
    """Lattices of the given edges a, else cubic."""
    return np.array([[x, 4, 4, 90, 90, 90] for x in a], dtype=float)


def until(queue, condition, seconds=20):
    """Poll until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happens"
        time.sleep(0.02)
        queue.poll()
