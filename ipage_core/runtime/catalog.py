"""A mapping of names to shipped entries and to entries that other sources add while the program runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import RLock
from typing import Generic, TypeVar

T = TypeVar("T")
REFRESHERS: list[Callable[[], object]] = []
"""What looks for new rows of all catalogues; the package adds its registry, which this floor does not know."""


class Catalog(Mapping[str, T], Generic[T]):
    """A mapping that readers cannot change.

    A reader during a change sees either the old state or the new state, never a mixture.

    >>> greek = Catalog(lambda: {"alpha": 1}, ["ours", "mine"])
    >>> greek.extend("mine", {"gamma": 3}), greek.extend("mine", {"gamma": 3}), greek.extend("ours", {"beta": 2})
    (True, False, True)
    >>> dict(greek)
    {'alpha': 1, 'beta': 2, 'gamma': 3}
    """

    def __init__(self, shipped: Callable[[], Mapping[str, T]], sources: Sequence[str] = ()) -> None:
        self._shipped = shipped
        """Called when the catalogue is first read."""
        self._added: dict[str, dict[str, T]] = {source: {} for source in sources}
        """By source. ``sources`` come in their order, whichever adds first; others follow as they come."""
        self._rows: dict[str, T] | None = None
        self._lock = RLock()

    def extend(self, source: str, rows: Mapping[str, T]) -> bool:
        """Replace all earlier rows of ``source`` by ``rows``. → whether anything changed.

        A row replaces a shipped row, or a row of an earlier source, with the same name.
        """
        with self._lock:
            if self._added.get(source, {}) == dict(rows):
                return False
            self._added, self._rows = {**self._added, source: dict(rows)}, None
            return True

    def added(self, source: str) -> Mapping[str, T]:
        """The rows that ``source`` added."""
        return dict(self._added.get(source, {}))

    def _all(self) -> dict[str, T]:
        rows = self._rows
        if rows is None:
            with self._lock:
                rows = dict(self._shipped())
                for added in self._added.values():
                    rows |= added
                self._rows = rows
        return rows

    def __getitem__(self, name: str) -> T:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())
