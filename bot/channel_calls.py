"""The calls that bring channels to WeCom as they are wanted (of links: `channel_links`), and the pictures of codes.

Making a contact way is not idempotent: the row says `making` before the call. After an outcome that nobody knows, the
list of WeCom is read for a way with the channel's own state, and only where there is none, some time after, is it
made again. Changing one may be repeated.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

from bot import channel_links as links
from bot.channel_alerts import tell_stranded
from bot.channel_links import Made, code_png
from bot.channels import find_turns, put_on_duty, write_turns
from bot.context import Context
from bot.errors import SiyuError
from bot.logs import get_logger
from bot.refresh import refresh_directory
from bot.wecom.errors import GoneError, NoAnswerError, UnknownOutcomeError, WeComError
from bot.wecom.external_contacts import ExternalContacts
from data.errors import NotFoundError
from data.models import ChannelKind, ChannelPlan
from data.queries import channel_images as image_rows
from data.queries import channel_plans as rows
from data.queries import channels as channel_rows
from data.rules import channels as rules
from data.rules.acquisition import address_of
from data.rules.channels import Step
from data.rules.retry import pause_seconds

log = get_logger("channels")

#: A change, and one that came while it was written: more at once leave it to the next time.
STEPS_AT_ONCE = 3
#: Channels that are worked on side by side; WeCom's budgets hold besides.
AT_ONCE = 8
#: So many are taken in one go; in between it is worked out anew who is on duty.
DUE_AT_ONCE = 100
#: WeCom: contact ways of several members (2), shown as a code (2). A type can never be changed: one member is several
#: who are one, so that a printed code can go to others later.
TYPE_SEVERAL, SCENE_CODE = 2, 2
NO_SUCH_WAY = 41044
#: There is no such member; not activated; no customers allowed; outside the range.
MEMBER_REFUSED = frozenset({40003, 41054, 50002, 60011, 60021, 60030, 60111, 84074})
#: A code that WeCom does not change is tried again so often for good: it still leads to whom it led before.
REFUSED_AGAIN = timedelta(minutes=15)


async def bring(ctx: Context, id_: int) -> None:
    """Make the calls that bring one to WeCom as it is wanted, and fetch its picture. What went wrong is in its row.

    Nothing is done in observe mode, nor while another process makes a call for it.
    """
    if ctx.observes:
        return
    for number in range(STEPS_AT_ONCE):
        now = ctx.clock.now()
        found = await ctx.db.read(rows.find_step, id_, now)
        if found is None and not number and await ctx.db.read(rows.is_interrupted, id_, now):
            if await ctx.db.write(rows.note_interrupted, id_, now):
                log.warning("channel_unknown", channel=id_)
            found = await ctx.db.read(rows.find_step, id_, now)
        if found is None or not await _take_step(ctx, *found):
            return


async def bring_due(ctx: Context) -> int:
    """The same for all whose call is due, some side by side; how many."""
    due = await ctx.db.read(rows.list_due, ctx.clock.now(), DUE_AT_ONCE)
    waiting = iter(due)

    async def work() -> None:
        for id_ in waiting:
            await bring(ctx, id_)

    await asyncio.gather(*(work() for _ in range(min(AT_ONCE, len(due)))))
    return len(due)


async def work_out_duties(ctx: Context) -> int:
    """Find out who is to be on which code now, and write down where that is another; how many changed."""
    now, zone = ctx.clock.now(), ctx.settings.zone
    after: int | None = 0
    changed = 0
    while after is not None:
        turns, after = await ctx.db.read(find_turns, after, now, zone)
        if turns:
            changed += len(turns)
            await ctx.db.write_many(write_turns, turns, now)
    for id_, config_id in await ctx.db.read(rows.list_vanished):
        await ctx.db.write(rows.note_gone, id_, config_id, now)
        log.warning("channel_gone", channel=id_)
    await tell_stranded(ctx)
    return changed


async def image_of(ctx: Context, id_: int) -> bytes:
    """The picture of a channel's code, fetched from WeCom where it was not yet. Raises NotFoundError, WeComError."""
    content = await ctx.db.read(image_rows.find_image, id_)
    if content is not None:
        return content
    row = await ctx.db.read(rows.get_plan, id_)
    if not row.qr_code:
        raise NotFoundError(
            f"渠道 {id_} 还没有二维码：企业微信还没有创建它。", row.error or "请稍等片刻再试。"
        )  # fmt: skip
    if row.kind == ChannelKind.LINK:
        # What a link says is known, so its picture is drawn here and not kept.
        return code_png(address_of(row.qr_code, row.state))
    return await _fetch_image(ctx, id_, row.qr_code)


