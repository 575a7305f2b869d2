"""Group welcomes made, changed, retired and brought into WeCom's stock: one way for the API, commands and jobs.

WeCom has no list of its stock, and adding is not idempotent: the row says `adding` before the call, and an outcome that
nobody knows waits for a person. Changing and deleting may be repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session

from bot.context import Context
from bot.delivery import forget_uploads, media_id_of
from bot.logs import get_logger
from bot.rule_edits import file_problems, merged, unwritable
from bot.wecom.errors import GoneError, InvalidMediaError, RefusedFileError, UnknownOutcomeError, WeComError
from data.models import GroupWelcome
from data.queries import group_welcomes as rows
from data.queries.media_uses import hold_files
from data.rules import group_welcomes as rules
from data.rules.group_welcomes import GroupWelcomeContent, GroupWelcomeDraft, Step
from data.rules.messages import MissingMediaError
from data.rules.problems import InvalidRuleError, Problem, parse
from data.rules.retry import pause_seconds

log = get_logger("group_welcomes")

#: A change, and one that came while it was written: more at once leave it to the next time.
STEPS_AT_ONCE = 3
FIELDS = ("name", "content", "notify")


def make(session: Session, draft: GroupWelcomeDraft, made_by: str, now: datetime) -> int:
    """Check and keep one that WeCom is to get; its number. Raises InvalidRuleError, ConflictError."""
    _refuse_faulty(session, draft)
    id_ = rows.add_group_welcome(session, draft, made_by, now)
    hold_files(session, "group_welcome", id_)
    return id_


def change(session: Session, id_: int, changes: Mapping[str, Any], now: datetime) -> None:
    """Change one; `changes` as a JSON merge patch, but an attachment as a whole.

    Raises InvalidRuleError, NotFoundError, and ConflictError for one that is retired.
    """
    row = rows.lock_group_welcome(session, id_)
    after = merged({name: getattr(row, name) for name in FIELDS}, changes)
    content = changes.get("content")
    if isinstance(content, Mapping) and "attachment" in content:
        # One kind in the place of another: merged, it would be two.
        after["content"] = {**after["content"], "attachment": content["attachment"]}
    draft = parse(GroupWelcomeDraft, after)
    _refuse_faulty(session, draft)
    rows.change_group_welcome(session, id_, draft, now)
    hold_files(session, "group_welcome", id_)


async def bring(ctx: Context, id_: int) -> None:
    """Make the calls that bring one into WeCom's stock as it is wanted. What went wrong is in its row.

    Nothing is done in observe mode, nor while another process makes a call for it.
    """
    if ctx.observes:
        return
    for _ in range(STEPS_AT_ONCE):
        now = ctx.clock.now()
        if await ctx.db.write(rows.note_interrupted, id_, now):
            log.warning("group_welcome_unknown", group_welcome=id_)
        found = await ctx.db.read(rows.find_step, id_, now)
        if found is None or not await _take_step(ctx, *found):
            return


async def check(ctx: Context, id_: int, template_id: str, version: int) -> list[str]:
    """Read one from WeCom; the fields in which it is not as we wrote it. Raises WeComError."""
    row = await ctx.db.read(rows.get_group_welcome, id_)
    try:
        shown = await ctx.wecom.external_contact.get_group_welcome_template(template_id)
    except GoneError:
        await ctx.db.write(rows.note_gone, id_, template_id, ctx.clock.now())
        log.warning("group_welcome_gone", group_welcome=id_)
        return []
    drift = rules.drift(parse(GroupWelcomeContent, row.content), shown)
    if await ctx.db.write(rows.note_checked, id_, version, drift, ctx.clock.now()) and drift:
        log.warning("group_welcome_drifted", group_welcome=id_, fields=",".join(drift))
    return drift


def to_json(row: GroupWelcome) -> dict[str, Any]:
    """One as the API and the commands tell of it."""
    told = row.model_dump(exclude={"calling_until", "tries", "called_at"})
    return {**told, "drift": row.drift or [], "needs_person": rows.needs_person(row)}


def content_problems(session: Session, content: GroupWelcomeContent) -> list[Problem]:
    """Everything that is wrong with what newcomers would receive, by path."""
    file = rules.file_of(content)
    found = [
        *unwritable(content.model_dump(mode="json")["attachment"], "content.attachment"),
        *rules.problems(content),
        *file_problems(session, [file] if file else []),
    ]
    return list(dict.fromkeys(found))


def _refuse_faulty(session: Session, draft: GroupWelcomeDraft) -> None:
    found = content_problems(session, draft.content)
    if found:
        raise InvalidRuleError(found)


async def _take_step(ctx: Context, row: GroupWelcome, step: Step) -> bool:
    """Make one call. False: it did not come to anything, or somebody else makes it."""
    assert row.id is not None
    content = parse(GroupWelcomeContent, row.content)
    try:
        body = await _body(ctx, content) if step is not Step.DELETE else {}
    except (MissingMediaError, WeComError) as error:
        await _failed(ctx, row, step, error, None)
        return False
    now = ctx.clock.now()
    if not await ctx.db.write(rows.claim, row.id, row.version, step, now):
        return False
    template_id = row.template_id or ""
    wecom = ctx.wecom.within(rules.CALL_SECONDS).external_contact
    try:
        match step:
            case Step.ADD:
                answer = await wecom.add_group_welcome_template({**body, "notify": int(row.notify)})
                await _added(ctx, row, now, str(answer.get("template_id") or ""))
            case Step.EDIT:
                await wecom.update_group_welcome_template(body, template_id)
                await ctx.db.write(rows.note_edited, row.id, now, row.version, ctx.clock.now())
            case Step.DELETE:
                await wecom.del_group_welcome_template(template_id)
                await ctx.db.write(rows.note_deleted, row.id)
    except UnknownOutcomeError as error:
        log.warning("group_welcome_unknown", group_welcome=row.id, cause=str(error))
        await ctx.db.write(rows.note_unknown, row.id, now, str(error))
        return False
    except GoneError:
        await ctx.db.write(rows.note_gone, row.id, template_id, ctx.clock.now())
        return False
    except WeComError as error:
        if isinstance(error, InvalidMediaError) and (file := rules.file_of(content)):
            await forget_uploads(ctx, [file[1]])
        await _failed(ctx, row, step, error, now)
        return False
    return True


async def _body(ctx: Context, content: GroupWelcomeContent) -> dict[str, Any]:
    file = rules.file_of(content)
    ids = {file[1]: await media_id_of(ctx, file[1], file[2])} if file else {}
    return rules.wecom_body(content, ids)


async def _added(ctx: Context, row: GroupWelcome, called_at: datetime, template_id: str) -> None:
    assert row.id is not None
    if not template_id:
        await ctx.db.write(rows.note_unknown, row.id, called_at, "WeCom gave no template_id.")
        return
    if not await ctx.db.write(rows.note_added, row.id, called_at, row.version, template_id, ctx.clock.now()):
        # The answer came when this was taken for unknown and somebody had decided: WeCom has one too many.
        log.error("group_welcome_made_twice", group_welcome=row.id)
        await ctx.wecom.external_contact.del_group_welcome_template(template_id)


async def _failed(
    ctx: Context, row: GroupWelcome, step: Step, error: MissingMediaError | WeComError, called_at: datetime | None
) -> None:
    """What time mends is tried again; the rest waits for a person."""
    assert row.id is not None
    now = ctx.clock.now()
    pause = None
    if isinstance(error, WeComError):
        tries_max = 0
        if isinstance(error, InvalidMediaError):
            tries_max = 0 if isinstance(error, RefusedFileError) else rules.MEDIA_TRIES
        elif error.retryable:
            tries_max = rules.MAX_TRIES
        pause = pause_seconds(row.tries + 1, tries_max, error.after_seconds, ctx.random.random())
    log.warning(
        "group_welcome_failed", group_welcome=row.id, step=step.value, again=pause is not None, cause=str(error)
    )
    cause = error.errcode if isinstance(error, WeComError) else None
    again_at = None if pause is None else now + timedelta(seconds=pause)
    await ctx.db.write(rows.note_failed, row.id, row.version, step, cause, str(error), again_at, now, called_at)
