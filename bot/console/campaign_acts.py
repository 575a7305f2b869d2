"""What people do with campaigns: start, ask for approval, pause, go on, stop, remind, copy, and decide what the program
cannot."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Any

from aiohttp import web
from sqlmodel import Session

from bot import approvals, batches, campaign_edits, campaign_tests, campaigns, winners
from bot.campaign_narrowing import narrow, refuse_wider
from bot.console.asks import Ask
from bot.console.campaigns import PATH, read_whole, show_page
from bot.errors import ApprovalNeededError, ObservingError
from bot.phrases import Phrase
from data.errors import ConflictError
from data.models import Batch, Campaign
from data.queries import batch_lookups as lookup_rows
from data.queries import boards as board_rows
from data.queries import campaign_views as rows
from data.queries import campaigns as campaign_rows
from data.rules.accounts import names_of
from data.rules.campaigns import Act
from data.rules.problems import InvalidRuleError, Problem
from data.rules.schedule import local_datetime


def by(ask: Ask) -> str:
    """Under which name somebody acts."""
    return (*names_of(ask.account), "command")[0]


async def find_mine(ask: Ask, campaign_id: int) -> Campaign:
    """A campaign on which somebody may act. Raises NotFoundError, and ConflictError where they may only look."""
    return await ask.db.read(_find_mine, ask.account, campaign_id)


def _find_mine(session: Session, account: Any, campaign_id: int) -> Campaign:
    sight = rows.read_sight(session, account)
    campaign = rows.get_seen(session, sight, campaign_id)
    if not sight.made(campaign):
        raise ConflictError(Phrase("这个群发计划是别人创建的，您只能查看。"), Phrase("请联系创建人或管理员。"))
    return campaign


def parse_local(ask: Ask, text: str, path: str = "at") -> datetime | None:
    """A time that was typed (`2026-03-08T10:00`), by the company's clock. Raises InvalidRuleError."""
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
        if not 2000 <= at.year < 2100:
            raise ValueError(text)
    except ValueError:
        raise InvalidRuleError([Problem(path, ask._("时间应为 2026-03-08 10:00 这样的格式"))]) from None
    return at.replace(tzinfo=ask.zone) if at.tzinfo is None else at


def _look(campaign_id: int, session: Session) -> dict[str, Any]:
    """What of a campaign the acts change, for the audit log."""
    campaign = campaign_rows.get_campaign(session, campaign_id)
    runs = campaign_rows.list_runs(session, [campaign_id])
    return {"version": campaign.version, "runs": {str(run.id): run.status for run in runs[-20:]}}


async def _try(ask: Ask, campaign_id: int, action: str, work: Callable[[], Awaitable[Any]], said: str) -> web.Response:
    """Do what takes several transactions, and write it down; what is refused is said on the campaign's page."""
    before = await ask.db.read(partial(_look, campaign_id))
    try:
        await work()
    except ApprovalNeededError as error:
        return await show_page(ask, campaign_id, 409, fault=ask.told(error.message), offer="submit")
    except InvalidRuleError as error:
        return await show_page(ask, campaign_id, 400, fault=ask.told(error))
    except (ConflictError, ObservingError) as error:
        return await show_page(ask, campaign_id, 409, fault=ask.told(error))
    await ask.note(
        f"campaigns.{action}", f"campaign {campaign_id}", await ask.db.read(partial(_look, campaign_id)), before
    )
    return ask.go(f"{PATH}/{campaign_id}", said)


async def start(ask: Ask) -> web.Response:
    """Have it sent, now or at an instant to come."""
    campaign_id = ask.path_number()
    await find_mine(ask, campaign_id)

    async def work() -> None:
        at = parse_local(ask, ask.text("at", 30))
        await refuse_wider(ask.ctx, ask.account, campaign_id)
        await campaigns.start_campaign(ask.ctx, campaign_id, at)

    return await _try(ask, campaign_id, "start", work, "begun")


async def submit(ask: Ask) -> web.Response:
    """Ask another manager to approve it."""
    campaign_id = ask.path_number()
    await find_mine(ask, campaign_id)

    async def work() -> None:
        at = parse_local(ask, ask.text("at", 30))
        if ask.text("start") == "now":
            at = at or ask.now
        await refuse_wider(ask.ctx, ask.account, campaign_id)
        await approvals.submit(
            ask.ctx, campaign_id, by(ask), at=at, requested_by=ask.account.userid or "", version=ask.number("version")
        )

    return await _try(ask, campaign_id, "submit", work, "submitted")


async def pause(ask: Ask) -> web.Response:
    """Let it rest."""
    return await _act(ask, Act.PAUSE, "pause", "paused")


async def resume(ask: Ask) -> web.Response:
    """Let it go on."""
    return await _act(ask, Act.RESUME, "resume", "resumed")


async def cancel(ask: Ask) -> web.Response:
    """End it: what is not confirmed is withdrawn."""
    return await _act(ask, Act.CANCEL, "freeze" if ask.text("why") == "wrong" else "cancel", "cancelled")


async def _act(ask: Ask, act: Act, action: str, said: str) -> web.Response:
    campaign_id = ask.path_number()
    await find_mine(ask, campaign_id)
    do = partial(_act_within, ctx=ask.ctx, campaign_id=campaign_id, act=act, by=by(ask))
    try:
        await ask.change(f"campaigns.{action}", f"campaign {campaign_id}", do, partial(_look, campaign_id))
    except ApprovalNeededError as error:
        return await show_page(ask, campaign_id, 409, fault=ask.told(error.message), offer="submit")
    except ConflictError as error:
        return await show_page(ask, campaign_id, 409, fault=ask.told(error))
    where = f"{PATH}/{campaign_id}" + ("/freeze" if action == "freeze" else "")
    return ask.go(where, said)


