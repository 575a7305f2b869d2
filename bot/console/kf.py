"""Customer service: accounts and what is chosen of them, conversations, and one of them as a chat."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from aiohttp import web
from sqlmodel import Session

from bot import kf
from bot import kf_acts as acts
from bot.console.asks import Ask
from bot.console.kf_forms import ANSWER_TYPES, MSGTYPES, read_choices
from bot.console.kf_rules import names_of, why_words
from bot.console.painting import N_
from bot.console.rule_forms import WEEKDAYS, problems_at, read_offered
from bot.errors import SiyuError
from bot.kf_edits import save_choices
from data.errors import NotFoundError
from data.models import KfAccount, KfMessage, KfSession
from data.models.kf import KfState
from data.queries import drafts as draft_rows
from data.queries import kf_accounts as account_rows
from data.queries import kf_rules as rule_rows
from data.queries import kf_sessions as rows
from data.queries.customer_pages import map_names
from data.queries.customers import find_customer
from data.queries.leavers import has_left
from data.rules.kf import KfChoices
from data.rules.problems import InvalidRuleError, Problem, parse

PATH = "/console/kf"
ACCOUNTS = f"{PATH}/accounts"
SESSIONS_SHOWN, MESSAGES_SHOWN = 50, 60
STATES = {
    KfState.NEW: N_("新消息"), KfState.BOT: N_("机器人接待"), KfState.QUEUED: N_("排队等人工"),
    KfState.PERSON: N_("人工接待"), KfState.ENDED: N_("已结束"),
}  # fmt: skip
COLOURS = {
    KfState.NEW: "bg-blue-lt", KfState.BOT: "bg-blue-lt", KfState.QUEUED: "bg-yellow-lt",
    KfState.PERSON: "bg-green-lt", KfState.ENDED: "bg-secondary-lt",
}  # fmt: skip
STATUSES = {
    "open": N_("等待发送"), "sent": N_("已发送"), "refused": N_("没有发出"), "failed": N_("没有送达"),
    "observed": N_("观察模式，没有发送"),
}  # fmt: skip
EVENTS = {
    "enter_session": N_("客户进入会话"), "msg_send_fail": N_("有一条消息没有送达"),
    "session_status_change": N_("接待人员变更了会话"), "user_recall_msg": N_("客户撤回了一条消息"),
    "servicer_recall_msg": N_("接待人员撤回了一条消息"),
    "reject_customer_msg_switch_change": N_("接待人员改变了是否拒收客户的消息"),
}  # fmt: skip
CHANGES = {
    "queue": N_("转入排队"), "person": N_("转给接待人员"), "bot": N_("交回机器人"), "end": N_("结束会话"),
    "": N_("转人工"),
}  # fmt: skip


async def show_accounts(ask: Ask) -> web.Response:
    """Accounts, how far each is read, and how many conversations are with whom."""

    def read(session: Session) -> Any:
        found = account_rows.list_accounts(session)
        servicers = {str(each["userid"]) for account in found for each in account.servicers}
        gone = {userid for userid in servicers if has_left(session, userid)}
        return (
            found, rows.count_states(session, ask.now), rule_rows.list_rules(session),
            map_names(session, servicers), gone,
        )  # fmt: skip

    accounts, counts, rules, names, gone = await ask.db.read(read)
    ruled = {
        each.open_kfid: sum(rule.enabled and rule.open_kfid in ("", each.open_kfid) for rule in rules)
        for each in accounts
    }
    choices = {each.open_kfid: account_rows.choices_of(each) for each in accounts}
    return ask.show(
        "kf", accounts=accounts, counts=counts, ruled=ruled, choices=choices, rules=rules, states=STATES,
        names=names, gone=gone, fault="",
    )  # fmt: skip


async def read_accounts(ask: Ask) -> web.Response:
    """Accounts are read from WeCom."""
    count = await kf.read_accounts(ask.ctx)
    await ask.note("kf.accounts_read", "kf accounts", {"accounts": count})
    return ask.go(ACCOUNTS, "kf_read")


async def show_account(ask: Ask) -> web.Response:
    """What is chosen of one."""
    account = await ask.db.read(account_rows.get_account, _open_kfid(ask))
    return await _account_form(ask, account, account_rows.choices_of(account).model_dump(mode="json"))


async def change_account(ask: Ask) -> web.Response:
    """It was chosen anew."""
    open_kfid, typed = _open_kfid(ask), read_choices(ask)
    try:
        choices = parse(KfChoices, typed)
        await ask.change(
            "kf.choose", f"kf account {open_kfid}",
            lambda session: save_choices(session, open_kfid, choices), partial(_look, open_kfid),
        )  # fmt: skip
    except InvalidRuleError as error:
        account = await ask.db.read(account_rows.get_account, open_kfid)
        return await _account_form(ask, account, typed, 400, error.problems)
    return ask.go(ACCOUNTS, "saved")


def _look(open_kfid: str, session: Session) -> dict[str, Any] | None:
    account = account_rows.find_account(session, open_kfid)
    return dict(account.choices) if account is not None else None


async def _account_form(
    ask: Ask, account: KfAccount, typed: Mapping[str, Any], status: int = 200, problems: tuple[Problem, ...] = ()
) -> web.Response:
    offered = await ask.db.read(read_offered)
    return ask.show(
        "kf_account", status, account=account, typed=typed, problems=problems, at=partial(problems_at, problems),
        offered=offered, weekdays=WEEKDAYS,
    )  # fmt: skip


def _open_kfid(ask: Ask) -> str:
    return ask.request.match_info["open_kfid"]


async def show_sessions(ask: Ask) -> web.Response:
    """Conversations that who asks may see, the last changed first."""
    query = ask.request.query
    state = next((each for each, name in acts.NAMES.items() if name == query.get("state")), None)
    account = query.get("account", "")[:64]

    def read(session: Session) -> Any:
        found = rows.list_sessions(
            session, open_kfid=account, state=state, now=ask.now, visible=ask.visible(session),
            before_id=ask.asked_number("before"), limit=SESSIONS_SHOWN + 1,
        )  # fmt: skip
        return found, account_rows.list_accounts(session), map_names(session, {each.servicer_userid for each in found})

    found, accounts, names = await ask.db.read(read)
    shown = found[:SESSIONS_SHOWN]
    return ask.show(
        "kf_sessions", sessions=shown, older=shown[-1].id if len(found) > SESSIONS_SHOWN else None, accounts=accounts,
        account=account, state=query.get("state", ""), account_names=names_of(accounts), names=names, states=STATES,
        colours=COLOURS, state_names=acts.NAMES, state_of=partial(acts.state_now, now=ask.now),
        window_of=partial(acts.window_now, now=ask.now),
    )  # fmt: skip


async def show_session(ask: Ask) -> web.Response:
    """One conversation as a chat."""
    return await _session_page(ask)


async def _session_page(ask: Ask, status: int = 200, *, fault: str = "", text: str = "") -> web.Response:
    number = ask.path_number()

    def read(session: Session) -> tuple[KfSession, KfAccount | None, list[KfMessage], dict[str, str], bool, set[int]]:
        row = _require_seen(ask, session, number)
        messages = rows.list_messages(session, number, before_id=ask.asked_number("before"), limit=MESSAGES_SHOWN + 1)
        account = account_rows.find_account(session, row.open_kfid)
        servicers = {str(each["userid"]) for each in (account.servicers if account else [])}
        names = map_names(session, {each.servicer_userid for each in messages} | servicers)
        drafts = {int(each.explanation.get("knowledge", {}).get("draft") or 0) for each in messages}
        sent = draft_rows.list_sent(session, drafts)
        return row, account, messages, names, find_customer(session, row.contact_id) is not None, sent

    row, account, messages, names, is_customer, sent_drafts = await ask.db.read(read)
    shown = messages[:MESSAGES_SHOWN]
    return ask.show(
        "kf_session", status, row=row, account=account, is_customer=is_customer,
        messages=shown[::-1], sent_drafts=sent_drafts, names=names, fault=fault, typed=text,
        older=shown[-1].id if len(messages) > MESSAGES_SHOWN else None, state=acts.state_now(row, ask.now),
        states=STATES, colours=COLOURS, window=acts.window_now(row, ask.now), statuses=STATUSES, events=EVENTS,
        changes=CHANGES, kinds={**MSGTYPES, **ANSWER_TYPES}, why=partial(why_words, ask),
    )  # fmt: skip


def _require_seen(ask: Ask, session: Session, number: int) -> KfSession:
    row = rows.get_session(session, number)
    visible = ask.visible(session)
    if visible is not None and not rows.is_seen(session, number, visible):
        raise NotFoundError("There is no such conversation.")
    return row


async def say(ask: Ask) -> web.Response:
    """A person writes to the customer."""
    number, text = ask.path_number(), ask.text("text", 3000)
    row = await ask.db.read(partial(_read_seen, ask, number))
    try:
        sent = await acts.say_held(ask.ctx, number, ask.number("asked"), text, ask.actor.who)
    except SiyuError as error:
        return await _session_page(ask, 400, fault=ask.told(error), text=text)
    await ask.note("kf.say", f"kf session {number}", {"message": sent.id}, external_userid=row.contact_id)
    if sent.status not in ("sent", "open"):
        return await _session_page(ask, 400, fault=ask.told(sent.reason), text=text)
    return ask.go(f"{PATH}/sessions/{number}", "kf_said")


async def change_state(ask: Ask) -> web.Response:
    """A person hands the conversation over, takes it back or ends it."""
    number = ask.path_number()
    row = await ask.db.read(partial(_read_seen, ask, number))
    asked = {"to": ask.text("to", 10), "userid": ask.text("userid", 64), "notice": ask.text("notice", 700)}
    try:
        after = await acts.change_state(ask.ctx, number, parse(acts.Change, asked), ask.actor.who)
    except SiyuError as error:
        return await _session_page(ask, 400, fault=ask.told(error))
    told = {"to": asked["to"], "userid": after.servicer_userid}
    await ask.note("kf.state", f"kf session {number}", told, external_userid=row.contact_id)
    return ask.go(f"{PATH}/sessions/{number}", "kf_changed")


def _read_seen(ask: Ask, number: int, session: Session) -> KfSession:
    return _require_seen(ask, session, number)
