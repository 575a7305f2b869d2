"""A company whose campaigns need approval: asked for, shown on cards, clicked."""

from __future__ import annotations

from typing import Any

from bot import approvals, campaigns
from bot.config import ApprovalSettings
from bot.delivery import send_due_alerts
from bot.sandbox.records import AppMessage
from bot.sandbox.server import Sandbox
from data.models import Approval
from data.queries import approvals as rows
from data.rules.campaigns import CampaignDraft
from scheduler.approvals import work_on_approvals
from tests.scenarios.campaign_ledger import ready, wave
from tests.scenarios.conftest import Company, Start

SEND = "message/send"
UPDATE = "message/update_template_card"


async def begin(start: Start, sandbox: Sandbox) -> Company:
    """A company in which more than three customers need the approval of one of two managers; no job runs by itself."""
    staff = [member.userid for member in sandbox.world.directory]
    company = await start(approval=ApprovalSettings(above=3, approvers=(staff[0], staff[1])))
    await ready(company)
    return company


def managers(company: Company) -> list[str]:
    return list(company.bot.settings.approval.approvers)


async def make(company: Company, *before: dict[str, Any], **more: Any) -> int:
    """A campaign to everybody, which needs approval; `before`: waves that stand before it."""
    draft = CampaignDraft.model_validate({"name": "三月上新", "waves": [*before, wave(**more)]})
    made = await campaigns.make_campaign(company.bot.context, draft, "test")
    return made.id or 0


async def submit(company: Company, campaign_id: int, **more: Any) -> None:
    await approvals.submit(company.bot.context, campaign_id, "shop", **more)
    await work_on_approvals(company.bot.context)


async def newest(company: Company, campaign_id: int) -> Approval:
    found: list[Approval] = await company.read(rows.list_approvals, campaign_id)
    return found[0]


def cards(company: Company, userid: str) -> list[AppMessage]:
    """The cards that a member has, the newest last."""
    messages = company.world.chats.of_app(company.world.app.agentid, userid)
    return [message for message in messages if message.msgtype == "template_card"]


def shown(company: Company, userid: str) -> str:
    """What stands in the place of the newest card's buttons; empty while there are buttons."""
    return str(cards(company, userid)[-1].content.get("replace_text", ""))


def told(company: Company, userid: str) -> list[str]:
    """The texts that the app has sent a member."""
    messages = company.world.chats.of_app(company.world.app.agentid, userid)
    return [message.content["content"] for message in messages if message.msgtype == "text"]


async def click(company: Company, userid: str, key: str = "approve", card: int = -1) -> None:
    """A member presses a button, and the bot has handled it."""
    company.sandbox.machine.staff_acts.click_card(userid, cards(company, userid)[card].msgid, key)
    await handled(company)


async def handled(company: Company) -> None:
    await company.settle()
    await work_on_approvals(company.bot.context)
    await send_due_alerts(company.bot.context)
