"""Staff and departments: polled, and read again when an event about them does come."""

from __future__ import annotations

from typing import Any

from bot.sandbox.faults import Fault
from data.models import Staff
from data.queries import events as event_rows
from data.queries import staff as staff_rows
from tests.scenarios.conftest import Company

LIST = "user/list"


async def staff_of(company: Company, userid: str) -> Staff | None:
    found: Staff | None = await company.read(staff_rows.find_staff, userid)
    return found


def send_change(company: Company, change_type: str, **fields: Any) -> None:
    """`change_contact`, which a self-built app is not sent but an app of another kind is."""
    values = {
        "ToUserName": company.world.company.corpid, "FromUserName": "sys", "CreateTime": company.world.now,
        "MsgType": "event", "Event": "change_contact", "ChangeType": change_type, **fields,
    }  # fmt: skip
    xml = "".join(f"<{name}><![CDATA[{value}]]></{name}>" for name, value in values.items())
    company.sandbox.machine.callbacks.send(company.world.app, f"<xml>{xml}</xml>", f"raw:{fields}")


async def the_directory_is_known_from_the_start(company: Company) -> None:
    for userid in company.followers:
        card = await company.read(staff_rows.get_card, userid)
        assert (card.known, card.name) == (True, company.world.directory.get(userid).name)
        assert 1 in card.department_ids, "the company itself is above everybody"
    assert set(await company.read(staff_rows.list_followers)) == set(company.followers)


async def who_joins_changes_and_leaves_is_seen_by_the_next_poll(company: Company) -> None:
    acts = company.sandbox.machine.staff_acts
    acts.join("新同事", "xintongshi", [1], "顾问", True)
    acts.change(company.followers[0], position="店长")
    acts.leave(company.followers[1])
    await company.bot.runner.run_now("poll_directory")
    joined, changed = await staff_of(company, "xintongshi"), await staff_of(company, company.followers[0])
    assert joined is not None
    assert (joined.name, joined.follows_customers) == ("新同事", True)
    assert changed is not None
    assert changed.position == "店长"
    assert company.followers[1] not in await company.read(staff_rows.list_followers)


async def test_an_event_about_the_directory_is_answered_by_reading_it(company: Company) -> None:
    company.sandbox.machine.staff_acts.join("新同事", "xintongshi", [1], "顾问", True)
    send_change(company, "create_user", UserID="xintongshi")
    await company.settle()
    assert await staff_of(company, "xintongshi") is not None


async def many_changes_that_wait_together_are_answered_by_few_readings(company: Company) -> None:
    before = company.calls("externalcontact/get_follow_user_list")
    async with company.nobody_works():
        for number in range(40):
            send_change(company, "update_user", UserID=f"member{number}")
        await company.sandbox.machine.callbacks.idle()
    await company.settle()
    assert 1 <= company.calls("externalcontact/get_follow_user_list") - before <= 8
    assert await company.bot.inbox.db.read(event_rows.count_tasks) == {}


async def a_poll_that_fails_keeps_what_is_known(company: Company) -> None:
    company.sandbox.machine.faults.add(Fault(0, "api", "errcode", on=LIST, errcode=48002))
    await company.bot.runner.run_now("poll_directory")
    assert set(await company.read(staff_rows.list_followers)) == set(company.followers)


async def test_who_is_there(company: Company) -> None:
    await company.each(
        the_directory_is_known_from_the_start,
        many_changes_that_wait_together_are_answered_by_few_readings,
        a_poll_that_fails_keeps_what_is_known,
        who_joins_changes_and_leaves_is_seen_by_the_next_poll,
    )
