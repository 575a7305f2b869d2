"""Clicks on real rows: who is counted, out of which run, and what is due once."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from data.db import Database
from data.errors import ConflictError, NotFoundError
from data.models import (
    Batch,
    Customer,
    Follow,
    Link,
    LinkClick,
    OtherClick,
    Recipient,
    RecipientState,
    Run,
    Touch,
    WelcomeStatus,
)
from data.queries import batch_results, erasures, link_clicks, link_follow_ups, welcomes
from data.queries import links as rows
from data.queries.batch_results import Result
from data.queries.touches import broadcast_origin
from data.rules.links import ELSEWHERE, LinkDraft, LinkEdit, Via, Visitor

RUN, BATCH, OF_GROUPS = 5, 50, 51
DRAFT = LinkDraft(name="spring", url="https://shop.example/spring")


def fill(session: Session, now: datetime) -> int:
    """A run that reached ann's wm1 and wm2, a batch to groups, and a link."""
    session.add(Run(id=RUN, wave_id=1, campaign_id=9, status="awaiting", due_at=now, valid_until=now))
    session.add(Batch(id=BATCH, run_id=RUN, batch_no=1, userid="ann", recipients=2, status="created", msgid="m"))
    session.add(Batch(id=OF_GROUPS, run_id=6, batch_no=1, kind="groups", userid="bo", recipients=1, status="created"))
    for number, whom in enumerate(("wm1", "wm2", "wm3"), 1):
        session.add(Customer(external_userid=whom, first_seen_at=now))
        session.add(Follow(id=number, userid="ann", external_userid=whom, status="present", changed_at=now))
        if whom != "wm3":
            session.add(Recipient(run_id=RUN, follow_id=number, batch_no=1, state=RecipientState.WAITING))
    return rows.add_link(session, DRAFT, "4fQ0zKm9Xb", "test", now).id or 0


def clicks(session: Session) -> list[tuple[str, int, int | None, str, int, bool]]:
    found = session.execute(select(LinkClick).order_by(col(LinkClick.id))).scalars()
    return [(each.external_userid, each.run_id, each.follow_id, each.userid, each.clicks, each.due_at is not None)
            for each in found]  # fmt: skip


async def test_a_click_counts_for_the_run_that_reached_the_customer(db: Database, now: datetime) -> None:
    link_id = await db.write(fill, now)
    for whom, batch_id in (("wm1", BATCH), ("wm1", BATCH), ("wm1", 0), ("wm3", BATCH), ("wm2", OF_GROUPS),
                           ("wm2", 777), ("wmStranger", 2**62)):  # fmt: skip
        await db.write(link_clicks.record_click, link_id, whom, Via(batch_id), now)
    assert await db.read(clicks) == [
        ("wm1", RUN, 1, "ann", 2, False),
        ("wm1", 0, None, "", 1, False),
        ("wm3", 0, None, "", 1, False),
        ("wm2", 6, None, "bo", 1, False),
        ("wm2", 0, None, "", 1, False),
        ("wmStranger", 0, None, "", 1, False),
    ]
    assert await db.read(rows.count_of_runs, [RUN, 6, 7]) == {RUN: (1, 2), 6: (1, 1)}
    assert await db.read(rows.count_of_links, [link_id]) == {link_id: (4, 7)}
    ((_, clicked),) = await db.read(rows.list_clicked, RUN, 10)
    assert (clicked.external_userid, clicked.follow_id, clicked.clicks) == ("wm1", 1, 2)
    assert await db.read(lambda session: session.execute(rows.clicked_follows(RUN)).scalars().all()) == [1]
    told, _ = await db.read(rows.list_of_customer, "wm1", 10)
    assert (told["link"], told["run_id"], told["campaign_id"]) == ("spring", 0, None)


async def test_others_than_customers_are_counted_without_a_name(db: Database, now: datetime) -> None:
    link_id = await db.write(fill, now)
    for kind in (Visitor.STAFF, Visitor.STAFF, Visitor.OUTSIDER, Visitor.UNKNOWN):
        await db.write(link_clicks.record_other, link_id, kind, Via(BATCH), now)
    assert await db.read(rows.count_others, [link_id]) == {link_id: {"staff": 2, "outsider": 1, "unknown": 1}}
    assert await db.read(clicks) == []


async def test_of_an_erased_customer_nothing_is_kept_but_that_somebody_came(db: Database, now: datetime) -> None:
    link_id = await db.write(fill, now)
    await db.write(link_clicks.record_click, link_id, "wm1", Via(BATCH), now)
    await db.write(erasures.begin_erasure, "wm1", "test", now)
    assert await db.read(clicks) == []
    await db.write(link_clicks.record_click, link_id, "wm1", Via(BATCH), now)
    assert await db.read(clicks) == []
    assert await db.read(rows.count_others, [link_id]) == {link_id: {"unknown": 1}}


@pytest.mark.parametrize("click_first", [True, False])
async def test_the_touch_says_when_the_customer_clicked(db: Database, now: datetime, click_first: bool) -> None:
    link_id = await db.write(fill, now)
    result = Result("wm1", "ann", RecipientState.SENT, now)
    if click_first:
        await db.write(link_clicks.record_click, link_id, "wm1", Via(BATCH), now)
    await db.write(batch_results.write_results, BATCH, [result, Result("wm2", "ann", RecipientState.SENT, now)])
    later = now + timedelta(minutes=1)
    await db.write(link_clicks.record_click, link_id, "wm1", Via(BATCH), later)

    def touches(session: Session) -> dict[str, datetime | None]:
        return {each.origin: each.clicked_at for each in session.execute(select(Touch)).scalars()}

    assert await db.read(touches) == {
        broadcast_origin(RUN, 1): now if click_first else later, broadcast_origin(RUN, 2): None,
    }  # fmt: skip


