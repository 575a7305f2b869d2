"""Webhooks: other programs that are told what happens, each call with its tries, and what was given up tried again."""

from __future__ import annotations

from functools import partial
from typing import Any

from aiohttp import web
from sqlmodel import Session

from bot import webhook_edits
from bot.console.asks import Ask
from bot.console.painting import N_
from bot.webhooks import WebhookError
from data.errors import ConflictError
from data.models import Webhook
from data.queries import tags as tag_rows
from data.queries import webhook_targets
from data.queries import webhooks as rows
from data.queries.webhooks import CallState
from data.rules.problems import InvalidRuleError, parse
from data.rules.webhooks import WebhookDraft

PATH = "/console/webhooks"
ROWS = 50
STATES = {
    CallState.GIVEN_UP: N_("失败，已放弃"), CallState.WAITING: N_("等待发送或重试"), CallState.TAKEN: N_("对方已收到"),
}  # fmt: skip
EVENTS = {
    "added": N_("添加了客户"), "lost": N_("客户流失（没有员工跟进了）"), "tagged": N_("打上或去掉所选的标签"),
    "ordered": N_("付款订单匹配到客户"), "campaign_finished": N_("一次群发结束"),
}  # fmt: skip


async def show_list(ask: Ask) -> web.Response:
    """The programs that are told, and calls, the latest first."""
    query = ask.request.query
    state = CallState(query["state"]) if query.get("state") in set(CallState) else None
    customer, webhook_id = query.get("customer", "").strip()[:64], ask.asked_number("webhook")

    def read(session: Session) -> Any:
        calls = rows.list_calls(
            session, state=state, external_userid=customer or None, webhook_id=webhook_id, limit=ROWS + 1,
            before_id=ask.asked_number("before"),
        )  # fmt: skip
        return calls, webhook_targets.list_webhooks(session), webhook_targets.count_given_up(session)

    calls, webhooks, given_up = await ask.db.read(read)
    journeys = ask.settings.journeys
    return ask.show(
        "webhooks", calls=calls[:ROWS], older=calls[ROWS - 1].id if len(calls) > ROWS else None, states=STATES,
        state_of=rows.state_of, state=state or "", customer=customer, webhook_id=webhook_id, webhooks=webhooks,
        given_up=given_up, events=EVENTS, names={each.id: each.name for each in webhooks},
        has_secret=bool(journeys.webhook_secret.get_secret_value()), private=journeys.webhook_private,
    )  # fmt: skip


async def show_new(ask: Ask) -> web.Response:
    """One to be made. Who has no secret learns it before they have filled it in."""
    is_set = bool(ask.settings.journeys.webhook_secret.get_secret_value())
    fault = "" if is_set else ask._("还没有设置签名用的密钥（journeys.webhook_secret）：什么都不会发。")
    return await _form(ask, None, {}, fault=fault)


async def show_one(ask: Ask) -> web.Response:
    """One to be changed."""
    row = await ask.db.read(webhook_targets.get_webhook, ask.path_number())
    return await _form(ask, row, row.model_dump())


async def make(ask: Ask) -> web.Response:
    """A new one; its secret is shown once."""
    try:
        draft = _draft(ask)
        row, secret = await ask.change(
            "webhooks.make", f"webhook {draft.name}",
            partial(webhook_edits.add_webhook, settings=ask.settings.journeys, draft=draft, by=ask.actor.who,
                    now=ask.now),
        )  # fmt: skip
    except InvalidRuleError as error:
        return await _form(ask, None, _typed(ask), 400, error)
    except ConflictError as error:
        return await _form(ask, None, _typed(ask), 409, fault=ask.told(error))
    return ask.show("webhook_made", row=row, secret=secret)


