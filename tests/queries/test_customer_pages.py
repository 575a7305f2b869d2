"""Customers as people look through them, on both databases: found, listed, theirs, and what happened to one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from sqlmodel import Session, col

from data.db import Database
from data.errors import NotFoundError
from data.models import Customer, Follow, FollowTag, Staff, Tag, TagGroup, Touch
from data.queries import customer_pages as rows
from data.queries import tags as tag_rows
from data.queries import timelines
from data.rules.segments import EVERYBODY, Node
from tests.facts import settle

ZONE = ZoneInfo("Asia/Shanghai")
#: external_userid, name, remark, userid
PEOPLE = (
    ("w1", "王芳", "", "ann"), ("w2", "小王芳芳", "VIP_客户", "ann"), ("w3", "李雷", "原名王芳", "bo"),
    ("w4", "50%_off\\", "", "bo"), ("w5", "", "", "cy"),
)  # fmt: skip


def fill(session: Session, now: datetime) -> None:
    session.add(TagGroup(group_id="g", name="级"))
    session.add(Tag(tag_no=1, tag_id="t1", group_id="g", name="金"))
    session.add(Staff(userid="ann", name="安", seen_at=now))
    for whose, name, remark, userid in PEOPLE:
        session.add(Customer(external_userid=whose, name=name, first_seen_at=now))
        follow = Follow(
            userid=userid, external_userid=whose, status="present", remark=remark, added_at=now, changed_at=now
        )
        session.add(follow)
        session.flush()
        if userid == "ann":
            session.add(FollowTag(follow_id=follow.id or 0, tag_no=1, live=True))
    for number in range(9):
        at = now - timedelta(minutes=number // 4)
        session.add(Touch(origin=f"x{number}", kind="broadcast", external_userid="w1", userid="ann", touched_at=at))
    settle(session)


async def test_a_page_is_of_those_whom_one_may_see(db: Database, now: datetime) -> None:
    await db.write(fill, now)
    tagged = Node.model_validate({"tags": {"tag_ids": ["t1"]}})

    def read(session: Session) -> None:
        ids = list(session.execute(select(col(Follow.id)).order_by(col(Follow.id))).scalars())
        page = rows.list_page(session, EVERYBODY, now, ZONE, limit=3)
        rest = rows.list_page(session, EVERYBODY, now, ZONE, limit=9, before_id=page[-1].follow_id)
        assert [each.external_userid for each in page + rest] == ["w5", "w4", "w3", "w2", "w1"]
        assert (rest[-1].staff_name, rest[-1].tags, page[0].tags) == ("安", ["金"], [])
        some: Any = {"userids": frozenset({"ann", "bo"}), "among_ids": ids[1:]}
        asked = rows.list_page(session, EVERYBODY, now, ZONE, limit=9, **some)
        assert [each.external_userid for each in asked] == ["w4", "w3", "w2"]
        assert rows.list_customers(session, tagged, now, ZONE, limit=9, **some) == ["w2"]
        assert rows.list_page(session, tagged, now, ZONE, limit=9, userids=frozenset()) == []
        assert tag_rows.count_each(session) == {"t1": 2}
        assert tag_rows.count_each(session, {"bo"}) == {}
        rows.require_visible(session, "w1", None)
        rows.require_visible(session, "w1", {"ann"})
        for whose, userids in (("w1", {"bo"}), ("w1", set[str]()), ("nobody", None)):
            with pytest.raises(NotFoundError):
                rows.require_visible(session, whose, userids)

    await db.read(read)


async def test_a_timeline_has_each_thing_once(db: Database, now: datetime) -> None:
    await db.write(fill, now)

    def read(session: Session) -> list[timelines.Entry]:
        found: list[timelines.Entry] = []
        before = None
        while page := timelines.list_entries(session, "w1", before, 2):
            found += page
            before = timelines.read_place(page[-1].place)
        return found

    found = await db.read(read)
    assert len(found) == 10
    assert len({(each.kind, each.key) for each in found}) == 10
    assert [each.at for each in found] == sorted((each.at for each in found), reverse=True)
    assert timelines.read_place("x") is None
