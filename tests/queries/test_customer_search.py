"""Customers are found by any part of what they are called, whoever writes it and however it changes."""

from __future__ import annotations

import random
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session, select

from data.db import Database
from data.models import Customer, Follow, FollowMobile, FollowStatus
from data.queries import customer_search as rows
from data.queries import customers, erasures, follow_words, import_facts, sync_pages
from data.queries.unionids import list_by_unionid
from data.rules.grams import searchable
from data.rules.import_plans import Contact
from data.rules.imports import Given
from tests.facts import settle

#: external_userid, name, remark, userid, mobile
PEOPLE = (
    ("w1", "王芳", "", "ann", "13800001234"), ("w2", "小王芳芳", "VIP_客户", "ann", ""),
    ("w3", "李雷", "原名王芳", "bo", "5123"),
    ("w4", "50%_off\\", "", "bo", "02100001234"), ("w5", "", "", "cy", ""), ("w6", "Ｏ'Neil \"x\" - y", "", "cy", "9"),
)  # fmt: skip
SOUGHT: tuple[tuple[str, frozenset[str] | None, set[str]], ...] = (
    ("王芳", None, {"w1", "w2", "w3"}),
    ("王芳", frozenset({"ann"}), {"w1", "w2"}),
    ("王芳", frozenset(), set()),
    ("芳", None, {"w1", "w2", "w3"}),
    ("芳", frozenset({"bo", "cy"}), {"w3"}),
    ("vip_", None, {"w2"}),
    ("ｖＩp", None, {"w2"}),
    ("%_off\\", None, {"w4"}),
    ("%", None, {"w4"}),
    ("o'neil  \"X", None, {"w6"}),
    ("-", None, {"w6"}),
    ("*", None, set()),
    ("1234", None, {"w1", "w4"}),
    ("1234", frozenset({"bo"}), {"w4"}),
    ("138 0000-1234", None, {"w1"}),
    ("5123", None, {"w3"}),
    ("234", None, set()),
    ("w5", None, {"w5"}),
    ("没有", None, set()),
    (" ", None, set()),
)


def fill(session: Session, now: datetime, people: Collection[tuple[str, str, str, str, str]]) -> None:
    for whose, name, remark, userid, mobile in people:
        session.add(Customer(external_userid=whose, name=name, first_seen_at=now))
        follow = Follow(userid=userid, external_userid=whose, status="present", remark=remark, changed_at=now)
        session.add(follow)
        session.flush()
        if mobile:
            session.add(FollowMobile(mobile=mobile, follow_id=follow.id or 0))
    settle(session)


async def test_a_search_finds_what_is_there(db: Database, now: datetime) -> None:
    await db.write(fill, now, PEOPLE)

    def read(session: Session) -> None:
        whose = {each.id: each.external_userid for each in session.exec(select(Follow))}
        for wanted, userids, found in SOUGHT:
            ids = rows.search(session, wanted, userids)
            assert {whose[each] for each in ids} == found, wanted
            assert ids == sorted(ids, reverse=True)
        assert [whose[each] for each in rows.search(session, "芳", None, 2)] == ["w3", "w2"]

    await db.read(read)


#: So few that names have much in common: marks that the databases' own languages know, and what changes when folded.
CHARS = "王芳aA1-_'\"*&|:%\\ \u3000ｖßİ·ﬁ🎉\ue020"
#: Either the names lead, or the follows of members who have so few.
LEADERS = {"names": rows.COUNTED, "follows": 0}


@pytest.mark.first_case_on_both
@pytest.mark.parametrize("leader", LEADERS)
async def test_the_answer_is_that_of_a_plain_search_for_part_of_a_text(
    db: Database, now: datetime, monkeypatch: pytest.MonkeyPatch, leader: str
) -> None:
    monkeypatch.setattr(rows, "COUNTED", LEADERS[leader])
    monkeypatch.setattr(import_facts, "PER_NAME", 2)
    draw = random.Random(leader)

    def some(longest: int) -> str:
        return "".join(draw.choices(CHARS, k=draw.randint(0, longest)))

    people = [(f"w{number}", some(6), some(5), draw.choice("xyz"), "") for number in range(60)]
    wanted = {*CHARS, *(some(3) for _ in range(40)), *(name[1:4] for _, name, *_ in people)}
    await db.write(fill, now, people)

    def plain(text: str, userids: Collection[str]) -> set[str]:
        part = searchable(text)
        return {
            whom
            for whom, name, remark, userid, _ in people
            if part and userid in userids and (part in searchable(name) or part in searchable(remark))
        }

    def whole(name: str, userids: Collection[str]) -> list[Contact]:
        called = [[person for person in people if person[which] == name] for which in (1, 2)]
        rare = [person for some in called if len(some) <= import_facts.PER_NAME for person in some]
        return sorted({Contact(whom, userid) for whom, _, _, userid, _ in rare if userid in userids})

    def read(session: Session) -> None:
        whose = {each.id: each.external_userid for each in session.exec(select(Follow))}
        for text_ in wanted:
            for userids in (None, {"x"}, {"y", "z"}):
                found = {whose[each] for each in rows.find_by_words(session, text_, userids)}
                assert found == plain(text_, userids or "xyz"), (text_, userids)
        for name in {text_ for person in people for text_ in person[1:3] if searchable(text_)}:
            for userids in (None, {"x", "y"}):
                given = [Given(name="nobody"), Given(name=name)]
                nobody, found_so = import_facts.find_candidates(session, given, userids)
                assert nobody.by_name == []
                assert sorted(found_so.by_name) == whole(name, userids or "xyz"), (name, userids)

    await db.read(read)


