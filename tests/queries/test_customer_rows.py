"""What events and fetches write about customers, side by side and in any order."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session

from data.db import Database
from data.models import Customer, Follow, FollowStatus, Staff
from data.queries import customers as rows
from data.queries import follow_tags as mark_rows
from data.queries.follow_facts import note_facts

SECOND = timedelta(seconds=1)


def add(session: Session, userid: str, at: datetime, external_userid: str = "wm1") -> rows.AddRecord:
    return rows.record_add(session, userid, external_userid, state="", half=False, inherited=False, event_at=at, now=at)


def end(session: Session, userid: str, status: FollowStatus, at: datetime) -> bool:
    return rows.record_end(session, userid, "wm1", status, event_at=at, now=at)


def fetch(session: Session, at: datetime, *follows: dict[str, Any], tags: tuple[str, ...] = ()) -> rows.FetchResult:
    told = [{"createtime": 1_700_000_000, "tags": [{"tag_id": tag} for tag in tags], **follow} for follow in follows]
    return rows.apply_fetched(session, {"external_userid": "wm1", "name": "小鱼"}, told, asked_at=at, now=at)


def status_of(session: Session, userid: str) -> str:
    follow = rows.find_follow(session, userid, "wm1")
    assert follow is not None
    return follow.status


async def test_events_and_fetches_of_a_new_follow_at_the_same_time_all_succeed(db: Database, now: datetime) -> None:
    for number in range(10):
        name = f"wm{number}"
        await db.write(add, "bo", now, name)
        await asyncio.gather(
            db.write(add, "lin", now, name),
            db.write(add, "lin", now, name),
            db.write(rows.record_end, "lin", name, FollowStatus.DELETED_BY_STAFF, event_at=now - SECOND, now=now),
            db.write(
                rows.apply_fetched, {"external_userid": name}, [{"userid": "lin", "createtime": 1}],
                asked_at=now, now=now,
            ),
        )  # fmt: skip


async def test_a_read_that_lags_behind_a_deletion_revives_nobody(db: Database, now: datetime) -> None:
    await db.write(add, "lin", now)
    await db.write(end, "lin", FollowStatus.DELETED_BY_STAFF, now + 10 * SECOND)
    stale = await db.write(fetch, now + 15 * SECOND, {"userid": "lin"}, {"userid": "bo"})
    assert stale.revived == 0
    assert await db.read(status_of, "lin") == FollowStatus.DELETED_BY_STAFF
    assert await db.read(status_of, "bo") == FollowStatus.PRESENT


async def test_a_follow_that_wecom_still_lists_later_is_present_again(db: Database, now: datetime) -> None:
    await db.write(add, "lin", now)
    await db.write(end, "lin", FollowStatus.DELETED_BY_STAFF, now + SECOND)
    later = await db.write(fetch, now + timedelta(minutes=5), {"userid": "lin"})
    assert later.revived == 1
    assert await db.read(status_of, "lin") == FollowStatus.PRESENT


async def test_a_customer_who_came_back_at_once_is_revived_by_the_newer_createtime(db: Database, now: datetime) -> None:
    await db.write(add, "lin", now)
    await db.write(end, "lin", FollowStatus.DELETED_BY_CUSTOMER, now + SECOND)
    again = {"userid": "lin", "createtime": int(now.timestamp()) + 5}
    assert (await db.write(fetch, now + 10 * SECOND, again)).revived == 1


async def test_a_fetch_that_began_before_tags_were_put_on_does_not_take_them_off(db: Database, now: datetime) -> None:
    await db.write(add, "lin", now)
    await db.write(mark_rows.change_tags, "lin", "wm1", {"vip"}, set(), now + 5 * SECOND)
    await db.write(fetch, now + 4 * SECOND, {"userid": "lin"})
    assert await db.read(mark_rows.list_tag_ids, "lin", "wm1") == ["vip"]
    await db.write(fetch, now + 6 * SECOND, {"userid": "lin"})
    assert await db.read(mark_rows.list_tag_ids, "lin", "wm1") == []


async def test_a_follow_not_listed_any_more_ended_as_the_directory_says(db: Database, now: datetime) -> None:
    def furnish(session: Session) -> None:
        session.add(Staff(userid="here", follows_customers=True, seen_at=now))
        session.add(Staff(userid="gone", gone_at=now, seen_at=now))
        session.add(Customer(external_userid="wm1", first_seen_at=now))
        for userid in ("here", "gone"):
            session.add(Follow(userid=userid, external_userid="wm1", status="present", changed_at=now))
        note_facts(session, ["wm1"])

    await db.write(furnish)
    assert (await db.write(fetch, now + timedelta(minutes=5))).ended == 2
    assert await db.read(status_of, "here") == FollowStatus.DELETED_BY_STAFF
    assert await db.read(status_of, "gone") == FollowStatus.OUT_OF_SIGHT
