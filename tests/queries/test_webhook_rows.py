"""Calls to other programs on real rows: claimed by one, taken once, given up, tried again, gone with their age."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlmodel import Session

from data.db import Database
from data.errors import ConflictError, NotFoundError
from data.models import WebhookCall
from data.queries import retention
from data.queries import webhooks as rows
from data.queries.webhooks import CallState

LEASE = 60.0


def add(session: Session, now: datetime, *customers: str) -> list[int]:
    calls = [
        WebhookCall(enrolment_id=1, external_userid=each, url="https://x.example/", body={"a": each}, made_at=now,
                    next_at=now + timedelta(seconds=number))
        for number, each in enumerate(customers)
    ]  # fmt: skip
    session.add_all(calls)
    session.flush()
    return [each.id or 0 for each in calls]


async def test_what_is_due_is_claimed_once_until_its_lease_ends(db: Database, now: datetime) -> None:
    one, two, _ = await db.write(add, now, "wm1", "wm2", "wm3")
    soon = now + timedelta(seconds=1)
    first = await db.write(rows.claim_due, soon, LEASE, 10)
    assert [(each.id, each.body) for each in first] == [(one, {"a": "wm1"}), (two, {"a": "wm2"})]
    assert await db.write(rows.claim_due, soon, LEASE, 10) == []
    await db.write(rows.mark_taken, first[0], soon)
    await db.write(rows.mark_failed, first[1], "It answered HTTP 500.", soon + timedelta(seconds=90))
    later = soon + timedelta(seconds=LEASE)
    assert [each.external_userid for each in await db.read(rows.list_calls, state=CallState.TAKEN)] == ["wm1"]
    assert [each.body["a"] for each in await db.write(rows.claim_due, later, LEASE, 1)] == ["wm3"]
    (again,) = await db.write(rows.claim_due, later + timedelta(seconds=40), LEASE, 10)
    assert (again.id, again.attempts) == (two, 1)


async def test_who_lost_the_claim_changes_nothing_unless_it_was_taken(db: Database, now: datetime) -> None:
    await db.write(add, now, "wm1")
    (slow,) = await db.write(rows.claim_due, now, LEASE, 10)
    (quick,) = await db.write(rows.claim_due, now + timedelta(seconds=LEASE), LEASE, 10)
    await db.write(rows.mark_failed, slow, "late", None)
    (call,) = await db.read(rows.list_calls, state=CallState.WAITING)
    assert (call.attempts, call.error) == (0, "")
    await db.write(rows.mark_taken, slow, now)
    await db.write(rows.mark_failed, quick, "It answered HTTP 409.", now)
    (call,) = await db.read(rows.list_calls, external_userid="wm1")
    assert (rows.state_of(call), call.error) == (CallState.TAKEN, "")


async def test_what_was_given_up_is_tried_once_more_when_asked(db: Database, now: datetime) -> None:
    one, two = await db.write(add, now, "wm1", "wm2")
    for call in await db.write(rows.claim_due, now + timedelta(seconds=5), LEASE, 10):
        await db.write(rows.mark_failed, call, "x" * 300, None if call.id == one else now)
    (given_up,) = await db.read(rows.list_calls, state=CallState.GIVEN_UP)
    assert (given_up.id, given_up.attempts, len(given_up.error)) == (one, 1, 200)
    with pytest.raises(ConflictError, match="waiting"):
        await db.write(rows.try_again, two, now)
    with pytest.raises(NotFoundError):
        await db.write(rows.try_again, 999, now)
    assert (await db.write(rows.try_again, one, now)).next_at == now
    assert {each.id for each in await db.read(rows.list_calls, state=CallState.WAITING)} == {one, two}
    assert [each.id for each in await db.read(rows.list_calls, limit=1)] == [two]
    assert [each.id for each in await db.read(rows.list_calls, before_id=two)] == [one]


async def test_what_is_old_goes_unless_it_waits(db: Database, now: datetime) -> None:
    await db.write(add, now, "wm1", "wm2")
    taken, _ = await db.write(rows.claim_due, now + timedelta(seconds=5), LEASE, 10)
    await db.write(rows.mark_taken, taken, now)
    assert await db.write(retention.purge_window, "webhooks", now, 0) == (0, None)
    assert await db.write(retention.purge_window, "webhooks", now + timedelta(days=1), 0) == (1, None)
    assert [each.external_userid for each in await db.read(rows.list_calls)] == ["wm2"]
