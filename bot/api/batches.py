"""`/campaigns/{id}/batches` and `/batches`: the ledger of calls, what became of recipients, what a person decides."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from aiohttp import web
from pydantic import Field
from sqlmodel import Session

from bot import batches, campaigns
from bot.api.answers import answer, page, path_id, read_object, read_query
from bot.api.described import described
from bot.api.moments import SeenTold
from bot.api.service import Api
from bot.api.shapes import Items, Page
from data.models import Batch, BatchStatus, RecipientState, RunStatus
from data.queries import batch_lookups as lookup_rows
from data.queries import batches as rows
from data.queries import boards as board_rows
from data.queries import campaigns as campaign_rows
from data.queries import recipients as recipient_rows
from data.rules.problems import InvalidRuleError, Problem, RuleModel, parse
from data.rules.tags import Id


class ClicksTold(RuleModel):
    """How many customers have followed a tracked link, and how often together."""

    customers: int
    clicks: int


class ResultTold(RuleModel):
    """What became of a run of a wave, which has this `place` among the campaign's (`waves[0]`). `waiting` may still be
    sent; of the others `sent` have it, and `left_out` were never asked.

    `refused`: WeCom made no task; `not_friend`, `over_cap`: WeCom could not deliver; `stopped`: not confirmed in time,
    or cancelled. Of a post in Moments these are the members who publish it, `on_leave` names those who were not asked
    to, and `moments` says who can see it. `clicked`: who has followed a tracked link in it.
    """

    run_id: int
    wave_id: int
    place: int
    status: RunStatus
    recipients: int
    left_out: dict[str, int]
    on_leave: list[str]
    waiting: int
    sent: int
    not_friend: int
    over_cap: int
    refused: int
    stopped: int
    batches: dict[str, int]
    batches_confirmed: int
    moments: SeenTold | None
    clicked: ClicksTold


class BatchTold(RuleModel):
    """A call: one task for one sender, with one `variant` if there are several. `candidates`: group-sends in WeCom that
    may be it, of one that rests.

    `members`: who WeCom gave the task to, where that is not the sender alone. Of the kind `moments`: a post; nobody is
    the sender, `recipients` are to publish it, `msgid` is its moment_id, `ignored` what WeCom left out of its range.
    """

    id: int
    run_id: int
    kind: str
    userid: str
    variant: str
    recipients: int
    status: BatchStatus
    msgid: str | None
    jobid: str | None
    ignored: dict[str, list[str | int]] | None
    called_at: datetime | None
    confirmed_at: datetime | None
    withdrawn_at: datetime | None
    final_at: datetime | None
    next_at: datetime | None
    needs_person: bool
    candidates: list[str]
    members: list[str]
    cause: int | None
    error: str
    sent: int
    not_friend: int
    over_cap: int
    refused: int
    stopped: int


class BoardRowTold(RuleModel):
    """What a staff member has of a campaign: group-send tasks, and posts in Moments.

    `not_sent` customers will not get it any more; of the `posts`, `posts_waiting` may still be published.
    """

    userid: str
    name: str
    department_id: int
    department: str
    tasks: int
    confirmed: int
    recipients: int
    sent: int
    not_sent: int
    groups: int
    groups_sent: int
    posts: int
    published: int
    posts_waiting: int


class BoardTold(RuleModel):
    """Every sender and publisher of a campaign, by department; for whom something waits comes first."""

    items: list[BoardRowTold]


class RemindTold(RuleModel):
    """Of how many tasks staff will be reminded."""

    tasks: int


class BatchesQuery(RuleModel):
    """Which batches to list."""

    limit: int = Field(default=50, ge=1, le=200)
    before_id: int | None = Field(default=None, ge=1, le=2**62)
    status: BatchStatus | None = None


class RecipientsQuery(RuleModel):
    """Which recipients of a run to list, by the number of their follow; those of one customer say what became of it."""

    limit: int = Field(default=100, ge=1, le=1000)
    after: int = Field(default=0, ge=0, le=2**62)
    state: str | None = None
    external_userid: Id | None = None


class RecipientTold(RuleModel):
    """A recipient and what became of it; from `opted_out` on it says why nothing is sent. `variant`: which of several
    contents."""

    follow_id: int
    userid: str
    external_userid: str
    state: str
    batch_no: int | None
    variant: str


class RecipientsPage(RuleModel):
    """Recipients by the number of their follow; the next page is asked with `after`."""

    items: list[RecipientTold]
    next_after: int | None


class Found(RuleModel):
    """The group-send, or the post (its moment_id), that a batch is, as a person has found it in WeCom."""

    msgid: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$")]


@described(Items[ResultTold])
async def read_results(api: Api, request: web.Request) -> web.Response:
    return answer({"items": await api.db.read(campaigns.read_results, path_id(request))})


@described(Page[BatchTold], query=BatchesQuery)
async def list_batches(api: Api, request: web.Request) -> web.Response:
    query = read_query(BatchesQuery, request)

    def unit(session: Session) -> list[Batch]:
        campaign = campaign_rows.get_campaign(session, path_id(request))
        return rows.list_batches(session, campaign.id or 0, query.limit, query.before_id, query.status)

    return answer(page([_told(each) for each in await api.db.read(unit)], query.limit))


@described(RecipientsPage, query=RecipientsQuery)
async def list_recipients(api: Api, request: web.Request) -> web.Response:
    query = read_query(RecipientsQuery, request)
    state = read_state(query.state)

    def unit(session: Session) -> list[dict[str, Any]]:
        run = campaign_rows.get_run(session, path_id(request))
        return recipient_rows.list_recipients(
            session, run.id or 0, query.limit, query.after, state, query.external_userid
        )

    found = await api.db.read(unit)
    following = found[-1]["follow_id"] if len(found) == query.limit else None
    return answer({"items": found, "next_after": following})


def read_state(name: str | None) -> RecipientState | None:
    """The state of recipients that is asked for. Raises InvalidRuleError for one that there is not."""
    if name is None:
        return None
    names = {each.name.lower(): each for each in RecipientState}
    if name not in names:
        raise InvalidRuleError([Problem("state", f"只能是 {'、'.join(names)}")])
    return names[name]


@described(BatchTold, body=Found)
async def adopt_batch(api: Api, request: web.Request) -> web.Response:
    found = parse(Found, await read_object(request))
    return answer(_told(await batches.adopt(api.context, path_id(request), found.msgid)))


@described(BatchTold)
async def ask_again(api: Api, request: web.Request) -> web.Response:
    batch = await api.db.write(lookup_rows.ask_again, path_id(request), api.clock.now(), absent=None)
    return answer(_told(batch))


def _told(batch: Batch) -> dict[str, Any]:
    told = batch.model_dump(include=set(BatchTold.model_fields) - {"candidates", "members", "needs_person"})
    rests = batch.status == BatchStatus.UNKNOWN and batch.next_at is None
    return {
        **told, "needs_person": rests, "candidates": batch.candidates or [], "members": batch.members or [],
    }  # fmt: skip


@described(BoardTold)
async def read_board(api: Api, request: web.Request) -> web.Response:
    campaign_id = path_id(request)
    await api.db.read(campaign_rows.get_campaign, campaign_id)
    rows = await api.db.read(board_rows.read_board, campaign_id)
    return answer({"items": [row._asdict() for row in rows]})


@described(RemindTold)
async def remind(api: Api, request: web.Request) -> web.Response:
    campaign_id = path_id(request)
    await api.db.read(campaign_rows.get_campaign, campaign_id)
    return answer({"tasks": await api.db.write(board_rows.ask_to_remind, campaign_id)})
