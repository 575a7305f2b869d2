"""Calls to other programs on real rows: claimed by one, taken once, given up, tried again, gone with their age."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import Session

from data.db import Database
from data.errors import ConflictError, NotFoundError
from data.models import Campaign, Run, WebhookCall
from data.queries import happenings, retention
from data.queries import webhook_targets as targets
from data.queries import webhooks as rows
from data.queries.runs import move_runs
from data.queries.webhooks import CallState
from data.rules.happenings import Happened
from data.rules.schedule import TimeWindow
from data.rules.timings import Calendar
from data.rules.webhooks import WebhookDraft
from scheduler.journey_triggers import work_on

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


async def test_webhooks_are_told_of_what_they_want_to_hear_from_then_on(db: Database, now: datetime) -> None:
    draft = WebhookDraft(
        name="crm",
        url="https://x.example/",
        events=frozenset({"tagged", "campaign_finished"}),
        tag_ids=frozenset({"et1"}),
    )
    one = await db.write(targets.add_webhook, draft, "test", now)
    other = WebhookDraft(name="off", url="https://y.example/", events=frozenset({"tagged"}), tag_ids=frozenset({"et1"}))
    off = await db.write(targets.add_webhook, other, "test", now)
    await db.write(targets.switch_webhook, off.id or 0, now, on=False)

    def happen(session: Session, tag_id: str, at: datetime) -> int:
        detail = {"put": "on", "tag_id": tag_id}
        return happenings.note(session, [Happened("tagged", "wm1", at, detail, "zhangsan")])

    assert await db.write(happen, "et1", now - timedelta(seconds=1)) == 0, "what happened before is not told"
    assert await db.write(happen, "et2", now) == 0
    assert await db.write(happen, "et1", now) == 1
    calendar = Calendar(UTC, TimeWindow(), ())
    assert (await db.write(work_on, now, calendar, 10, tells=False)).happened == 1
    assert await db.read(rows.list_calls) == [], "in observe mode nothing is written that would be sent later"
    await db.write(happen, "et1", now)
    await db.write(work_on, now, calendar)
    (call,) = await db.read(rows.list_calls, webhook_id=one.id)
    assert (call.url, call.external_userid, call.body["event"], call.body["tag_id"]) == (
        "https://x.example/", "wm1", "tagged", "et1",
    )  # fmt: skip

    def finish(session: Session) -> int:
        campaign = Campaign(name="a", made_by="x", made_at=now)
        session.add(campaign)
        session.flush()
        session.add(Run(wave_id=1, campaign_id=campaign.id or 0, status="awaiting", due_at=now, valid_until=now))
        session.flush()
        return move_runs(session, now, calendar)

    assert await db.write(finish) == 1
    (told, _) = await db.read(rows.list_calls)
    assert (told.body["event"], told.body["status"], told.external_userid) == ("campaign_finished", "finished", "")
    await db.write(targets.switch_webhook, one.id or 0, now, on=False)
    assert {rows.state_of(each) for each in await db.read(rows.list_calls)} == {CallState.GIVEN_UP}
    assert await db.read(targets.count_given_up) == {one.id: 2}
    assert await db.write(rows.try_all_again, now) == 0, "it is still switched off"
    with pytest.raises(ConflictError, match="switched off"):
        await db.write(rows.try_again, told.id, now)
    await db.write(targets.switch_webhook, one.id or 0, now, on=True)
    assert await db.write(rows.try_all_again, now) == 2
    assert {each.webhook_id for each in await db.write(rows.claim_due, now, LEASE, 10)} == {one.id}
