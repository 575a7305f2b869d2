"""Beginnings that were barred: what begins a journey has happened to a customer, and why it did not begin."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import bindparam, select
from sqlmodel import Session, col

from data.bulk import BulkUpsert, among
from data.models import BarReason, BarredBeginning, Customer, JourneyRow
from data.rules.schedule import local_datetime

B: Any = BarredBeginning.__table__  # type: ignore[attr-defined]
C: Any = Customer.__table__  # type: ignore[attr-defined]

_COLUMNS = ("journey_id", "version", "external_userid", "reason", "day", "cause", "at", "last_at", "times")
_ROWS = BulkUpsert(BarredBeginning, _COLUMNS, key=("external_userid", "journey_id", "reason", "day"), keep=("at",))


class Barred(NamedTuple):
    """A customer for whom a journey would have begun at an instant, why it would (`cause`), and why it did not.

    `since`: what the reason is about, where it bars for more than a day.
    """

    external_userid: str
    reason: BarReason
    cause: str
    at: datetime
    since: datetime | None = None


def note_barred(session: Session, journey_id: int, version: int, barred: Sequence[Barred], zone: tzinfo) -> None:
    """Write down beginnings that were barred, each customer once in `barred`: of the same reason one row a day, or one
    for what the reason is about. Of somebody whom we do not know nothing is kept."""
    if not barred:
        return
    dialect, given = session.get_bind().dialect.name, {"customers": sorted({each.external_userid for each in barred})}
    known = set(session.connection().execute(_known(dialect), given).scalars())
    about = {each.since or each.at for each in barred}
    days = {at: f"{local_datetime(at, zone).date()}" for at in about}
    asked = {"journey_id": journey_id, "days": sorted(set(days.values())), **given}
    before = {tuple(row[:3]): tuple(row[3:]) for row in session.connection().execute(_before(dialect), asked)}
    rows = []
    for each in barred:
        if each.external_userid in known:
            key = (each.external_userid, each.reason.value, days[each.since or each.at])
            times, last_at = before.get(key, (0, None))
            # A customer of several members is found several times at one instant.
            times += last_at != each.at
            rows.append((journey_id, version, *key, each.cause[:200], each.at, each.at, times))
    _ROWS.write(session, rows)


@lru_cache
def _known(dialect: str) -> Any:
    return select(C.c.external_userid).where(among(dialect, C.c.external_userid, "customers"))


@lru_cache
def _before(dialect: str) -> Any:
    return select(B.c.external_userid, B.c.reason, B.c.day, B.c.times, B.c.last_at).where(
        among(dialect, B.c.external_userid, "customers"), B.c.journey_id == bindparam("journey_id"),
        among(dialect, B.c.day, "days"),
    )  # fmt: skip


def list_barred(session: Session, external_userid: str, limit: int) -> list[tuple[BarredBeginning, str]]:
    """What would have begun journeys for a customer and did not, the latest first, with the journeys' names."""
    query = (
        select(BarredBeginning, col(JourneyRow.name))
        .join(JourneyRow, col(JourneyRow.id) == col(BarredBeginning.journey_id))
        .where(col(BarredBeginning.external_userid) == external_userid)
        .order_by(col(BarredBeginning.last_at).desc(), col(BarredBeginning.id).desc())
        .limit(limit)
    )
    return [(row, name) for row, name in session.execute(query)]
