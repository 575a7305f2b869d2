"""Moments waves (客户朋友圈) of campaigns: checked, previewed, put into words. `scheduler/moments.py` has them made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session

from bot.context import Context
from bot.delivery import media_id_of
from bot.links import addresses, link_problems
from bot.phrases import Phrase
from bot.render import LINK_PREFIX
from bot.rule_edits import file_problems
from data.models import Wave
from data.queries import campaigns as campaign_rows
from data.queries import moments as rows
from data.queries.moments import Publishers, Reach
from data.rules.moments import MomentContent, MomentWave, Visible, problems, range_problems, to_wecom
from data.rules.problems import Problem, parse
from data.rules.schedule import day_words, local_datetime
from data.rules.waves import MOMENTS

#: Members that a preview names, those with the most customers first.
MEMBERS_TOLD = 1000


async def content_problems(ctx: Context, content: MomentContent) -> list[Problem]:
    """What is wrong with what a post shows."""
    found = problems(content)
    if content.text:
        faults = ctx.renderer.check("moment", content.text)
        found += [
            Problem("content.text", Phrase("第 %(line)s 行：%(words)s", line=fault.line, words=fault.message))
            for fault in faults
        ]
    found += await link_problems(ctx, "moment", content.text, content.links)
    return found + await ctx.db.read(file_problems, content.files)


async def wave_problems(ctx: Context, wave: MomentWave) -> list[Problem]:
    """The same, and what is wrong with who publishes it and who may see it."""
    unknown = await ctx.db.read(rows.list_unknown_names, wave.seen_by)
    return await content_problems(ctx, wave.content) + range_problems(wave.seen_by, unknown)


async def with_segment(_ctx: Context, wave: MomentWave) -> MomentWave:
    """The draft as it is: who sees a post is not chosen by a segment."""
    return wave


def draft_of(_session: Session, wave: Wave) -> dict[str, Any]:
    """The draft that would make a wave."""
    draft = {name: value for name, value in wave.model_dump().items() if name in MomentWave.model_fields}
    return {**draft, "visible": wave.audience or None}


@dataclass(frozen=True, slots=True)
class MomentPreview:
    """What a post would do now: who would be asked to publish it, who could see it, its words."""

    publishers: Publishers
    reach: Reach
    words: str


async def preview(ctx: Context, content: Mapping[str, Any] | MomentContent, visible: Visible, name: str = ""
                  ) -> MomentPreview:  # fmt: skip
    """Count who would publish a post and who could see it. `name` is the campaign's."""
    publishers = await find_publishers(ctx, visible, ctx.clock.now())
    reach = await ctx.db.read(rows.count_reach, visible, publishers.userids)
    return MomentPreview(publishers, reach, await words_of(ctx, MomentContent.model_validate(content).text, name))


async def find_publishers(ctx: Context, visible: Visible, as_of: datetime) -> Publishers:
    """Who would be asked to publish a post."""
    return await ctx.db.read(rows.find_publishers, visible, local_datetime(as_of, ctx.settings.zone).date())


async def preview_wave(ctx: Context, wave: Wave) -> MomentPreview:
    """The same of a wave that is kept."""
    campaign = await ctx.db.read(campaign_rows.get_campaign, wave.campaign_id)
    return await preview(ctx, wave.content, visible_of(wave), campaign.name)


def preview_to_json(told: MomentPreview) -> dict[str, Any]:
    """A preview as it is shown."""
    by_member = sorted(told.reach.by_member.items(), key=lambda each: (-each[1], each[0]))
    return {
        "kind": MOMENTS,
        "matched": told.publishers.matched,
        "publishers": len(told.publishers.userids),
        "left_out": dict(sorted(told.publishers.left_out.items())),
        "customers": told.reach.customers,
        "opted_out": told.reach.opted_out,
        "on_leave": list(told.publishers.on_leave[:MEMBERS_TOLD]),
        "members": [{"userid": userid, "customers": number} for userid, number in by_member[:MEMBERS_TOLD]],
        "words": told.words,
    }


async def tell_draft(ctx: Context, wave: MomentWave) -> dict[str, Any]:
    """What a post would do that is not kept, as it is shown."""
    return preview_to_json(await preview(ctx, wave.content, wave.seen_by))


async def tell_wave(ctx: Context, wave: Wave) -> dict[str, Any]:
    """The same of a wave that is kept."""
    return preview_to_json(await preview_wave(ctx, wave))


async def count_reached(ctx: Context, wave: Wave) -> tuple[int, Mapping[str, int]]:
    """How many customers could see a post now, and how many of them through each member."""
    reach = (await preview_wave(ctx, wave)).reach
    return reach.customers, reach.by_member


def wave_to_json(wave: Wave) -> dict[str, Any]:
    """A wave as it is shown."""
    visible = visible_of(wave).model_dump(mode="json") if wave.audience else None
    return {**wave.model_dump(include={"id", "kind", "content", "valid_hours", "timing"}), "visible": visible}


def visible_of(wave: Wave) -> Visible:
    """Who publishes a wave's post, and who may see it."""
    return Visible.model_validate(wave.audience)


async def tell_words(ctx: Context, wave: Wave, written: Mapping[str, Any] | None, _userid: str) -> str:
    """What a wave's post says, or one of its sendings for which that was `written`: the same whoever publishes it."""
    campaign = await ctx.db.read(campaign_rows.get_campaign, wave.campaign_id)
    return await words_of(ctx, str((written or wave.content).get("text") or ""), campaign.name)


def parse_words(_wave: Wave, source: Mapping[str, Any]) -> MomentContent:
    """What a sending is to show. Raises InvalidRuleError."""
    return parse(MomentContent, source)


async def words_problems(ctx: Context, content: MomentContent) -> list[Problem]:
    """What is wrong with what a sending is to show."""
    return await content_problems(ctx, content)


async def words_of(ctx: Context, text: str, campaign_name: str, batch_id: int | None = None) -> str:
    """A post's text as it is published today. Raises UnusableLinkError."""
    if not text:
        return ""
    links = await addresses(ctx, ctx.renderer.links_of("moment", text), batch_id)
    values = {
        **{f"{LINK_PREFIX}{name}": address.url for name, address in links.items()},
        "campaign_name": campaign_name or None,
        "company_name": ctx.settings.company.name,
        "date": day_words(local_datetime(ctx.clock.now(), ctx.settings.zone).date()),
    }
    return ctx.renderer.render_source("moment", text, values)


async def post_body(ctx: Context, content: MomentContent, campaign_name: str, batch_id: int) -> dict[str, Any]:
    """The body of `add_moment_task` apart from its range, with files uploaded for Moments.

    Raises UnusableLinkError, MissingMediaError, WeComError.
    """
    words = await words_of(ctx, content.text, campaign_name, batch_id)
    content = content.with_links(await addresses(ctx, content.links, batch_id))
    ids = {key: await media_id_of(ctx, key, kind, endpoint="upload_attachment/1") for _, key, kind in content.files}
    return to_wecom(content, words, ids)
