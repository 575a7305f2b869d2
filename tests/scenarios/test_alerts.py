"""Alerts to staff: what may still be delivered is tried again, and in observe mode nothing leaves the house."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from bot.delivery import REPLY, add_words, queue_alert, send_due_alerts
from bot.sample_rules import sample_media, sample_welcome_rules
from bot.sandbox.faults import Fault
from data.queries import media as media_rows
from data.queries import rules as rule_rows
from scheduler.jobs import renew_media
from tests.scenarios.conftest import Company, Start

SEND = "message/send"


async def queue(company: Company, userid: str, count: int = 1) -> None:
    """Alerts about different groups."""
    for number in range(count):
        values = {"group_name": f"群{number}", "owner_name": "小林", "happened_at": "今天", "member_count": "3"}
        await queue_alert(company.bot.context, "group_dismissed", userid, values, dedupe_key=f"test:{number}")


async def test_an_alert_outlives_a_set_up_that_an_operator_has_to_mend(company: Company) -> None:
    company.sandbox.machine.faults.add(Fault(0, "api", "errcode", on=SEND, errcode=60020, count=1))
    await queue(company, company.followers[0])
    assert await send_due_alerts(company.bot.context) == 0
    (alert,) = await company.alerts()
    assert (alert.status, "60020" in alert.error) == ("waiting", True)
    company.bot.clock.advance(timedelta(minutes=1))
    assert await send_due_alerts(company.bot.context) == 1


async def test_alerts_beyond_the_limit_of_a_minute_wait_without_using_up_their_tries(company: Company) -> None:
    for number in range(40):
        # Answers, for of what else comes together several become one message.
        answer = (REPLY, company.followers[0], f"第{number}个回答")
        await company.bot.db.write(add_words, company.bot.context, *answer, dedupe_key=f"test:{number}")
    assert await send_due_alerts(company.bot.context) == 25
    waiting = [alert for alert in await company.alerts() if alert.status == "waiting"]
    assert Counter(alert.attempts for alert in waiting) == {0: 15}
    company.bot.clock.advance(timedelta(seconds=61))
    assert await send_due_alerts(company.bot.context) == 15


async def test_observe_mode_uploads_and_sends_nothing(start: Start) -> None:
    company = await start("observe")
    now, media = company.bot.clock.now(), {}
    for name, content in sample_media().items():
        media[name] = await company.bot.db.write(media_rows.add_media, "image", f"{name}.png", content, now)
    for rule in sample_welcome_rules(media):
        await company.bot.db.write(rule_rows.save_welcome_rule, rule, now)
    assert await renew_media(company.bot.context) == 0
    await queue(company, company.followers[0])
    assert await send_due_alerts(company.bot.context) == 0
    company.scan()
    await company.settle()
    assert [alert.status for alert in await company.alerts()] == ["observed"]
    assert [company.calls(path) for path in ("media/upload", SEND, "externalcontact/send_welcome_msg")] == [0, 0, 0]
