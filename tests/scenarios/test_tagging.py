"""Tag rules put tags on and take them off through WeCom; our rows follow what WeCom accepted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bot.sandbox.faults import Fault
from bot.sandbox.people import Added
from data.queries import events as event_rows
from data.queries import follow_tags as mark_rows
from data.queries import tags as tag_rows
from tests.scenarios.conftest import Company

MARK = "externalcontact/mark_tag"
GET = "externalcontact/get"


async def tags_of(company: Company, added: Added) -> set[str]:
    """What the customer wears: in the local WeCom and in our rows, which must agree."""
    pair = added.follow.userid, added.follow.external_userid
    follow = company.world.customers.find_follow(*pair)
    assert follow is not None
    ours = set(await company.read(mark_rows.list_tag_ids, *pair))
    assert ours == set(follow.tag_ids)
    return ours


async def outcome_of(company: Company, handler: str) -> dict[str, Any]:
    """The newest outcome of a handler."""
    for event in await company.bot.inbox.db.read(event_rows.list_events):
        for outcome in event["outcomes"]:
            if outcome["handler"] == handler:
                found: dict[str, Any] = outcome
                return found
    raise AssertionError(f"{handler} has no outcome")


async def a_channel_puts_its_tags_on_and_the_record_says_which_rule(company: Company) -> None:
    first, second = company.tag_ids[:2]
    await company.add_tag_rule(name="海报", put_on=[first], conditions={"states": ["store_poster"]})
    await company.add_tag_rule(name="直播", put_on=[second], conditions={"states": ["live_room"]})
    added = company.scan("store_poster")
    await company.settle()
    assert await tags_of(company, added) == {first}
    outcome = await outcome_of(company, "tagging.on_added")
    assert outcome["status"] == "done"
    assert "海报" in str(outcome["detail"])


async def a_half_added_customer_is_tagged_when_confirmed(company: Company) -> None:
    tag = company.tag_ids[0]
    await company.add_tag_rule(name="全部", put_on=[tag])
    added = company.scan(flow="half")
    await company.settle()
    assert company.calls(MARK) == 0
    company.people.confirm(added.follow.userid, added.follow.external_userid)
    await company.settle()
    assert await tags_of(company, added) == {tag}


async def a_tag_by_the_way_of_adding(company: Company) -> None:
    tag = company.tag_ids[0]
    await company.add_tag_rule(name="名片", put_on=[tag], conditions={"add_ways": [3]})
    by_card = company.people.add(company.followers[0], add_way=3, by_staff=False)
    by_phone = company.people.add(company.followers[0], add_way=2, by_staff=False)
    await company.settle()
    assert (await tags_of(company, by_card), await tags_of(company, by_phone)) == ({tag}, set())


async def a_tag_by_department_counts_the_departments_above(company: Company) -> None:
    member = company.world.directory.get(company.followers[0])
    department = member.department[0]
    parent = company.world.directory.departments[department].parentid
    below, above, elsewhere = company.tag_ids[:3]
    await company.add_tag_rule(name="部门", put_on=[below], conditions={"department_ids": [department]})
    await company.add_tag_rule(name="上级", put_on=[above], conditions={"department_ids": [parent or department]})
    await company.add_tag_rule(name="别处", put_on=[elsewhere], conditions={"department_ids": [999]})
    added = company.people.add(member.userid)
    await company.settle()
    assert await tags_of(company, added) == {below, above}


async def a_tag_by_weekday(company: Company) -> None:
    today = company.bot.clock.now().astimezone(ZoneInfo("Asia/Shanghai")).isoweekday()
    on, off = company.tag_ids[:2]
    others = [day for day in range(1, 8) if day != today]
    await company.add_tag_rule(name="今天", put_on=[on], conditions={"windows": [{"weekdays": [today]}]})
    await company.add_tag_rule(name="别天", put_on=[off], conditions={"windows": [{"weekdays": others}]})
    added = company.scan()
    await company.settle()
    assert await tags_of(company, added) == {on}


async def words_in_the_remark_tag_after_an_edit(company: Company) -> None:
    put, taken = company.tag_ids[:2]
    await company.add_tag_rule(
        name="老师", triggers=["edit"], put_on=[put], take_off=[taken],
        conditions={"words": ["老师"], "search_in": "remark"},
    )  # fmt: skip
    added = company.scan()
    await company.settle()
    pair = added.follow.userid, added.follow.external_userid
    company.people.edit(*pair, add_tags=[taken])
    await company.settle()
    assert await tags_of(company, added) == {taken}
    company.people.edit(*pair, remark="张老师")
    await company.settle()
    assert await tags_of(company, added) == {put}


async def an_edit_whose_first_fetch_failed_is_tagged_by_the_new_remark(company: Company) -> None:
    """The rules must not be asked about the remark from before the edit."""
    tag = company.tag_ids[0]
    await company.add_tag_rule(
        name="老师", triggers=["edit"], put_on=[tag], conditions={"words": ["老师"], "search_in": "remark"}
    )
    added = company.scan()
    await company.settle()
    company.sandbox.machine.faults.add(Fault(0, "api", "errcode", on=GET, errcode=40096, count=1))
    company.people.edit(added.follow.userid, added.follow.external_userid, remark="张老师")
    await company.settle_with_retries()
    assert await tags_of(company, added) == {tag}


async def what_is_on_already_is_not_put_on_again(company: Company) -> None:
    tag = company.tag_ids[0]
    await company.add_tag_rule(name="全部", triggers=["add", "edit"], put_on=[tag])
    added = company.scan()
    await company.settle()
    company.people.edit(added.follow.userid, added.follow.external_userid, remark="甲")
    await company.settle()
    assert company.calls(MARK) == 1


@pytest.mark.parametrize("side", ["put_on", "take_off"])
async def test_a_tag_that_is_deleted_under_us_is_left_out_on_the_retry(company: Company, side: str) -> None:
    gone, kept = company.tag_ids[:2]
    rule = {"put_on": [gone, kept]} if side == "put_on" else {"put_on": [kept], "take_off": [gone]}
    await company.add_tag_rule(name="规则", triggers=["edit"], **rule)
    added = company.scan()
    await company.settle()
    pair = added.follow.userid, added.follow.external_userid
    if side == "take_off":
        await company.bot.db.write(mark_rows.change_tags, *pair, {gone}, set(), company.bot.clock.now())
    company.sandbox.machine.faults.add(Fault(0, "callback", "drop", on="change_external_tag"))
    company.people.delete_tags([gone], [])
    if side == "take_off":  # what WeCom says of the tags on a customer is not asked before the rule
        company.sandbox.machine.faults.add(Fault(0, "api", "errcode", on=MARK, errcode=40068, count=1))
    company.people.edit(*pair, remark="甲")
    await company.settle_with_retries()
    follow = company.world.customers.find_follow(*pair)
    assert follow is not None
    assert follow.tag_ids == [kept]
    assert await company.bot.inbox.db.read(event_rows.count_tasks) == {}
    assert gone not in await company.read(tag_rows.list_live_ids)


async def a_customer_who_left_meanwhile_is_not_tagged_and_nothing_fails(company: Company) -> None:
    await company.add_tag_rule(name="全部", put_on=[company.tag_ids[0]])
    company.sandbox.machine.faults.add(Fault(0, "api", "errcode", on=MARK, errcode=84061))
    company.scan()
    await company.settle_with_retries()
    outcome = await outcome_of(company, "tagging.on_added")
    assert (outcome["status"], "84061" in outcome["reason"]) == ("skipped", True)
    assert await company.bot.inbox.db.read(event_rows.count_tasks) == {}


async def somebody_who_left_before_the_rules_were_asked_is_skipped(company: Company) -> None:
    await company.add_tag_rule(name="全部", triggers=["edit"], put_on=[company.tag_ids[0]])
    added = company.scan()
    await company.settle()
    pair = added.follow.userid, added.follow.external_userid
    company.people.delete_by_customer(*pair)
    company.people.edit(*pair, remark="甲")
    await company.settle()
    assert (await outcome_of(company, "tagging.on_edited"))["reason"] == "not contacts any more"
    assert company.calls(MARK) == 0


async def joining_a_group_tags_each_follow(company: Company) -> None:
    group = next(iter(company.world.groups))
    tag = company.tag_ids[0]
    await company.add_tag_rule(
        name="入群", triggers=["group_join"], put_on=[tag], conditions={"chat_ids": [group.chat_id]}
    )
    added = company.scan()
    await company.settle()
    company.sandbox.machine.group_acts.join(group.chat_id, [added.follow.external_userid])
    await company.settle()
    assert await tags_of(company, added) == {tag}


async def a_refused_tag_of_one_who_joined_does_not_keep_the_others_from_theirs(company: Company) -> None:
    group = next(iter(company.world.groups))
    tag = company.tag_ids[0]
    await company.add_tag_rule(name="入群", triggers=["group_join"], put_on=[tag])
    first, second = company.scan(), company.scan()
    await company.settle()
    company.sandbox.machine.faults.add(Fault(0, "api", "errcode", on=MARK, errcode=40096, count=1))
    members = [first.follow.external_userid, second.follow.external_userid]
    company.sandbox.machine.group_acts.join(group.chat_id, members)
    await company.settle()
    assert [await tags_of(company, each) for each in (first, second)].count({tag}) == 1
    await company.settle_with_retries()
    assert [await tags_of(company, each) for each in (first, second)] == [{tag}, {tag}]


async def a_failed_call_is_tried_again_and_only_the_tagging_is_repeated(company: Company) -> None:
    await company.add_rule()
    await company.add_tag_rule(name="全部", put_on=[company.tag_ids[0]])
    company.sandbox.machine.faults.add(Fault(0, "api", "errcode", on=MARK, errcode=40096, count=2))
    added = company.scan()
    await company.settle_with_retries()
    assert await tags_of(company, added) == {company.tag_ids[0]}
    assert len(company.texts(added)) == 1
    assert company.calls(GET) <= 2, "the customer is not fetched again for the tags"


async def changes_of_the_company_s_tags_are_read(company: Company) -> None:
    company.people.add_tags("新的一组", ["甲", "乙"])
    tag = company.tag_ids[-1]
    company.people.rename_tag(tag, "丙")
    await company.settle()
    assert set(await company.read(tag_rows.list_live_ids)) == set(company.tag_ids)
    company.people.delete_tags([tag], [])
    await company.settle()
    assert tag not in await company.read(tag_rows.list_live_ids)


async def the_time_of_the_event_counts_not_that_of_its_handling(company: Company) -> None:
    tag = company.tag_ids[0]
    zone = ZoneInfo("Asia/Shanghai")
    today = company.bot.clock.now().astimezone(zone).isoweekday()
    await company.add_tag_rule(name="今天", put_on=[tag], conditions={"windows": [{"weekdays": [today]}]})
    company.sandbox.machine.faults.add(Fault(0, "api", "errcode", on=MARK, errcode=40096, count=1))
    added = company.scan()
    await company.settle()
    company.bot.clock.advance(timedelta(days=3))
    await company.settle_with_retries()
    assert await tags_of(company, added) == {tag}


async def test_which_tags_are_on_afterwards(company: Company) -> None:
    await company.each(
        a_channel_puts_its_tags_on_and_the_record_says_which_rule,
        a_half_added_customer_is_tagged_when_confirmed,
        a_tag_by_the_way_of_adding,
        a_tag_by_department_counts_the_departments_above,
        a_tag_by_weekday,
        words_in_the_remark_tag_after_an_edit,
        an_edit_whose_first_fetch_failed_is_tagged_by_the_new_remark,
        what_is_on_already_is_not_put_on_again,
        a_customer_who_left_meanwhile_is_not_tagged_and_nothing_fails,
        somebody_who_left_before_the_rules_were_asked_is_skipped,
        joining_a_group_tags_each_follow,
        a_refused_tag_of_one_who_joined_does_not_keep_the_others_from_theirs,
        a_failed_call_is_tried_again_and_only_the_tagging_is_repeated,
        changes_of_the_company_s_tags_are_read,
        the_time_of_the_event_counts_not_that_of_its_handling,
    )
