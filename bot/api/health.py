"""`/health`: what the callbacks have shown, and what waits in the inbox."""

from __future__ import annotations

from aiohttp import web

from bot.api.answers import answer
from bot.api.described import described
from bot.api.service import Api
from bot.api.shapes import HealthTold
from data.queries import events as event_rows
from data.queries import health as health_rows


@described(HealthTold)
async def read_health(api: Api, _request: web.Request) -> web.Response:
    callbacks = await api.db.read(health_rows.list_health)
    tasks = await api.inbox.read(event_rows.count_tasks)
    return answer(
        {
            "mode": api.settings.mode,
            "callbacks": [row.model_dump() for row in callbacks],
            "tasks": {status: tasks.get(status, 0) for status in ("waiting", "claimed", "dead")},
            "oldest_waiting_at": await api.inbox.read(event_rows.find_oldest_waiting),
        }
    )
