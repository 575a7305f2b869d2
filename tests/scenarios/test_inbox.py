"""The inbox at work: order, collapse, retries, dead letters and their replay, and welcomes that wait for nobody."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from bot.app import Bot
from bot.replays import replay
from bot.sandbox.faults import Fault
from bot.sandbox.people import Added
from bot.sandbox.server import Sandbox
from data.queries import customers as customer_rows
from data.queries import events as event_rows
from data.queries import rules as rule_rows
from tests.scenarios.conftest import Company, Start, read_company_of, settings_for

GET = "externalcontact/get"
MARK = "externalcontact/mark_tag"
SEND = "externalcontact/send_welcome_msg"


async def events(company: Company, **which: Any) -> list[dict[str, Any]]:
    """Stored events, newest first."""
    found: list[dict[str, Any]] = await company.bot.inbox.db.read(event_rows.list_events, limit=10_000, **which)
    return found


def edit(company: Company, added: Added, remark: str) -> None:
    company.people.edit(added.follow.userid, added.follow.external_userid, remark=remark)


async def test_two_hundred_edits_of_one_customer_are_answered_by_few_fetches(company: Company) -> None:
    added = company.scan()
    await company.settle()
    company.sandbox.machine.callbacks.settings.ordered = False
    before = company.calls(GET)
    async with company.nobody_works():
        for number in range(200):
            edit(company, added, f"第{number}次")
        await company.sandbox.machine.callbacks.idle()
    await company.settle()
    assert company.calls(GET) - before <= 4
    follow = await company.read(customer_rows.find_follow, added.follow.userid, added.follow.external_userid)
    assert follow.remark == "第199次"
    assert len(await events(company, kind="change_external_contact.edit_external_contact")) >= 1
    assert await company.bot.inbox.db.read(event_rows.count_tasks) == {}


async def test_events_of_one_customer_are_handled_in_their_order(company: Company) -> None:
    everyone = [company.scan() for _ in range(10)]
    for round_ in range(3):
        for added in everyone:
            pair = added.follow.userid, added.follow.external_userid
            company.people.edit(*pair, remark=f"{round_}")
            company.people.delete_by_customer(*pair)
            company.scan(userid=pair[0], external_userid=pair[1])
    await company.settle()
    for added in everyone:
        stored = await events(company, subject=f"customer:{added.follow.external_userid}")
        # Edits of one second have one plaintext: the second one has the first looked at again, after what came between.
        ended = [
            task["finished_at"] for event in reversed(stored) for task in event["tasks"] if task["lane"] != 0
            and not task["note"] and not event["repeats"]
        ]  # fmt: skip
        assert ended == sorted(ended)
        follow = await company.read(customer_rows.find_follow, added.follow.userid, added.follow.external_userid)
        assert follow.status == "present"


async def test_a_welcome_does_not_wait_for_five_hundred_edits(start: Start) -> None:
    company = await start(inbox={"concurrency": 8})
    await company.add_rule()
    known = [company.scan() for _ in range(20)]
    await company.settle()
    company.sandbox.machine.faults.add(Fault(0, "api", "latency", on=GET, seconds=0.1))
    company.sandbox.machine.callbacks.settings.ordered = False
    for number in range(500):
        edit(company, known[number % 20], f"{number}")
    await company.sandbox.machine.callbacks.idle()
    new = company.scan("live_room")
    async with asyncio.timeout(60):
        while not company.texts(new):
            await asyncio.sleep(0.01)
    await company.settle()


async def test_a_failed_handler_is_tried_again_and_the_others_are_not(company: Company) -> None:
    await company.add_rule()
    await company.add_tag_rule(name="全部", put_on=[company.tag_ids[0]])
    company.sandbox.machine.faults.add(Fault(0, "api", "errcode", on=MARK, errcode=40096, count=3))
    added = company.scan()
    await company.settle()
    (event,) = await events(company)
    waiting = [task for task in event["tasks"] if task["status"] == "waiting"]
    assert [task["attempts"] for task in waiting] == [1]
    assert waiting[0]["due_at"] > event["received_at"]
    await company.settle_with_retries()
    (event,) = await events(company)
    assert {task["status"] for task in event["tasks"]} == {"done"}
    assert {outcome["handler"]: outcome["status"] for outcome in event["outcomes"]} == {
        "welcome.on_added": "done", "customers.on_added": "done", "tagging.on_added": "done",
    }  # fmt: skip
    assert len(company.texts(added)) == 1
    assert company.calls(MARK) == 4


async def test_what_fails_for_good_rests_as_a_dead_letter_and_a_replay_brings_it_back(start: Start) -> None:
    company = await start(inbox={"max_attempts": 3})
    await company.add_tag_rule(name="全部", put_on=[company.tag_ids[0]])
    fault = company.sandbox.machine.faults.add(Fault(0, "api", "errcode", on=MARK, errcode=40096))
    added = company.scan()
    await company.settle_with_retries()
    (event,) = await events(company, status="dead")
    assert company.calls(MARK) == 3
    (dead,) = [task for task in event["tasks"] if task["status"] == "dead"]
    assert "tagging.on_added" in dead["note"]
    fetches = company.calls(GET)
    company.sandbox.machine.faults.clear(fault.id)
    inbox, plan = company.bot.inbox.db, company.bot.dispatcher.plan
    replayed = await replay(inbox, plan, company.bot.clock.now(), dead_only=True)
    assert (replayed.tasks, replayed.adopted) == (1, 0)
    company.bot.inbox.wake()
    await company.settle()
    assert await events(company, status="dead") == []
    follow = company.world.customers.find_follow(added.follow.userid, added.follow.external_userid)
    assert follow is not None
    assert follow.tag_ids == [company.tag_ids[0]]
    assert company.calls(GET) >= fetches


async def test_a_dead_letter_does_not_hold_up_the_customer_s_later_events(start: Start) -> None:
    company = await start(inbox={"max_attempts": 1})
    company.sandbox.machine.faults.add(Fault(0, "api", "errcode", on=GET, errcode=40096, count=1))
    added = company.scan()
    edit(company, added, "后来的备注")
    await company.settle_with_retries()
    follow = await company.read(customer_rows.find_follow, added.follow.userid, added.follow.external_userid)
    assert follow.remark == "后来的备注"
    assert len(await events(company, status="dead")) == 1


async def test_a_replayed_add_is_not_greeted_again(company: Company) -> None:
    await company.add_rule()
    added = company.scan()
    await company.settle()
    (event,) = await events(company)
    await replay(company.bot.inbox.db, company.bot.dispatcher.plan, company.bot.clock.now(), event_id=event["id"])
    company.bot.inbox.wake()
    await company.settle()
    assert len(company.texts(added)) == 1
    assert company.calls(SEND) == 1
    (welcome,) = await company.welcomes()
    assert welcome.status == "sent", "what was sent stays recorded as sent"


async def test_a_repeat_that_only_says_something_changed_is_looked_at_again(company: Company) -> None:
    added = company.scan()
    await company.settle()
    edit(company, added, "甲")
    await company.settle()
    last = company.sandbox.machine.callbacks.history[-1]
    before = company.calls(GET)
    company.sandbox.machine.callbacks.send(company.world.app, last.plaintext, "again")
    await company.settle()
    assert company.calls(GET) == before + 1
    (event,) = await events(company, kind="change_external_contact.edit_external_contact")
    assert event["repeats"] == 1


async def test_a_stop_lets_running_handlers_end_and_keeps_what_waits(sandbox: Sandbox, urls: Any, clock: Any) -> None:
    settings = settings_for(sandbox, urls, inbox={"concurrency": 2})
    async with Bot(settings, clock, bell=False) as bot:
        company = Company(sandbox, bot)
        app = sandbox.world.app
        app.callback_url = f"{bot.url}/callback"
        sandbox.world.put_app(app)
        await read_company_of(bot, "poll_directory")
        sandbox.machine.faults.add(Fault(0, "api", "latency", on=GET, seconds=0.3))
        everyone = [company.scan() for _ in range(12)]
        await sandbox.machine.callbacks.idle()
    sandbox.machine.faults.clear()
    async with Bot(settings, clock, bell=False) as bot:
        counts = await bot.inbox.db.read(event_rows.count_tasks)
        assert "dead" not in counts
        await asyncio.wait_for(bot.inbox.wait_until_idle(), 60)
        for added in everyone:
            customer = await bot.db.read(customer_rows.find_customer, added.follow.external_userid)
            assert customer is not None
            assert customer.name


async def test_the_metrics_tell_what_happened(company: Company) -> None:
    await company.add_rule()
    for _ in range(3):
        company.scan()
    await company.settle()
    async with aiohttp.ClientSession() as http, http.get(f"{company.bot.url}/metrics") as response:
        text = await response.text()
    assert 'siyu_events_acknowledged_total{callback="app"} 3.0' in text
    assert 'siyu_welcomes_total{reason="",status="sent"} 3.0' in text
    assert 'siyu_events_handled_total{handler="customers.on_added",status="done"} 3.0' in text
    assert "siyu_welcome_seconds_count 3.0" in text
    assert await company.read(rule_rows.list_welcome_rules)
