"""`/syncs`: complete readings of WeCom, asked for here, run by the scheduler."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from aiohttp import web
from pydantic import Field

from bot.api.answers import answer, page, path_id, read_query
from bot.api.described import described
from bot.api.service import Api
from bot.api.shapes import Page
from data.models import SyncRun, SyncStage, SyncStatus
from data.queries import sync_runs as rows
from data.rules.problems import RuleModel


class ListQuery(RuleModel):
    """Which syncs to list."""

    limit: int = Field(default=20, ge=1, le=100)
    before_id: int | None = Field(default=None, ge=1, le=2**62)


class SyncTold(RuleModel):
    """A sync; `stages` are those that are finished."""

    id: int
    cause: str
    status: SyncStatus
    stages: list[SyncStage]
    asked_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    error: str


class SyncInFull(SyncTold):
    """A sync with how far its present stage is, what it changed, and the records that it could not use."""

    stage: SyncStage | Literal[""] | None
    parts: int
    parts_done: int
    rows: int
    changed: dict[str, int]
    problems: list[dict[str, Any]]


@described(SyncTold, status=202)
async def ask_for_sync(api: Api, _request: web.Request) -> web.Response:
    """202: it begins within seconds. One that was asked for or runs already is answered instead of a second one."""
    run = await api.db.write(rows.ask_for_run, "api", api.clock.now())
    return answer(_told(run), 202, Location=f"/api/v1/syncs/{run.id}")


@described(Page[SyncTold], query=ListQuery)
async def list_syncs(api: Api, request: web.Request) -> web.Response:
    query = read_query(ListQuery, request)
    found = await api.db.read(rows.list_runs, query.limit, query.before_id)
    return answer(page([_told(run) for run in found], query.limit))


@described(SyncInFull)
async def get_sync(api: Api, request: web.Request) -> web.Response:
    run_id = path_id(request)
    progress = await api.db.read(rows.find_progress, run_id)
    changed, problems = await api.db.read(rows.sum_report, run_id)
    now = {"stage": progress.stage, "parts": progress.parts, "parts_done": progress.parts_done, "rows": progress.rows}
    return answer({**_told(progress.run), **now, "changed": changed, "problems": problems})


def _told(run: SyncRun) -> dict[str, Any]:
    return run.model_dump()
