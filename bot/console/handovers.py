"""Hand-overs: whose customers wait for somebody, customers and groups given to colleagues, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from aiohttp import web
from multidict import MultiDict
from sqlmodel import Session

from bot import handovers
from bot.console.asks import Ask
from bot.console.customers import asked_by
from bot.console.handover_words import LEFT_OUT, STATUSES, TRANSFERS, explain
from bot.console.painting import N_
from bot.errors import ObservingError
from bot.leavers import read_unassigned
from data.errors import NotFoundError
from data.models import Handover, TransferStatus
from data.queries import handovers as rows
from data.queries import leavers as leaver_rows
from data.queries import segment_names
from data.queries import staff as staff_rows
from data.queries.customer_pages import map_names
from data.queries.segment_choices import read_tags
from data.rules.handovers import ACTS, Act, HandoverDraft
from data.rules.problems import InvalidRuleError, parse
from data.rules.schedule import local_datetime

PATH = "/console/handovers"
ROWS, CUSTOMERS_SHOWN = 50, 100
#: How customers are chosen.
HOW = (
    ("everyone", N_("全部客户")),
    ("tag", N_("有这些标签之一的客户")),
    ("segment", N_("一个分群里的客户")),
    ("listed", N_("指定的客户")),
    ("none", N_("不交接客户，只交接客户群")),
)
_BUTTONS = (
    (Act.PAUSE, N_("暂停"), N_("暂停后不再发起新的交接；已经发起的 24 小时后照常生效。")),
    (Act.RESUME, N_("继续"), ""),
    (Act.CANCEL, N_("取消"), N_("取消后不再发起新的交接；已经发起的不能撤回，24 小时后照常生效。")),
)
TAKERS_MAX = 100


async def show_list(ask: Ask) -> web.Response:
    """Who left with customers that wait, and the hand-overs, newest first."""
    before = ask.asked_number("before")

    def read(session: Session) -> dict[str, Any]:
        visible = ask.visible(session)
        found = rows.list_handovers(session, ROWS + 1, before, visible)
        return {
            "handovers": [(each, rows.count_statuses(session, each.id or 0)) for each in found[:ROWS]],
            "older": found[ROWS - 1].id if len(found) > ROWS else None,
            "leavers": leaver_rows.list_leavers(session, visible) if before is None else [],
            "names": _names(session, found),
        }

    return ask.show("handovers", statuses=STATUSES, **await ask.db.read(read))


async def read_leavers(ask: Ask) -> web.Response:
    """Read WeCom's list of customers that wait at once; the bot does every hour."""
    await read_unassigned(ask.ctx)
    return ask.go(PATH, "leavers_read")


async def show_member(ask: Ask) -> web.Response:
    """What is about of a member, for when they leave."""
    userid = ask.request.match_info["userid"]
    today = local_datetime(ask.now, ask.zone).date()

    def read(session: Session) -> dict[str, Any]:
        _require_seen(session, ask, userid)
        return {
            "userid": userid,
            "name": map_names(session, {userid}).get(userid, userid),
            "has_left": leaver_rows.has_left(session, userid),
            "list": leaver_rows.read_checklist(session, userid, today),
        }

    return ask.show("leaver", **await ask.db.read(read))


async def show_new(ask: Ask) -> web.Response:
    """A hand-over to be made."""
    return await _form(ask, given=ask.request.query)


async def show_filled(ask: Ask, given: MultiDict[str]) -> web.Response:
    """The form, filled with what was chosen elsewhere."""
    await ask.db.read(_require_seen, ask, given["userid"])
    return await _form(ask, given=given)


async def make(ask: Ask) -> web.Response:
    """Look at what a hand-over would do, or make it."""
    if ask.text("do") == "more":
        return await _form(ask, given=ask.form)
    try:
        draft = _read(ask)
        await ask.db.read(_require_seen, ask, draft.userid)
        for each in draft.takeovers:
            await ask.db.read(_require_seen, ask, each.userid)
        if ask.text("do") == "look":
            return await _form(ask, given=ask.form, outlook=await handovers.look_at(ask.ctx, draft))
        made = await handovers.ask_for_handover(ask.ctx, draft, asked_by(ask))
    except InvalidRuleError as error:
        return await _form(ask, 400, given=ask.form, faults={each.path: each.message for each in error.problems})
    except ObservingError as error:
        return await _form(
            ask, 409, given=ask.form, faults={"": ask._("观察模式下什么都不发送，不能交接。") + error.remedy}
        )
    told = {"userid": draft.userid, "takeovers": [each.userid for each in draft.takeovers], "planned": made.planned}
    await ask.note("handovers.make", f"handover {made.id}", told)
    return ask.go(f"{PATH}/{made.id}", "handover_made")


async def show_one(ask: Ask) -> web.Response:
    """One, as far as it is; a page that shows it asks again and again."""

    def read(session: Session) -> dict[str, Any]:
        row = _own(session, ask)
        shares = rows.count_shares(session, ask.path_number())
        causes = rows.count_causes(session, ask.path_number())
        for cause, number in rows.count_causes(session, ask.path_number(), rows.G).items():
            causes[cause] = causes.get(cause, 0) + number
        return {
            "handover": row,
            "counts": rows.count_statuses(session, ask.path_number()),
            "shares": shares,
            "groups": rows.list_groups(session, ask.path_number()),
            "causes": [(explain(cause, ask._), cause, number) for cause, number in causes.items()],
            "names": _names(session, [row]),
        }

    found = await ask.db.read(read)
    row = found["handover"]
    acts = [(act.value, text, words) for act, text, words in _BUTTONS if row.status in ACTS[act][0]]
    return ask.show(
        "handover_part" if ask.is_htmx else "handover", acts=acts, statuses=STATUSES, transfers=TRANSFERS,
        reasons=LEFT_OUT, **found,
    )  # fmt: skip


