"""Happenings are noted where the fact is written, once and only if a journey listens for them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session, col, select

from data.db import Database
from data.models import (
    CustomerGroup,
    Follow,
    FollowStatus,
    JourneyStatus,
    Link,
    Staff,
)
from data.queries import customers as customer_rows
from data.queries import follow_tags as tag_rows
from data.queries import groups as group_rows
from data.queries import preferences as preference_rows
from data.queries import sync_ends, sync_pages
from data.queries.link_clicks import record_click
from data.queries.marking_items import Marked, _write_tags
from data.queries.orders import save_orders
from data.rules import preferences
from data.rules.links import Via
from data.rules.markings import Change
from data.rules.orders import OrderGiven
from tests.queries.journey_world import (
    NOW,
    SECOND,
    Noted,
    add,
    list_noted,
    start_journey,
)

LATER = NOW + 10 * SECOND


def order(number: str, whom: str = "wm1", **fields: Any) -> OrderGiven:
    given = {"source": "shop", "status": "paid", "amount_fen": 9900, "placed_at": LATER, "external_userid": whom}
    return OrderGiven.model_validate({**given, "number": number, **fields})


async def test_nothing_is_noted_that_no_journey_listens_for(db: Database) -> None:
    def act(session: Session) -> list[Noted]:
        add(session, "wm1")
        start_journey(session, {"on": "added"}, status=JourneyStatus.STOPPED)
        start_journey(session, {"on": "added"}, status=JourneyStatus.DRAFT)
        add(session, "wm2")
        tag_rows.change_tags(session, "lin", "wm1", {"et1"}, set(), NOW)
        save_orders(session, [order("A1")], NOW)
        customer_rows.record_end(session, "lin", "wm1", FollowStatus.DELETED_BY_STAFF, event_at=LATER, now=LATER)
        return list_noted(session)

    assert await db.write(act) == []


async def test_adds_are_noted_once_whoever_tells_of_them_first(db: Database) -> None:
    def act(session: Session) -> list[str]:
        start_journey(session, {"on": "added"})
        add(session, "old", at=NOW - SECOND)
        add(session, "half", at=LATER, half=True)
        add(session, "wm1", at=LATER)
        fetched = {"userid": "lin", "createtime": int(LATER.timestamp())}
        for whom in ("wm1", "wm2", "wm3"):
            told = {**fetched, "createtime": 1} if whom == "wm3" else fetched
            customer_rows.apply_fetched(session, {"external_userid": whom}, [told], asked_at=LATER, now=LATER)
        add(session, "wm2", at=LATER)
        add(session, "half", at=LATER + SECOND)
        return [each.external_userid for each in list_noted(session) if each.kind == "added"]

    assert await db.write(act) == ["wm1", "wm2", "half"]


def _page(session: Session, userid: str, rows_: dict[str, tuple[int, list[str]]], at: datetime) -> None:
    told = [
        {
            "external_contact": {"external_userid": whom, "name": "王", "type": 1},
            "follow_info": {"userid": userid, "createtime": created, "tag_id": tags},
        }
        for whom, (created, tags) in rows_.items()
    ]
    listed, _ = sync_pages.read_page(userid, told, at)
    numbers = tag_rows.ensure_tags(session, {"et1", "et2"}, at)
    sync_pages.apply_listed(session, listed, numbers, at)


async def test_a_sync_tells_what_is_newer_than_the_start(db: Database) -> None:
    started = int(NOW.timestamp())

    def act(session: Session) -> list[Noted]:
        start_journey(session, {"on": "added"}, goal={"on": "tagged", "tag_id": "et1"})
        start_journey(session, {"on": "tagged", "tag_id": "et2", "put": "off"})
        _page(session, "lin", {"old": (started - 100, ["et1", "et2"]), "new": (started + 5, ["et1"])}, LATER)
        _page(session, "lin", {"old": (started - 100, ["et1"]), "new": (started + 5, ["et2"])}, LATER + SECOND)
        _page(session, "lin", {"old": (started - 100, []), "new": (started + 5, ["et1", "et2"])}, LATER + 2 * SECOND)
        session.add(Staff(userid="lin", name="林", follows_customers=True, seen_at=NOW))
        session.flush()
        far = LATER + timedelta(minutes=5)
        sync_ends.end_unlisted(session, "lin", ["old"], asked_at=far, now=far)
        return list_noted(session)

    assert await db.write(act) == [
        ("added", "new", "lin", {}),
        ("tagged", "new", "lin", {"tag_id": "et1", "put": "on"}),
        ("tagged", "old", "lin", {"tag_id": "et2", "put": "off"}),
        ("tagged", "new", "lin", {"tag_id": "et1", "put": "on"}),
        ("lost", "old", "", {}),
    ]


async def test_tags_of_ours_are_noted_where_they_change_something(db: Database) -> None:
    def act(session: Session) -> list[tuple[str, Any]]:
        start_journey(
            session, {"on": "tagged", "tag_id": "et1"}, stops=[{"on": "tagged", "tag_id": "et1", "put": "off"}]
        )
        for whom in ("wm1", "wm2"):
            add(session, whom)
        numbers = tag_rows.ensure_tags(session, {"et1", "et2"}, NOW)
        tag_rows.change_tags(session, "lin", "wm1", {"et1", "et2"}, set(), LATER)
        tag_rows.change_tags(session, "lin", "wm1", {"et1"}, {"et2"}, LATER)
        follows = {row.id or 0: row for row in session.exec(select(Follow).order_by(col(Follow.id)))}
        known = {key: (key, row.status, NOW, row.userid, row.external_userid) for key, row in follows.items()}
        changes = {0: Change(("et1",), ()), 1: Change((), ("et1", "et2"))}
        for number in changes:
            marked = [Marked(key, number, LATER) for key in follows]
            _write_tags(session, marked, known, changes, LATER)
        assert numbers
        return [(each.external_userid, each.detail["put"]) for each in list_noted(session)]

    assert await db.write(act) == [("wm1", "on"), ("wm2", "on"), ("wm1", "off"), ("wm2", "off")]


async def test_a_customer_is_lost_when_no_contact_is_left(db: Database) -> None:
    def act(session: Session) -> list[Noted]:
        start_journey(session, {"on": "silent", "days": 3})
        for userid in ("lin", "bo"):
            add(session, "wm1", userid)
            customer_rows.record_end(session, userid, "wm2", FollowStatus.DELETED_BY_STAFF, event_at=NOW, now=NOW)
        end = customer_rows.record_end
        end(session, "lin", "wm1", FollowStatus.DELETED_BY_CUSTOMER, event_at=LATER, now=LATER)
        before = list_noted(session)
        end(session, "bo", "wm1", FollowStatus.DELETED_BY_CUSTOMER, event_at=LATER, now=LATER)
        return list_noted(session)[len(before) :]

    assert await db.write(act) == [("lost", "wm1", "", {})]


async def test_orders_are_noted_when_they_become_a_customers_paid_ones(db: Database) -> None:
    def act(session: Session) -> list[str]:
        start_journey(session, {"on": "ordered"})
        add(session, "wm1")
        save_orders(session, [order("old", placed_at=NOW - SECOND), order("A1"), order("A2", status="placed")], LATER)
        save_orders(session, [order("A2"), order("A1", status="finished"), order("B1", "unknown")], LATER)
        ids = {each.number: each.id for each in save_orders(session, [order("A2"), order("A1"), order("B1")], LATER)}
        numbers = {order_id: number for number, order_id in ids.items()}
        return [numbers[each.detail["order_id"]] for each in list_noted(session)]

    assert await db.write(act) == ["A1", "A2", "B1"]


async def test_groups_clicks_and_opt_outs_are_noted_once(db: Database) -> None:
    def act(session: Session) -> list[Noted]:
        stops = [{"on": "group", "did": "left"}, {"on": "clicked", "link": "menu"}]
        start_journey(session, {"on": "group"}, stops=stops)
        session.add_all(Link(id=number, code=name, name=name, url="https://a.cn", made_by="command", made_at=NOW)
                        for number, name in enumerate(("menu", "other"), 1))  # fmt: skip
        session.add(CustomerGroup(chat_id="wr1", member_version="1"))
        session.add(Staff(userid="lin", name="林", seen_at=NOW))
        add(session, "wm1")
        change: dict[str, Any] = {"chat_id": "wr1", "join_scene": 3, "quit_scene": None, "at": LATER, "now": LATER}
        join = group_rows.apply_member_change
        join(session, joined=["wm1", "lin"], left=["wm9"], last_version="1", current_version="2", **change)
        join(session, joined=["wm1"], left=[], last_version="2", current_version="3", **change)
        members = [
            {"userid": "wm1", "type": 2, "join_time": int(LATER.timestamp())},
            {"userid": "wm2", "type": 2, "join_time": int(LATER.timestamp()) + 1},
            {"userid": "wm3", "type": 2, "join_time": int(NOW.timestamp()) - 1},
            {"userid": "bo", "type": 1, "join_time": int(LATER.timestamp())},
        ]
        later = LATER + 5 * SECOND
        told = {"chat_id": "wr1", "member_version": "4", "member_list": members}
        group_rows.apply_fetched(session, told, asked_at=later, now=later)
        join(session, joined=[], left=["wm1", "wm3"], last_version="4", current_version="5", **change)
        for link_id in (1, 2, 1):
            record_click(session, link_id, "wm1", Via(), LATER)
        for opted_out in (True, True, False):
            wish = preferences.Preference(opted_out=opted_out)
            preference_rows.save_preference(session, "wm1", wish, "command", LATER)
        return list_noted(session)

    group = {"chat_id": "wr1"}
    assert await db.write(act) == [
        ("group", "wm1", "", {**group, "did": "joined"}),
        ("group", "wm2", "", {**group, "did": "joined"}),
        ("group", "lin", "", {**group, "did": "left"}),
        ("group", "wm1", "", {**group, "did": "left"}),
        ("group", "wm3", "", {**group, "did": "left"}),
        ("clicked", "wm1", "", {"link": "menu"}),
        ("clicked", "wm1", "", {"link": "menu"}),
        ("opted_out", "wm1", "", {}),
    ]
