"""`/runs/{id}/publishers` and `/runs/{id}/reactions`: what became of a Moments post, member by member."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from aiohttp import web
from pydantic import Field
from sqlmodel import Session

from bot.api.answers import answer, page, path_id, read_query
from bot.api.described import described
from bot.api.service import Api
from bot.api.shapes import Page
from data.models import MomentReaction, Publisher, PublisherState, ReactionKind
from data.queries import campaigns as campaign_rows
from data.queries import publishers as rows
from data.rules.moments import MomentContent, Visible
from data.rules.problems import RuleModel
from data.rules.timings import Timing


class MomentWaveTold(RuleModel):
    """A post in Moments, as a part of a campaign."""

    id: int
    kind: Literal["moments"]
    content: MomentContent
    visible: Visible | None
    valid_hours: int
    timing: Timing


class MemberTold(RuleModel):
    """How many of a member's customers could see a post."""

    userid: str
    customers: int


class MomentPreviewTold(RuleModel):
    """What a post would do: of the `matched` members in its range `publishers` are asked to publish it, `left_out` says
    why not the others, and `on_leave` who of them is. `customers` could see it then; that `opted_out` are among them is
    WeCom's way, not ours."""

    kind: Literal["moments"]
    matched: int
    publishers: int
    left_out: dict[str, int]
    customers: int
    opted_out: int
    on_leave: list[str]
    members: list[MemberTold]
    words: str
    warnings: list[str]


class SeenTold(RuleModel):
    """Who can see a post (each member's customers), and what they did."""

    audience: int
    likes: int
    comments: int


class PublishersQuery(RuleModel):
    """Which members to list, by userid."""

    limit: int = Field(default=100, ge=1, le=1000)
    after: str = Field(default="", max_length=64)
    state: PublisherState | None = None


class PublisherTold(RuleModel):
    """A member's part of a post. `seen_at`: when it was first known to be published; `audience` can see it."""

    userid: str
    state: PublisherState
    seen_at: datetime | None
    audience: int
    likes: int
    comments: int
    final_at: datetime | None


class PublishersPage(RuleModel):
    """Members by userid; the next page is asked with `after`."""

    items: list[PublisherTold]
    next_after: str | None


class ReactionsQuery(RuleModel):
    """Which reactions to list."""

    limit: int = Field(default=50, ge=1, le=200)
    before_id: int | None = Field(default=None, ge=1, le=2**62)


class ReactionTold(RuleModel):
    """What a customer did with a member's post. WeCom does not tell the words of a comment."""

    id: int
    userid: str
    external_userid: str
    kind: ReactionKind
    reacted_at: datetime


@described(PublishersPage, query=PublishersQuery)
async def list_publishers(api: Api, request: web.Request) -> web.Response:
    query = read_query(PublishersQuery, request)

    def unit(session: Session) -> list[Publisher]:
        run = campaign_rows.get_run(session, path_id(request))
        return rows.list_publishers(session, run.id or 0, query.limit, query.after, query.state)

    found = await api.db.read(unit)
    told = [each.model_dump(include=set(PublisherTold.model_fields)) for each in found]
    following = found[-1].userid if len(found) == query.limit else None
    return answer({"items": told, "next_after": following})


@described(Page[ReactionTold], query=ReactionsQuery)
async def list_reactions(api: Api, request: web.Request) -> web.Response:
    query = read_query(ReactionsQuery, request)

    def unit(session: Session) -> list[MomentReaction]:
        run = campaign_rows.get_run(session, path_id(request))
        return rows.list_reactions(session, run.id or 0, query.limit, query.before_id)

    told = [each.model_dump(exclude={"run_id"}) for each in await api.db.read(unit)]
    return answer(page(told, query.limit))