@pytest.mark.parametrize("click_first", [True, False])
async def test_a_click_counts_for_the_welcome_that_greeted_the_customer(
    db: Database, now: datetime, click_first: bool
) -> None:
    link_id = await db.write(fill, now)
    later = now + timedelta(minutes=1)

    async def click(whom: str, event_id: int, at: datetime) -> None:
        await db.write(link_clicks.record_click, link_id, whom, Via(event_id=event_id), at)

    def welcome(event_id: int, **more: Any) -> dict[str, Any]:
        return {
            "event_id": event_id, "kind": "add", "userid": "ann", "external_userid": "wm1", "state": "", "rule_id": 4,
            "explanation": {}, "words": "", "attachments": 0, "received_at": now, "sent_at": now,
            "status": WelcomeStatus.SENT, **more,
        }  # fmt: skip

    await db.write(welcomes.begin_welcome, welcome(70, sent_at=None))
    if click_first:
        await click("wm1", 70, now)
    await db.write(welcomes.record_welcome, welcome(70), shows_links=True)
    for whom, event_id in (("wm1", 70), ("wm2", 70), ("wm1", 71), ("wm1", 2**62)):
        await click(whom, event_id, later)

    def told(session: Session) -> list[tuple[str, int, int, str, int]]:
        found = session.execute(select(LinkClick).order_by(col(LinkClick.id))).scalars()
        return [(each.external_userid, each.welcome_rule_id, each.run_id, each.userid, each.clicks) for each in found]

    twice = 2 if click_first else 1
    assert await db.read(told) == [("wm1", 4, 0, "ann", twice), ("wm2", 0, 0, "", 1), ("wm1", 0, 0, "", 2)]
    first_at = now if click_first else later
    assert await db.read(lambda session: session.execute(select(Touch.clicked_at)).scalars().all()) == [first_at]
    counted = {"rule_id": 4, "name": "", "customers": 1, "clicks": twice}
    assert await db.read(rows.count_of_welcomes, [link_id]) == {link_id: [counted]}


async def test_what_follows_is_due_once_for_each_customer(db: Database, now: datetime) -> None:
    link_id = await db.write(fill, now)
    await db.write(rows.change_link, link_id, LinkEdit(tells_staff=True))
    for batch_id in (BATCH, BATCH, 0):
        await db.write(link_clicks.record_click, link_id, "wm1", Via(batch_id), now)
    await db.write(link_clicks.record_click, link_id, "wm2", Via(BATCH), now)
    claim = link_follow_ups.claim_due
    claimed = await asyncio.gather(*(db.write(link_follow_ups.claim_due, now, 60.0, 1) for _ in range(4)))
    due = [click for some in claimed for click in some]
    assert sorted(click.external_userid for click in due) == ["wm1", "wm2"]
    assert (due[0].link, due[0].userid, due[0].tells_staff) == ("spring", "ann", True)
    assert await db.write(claim, now, 60.0) == []
    await db.write(link_follow_ups.finish, due[0], {"put_on": {}, "told": ["ann"], "error": ""})
    await db.write(link_follow_ups.put_off, due[1], now + timedelta(minutes=5))
    assert await db.write(claim, now + timedelta(minutes=2), 60.0) == []
    (again,) = await db.write(link_follow_ups.claim_due, now + timedelta(minutes=6), 60.0)
    assert (again.id, again.attempts) == (due[1].id, 1)
    await db.write(link_follow_ups.finish, due[1], {"put_on": {}, "told": [], "error": ""})
    late = now + timedelta(minutes=9)
    assert [each.id for each in await db.write(link_follow_ups.claim_due, late, 60.0)] == [due[1].id]


async def test_links_are_kept_found_changed_and_retired(db: Database, now: datetime) -> None:
    link_id = await db.write(fill, now)
    with pytest.raises(ConflictError):
        await db.write(rows.add_link, DRAFT, "another123", "test", now)
    assert await db.read(rows.find_target, "4fQ0zKm9Xb") == (link_id, "https://shop.example/spring", False)
    assert await db.read(rows.find_target, "4fq0zkm9xb") is None
    await db.write(rows.change_link, link_id, LinkEdit(url="https://shop.example/新"))
    await db.write(rows.retire_link, link_id, now)
    assert (await db.write(rows.retire_link, link_id, now + timedelta(1))).retired_at == now
    assert await db.read(rows.find_target_of, link_id) == (link_id, "https://shop.example/%E6%96%B0", True)
    told = {"spring": ("4fQ0zKm9Xb", "https://shop.example/%E6%96%B0", True)}
    assert await db.read(rows.map_places, ["spring", "x"]) == told
    for query in (rows.get_link, rows.retire_link):
        with pytest.raises(NotFoundError):
            await db.write(query, 77, *([now] if query is rows.retire_link else []))


async def test_a_hundred_at_once_are_all_counted(db: Database, now: datetime) -> None:
    link_id = await db.write(fill, now)
    await asyncio.gather(
        *(db.write(link_clicks.record_click, link_id, "wm1", Via(BATCH), now) for _ in range(50)),
        *(db.write(link_clicks.record_other, link_id, Visitor.UNKNOWN, ELSEWHERE, now) for _ in range(50)),
    )

    def counted(session: Session) -> list[int]:
        return [session.execute(select(model.clicks)).scalar_one() for model in (LinkClick, OtherClick)]

    assert await db.read(counted) == [50, 50]
    assert (await db.read(lambda session: session.get_one(Link, link_id))).name == "spring"
