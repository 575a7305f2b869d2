"""`/segments`: questions about the customers: kept, counted, looked into and explained."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from aiohttp import web
from pydantic import Field, model_validator
from sqlmodel import Session

from bot.api.answers import answer, page, path_id, read_object, read_query
from bot.api.described import described
from bot.api.service import Api
from bot.rule_edits import change_segment, save_segment, usable_tree
from data.models import FollowStatus
from data.queries import segment_names as saved_rows
from data.queries import segments as rows
from data.rules.conditions import UserID
from data.rules.problems import RuleModel, parse
from data.rules.segments import Segment, Tree


class SegmentGiven(RuleModel):
    """A segment to be kept."""

    name: str
    definition: dict[str, Any]


class SegmentsTold(RuleModel):
    """All saved segments."""

    items: list[Segment]


class Count(RuleModel):
    """Follows (pairs of a staff member and a customer), or different customers."""

    follows: int | None = None
    customers: int | None = None


class CountQuery(RuleModel):
    """What is counted: follows, or the different customers among them."""

    customers: bool = False


class Tried(CountQuery):
    """A segment that is not kept."""

    definition: Tree


class Asked(RuleModel):
    """A pair, and the segment about which is asked: one that is kept (`segment_id`), or not (`definition`)."""

    userid: UserID
    external_userid: UserID
    segment_id: int | None = Field(default=None, ge=1, lt=2**62)
    definition: Tree | None = None

    @model_validator(mode="after")
    def _about_one(self) -> Self:
        if (self.segment_id is None) == (self.definition is None):
            raise ValueError("segment_id 和 definition 要填一个")
        return self


class NodeTold(RuleModel):
    """A node of the tree, by its path; null: what it names is gone, so that it cannot be known."""

    path: str
    holds: bool | None


class ExplanationTold(RuleModel):
    """Whether the pair is of the segment, and which nodes hold. `must_be_present`: the tree says no status."""

    matches: bool
    status: FollowStatus
    must_be_present: bool
    nodes: list[NodeTold]


class PageQuery(RuleModel):
    """Which part of a segment."""

    limit: int = Field(default=50, ge=1, le=200)
    before_id: int | None = Field(default=None, ge=1, lt=2**62)


class RecipientTold(RuleModel):
    """One follow of a segment."""

    id: int
    userid: str
    staff_name: str | None
    external_userid: str
    name: str | None
    remark: str
    status: FollowStatus
    state: str
    added_at: datetime | None


class RecipientsPage(RuleModel):
    """Follows, newest first."""

    items: list[RecipientTold]
    next_before_id: int | None


@described(SegmentsTold)
async def list_segments(api: Api, _request: web.Request) -> web.Response:
    return answer(SegmentsTold(items=await api.db.read(saved_rows.list_segments)))


@described(Segment)
async def get_segment(api: Api, request: web.Request) -> web.Response:
    return answer(await api.db.read(saved_rows.get_segment, path_id(request)))


@described(Segment, status=201, body=SegmentGiven)
async def create_segment(api: Api, request: web.Request) -> web.Response:
    segment = parse(Segment, {**await read_object(request), "id": 0})
    saved = await api.db.write(save_segment, segment, api.clock.now())
    return answer(saved, 201, Location=f"/api/v1/segments/{saved.id}")


@described(Segment, body=SegmentGiven)
async def replace_segment(api: Api, request: web.Request) -> web.Response:
    segment = parse(Segment, {**await read_object(request), "id": path_id(request)})
    return answer(await api.db.write(save_segment, segment, api.clock.now()))


@described(Segment, body=dict[str, Any])
async def change_segment_fields(api: Api, request: web.Request) -> web.Response:
    changes = await read_object(request)
    return answer(await api.db.write(change_segment, path_id(request), changes, api.clock.now()))


@described(dict[str, Any])
async def delete_segment(api: Api, request: web.Request) -> web.Response:
    await api.db.write(saved_rows.delete_segment, path_id(request))
    return answer({})


@described(Count, body=Tried)
async def try_count(api: Api, request: web.Request) -> web.Response:
    tried = parse(Tried, await read_object(request))
    tree = await api.db.read(usable_tree, tried.definition)
    return await _count(api, tree, customers=tried.customers)


@described(Count, query=CountQuery)
async def count_segment(api: Api, request: web.Request) -> web.Response:
    query = read_query(CountQuery, request)
    segment = await api.db.read(saved_rows.get_segment, path_id(request))
    return await _count(api, segment.definition, customers=query.customers)


async def _count(api: Api, tree: Tree, *, customers: bool) -> web.Response:
    found = await api.db.read(rows.count, tree, api.clock.now(), api.settings.zone, customers=customers)
    return answer({"customers" if customers else "follows": found})


@described(RecipientsPage, query=PageQuery)
async def list_customers(api: Api, request: web.Request) -> web.Response:
    query = read_query(PageQuery, request)
    segment = await api.db.read(saved_rows.get_segment, path_id(request))
    found = await api.db.read(
        rows.list_page, segment.definition, api.clock.now(), api.settings.zone,
        limit=query.limit, before_id=query.before_id,
    )  # fmt: skip
    return answer(page(found, query.limit))


@described(ExplanationTold, body=Asked)
async def explain(api: Api, request: web.Request) -> web.Response:
    asked = parse(Asked, await read_object(request))

    def unit(session: Session) -> rows.Explanation:
        if asked.definition is not None:
            tree = usable_tree(session, asked.definition)
        else:
            tree = saved_rows.get_segment(session, asked.segment_id or 0).definition
        follow_id = rows.find_follow_id(session, asked.userid, asked.external_userid)
        return rows.explain(session, tree, api.clock.now(), api.settings.zone, follow_id)

    return answer((await api.db.read(unit)).to_json())
