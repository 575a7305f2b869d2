"""A customer adds a staff member; the bot greets. From the scan to the customer's phone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.replays import replay
from bot.sandbox.faults import Fault
from data.queries import customers as customer_rows
from data.queries import events as event_rows
from tests.scenarios.conftest import Company, Start

SEND = "externalcontact/send_welcome_msg"


async def a_scan_brings_the_welcome_with_its_cards(company: Company) -> None:
    await company.add_rule(
        "{{ time_of_day }}，{{ customer_name }}！我是{{ staff_name }}，您来自{{ channel_name }}。",
        attachments=[
            {"msgtype": "link", "link": {"title": "新品", "url": "https://example.com/new", "desc": "看看"}},
        ],
    )
    added = company.scan(name="小鱼")
    await company.settle()
    (text, link) = company.messages(added)
    staff = company.world.directory.get(added.follow.userid).name
    assert f"小鱼！我是{staff}，您来自门店海报。" in text.content["content"]
    assert link.msgtype == "link"
    (welcome,) = await company.welcomes()
    assert (welcome.status, welcome.attachments) == ("sent", 1)
    assert welcome.explanation["rules"][0]["outcome"] == "matched"


async def hostile_names_arrive_literally(company: Company) -> None:
    await company.add_rule("您好 {{ customer_name }}")
    name = r"$1 \1 {{ 7*7 }} <b>&amp;</b>"
    added = company.scan(name=name)
    await company.settle()
    assert company.texts(added) == [f"您好 {name}"]


@pytest.mark.parametrize("flow", ["half_then_add", "add_then_half"])
async def test_half_add_and_add_bring_one_welcome(company: Company, flow: Any) -> None:
    await company.add_rule()
    added = company.scan(flow=flow, codes="always")
    await company.settle()
    assert len(added.welcome_codes) == 2
    assert company.texts(added) == ["您好"]
    assert company.calls(SEND) == 1, "the second event of the add asks for nothing"


async def a_half_added_customer_is_greeted_without_the_name(company: Company) -> None:
    await company.add_rule("您好{{ customer_name }}")
    added = company.scan(flow="half")
    await company.settle()
    assert company.texts(added) == ["您好朋友"]


async def the_same_event_twice_sends_one_welcome(company: Company) -> None:
    company.sandbox.machine.faults.add(Fault(0, "callback", "duplicate", times=3))
    await company.add_rule()
    added = company.scan()
    await company.settle()
    assert company.texts(added) == ["您好"]
    assert company.calls(SEND) == 1


async def several_customers_in_one_second_are_all_greeted(company: Company) -> None:
    await company.add_rule()
    everyone = [company.scan() for _ in range(30)]
    await company.settle()
    assert [company.texts(added) for added in everyone] == [["您好"]] * 30


async def the_rule_of_the_channel_wins_over_the_default_and_the_record_says_why(company: Company) -> None:
    await company.add_rule("默认")
    await company.add_rule("直播间欢迎您", name="直播间", conditions={"states": ["live_room"]})
    live, other = company.scan("live_room"), company.scan("website")
    await company.settle()
    assert (company.texts(live), company.texts(other)) == (["直播间欢迎您"], ["默认"])
    by_customer = {welcome.external_userid: welcome for welcome in await company.welcomes()}
    told = by_customer[other.follow.external_userid].explanation["rules"]
    failed = next(rule for rule in told if rule["rule_name"] == "直播间")
    assert failed["failed"][0]["condition"] == "state"


async def a_welcome_comes_again_after_the_customer_left_and_came_back(company: Company) -> None:
    await company.add_rule()
    added = company.scan()
    await company.settle()
    company.people.delete_by_customer(added.follow.userid, added.follow.external_userid)
    await company.settle()
    again = company.scan(external_userid=added.follow.external_userid, userid=added.follow.userid)
    await company.settle()
    assert company.texts(again) == ["您好", "您好"]


async def an_answer_lost_after_the_effect_is_recorded_as_sent_and_not_repeated(company: Company) -> None:
    await company.add_rule()
    company.sandbox.machine.faults.add(Fault(0, "api", "lose_answer", on=SEND, count=1))
    added = company.scan()
    await company.settle()
    assert company.texts(added) == ["您好"]
    (welcome,) = await company.welcomes()
    assert welcome.status == "sent"


@pytest.mark.drawn
@pytest.mark.parametrize(
    ("kind", "values"),
    [("errcode", {"errcode": -1}), ("errcode", {"errcode": 41096}), ("http", {"status": 502}), ("drop", {}),
     ("expire_token", {})],
)  # fmt: skip
async def test_passing_faults_delay_a_welcome_and_do_not_lose_it(
    company: Company, kind: str, values: dict[str, Any]
) -> None:
    await company.add_rule()
    company.sandbox.machine.faults.add(Fault(0, "api", kind, on=SEND, count=2, **values))
    added = company.scan()
    await company.settle()
    assert company.texts(added) == ["您好"]


async def a_missed_welcome_says_why_and_its_words_go_to_the_staff_member(company: Company) -> None:
    await company.add_rule("您好，欢迎{{ customer_name }}")
    company.sandbox.machine.faults.add(Fault(0, "api", "errcode", on=SEND, errcode=41050, count=1))
    added = company.scan(name="阿强")
    await company.settle()
    (welcome,) = await company.welcomes()
    assert (welcome.status, welcome.reason) == ("missed", "code_refused")
    (alert,) = await company.alerts()
    assert alert.userid == added.follow.userid
    assert "您好，欢迎阿强" in alert.words


async def test_an_event_that_waited_too_long_is_tried_once_and_then_missed(start: Start) -> None:
    company = await start()
    await company.add_rule()
    company.sandbox.machine.faults.add(Fault(0, "callback", "delay", seconds=0.3))
    added = company.scan()
    company.bot.clock.advance(timedelta(seconds=30))
    await company.settle()
    (welcome,) = await company.welcomes()
    assert welcome.status == "missed"
    assert company.texts(added) == []


async def test_observe_mode_records_and_sends_nothing(start: Start) -> None:
    company = await start("observe")
    await company.add_rule("您好{{ customer_name }}")
    await company.add_tag_rule(name="全部", put_on=[company.tag_ids[0]])
    added = company.scan(name="阿强")
    company.people.delete_by_customer(added.follow.userid, added.follow.external_userid)
    await company.settle()
    assert company.messages(added) == []
    (welcome,) = await company.welcomes()
    assert (welcome.status, welcome.words) == ("observed", "您好阿强")
    for path in (SEND, "externalcontact/mark_tag", "message/send"):
        assert company.calls(path) == 0


async def an_inherited_customer_is_not_greeted_as_new(company: Company) -> None:
    await company.add_rule()
    added = company.people.add(company.followers[0], add_way=202, name="老客户")
    await company.settle()
    assert company.texts(added) == []
    by_customer = {welcome.external_userid: welcome for welcome in await company.welcomes()}
    assert by_customer[added.follow.external_userid].reason == "inherited"


async def a_read_that_lags_behind_the_add_costs_neither_the_record_nor_the_tags(company: Company) -> None:
    await company.add_tag_rule(name="全部", put_on=[company.tag_ids[0]])
    company.sandbox.machine.faults.add(Fault(0, "api", "errcode", on="externalcontact/get", errcode=84061, count=1))
    added = company.scan(name="阿强")
    await company.settle_with_retries()
    follow = await company.read(customer_rows.find_follow, added.follow.userid, added.follow.external_userid)
    customer = await company.read(customer_rows.find_customer, added.follow.external_userid)
    assert (follow.status, customer.name) == ("present", "阿强")
    (told,) = company.world.customers.follows_of(added.follow.external_userid)
    assert told.tag_ids == [company.tag_ids[0]]


async def no_rule_no_code_are_told_apart(company: Company) -> None:
    company.scan()
    await company.settle()
    await company.add_rule()
    company.scan(codes="never")
    await company.settle()
    assert [welcome.reason for welcome in await company.welcomes()] == ["no_code", "no_rule"]


async def media_that_cannot_be_had_leave_the_text_alone(company: Company) -> None:
    await company.add_rule(
        "有图", attachments=[{"msgtype": "image", "image": {"media": "0" * 64}}], fallback_text="图片稍后发您"
    )
    added = company.scan()
    await company.settle()
    assert company.texts(added) == ["图片稍后发您"]
    (welcome,) = await company.welcomes()
    assert (welcome.status, welcome.attachments) == ("sent", 0)


async def a_customer_of_a_colleague_is_told_apart_even_from_before_the_bots_time(company: Company) -> None:
    await company.add_rule("新朋友您好", name="新", conditions={"customer": "new"})
    await company.add_rule("又见面了", name="老", conditions={"customer": "followed"})
    other = company.followers[1]
    theirs = set(company.world.customers.listed_by(other))
    known = next(each for each in company.world.customers.listed_by(company.followers[0]) if each not in theirs)
    old, new = company.scan(userid=other, external_userid=known), company.scan()
    await company.settle()
    assert (company.texts(old), company.texts(new)) == (["又见面了"], ["新朋友您好"])


async def a_colleague_s_customer_is_known_from_our_own_rows_without_a_fetch(company: Company) -> None:
    await company.add_rule("又见面了", conditions={"customer": "followed"})
    first = company.scan(userid=company.followers[0])
    await company.settle()
    again = company.scan(userid=company.followers[1], external_userid=first.follow.external_userid)
    await company.settle()
    assert company.texts(again) == ["又见面了"]


async def test_a_crash_after_the_record_changes_nothing_of_it(company: Company) -> None:
    """The row says how it ended and the process died before the inbox heard: the event comes again."""
    await company.add_rule()
    sent = company.scan()
    await company.settle()
    company.sandbox.machine.faults.add(Fault(0, "api", "errcode", on=SEND, errcode=41053, count=1))
    missed = company.scan()
    await company.settle()
    before = {row.external_userid: (row.status, row.reason, row.sent_at) for row in await company.welcomes()}
    calls = company.calls(SEND)
    await replay(
        company.bot.inbox.db,
        company.bot.dispatcher.plan,
        company.bot.clock.now(),
        since=datetime.min.replace(tzinfo=UTC),
    )
    company.bot.inbox.wake()
    await company.settle()
    assert {row.external_userid: (row.status, row.reason, row.sent_at) for row in await company.welcomes()} == before
    assert before[missed.follow.external_userid][:2] == ("missed", "archive_not_agreed")
    assert company.calls(SEND) == calls
    assert await company.bot.inbox.db.read(event_rows.count_tasks) == {}
    assert company.texts(sent) == ["您好"]
    assert len(await company.alerts()) == 1


async def test_what_is_said_to_whom(company: Company) -> None:
    await company.each(
        a_scan_brings_the_welcome_with_its_cards,
        hostile_names_arrive_literally,
        a_half_added_customer_is_greeted_without_the_name,
        the_same_event_twice_sends_one_welcome,
        several_customers_in_one_second_are_all_greeted,
        the_rule_of_the_channel_wins_over_the_default_and_the_record_says_why,
        a_welcome_comes_again_after_the_customer_left_and_came_back,
        an_answer_lost_after_the_effect_is_recorded_as_sent_and_not_repeated,
        a_missed_welcome_says_why_and_its_words_go_to_the_staff_member,
        an_inherited_customer_is_not_greeted_as_new,
        a_read_that_lags_behind_the_add_costs_neither_the_record_nor_the_tags,
        no_rule_no_code_are_told_apart,
        media_that_cannot_be_had_leave_the_text_alone,
        a_customer_of_a_colleague_is_told_apart_even_from_before_the_bots_time,
        a_colleague_s_customer_is_known_from_our_own_rows_without_a_fetch,
    )
