"""A handler that is run again, after a crash or by `siyu replay`: nothing is sent twice, no alert is lost."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.replays import replay
from bot.sandbox.faults import Fault
from data.queries import alerts as alert_rows
from data.queries import groups as group_rows
from tests.scenarios.conftest import Company

SEND = "externalcontact/send_welcome_msg"


async def handle_all_again(company: Company) -> None:
    """`siyu replay` of everything."""
    bot = company.bot
    since = bot.clock.now() - timedelta(days=1)
    await replay(bot.inbox.db, bot.dispatcher.plan, bot.clock.now(), since=since)
    bot.inbox.wake()
    await company.settle()


def refuse_alerts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full at the worst moment: the alert's row cannot be written."""

    def refuse(*_: Any, **__: Any) -> bool:
        raise RuntimeError("no room")

    monkeypatch.setattr(alert_rows, "add_alert", refuse)


async def test_a_welcome_handled_again_stays_sent(company: Company) -> None:
    await company.add_rule()
    added = company.scan()
    await company.settle()
    await handle_all_again(company)
    (welcome,) = await company.welcomes()
    assert (welcome.status, welcome.reason, welcome.sent_at is not None) == ("sent", "", True)
    assert company.texts(added) == ["您好"]


async def test_a_missed_welcome_and_its_alert_are_written_together(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    await company.add_rule()
    company.sandbox.machine.faults.add(Fault(0, "api", "errcode", on=SEND, errcode=41050))
    with monkeypatch.context() as patch:
        refuse_alerts(patch)
        company.scan()
        await company.settle()
        assert [welcome.status for welcome in await company.welcomes()] == ["sending"]
    await company.settle_with_retries()
    assert [welcome.status for welcome in await company.welcomes()] == ["missed"]
    assert [alert.kind for alert in await company.alerts()] == ["welcome_missed"]


async def test_a_missed_welcome_handled_again_is_told_once(company: Company) -> None:
    await company.add_rule()
    company.sandbox.machine.faults.add(Fault(0, "api", "errcode", on=SEND, errcode=41050))
    company.scan()
    await company.settle()
    company.bot.clock.advance(timedelta(minutes=1))
    await handle_all_again(company)
    assert [welcome.status for welcome in await company.welcomes()] == ["missed"]
    assert len(await company.alerts()) == 1


@pytest.mark.parametrize("found_gone_before", [False, True])
async def test_the_owner_of_a_dismissed_group_is_told_once(company: Company, found_gone_before: bool) -> None:
    acts, owner = company.sandbox.machine.group_acts, company.followers[0]
    group = acts.create(owner, "新品群", [company.scan().follow.external_userid])
    await company.settle()
    members = await company.read(group_rows.count_members, group.chat_id)
    assert members >= 2
    if found_gone_before:
        # An earlier event of the group was handled late: its fetch found the group gone.
        now = company.bot.clock.now()
        await company.bot.db.write(group_rows.mark_dismissed, group.chat_id, now, now)
    acts.dismiss(group.chat_id)
    await company.settle()
    await handle_all_again(company)
    (alert,) = await company.alerts()
    assert (alert.kind, alert.userid) == ("group_dismissed", owner)
    assert f"有 {members} 人" in alert.words
