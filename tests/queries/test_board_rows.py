"""The board of a campaign with waves of every kind."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlmodel import Session

from data.db import Database
from data.models import Batch, Department, Publisher, Run, Staff
from data.queries import boards as rows
from data.queries.boards import BoardRow


def fill(session: Session, now: datetime) -> None:
    session.add(Department(id=1, name="总部"))
    session.add(Department(id=2, name="一店"))
    for userid, department in (("ann", 2), ("bo", 2), ("cy", 1)):
        session.add(
            Staff(userid=userid, name=userid.upper(), department_ids=[department], main_department_id=department,
                  seen_at=now)
        )  # fmt: skip
    for number, campaign_id in ((1, 1), (2, 1), (3, 2)):
        due_at = now + timedelta(hours=number)
        session.add(
            Run(id=number, wave_id=1, campaign_id=campaign_id, status="awaiting", due_at=due_at, valid_until=due_at,
                left_out={})
        )  # fmt: skip
    batches = [
        (1, "customers", "ann", 10, 6, 4, "created"), (1, "customers", "bo", 5, 0, 0, "reconciled"),
        (2, "groups", "ann", 3, 2, 1, "created"), (2, "moments", "", 3, 1, 0, "reconciled"),
        (3, "customers", "bo", 99, 0, 0, "created"), (1, "customers", "bo", 2, 0, 2, "refused"),
        (1, "customers", "bo", 0, 0, 0, "cancelled"),
    ]  # fmt: skip
    for number, (run_id, kind, userid, recipients, sent, refused, status) in enumerate(batches, 1):
        confirmed = status == "created"
        session.add(
            Batch(run_id=run_id, batch_no=number, kind=kind, userid=userid, recipients=recipients, status=status,
                  sent=sent, refused=refused, made_at=now, confirmed_at=now if confirmed else None)
        )  # fmt: skip
    for userid, state in (("ann", "published"), ("cy", "waiting"), ("gone", "stopped")):
        session.add(Publisher(run_id=2, userid=userid, state=state))


async def test_broadcasts_groups_and_posts_stand_side_by_side(db: Database, now: datetime) -> None:
    await db.write(fill, now)
    ann = {"tasks": 2, "confirmed": 2, "recipients": 10, "sent": 6, "not_sent": 4, "groups": 3, "groups_sent": 2}
    assert await db.read(rows.read_board, 1) == [
        BoardRow("gone", "", 0, "", posts=1),
        BoardRow("cy", "CY", 1, "总部", posts=1, posts_waiting=1),
        BoardRow("bo", "BO", 2, "一店", tasks=1, recipients=7, not_sent=2),
        BoardRow("ann", "ANN", 2, "一店", **ann, posts=1, published=1),
    ]
    assert await db.read(rows.read_board, 9) == []
