"""What a member does beside a chat: answers a task, takes a script, claims an order; and the files that go along."""

from __future__ import annotations

from functools import partial
from typing import Any

from aiohttp import web
from sqlmodel import Session

from bot import staff_changes
from bot.console.asks import Ask, number_of
from bot.console.customer import external_userid_of
from bot.console.customer_changes import back, faulty, require
from bot.console.pages import FRESH, HEADERS
from bot.delivery import media_id_of
from bot.phrases import Phrase
from bot.picture_addresses import media_id_at
from bot.staff_changes import TaskAct
from bot.staff_tasks import Asked
from bot.wecom.errors import WeComError
from data.errors import ConflictError, NotFoundError
from data.queries import orders, scripts
from data.queries import staff_tasks as task_rows
from data.queries.audit import add_entry
from data.rules.messages import ImageAttachment, MessageContent, MissingMediaError
from data.rules.problems import InvalidRuleError, Problem
from data.rules.schedule import local_datetime
from data.rules.staff_tasks import Later, check_why

_KINDS: dict[str, Any] = {"image": "image", "video": "video", "file": "file"}


async def answer_task(ask: Ask) -> web.Response:
    """One of today's personal words was sent, put off or refused."""
    asked, act = Asked(ask.path_number(), ask.account.userid or ""), TaskAct(ask.request.match_info["act"])
    until = Later.TODAY if ask.text("until") == Later.TODAY else Later.TOMORROW
    await require(ask)
    try:
        why = check_why(ask.text("why", 400)) if act is TaskAct.REFUSE else ""
        await ask.db.write(
            staff_changes.answer_task, ask.actor, asked, act, ask.settings, ask.now, until=until, why=why
        )
    except InvalidRuleError as error:
        return await faulty(ask, error, f"task {asked.task_id}")
    except ConflictError:
        problem = Problem("", Phrase("这项待办已经结束，或到那时已过有效期。"))
        return await faulty(ask, InvalidRuleError([problem]), f"task {asked.task_id}")
    return back(ask, levels=3)


async def claim_order(ask: Ask) -> web.Response:
    """An order that waits for its customer is this one's, says a member who knows its number."""
    whose, number = external_userid_of(ask), ask.text("number", 64)
    await require(ask)
    try:
        if not number:
            raise InvalidRuleError([Problem("number", Phrase("请填订单号"))])
        await ask.db.write(_claim, ask, whose, number, ask.text("source", 32))
    except InvalidRuleError as error:
        return await faulty(ask, error, "orders")
    except (NotFoundError, ConflictError) as error:
        return await faulty(ask, InvalidRuleError([Problem("number", error.message)]), "orders")
    return ask.go(ask.request.path, "saved")


def _claim(session: Session, ask: Ask, whose: str, number: str, source: str) -> None:
    order = orders.claim_waiting(session, number, whose, ask.now, source=source)
    after = {"order": order.id, "source": order.source, "number": order.number, "external_userid": whose}
    add_entry(
        session, ask.actor, "customers.claim_order", f"customer {whose}", {"external_userid": None}, after, ask.now,
        external_userid=whose,
    )  # fmt: skip


async def count_script(ask: Ask) -> web.Response:
    """A script was sent, or copied."""
    await _with_script(ask, partial(scripts.count_use, at=local_datetime(ask.now, ask.zone)))
    return web.Response(status=204, headers={**HEADERS, **FRESH})


async def set_favourite(ask: Ask) -> web.Response:
    """A script is to be at hand, or not any more."""
    wanted = ask.text("wanted") == "yes"

    def keep(session: Session, script_id: int, userid: str) -> None:
        staff_changes.set_favourite(session, ask.actor, script_id, userid, wanted, ask.now)

    await _with_script(ask, keep)
    return ask.go(f"{ask.request.path.rpartition('/scripts/')[0]}/scripts")


async def _with_script(ask: Ask, do: Any) -> None:
    userid, script_id = ask.account.userid or "", ask.path_number()
    await require(ask)

    def write(session: Session) -> None:
        if scripts.find_script(session, script_id, userid=userid) is None:
            raise NotFoundError(Phrase("没有这条话术，或者不是给您用的。"), Phrase("请刷新页面再看看。"))
        do(session, script_id, userid)

    await ask.db.write(write)


async def give_media(ask: Ask) -> web.Response:
    """WeCom's id of a file of the library, or of a picture at an address that a script or task has, for a page that
    sends it."""
    kind, key, of = _KINDS.get(ask.text("kind")), ask.text("media"), ask.text("of", 40)
    try:
        if kind is None or not key:
            raise MissingMediaError(Phrase("没有说是哪个文件。"))
        if of:
            if key not in await ask.db.read(_addresses, of, ask.account.userid or ""):
                raise MissingMediaError(Phrase("这里已经没有这张图片。"), Phrase("请刷新页面再看看。"))
            media_id = await media_id_at(ask.ctx, key)
        else:
            media_id = await media_id_of(ask.ctx, key, kind, urgent=True)
        told, status = {"media_id": media_id}, 200
    except (MissingMediaError, WeComError) as error:
        told, status = {"error": ask.told(error)}, 409
    return web.json_response(told, status=status, headers={**HEADERS, **FRESH})


def _addresses(session: Session, of: str, userid: str) -> set[str]:
    """The addresses of pictures that `script-1` or `task-1` names, as far as it is for this member."""
    kind, _, number = of.partition("-")
    content, id_ = None, number_of(number) or 0
    if kind == "script" and (script := scripts.find_script(session, id_, userid=userid)) is not None:
        content = script.content
    elif kind == "task" and (listed := task_rows.find_listed(session, id_, userid)) is not None:
        content = MessageContent.model_validate(listed.task.content)
    found = content.attachments if content is not None else ()
    return {each.image.pic_url for each in found if isinstance(each, ImageAttachment) and each.image.pic_url}
