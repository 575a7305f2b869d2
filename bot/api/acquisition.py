"""`/channels`: what WeCom tells of those that are customer-acquisition links (获客链接), and of the quota of these."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from aiohttp import web
from sqlmodel import Session

from bot.acquisition import refresh_quota
from bot.api.answers import answer, path_id, read_query
from bot.api.channels import PeriodQuery, read_period
from bot.api.described import described
from bot.api.service import Api
from bot.phrases import Phrase
from data.errors import NotFoundError
from data.models import ChannelKind
from data.queries import acquisition as rows
from data.queries import channel_plans as plan_rows
from data.rules.problems import RuleModel


class PartTold(RuleModel):
    """A part of the quota: until which day (in China), and how many are left of it."""

    day: date
    balance: int


class QuotaTold(RuleModel):
    """How many customers the company may still add by links, as WeCom told it `read_at`."""

    total: int
    balance: int
    parts: list[PartTold]
    read_at: datetime


class LinkDayTold(RuleModel):
    """A day of a link (in China): who opened it, and who was added by it."""

    day: date
    clicks: int
    added: int


class LinkTold(RuleModel):
    """What came of a link: its days, the latest first; all its customers, and how many of them have written."""

    days: list[LinkDayTold]
    customers: int
    written: int


@described(QuotaTold)
async def get_quota(api: Api, _request: web.Request) -> web.Response:
    await refresh_quota(api.context)
    kept = await api.db.read(rows.find_quota)
    assert kept is not None
    quota, read_at = kept
    parts = [PartTold(day=part.day, balance=part.balance) for part in quota.parts]
    return answer(QuotaTold(total=quota.total, balance=quota.balance, parts=parts, read_at=read_at))


@described(LinkTold, query=PeriodQuery)
async def get_link(api: Api, request: web.Request) -> web.Response:
    id_, (since, until) = path_id(request), read_period(api, read_query(PeriodQuery, request))

    def read(session: Session) -> dict[str, Any]:
        row = plan_rows.get_plan(session, id_)
        if row.kind != ChannelKind.LINK:
            raise NotFoundError(
                Phrase("这个渠道不是获客链接。"), Phrase("它的统计：/api/v1/channels/编号/statistics。")
            )
        return rows.tell_link(session, row.config_id or "", since, until)

    return answer(await api.db.read(read))
