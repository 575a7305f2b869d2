"""`/staff`: the members whom the app may see, as last read from WeCom."""

from __future__ import annotations

from aiohttp import web

from bot.api.answers import answer
from bot.api.described import described
from bot.api.service import Api
from bot.api.shapes import Items, StaffTold
from data.queries import staff as rows


@described(Items[StaffTold])
async def list_staff(api: Api, _request: web.Request) -> web.Response:
    found = await api.db.read(rows.list_staff)
    return answer({"items": [row.model_dump(exclude={"gone_at", "leader_userids"}) for row in found]})
