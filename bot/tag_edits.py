"""Changing the company's tags through WeCom: one way for the command line and the API.

WeCom calls nothing back for what is done through its API, so our own rows are written here. An app may change only
the tags that it made; which these are is learnt from what WeCom lets us do.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from sqlmodel import Session

from bot.context import Context
from bot.errors import ObservingError, RetryLaterError, SiyuError
from bot.refresh import refresh_tags
from bot.wecom.errors import AlreadyDoneError, GoneError, NotPermittedError, UnknownOutcomeError
from data.errors import ConflictError, NotFoundError
from data.models import Tag, TagGroup
from data.queries import rules as rule_rows
from data.queries import tags as rows
from data.rules.problems import InvalidRuleError
from data.rules.tags import NewTags, TagEdit, edit_problems, new_problems

#: WeCom's answers to an app that changes what it did not make.
NOT_OURS = (81011, 48002)


class ForeignTagError(SiyuError):
    """The tag or group was made by another app or in the admin console: WeCom lets us use it, not change it."""


async def add_tags(ctx: Context, asked: NewTags) -> list[str]:
    """Make tags; their ids, in the order asked for.

    Raises InvalidRuleError, NotFoundError (no such group), ConflictError (the group has a tag of that name),
    ObservingError, WeComError.
    """
    _begin(ctx, new_problems(asked))
    group = await ctx.db.read(_find_group, asked)
    if group is not None:
        await _refuse_taken(ctx, group, asked)
    call = ctx.wecom.external_contact.add_corp_tag(
        group.group_id if group else None,
        None if group else asked.group_name,
        None if group else asked.group_order,
        [tag.model_dump() for tag in asked.tags],
    )
    try:
        made = (await call)["tag_group"]
    except UnknownOutcomeError:
        # Sent, and no answer: what stands there now and did not before is what we made.
        await refresh_tags(ctx)
        return await _adopt(ctx, asked)
    except AlreadyDoneError as error:
        await refresh_tags(ctx)
        if (there := await ctx.db.read(_find_group, asked)) is not None:
            await _refuse_taken(ctx, there, asked)
        raise ConflictError(str(error)) from error
    except GoneError as error:
        await refresh_tags(ctx)
        raise NotFoundError(f"There is no tag group {asked.group_id} any more.", "Tags were read again.") from error
    await ctx.db.write(rows.record_made, made, new_group=group is None, now=ctx.clock.now())
    ids = {str(tag["name"]): str(tag["id"]) for tag in made["tag"]}
    return [ids[tag.name] for tag in asked.tags if tag.name in ids]


async def change_tag(ctx: Context, tag_id: str, edit: TagEdit) -> None:
    """Rename or reorder a tag. Raises as `add_tags` does, and ForeignTagError."""
    _begin(ctx, edit_problems(edit))
    tag = await ctx.db.read(rows.get_tag, tag_id)
    if edit.name is not None and edit.name != tag.name:
        for other in await ctx.db.read(rows.list_named, tag.group_id, [edit.name]):
            raise _taken(other.name, other.tag_id)
    await _change(ctx, tag, tag_id, edit)


async def change_group(ctx: Context, group_id: str, edit: TagEdit) -> None:
    """Rename or reorder a group. Raises as `change_tag` does."""
    _begin(ctx, edit_problems(edit))
    group = await ctx.db.read(rows.get_group, group_id)
    if edit.name is not None and edit.name != group.name:
        other = await ctx.db.read(rows.find_group, edit.name)
        if other is not None:
            raise _taken(other.name, other.group_id)
    await _change(ctx, group, group_id, edit)


async def delete_tag(ctx: Context, tag_id: str) -> None:
    """Delete a tag, which takes it off every customer. Raises ForeignTagError, NotFoundError, WeComError."""
    _begin(ctx, [])
    tag = await ctx.db.read(rows.get_tag, tag_id)
    await _allowed(ctx, tag, ctx.wecom.external_contact.del_corp_tag(tag_id=tag_id))
    last = not set(await ctx.db.read(rows.list_ids_of_group, tag.group_id)) - {tag_id}
    await _forget(ctx, [tag.group_id] if last else [], [tag_id])


async def delete_group(ctx: Context, group_id: str) -> None:
    """Delete a group with its tags. Raises as `delete_tag` does."""
    _begin(ctx, [])
    group = await ctx.db.read(rows.get_group, group_id)
    await _allowed(ctx, group, ctx.wecom.external_contact.del_corp_tag(group_id=group_id))
    await _forget(ctx, [group_id], await ctx.db.read(rows.list_ids_of_group, group_id))


def read_use(session: Session, tag_ids: list[str]) -> dict[str, Any]:
    """Who would miss these tags: how many contacts wear one, and which rules name one."""
    wanted = set(tag_ids)
    rules = [
        {"id": rule.id, "name": rule.name}
        for rule in rule_rows.list_tag_rules(session)
        if wanted & (rule.put_on | rule.take_off)
    ]
    return {"worn": rows.count_wearers(session, tag_ids), "rules": rules}


def _begin(ctx: Context, problems: list[Any]) -> None:
    if problems:
        raise InvalidRuleError(problems)
    if ctx.observes:
        raise ObservingError


def _find_group(session: Session, asked: NewTags) -> TagGroup | None:
    if asked.group_id is not None:
        return rows.get_group(session, asked.group_id)
    return rows.find_group(session, asked.group_name or "")


async def _refuse_taken(ctx: Context, group: TagGroup, asked: NewTags) -> None:
    for tag in await ctx.db.read(rows.list_named, group.group_id, [tag.name for tag in asked.tags]):
        raise _taken(tag.name, tag.tag_id)


def _taken(name: str, id_: str) -> ConflictError:
    return ConflictError(f"There is already a {name!r} there: {id_}.", "Use that one, or choose another name.")


async def _adopt(ctx: Context, asked: NewTags) -> list[str]:
    group = await ctx.db.read(_find_group, asked)
    names = [tag.name for tag in asked.tags]
    found = {tag.name: tag for tag in await ctx.db.read(rows.list_named, group.group_id, names)} if group else {}
    if group is None or found.keys() != set(names):
        raise RetryLaterError("WeCom gave no answer, and the tags were not made.", "Try again.")
    now = ctx.clock.now()
    for name in names:
        await ctx.db.write(rows.record_edit, found[name], None, None, now)
    return [found[name].tag_id for name in names]


async def _change(ctx: Context, row: Tag | TagGroup, id_: str, edit: TagEdit) -> None:
    call = ctx.wecom.external_contact.edit_corp_tag(id_, edit.name, edit.order)
    try:
        await _allowed(ctx, row, call)
    except AlreadyDoneError as error:
        await refresh_tags(ctx)
        raise ConflictError(
            f"There is already a {edit.name!r} there.", "Tags were read again: use that one, or choose another name."
        ) from error
    await ctx.db.write(rows.record_edit, row, edit.name, edit.order, ctx.clock.now())


async def _allowed(ctx: Context, row: Tag | TagGroup, call: Awaitable[Any]) -> None:
    """Make the call that changes `row`, and learn from a refusal."""
    id_ = row.tag_id if isinstance(row, Tag) else row.group_id
    try:
        await call
    except NotPermittedError as error:
        if error.errcode not in NOT_OURS:
            raise
        await ctx.db.write(rows.record_refused, row)
        raise ForeignTagError(
            f"WeCom refused to change {row.name!r} ({id_}): this app did not make it ({error.errcode}).",
            "Change it in WeCom's admin console (客户联系 → 企业标签). It can be put on customers all the same.",
        ) from error
    except GoneError as error:
        if error.errcode != 40068:
            raise
        await refresh_tags(ctx)
        raise NotFoundError(f"{row.name!r} ({id_}) was deleted in WeCom.", "Tags were read again.") from error


async def _forget(ctx: Context, group_ids: list[str], tag_ids: list[str]) -> None:
    await ctx.db.write(rows.mark_deleted, group_ids, tag_ids, ctx.clock.now(), by_us=True)
    while await ctx.db.write(rows.take_off_deleted):
        pass
