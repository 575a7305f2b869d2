"""What customers want to hear is honoured, and what reached them is known."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from sqlmodel import Session, SQLModel

from bot.config import WelcomeSettings
from bot.erasing import SETTLE, erase_customer, export_customer
from bot.refresh import refresh_group
from bot.sandbox.people import Added
from bot.wecom.event_xml import parse_event
from data.models import CustomerField, Order, inbox_metadata
from data.queries import customers as customer_rows
from data.queries import erasures as erasure_rows
from data.queries import events as event_rows
from data.queries import preferences as preference_rows
from data.queries import sync_runs as sync_rows
from data.queries import touches as touch_rows
from data.rules.preferences import Preference, TouchKind
from scheduler.sync import Sync
from tests.privacy import rows_with
from tests.scenarios.conftest import Company, Start


async def opt_out_then_add_a_colleague(company: Company) -> Added:
    """A customer who was greeted once wants no message, and adds another staff member."""
    await company.add_rule("您好")
    added = company.scan()
    await company.settle()
    whom = added.follow.external_userid
    now = company.bot.clock.now()
    await company.bot.db.write(preference_rows.save_preference, whom, Preference(opted_out=True), "test", now)
    colleague = next(userid for userid in company.followers if userid != added.follow.userid)
    again = company.people.scan(external_userid=whom, userid=colleague)
    await company.settle()
    return again


async def test_a_welcome_answers_an_act_of_the_customers_own(company: Company) -> None:
    again = await opt_out_then_add_a_colleague(company)
    assert company.texts(again) == ["您好"]
    touches = [each.touch for each in await company.read(touch_rows.list_explained, again.follow.external_userid)]
    assert [each.kind for each in touches] == [TouchKind.WELCOME] * 2
    sent = {welcome.event_id: welcome.sent_at for welcome in await company.welcomes()}
    assert {each.origin: each.touched_at for each in touches} == {
        f"welcome:{event_id}": sent_at for event_id, sent_at in sent.items()
    }


async def test_a_company_may_count_a_welcome_as_any_other_message(start: Start) -> None:
    company = await start(welcome=WelcomeSettings(to_opted_out=False))
    again = await opt_out_then_add_a_colleague(company)
    assert company.texts(again) == []
    assert [(each.status, each.reason) for each in await company.welcomes()] == [("skipped", "unwanted"), ("sent", "")]
    assert await company.alerts() == []
    assert len(await company.read(touch_rows.list_explained, again.follow.external_userid)) == 1


async def test_what_is_only_observed_reaches_nobody(start: Start) -> None:
    company = await start("observe")
    await company.add_rule("您好")
    added = company.scan()
    await company.settle()
    assert await company.read(touch_rows.list_explained, added.follow.external_userid) == []


async def everything(company: Company, trace: str) -> list[str]:
    """Rows of both databases in which a text stands."""
    found = await company.bot.db.read(rows_with, trace, SQLModel.metadata)
    return found + await company.bot.inbox.db.read(rows_with, trace, inbox_metadata)


async def erase(company: Company, whom: str) -> None:
    """Erase a customer and finish it."""
    bot = company.bot
    await erase_customer(bot.db, bot.inbox.db, whom, "test", bot.clock.now())
    bot.clock.advance(SETTLE)
    await bot.runner.run_now("finish_erasures")


async def sync(company: Company) -> dict[str, int]:
    """A whole sync; what it changed."""
    run = await company.bot.db.write(sync_rows.ask_for_run, "command", company.bot.clock.now())
    await Sync(company.bot.context).run(run.id or 0)
    counts, problems = await company.bot.db.read(sync_rows.sum_report, run.id or 0)
    assert problems == []
    return counts


async def known_customer(company: Company, name: str = "独一无二的鱼") -> Added:
    """A customer who was greeted, tagged, joined a group, ordered and wants less."""
    await company.add_rule("您好，{{ customer_name }}")
    await company.add_tag_rule(name="门店", triggers=["add"], put_on=[company.tag_ids[0]])
    added = company.people.scan(state="store_poster", name=name)
    await company.settle()
    whom = added.follow.external_userid
    company.sandbox.machine.group_acts.join(next(iter(company.world.groups)).chat_id, [whom])
    await company.settle()
    now = company.bot.clock.now()

    def more(session: Session) -> None:
        preference_rows.save_preference(session, whom, Preference(cap_count=1, cap_days=7), "test", now)
        session.add(CustomerField(external_userid=whom, name="city", text="杭州", changed_at=now))
        session.add(
            Order(source="shop", number="1", external_userid=whom, status="paid", amount_fen=1, placed_at=now,
                  received_at=now, changed_at=now)
        )  # fmt: skip

    await company.bot.db.write(more)
    return added


async def test_an_erased_customer_stays_erased(company: Company) -> None:
    added = await known_customer(company)
    assert "customers_new" in await sync(company)
    whom = added.follow.external_userid
    told = await export_customer(company.bot.db, company.bot.inbox.db, whom, company.bot.clock.now())
    tables = {name for name, rows in told["tables"].items() if rows}
    assert tables >= {
        "customers", "follows", "follow_tags", "welcomes", "touches", "orders", "customer_fields", "preferences",
        "group_members", "inbox_events", "inbox_tasks", "inbox_outcomes",
    }  # fmt: skip
    events = await company.bot.inbox.db.read(event_rows.list_events, limit=1000)
    bodies = [event["body"] for event in events if whom in event["body"]]
    assert len(bodies) == len(told["tables"]["inbox_events"]) >= 2
    await erase(company, whom)
    assert await everything(company, whom) == []
    assert await everything(company, "独一无二的鱼") == []
    # What WeCom still holds comes by every way there is: a sync, old callbacks, new ones, a look at the group.
    assert "customers_new" not in await sync(company)
    for body in bodies:
        event = parse_event(body)
        stored = asyncio.get_running_loop().create_future()
        company.bot.inbox.store("app", body, event, stored)
        await stored
    company.people.edit(added.follow.userid, whom, remark="独一无二的鱼")
    await company.settle()
    company.people.delete_by_customer(added.follow.userid, whom)
    await company.settle()
    for group in company.world.groups:
        if whom in {member.userid for member in group.members}:
            company.sandbox.machine.group_acts.leave(group.chat_id, [whom])
    await company.settle()
    for group in company.world.groups:
        await refresh_group(company.bot.context, group.chat_id)
    assert "customers_new" not in await sync(company)
    # The group's event was stored, and used for the others in the group.
    assert [row.split(":")[0] for row in await everything(company, whom)] == ["inbox_events"]
    await company.bot.runner.run_now("forget_late")
    assert await everything(company, whom) == []
    assert await everything(company, "独一无二的鱼") == []
    assert await company.bot.inbox.db.read(event_rows.list_events, status="dead") == []


async def test_who_adds_a_staff_member_anew_is_known_and_greeted_again(company: Company) -> None:
    added = await known_customer(company)
    whom = added.follow.external_userid
    await erase(company, whom)
    company.bot.clock.advance(timedelta(minutes=1))
    colleague = next(userid for userid in company.followers if userid != added.follow.userid)
    again = company.people.scan(external_userid=whom, userid=colleague)
    await company.settle_with_retries()
    assert len(company.messages(again)) == 1
    customer = await company.read(customer_rows.find_customer, whom)
    assert customer.name == "独一无二的鱼"
    assert await company.read(erasure_rows.find_erased_at, whom) is None
    assert await company.read(preference_rows.find_preference, whom) is None


async def test_a_hand_over_is_no_wish_of_the_customers(company: Company) -> None:
    added = await known_customer(company)
    whom = added.follow.external_userid
    await erase(company, whom)
    company.bot.clock.advance(timedelta(minutes=1))
    colleague = next(userid for userid in company.followers if userid != added.follow.userid)
    company.people.hand_over(added.follow.userid, colleague, whom, at_once=True)
    await company.settle_with_retries()
    assert await company.read(customer_rows.find_customer, whom) is None
    assert await company.read(erasure_rows.find_erased_at, whom) is not None
