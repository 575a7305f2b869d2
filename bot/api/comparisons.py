"""`/runs/{id}/comparison` and `/waves/{id}/comparison`: what variants brought, against each other and the hold-out."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from aiohttp import web
from pydantic import Field

from bot.api.answers import answer, path_id, read_query
from bot.api.described import described
from bot.api.service import Api
from bot.comparisons import read_comparison, read_wave_comparison
from data.rules.comparisons import DAYS, DAYS_MAX, Verdict
from data.rules.problems import RuleModel


class ComparisonQuery(RuleModel):
    """For how many days after it was planned clicks and orders count."""

    days: int = Field(default=DAYS, ge=1, le=DAYS_MAX)


class GroupTold(RuleModel):
    """A variant, or those held out. All `customers` who were planned count, `sent` or not; `clickers` of them
    followed a link in it, `buyers` ordered.
    """

    name: str
    held_out: bool
    customers: int
    planned: int
    sent: int
    clickers: int
    click_rate: float
    buyers: int
    orders: int
    amount_fen: int
    order_rate: float


class ComparedTold(RuleModel):
    """Two groups: how much the rate of the `first` is above that of the `second`, and how often chance does that (`p`).

    `too_few`: nothing can be said yet. `words` say it to a person.
    """

    by: Literal["clicks", "orders", "goal"]
    first: str
    second: str
    difference: float
    p: float | None
    verdict: Verdict
    words: str


class Figures(RuleModel):
    """What customers did from `since` until `until`; before that instant it is not `complete`."""

    since: datetime
    until: datetime
    complete: bool
    groups: list[GroupTold]
    comparisons: list[ComparedTold]


class ComparisonTold(Figures):
    """The figures of one run."""

    run_id: int


class WaveComparisonTold(Figures):
    """The figures of several runs of a wave, each customer once; `planned` and `sent` count at every run anew."""

    wave_id: int
    run_ids: list[int]


@described(ComparisonTold, query=ComparisonQuery)
async def get_comparison(api: Api, request: web.Request) -> web.Response:
    query = read_query(ComparisonQuery, request)
    return answer(await api.db.read(read_comparison, path_id(request), query.days, api.clock.now()))


@described(WaveComparisonTold, query=ComparisonQuery)
async def get_wave_comparison(api: Api, request: web.Request) -> web.Response:
    query = read_query(ComparisonQuery, request)
    return answer(await api.db.read(read_wave_comparison, path_id(request), query.days, api.clock.now()))