def _act_within(session: Session, *, ctx: Any, campaign_id: int, act: Act, by: str) -> None:
    campaigns.act_within(session, ctx, campaign_id, act, by)


async def show_freeze(ask: Ask) -> web.Response:
    """The wrong message: what stopping it will do, and who has received it already."""
    campaign_id = ask.path_number()
    await find_mine(ask, campaign_id)
    whole = await ask.db.read(read_whole, ask.account, campaign_id)
    return ask.show("campaign_freeze", whole=whole)


async def remind(ask: Ask) -> web.Response:
    """Have staff reminded who have not confirmed: all of them, or those whom the reader sees."""
    campaign_id = ask.path_number()
    sight = await ask.db.read(_read_seen, ask.account, campaign_id)
    await ask.change(
        "campaigns.remind", f"campaign {campaign_id}",
        partial(board_rows.ask_to_remind, campaign_id=campaign_id, userids=sight.userids),
    )  # fmt: skip
    return ask.go(f"{PATH}/{campaign_id}", "reminded")


def _read_seen(session: Session, account: Any, campaign_id: int) -> rows.Sight:
    sight = rows.read_sight(session, account)
    rows.get_seen(session, sight, campaign_id)
    return sight


async def copy(ask: Ask) -> web.Response:
    """Make one like it, for customers whom the reader sees."""
    campaign_id = ask.path_number()
    await ask.db.read(_read_seen, ask.account, campaign_id)
    fit = partial(narrow, ask.ctx, ask.account)
    try:
        told = await campaign_edits.copy_campaign(ask.ctx, campaign_id, by(ask), fit=fit)
    except InvalidRuleError as error:
        return await show_page(ask, campaign_id, 400, fault=ask.told(error))
    await ask.note("campaigns.copy", f"campaign {told.campaign.id}", {"of": campaign_id})
    return ask.go(f"{PATH}/{told.campaign.id}", "made")


async def remove(ask: Ask) -> web.Response:
    """Remove one that was not started."""
    campaign_id = ask.path_number()
    campaign = await find_mine(ask, campaign_id)
    work = partial(campaign_edits.delete_campaign, ask.ctx, campaign_id)
    try:
        await work()
    except ConflictError as error:
        return await show_page(ask, campaign_id, 409, fault=ask.told(error))
    await ask.note("campaigns.remove", f"campaign {campaign_id}", None, {"name": campaign.name})
    return ask.go(PATH, "removed")


async def test(ask: Ask) -> web.Response:
    """Send what it says to the test customers."""
    campaign_id = ask.path_number()
    await find_mine(ask, campaign_id)
    work = partial(campaign_tests.send_test, ask.ctx, campaign_id, by(ask))
    return await _try(ask, campaign_id, "test", work, "tested")


async def give_go(ask: Ask) -> web.Response:
    """Its test was right."""
    campaign_id = ask.path_number()
    await find_mine(ask, campaign_id)
    work = partial(campaign_tests.give_go, ask.ctx, campaign_id, ask.number("version") or 0, by(ask))
    return await _try(ask, campaign_id, "go", work, "saved")


async def _find_batch(ask: Ask) -> tuple[int, int]:
    batch_id = ask.path_number()
    campaign, batch = await ask.db.read(_read_batch, ask.account, batch_id)
    return campaign.id or 0, batch.id or 0


def _read_batch(session: Session, account: Any, batch_id: int) -> tuple[Campaign, Batch]:
    campaign, batch = rows.campaign_of_batch(session, rows.read_sight(session, account), batch_id)
    _find_mine(session, account, campaign.id or 0)
    return campaign, batch


async def adopt(ask: Ask) -> web.Response:
    """A call whose answer never came is this group-send, as somebody has seen it in WeCom."""
    campaign_id, batch_id = await _find_batch(ask)
    msgid = ask.text("msgid", 128)
    if not msgid:
        return await show_page(ask, campaign_id, 400, fault=ask._("请选择或填写它在企业微信里的 msgid。"))
    return await _try(ask, campaign_id, f"adopt.{batch_id}", partial(batches.adopt, ask.ctx, batch_id, msgid), "saved")


async def ask_again(ask: Ask) -> web.Response:
    """WeCom has made nothing of it, as somebody has seen: it is asked for again."""
    campaign_id, batch_id = await _find_batch(ask)
    do = partial(lookup_rows.ask_again, batch_id=batch_id, now=ask.now, absent=None)
    try:
        await ask.change("campaigns.again", f"batch {batch_id}", do)
    except ConflictError as error:
        return await show_page(ask, campaign_id, 409, fault=ask.told(error))
    return ask.go(f"{PATH}/{campaign_id}", "saved")


async def choose_winner(ask: Ask) -> web.Response:
    """Later runs of a wave send this variant alone; without one, all of them again."""
    wave_id, variant = ask.path_number(), ask.text("variant", 40)
    campaign, _ = await ask.db.read(_read_wave, ask.account, wave_id)
    campaign_id = campaign.id or 0
    if variant:
        work = partial(winners.choose, ask.ctx, wave_id, variant, by(ask), ask.number("days") or 7)
    else:
        work = partial(winners.undo, ask.ctx, wave_id, by(ask))
    return await _try(ask, campaign_id, "winner", work, "saved")


def _read_wave(session: Session, account: Any, wave_id: int) -> tuple[Campaign, Any]:
    campaign, wave = rows.campaign_of_wave(session, rows.read_sight(session, account), wave_id)
    _find_mine(session, account, campaign.id or 0)
    return campaign, wave


def local_input(ask: Ask, at: datetime | None) -> str:
    """An instant as a field of a form has it."""
    return "" if at is None else f"{local_datetime(at, ask.zone):%Y-%m-%dT%H:%M}"
