"""What journeys say, read once and kept: their versions never change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlmodel import Session

from data.queries import journeys as rows
from data.queries.journey_versions import read_versions
from data.rules.journeys import Journey
from data.rules.problems import parse

#: A journey and its version.
Key = tuple[int, int]


class Book:
    """The journeys that were needed so far, by journey and version."""

    def __init__(self) -> None:
        self._journeys: dict[Key, Journey] = {}

    @property
    def journeys(self) -> Mapping[Key, Journey]:
        """All that were read."""
        return self._journeys

    def __getitem__(self, key: Key) -> Journey:
        return self._journeys[key]

    def find(self, key: Key) -> Journey | None:
        """One of them, or None where it was not read or is not understood."""
        return self._journeys.get(key)

    def missing(self, keys: Iterable[Key]) -> list[Key]:
        """Those that were not read yet."""
        return sorted({key for key in keys if key not in self._journeys})

    def read(self, session: Session, keys: Iterable[Key]) -> None:
        """Read what is missing. Raises InvalidRuleError for one that this program does not understand any more."""
        for key in self.missing(keys):
            self._journeys[key] = parse(Journey, rows.get_version(session, *key).definition)

    def read_others(self, session: Session, keys: Iterable[Key]) -> None:
        """The same for journeys that are only looked at: what is not understood stays missing."""
        self._journeys |= read_versions(session, self.missing(keys))
