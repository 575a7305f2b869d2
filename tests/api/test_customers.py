"""Customers through the API: page by page with filters, and one in full."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlmodel import Session

from data.models import Customer, CustomerGroup, Follow, FollowTag, GroupMember, Tag, TagGroup
from data.queries import customer_lists as rows
from tests.api.conftest import Caller
from tests.facts import settle

STATUSES = ("present", "present", "deleted_by_customer", "half", "out_of_sight")


async def furnish(caller: Caller) -> None:
    """Forty customers of two members; the tag t1 is on every third, t2 on one."""
    # Reading WeCom's tags takes those off everybody that it does not have.
    await caller.read_directory()
    now = caller.bot.clock.now()

    def add(session: Session) -> None:
        session.add(TagGroup(group_id="g", name="等级"))
        session.add(Tag(tag_no=901, tag_id="t1", group_id="g", name="金"))
        session.add(Tag(tag_no=902, tag_id="t2", group_id="", name=""))
        for n in range(40):
            whom = f"wm{n:02}"
            session.add(Customer(external_userid=whom, name=f"客{n}", first_seen_at=now))
            for userid in ("lin", "bo") if n % 2 else ("lin",):
                follow = Follow(
                    userid=userid, external_userid=whom, status=STATUSES[n % 5], changed_at=now - timedelta(days=n),
                    remark_mobiles=["138"],
                )  # fmt: skip
                session.add(follow)
                session.flush()
                assert follow.id is not None
                if n % 3 == 0:
                    session.add(FollowTag(follow_id=follow.id, tag_no=901, live=True))
                if n == 7:
                    session.add(FollowTag(follow_id=follow.id, tag_no=902, live=True))
        session.add(Customer(external_userid="wm99", first_seen_at=now))
        session.add(CustomerGroup(chat_id="wr1", name="茶友"))
        session.add(GroupMember(chat_id="wr1", userid="wm07", joined_at=now))
        settle(session)

    await caller.bot.db.write(add)


async def walk(caller: Caller, query: str = "") -> list[dict[str, Any]]:
    """All pages."""
    found: list[dict[str, Any]] = []
    after = ""
    while True:
        status, told = await caller.call("GET", f"/customers?limit=7&after={after}{query}")
        assert status == 200
        found += told["items"]
        if told["next_after"] is None:
            return found
        after = told["next_after"]


def numbers(found: list[dict[str, Any]]) -> list[int]:
    return [int(each["external_userid"][2:]) for each in found]


async def test_pages_hold_every_customer_once(caller: Caller) -> None:
    await furnish(caller)
    assert numbers(await walk(caller)) == [*range(40), 99]


async def test_filters_hold_together_whichever_way_they_are_looked_up(caller: Caller, monkeypatch: Any) -> None:
    await furnish(caller)
    since = (caller.bot.clock.now() - timedelta(days=9, hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    wanted = {
        "&userid=bo": [n for n in range(40) if n % 2],
        "&userid=bo&status=present&tag_id=t1": [n for n in range(40) if n % 2 and n % 5 < 2 and n % 3 == 0],
        "&status=half": [n for n in range(40) if n % 5 == 3],
        "&status=present": [n for n in range(40) if n % 5 < 2],
        "&tag_id=t1": [n for n in range(40) if n % 3 == 0],
        "&tag_id=t1&status=out_of_sight": [n for n in range(40) if n % 3 == 0 and n % 5 == 4],
        "&tag_id=t2": [7],
        "&tag_id=nothing": [],
        "&q=%E5%AE%A21": [1, *range(10, 20)],
        "&q=%E5%AE%A21&userid=bo&status=present": [n for n in (1, *range(10, 20)) if n % 2 and n % 5 < 2],
        "&q=wm07&tag_id=t2": [7],
        f"&changed_since={since}": list(range(10)),
        f"&changed_since={since}&tag_id=t1": [0, 3, 6, 9],
    }
    for few in (10_000, 0):
        monkeypatch.setattr(rows, "FEW", few)
        for query, expected in wanted.items():
            assert numbers(await walk(caller, query)) == expected, (few, query)


async def test_one_customer_in_full(caller: Caller) -> None:
    await furnish(caller)
    await caller.call("PUT", "/customers/wm07/fields", {"birthday": "1990-08-15"})
    order = {"source": "shop", "number": "A", "status": "paid", "amount_fen": 9900, "external_userid": "wm07",
             "placed_at": "2026-03-04T10:00:00+08:00"}  # fmt: skip
    await caller.call("POST", "/orders", order)
    status, told = await caller.call("GET", "/customers/wm07")
    assert status == 200
    assert told["name"] == "客7"
    assert [each["userid"] for each in told["follows"]] == ["lin", "bo"]
    assert told["follows"][0]["tags"] == [{"tag_id": "t2", "name": "", "group_name": ""}]
    assert [(each["chat_id"], each["name"]) for each in told["groups"]] == [("wr1", "茶友")]
    assert told["fields"]["birthday"]["month"] == 8
    assert told["orders"] == {
        "orders": 1, "paid_orders": 1, "paid_amount_fen": 9900, "last_placed_at": "2026-03-04T02:00:00Z",
    }  # fmt: skip
    assert (await caller.call("GET", "/customers/wm99"))[1]["fields"] == {}


async def test_a_filter_that_means_nothing_is_refused(caller: Caller) -> None:
    for query in ("status=gone", "limit=0", "changed_since=yesterday", "colour=red", "after=" + "x" * 65):
        assert (await caller.call("GET", f"/customers?{query}"))[0] == 422, query
