"""Journeys made, changed and acted on: the checks that the API and the commands share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import Field
from sqlmodel import Session

from bot.context import Context
from bot.errors import ObservingError
from bot.journeys import check_journey
from bot.phrases import Phrase
from bot.rule_edits import merged
from data.models import JourneyRow
from data.queries import enrolment_lists as list_rows
from data.queries import journeys as rows
from data.queries import staff as staff_rows
from data.queries.media_uses import hold_files
from data.rules.journey_acts import Act
from data.rules.journeys import Journey
from data.rules.problems import InvalidRuleError, Problem, RuleModel, parse
from data.rules.tags import Id


class JourneyDraft(Journey):
    """A journey, and the staff member who is told of it."""

    owner: Id | None = None

    @property
    def journey(self) -> Journey:
        """What the journey itself says."""
        return Journey.model_validate(self.model_dump(mode="json", exclude={"owner"}))


class JourneyVersionRead(RuleModel):
    """Which version of a journey somebody has read."""

    version: int = Field(ge=1, le=2**31 - 1)


async def make_journey(ctx: Context, source: Mapping[str, Any], made_by: str) -> JourneyRow:
    """Check and keep a journey; it begins for nobody before it is started. Raises InvalidRuleError with a path per
    fault."""
    draft = await check_draft(ctx, source)
    return await ctx.db.write(make_checked, draft, made_by, ctx.clock.now())


def make_checked(session: Session, draft: JourneyDraft, made_by: str, now: datetime) -> JourneyRow:
    """Keep a journey that was checked."""
    journey, owner = draft.journey, draft.owner or ""
    row = rows.add_journey(session, journey, owner, made_by, now)
    hold_files(session, "journey", row.id or 0)
    return row


async def check_draft(ctx: Context, source: Mapping[str, Any]) -> JourneyDraft:
    """What somebody has written, if it can be used. Raises InvalidRuleError with a path per fault."""
    draft = parse(JourneyDraft, source)
    found: list[Problem] = []
    if draft.owner is not None and await ctx.db.read(staff_rows.find_staff, draft.owner) is None:
        found.append(Problem("owner", Phrase("没有成员 %(userid)s（或还没有从企业微信读到）", userid=draft.owner)))
    try:
        await check_journey(ctx, draft.journey)
    except InvalidRuleError as error:
        found += error.problems
    if found:
        raise InvalidRuleError(found)
    return draft


async def replace_journey(ctx: Context, journey_id: int, source: Mapping[str, Any], made_by: str) -> JourneyRow:
    """Say the journey anew, as its next version, for those who begin it from now on; `source` has the `version` that
    was read as well. Raises InvalidRuleError, NotFoundError, and ConflictError when somebody else was faster."""
    version, said = _split(source)
    rows.refuse_stale(await ctx.db.read(rows.get_journey, journey_id), version)
    return await _write(ctx, journey_id, version, said, made_by)


async def change_journey(ctx: Context, journey_id: int, source: Mapping[str, Any], made_by: str) -> JourneyRow:
    """The same for some of its fields (JSON merge patch; lists as a whole)."""
    version, changes = _split(source)
    before = await ctx.db.read(export_journey, journey_id)
    rows.refuse_stale(await ctx.db.read(rows.get_journey, journey_id), version)
    # One of several kinds of things comes in the place of another: they are not mixed.
    kinds = {name: value for name, value in changes.items() if name in ("trigger", "audience", "goal") and value}
    after = {**merged(before, {**changes, **dict.fromkeys(kinds)}), **kinds}
    return await _write(ctx, journey_id, version, _split(after)[1], made_by)


def _split(source: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """The version that was read, and the rest."""
    version = parse(JourneyVersionRead, {"version": source["version"]} if "version" in source else {}).version
    return version, {name: value for name, value in source.items() if name != "version"}


async def _write(ctx: Context, journey_id: int, version: int, source: Mapping[str, Any], made_by: str) -> JourneyRow:
    draft, now = await check_draft(ctx, source), ctx.clock.now()
    return await ctx.db.write(change_checked, journey_id, version, draft, made_by, now)


def change_checked(
    session: Session, journey_id: int, version: int, draft: JourneyDraft, made_by: str, now: datetime
) -> JourneyRow:
    """Say a journey anew, as the next version after the one that was read, in words that were checked. Raises
    NotFoundError, and ConflictError when somebody else was faster."""
    journey, owner = draft.journey, draft.owner or ""
    # As it is kept: one that this program does not understand any more can be said anew.
    if rows.get_version(session, journey_id, version).definition == journey.model_dump(mode="json"):
        row = rows.lock_journey(session, journey_id)
        rows.refuse_stale(row, version)
    else:
        row = rows.add_version(session, journey_id, version, journey, made_by, now)
        hold_files(session, "journey", journey_id)
    row.owner = owner
    session.flush()
    return row


def export_journey(session: Session, journey_id: int) -> dict[str, Any]:
    """What a journey says with its owner and its version, to be changed. Raises NotFoundError."""
    row = rows.get_journey(session, journey_id)
    definition = rows.get_version(session, journey_id, row.version).definition
    return {"version": row.version, "owner": row.owner or None, **definition}


def to_json(row: JourneyRow) -> dict[str, Any]:
    """A journey as it is listed."""
    return row.model_dump(include=_SHOWN)


_SHOWN = {
    "id", "name", "owner", "status", "version", "made_by", "made_at", "started_at", "scanned_until", "error",
    "was_closed",
}  # fmt: skip


def read_journey(session: Session, journey_id: int) -> dict[str, Any]:
    """One journey as it is shown: what it says, and how many are on it. Raises NotFoundError."""
    row = rows.get_journey(session, journey_id)
    return {
        **to_json(row),
        "running": list_rows.count_running(session, journey_id),
        "definition": rows.get_version(session, journey_id, row.version).definition,
    }


async def act_on(ctx: Context, journey_id: int, act: Act, by: str = "command") -> dict[str, Any]:
    """Start, pause, resume, close or stop a journey, as somebody wants it; how it is then.

    One that begins anew is checked again: what it names may be gone since. Raises NotFoundError, ConflictError,
    ObservingError, InvalidRuleError.
    """
    await check_act(ctx, journey_id, act)
    await ctx.db.write(rows.act_on, journey_id, act, by, ctx.clock.now())
    if act is Act.STOP:
        await end_for_all(ctx, journey_id)
    return await ctx.db.read(read_journey, journey_id)


async def check_act(ctx: Context, journey_id: int, act: Act) -> None:
    """Refuse to have a journey begin that cannot. Raises NotFoundError, ObservingError, InvalidRuleError."""
    if act not in (Act.START, Act.RESUME):
        return
    if ctx.observes:
        raise ObservingError
    row = await ctx.db.read(rows.get_journey, journey_id)
    journey = await ctx.db.read(rows.read_definition, journey_id, row.version)
    await check_journey(ctx, journey, runs=act is Act.RESUME)


async def end_for_all(ctx: Context, journey_id: int) -> None:
    """A journey that was stopped is over for everybody, piece by piece."""
    while await ctx.db.write(list_rows.withdraw_piece, journey_id, ctx.clock.now()):
        pass
