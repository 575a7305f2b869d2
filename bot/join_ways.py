"""Join ways made, changed, read and removed in WeCom: one way for the API, commands, jobs and the console.

WeCom has no list of them and adding is not idempotent: the row is there before the call. One too many is a code that
nobody knows, so an outcome that is unknown is a person's to repeat.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from bot.context import Context
from bot.errors import ObservingError
from bot.logs import get_logger
from bot.phrases import Phrase
from bot.wecom.errors import GoneError, UnknownOutcomeError, WeComError
from data.errors import ConflictError, NotFoundError
from data.models import JoinWay, JoinWayStatus
from data.queries import join_ways as rows
from data.rules.join_ways import GROUPS_MAX, SCENE_CODE, JoinWayDraft, problems, with_opened
from data.rules.problems import InvalidRuleError

log = get_logger("join_ways")


async def make(ctx: Context, draft: JoinWayDraft, made_by: str) -> JoinWay:
    """Make one. Raises InvalidRuleError, ObservingError, WeComError; an outcome that is unknown stands in its row."""
    await _check(ctx, draft)
    row = await ctx.db.write(rows.add_join_way, draft, made_by, ctx.clock.now())
    assert row.id is not None
    try:
        await _add(ctx, row)
    except WeComError:
        await ctx.db.write(rows.forget, row.id)
        raise
    return await ctx.db.read(rows.get_join_way, row.id)


async def make_again(ctx: Context, id_: int) -> JoinWay:
    """Make one of which WeCom has nothing, as far as a person knows. Raises ConflictError, WeComError."""
    if ctx.observes:
        raise ObservingError
    row = await ctx.db.write(rows.begin_again, id_, ctx.clock.now())
    try:
        await _add(ctx, row)
    except WeComError as error:
        await ctx.db.write(rows.note_failed, id_, JoinWayStatus.UNKNOWN, str(error))
        raise
    return await ctx.db.read(rows.get_join_way, id_)


async def change(ctx: Context, id_: int, draft: JoinWayDraft, known: Collection[str]) -> JoinWay:
    """Put other values in the place of one's; its code stays. Raises InvalidRuleError, ConflictError, WeComError.

    `known`: the groups that it led to when the draft was made of it. Those that WeCom has opened since stay on it:
    whoever scans it would find full ones otherwise.
    """
    await _check(ctx, draft)
    row = await ctx.db.read(rows.get_join_way, id_)
    if row.config_id is None:
        raise ConflictError(f"WeCom does not have join way {id_}.", "Make it again, or remove it.")
    calls = ctx.wecom.external_contact_group_chat
    try:
        told = (await calls.get_join_way(row.config_id))["join_way"]
        draft = with_opened(draft, told.get("chat_id_list") or (), known)
        if draft.base_name == row.base_name:
            # The next group has the next number: one that WeCom has given away comes not twice under the same name.
            draft = draft.model_copy(update={"base_id": max(draft.base_id, int(told.get("room_base_id") or 0))})
        await calls.update_join_way(row.config_id, **_body(draft, row.state))
    except GoneError as error:
        await ctx.db.write(rows.note_failed, id_, JoinWayStatus.GONE, str(error))
        raise
    await ctx.db.write(rows.note_changed, id_, draft)
    return await ctx.db.read(rows.get_join_way, id_)


async def remove(ctx: Context, id_: int) -> None:
    """End one: its code leads nowhere from then on. Raises NotFoundError, WeComError."""
    if ctx.observes:
        raise ObservingError
    row = await ctx.db.read(rows.get_join_way, id_)
    if row.config_id is not None:
        try:
            await ctx.wecom.external_contact_group_chat.del_join_way(row.config_id)
        except GoneError:
            log.info("join_way_gone", join_way=id_)
    await ctx.db.write(rows.note_removed, id_, ctx.clock.now())


async def read(ctx: Context, id_: int, config_id: str) -> None:
    """Read one from WeCom. Raises WeComError."""
    try:
        answer = await ctx.wecom.external_contact_group_chat.get_join_way(config_id)
    except GoneError as error:
        log.warning("join_way_gone", join_way=id_)
        await ctx.db.write(rows.note_failed, id_, JoinWayStatus.GONE, str(error))
        return
    await ctx.db.write(rows.note_read, id_, answer["join_way"], ctx.clock.now())


async def read_all(ctx: Context) -> int:
    """Read each from WeCom, which tells nobody when it opens a group; how many. Raises WeComError at the end."""
    failure: WeComError | None = None
    made = await ctx.db.read(rows.list_made)
    for id_, config_id in made:
        try:
            await read(ctx, id_, config_id)
        except WeComError as error:
            failure = failure or error
    if failure is not None:
        raise failure
    return len(made)


async def image_of(ctx: Context, row: JoinWay) -> bytes:
    """The picture of a code, fetched from WeCom where it was not yet. Raises NotFoundError, WeComError."""
    content = await ctx.db.read(rows.find_image, row)
    if content is not None:
        return content
    if row.config_id is None or not row.qr_code:
        raise NotFoundError(
            Phrase("群活码 %(id_)s 还没有二维码图片。", id_=row.id or 0), Phrase("请先从企业微信再读一次。")
        )
    content = await ctx.wecom.fetch_picture(row.qr_code)
    await ctx.db.write(rows.save_image, row, content, ctx.clock.now())
    return content


def to_json(row: JoinWay) -> dict[str, Any]:
    """One as the API and the commands tell of it."""
    return row.model_dump(exclude={"called_at", "removed_at"})


def draft_of(row: JoinWay) -> dict[str, Any]:
    """What one was made of, with the groups that it leads to now."""
    return {**{name: getattr(row, name) for name in JoinWayDraft.model_fields}, "chat_ids": row.chat_ids[-GROUPS_MAX:]}


async def _check(ctx: Context, draft: JoinWayDraft) -> None:
    found = problems(draft, await ctx.db.read(rows.list_known_groups, draft.chat_ids))
    if found:
        raise InvalidRuleError(found)
    if ctx.observes:
        raise ObservingError


async def _add(ctx: Context, row: JoinWay) -> None:
    assert row.id is not None
    draft = JoinWayDraft.model_validate(draft_of(row))
    try:
        answer = await ctx.wecom.external_contact_group_chat.add_join_way(**_body(draft, row.state))
    except UnknownOutcomeError as error:
        log.warning("join_way_unknown", join_way=row.id)
        await ctx.db.write(rows.note_failed, row.id, JoinWayStatus.UNKNOWN, str(error))
        return
    await ctx.db.write(rows.note_made, row.id, str(answer["config_id"]))
    try:
        await read(ctx, row.id, str(answer["config_id"]))
    except WeComError as error:
        # It is made; where its picture is comes with the next reading.
        log.info("join_way_unread", join_way=row.id, cause=str(error))


def _body(draft: JoinWayDraft, state: str) -> dict[str, Any]:
    return {
        "scene": SCENE_CODE,
        "chat_id_list": list(draft.chat_ids),
        "remark": draft.name,
        "auto_create_room": draft.auto_create,
        "room_base_name": draft.base_name or None,
        "room_base_id": draft.base_id if draft.auto_create else None,
        "state": state,
    }
