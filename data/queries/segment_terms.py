"""What a segment is made of on the way to SQL: terms about a follow, joined by all and some.

A term never is NULL, so that its opposite is NOT. Where it is not known whether a leaf holds it is `UNSURE`: neither it
nor its opposite holds.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from typing import Any

from sqlalchemy import ColumnElement, and_, any_, false, func, literal, select, true
from sqlalchemy.dialects.postgresql import ARRAY

from data.models import Follow
from data.rules.schedule import day_began, local_datetime
from data.rules.segments import Known

F: Any = Follow.__table__  # type: ignore[attr-defined]
#: Longer lists of values go to the database as one.
LISTED_VALUES = 100

Sql = ColumnElement[Any]


@dataclass(frozen=True, slots=True, eq=False)
class ColumnTerm:
    """Asked of the follow's own columns. `index`: the one that finds the rows, where there is one."""

    yes: Sql
    index: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class SetTerm:
    """Rows of another table with the follow's key: that there is one.

    `findable`: an index finds them all. `unique`: no key has two of them. `hint`: the index for one key, on SQLite.
    `own`: the same asked of the follow's own columns, which is cheaper where the rows do not lead. `listed`: the rows
    are ids of follows, so few that they are kept in memory meanwhile.
    """

    key: str
    member: Any
    where: tuple[Sql, ...] = ()
    findable: bool = False
    unique: bool = False
    hint: str = ""
    own: Sql | None = None
    listed: bool = False

    @property
    def of_tags(self) -> bool:
        """Whether the rows are tags on follows."""
        return self.key == "id" and not self.listed


def bounded(amount: Any, low: int, high: int | None) -> Sql:
    """Whether an amount, never below zero, is within bounds."""
    bounds = [amount >= low] if low > 0 else []
    return and_(true(), *bounds, *([] if high is None else [amount <= high]))


@dataclass(frozen=True, slots=True, eq=False)
class AmountTerm:
    """Rows of another table with the customer's key: how many (or how much) they are, within `low` and `high`."""

    member: Any
    where: tuple[Sql, ...]
    amount: Any
    low: int
    high: int | None

    def within(self, amount: Any) -> Sql:
        """Whether an amount is."""
        return bounded(amount, self.low, self.high)


Term = ColumnTerm | SetTerm | AmountTerm


@dataclass(frozen=True, slots=True)
class Is:
    """A term, or its opposite."""

    term: Term
    holds: bool = True


@dataclass(frozen=True, slots=True)
class All:
    """Every one of them holds; of none: true."""

    parts: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Some:
    """At least one of them holds; of none: false."""

    parts: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Unsure:
    """Not known."""


Condition = Is | All | Some | Unsure
UNSURE, ALWAYS, NEVER = Unsure(), All(), Some()


def opposite(condition: Condition) -> Condition:
    """What holds where the condition is known not to hold."""
    match condition:
        case Is():
            return Is(condition.term, not condition.holds)
        case All():
            return Some(tuple(map(opposite, condition.parts)))
        case Some():
            return All(tuple(map(opposite, condition.parts)))
        case Unsure():
            return condition


@dataclass(frozen=True, slots=True)
class Asking:
    """What leaves are asked with: when, by which wall clock, on which database, and what there is of what they name."""

    now: datetime
    zone: tzinfo
    dialect: str
    known: Known = field(default_factory=Known)

    @property
    def today(self) -> date:
        """The company's day."""
        return local_datetime(self.now, self.zone).date()

    def days_ago(self, days: int) -> datetime:
        """The beginning of the day so many days ago; -1: of tomorrow."""
        return day_began(self.today - timedelta(days=days), self.zone)

    def among(self, column: Any, values: Collection[Any]) -> Sql:
        """Whether a column is one of the values, however many."""
        if len(values) <= LISTED_VALUES:
            return column.in_(sorted(values)) if values else false()
        if self.dialect == "sqlite":
            each: Any = func.json_each(json.dumps(sorted(values))).table_valued("value")
            return column.in_(select(each.c.value))  # type: ignore[no-any-return]
        return column == any_(literal(sorted(values), ARRAY(column.type)))  # type: ignore[no-any-return]
