"""What steps of journeys bring: words for staff, broadcasts, tags, fields and calls, ready to be written down."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from bot.context import Context
from bot.journey_steps import Judged
from bot.links import addresses
from bot.render import LINK_PREFIX, TemplateError
from data.models import StepOutcome
from data.queries.journey_dues import Contact
from data.queries.journey_names import Names, read_names
from data.queries.journey_passes import Mark, Pass, Task
from data.rules.journeys import CallWebhook, GiveTask, PutTags, SendBroadcast, SetField, WriteInService
from data.rules.messages import TrackedAddress, links_of
from data.rules.schedule import day_words, local_datetime

#: Customers for whom words are made in one go: some milliseconds.
WORDED = 25


async def passes_of(ctx: Context, judged: Sequence[Judged]) -> list[Pass]:
    """What became of steps, with all that they bring. Raises UnusableLinkError."""
    writing = [each for each in judged if each.decision.acts and each.step and isinstance(each.step.action, GiveTask)]
    names = await ctx.db.read(read_names, *_named(writing)) if writing else Names({}, {}, {})
    links = await _links_of(ctx, writing)
    found: list[Pass] = []
    for each in judged:
        found.append(_pass(ctx, each, names, links))
        if len(found) % WORDED == 0:
            await asyncio.sleep(0)  # callbacks are waiting to be acknowledged
    return found


def _named(writing: Iterable[Judged]) -> tuple[set[str], set[str], set[str]]:
    contacts = [each.contact for each in writing if each.contact is not None]
    customers = {each.external_userid for each in contacts}
    return customers, {each.userid for each in contacts}, {each.state for each in contacts if each.state}


async def _links_of(ctx: Context, writing: Iterable[Judged]) -> Mapping[str, TrackedAddress]:
    """The addresses of all links that the words name."""
    actions = [each.step.action for each in writing if each.step and isinstance(each.step.action, GiveTask)]
    return await links_in(ctx, actions)


async def links_in(ctx: Context, actions: Sequence[GiveTask]) -> Mapping[str, TrackedAddress]:
    """The addresses of all links that the words of some tasks name. Raises UnusableLinkError."""
    contents = [each.content for each in actions]
    texts = {content.text for content in contents}
    named = {name for text in texts for name in ctx.renderer.links_of("personal", text)}
    named |= {name for content in contents for name in links_of(content)}
    return await addresses(ctx, sorted(named))


def _pass(ctx: Context, judged: Judged, names: Names, links: Mapping[str, TrackedAddress]) -> Pass:
    due, decision, step = judged.due, judged.decision, judged.step
    acts, contact = decision.acts, judged.contact
    at = decision.standing.before_at if acts else due.standing.due_at
    found = Pass(due, decision, step.key if step is not None else "", at)
    if not acts or step is None or contact is None:
        return found
    found.userid = contact.userid
    match step.action:
        case GiveTask():
            try:
                found.task = _task(ctx, step.action, contact, names, links, found)
            except TemplateError as error:
                found.decision = decision._replace(outcome=StepOutcome.FAILED, reason=str(error)[:200])
        case SendBroadcast():
            found.broadcast = True
        case WriteInService(open_kfid=open_kfid, text=text):
            found.said = (open_kfid, text)
        case PutTags():
            found.mark = Mark(contact.follow_id, step.action)
        case SetField():
            found.field = {step.action.field: step.action.value}
        case CallWebhook():
            found.call = (step.action.url, _body(judged, contact, found))
        case _:
            pass
    return found


def _task(
    ctx: Context,
    action: GiveTask,
    contact: Contact,
    names: Names,
    links: Mapping[str, TrackedAddress],
    found: Pass,
) -> Task:
    told = words_of(ctx, action, contact, names, links)
    return Task(told, action.hint, action.worth, found.at + timedelta(hours=action.valid_hours))


def words_of(
    ctx: Context, action: GiveTask, contact: Contact, names: Names, links: Mapping[str, TrackedAddress]
) -> dict[str, Any]:
    """What a staff member is to say to a customer, as a task keeps it. Raises TemplateError."""
    content = action.content
    if content.text:
        named = ctx.renderer.links_of("personal", content.text)
        values = _values(ctx, contact, names) | {f"{LINK_PREFIX}{name}": links[name].url for name in named}
        content = content.with_text(ctx.renderer.render_source("personal", content.text, values))
    return content.with_links(links).model_dump(mode="json", exclude_defaults=True)


def _values(ctx: Context, contact: Contact, names: Names) -> dict[str, str | None]:
    card = names.staff[contact.userid]
    added = contact.added_at
    return {
        "customer_name": names.customers.get(contact.external_userid),
        "staff_name": card.name,
        "staff_alias": card.alias,
        "staff_position": card.position,
        "department_name": card.department_name,
        "company_name": ctx.settings.company.name,
        "channel_name": names.channels.get(contact.state),
        "added_date": None if added is None else day_words(local_datetime(added, ctx.settings.zone).date()),
    }


def _body(judged: Judged, contact: Contact, found: Pass) -> Mapping[str, Any]:
    """What another program is told."""
    return {
        "journey_id": judged.due.journey_id,
        "enrolment_id": judged.due.enrolment_id,
        "step": found.key,
        "external_userid": judged.due.external_userid,
        "userid": contact.userid,
        "at": found.at.isoformat(),
    }