def told(name: str, remark: str, at: datetime, userid: str = "ann", **more: Any) -> dict[str, Any]:
    """A record of a page of the sync."""
    follow = {"userid": userid, "remark": remark, "createtime": int(at.timestamp()), "tag_id": [], **more}
    return {"external_contact": {"external_userid": "wm1", "name": name, "type": 1}, "follow_info": follow}


@pytest.mark.first_case_on_both
@pytest.mark.parametrize("_", ["everything"])
async def test_whoever_writes_a_name_lets_the_customer_be_found_by_it(db: Database, now: datetime, _: str) -> None:
    before, after = now - timedelta(hours=2), now + timedelta(hours=2)

    def apply(session: Session, userid: str, record: dict[str, Any], at: datetime) -> None:
        listed, problems = sync_pages.read_page(userid, [record], at)
        assert problems == []
        sync_pages.apply_listed(session, listed, {}, at)

    async def finds(**wanted: int) -> None:
        def read(session: Session) -> dict[str, int]:
            assert follow_words.list_wrong(session, 0, 100)[0] == []
            return {text_: len(rows.search(session, text_)) for text_ in wanted}

        assert await db.read(read) == wanted

    await db.write(apply, "ann", told("王芳", "小芳", before, remark_corp_name="百草堂"), before)
    await finds(王芳=1, 小芳=1, 草堂=1)
    await db.write(apply, "ann", told("王芳芳", "小芳", before), before)
    await finds(王芳=1, 芳芳=1, 草堂=0)
    await db.write(apply, "bo", told("李雷", "雷子", before, "bo"), now)
    await finds(王芳=0, 李雷=2, 雷子=1, 小芳=1)
    add: Any = {"state": "", "half": False, "inherited": False, "event_at": now, "now": now}
    await db.write(customers.record_add, "cy", "wm1", **add)
    await db.write(customers.record_end, "dan", "wm1", FollowStatus.DELETED_BY_STAFF, event_at=now, now=now)
    await finds(李雷=4)
    fetched: Any = [
        {"userid": "cy", "remark": "西西", "createtime": 1},
        {"userid": "bo", "remark": "雷子", "createtime": 1},
    ]
    contact = {"external_userid": "wm1", "name": "韩梅", "type": 2, "corp_name": "一中"}
    await db.write(customers.apply_fetched, contact, fetched, asked_at=after, now=after)
    await finds(李雷=0, 韩梅=4, 一中=4, 西西=1, 雷子=1)
    await db.write(customers.record_remark, "bo", "wm1", "老韩", "", [], after)
    await finds(雷子=0, 老韩=1)
    await db.write(erasures.begin_erasure, "wm1", "admin", after)
    await finds(韩梅=0, 一中=0, 老韩=0, 西西=0)
    if db.dialect == "sqlite":
        await db.write(follow_words.forget_gone, first=True)
        while await db.write(follow_words.forget_gone, first=False):
            pass
        kept = await db.read(
            lambda session: session.execute(text("SELECT block FROM follow_grams_data")).scalars().all()
        )
        assert not any("韩".encode() in block for block in kept)


@pytest.mark.first_case_on_both
@pytest.mark.parametrize("_", ["everything"])
async def test_customers_are_found_by_the_very_unionid_and_no_part_of_it(db: Database, now: datetime, _: str) -> None:
    unionids = ["oAAA-1234567890_x", "oBBB-1234567890_x", "oBBB-1234567890_X", "o", '-"*', "王芳"]
    people = [(f"w{number}", unionid, "ann") for number, unionid in enumerate([*unionids, unionids[0], ""])]

    def list_(session: Session, people: Collection[tuple[str, str, str]]) -> None:
        contacts = [
            {"external_contact": {"external_userid": whom, "name": "名", "type": 1, "unionid": unionid},
             "follow_info": {"userid": userid, "createtime": 1, "tag_id": []}}
            for whom, unionid, userid in people
        ]  # fmt: skip
        listed, problems = sync_pages.read_page("ann", contacts, now)
        assert problems == []
        sync_pages.apply_listed(session, listed, {}, now)

    async def finds(expected: list[tuple[str, str]]) -> None:
        assert (await db.read(follow_words.list_wrong, 0, 100))[0] == []
        assert sorted(await db.read(list_by_unionid, [*unionids, "", "oNobody", "O"])) == sorted(expected)
        for text_ in ("1234567890", "oA", "王芳", "-", "o"):
            assert await db.read(rows.search, text_) == []

    await db.write(list_, people)
    everybody = [(unionid, whom) for whom, unionid, _ in people if unionid]
    await finds(everybody)
    await db.write(list_, [("w0", "oOther", "ann")])  # as after the company's open platform has changed
    await finds([each for each in everybody if each[1] != "w0"])
    contact = {"external_userid": "w8", "name": "名", "type": 1, "unionid": unionids[1]}
    told_of = [{"userid": "ann", "createtime": 1}]
    await db.write(customers.apply_fetched, contact, told_of, asked_at=now, now=now)
    await db.write(erasures.begin_erasure, "w1", "admin", now)
    await finds([*(each for each in everybody if each[1] not in ("w0", "w1")), (unionids[1], "w8")])
