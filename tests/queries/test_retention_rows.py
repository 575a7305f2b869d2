"""What is old goes, some at a time; what is new or not dealt with stays."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import func, select
from sqlmodel import Session, SQLModel

from bot.config import PrivacySettings
from data.db import Database
from data.models import Alert, BarredBeginning, KfMessage, LinkClick, StaffTask, StepRecord, Touch, WebhookCall, Welcome
from data.queries import retention as rows

DAY = timedelta(days=1)
MODELS: dict[str, tuple[type[SQLModel], str]] = {
    "alerts": (Alert, "id"),
    "welcomes": (Welcome, "id"),
    "touches": (Touch, "id"),
    "clicks": (LinkClick, "id"),
    "kf": (KfMessage, "id"),
    "webhooks": (WebhookCall, "id"),
    "tasks": (StaffTask, "id"),
    "steps": (StepRecord, "enrolment_id"),
    "barred": (BarredBeginning, "id"),
}


def fill(session: Session, now: datetime, number: int) -> None:
    """`number` of each: the older half from a hundred days ago, the newer from yesterday; one alert still waits, one
    task is still open. Enrolments have two steps each."""
    for each in range(number):
        at = now - (100 * DAY if each < number // 2 else DAY)
        status = "waiting" if each == 3 else "sent"
        session.add(
            Alert(dedupe_key=str(each), kind="k", userid="u", words="w", status=status, created_at=at, due_at=at)
        )
        session.add(Welcome(event_id=each, kind="k", userid="u", external_userid="wm1", status="sent", received_at=at))
        session.add(Touch(origin=str(each), kind="task", external_userid="wm1", touched_at=at))
        session.add(LinkClick(link_id=each, external_userid="wm1", first_at=at, last_at=at))
        session.add(WebhookCall(enrolment_id=1, external_userid="wm1", url="https://x", body={}, made_at=at))
        session.add(
            StaffTask(
                enrolment_id=each, journey_id=1, step=0, userid="u", external_userid="wm1", content={}, worth=1,
                due_at=at, valid_until=at, status="open" if each == 3 else "done",
            )
        )  # fmt: skip
        session.add(
            KfMessage(
                session_id=1, open_kfid="wk1", external_userid="wm1", msgid=str(each), origin=3, msgtype="text",
                sent_at=at, status="open" if each == 3 else "done",
            )
        )  # fmt: skip
        barred: dict[str, Any] = {
            "journey_id": 1,
            "version": 1,
            "external_userid": "wm1",
            "reason": "on_it",
            "at": at,
            "last_at": at,
        }
        session.add(BarredBeginning(**barred, day=f"{each}"))
        enrolment = each // 2 + 1
        session.add(StepRecord(enrolment_id=enrolment, step=each % 2, at=at, version=1, key="k", outcome="done"))
        session.flush()


async def purge(db: Database, name: str, before: datetime) -> int:
    removed, after_id = 0, 0
    while True:
        count, following = await db.write(rows.purge_window, name, before, after_id)
        removed += count
        if following is None:
            return removed
        assert following > after_id
        after_id = following


@pytest.mark.parametrize("name", sorted(rows.AGEING))
@pytest.mark.parametrize("window", [7, 500])
async def test_the_old_go_and_the_new_stay(
    db: Database, now: datetime, name: str, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "WINDOW", window)
    await db.write(fill, now, 40)
    waiting = 1 if name in ("alerts", "tasks", "kf") else 0
    assert await purge(db, name, now - 50 * DAY) == 20 - waiting
    assert await purge(db, name, now - 50 * DAY) == 0

    def count(session: Session) -> dict[str, int]:
        queries = {each: select(func.count(getattr(model, key))) for each, (model, key) in MODELS.items()}
        return {each: session.execute(query).scalar_one() for each, query in queries.items()}

    assert await db.read(count) == {**dict.fromkeys(MODELS, 40), name: 20 + waiting}


def test_too_short_is_refused() -> None:
    assert PrivacySettings(alerts_days=0, touches_days=366).alerts_days == 0
    for wrong in ({"alerts_days": 30}, {"welcomes_days": -1}, {"touches_days": 365}, {"journeys_days": 365}):
        with pytest.raises(ValidationError, match="write 0 or at least"):
            PrivacySettings(**wrong)


async def test_no_old_row_stays_of_what_was_looked_at_in_part(
    db: Database, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second enrolment was moved to a version in which the step done before has a later number."""
    monkeypatch.setattr(rows, "WINDOW", 2)

    def add(session: Session) -> None:
        for enrolment, step, days in ((1, 0, 100), (2, 0, 1), (2, 1, 100), (3, 0, 1)):
            at = now - days * DAY
            session.add(StepRecord(enrolment_id=enrolment, step=step, at=at, version=1, key="k", outcome="done"))

    await db.write(add)
    assert await purge(db, "steps", now - 50 * DAY) == 2
