"""`/waves/{id}/winner`: which variant later runs of a wave send alone, and who has chosen it on which figures."""

from __future__ import annotations

from datetime import datetime

from aiohttp import web
from pydantic import Field

from bot import campaigns, winners
from bot.api.answers import answer, path_id, read_object
from bot.api.campaigns import CampaignTold, WinnerTold
from bot.api.comparisons import WaveComparisonTold
from bot.api.described import described
from bot.api.service import CALLER, Api
from bot.api.shapes import Items
from data.rules.comparisons import DAYS, DAYS_MAX
from data.rules.problems import RuleModel, parse
from data.rules.variants import NAME_MAX_LENGTH


class Choice(RuleModel):
    """Which variant it is; clicks and orders of so many `days` are kept as the figures it is chosen on."""

    variant: str = Field(min_length=1, max_length=NAME_MAX_LENGTH)
    days: int = Field(default=DAYS, ge=1, le=DAYS_MAX)


class ChoiceTold(WinnerTold):
    """A choice, until it was undone; `figures` is the comparison of the wave as it was then."""

    figures: WaveComparisonTold
    undone_at: datetime | None
    undone_by: str


@described(CampaignTold, body=Choice)
async def choose_winner(api: Api, request: web.Request) -> web.Response:
    choice = parse(Choice, await read_object(request))
    told = await winners.choose(api.context, path_id(request), choice.variant, request[CALLER], choice.days)
    return answer(campaigns.to_json(told))


@described(CampaignTold)
async def undo_winner(api: Api, request: web.Request) -> web.Response:
    return answer(campaigns.to_json(await winners.undo(api.context, path_id(request), request[CALLER])))


@described(Items[ChoiceTold])
async def list_winners(api: Api, request: web.Request) -> web.Response:
    return answer({"items": await api.db.read(winners.read_winners, path_id(request))})