async def _fetch_image(ctx: Context, id_: int, address: str) -> bytes:
    content = await ctx.wecom.fetch_picture(address)
    await ctx.db.write(image_rows.save_image, id_, address, content, ctx.clock.now())
    return content


async def fetch_images(ctx: Context) -> int:
    """Fetch pictures of codes that were made; how many. What does not come is asked for again."""
    missing = iter(await ctx.db.read(image_rows.list_without_image))
    fetched = 0

    async def work() -> None:
        nonlocal fetched
        for id_, address in missing:
            try:
                await _fetch_image(ctx, id_, address)
                fetched += 1
            except NoAnswerError as error:
                log.warning("channel_image_missing", channel=id_, cause=str(error))
                return

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return fetched


async def _take_step(ctx: Context, row: ChannelPlan, step: Step) -> bool:
    """Make one call. False: it did not come to anything, or somebody else makes it."""
    assert row.id is not None
    now = ctx.clock.now()
    if not await ctx.db.write(rows.claim, row.id, step, row.wanted, now):
        return False
    wecom = ctx.wecom.within(rules.CALL_SECONDS).external_contact
    try:
        if step is Step.LOOK:
            return await _look(ctx, row)
        made = await (links.call if row.kind == ChannelKind.LINK else _call)(wecom, row, step)
        if step is Step.MAKE and made is not None:
            await _made(ctx, row, now, made)
        elif step is Step.UPDATE:
            await ctx.db.write(rows.note_written, row.id, now, row.wanted, ctx.clock.now())
        elif step is Step.DELETE:
            await ctx.db.write(rows.note_deleted, row.id, now, ctx.clock.now())
            log.info("channel_deleted", channel=row.id)
    except UnknownOutcomeError as error:
        log.warning("channel_unknown", channel=row.id, cause=str(error))
        await ctx.db.write(rows.note_unknown, row.id, now, str(error), ctx.clock.now())
        return True
    except WeComError as error:
        if step is Step.UPDATE and await _is_gone(wecom, row, error):
            await ctx.db.write(rows.note_gone, row.id, row.config_id or "", ctx.clock.now())
            log.warning("channel_gone", channel=row.id)
            return False
        return await _failed(ctx, row, step, error, now)
    return True


async def _call(wecom: ExternalContacts, row: ChannelPlan, step: Step) -> Made | None:
    """Make or change a contact way; what was made. Raises WeComError."""
    if step is Step.UPDATE:
        await wecom.update_contact_way(row.config_id or "", **row.wanted)
        return None
    # A new way has no departments to be taken off.
    body = {name: value for name, value in row.wanted.items() if name != "party"}
    answer = await wecom.add_contact_way(TYPE_SEVERAL, SCENE_CODE, state=row.state, **body)
    return Made(str(answer.get("config_id") or ""), str(answer.get("qr_code") or ""), row.wanted)


async def _is_gone(wecom: ExternalContacts, row: ChannelPlan, error: WeComError) -> bool:
    if row.kind == ChannelKind.LINK:
        return await links.is_gone(wecom, row, error)
    return error.errcode == NO_SUCH_WAY


