"""What customers want: one by one and as a set, always the same answer."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from sqlmodel import Session, col

from data.db import Database
from data.errors import NotFoundError
from data.models import Customer, GroupMember, Touch
from data.queries import preferences as rows
from data.queries import touches as touch_rows
from data.rules.preferences import Preference, RefusalReason, TouchKind
from data.rules.problems import InvalidRuleError

ZONE = ZoneInfo("Asia/Shanghai")
DAY = timedelta(days=1)


def add_customers(session: Session, number: int, now: datetime) -> list[str]:
    ids = [f"wm{each:03}" for each in range(number)]
    for external_userid in ids:
        session.add(Customer(external_userid=external_userid, first_seen_at=now))
    session.flush()
    return ids


def add_company(session: Session, now: datetime, seed: int) -> list[str]:
    """Customers who want all sorts of things and whom all sorts of things have reached."""
    dice = random.Random(seed)
    ids = add_customers(session, 60, now)
    for external_userid in ids:
        if dice.random() < 0.8:
            cap = dice.choice([None, None, (1, 1), (1, 7), (2, 7), (3, 30)])
            wanted = Preference(
                opted_out=dice.random() < 0.2,
                paused_until=dice.choice([None, None, now - DAY, now, now + DAY]),
                cap_count=cap and cap[0],
                cap_days=cap and cap[1],
            )
            rows.save_preference(session, external_userid, wanted, "test", now)
        for number in range(dice.randrange(6)):
            touch_rows.record(
                session,
                origin=f"{external_userid}:{number}",
                kind=dice.choice(list(TouchKind)),
                external_userid=external_userid,
                touched_at=now - timedelta(hours=dice.randrange(40 * 24)),
            )
    return ids


@pytest.mark.parametrize("seed", range(4))
async def test_a_set_is_judged_as_each_of_its_customers_is(db: Database, now: datetime, seed: int) -> None:
    ids = await db.write(add_company, now, seed)

    def one_by_one(session: Session) -> dict[str, RefusalReason | None]:
        return {each: rows.judge(session, each, now, ZONE, TouchKind.BROADCAST).reason for each in ids}

    reasons = await db.read(one_by_one)
    assert set(reasons.values()) == {None, *RefusalReason}
    allowed = {each for each, reason in reasons.items() if reason is None}
    assert await db.read(rows.list_touchable, [*ids, "wm_unknown"], now, ZONE) == allowed | {"wm_unknown"}
    audience = await db.read(rows.count_audience, select(col(Customer.external_userid)), now, ZONE)
    counted = [list(reasons.values()).count(each) for each in (None, *RefusalReason)]
    assert [audience.touchable, audience.opted_out, audience.paused, audience.capped] == counted
    some = select(col(Customer.external_userid)).where(col(Customer.external_userid).in_(ids[:9]))
    audience = await db.read(rows.count_audience, some, now, ZONE)
    assert audience.touchable == len(allowed & set(ids[:9]))
    # One who opted out may be paused as well: here each counts as opted out.
    found = await db.read(rows.count_opted_out, some)
    assert found == audience.opted_out


async def test_nobody_said_anything(db: Database, now: datetime) -> None:
    ids = await db.write(add_customers, 3, now)
    assert await db.read(rows.count_audience, select(col(Customer.external_userid)), now, ZONE) == rows.Audience(3)
    assert await db.read(rows.list_touchable, ids, now, ZONE) == set(ids)
    assert await db.read(rows.list_touchable, [], now, ZONE) == set()


async def test_who_changed_it_and_why_is_kept_and_since_when(db: Database, now: datetime) -> None:
    (one,) = await db.write(add_customers, 1, now)
    first = await db.write(rows.change_preference, one, {"opted_out": True, "reason": "by telephone"}, "shop", now)
    assert (first.opted_out_at, first.changed_by, first.reason) == (now, "shop", "by telephone")
    later = await db.write(rows.change_preference, one, {"cap_count": 1, "cap_days": 7}, "crm", now + DAY)
    assert (later.opted_out_at, later.cap_count, later.changed_by, later.reason) == (now, 1, "crm", "")
    with pytest.raises(InvalidRuleError):
        await db.write(rows.change_preference, one, {"cap_days": None}, "crm", now + DAY)
    lifted = await db.write(rows.change_preference, one, {"opted_out": None, "cap_count": None, "cap_days": None},
                            "siyu: root", now + 2 * DAY)  # fmt: skip
    assert (lifted.opted_out_at, lifted.cap_count, lifted.changed_by) == (None, None, "siyu: root")
    again = await db.write(rows.save_preference, one, Preference(opted_out=True), "shop", now + 3 * DAY)
    assert again.opted_out_at == now + 3 * DAY
    with pytest.raises(NotFoundError):
        await db.write(rows.save_preference, "wm_unknown", Preference(opted_out=True), "shop", now)


async def test_customers_in_groups_who_opted_out_count_once(db: Database, now: datetime) -> None:
    def prepare(session: Session) -> None:
        one, two, three, *_ = add_customers(session, 4, now)
        for external_userid in (one, two):
            rows.save_preference(session, external_userid, Preference(opted_out=True), "test", now)
        rows.save_preference(session, three, Preference(cap_count=1, cap_days=1), "test", now)
        for chat_id, member, left in (
            ("a", one, None), ("b", one, None), ("a", two, now), ("a", three, None), ("c", two, None),
        ):  # fmt: skip
            session.add(GroupMember(chat_id=chat_id, userid=member, left_at=left))

    await db.write(prepare)
    assert await db.read(rows.count_opted_out_in_groups, ["a", "b"]) == 1
    assert await db.read(rows.count_opted_out_in_groups, ["a", "b", "c"]) == 2
    assert await db.read(rows.count_opted_out_in_groups, []) == 0


async def test_a_touch_told_twice_is_written_once(db: Database, now: datetime) -> None:
    def tell(session: Session, origin: str, kind: TouchKind, at: datetime) -> bool:
        return touch_rows.record(session, origin=origin, kind=kind, external_userid="wm1", touched_at=at)

    assert await db.write(tell, "a", TouchKind.TASK, now)
    assert not await db.write(tell, "a", TouchKind.TASK, now + DAY)
    await db.write(tell, "b", TouchKind.MOMENT, now + DAY)
    assert await db.read(touch_rows.count_since, "wm1", now) == 1
    assert await db.read(touch_rows.count_since, "wm1", now + DAY) == 0
    last: Touch | None = await db.read(touch_rows.last_of, "wm1")
    assert last is not None
    assert last.origin == "b"
    last = await db.read(touch_rows.last_of, "wm1", TouchKind.TASK)
    assert last is not None
    assert last.origin == "a"
    assert await db.read(touch_rows.last_of, "wm2") is None
