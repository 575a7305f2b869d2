"""What a person says of a batch whose answer never came is held against what WeCom says of it."""

from __future__ import annotations

import pytest

from bot import batches
from bot.sandbox.faults import Fault
from bot.wecom.errors import WeComError
from data.errors import ConflictError
from data.queries import batch_lookups as lookup_rows
from data.rules.problems import InvalidRuleError
from scheduler.campaigns import send_when_due
from tests.scenarios.campaign_ledger import ADD, begin, ready, runs_and_batches
from tests.scenarios.conftest import Company


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
async def test_what_cannot_be_it_is_not_taken_for_it(company: Company) -> None:
    await ready(company)
    userid, other = company.followers[:2]
    mine, theirs = (list(company.world.customers.listed_by(each)) for each in (userid, other))
    ctx, wecom = company.bot.context, company.bot.wecom.external_contact

    async def make(sender: str, whom: list[str]) -> str:
        template = {"sender": sender, "external_userid": whom, "text": {"content": "别的话"}}
        return str((await wecom.add_msg_template(template))["msgid"])

    company.sandbox.machine.faults.add(Fault(id=0, target="api", on=ADD, kind="drop", count=1))
    pairs = [{"userid": userid, "external_userid": each} for each in mine[:2]]
    campaign_id = await begin(company, audience={"pairs": pairs})
    await send_when_due(ctx)
    (batch,) = (await company.read(runs_and_batches, campaign_id))[1]
    assert batch.status == "unknown"
    batch_id = batch.id or 0
    await company.bot.db.write(lookup_rows.leave_to_person, batch_id, [], "")
    (before,) = (await company.read(runs_and_batches, campaign_id))[1]

    elsewhere = await make(other, theirs[:1])
    to_others = await make(userid, mine[2:])
    for msgid, why in (("msgMistyped", "msgMistyped"), (elsewhere, other), (to_others, "接收人")):
        with pytest.raises(InvalidRuleError, match=why):
            await batches.adopt(ctx, batch_id, msgid)
    for msgid in (elsewhere, to_others):
        await wecom.cancel_groupmsg_send(msgid)  # whose it was is not told any more
        with pytest.raises(InvalidRuleError, match="接收人"):
            await batches.adopt(ctx, batch_id, msgid)
    right = await make(userid, mine[:1])
    task = "externalcontact/get_groupmsg_task"
    fault = company.sandbox.machine.faults.add(Fault(id=0, target="api", on=task, kind="errcode", errcode=60020))
    with pytest.raises(WeComError, match="60020"):
        await batches.adopt(ctx, batch_id, right)
    company.sandbox.machine.faults.clear(fault.id)
    assert (await company.read(runs_and_batches, campaign_id))[1] == [before], "nothing was changed"

    await wecom.cancel_groupmsg_send(right)
    assert (await batches.adopt(ctx, batch_id, right)).msgid == right
    with pytest.raises(ConflictError):
        await batches.adopt(ctx, batch_id, "msgOther")
