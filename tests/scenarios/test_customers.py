"""Our record of customers stays true whatever order the events come in, and who has to know is told once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from bot.sandbox.faults import Fault
from bot.sandbox.people import Added
from bot.wecom.event_xml import parse_event
from bot.wecom.events import DelFollowUser
from data.models import Customer, Follow, StaffTask, Transfer
from data.queries import customers as customer_rows
from data.queries import events as event_rows
from data.queries import follow_tags as mark_rows
from data.queries import staff as staff_rows
from handlers.customers import record_loss
from scheduler.staff_tasks import tend_tasks
from tests.scenarios.conftest import Company
from tests.staff_tasks import add_journey, add_task

GET = "externalcontact/get"


async def follow_of(company: Company, added: Added) -> Follow:
    """Our row of the pair."""
    found: Follow | None = await company.read(
        customer_rows.find_follow, added.follow.userid, added.follow.external_userid
    )
    assert found is not None
    return found


async def customer_of(company: Company, added: Added) -> Customer:
    """Our row of the customer."""
    found: Customer | None = await company.read(customer_rows.find_customer, added.follow.external_userid)
    assert found is not None
    return found


def pair(added: Added) -> tuple[str, str]:
    return added.follow.userid, added.follow.external_userid


def send_event(company: Company, added: Added, change_type: str, seconds: int = 0, **fields: Any) -> None:
    """An event that the local WeCom would not send of itself, `seconds` from now."""
    values = {
        "ToUserName": company.world.company.corpid, "FromUserName": "sys",
        "CreateTime": company.world.now + seconds, "MsgType": "event", "Event": "change_external_contact",
        "ChangeType": change_type, "UserID": added.follow.userid, "ExternalUserID": added.follow.external_userid,
        **fields,
    }  # fmt: skip
    xml = "".join(f"<{name}><![CDATA[{value}]]></{name}>" for name, value in values.items())
    company.sandbox.machine.callbacks.send(company.world.app, f"<xml>{xml}</xml>", f"raw:{change_type}:{seconds}")


async def an_add_is_written_and_fetched(company: Company) -> None:
    added = company.scan(name="小鱼")
    await company.settle()
    follow, customer = await follow_of(company, added), await customer_of(company, added)
    assert (follow.status, follow.state, follow.add_way, follow.inherited) == ("present", "store_poster", 1, False)
    assert (customer.name, customer.type) == ("小鱼", 1)


async def a_half_add_is_written_without_a_fetch_and_completed_by_its_confirmation(company: Company) -> None:
    added = company.scan(flow="half", name="小鱼")
    await company.settle()
    assert (await follow_of(company, added)).status == "half"
    assert company.calls(GET) == 0, "a half-added customer cannot be fetched"
    company.people.confirm(*pair(added))
    await company.settle()
    follow = await follow_of(company, added)
    assert (follow.status, follow.state) == ("present", "store_poster")
    assert (await customer_of(company, added)).name == "小鱼"


async def a_half_add_that_comes_after_its_confirmation_changes_nothing(company: Company) -> None:
    added = company.scan(flow="add_then_half")
    await company.settle()
    assert (await follow_of(company, added)).status == "present"


async def an_edit_is_fetched(company: Company) -> None:
    added = company.scan()
    await company.settle()
    company.people.edit(*pair(added), remark="张老师", mobiles=["13800000000"], add_tags=[company.tag_ids[0]])
    await company.settle()
    follow = await follow_of(company, added)
    assert (follow.remark, follow.remark_mobiles) == ("张老师", ["13800000000"])
    assert await company.read(mark_rows.list_tag_ids, *pair(added)) == [company.tag_ids[0]]


async def the_customer_who_leaves_is_lost_and_the_staff_member_told_once(company: Company) -> None:
    added = company.scan(name="小鱼")
    await company.settle()
    company.sandbox.machine.faults.add(Fault(0, "callback", "duplicate", times=2))
    company.people.delete_by_customer(*pair(added))
    await company.settle()
    follow = await follow_of(company, added)
    assert follow.status == "deleted_by_customer"
    assert follow.ended_at is not None
    (alert,) = await company.alerts()
    assert (alert.kind, alert.userid) == ("customer_lost", added.follow.userid)
    assert "小鱼" in alert.words
    assert "门店海报" in alert.words


async def the_alert_reaches_the_staff_member_in_the_app(company: Company) -> None:
    added = company.scan()
    await company.settle()
    company.people.delete_by_customer(*pair(added))
    await company.settle()
    await company.bot.runner.run_now("send_alerts")
    received = company.world.chats.of_app(company.world.app.agentid, added.follow.userid)
    assert ["客户流失" in message.content["content"] for message in received] == [True]
    (alert,) = await company.alerts()
    assert alert.status == "sent"


async def a_lost_customer_stays_lost_although_wecom_goes_on_listing_them(company: Company) -> None:
    added = company.scan()
    await company.settle()
    company.people.delete_by_customer(*pair(added))
    await company.settle()
    company.people.edit(*pair(added), remark="还在通讯录里")
    await company.settle()
    follow = await follow_of(company, added)
    assert (follow.status, follow.remark) == ("deleted_by_customer", "还在通讯录里")


async def who_comes_back_is_present_again(company: Company) -> None:
    added = company.scan()
    await company.settle()
    company.people.delete_by_customer(*pair(added))
    await company.settle()
    company.bot.clock.advance(timedelta(seconds=5))
    company.scan(userid=added.follow.userid, external_userid=added.follow.external_userid)
    await company.settle()
    follow = await follow_of(company, added)
    assert (follow.status, follow.ended_at) == ("present", None)
    outcomes = (await company.bot.inbox.db.read(event_rows.list_events, limit=1))[0]["outcomes"]
    (outcome,) = [each for each in outcomes if each["handler"] == "customers.on_added"]
    assert outcome["detail"]["came_back"] is True


async def first_with_a_manager(company: Company) -> str:
    for userid in company.followers:
        if await company.read(staff_rows.list_managers, userid):
            return userid
    raise LookupError("nobody has a manager")


async def the_manager_hears_of_a_customer_whom_staff_deleted(company: Company) -> None:
    userid = await first_with_a_manager(company)
    managers = await company.read(staff_rows.list_managers, userid)
    added = company.scan(userid=userid, name="小鱼")
    await company.settle()
    company.sandbox.machine.faults.add(Fault(0, "callback", "duplicate"))
    company.people.delete_by_staff(*pair(added))
    await company.settle()
    assert (await follow_of(company, added)).status == "deleted_by_staff"
    alerts = await company.alerts()
    assert [alert.userid for alert in alerts] == managers
    assert {alert.kind for alert in alerts} == {"customer_deleted"}
    assert userid not in managers


async def a_deletion_that_a_fetch_found_before_its_event_is_told_all_the_same(company: Company) -> None:
    userid = await first_with_a_manager(company)
    added = company.scan(userid=userid)
    await company.settle()
    company.sandbox.machine.faults.add(Fault(0, "callback", "drop", on="del_external_contact", count=1))
    company.people.delete_by_staff(*pair(added))
    company.bot.clock.advance(timedelta(seconds=60))
    send_event(company, added, "edit_external_contact")
    await company.settle()
    assert (await follow_of(company, added)).status == "deleted_by_staff"
    assert await company.alerts() == []
    send_event(company, added, "del_external_contact", 1)
    await company.settle()
    assert {alert.kind for alert in await company.alerts()} == {"customer_deleted"}


async def a_crash_between_the_record_and_the_alert_loses_no_alert(company: Company) -> None:
    """The handler is repeated after the row was written: the same event still has its effect, once."""
    added = company.scan()
    await company.settle()
    company.people.delete_by_customer(*pair(added))
    (delivery,) = [each for each in company.sandbox.machine.callbacks.history if each.change_type == "del_follow_user"]
    event = parse_event(delivery.plaintext)
    assert isinstance(event, DelFollowUser)
    db, clock = company.bot.db, company.bot.clock
    await db.write(record_loss, event, "deleted_by_customer", clock.now(), clock.now())  # and then the process died
    await company.settle()
    assert [alert.kind for alert in await company.alerts()] == ["customer_lost"]


async def an_old_event_that_comes_late_changes_nothing(company: Company) -> None:
    added = company.scan()
    await company.settle()
    send_event(company, added, "del_follow_user", -60)
    send_event(company, added, "del_external_contact", -61)
    await company.settle()
    assert (await follow_of(company, added)).status == "present"
    assert await company.alerts() == []
    company.people.delete_by_customer(*pair(added))
    await company.settle()
    send_event(company, added, "add_external_contact", -30, State="live_room")
    await company.settle()
    assert (await follow_of(company, added)).status == "deleted_by_customer"


async def test_a_deletion_of_somebody_we_never_saw_is_written(company: Company) -> None:
    added = company.people.add(company.followers[0], codes="never")
    company.sandbox.machine.callbacks.history.clear()
    await company.settle()
    other = company.scan()
    other.follow.external_userid = "wmO5Y9FfaAAAneverSeenBefore00000"
    await company.settle()
    send_event(company, other, "del_follow_user")
    await company.settle()
    assert (await follow_of(company, other)).status == "deleted_by_customer"
    assert [alert.kind for alert in await company.alerts()] == ["customer_lost"]
    assert (await follow_of(company, added)).status == "present"


def add_open_task(session: Any, userid: str, external_userid: str, now: datetime) -> None:
    """A journey has asked for something."""
    add_journey(session, now)
    add_task(session, now, userid, external_userid)


def owner_of_task(session: Any) -> str:
    return str(session.get(StaffTask, 1).userid)


async def test_a_hand_over_alerts_nobody_and_its_add_is_not_greeted(company: Company) -> None:
    await company.add_rule()
    giver, taker = company.followers[0], company.followers[1]
    added = company.scan(userid=giver)
    await company.settle()
    await company.bot.db.write(add_open_task, giver, added.follow.external_userid, company.bot.clock.now())
    company.people.hand_over(giver, taker, added.follow.external_userid, at_once=True)
    await company.settle()
    await tend_tasks(company.bot.context)
    assert await company.bot.db.read(owner_of_task) == taker
    assert (await follow_of(company, added)).status == "deleted_by_staff"
    taken: Follow = await company.read(customer_rows.find_follow, taker, added.follow.external_userid)
    assert (taken.status, taken.inherited, taken.add_way) == ("present", True, 202)
    assert await company.alerts() == []
    reasons = {welcome.userid: welcome.reason for welcome in await company.welcomes()}
    assert reasons[taker] == "inherited"
    assert len(company.texts(added)) == 1
    # The hand-over is over: a third colleague whom the customer adds by themselves greets as ever.
    own_choice = company.scan(userid=company.followers[2], external_userid=added.follow.external_userid)
    await company.settle()
    assert len(company.texts(own_choice)) == 1


async def test_a_hand_over_that_fails_is_told_with_its_cause(company: Company) -> None:
    giver, taker = company.followers[0], company.followers[1]
    added = company.scan(userid=giver, name="小鱼")
    await company.settle()
    external_userid = added.follow.external_userid

    def start(session: Any) -> None:
        session.add(
            Transfer(
                handover_userid=giver,
                takeover_userid=taker,
                external_userid=external_userid,
                started_at=company.bot.clock.now(),
            )
        )

    await company.bot.db.write(start)
    company.people.hand_over(giver, taker, external_userid, at_once=False)
    company.people.transfers.refuse(external_userid)
    await company.settle()
    (alert,) = await company.alerts()
    assert (alert.kind, alert.userid) == ("transfer_failed", taker)
    assert "客户拒绝了" in alert.words

    def status(session: Any) -> str:
        found: str = session.get(Transfer, 1).status
        return found

    assert await company.bot.db.read(status) == "refused"
    assert (await follow_of(company, added)).status == "present"


async def an_add_that_wecom_does_not_know_yet_is_fetched_on_a_retry(company: Company) -> None:
    company.sandbox.machine.faults.add(Fault(0, "api", "errcode", on=GET, errcode=84061, count=2))
    added = company.scan(name="小鱼")
    await company.settle_with_retries()
    assert (await customer_of(company, added)).name == "小鱼"
    assert (await follow_of(company, added)).status == "present"


async def test_an_add_of_somebody_who_is_gone_already_ends_without_a_dead_letter(company: Company) -> None:
    company.sandbox.machine.faults.add(Fault(0, "api", "errcode", on=GET, errcode=84061))
    added = company.scan()
    await company.settle_with_retries()
    (event,) = await company.bot.inbox.db.read(event_rows.list_events)
    assert {task["status"] for task in event["tasks"]} == {"done"}
    assert (await follow_of(company, added)).external_userid == added.follow.external_userid


async def test_what_is_written_and_who_is_told(company: Company) -> None:
    await company.each(
        an_add_is_written_and_fetched,
        a_half_add_is_written_without_a_fetch_and_completed_by_its_confirmation,
        a_half_add_that_comes_after_its_confirmation_changes_nothing,
        an_edit_is_fetched,
        the_customer_who_leaves_is_lost_and_the_staff_member_told_once,
        the_alert_reaches_the_staff_member_in_the_app,
        a_lost_customer_stays_lost_although_wecom_goes_on_listing_them,
        who_comes_back_is_present_again,
        the_manager_hears_of_a_customer_whom_staff_deleted,
        a_deletion_that_a_fetch_found_before_its_event_is_told_all_the_same,
        a_crash_between_the_record_and_the_alert_loses_no_alert,
        an_old_event_that_comes_late_changes_nothing,
        an_add_that_wecom_does_not_know_yet_is_fetched_on_a_retry,
    )
