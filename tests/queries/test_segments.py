"""What the compiled SQL finds is what the tree means, on both databases and however it is asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select
from sqlmodel import Session

from data.db import Database
from data.models import (
    Birthday,
    Customer,
    CustomerField,
    CustomerGroup,
    Department,
    FieldDefinition,
    Follow,
    FollowTag,
    FormAnswer,
    FormRow,
    GroupMember,
    Link,
    LinkClick,
    MomentReaction,
    Order,
    Preference,
    Roster,
    RosterMember,
    Staff,
    Tag,
    Touch,
)
from data.queries import follow_facts, segment_estimates
from data.queries import segments as rows
from data.queries.segment_sql import counted, selected
from data.queries.segment_terms import F
from data.rules.problems import InvalidRuleError, parse
from data.rules.segments import Node, Segment
from tests.facts import settle
from tests.queries import segment_meaning as meaning
from tests.queries import segment_world as world_of
from tests.queries.segment_world import NOW, ZONE, World

#: Without shrinking, which would fill the databases for minutes.
Settings = settings(
    phases=(Phase.explicit, Phase.reuse, Phase.generate), max_examples=15, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)  # fmt: skip
FILLED = (
    Follow,
    FollowTag,
    Customer,
    Order,
    Touch,
    LinkClick,
    MomentReaction,
    RosterMember,
    GroupMember,
    Birthday,
    CustomerField,
    Preference,
    FormAnswer,
)
FORMS = {"taste": 1, "gift": 2}


def tree_of(source: Any) -> Node:
    return parse(Segment, {"name": "x", "definition": source}).definition


@pytest.fixture
async def company(db: Database) -> Database:
    """What every world shares: staff, departments, tags, groups and fields."""
    await db.write(_make_company)
    return db


def _make_company(session: Session) -> None:
    session.add_all(
        Department(id=each, parent_id=above, leader_userids=[]) for each, above in world_of.DEPARTMENTS.items()
    )
    session.add(Department(id=5, parent_id=1, leader_userids=[], gone_at=NOW))
    session.add_all(
        Staff(userid=userid, department_ids=department_ids, seen_at=NOW)
        for userid, department_ids in world_of.STAFF.items()
    )
    session.add_all(Tag(tag_no=number, tag_id=f"t{number}", group_id="g", name="n") for number in (1, 2, 3))
    session.add(Tag(tag_no=9, tag_id=world_of.GONE_TAG, group_id="g", name="n", deleted_at=NOW))
    session.add_all(
        Link(id=each, code=f"c{each}", name=f"n{each}", url="https://a", made_by="test", made_at=NOW) for each in (1, 2)
    )
    questions = [{"key": "tea", "title": "?", "ask": "text"}]
    session.add_all(
        FormRow(
            id=number, name=name, definition={"name": name, "title": "?", "questions": questions}, link_id=0,
            made_by="test", made_at=NOW,
        )
        for name, number in FORMS.items()
    )  # fmt: skip
    session.add_all(Roster(id=each, name="n", made_by="test", begun_at=NOW, made_at=NOW) for each in (1, 2))
    session.add(Roster(id=9, name="being written", made_by="test", begun_at=NOW))
    session.add_all(CustomerGroup(chat_id=chat_id) for chat_id in world_of.CHATS)
    session.add(CustomerGroup(chat_id=world_of.GONE_CHAT, dismissed_at=NOW))
    session.add_all(
        FieldDefinition(name=name, kind=kind, created_at=NOW) for name, kind in world_of.FIELDS.items()
    )  # fmt: skip


def fill(session: Session, world: World) -> None:
    """Make the tables hold exactly this world."""
    made: dict[Any, list[dict[str, Any]]] = {model: [] for model in FILLED}
    for follow in world.follows:
        made[Follow].append(
            {name: value for name, value in follow.items() if name != "tag_ids"}
            | {"remark_mobiles": [], "changed_at": NOW}
        )
        live = follow["status"] == "present"
        made[FollowTag] += [
            {"follow_id": follow["id"], "tag_no": int(tag[1]), "live": live} for tag in follow["tag_ids"]
        ]
    for whose, customer in world.customers.items():
        key = {"external_userid": whose}
        made[Customer].append({**key, "gender": customer["gender"], "type": customer["type"], "first_seen_at": NOW})
        made[Order] += [
            {
                **key,
                **order,
                "source": "s",
                "number": f"{whose}{number}",
                "items": [],
                "received_at": NOW,
                "changed_at": NOW,
            }
            for number, order in enumerate(customer["orders"])
        ]
        made[Touch] += [
            {**key, **touch, "origin": f"{whose}{number}", "kind": "broadcast"}
            for number, touch in enumerate(customer["touches"])
        ]
        made[RosterMember] += [{**key, "roster_id": roster_id} for roster_id in customer["rosters"]]
        made[FormAnswer] += [
            {**key, "form_id": FORMS[name], "version": 1, "page_key": "p", "answered_at": at, "put_on": [],
             "take_off": [], "answers": [{"key": each, "title": "?", "value": said} for each, said in answers.items()]}
            for name, sent in customer["forms"].items()
            for at, answers in sent
        ]  # fmt: skip
        made[LinkClick] += [
            {**key, "link_id": link_id, "run_id": 0, "first_at": at, "last_at": at}
            for link_id, at in customer["links"].items()
        ]
        made[GroupMember] += [
            {"chat_id": chat_id, "userid": whose, "joined_at": customer["joined"], "left_at": None if inside else NOW}
            for chat_id, inside in customer["groups"].items()
        ]
        made[MomentReaction] += [
            {**key, "run_id": 1, "userid": "bo", "kind": "like", "reacted_at": at} for at in customer["reactions"]
        ]
        if customer["birthday"]:
            made[Birthday].append({**key, **customer["birthday"], "changed_at": NOW})
        for name, value in customer["fields"].items():
            stored = {"text": str(value)} if name in ("city", "due") else {"number": float(value)}
            made[CustomerField].append({"text": None, "number": None, **key, "name": name, **stored, "changed_at": NOW})
        if customer["preference"]:
            opted_out_at, paused_until = customer["preference"]
            made[Preference].append(
                {**key, "opted_out_at": opted_out_at, "paused_until": paused_until, "changed_at": NOW}
            )
    for model, told in made.items():
        session.execute(delete(model))
        if told:
            session.execute(insert(model), told)
    follow_facts.mend(session, [(follow["id"], follow["external_userid"]) for follow in world.follows])


def found_in_every_way(session: Session, tree: Node) -> list[set[int]]:
    """The ids that each way of asking finds."""
    plan = rows.plan_segment(session, tree, NOW, ZONE)
    ids = F.c.id
    ways = [selected(each, ids) for each in (plan, replace(plan, leader=None, few=False), replace(plan, few=True))]
    if plan.leader is not None:
        ways.append(selected(plan, ids, in_order=True))
    ways.append(selected(plan, ids, within=(0, 1000)))
    found = [set(session.execute(way).scalars()) for way in ways]
    for follow_id in session.execute(select(ids)).scalars():
        assert rows.matches(session, tree, NOW, ZONE, follow_id) == (follow_id in found[0])
        assert rows.explain(session, tree, NOW, ZONE, follow_id).matches == (follow_id in found[0])
    assert rows.count(session, tree, NOW, ZONE) == len(found[0])
    assert session.execute(counted(replace(plan, few=not plan.few))).scalar_one() == len(found[0])
    assert {each.follow_id for each in rows.sample(session, tree, NOW, ZONE, 99, seed=3)} == found[0]
    return found


@Settings
@given(world=world_of.worlds(), sources=st.lists(world_of.trees(), min_size=1, max_size=8))
@pytest.mark.slow
async def test_the_sql_finds_what_the_tree_means(company: Database, world: World, sources: list[Any]) -> None:
    await company.write(fill, world)
    for source in sources:
        try:
            tree = tree_of(source)
        except InvalidRuleError:
            continue
        wanted = meaning.expected(source, world)
        for found in await company.read(found_in_every_way, tree):
            assert found == wanted, source
        customers = {follow["external_userid"] for follow in world.follows if follow["id"] in wanted}
        assert await company.read(rows.count, tree, NOW, ZONE, customers=True) == len(customers)
        whose = [each["external_userid"] for each in world.follows if each["id"] in wanted and each["userid"] == "bo"]
        assert await company.read(rows.count_both, tree, NOW, ZONE, {"bo"}) == (len(whose), len(set(whose)))
        assert await company.read(rows.count_both, tree, NOW, ZONE, set()) == (0, 0)


async def test_an_estimate_of_all_is_the_count(company: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill_many(session: Session) -> None:
        for number in range(1, 401):
            session.add(
                Follow(
                    id=number, userid="bo" if number % 3 else "cy", external_userid=f"w{number}", status="present",
                    add_way=1 + number % 2, changed_at=NOW, added_at=NOW,
                )
            )  # fmt: skip

    await company.write(fill_many)
    wanted = tree_of({"add_way": {"add_ways": [2]}})
    estimated = partial(segment_estimates.estimate, tree=wanted, now=NOW, zone=ZONE)
    assert await company.read(estimated) is None, "so few are counted"
    monkeypatch.setattr(segment_estimates, "COUNTED", 20)
    monkeypatch.setattr(segment_estimates, "STRETCH_IDS", 10)
    assert await company.read(estimated) == 200
    assert await company.read(partial(estimated, userids={"bo", "cy"})) == 200
    assert await company.read(partial(estimated, userids=set())) is None
    monkeypatch.setattr(segment_estimates, "STRETCH_IDS", 5)
    assert 150 <= (await company.read(estimated) or 0) <= 250


@Settings
@given(world=world_of.worlds(), leaf=world_of.leaves(), negated=st.booleans())
async def test_every_leaf_finds_what_it_means(company: Database, world: World, leaf: Any, negated: bool) -> None:
    source = {"not": leaf} if negated else leaf
    try:
        tree = tree_of(source)
    except InvalidRuleError:
        assume(False)
    await company.write(fill, world)
    for found in await company.read(found_in_every_way, tree):
        assert found == meaning.expected(source, world)
    told = await company.read(rows.explain, tree, NOW, ZONE, 1)
    assert next(iter(told.holds.values())) == meaning.holds(source, world.follows[0], world)


@given(source=world_of.trees())
def test_a_tree_comes_back_from_json_as_it_was(source: Any) -> None:
    try:
        tree = tree_of(source)
    except InvalidRuleError:
        return
    again = tree_of(tree.model_dump(mode="json"))
    assert again == tree
    assert again.model_dump_json() == tree.model_dump_json()


def _make_many(session: Session, many: int) -> None:
    session.execute(
        insert(Follow),
        [
            {
                "userid": "bo",
                "external_userid": f"wm{number:05}",
                "status": "present",
                "remark_mobiles": [],
                "changed_at": NOW,
            }
            for number in range(many)
        ],
    )


def _change_while_reading(session: Session, turn: int) -> None:
    """Some end, some are made."""
    session.execute(delete(Follow).where(F.c.id % 7 == turn % 7, F.c.id > 40))
    session.add(Follow(userid="cy", external_userid=f"new{turn}", status="present", changed_at=NOW))


async def test_every_follow_is_visited_once_while_rows_change(
    company: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "CHUNK_ROWS", 10)
    monkeypatch.setattr(rows, "_NEXT_END", rows.next_end_of(10))
    await company.write(_make_many, 100)
    visited: list[int] = []
    async for part in rows.iterate(company, tree_of({"all": []}), NOW, ZONE):
        assert len(part) <= 10
        visited += [each.follow_id for each in part]
        await company.write(_change_while_reading, len(visited))
    assert len(visited) == len(set(visited))
    assert visited == sorted(visited)
    assert max(visited) <= 100, "what was made meanwhile is not visited"
    assert set(visited) >= await company.read(_old_ids), "what was there all the time is"


def _old_ids(session: Session) -> set[int]:
    return set(session.execute(select(F.c.id).where(F.c.id <= 100)).scalars())


async def test_a_page_goes_from_the_newest_to_the_oldest(
    company: Database, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    await company.write(_make_many, 25)
    await company.write(_tag_some)
    tag, other = {"tags": {"tag_ids": ["t1"]}}, {"tags": {"tag_ids": ["t2"]}}
    staff = {"staff": {"userids": ["BO"]}}
    trees: tuple[Any, ...] = (
        staff,
        tag,
        {"all": [tag, {"not": other}]},
        {"all": [tag, staff]},
        {"any": [tag, staff]},
        {"all": []},
    )
    for looked_at in (rows.LOOKED_AT, 3):
        monkeypatch.setattr(rows, "LOOKED_AT", looked_at)
        for tree in map(tree_of, trees):
            every = {each.follow_id async for part in rows.iterate(company, tree, now, ZONE) for each in part}
            first = await company.read(rows.list_page, tree, now, ZONE, limit=7)
            second = await company.read(rows.list_page, tree, now, ZONE, limit=50, before_id=first[-1]["id"])
            assert [each["id"] for each in first + second] == sorted(every, reverse=True)
            theirs = await company.read(rows.list_newest, tree, now, ZONE, limit=50, userids={"bo"})
            assert set(theirs) == every & await company.read(_ids_of_bo)
            assert theirs == sorted(theirs, reverse=True)


def _tag_some(session: Session) -> None:
    """Tags on every third and every ninth."""
    for tag_no, every in ((1, 3), (2, 9)):
        for follow_id in session.execute(select(F.c.id).where(F.c.id % every == 0)).scalars().all():
            session.add(FollowTag(follow_id=follow_id, tag_no=tag_no, live=True))
    settle(session)


def _ids_of_bo(session: Session) -> set[int]:
    return set(session.execute(select(F.c.id).where(F.c.userid == "bo")).scalars())