async def _made(ctx: Context, row: ChannelPlan, called_at: datetime, made: Made) -> None:
    assert row.id is not None
    if not made.config_id:
        await ctx.db.write(rows.note_unknown, row.id, called_at, "WeCom gave no id.", ctx.clock.now())
        return
    if not await ctx.db.write(rows.note_made, row.id, called_at, *made, ctx.clock.now()):
        # The answer came when this was taken for unknown and the way was made again: nobody has seen this one's code.
        log.error("channel_made_twice", channel=row.id)
        wecom = ctx.wecom.external_contact
        await (wecom.delete_link if row.kind == ChannelKind.LINK else wecom.del_contact_way)(made.config_id)
        return
    log.info("channel_made", channel=row.id)


async def _look(ctx: Context, row: ChannelPlan) -> bool:
    """Look in WeCom's list for one whose making nobody knows of; it is adopted, or made again where there is none."""
    assert row.id is not None
    called_at = row.called_at or row.made_at
    known = await ctx.db.read(channel_rows.list_known_ids, row.state)
    found = await (links.find if row.kind == ChannelKind.LINK else _find)(ctx, row, known, called_at)
    now = ctx.clock.now()
    if found is None:
        settled_at = called_at + timedelta(seconds=rules.SETTLE_SECONDS)
        again_at = settled_at if now < settled_at else None
        await ctx.db.write(rows.note_absent, row.id, again_at, now)
        return again_at is None
    log.info("channel_found", channel=row.id)
    return await ctx.db.write(rows.note_made, row.id, row.called_at, *found, now)


async def _find(ctx: Context, row: ChannelPlan, known: set[str], called_at: datetime) -> Made | None:
    """The contact way with a channel's state, in WeCom's list."""
    since = int(called_at.timestamp() - rules.CLOCKS_DIFFER_SECONDS)
    async for listed in ctx.wecom.external_contact.gen_contact_ways(since, int(ctx.clock.timestamp()) + 1):
        config_id = str(listed["config_id"])
        if config_id in known:
            continue
        try:
            way = (await ctx.wecom.external_contact.get_contact_way(config_id))["contact_way"]
        except GoneError:
            continue
        if way.get("state") == row.state:
            written = {
                "remark": str(way.get("remark") or ""), "skip_verify": bool(way.get("skip_verify", True)),
                "user": [str(each) for each in way.get("user") or []], "party": list(way.get("party") or []),
            }  # fmt: skip
            return Made(str(way["config_id"]), str(way.get("qr_code") or ""), written)
    return None


async def _failed(ctx: Context, row: ChannelPlan, step: Step, error: WeComError, called_at: datetime) -> bool:
    """What time mends is tried again. Where a member is refused, the company is read again first: they may have left.

    True: somebody else is on the code now, so that the call is worth another try at once.
    """
    assert row.id is not None
    now, tries = ctx.clock.now(), row.tries + 1
    pause = pause_seconds(tries, rules.MAX_TRIES, error.after_seconds, ctx.random.random()) if error.retryable else None
    if error.errcode in MEMBER_REFUSED and await _others_instead(ctx, row):
        await ctx.db.write(rows.note_failed, row.id, called_at, error.errcode, str(error), now, now)
        return True
    again_at = now + timedelta(seconds=pause) if pause is not None else None
    if again_at is None and step is not Step.MAKE:
        # The code still leads to whom it led before, and that may be nobody any more: never give it up.
        again_at = now + REFUSED_AGAIN
    log.warning("channel_failed", channel=row.id, step=step.value, again=again_at is not None, cause=str(error))
    await ctx.db.write(
        rows.note_failed, row.id, called_at if step is not Step.LOOK else None, error.errcode, str(error), again_at, now
    )
    return False


async def _others_instead(ctx: Context, row: ChannelPlan) -> bool:
    """Read the company again and work out who is to be on the code; whether that is somebody else now."""
    assert row.id is not None
    try:
        await refresh_directory(ctx)
    except SiyuError as error:
        log.warning("directory_unread", cause=str(error))
        return False
    after = await ctx.db.write(_put_on_duty, row.id, ctx)
    return after != row.wanted


def _put_on_duty(session: Any, id_: int, ctx: Context) -> dict[str, Any]:
    row = rows.lock_plan(session, id_)
    put_on_duty(session, row, ctx.clock.now(), ctx.settings.zone)
    return row.wanted
