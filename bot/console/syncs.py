"""Complete readings of WeCom: asked for here, run by the scheduler, followed while they run."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from sqlmodel import Session

from bot.console.asks import Ask
from bot.console.painting import N_
from data.models import SyncRun
from data.queries import sync_runs as rows

PATH = "/console/syncs"
ROWS = 20
STAGES = {
    "directory": N_("成员和部门"), "tags": N_("标签"), "customers": N_("客户"), "groups": N_("客户群"), "": N_("准备"),
}  # fmt: skip
STATES = {
    "waiting": N_("等待开始"), "running": N_("正在读取"), "done": N_("完成"), "failed": N_("失败"),
}  # fmt: skip


async def show_list(ask: Ask) -> web.Response:
    """The latest syncs, and a button."""

    def read(session: Session) -> tuple[list[SyncRun], Any]:
        found = rows.list_runs(session, ROWS + 1, ask.asked_number("before"))
        running = rows.find_open_run(session)
        return found, rows.find_progress(session, running.id) if running is not None and running.id else None

    runs, progress = await ask.db.read(read)
    older = runs[ROWS - 1].id if len(runs) > ROWS else None
    return ask.show("syncs", runs=runs[:ROWS], progress=progress, older=older, stages=STAGES, states=STATES)


async def show_one(ask: Ask) -> web.Response:
    """One sync: how far it is, what it changed, what it could not use."""
    run_id = ask.path_number()
    progress = await ask.db.read(rows.find_progress, run_id)
    changed, problems = await ask.db.read(rows.sum_report, run_id)
    return ask.show(
        "sync", progress=progress, changed=changed, problems=problems, stages=STAGES, states=STATES
    )  # fmt: skip


async def ask(asked: Ask) -> web.Response:
    """Have WeCom read whole; one that runs already is shown instead of a second one."""
    run = await asked.change("syncs.ask", "sync", lambda session: rows.ask_for_run(session, "console", asked.now))
    return asked.go(f"{PATH}/{run.id}", "started")