async def show_customers(ask: Ask) -> web.Response:
    """The customers of one, all or those of one status."""
    asked = ask.request.query.get("status", "")
    status = TransferStatus(asked) if asked in TRANSFERS else None

    def read(session: Session) -> tuple[Handover, list[rows.CustomerShown], dict[str, str]]:
        row = _own(session, ask)
        found = rows.list_customers(session, row.id or 0, status, CUSTOMERS_SHOWN + 1, ask.asked_number("before"))
        return row, found, map_names(session, {each.takeover_userid for each in found})

    row, found, names = await ask.db.read(read)
    older = found[CUSTOMERS_SHOWN - 1].id if len(found) > CUSTOMERS_SHOWN else None
    explained = {each.cause: explain(each.cause, ask._) for each in found if each.cause}
    return ask.show(
        "handover_customers", handover=row, customers=found[:CUSTOMERS_SHOWN], older=older, chosen=status or "",
        transfers=TRANSFERS, names=names, explained=explained,
    )  # fmt: skip


async def act(ask: Ask) -> web.Response:
    """Pause, go on or give up."""
    try:
        wanted = Act(ask.request.match_info["act"])
    except ValueError:
        raise NotFoundError(ask._("没有这个操作。"), ask._("请重新打开页面。")) from None
    handover_id = ask.path_number()

    def do(session: Session) -> None:
        _own(session, ask)
        rows.act_on(session, handover_id, wanted, ask.now)

    await ask.change(f"handovers.{wanted.value}", f"handover {handover_id}", do, partial(_look, handover_id))
    return ask.go(f"{PATH}/{handover_id}", "saved")


def _look(handover_id: int, session: Session) -> dict[str, Any]:
    return {"status": rows.get_handover(session, handover_id).status}


def _own(session: Session, ask: Ask) -> Handover:
    """A hand-over of somebody whose customers the reader sees. Raises NotFoundError."""
    row = rows.get_handover(session, ask.path_number())
    visible = ask.visible(session)
    if visible is not None and row.userid not in visible:
        raise NotFoundError(ask._("没有这次交接，或者不在您能看到的范围内。"), ask._("请从交接列表进入。"))
    return row


def _require_seen(session: Session, ask: Ask, userid: str) -> None:
    """Raises NotFoundError for a member whose customers the reader does not see."""
    visible = ask.visible(session)
    known = staff_rows.find_staff(session, userid) is not None or leaver_rows.has_left(session, userid)
    if not known or (visible is not None and userid not in visible):
        raise NotFoundError(ask._("没有成员 %(userid)s，或者不在您能看到的范围内。", userid=userid[:64]), "")


def _names(session: Session, found: Sequence[Handover]) -> dict[str, str]:
    userids = {each.userid for each in found} | {taker["userid"] for each in found for taker in each.takeovers}
    return map_names(session, userids)


# -- the form


async def _form(
    ask: Ask,
    status: int = 200,
    *,
    given: Any,
    outlook: handovers.Outlook | None = None,
    faults: dict[str, str] | None = None,
) -> web.Response:
    def read(session: Session) -> dict[str, Any]:
        visible = ask.visible(session)
        found = leaver_rows.list_leavers(session, visible)
        leavers = [each.userid for each in found if each.customers or each.groups]
        followers = [
            each
            for each in staff_rows.list_followers(session)
            if (visible is None or each in visible) and each not in leavers
        ]
        return {
            "names": map_names(session, {*followers, *leavers}),
            "followers": followers,
            "givers": list(dict.fromkeys([*leavers, *followers])),
            "tags": read_tags(session),
            "segments": segment_names.list_segments(session),
        }

    takers = list(zip(given.getall("taker", []), given.getall("count", []), strict=False))[:TAKERS_MAX]
    if given.get("do") == "more" or not takers:
        takers.append(("", ""))
    return ask.show(
        "handover_new", status, given=given, takers=takers, how=HOW, outlook=outlook, faults=faults or {},
        reasons=LEFT_OUT, **await ask.db.read(read),
    )  # fmt: skip


def _read(ask: Ask) -> HandoverDraft:
    """What the form says. Raises InvalidRuleError."""
    how, customers = ask.text("how"), dict[str, Any]()
    if how == "everyone":
        customers["everyone"] = True
    elif how == "tag":
        customers["tag_ids"] = ask.texts("tag_id")
    elif how == "segment":
        customers["segment_id"] = ask.number("segment_id")
    elif how == "listed":
        customers["external_userids"] = list(dict.fromkeys(ask.text("listed", 400_000).split()))
    takeovers = []
    for taker, count in zip(ask.texts("taker"), ask.texts("count"), strict=False):
        if taker.strip():
            number = count.strip()
            takeovers.append({"userid": taker.strip(), "count": int(number) if number.isdecimal() else number or None})
    values = {
        "userid": ask.text("userid"), "takeovers": takeovers, "customers": customers,
        "groups": ask.text("groups") == "yes", "message": ask.text("message").replace("\r\n", "\n"),
    }  # fmt: skip
    return parse(HandoverDraft, values)
