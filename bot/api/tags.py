"""`/tags`: the company's tags, as last read from WeCom."""

from __future__ import annotations

from aiohttp import web

from bot.api.answers import answer
from bot.api.service import Api
from data.queries import tags as rows


async def list_tags(api: Api, _request: web.Request) -> web.Response:
    return answer({"items": await api.db.read(rows.list_tags)})
