"""Campaigns changed and removed before they are started, under the checks of their making."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import Field
from sqlmodel import Session

from bot.campaigns import Told, check_campaign, make_campaign, read_campaign
from bot.cards import end_requests
from bot.context import Context
from bot.phrases import Phrase
from bot.rule_edits import merged
from bot.waves import KINDS
from data.queries import campaign_edits as rows
from data.queries.media_uses import hold_files
from data.rules.campaigns import NAME_MAX_LENGTH, CampaignDraft
from data.rules.problems import InvalidRuleError, Problem, RuleModel, parse
from data.rules.timings import Timing

Fit = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]


class Version(RuleModel):
    """Which version of a campaign somebody has read."""

    version: int = Field(ge=1, le=2**31 - 1)


async def change_campaign(ctx: Context, campaign_id: int, changes: Mapping[str, Any]) -> Told:
    """Change a campaign that was not started; `changes` as a JSON merge patch, with the `version` that was read.

    What was approved of it is void. Raises InvalidRuleError with a path per fault, NotFoundError, and ConflictError
    when it was started, or changed by somebody else.
    """
    version = parse(Version, {"version": changes["version"]} if "version" in changes else {}).version
    told, before = await ctx.db.read(_read_draft, campaign_id)
    rows.refuse_stale(told.campaign, version)
    after, wave_ids = changed(before, {name: value for name, value in changes.items() if name != "version"})
    draft = await check_campaign(ctx, parse(CampaignDraft, after))
    await ctx.db.write(_replace, campaign_id, version, draft, wave_ids, ctx.clock.now())
    return await ctx.db.read(read_campaign, campaign_id)


async def copy_campaign(
    ctx: Context, campaign_id: int, made_by: str, name: str | None = None, fit: Fit | None = None
) -> Told:
    """Make a campaign like another, whether that was started or not; a time that has passed is left out. `fit`: makes
    of each wave's definition what the maker may send.

    Raises NotFoundError, and InvalidRuleError where it names what is not there any more.
    """
    told, draft = await ctx.db.read(_read_draft, campaign_id)
    for wave in draft["waves"]:
        once = Timing.model_validate(wave["timing"]).at
        if once is not None and once <= ctx.clock.now():
            wave["timing"] = {}
    draft["name"] = f"{told.campaign.name[: NAME_MAX_LENGTH - 3]} 副本" if name is None else name
    draft = anew(draft)
    if fit is not None:
        draft["waves"] = [await fit(wave) for wave in draft["waves"]]
    made = await make_campaign(ctx, parse(CampaignDraft, draft), made_by)
    return await ctx.db.read(read_campaign, made.id or 0)


async def rewrite_campaign(ctx: Context, campaign_id: int, version: int, definition: Mapping[str, Any]) -> Told:
    """Put a whole definition, as `export_campaign` tells it, in the place of one that was not started; waves with an
    `id` stay what they are to those who refer to them. Raises as `change_campaign` does."""
    waves = definition["waves"]
    wave_ids = [wave.get("id") for wave in waves]
    told, before = await ctx.db.read(_read_draft, campaign_id)
    rows.refuse_stale(told.campaign, version)
    known = {wave["id"] for wave in before["waves"]}
    if len(set(wave_ids) - {None}) != len([each for each in wave_ids if each is not None]) or set(wave_ids) - known - {
        None
    }:
        raise InvalidRuleError([Problem("waves", Phrase("这个计划里没有这个波次，或写了两次"))])
    draft = await check_campaign(ctx, parse(CampaignDraft, anew(definition)))
    await ctx.db.write(_replace, campaign_id, version, draft, wave_ids, ctx.clock.now())
    return await ctx.db.read(read_campaign, campaign_id)


def export_campaign(session: Session, campaign_id: int) -> dict[str, Any]:
    """The definition of a campaign with its version and the numbers of its waves. Raises NotFoundError."""
    told, draft = _read_draft(session, campaign_id)
    return {"version": told.campaign.version, **draft}


def anew(definition: Mapping[str, Any]) -> dict[str, Any]:
    """A definition without what tells which campaign it was: another one can be made of it."""
    waves = definition.get("waves")
    found = {name: value for name, value in definition.items() if name != "version"}
    if isinstance(waves, list):
        found["waves"] = [
            {name: value for name, value in wave.items() if name != "id"} if isinstance(wave, Mapping) else wave
            for wave in waves
        ]
    return found


async def delete_campaign(ctx: Context, campaign_id: int) -> None:
    """Remove a campaign that was not started. Raises NotFoundError, ConflictError."""
    await ctx.db.write(_delete, campaign_id, ctx.clock.now())


def _replace(
    session: Session,
    campaign_id: int,
    version: int,
    draft: CampaignDraft,
    wave_ids: Sequence[int | None],
    now: datetime,
) -> None:
    rows.replace_draft(session, campaign_id, version, draft, wave_ids)
    hold_files(session, "campaign", campaign_id)
    end_requests(session, campaign_id, "changed", now)


def _delete(session: Session, campaign_id: int, now: datetime) -> None:
    rows.delete_campaign(session, campaign_id)
    end_requests(session, campaign_id, "removed", now)


def changed(before: Mapping[str, Any], changes: Mapping[str, Any]) -> tuple[dict[str, Any], list[int | None]]:
    """A draft with changes, and which wave each of its waves was. Waves are a whole list; those with an `id` keep what
    is not named. Raises InvalidRuleError for an `id` that is none of them, or there twice.
    """
    known = {wave["id"]: {name: wave[name] for name in wave if name != "id"} for wave in before["waves"]}
    if not isinstance(changes.get("waves"), list):
        after = merged(before, changes)
        if "waves" not in changes:
            after["waves"] = list(known.values())
        return after, list(known)
    waves: list[Any] = []
    wave_ids: list[int | None] = []
    for number, wave in enumerate(changes["waves"]):
        wave_id = wave.get("id") if isinstance(wave, Mapping) else None
        if wave_id is not None:
            if isinstance(wave_id, bool) or not isinstance(wave_id, int) or wave_id not in known:
                raise InvalidRuleError([Problem(f"waves[{number}].id", Phrase("这个计划里没有这个波次"))])
            if wave_id in wave_ids:
                raise InvalidRuleError([Problem(f"waves[{number}].id", Phrase("同一个波次写了两次"))])
            wave = _changed_wave(known[wave_id], wave)
        wave_ids.append(wave_id)
        waves.append(wave)
    return {**merged(before, {**changes, "waves": None}), "waves": waves}, wave_ids


def _changed_wave(before: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    # One audience in the place of another: merged, they would be two.
    after = merged(before, {name: value for name, value in changes.items() if name not in ("id", "audience")})
    return {**after, "audience": changes["audience"]} if "audience" in changes else after


def _read_draft(session: Session, campaign_id: int) -> tuple[Told, dict[str, Any]]:
    """A campaign, and the draft that would make it, with the number of each wave."""
    told = read_campaign(session, campaign_id)
    waves = [{"id": wave.id, **KINDS[wave.kind].draft_of(session, wave)} for wave in told.waves]
    campaign = told.campaign
    draft = {"name": campaign.name, "owner": campaign.owner or None, "test_first": campaign.test_first}
    return told, {**draft, "waves": waves}
