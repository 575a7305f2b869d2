"""`/channels`: contact ways, as last read from WeCom."""

from __future__ import annotations

from aiohttp import web

from bot.api.answers import answer
from bot.api.described import described
from bot.api.service import Api
from bot.api.shapes import ChannelTold, Items
from data.queries import channels as rows


@described(Items[ChannelTold])
async def list_channels(api: Api, _request: web.Request) -> web.Response:
    found = await api.db.read(rows.list_channels)
    return answer({"items": [row.model_dump(exclude={"deleted_at"}) for row in found]})
