"""`/events`: what WeCom sent, what came of it and why, and having it handled again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from aiohttp import web
from pydantic import Field

from bot.api.answers import ApiError, answer, page, path_id, read_object, read_query
from bot.api.described import described
from bot.api.service import Api
from bot.api.shapes import Page
from bot.replays import replay
from data.errors import NotFoundError
from data.models import OutcomeStatus, TaskStatus
from data.queries import events as event_rows
from data.rules.problems import InvalidRuleError, Problem, RuleModel, parse
from data.rules.schedule import Instant


class EventsQuery(RuleModel):
    """Filters; all that are given must hold. `kind` takes its change types along; `until` is excluded."""

    status: Literal["waiting", "claimed", "done", "dead", "ignored", "unhandled"] | None = None
    kind: str | None = None
    external_userid: str | None = None
    since: Instant | None = None
    until: Instant | None = None
    limit: int = Field(default=50, ge=1, le=200)
    before_id: int | None = Field(default=None, ge=1, le=2**62)


class TaskTold(RuleModel):
    """Work that an event asked for."""

    id: int
    event_id: int
    lane: int
    subject: str
    collapse_key: str
    status: TaskStatus
    run: int
    again: bool
    attempts: int
    due_at: datetime
    claim: str
    lease_until: datetime | None
    finished_at: datetime | None
    note: str


class OutcomeTold(RuleModel):
    """What a handler made of an event; `detail` says which rule matched and why."""

    event_id: int
    handler: str
    run: int
    status: OutcomeStatus
    reason: str
    detail: dict[str, Any]
    at: datetime


class EventTold(RuleModel):
    """An event with its tasks and outcomes, without what WeCom sent."""

    id: int
    callback: str
    kind: str
    subject: str
    disposition: Literal["queued", "ignored", "unhandled"]
    reason: str
    repeats: int
    received_at: datetime
    last_received_at: datetime
    tasks: list[TaskTold]
    outcomes: list[OutcomeTold]


class EventBody(RuleModel):
    """What WeCom sent, as it was decrypted."""

    id: int
    body: str


class ReplayDone(RuleModel):
    """Tasks that run again, and events that had no handler when they came and have one now."""

    tasks: int
    adopted: int


class Replay(RuleModel):
    """One event, or the dead ones, or a period (or the dead ones of a period)."""

    event_id: int | None = Field(default=None, ge=1, le=2**62)
    dead: bool = False
    since: Instant | None = None
    until: Instant | None = None


@described(Page[EventTold], query=EventsQuery)
async def list_events(api: Api, request: web.Request) -> web.Response:
    query = read_query(EventsQuery, request)
    filters = query.model_dump(exclude={"external_userid"})
    subject = None if query.external_userid is None else f"customer:{query.external_userid}"
    found = await api.inbox.read(event_rows.list_events, subject=subject, **filters)
    return answer(page([_told(event) for event in found], query.limit))


@described(EventTold)
async def get_event(api: Api, request: web.Request) -> web.Response:
    return answer(_told(await _event(api, request)))


@described(EventBody)
async def get_body(api: Api, request: web.Request) -> web.Response:
    event = await _event(api, request)
    return answer({"id": event["id"], "body": event["body"]})


@described(ReplayDone, status=202, body=Replay)
async def replay_events(api: Api, request: web.Request) -> web.Response:
    asked = parse(Replay, await read_object(request))
    others = asked.dead or asked.since is not None or asked.until is not None
    if (asked.event_id is not None) == others:
        raise ApiError(422, "invalid", "Give event_id alone, or dead, since or until.")
    if asked.since and asked.until and asked.since >= asked.until:
        raise InvalidRuleError([Problem("until", "应晚于 since")])
    done = await replay(
        api.inbox,
        api.plan,
        api.clock.now(),
        event_id=asked.event_id,
        dead_only=asked.dead,
        since=asked.since,
        until=asked.until,
    )
    return answer({"tasks": done.tasks, "adopted": done.adopted}, 202)


async def _event(api: Api, request: web.Request) -> Mapping[str, Any]:
    found = await api.inbox.read(event_rows.list_events, event_id=path_id(request))
    if not found:
        raise NotFoundError(f"There is no event {path_id(request)}.")
    return found[0]


def _told(event: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name not in ("body", "digest")}
