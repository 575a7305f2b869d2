"""`/campaigns/{id}/submit`, `approve`, `reject`: another manager's approval."""

from __future__ import annotations

from datetime import datetime

from aiohttp import web
from pydantic import Field

from bot import approvals
from bot.api.answers import answer, path_id, read_object
from bot.api.described import described
from bot.api.service import CALLER, Api
from bot.api.shapes import Items
from data.models import ApprovalStatus
from data.rules.approvals import Decider, Decision
from data.rules.problems import RuleModel, parse
from data.rules.schedule import Instant

USERID = r"^[A-Za-z0-9][A-Za-z0-9_.@-]*$"


class CardTold(RuleModel):
    """What became of the card by which approval was asked for."""

    status: str
    error: str
    sent_at: datetime | None


class ApprovalTold(RuleModel):
    """A request for approval of one `version`. `counts` are recipients by wave; `approvers` got a `card`."""

    id: int
    campaign_id: int
    version: int
    status: ApprovalStatus
    counts: dict[str, int]
    recipients: int
    senders: int
    start_at: datetime | None
    submitted_by: str
    requested_by: str
    approvers: list[str]
    submitted_at: datetime
    expires_at: datetime
    decided_at: datetime | None
    decided_by: str
    decided_via: str
    reason: str
    card: CardTold | None


class Submission(RuleModel):
    """Ask for approval. With `at` approval starts the campaign, then or at once if the instant has passed.

    `requested_by`: the userid of whom it is asked for; they cannot approve it and are told what is decided.
    """

    at: Instant | None = None
    requested_by: str = Field(default="", max_length=64, pattern=f"{USERID}|^$")
    version: int | None = Field(default=None, ge=1, le=2**31 - 1)


class Approve(RuleModel):
    """`version`: what was looked at; another one is not approved."""

    version: int = Field(ge=1, le=2**31 - 1)


class Reject(RuleModel):
    """Why it is not to be sent."""

    reason: str = Field(min_length=1, max_length=200)


@described(ApprovalTold, status=201, body=Submission)
async def submit_campaign(api: Api, request: web.Request) -> web.Response:
    asked = parse(Submission, await read_object(request))
    await approvals.submit(
        api.context,
        path_id(request),
        request[CALLER],
        at=asked.at,
        requested_by=asked.requested_by,
        version=asked.version,
    )
    return await _newest(api, request, 201)


@described(ApprovalTold, body=Approve)
async def approve_campaign(api: Api, request: web.Request) -> web.Response:
    version = parse(Approve, await read_object(request)).version
    decider = Decider(request[CALLER], is_program=True)
    await approvals.decide(api.context, path_id(request), Decision.APPROVE, decider, version=version)
    return await _newest(api, request)


@described(ApprovalTold, body=Reject)
async def reject_campaign(api: Api, request: web.Request) -> web.Response:
    reason = parse(Reject, await read_object(request)).reason
    decider = Decider(request[CALLER], is_program=True)
    await approvals.decide(api.context, path_id(request), Decision.REJECT, decider, reason=reason)
    return await _newest(api, request)


@described(Items[ApprovalTold])
async def list_approvals(api: Api, request: web.Request) -> web.Response:
    return answer({"items": await api.db.read(approvals.read_approvals, path_id(request))})


async def _newest(api: Api, request: web.Request, status: int = 200) -> web.Response:
    newest, *_ = await api.db.read(approvals.read_approvals, path_id(request))
    return answer(newest, status)
