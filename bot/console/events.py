"""What WeCom sent, what came of it and why; dead letters, and having events handled again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from bot.console.asks import Ask
from bot.console.event_words import WORDS
from bot.console.painting import N_
from bot.phrases import Phrase
from bot.replays import replay
from data.errors import NotFoundError
from data.queries import events as rows
from data.queries.campaign_views import map_customer_names
from data.queries.customer_pages import map_names

PATH = "/console/events"
ROWS = 50
STATES = {
    "": N_("全部"), "dead": N_("失败，等人处理"), "waiting": N_("等待处理"), "done": N_("已处理"),
    "ignored": N_("不需要处理"), "unhandled": N_("没有处理程序"),
}  # fmt: skip
TASK_STATES = {
    "waiting": N_("等待"), "claimed": N_("处理中"), "done": N_("完成"), "dead": N_("失败"),
    "skipped": N_("跳过"), "failed": N_("失败"),
}  # fmt: skip


async def show_list(ask: Ask) -> web.Response:
    """Events, the latest first."""
    query = ask.request.query
    status = query.get("state", "") if query.get("state", "") in STATES else ""
    kind, customer = query.get("kind", "").strip()[:100], query.get("customer", "").strip()[:64]

    def read(session: Any) -> list[dict[str, Any]]:
        return rows.list_events(
            session, status=status or None, kind=kind or None, subject=f"customer:{customer}" if customer else None,
            limit=ROWS + 1, before_id=ask.asked_number("before"),
        )  # fmt: skip

    found = await ask.parts.inbox.read(read)
    counts = await ask.parts.inbox.read(rows.count_tasks)
    older = found[ROWS - 1]["id"] if len(found) > ROWS else None
    kept = {"state": status, "kind": kind, "customer": customer}
    further = urlencode({key: value for key, value in kept.items() if value} | {"before": older or ""})
    found = found[:ROWS]
    return ask.show(
        "events", events=found, words=WORDS, names=await _names(ask, found), states=STATES, task_states=TASK_STATES,
        older=older, further=further, dead=counts.get("dead", 0), state=status, kind=kind, customer=customer,
    )  # fmt: skip


async def show_one(ask: Ask) -> web.Response:
    """One event: its tasks, and what each handler made of it."""
    return await _show(ask, await _event(ask))


async def show_body(ask: Ask) -> web.Response:
    """The same with what WeCom sent. That somebody looked is written down: it may hold a customer's words."""
    event = await _event(ask)
    await ask.note("events.body", f"event {event['id']}")
    return await _show(ask, event, event["body"])


async def replay_one(ask: Ask) -> web.Response:
    """Have one event handled again."""
    event_id = ask.path_number()
    await replay(ask.parts.inbox, ask.parts.plan, ask.now, event_id=event_id)
    await ask.note("events.replay", f"event {event_id}")
    return ask.go(f"{PATH}/{event_id}", "replayed")


async def replay_dead(ask: Ask) -> web.Response:
    """Have all dead letters handled again."""
    done = await replay(ask.parts.inbox, ask.parts.plan, ask.now, dead_only=True)
    await ask.note("events.replay", "dead letters", {"tasks": done.tasks})
    return ask.go(PATH, "replayed")


async def _show(ask: Ask, event: dict[str, Any], body: str | None = None) -> web.Response:
    names = await _names(ask, [event])
    return ask.show("event", event=event, task_states=TASK_STATES, words=WORDS, names=names, body=body)


async def _names(ask: Ask, events: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What the customers and members are called whom events are about, by `customer:…` and `staff:…`."""
    whom = {prefix: [each["subject"].removeprefix(prefix) for each in events if each["subject"].startswith(prefix)]
            for prefix in ("customer:", "staff:")}  # fmt: skip
    customers = await ask.db.read(map_customer_names, whom["customer:"])
    staff = await ask.db.read(map_names, whom["staff:"])
    return {f"customer:{key}": name for key, name in customers.items()} | {
        f"staff:{key}": name for key, name in staff.items()
    }


async def _event(ask: Ask) -> dict[str, Any]:
    event_id = ask.path_number()
    found = await ask.parts.inbox.read(lambda session: rows.list_events(session, event_id=event_id))
    if not found:
        raise NotFoundError(
            Phrase("没有编号为 %(event_id)s 的事件。", event_id=event_id), Phrase("它可能已过保存期限。")
        )
    return found[0]
