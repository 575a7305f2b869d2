"""Waves to customers (群发) of campaigns: checked, previewed, shown. `bot/campaign_plans.py` finds their recipients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session

from bot.broadcasts import content_problems, words_of
from bot.campaign_plans import Sampled, count_wave, sample_audience, source_of_draft, source_of_wave
from bot.context import Context
from bot.rule_edits import unwritable
from data.models import Wave
from data.queries import campaigns as campaign_rows
from data.queries import segment_names as segment_rows
from data.queries import senders as sender_rows
from data.queries import staff as staff_rows
from data.queries import winners as winner_rows
from data.queries.campaign_edits import list_listed
from data.queries.recipients import Source
from data.queries.staff import NOWHERE, Place
from data.rules import variants
from data.rules.campaigns import CustomerWave, Tally, audience_problems
from data.rules.messages import MessageContent
from data.rules.problems import Problem, parse
from data.rules.senders import choice_problems
from data.rules.timings import Timing
from data.rules.variants import RunWords
from data.rules.waves import most_first

#: Senders that a preview names, those with the most recipients first.
SENDERS_TOLD = 1000


# -- drafts


async def wave_problems(ctx: Context, wave: CustomerWave) -> list[Problem]:
    """What is wrong with a draft apart from its timing and its segment."""
    found = await _variant_problems(ctx, wave) + audience_problems(wave.audience)
    return found + choice_problems(wave, *await ctx.db.read(sender_rows.list_named, wave))


async def _variant_problems(ctx: Context, wave: CustomerWave) -> list[Problem]:
    found = variants.problems(wave.variants, wave.content)
    for number, each in enumerate(wave.variants):
        found += unwritable(each.name, f"variants[{number}].name")
    for path, content in wave.contents.items():
        for fault in await content_problems(ctx, content):
            found.append(Problem(path + fault.path.removeprefix("content"), fault.message))
    return found


async def with_segment(ctx: Context, wave: CustomerWave) -> CustomerWave:
    """A draft with its saved segment read. Raises InvalidRuleError."""
    return wave.model_copy(update={"audience": await ctx.db.read(segment_rows.read_audience, wave.audience)})


def draft_of(session: Session, wave: Wave) -> dict[str, Any]:
    """The draft that would make a wave."""
    draft = {name: value for name, value in wave.model_dump().items() if name in CustomerWave.model_fields}
    if wave.audience.keys() & {"pairs", "external_userids"}:
        draft["audience"] = _audience_of(wave.audience, list_listed(session, wave.id or 0))
    return draft


def _audience_of(told: Mapping[str, Any], listed: Sequence[tuple[str, str]]) -> dict[str, Any]:
    if "pairs" in told:
        return {"pairs": [{"external_userid": whom, "userid": userid} for whom, userid in listed]}
    return {"external_userids": [whom for whom, _ in listed]}


# -- what a wave would do


@dataclass(frozen=True, slots=True)
class Preview:
    """What a wave would do now: the same counting as planning, and the words of the first sender, by variant.

    `departments`: (id, name, senders, recipients) by the senders' main departments.
    """

    tally: Tally
    calls: int
    words: Mapping[str, str]
    departments: Sequence[tuple[int, str, int, int]]
    sample: Sequence[Sampled]


async def preview_draft(ctx: Context, wave: CustomerWave) -> Preview:
    """What a wave would do that is not kept. It was checked, and its segment read."""
    as_of = ctx.clock.now()
    source, unknown = await source_of_draft(ctx, wave, as_of)
    names = [each.name for each in wave.variants] or [""]
    texts = dict(zip(names, (each.text for each in wave.contents.values()), strict=True))
    return await _preview(ctx, source, unknown, as_of, wave.timing, texts, "")


async def preview_wave(ctx: Context, wave: Wave) -> Preview:
    """What a wave would do that is kept."""
    as_of = ctx.clock.now()
    source, unknown = await source_of_wave(ctx, wave, as_of)
    variant = await ctx.db.read(winner_rows.find_variant, wave.id or 0)
    texts, name = _texts(wave, None, variant), await _name(ctx, wave)
    return await _preview(ctx, source, unknown, as_of, campaign_rows.timing_of(wave), texts, name)


async def _preview(
    ctx: Context,
    source: Source,
    unknown: int,
    as_of: datetime,
    timing: Timing,
    texts: Mapping[str, str],
    campaign_name: str,
) -> Preview:
    tally = await count_wave(ctx, source, unknown, as_of, timing)
    first = most_first(tally.by_sender)[:1]
    return Preview(
        tally,
        tally.calls,
        await _words(ctx, texts, first[0][0] if first else "", campaign_name),
        _by_department(tally, await ctx.db.read(staff_rows.map_places)),
        await sample_audience(ctx, source, tally, as_of),
    )


def _by_department(tally: Tally, places: Mapping[str, Place]) -> list[tuple[int, str, int, int]]:
    senders, recipients = Counter[tuple[int, str]](), Counter[tuple[int, str]]()
    for userid, number in tally.by_sender.items():
        place = places.get(userid, NOWHERE)
        senders[place.department_id, place.department] += 1
        recipients[place.department_id, place.department] += number
    return [(*which, senders[which], number) for which, number in most_first(recipients)]


async def _count(ctx: Context, wave: Wave) -> Tally:
    as_of = ctx.clock.now()
    source, unknown = await source_of_wave(ctx, wave, as_of)
    return await count_wave(ctx, source, unknown, as_of, campaign_rows.timing_of(wave))


def _texts(wave: Wave, written: Mapping[str, Any] | None, variant: str = "") -> dict[str, str]:
    said = variants.said(wave.content, wave.variants, written, variant)
    return {name: str(each.get("text") or "") for name, each in said.items()}


async def _words(ctx: Context, texts: Mapping[str, str], userid: str, campaign_name: str) -> dict[str, str]:
    return {name: await words_of(ctx, text, userid, campaign_name) for name, text in texts.items()}


async def _name(ctx: Context, wave: Wave) -> str:
    return await ctx.db.read(campaign_rows.get_name_in_words, wave.campaign_id)


def preview_to_json(preview: Preview) -> dict[str, Any]:
    """A preview as it is shown."""
    tally = preview.tally
    return {
        "matched": tally.matched,
        "recipients": tally.recipients,
        "left_out": dict(sorted(tally.left_out.items())),
        "likely_over_cap": tally.likely_over_cap,
        "calls": preview.calls,
        "senders": [
            {"userid": userid, "recipients": number} for userid, number in most_first(tally.by_sender)[:SENDERS_TOLD]
        ],
        "sender_count": len(tally.by_sender),
        "departments": [
            {"department_id": department_id, "name": name, "senders": senders, "recipients": number}
            for department_id, name, senders, number in preview.departments
        ],
        "sample": [each._asdict() for each in preview.sample],
        "words": next(iter(preview.words.values())),
        "variants": [
            {"name": name, "recipients": tally.variants.get(name, 0), "words": words}
            for name, words in preview.words.items()
            if name
        ],
    }


async def tell_draft(ctx: Context, wave: CustomerWave) -> dict[str, Any]:
    """What a wave would do that is not kept, as it is shown."""
    return preview_to_json(await preview_draft(ctx, wave))


async def tell_wave(ctx: Context, wave: Wave) -> dict[str, Any]:
    """The same of a wave that is kept."""
    return preview_to_json(await preview_wave(ctx, wave))


async def count_reached(ctx: Context, wave: Wave) -> tuple[int, Mapping[str, int]]:
    """How many customers a wave would reach now, and how many through each sender."""
    tally = await _count(ctx, wave)
    return tally.recipients, tally.by_sender


# -- what a wave is, and what its sendings say


def wave_to_json(wave: Wave) -> dict[str, Any]:
    """A wave as it is shown."""
    return wave.model_dump(exclude={"campaign_id"})


async def tell_words(ctx: Context, wave: Wave, written: Mapping[str, Any] | None, userid: str) -> str:
    """What a wave says, or one of its sendings for which that was `written`, as `userid` sends it; by variant."""
    words = await _words(ctx, _texts(wave, written), userid, await _name(ctx, wave))
    return "\n".join(f"{name}：{text}" if name else text for name, text in words.items())


def parse_words(wave: Wave, source: Mapping[str, Any]) -> MessageContent | RunWords:
    """What a sending is to say. Raises InvalidRuleError."""
    if wave.variants:
        return variants.parse_words([str(each["name"]) for each in wave.variants], source)
    return parse(MessageContent, source)


async def words_problems(ctx: Context, content: MessageContent | RunWords) -> list[Problem]:
    """What is wrong with what a sending is to say."""
    if not isinstance(content, RunWords):
        return await content_problems(ctx, content)
    return [
        Problem(f"variants[{number}].{fault.path}", fault.message)
        for number, each in enumerate(content.variants)
        for fault in await content_problems(ctx, each.content)
    ]