async def change(ask: Ask) -> web.Response:
    """It was edited."""
    number = ask.path_number()
    try:
        draft = _draft(ask)
        await ask.change(
            "webhooks.change", f"webhook {number}",
            partial(webhook_edits.change_webhook, settings=ask.settings.journeys, webhook_id=number, draft=draft,
                    now=ask.now),
            partial(_look, number),
        )  # fmt: skip
    except InvalidRuleError as error:
        row = await ask.db.read(webhook_targets.get_webhook, number)
        return await _form(ask, row, _typed(ask), 400, error)
    return ask.go(PATH, "saved")


async def switch(ask: Ask) -> web.Response:
    """On or off."""
    number, on = ask.path_number(), ask.text("on") == "yes"
    await ask.change(
        "webhooks.switch", f"webhook {number}",
        partial(webhook_targets.switch_webhook, webhook_id=number, now=ask.now, on=on), partial(_look, number),
    )  # fmt: skip
    return ask.go(PATH, "switched_on" if on else "switched_off")


async def renew(ask: Ask) -> web.Response:
    """Another secret, shown once."""
    number = ask.path_number()
    row, secret = await ask.change(
        "webhooks.secret", f"webhook {number}",
        partial(webhook_edits.renew_secret, settings=ask.settings.journeys, webhook_id=number),
    )  # fmt: skip
    return ask.show("webhook_made", row=row, secret=secret)


async def remove(ask: Ask) -> web.Response:
    """It is told of nothing any more."""
    number = ask.path_number()
    await ask.change(
        "webhooks.remove", f"webhook {number}",
        partial(webhook_targets.remove_webhook, webhook_id=number), partial(_look, number),
    )  # fmt: skip
    return ask.go(PATH, "removed")


async def test(ask: Ask) -> web.Response:
    """One call, now; what came of it is told."""
    row = await ask.db.read(webhook_targets.get_webhook, ask.path_number())
    try:
        await webhook_edits.try_webhook(ask.ctx, row)
    except WebhookError as error:
        await ask.note("webhooks.test", f"webhook {row.id}", {"error": str(error)[:200]})
        return await _form(ask, row, row.model_dump(), 400, fault=ask._("没有收到：%(why)s", why=ask.told(error)))
    await ask.note("webhooks.test", f"webhook {row.id}")
    return ask.go(f"{PATH}/{row.id}", "heard")


async def try_again(ask: Ask) -> web.Response:
    """A call that was given up, or taken, is sent once more."""
    call_id = ask.path_number()
    await ask.change("webhooks.again", f"webhook call {call_id}",
                     partial(rows.try_again, call_id=call_id, now=ask.now))  # fmt: skip
    return ask.go(PATH, "replayed")


async def try_all_again(ask: Ask) -> web.Response:
    """All that were given up are tried once more."""
    await ask.change("webhooks.again", "webhook calls", partial(rows.try_all_again, now=ask.now))
    return ask.go(PATH, "replayed")


def _typed(ask: Ask) -> dict[str, Any]:
    return {
        "name": ask.text("name", 65), "url": ask.text("url", 1025), "events": ask.texts("event"),
        "tag_ids": [each for each in ask.texts("tag_id") if each],
    }  # fmt: skip


def _draft(ask: Ask) -> WebhookDraft:
    return parse(WebhookDraft, _typed(ask))


def _look(number: int, session: Session) -> dict[str, Any] | None:
    found = next((each for each in webhook_targets.list_webhooks(session) if each.id == number), None)
    shown = {"name", "url", "events", "tag_ids", "enabled"}
    return None if found is None else found.model_dump(mode="json", include=shown)


async def _form(
    ask: Ask, row: Webhook | None, typed: dict[str, Any], status: int = 200, error: InvalidRuleError | None = None,
    *, fault: str = "",
) -> web.Response:  # fmt: skip
    faults = {each.path.partition("[")[0]: each.message for each in error.problems} if error else {}
    tags = await ask.db.read(tag_rows.list_tags)
    return ask.show("webhook", status, row=row, typed=typed, faults=faults, fault=fault, tags=tags, events=EVENTS)
