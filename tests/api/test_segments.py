"""Segments through the API: kept, counted, looked into and explained."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert
from sqlmodel import Session

from data.models import Follow, FollowTag, Tag
from tests.api.conftest import Caller
from tests.facts import settle

AT = datetime(2026, 1, 1, tzinfo=UTC)
TAGGED: dict[str, Any] = {"name": "贵宾", "definition": {"tags": {"tag_ids": ["seg1"]}}}


def make_follows(session: Session) -> None:
    """Five customers of one member; four tagged, of whom one was lost."""
    session.add(Tag(tag_no=9001, tag_id="seg1", group_id="g", name="贵宾"))
    session.flush()
    for number in range(5):
        status = "deleted_by_customer" if number == 3 else "present"
        follow = {
            "id": 9000 + number, "userid": "seg", "external_userid": f"wmseg{number}", "status": status,
            "remark_mobiles": [], "added_at": AT, "changed_at": AT,
        }  # fmt: skip
        session.execute(insert(Follow), [follow])
        if number < 4:
            session.add(FollowTag(follow_id=9000 + number, tag_no=9001, live=status == "present"))
    settle(session)


async def test_a_segment_is_kept_counted_listed_changed_and_removed(caller: Caller) -> None:
    await caller.read_directory()  # a tag that WeCom does not know would be gone with it
    await caller.bot.db.write(make_follows)
    status, made = await caller.call("POST", "/segments", {**TAGGED, "id": 77})
    assert status == 201
    assert made["id"] != 77
    path = f"/segments/{made['id']}"
    assert await caller.call("GET", path) == (200, made)
    assert (await caller.call("GET", "/segments"))[1]["items"] == [made]
    assert await caller.call("GET", f"{path}/count") == (200, {"follows": 3})
    assert await caller.call("GET", f"{path}/count?customers=true") == (200, {"customers": 3})

    _, page = await caller.call("GET", f"{path}/customers?limit=2")
    assert [each["external_userid"] for each in page["items"]] == ["wmseg2", "wmseg1"]
    _, rest = await caller.call("GET", f"{path}/customers?limit=2&before_id={page['next_before_id']}")
    assert [each["external_userid"] for each in rest["items"]] == ["wmseg0"]
    assert rest["next_before_id"] is None

    lost = {"all": [TAGGED["definition"], {"status": {"statuses": ["deleted_by_customer"]}}]}
    status, changed = await caller.call("PATCH", path, {"definition": lost})
    assert (status, changed["name"]) == (200, "贵宾")
    assert await caller.call("GET", f"{path}/count") == (200, {"follows": 1})
    status, told = await caller.call("POST", "/segments", TAGGED)
    assert (status, told["error"]["code"]) == (409, "conflict")
    assert (await caller.call("PUT", path, {**TAGGED, "name": "新名"}))[1]["name"] == "新名"
    assert (await caller.call("DELETE", path))[0] == 200
    assert (await caller.call("GET", path))[0] == 404


async def test_what_is_not_there_is_refused_by_its_path_when_saved_and_when_tried(caller: Caller) -> None:
    definition = {"all": [{"all": []}, {"any": [{"tags": {"tag_ids": ["nobody"]}}]}]}
    for call in (
        ("/segments", {"name": "x", "definition": definition}),
        ("/segments/count", {"definition": definition}),
    ):
        status, told = await caller.call("POST", *call)
        assert status == 422
        assert [each["path"] for each in told["error"]["problems"]] == ["definition.all[1].any[0].tags.tag_ids"]
    status, told = await caller.call("POST", "/segments/count", {"definition": {"not": {"touches": {"at_least": "x"}}}})
    assert [each["path"] for each in told["error"]["problems"]] == ["definition.not.touches.at_least"]


async def test_a_tag_that_vanishes_leaves_nobody_rather_than_everybody(caller: Caller) -> None:
    await caller.read_directory()  # a tag that WeCom does not know would be gone with it
    await caller.bot.db.write(make_follows)
    _, without = await caller.call(
        "POST", "/segments", {"name": "没有", "definition": {"all": [{"not": TAGGED["definition"]},
                                                                  {"channel": {"state_prefixes": ["s"]}}]}}
    )  # fmt: skip
    _, made = await caller.call("POST", "/segments", {"name": "反", "definition": {"not": TAGGED["definition"]}})
    assert (await caller.call("GET", f"/segments/{made['id']}/count"))[1] == {"follows": 1}

    def vanish(session: Session) -> None:
        session.get_one(Tag, 9001).deleted_at = AT

    await caller.bot.db.write(vanish)
    assert (await caller.call("GET", f"/segments/{made['id']}/count"))[1] == {"follows": 0}
    asked = {"userid": "seg", "external_userid": "wmseg4", "segment_id": without["id"]}
    _, told = await caller.call("POST", "/segments/explain", asked)
    assert told == {
        "matches": False, "status": "present", "must_be_present": True,
        "nodes": [
            {"path": "definition", "holds": False},
            {"path": "definition.all[0]", "holds": None},
            {"path": "definition.all[0].not.tags", "holds": None},
            {"path": "definition.all[1].channel", "holds": False},
        ],
    }  # fmt: skip


async def test_explaining_asks_for_one_segment_and_a_pair_that_there_is(caller: Caller) -> None:
    await caller.read_directory()  # a tag that WeCom does not know would be gone with it
    await caller.bot.db.write(make_follows)
    pair = {"userid": "seg", "external_userid": "wmseg3"}
    _, told = await caller.call("POST", "/segments/explain", {**pair, "definition": TAGGED["definition"]})
    assert (told["matches"], told["status"], told["nodes"][0]["holds"]) == (False, "deleted_by_customer", True)
    assert (await caller.call("POST", "/segments/explain", pair))[0] == 422
    unknown = {"userid": "seg", "external_userid": "wm9", "definition": {"all": []}}
    assert (await caller.call("POST", "/segments/explain", unknown))[0] == 404
