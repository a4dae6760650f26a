"""A progress bar for long calls, in a terminal and in a notebook."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def progress_bar(unit: str) -> Iterator[Callable[[int, int | None, str], None]]:
    """A tqdm bar that appears with the first call of ``show(done, total, text)``; no bar if stderr is a file.

    >>> with progress_bar("design") as show:
    ...     show(1, 2, "")
    """
    bars: list[Any] = []

    def show(done: int, total: int | None, text: str) -> None:
        if not bars:
            import warnings

            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a notebook without ipywidgets gets the bar as text
                from tqdm.auto import tqdm
            in_notebook = "ipykernel" in sys.modules
            bars.append(tqdm(total=total, desc=text, unit=unit, leave=False, disable=False if in_notebook else None))
        bar = bars[0]
        bar.total = total
        bar.set_description_str(text, refresh=False)
        bar.update(done - bar.n)

    try:
        yield show
    finally:
        for bar in bars:
            bar.close()
