"""Customer groups: our rows say who is in, since when and how, with as few fetches as the events allow."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from bot.sandbox.faults import Fault
from bot.sandbox.records import Group
from data.models import CustomerGroup, GroupMember
from data.queries import groups as group_rows
from tests.scenarios.conftest import Company

GET = "externalcontact/groupchat/get"


def list_members(session: Session, chat_id: str) -> dict[str, GroupMember]:
    """Rows of a group by person."""
    rows = session.execute(select(GroupMember).where(col(GroupMember.chat_id) == chat_id)).scalars()
    return {row.userid: row for row in rows}


async def group_of(company: Company, chat_id: str) -> CustomerGroup:
    found: CustomerGroup | None = await company.read(group_rows.find_group, chat_id)
    assert found is not None
    return found


async def inside(company: Company, chat_id: str) -> set[str]:
    """Who is in, as our rows say; checked against the local WeCom."""
    rows: dict[str, GroupMember] = await company.read(list_members, chat_id)
    ours = {userid for userid, row in rows.items() if row.left_at is None}
    assert ours == {member.userid for member in company.world.groups.get(chat_id).members}
    return ours


async def made(company: Company, **more: Any) -> Group:
    """A group that the bot knows."""
    owner = company.followers[0]
    customer = company.scan(userid=owner).follow.external_userid
    group = company.sandbox.machine.group_acts.create(owner, "会员群", [customer, *more.get("people", [])])
    await company.settle()
    return group


async def a_new_group_is_fetched(company: Company) -> None:
    group = await made(company)
    found = await group_of(company, group.chat_id)
    assert (found.name, found.owner, found.dismissed_at) == ("会员群", company.followers[0], None)
    assert len(await inside(company, group.chat_id)) == 2


async def people_who_join_and_leave_are_applied_by_version_without_a_fetch(company: Company) -> None:
    group = await made(company)
    fetches = company.calls(GET)
    people = [company.scan().follow.external_userid for _ in range(3)]
    acts = company.sandbox.machine.group_acts
    acts.join(group.chat_id, people[:2], scene=3)
    await company.settle()
    acts.join(group.chat_id, [people[2], company.followers[1]], scene=1, invitor=company.followers[0])
    await company.settle()
    acts.leave(group.chat_id, [people[0]])
    await company.settle()
    acts.leave(group.chat_id, [people[1]], kicked=True)
    await company.settle()
    assert company.calls(GET) == fetches
    rows: dict[str, GroupMember] = await company.read(list_members, group.chat_id)
    assert [rows[person].join_scene for person in people] == [3, 3, 1]
    assert [rows[person].quit_scene for person in people] == [0, 1, None]
    assert (rows[people[2]].type, rows[company.followers[1]].type) == (2, 1)
    assert people[2] in await inside(company, group.chat_id)


async def who_comes_back_is_in_again(company: Company) -> None:
    group = await made(company)
    person = company.scan().follow.external_userid
    acts = company.sandbox.machine.group_acts
    for act in (acts.join, acts.leave, acts.join):
        act(group.chat_id, [person])
        await company.settle()
    rows: dict[str, GroupMember] = await company.read(list_members, group.chat_id)
    assert (rows[person].left_at, rows[person].quit_scene) == (None, None)
    assert person in await inside(company, group.chat_id)


async def a_broken_chain_of_versions_is_mended_by_a_fetch(company: Company) -> None:
    group = await made(company)
    fetches = company.calls(GET)
    people = [company.scan().follow.external_userid for _ in range(3)]
    acts = company.sandbox.machine.group_acts
    company.sandbox.machine.faults.add(Fault(0, "callback", "drop", on="change_external_chat", count=1))
    acts.join(group.chat_id, people[:1])
    await company.settle()
    acts.join(group.chat_id, people[1:2])
    await company.settle()
    assert company.calls(GET) == fetches + 1
    assert set(people[:2]) <= await inside(company, group.chat_id)
    acts.join(group.chat_id, people[2:])
    await company.settle()
    assert company.calls(GET) == fetches + 1, "the chain holds again"
    assert set(people) <= await inside(company, group.chat_id)


async def members_of_a_group_we_never_saw_are_fetched(company: Company) -> None:
    group = next(iter(company.world.groups))
    person = company.scan().follow.external_userid
    company.sandbox.machine.group_acts.join(group.chat_id, [person])
    await company.settle()
    assert person in await inside(company, group.chat_id)


async def name_notice_and_owner_are_fetched(company: Company) -> None:
    group = await made(company, people=[company.followers[1]])
    company.sandbox.machine.group_acts.change(group.chat_id, name="新名字", notice="新公告", owner=company.followers[1])
    await company.settle()
    found = await group_of(company, group.chat_id)
    assert (found.name, found.notice, found.owner) == ("新名字", "新公告", company.followers[1])


async def a_dismissal_is_told_to_the_owner_once(company: Company) -> None:
    group = await made(company)
    company.sandbox.machine.faults.add(Fault(0, "callback", "duplicate", times=2))
    company.sandbox.machine.group_acts.dismiss(group.chat_id)
    await company.settle()
    assert (await group_of(company, group.chat_id)).dismissed_at is not None
    (alert,) = await company.alerts()
    assert (alert.kind, alert.userid) == ("group_dismissed", company.followers[0])
    assert "会员群" in alert.words
    assert "有 2 人" in alert.words


async def a_dismissal_that_a_fetch_found_first_is_told_all_the_same(company: Company) -> None:
    group = await made(company)
    now = company.bot.clock.now()
    await company.bot.db.write(group_rows.mark_dismissed, group.chat_id, now, now)
    company.sandbox.machine.group_acts.dismiss(group.chat_id)
    await company.settle()
    assert [alert.kind for alert in await company.alerts()] == ["group_dismissed"]


async def test_a_dismissal_of_a_group_we_never_saw_is_written(company: Company) -> None:
    group = next(iter(company.world.groups))
    company.sandbox.machine.group_acts.dismiss(group.chat_id)
    await company.settle()
    assert (await group_of(company, group.chat_id)).dismissed_at is not None
    assert await company.alerts() == []


async def an_event_about_a_group_that_is_gone_marks_it(company: Company) -> None:
    group = await made(company)
    company.sandbox.machine.faults.add(Fault(0, "callback", "drop", on="dismiss", count=1))
    acts = company.sandbox.machine.group_acts
    acts.change(group.chat_id, name="最后的名字")
    acts.dismiss(group.chat_id)
    await company.settle()
    assert (await group_of(company, group.chat_id)).dismissed_at is not None


async def test_who_is_in_a_group(company: Company) -> None:
    await company.each(
        a_new_group_is_fetched,
        people_who_join_and_leave_are_applied_by_version_without_a_fetch,
        who_comes_back_is_in_again,
        a_broken_chain_of_versions_is_mended_by_a_fetch,
        members_of_a_group_we_never_saw_are_fetched,
        name_notice_and_owner_are_fetched,
        a_dismissal_is_told_to_the_owner_once,
        a_dismissal_that_a_fetch_found_first_is_told_all_the_same,
        an_event_about_a_group_that_is_gone_marks_it,
    )
