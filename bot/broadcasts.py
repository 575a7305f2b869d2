"""What broadcasts (群发) to customers and to groups say: checked, and put into the words of whoever sends them."""

from __future__ import annotations

from bot.context import Context
from bot.links import addresses, link_problems
from bot.phrases import Phrase
from bot.render import LINK_PREFIX
from bot.rule_edits import media_problems
from data.queries import staff as staff_rows
from data.rules.campaigns import problems
from data.rules.messages import MessageContent, links_of
from data.rules.problems import Problem
from data.rules.schedule import day_words, local_datetime


async def content_problems(ctx: Context, content: MessageContent, kind: str = "broadcast") -> list[Problem]:
    """What is wrong with what a broadcast says, or with a text of another kind that has links too."""
    found = problems(content)
    if content.text:
        faults = ctx.renderer.check(kind, content.text)
        found += [
            Problem("content.text", Phrase("第 %(line)s 行：%(words)s", line=fault.line, words=fault.message))
            for fault in faults
        ]
    found += await link_problems(ctx, kind, content.text, links_of(content))
    return found + await ctx.db.read(media_problems, content)


async def words_of(ctx: Context, text: str, userid: str, campaign_name: str, batch_id: int | None = None) -> str:
    """A broadcast's text as one staff member is asked to send it today, in one batch. Raises UnusableLinkError."""
    if not text:
        return ""
    links = await addresses(ctx, ctx.renderer.links_of("broadcast", text), batch_id)
    card = await ctx.db.read(staff_rows.get_card, userid)
    values: dict[str, str | None] = {
        "staff_name": card.name,
        "staff_alias": card.alias,
        "staff_position": card.position,
        "department_name": card.department_name,
        "company_name": ctx.settings.company.name,
        "campaign_name": campaign_name or None,
        "date": day_words(local_datetime(ctx.clock.now(), ctx.settings.zone).date()),
        **{f"{LINK_PREFIX}{name}": address.url for name, address in links.items()},
    }
    return ctx.renderer.render_source("broadcast", text, values)
