"""The repeated work of the program: how each went last, and having one run now."""

from __future__ import annotations

from aiohttp import web

from bot.console.asks import Ask
from bot.console.job_words import WORDS, every
from bot.phrases import Phrase
from data.errors import NotFoundError
from data.queries import jobs as rows

PATH = "/console/jobs"


async def show_list(ask: Ask) -> web.Response:
    """Every job, those that failed first."""
    states = await ask.db.read(rows.list_states)
    found = [(name, every(ask, seconds), states.get(name)) for name, seconds in sorted(ask.parts.jobs.items())]
    found.sort(key=lambda each: each[2] is None or each[2].outcome != "failed")
    return ask.show("jobs", jobs=found, words=WORDS)


async def run(ask: Ask) -> web.Response:
    """Have one run at once; where another process holds its lease, nothing is done twice."""
    name = ask.request.match_info["name"]
    if name not in ask.parts.jobs:
        raise NotFoundError(Phrase("没有任务 %(name)s。", name=name), Phrase("请在任务列表里选择。"))
    await ask.note("jobs.run", f"job {name}")
    await ask.parts.run_job(name)
    return ask.go(PATH, "started")
