"""What goes by its age: alerts, welcomes, touches, clicks on links, what journeys did, calls to other programs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, delete, select
from sqlmodel import Session, SQLModel, col

from data.models import (
    Alert,
    BarredBeginning,
    KfMessage,
    LinkClick,
    StaffTask,
    StaffTaskStatus,
    StepRecord,
    Touch,
    WebhookCall,
    Welcome,
)
from data.queries.follow_facts import Facts, note_facts

#: Rows that are looked at in one go.
WINDOW = 500


@dataclass(frozen=True, slots=True)
class Ageing:
    """A table whose rows go by their age: the column that tells it, and which rows stay until they are dealt with.

    `key`: a number that grows with age; several rows may have the same.
    """

    model: type[SQLModel]
    at: str
    stays: ColumnElement[bool] | None = None
    key: str = "id"


AGEING: Mapping[str, Ageing] = MappingProxyType(
    {
        "alerts": Ageing(Alert, "created_at", col(Alert.status) == "waiting"),
        "welcomes": Ageing(Welcome, "received_at"),
        "touches": Ageing(Touch, "touched_at"),
        "clicks": Ageing(LinkClick, "first_at", col(LinkClick.due_at).is_not(None)),
        "kf": Ageing(KfMessage, "sent_at", col(KfMessage.status) == "open"),
        "tasks": Ageing(StaffTask, "due_at", col(StaffTask.status) == StaffTaskStatus.OPEN),
        "steps": Ageing(StepRecord, "at", key="enrolment_id"),
        "barred": Ageing(BarredBeginning, "last_at"),
        "webhooks": Ageing(WebhookCall, "made_at", col(WebhookCall.next_at).is_not(None)),
    }
)

#: What follows repeat of a table.
NOTED: Mapping[type[SQLModel], Facts] = MappingProxyType({Touch: Facts.TOUCHES, LinkClick: Facts.CLICKS})


def purge_window(session: Session, name: str, before: datetime, after_id: int) -> tuple[int, int | None]:
    """Remove what is older than `before` among the next rows behind `after_id`.

    How many went, and the id to go on behind; None when the rows are not so old any more: they come about by age.
    """
    ageing = AGEING[name]
    table: Any = ageing.model.__table__  # type: ignore[attr-defined]
    key, at = table.c[ageing.key], table.c[ageing.at]
    rows = session.execute(select(key, at).where(key > after_id).order_by(key).limit(WINDOW)).all()
    numbers = {number for number, happened_at in rows if happened_at < before}
    if not numbers:
        return 0, None
    # Of the last number there may be more rows than were looked at, and older ones.
    old = sorted({*numbers, rows[-1][0]})
    noted = NOTED.get(ageing.model)
    whose = _whose(session, table, old) if noted else ()
    gone = delete(table).where(key.in_(old), at < before)
    done: Any = session.execute(gone if ageing.stays is None else gone.where(~ageing.stays))
    if noted:
        note_facts(session, whose, noted)
    return int(done.rowcount), rows[-1][0] if len(rows) == WINDOW else None


def _whose(session: Session, table: Any, ids: Collection[int]) -> Collection[str]:
    """The customers that these rows are about."""
    return session.execute(select(table.c.external_userid).where(table.c.id.in_(ids)).distinct()).scalars().all()
