"""Waves to customer groups as parts of campaigns, and what became of each group."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from aiohttp import web
from pydantic import Field

from bot.api.answers import answer, page, path_id, read_query
from bot.api.batches import read_state
from bot.api.described import described
from bot.api.service import Api
from bot.api.shapes import Page
from data.models import RunStatus
from data.queries import campaigns as campaign_rows
from data.queries import group_waves as rows
from data.rules.group_waves import GroupAudience
from data.rules.messages import MessageContent
from data.rules.problems import RuleModel
from data.rules.timings import Timing


class GroupWaveTold(RuleModel):
    """A broadcast to customer groups, as a part of a campaign."""

    id: int
    kind: Literal["groups"]
    content: MessageContent
    audience: GroupAudience
    valid_hours: int
    timing: Timing


class OwnerTold(RuleModel):
    """To how many of their groups an owner sends."""

    userid: str
    groups: int


class GroupPreviewTold(RuleModel):
    """What a wave would do: of the `matched` groups their owners send to `groups`; `customers` are in these. That
    `opted_out` are among them is WeCom's way, not ours. Groups of owners `on_leave` are held back."""

    kind: Literal["groups"]
    matched: int
    groups: int
    left_out: dict[str, int]
    customers: int
    opted_out: int
    calls: int
    owners: list[OwnerTold]
    on_leave: list[OwnerTold]
    words: str
    warnings: list[str]


class GroupsQuery(RuleModel):
    """Which groups of a run to list, by chat_id."""

    limit: int = Field(default=100, ge=1, le=1000)
    after: str = Field(default="", max_length=64)
    state: str | None = None


class GroupTold(RuleModel):
    """A group and what became of it."""

    chat_id: str
    name: str
    owner: str
    state: str
    batch_no: int | None


class GroupsTold(RuleModel):
    """Groups of a run; the next page begins behind `next_after`."""

    items: list[GroupTold]
    next_after: str | None


class SendingsQuery(RuleModel):
    """Which sendings to list."""

    limit: int = Field(default=50, ge=1, le=200)
    before_id: int | None = Field(default=None, ge=1, le=2**62)


class SendingTold(RuleModel):
    """A sending (`id` of the run) that a group was for, and what became of it there. Without an `owner` nobody was
    asked to send it."""

    id: int
    campaign_id: int
    wave_id: int
    campaign: str
    due_at: datetime
    run_status: RunStatus
    state: str
    batch_no: int | None
    owner: str | None


@described(Page[SendingTold], query=SendingsQuery)
async def list_sendings(api: Api, request: web.Request) -> web.Response:
    query, chat_id = read_query(SendingsQuery, request), request.match_info["chat_id"]
    return answer(page(await api.db.read(rows.list_sendings, chat_id, query.limit, query.before_id), query.limit))


@described(GroupsTold, query=GroupsQuery)
async def list_groups(api: Api, request: web.Request) -> web.Response:
    query, run_id = read_query(GroupsQuery, request), path_id(request)
    await api.db.read(campaign_rows.get_run, run_id)
    found = await api.db.read(rows.list_recipients, run_id, query.limit, query.after, read_state(query.state))
    after = found[-1]["chat_id"] if len(found) == query.limit else None
    return answer({"items": found, "next_after": after})
