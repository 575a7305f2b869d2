"""Group-sends against the local WeCom: pages to the end, and nothing made twice by the client itself."""

from __future__ import annotations

import pytest

from bot.sandbox.faults import Fault
from bot.sandbox.server import Sandbox
from bot.wecom.client import WeComClient
from bot.wecom.errors import AlreadyDoneError, GoneError, NotReadyError, QuotaError, UnknownOutcomeError
from bot.wecom.repeat import may_repeat

HELLO = {"text": {"content": "周末有新品"}}


async def test_a_group_send_from_its_making_to_its_results(sandbox: Sandbox, local: WeComClient) -> None:
    world, contacts = sandbox.world, local.external_contact
    sender, other = world.population.service[0].userid, world.population.service[3].userid
    mine = list(world.customers.listed_by(sender))
    made = await contacts.add_msg_template({**HELLO, "sender": sender, "external_userid": [*mine, "wm-unknown"]})
    msgid = made["msgid"]
    assert made["fail_list"] == ["wm-unknown"]
    with pytest.raises(NotReadyError):
        await contacts.get_groupmsg_task(msgid)
    sandbox.machine.settings.group_send_settle_seconds = 0
    assert [row["status"] async for row in contacts.gen_groupmsg_tasks(msgid)] == [0]
    first = await contacts.get_groupmsg_send_result(msgid, sender, limit=2)
    rest = await contacts.get_groupmsg_send_result(msgid, sender, first["next_cursor"])
    assert [row["external_userid"] for row in first["send_list"] + rest["send_list"]] == mine
    sandbox.machine.group_send_acts.confirm(sender, msgid)
    assert [row["status"] async for row in contacts.gen_groupmsg_send_results(msgid, sender)] == [1] * len(mine)
    now = world.now
    assert [row["msgid"] async for row in contacts.gen_groupmsg_list("single", now - 60, now + 60)] == [msgid]
    assert [row async for row in contacts.gen_groupmsg_list("single", now - 60, now + 60, filter_type=1)] == []
    for _ in range(3):
        await contacts.remind_groupmsg_send(msgid)
    with pytest.raises(QuotaError):
        await contacts.remind_groupmsg_send(msgid)
    await contacts.cancel_groupmsg_send(msgid)
    with pytest.raises(AlreadyDoneError):
        await contacts.get_groupmsg_task(msgid)
    with pytest.raises(GoneError):
        await contacts.get_groupmsg_task("msg-unknown")
    with pytest.raises(GoneError):
        await contacts.add_msg_template({**HELLO, "external_userid": mine[:1], "sender": other})


async def test_after_a_missing_answer_the_caller_decides(sandbox: Sandbox, local: WeComClient) -> None:
    path = "externalcontact/add_msg_template"
    sandbox.machine.faults.add(Fault(id=0, target="api", kind="lose_answer", on=path))
    with pytest.raises(UnknownOutcomeError):
        await local.external_contact.add_msg_template({**HELLO, "sender": sandbox.world.population.service[0].userid})
    assert len(list(sandbox.world.group_sends)) == 1


def test_what_may_be_repeated() -> None:
    folder = "externalcontact/"
    for path, repeatable in [
        ("add_msg_template", False),
        ("remind_groupmsg_send", False),
        ("cancel_groupmsg_send", True),
        ("get_groupmsg_list_v2", True),
        ("get_groupmsg_task", True),
        ("get_groupmsg_send_result", True),
    ]:
        assert may_repeat("POST", folder + path, {}) is repeatable, path
