"""What follows repeat of other tables is what those say, and is mended where it is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update
from sqlmodel import Session, col, select

from data.db import Database
from data.models import Customer, CustomerGroup, Follow, FollowTag, Link, LinkClick, ReactionKind, Touch
from data.queries import follow_facts as rows
from data.queries import segments
from data.queries.follow_facts import Facts, birthday_number, tag_list_of
from data.queries.groups import apply_member_change
from data.queries.link_clicks import record_click
from data.queries.orders import save_orders
from data.queries.publishers import Reaction, write_reactions
from data.queries.retention import purge_window
from data.queries.touches import NewTouch, record_many
from data.rules.birthdays import LUNAR, SOLAR, BirthdayKey
from data.rules.links import Via
from data.rules.orders import OrderGiven, OrderStatus
from data.rules.preferences import TouchKind
from data.rules.segments import Node


@pytest.fixture
async def pair(db: Database, now: datetime) -> Database:
    """A customer of two members, with tags and touches."""

    def furnish(session: Session) -> None:
        session.add(Customer(external_userid="wm1", gender=2, type=1, first_seen_at=now))
        for number, userid in enumerate(("first", "second"), 1):
            session.add(
                Follow(
                    id=number, userid=userid, external_userid="wm1", status="present", changed_at=now,
                    added_at=now + timedelta(days=number),
                )
            )  # fmt: skip
        session.flush()
        session.add_all(FollowTag(follow_id=1, tag_no=tag_no, live=True) for tag_no in (12, 3))
        session.add_all(
            Touch(origin=f"o{days}", kind="broadcast", external_userid="wm1", touched_at=now - timedelta(days=days))
            for days in (3, 9)
        )

    await db.write(furnish)
    return db


async def test_what_is_wrong_is_found_and_mended(pair: Database, now: datetime) -> None:
    wrong, last = await pair.read(rows.list_wrong, 0, 10)
    assert (wrong, last) == ([(1, "wm1"), (2, "wm1")], 2)
    await pair.write(rows.mend, wrong)
    assert await pair.read(rows.list_wrong, 0, 10) == ([], 2)
    assert await pair.read(rows.list_wrong, 2, 10) == ([], None)

    first, second = await pair.read(lambda session: session.exec(select(Follow).order_by(col(Follow.id))).all())
    assert (first.tag_list, second.tag_list) == (",3,12,", "")
    assert (first.known_before, second.known_before) == (False, True)
    assert (first.gender, first.contact_type, first.touched_at) == (2, 1, now - timedelta(days=3))


async def test_only_what_is_named_is_counted_anew(pair: Database) -> None:
    await pair.write(rows.note_facts, ["wm1", ""], Facts.CARD)
    first = await pair.read(lambda session: session.get_one(Follow, 1))
    assert (first.gender, first.touched_at) == (2, None)
    await pair.write(rows.mend, [(1, "wm1"), (2, "wm1")])


async def test_what_goes_by_its_age_is_forgotten(pair: Database, now: datetime) -> None:
    at = now - timedelta(days=400)
    click = LinkClick(link_id=1, external_userid="wm1", first_at=at, last_at=at)
    await pair.write(lambda session: session.add(click))
    await pair.write(rows.mend, [(1, "wm1"), (2, "wm1")])
    assert (await pair.read(lambda session: session.get_one(Follow, 1))).active_at == at
    await pair.write(lambda session: session.execute(update(Touch).values(touched_at=at)))
    for name in ("touches", "clicks"):
        await pair.write(purge_window, name, now - timedelta(days=365), 0)
    first = await pair.read(lambda session: session.get_one(Follow, 1))
    assert (first.touched_at, first.active_at) == (None, None)


async def test_touches_of_many_are_known_as_if_they_had_been_counted(pair: Database, now: datetime) -> None:
    await pair.write(rows.mend, [(1, "wm1"), (2, "wm1")])
    other = Follow(id=3, userid="first", external_userid="wm2", status="present", changed_at=now)
    await pair.write(lambda session: session.add(other))
    newest = now - timedelta(days=2)
    given = [
        NewTouch("n1", "wm1", "first", newest), NewTouch("n2", "wm2", "first", now, 3), NewTouch("n3", "", "", now)
    ]  # fmt: skip
    # None that was known, older and newer ones of one customer, then one that was known at another time.
    for new, wm1, wm2 in (
        (given, newest, now),
        ([NewTouch("n4", "wm2", "first", now - timedelta(days=9), 3)], newest, now),
        (
            [
                NewTouch(f"n{5 + days}", "wm2", "", now + timedelta(days=days), None if days == 3 else 3)
                for days in (1, 3, 2)
            ],
            newest,
            now + timedelta(days=3),
        ),
        (
            [NewTouch("n1", "wm1", "first", now + timedelta(days=7)), NewTouch("n9", "wm2", "", now)],
            newest,
            now + timedelta(days=3),
        ),
    ):
        await pair.write(record_many, new, TouchKind.BROADCAST)
        touched = await pair.read(
            lambda session: session.exec(select(Follow.touched_at).order_by(col(Follow.id))).all()
        )
        assert touched == [wm1, wm1, wm2]
        wrong, _ = await pair.read(rows.list_wrong, 0, 10)
        assert [whose for whose in wrong if whose[0] != 3] == []


@given(tag_nos=st.sets(st.integers(1, 10**9)), other=st.integers(1, 10**9))
def test_a_tag_is_found_in_the_list_just_where_it_is_in_it(tag_nos: set[int], other: int) -> None:
    listed = tag_list_of(tag_nos)
    assert all(f",{number}," in listed for number in tag_nos)
    assert (f",{other}," in listed) == (other in tag_nos)


def test_no_two_birthdays_have_one_number() -> None:
    keys = [
        BirthdayKey(calendar, month * 100 + day, leap)
        for calendar, leap in ((SOLAR, False), (LUNAR, False), (LUNAR, True))
        for month in range(1, 13)
        for day in range(1, 32)
    ]
    assert len({birthday_number(key) for key in keys}) == len(keys)


def _order(session: Session, at: datetime) -> None:
    given = OrderGiven(
        source="shop", number=str(at), status=OrderStatus.CANCELLED, amount_fen=1, placed_at=at, external_userid="wm1"
    )
    save_orders(session, [given], at)


def _click(session: Session, at: datetime) -> None:
    link = Link(code="c", name=f"n{at.timestamp():.0f}", url="https://a", made_by="test", made_at=at)
    session.add(link)
    session.flush()
    record_click(session, link.id or 0, "wm1", Via(), at)
    session.delete(link)


def _join(session: Session, at: datetime) -> None:
    versions = {"last_version": "1", "current_version": "1"}
    assert apply_member_change(
        session, "wr1", joined=["wm1"], left=[], join_scene=3, quit_scene=None, **versions, at=at, now=at
    )


def _like(session: Session, at: datetime) -> None:
    write_reactions(session, 7, "second", [Reaction("wm1", ReactionKind.LIKE, at)])


@pytest.mark.parametrize("act", [_order, _click, _join, _like])
async def test_whatever_we_see_a_customer_do_ends_their_silence(pair: Database, now: datetime, act: Any) -> None:
    await pair.write(rows.mend, [(1, "wm1"), (2, "wm1")])
    await pair.write(lambda session: session.add(CustomerGroup(chat_id="wr1", member_version="1")))
    asked_at = now + timedelta(days=100)
    silent = Node.model_validate({"silent": {"for_days": 30}})

    async def are_silent() -> set[int]:
        found = await pair.read(segments.list_page, silent, asked_at, UTC, limit=10)
        return {each["id"] for each in found}

    assert await are_silent() == {1, 2}
    await pair.write(act, asked_at - timedelta(days=30))
    assert await are_silent() == {1, 2}, "thirty days ago"
    await pair.write(act, asked_at - timedelta(days=29))
    assert await are_silent() == set(), "through both of the staff"
