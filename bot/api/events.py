"""`/events`: what WeCom sent, what came of it and why, and having it handled again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from aiohttp import web
from pydantic import Field

from bot.api.answers import ApiError, answer, page, path_id, read_object, read_query
from bot.api.service import Api
from bot.replays import replay
from data.errors import NotFoundError
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


class Replay(RuleModel):
    """One event, or the dead ones, or a period (or the dead ones of a period)."""

    event_id: int | None = Field(default=None, ge=1, le=2**62)
    dead: bool = False
    since: Instant | None = None
    until: Instant | None = None


async def list_events(api: Api, request: web.Request) -> web.Response:
    query = read_query(EventsQuery, request)
    filters = query.model_dump(exclude={"external_userid"})
    subject = None if query.external_userid is None else f"customer:{query.external_userid}"
    found = await api.inbox.read(event_rows.list_events, subject=subject, **filters)
    return answer(page([_told(event) for event in found], query.limit))


async def get_event(api: Api, request: web.Request) -> web.Response:
    return answer(_told(await _event(api, request)))


async def get_body(api: Api, request: web.Request) -> web.Response:
    event = await _event(api, request)
    return answer({"id": event["id"], "body": event["body"]})


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
