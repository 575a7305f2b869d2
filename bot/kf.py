"""WeChat customer service (微信客服): its accounts and messages, read from WeCom.

An event only says that there is something to read. What is read is stored in the transaction that moves the account's
cursor; what is made of it is in `bot/kf_work.py`. So a program that dies between the two loses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bot.context import Context
from bot.logs import get_logger
from bot.wecom.errors import WeComError
from data.models import KfMessage, KfSession
from data.models.kf import KfState, KfStatus
from data.queries import kf_accounts as account_rows
from data.queries import kf_pulls as pull_rows
from data.queries import kf_sessions as session_rows
from data.queries import staff as staff_rows
from data.queries.kf_pulls import Page
from data.rules.kf_messages import read_item

log = get_logger("kf")

TOKEN_EXPIRED, BAD_CURSOR = 95007, 50100
#: Stored in one transaction, beside which others have to write too.
PAGE = 200
PEOPLE = 100
ACCOUNTS = 100
#: WeCom tells of people only while they come and go.
PEOPLE_SINCE = timedelta(hours=48)


@dataclass(slots=True)
class Pulled:
    """How much was read: `messages` of them were new, `unreadable` ones were nothing that can be kept."""

    pages: int = 0
    messages: int = 0
    unreadable: int = 0


async def pull(ctx: Context, open_kfid: str, token: str = "") -> Pulled:
    """Read an account's messages to the end. `token`: of the event that told of them, which is good for ten minutes;
    without one WeCom lets us ask more rarely. Raises WeComError.

    Many events come at once and each wants the same: they stand in a line, and whoever came before a reading began has
    what it read.
    """
    line = ctx.kf_lines[open_kfid]
    line.came += 1
    mine = line.came
    async with line.turn:
        if line.read_to >= mine:
            return Pulled()
        came = line.came
        found = await _pull(ctx, open_kfid, token)
        line.read_to = came
        return found


async def _pull(ctx: Context, open_kfid: str, token: str) -> Pulled:
    found = Pulled()
    account = await ctx.db.read(account_rows.find_account, open_kfid)
    if account is not None:
        cursor: str = account.cursor
    else:
        cursor = await ctx.db.write(account_rows.find_cursor, open_kfid, ctx.clock.now())
    while True:
        began = ctx.clock.now()
        try:
            answer = await _ask(ctx, open_kfid, cursor, token)
        except WeComError as error:
            if error.errcode == TOKEN_EXPIRED and token:
                token = ""
                continue
            if error.errcode == BAD_CURSOR and cursor:
                # WeCom tells three days from their beginning; what is stored of them is not stored again.
                log.warning("kf_cursor_refused", open_kfid=open_kfid)
                cursor = await ctx.db.write(account_rows.forget_cursor, open_kfid, cursor)
                continue
            await ctx.db.write(account_rows.note_error, open_kfid, str(error))
            raise
        items = [read_item(item, began) for item in answer.get("msg_list") or ()]
        known = [item for item in items if item is not None]
        has_more, following = bool(answer.get("has_more")), str(answer.get("next_cursor") or cursor)
        page = Page(open_kfid, cursor, following, has_more, known, began, ctx.wecom.ahead)
        stored = await ctx.db.write(pull_rows.store_page, page, ctx.clock.now())
        if stored is None:
            # Another is at it: on from where they are, until WeCom says that there is no more.
            cursor = await ctx.db.write(account_rows.find_cursor, open_kfid, ctx.clock.now())
            continue
        found.pages += 1
        found.messages += stored
        if len(known) < len(items):
            found.unreadable += len(items) - len(known)
            log.warning("kf_unreadable", open_kfid=open_kfid, items=len(items) - len(known))
        if not has_more or following == cursor:
            return found
        cursor = following


async def _ask(ctx: Context, open_kfid: str, cursor: str, token: str) -> Mapping[str, Any]:
    # A greeting waits for it: it does not stand behind a sync of thousands.
    client = ctx.wecom.within(urgent=True)
    answer: Mapping[str, Any] = await client.kf.sync_msg(token=token, cursor=cursor, limit=PAGE, open_kfid=open_kfid)
    return answer


async def read_accounts(ctx: Context) -> int:
    """Read which accounts the app may use, and who answers there; how many there are. Raises WeComError."""
    told: list[dict[str, Any]] = []
    offset = 0
    while True:
        answer = await ctx.wecom.kf.get_account_list(offset, ACCOUNTS)
        page = [each for each in answer.get("account_list") or () if each.get("open_kfid")]
        told += [{**each, "servicers": await _read_servicers(ctx, str(each["open_kfid"]))} for each in page]
        offset += len(page)
        if len(page) < ACCOUNTS:
            break
    await ctx.db.write(account_rows.write_read, told, ctx.clock.now())
    return len(told)


async def _read_servicers(ctx: Context, open_kfid: str) -> list[dict[str, Any]] | None:
    """None where WeCom does not let us read them: what was known stays."""
    try:
        answer = await ctx.wecom.kf.get_servicer_list(open_kfid)
    except WeComError as error:
        log.warning("kf_servicers_unread", open_kfid=open_kfid, cause=str(error))
        return None
    told = answer.get("servicer_list") or ()
    found = {str(each["userid"])[:64]: each.get("status") == 0 for each in told if each.get("userid")}
    departments = [each["department_id"] for each in told if isinstance(each.get("department_id"), int)]
    # Of whom a department is meant WeCom tells no names, and not whether they take conversations.
    inside = await ctx.db.read(staff_rows.list_within, (), departments) if departments else ()
    return [{"userid": userid, "receives": found.get(userid)} for userid in sorted({*found, *inside})]


async def read_people(ctx: Context) -> int:
    """Read the names of those who came lately; how many were asked for. Raises WeComError."""
    asked = 0
    while True:
        since = ctx.clock.now() - PEOPLE_SINCE
        waiting = await ctx.db.read(session_rows.list_nameless, since, PEOPLE)
        ids = sorted({external_userid for _, external_userid in waiting})
        if not ids:
            return asked
        answer = await ctx.wecom.kf.batchget_customer(ids)
        told = [each for each in answer.get("customer_list") or () if each.get("external_userid") in ids]
        await ctx.db.write(session_rows.write_people, ids, told, ctx.clock.now())
        asked += len(ids)


async def read_state(ctx: Context, open_kfid: str, external_userid: str) -> tuple[KfState, str]:
    """Who has a conversation, as WeCom says. Raises WeComError."""
    answer = await ctx.wecom.kf.get_service_state(open_kfid, external_userid)
    state = answer.get("service_state")
    if state not in set(KfState):
        return KfState.NEW, ""
    return KfState(state), str(answer.get("servicer_userid") or "")[:64]


def own_message(
    session: KfSession, msgtype: str, content: Mapping[str, Any], words: str, ctx: Context, **more: Any
) -> KfMessage:
    """A row of ours, to be sent once; in observe mode it never is."""
    status = KfStatus.OBSERVED if ctx.observes else KfStatus.OPEN
    return session_rows.make_message(session, msgtype, content, words, ctx.clock.now(), status=status.value, **more)
