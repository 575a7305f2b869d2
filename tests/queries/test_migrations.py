"""Databases of earlier versions keep what is in them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlmodel import Session, select

from data import migrate, revisions
from data.db import open_database
from data.models import FollowMobile, Tag
from data.queries import customers as customer_rows
from data.queries import follow_tags as mark_rows
from data.queries import follow_words
from data.queries.unionids import list_by_unionid

OLD = "2026-01-02 03:04:05.000000"


def fill_0002(session: Session, stamp: datetime | str) -> None:
    """A customer of two staff members, in a group; one has a tag that the company's list does not have."""
    given = {"now": stamp}
    session.execute(text("INSERT INTO tags VALUES ('etA', 'g', 'VIP', 1, NULL)"))
    session.execute(
        text("INSERT INTO customers VALUES ('wm1', '王', '', 1, 0, 'u1', '', '', :now, NULL)"),
        given,
    )
    for userid, status, mobiles in (("lin", "present", '["13800000001"]'), ("wu", "deleted_by_staff", "[]")):
        session.execute(
            text(
                "INSERT INTO follows (userid, external_userid, status, state, remark, description, remark_mobiles, "
                "oper_userid, inherited, changed_at) "
                f"VALUES ('{userid}', 'wm1', '{status}', '', '', '', '{mobiles}', '', FALSE, :now)"
            ),
            given,
        )
    session.execute(
        text(
            "INSERT INTO group_members (chat_id, userid, type, invitor, state, joined_at) "
            "VALUES ('wr1', 'wm1', 2, '', '', :now)"
        ),
        given,
    )
    for userid, tag_id in (("lin", "etA"), ("lin", "etUnknown"), ("wu", "etA")):
        session.execute(text(f"INSERT INTO follow_tags VALUES ('{userid}', 'wm1', '{tag_id}', :now)"), given)


async def test_tags_and_telephone_numbers_survive_the_change_to_numbers(empty_url: str) -> None:
    url = empty_url
    on_sqlite = url.startswith("sqlite")
    stamp = OLD if on_sqlite else datetime.fromisoformat(OLD).replace(tzinfo=UTC)
    await migrate.upgrade(url, "main", "main_0002")
    db = open_database(url, pool_size=2)
    try:
        await db.write(fill_0002, stamp)
        await migrate.upgrade(url, "main")
        assert sorted(await db.read(mark_rows.list_tag_ids, "lin", "wm1")) == ["etA", "etUnknown"]
        assert await db.read(mark_rows.list_tag_ids, "wu", "wm1") == ["etA"]
        follow = await db.read(customer_rows.find_follow, "lin", "wm1")
        assert follow is not None
        assert follow.remark_mobiles == ["13800000001"]
        assert follow.active_at == datetime.fromisoformat(OLD).replace(tzinfo=UTC)
        found = await db.read(lambda session: session.exec(select(FollowMobile)).all())
        assert [(each.mobile, each.follow_id) for each in found] == [("13800000001", follow.id)]
        tags = {tag.tag_id: tag for tag in await db.read(lambda session: session.exec(select(Tag)).all())}
        assert tags["etA"].deleted_at is None
        assert tags["etUnknown"].deleted_at is not None, "it is not in the company's list"
        assert await db.read(list_by_unionid, ["u1", "U1"]) == [("u1", "wm1")]
        assert (await db.read(follow_words.list_wrong, 0, 10))[0] == []
        assert await migrate.differences(url, "main") == []
    finally:
        await db.close()


@pytest.mark.parametrize("tree", list(migrate.TREES))
def test_scripts_are_named_after_their_revisions_in_their_order(tree: migrate.Tree) -> None:
    """Whether a database is of this version is told from the names, without loading the scripts."""
    scripts = [each.revision for each in revisions.script_of(tree).walk_revisions()]
    assert migrate.revisions_of(tree) == tuple(reversed(scripts))
