"""Contact ways cause no event: the poll tells which exist."""

from __future__ import annotations

from bot.refresh import refresh_channels
from data.queries import channels as channel_rows
from data.queries import events as event_rows
from tests.scenarios.conftest import Company


async def test_a_contact_way_that_was_deleted_is_gone_and_keeps_its_name(company: Company) -> None:
    before = {channel.config_id for channel in await company.read(channel_rows.list_channels)}
    gone = await company.read(channel_rows.find_by_state, "store_poster")
    assert gone is not None
    company.world.ways.delete(gone.config_id)
    assert await refresh_channels(company.bot.context) == len(before) - 1
    assert {channel.config_id for channel in await company.read(channel_rows.list_channels)} == before - {
        gone.config_id
    }
    known = await company.read(channel_rows.find_by_state, "store_poster")
    assert known is not None
    assert known.name == gone.name, "its customers still say where they came from"


async def test_nobody_is_looked_at_when_no_rule_asks_who_joined_a_group(company: Company) -> None:
    acts, owner = company.sandbox.machine.group_acts, company.followers[0]
    group = acts.create(owner, "新品群", [company.scan().follow.external_userid])
    await company.settle()
    acts.join(group.chat_id, [company.scan().follow.external_userid])
    await company.settle()
    events = await company.bot.inbox.db.read(event_rows.list_events, kind="change_external_chat.update")
    outcomes = [each for event in events for each in event["outcomes"] if each["handler"] == "tagging.on_group_joined"]
    assert [outcome["reason"] for outcome in outcomes] == ["no rule asks who joined a group"]
