"""Journeys (旅程): checked with all that they name, and when their steps would be due. See `data/rules/journeys.py`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from sqlmodel import Session

from bot.broadcasts import content_problems
from bot.campaign_plans import calendar_of
from bot.config import JourneysSettings
from bot.context import Context
from bot.phrases import Phrase
from bot.rule_edits import unwritable
from data.queries import fields as field_rows
from data.queries import forms as form_rows
from data.queries import links as link_rows
from data.queries import segment_names as segment_rows
from data.queries import senders as sender_rows
from data.queries import tags as tag_rows
from data.rules import journey_overlaps, journeys
from data.rules.fields import FieldKind, read_values
from data.rules.journey_times import due_at
from data.rules.journey_triggers import Clicked, FieldDay, FilledIn, Tagged
from data.rules.journeys import CallWebhook, GiveTask, Journey, PutTags, SendBroadcast, SetField, Step
from data.rules.problems import InvalidRuleError, Problem
from data.rules.segments import DEFINITION, unknown_names
from data.rules.senders import choice_problems
from data.rules.timings import Calendar
from data.rules.webhooks import leads_inside


async def check_journey(ctx: Context, journey: Journey, *, runs: bool = False) -> None:
    """Raise InvalidRuleError with the path of each thing that is wrong with a journey, or that it names in vain.

    One that `runs` already, and only rested, goes on although it leaves out some of its days.
    """
    found = [*unwritable(journey.name, "name"), *journeys.problems(journey, calendar_of(ctx.settings))]
    if not runs:
        found += journey_overlaps.problems(journey, calendar_of(ctx.settings))
    found += choice_problems(journey, *await ctx.db.read(sender_rows.list_named, journey))
    for number, step in enumerate(journey.steps):
        if isinstance(step.action, SendBroadcast | GiveTask):
            kind = "broadcast" if isinstance(step.action, SendBroadcast) else "personal"
            faults = await content_problems(ctx, step.action.content, kind)
            found += [Problem(f"steps[{number}].action.{fault.path}", fault.message) for fault in faults]
    found += webhook_problems(ctx.settings.journeys, journey)
    found += await ctx.db.read(_unknown, journey)
    if found:
        raise InvalidRuleError(found)


def webhook_problems(settings: JourneysSettings, journey: Journey) -> Iterator[Problem]:
    """What keeps other programs from being told."""
    for number, step in enumerate(journey.steps):
        if not isinstance(step.action, CallWebhook):
            continue
        if not settings.webhook_secret.get_secret_value():
            yield Problem(f"steps[{number}].action", Phrase("要通知其他程序，请先在配置里设置 journeys.webhook_secret"))
        elif leads_inside(step.action.url) and not settings.webhook_private:
            yield Problem(
                f"steps[{number}].action.url", Phrase("这是内网地址：配置 journeys.webhook_private 后才能使用")
            )


def _unknown(session: Session, journey: Journey) -> list[Problem]:
    """What a journey names that is not there."""
    trees = list(journey.list_trees())
    known = segment_rows.read_known(session, *(tree for _, tree in trees))
    found = [
        Problem(path + fault.path.removeprefix(DEFINITION), fault.message)
        for path, tree in trees
        for fault in unknown_names(tree, known)
    ]
    tags = set(tag_rows.list_live_ids(session))
    kinds = {each.name: each.kind for each in field_rows.list_definitions(session)}
    for path, tag_id in _list_tags(journey):
        if tag_id not in tags:
            found.append(
                Problem(path, Phrase("企业标签里没有 %(tag_id)s（已被删除，或还没有从企业微信读到）", tag_id=tag_id))
            )
    for path, field, kind in _list_fields(journey):
        if field not in kinds:
            found.append(Problem(path, Phrase("没有自定义字段 %(field)s", field=field)))
        elif kind and kinds[field] != kind:
            found.append(Problem(path, Phrase("自定义字段 %(field)s 不是日期", field=field)))
    for number, step in enumerate(journey.steps):
        if isinstance(step.action, SetField) and step.action.field in kinds:
            found += _value_problems(f"steps[{number}].action.value", step.action, kinds[step.action.field])
    links = [(path, each.link) for path, each in _list_happenings(journey) if isinstance(each, Clicked)]
    there = link_rows.map_places(session, [name for _, name in links]) if links else {}
    found += [
        Problem(f"{path}.link", Phrase("没有跟踪链接 %(name)s", name=name)) for path, name in links if name not in there
    ]
    asked = [(path, each.form) for path, each in _list_happenings(journey) if isinstance(each, FilledIn)]
    found += [
        Problem(f"{path}.form", Phrase("没有表单 %(name)s，请先用 siyu forms make 添加", name=name))
        for path, name in asked
        if form_rows.find_form(session, name) is None
    ]
    return found


def _value_problems(path: str, action: SetField, kind: str) -> list[Problem]:
    """Why a field cannot have a value."""
    try:
        read_values({action.field: action.value}, {action.field: FieldKind(kind)})
    except InvalidRuleError as error:
        return [Problem(path, each.message) for each in error.problems]
    return []


def _list_happenings(journey: Journey) -> Iterator[tuple[str, Any]]:
    yield "trigger", journey.trigger
    if journey.goal is not None:
        yield "goal", journey.goal
    for number, stop in enumerate(journey.stops):
        yield f"stops[{number}]", stop


def _list_tags(journey: Journey) -> Iterator[tuple[str, str]]:
    for path, each in _list_happenings(journey):
        if isinstance(each, Tagged):
            yield f"{path}.tag_id", each.tag_id
    for number, step in enumerate(journey.steps):
        if isinstance(step.action, PutTags):
            for name in ("put_on", "take_off"):
                for tag_id in sorted(getattr(step.action, name)):
                    yield f"steps[{number}].action.{name}", tag_id


def _list_fields(journey: Journey) -> Iterator[tuple[str, str, str]]:
    """Each field with its path and the kind that it has to be of, if that matters."""
    if isinstance(journey.trigger, FieldDay):
        yield "trigger.field", journey.trigger.field, "date"
    for number, step in enumerate(journey.steps):
        if isinstance(step.action, SetField):
            yield f"steps[{number}].action.field", step.action.field, ""


class Due(NamedTuple):
    """A step, and when it would be due."""

    step: Step
    at: datetime


def timetable(journey: Journey, started_at: datetime, calendar: Calendar) -> list[Due]:
    """When the steps would be due for a customer who goes through all of them, each done as soon as it is due."""
    found: list[Due] = []
    before = started_at
    for step in journey.steps:
        before = due_at(step.when, started_at, before, calendar, disturbs=step.disturbs)
        found.append(Due(step, before))
    return found
