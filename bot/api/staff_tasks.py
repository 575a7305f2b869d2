"""`/staff/{userid}/tasks` and `/tasks`: what journeys ask of staff, and what they answer."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from aiohttp import web
from pydantic import Field

from bot import staff_tasks
from bot.api.answers import ApiError, answer, page, path_id, read_object, read_query
from bot.api.described import described
from bot.api.service import Api
from bot.api.shapes import Page
from bot.staff_tasks import Asked
from data.models import StaffTask, StaffTaskStatus
from data.queries import staff_tasks as rows
from data.queries.staff_tasks import Listed
from data.rules.problems import RuleModel, parse
from data.rules.staff_tasks import WHY_MAX_LENGTH, Later, MoveReason, check_why


class TasksQuery(RuleModel):
    """Filters; all that are given must hold."""

    status: StaffTaskStatus | None = None
    userid: str | None = None
    external_userid: str | None = None
    journey_id: int | None = Field(default=None, ge=1, le=2**62)
    limit: int = Field(default=50, ge=1, le=200)
    before_id: int | None = Field(default=None, ge=1, le=2**62)


class MoveTold(RuleModel):
    """A task went to another member's list: the customer was handed over, the member has left or may not reach
    customers any more (`unable`), or the customer is no contact of theirs any more."""

    from_userid: str
    to_userid: str
    at: datetime
    why: MoveReason


class TaskTold(RuleModel):
    """One task of a `step` in a `version` of its journey. `userid`: whose it is; `answered_by`: who did it, or refused
    it.

    `why`: the member's word where it was refused; `never_listed` (no list had room for it) or `not_done` where its time
    was over; why the journey ended where it was withdrawn, or `no_words` where it could not be worded for another
    member. `first_listed_on`: the first day on whose list it stood. `moves`: from whose list to whose it went, and why.
    """

    id: int
    enrolment_id: int
    journey_id: int
    version: int
    step: int
    userid: str
    external_userid: str
    content: dict[str, Any]
    hint: str
    worth: int
    due_at: datetime
    valid_until: datetime
    status: StaffTaskStatus
    first_listed_on: str | None
    later_until: datetime | None
    answered_at: datetime | None
    answered_by: str
    why: str
    moves: list[MoveTold]


class BecauseTold(RuleModel):
    """Why it is asked: the journey, its step, and what began it for the customer."""

    journey: str
    key: str
    cause: str
    started_at: datetime | None


class ListedTold(TaskTold):
    """A task on a list. `remark`: the note of whose list it is."""

    customer: str
    remark: str
    because: BecauseTold


class DayTold(RuleModel):
    """A member's list of today: `tasks` to be done, worth most first; `later` those put off; how many were `done`, and
    how many are `waiting` for another day."""

    userid: str
    tasks: list[ListedTold]
    later: list[ListedTold]
    done: int
    waiting: int


class Done(RuleModel):
    """Who did it: the member whose task it is, or who stands in for them today."""

    userid: str = Field(default="", max_length=64)


class PutOff(Done):
    """Until later today, or until tomorrow."""

    until: Later


class Refusal(Done):
    """Why this one is not to be done."""

    why: str = Field(min_length=1, max_length=WHY_MAX_LENGTH)


@described(DayTold)
async def read_list(api: Api, request: web.Request) -> web.Response:
    userid = request.match_info["userid"]
    if len(userid) > 64 or "\0" in userid:
        raise ApiError(404, "not_found", "There is no such member.")
    found = await api.db.read(staff_tasks.read_list, userid, api.settings, api.clock.now())
    tasks, later = ([_listed(each) for each in listed] for listed in (found.tasks, found.later))
    return answer(DayTold(userid=userid, tasks=tasks, later=later, done=found.done, waiting=found.waiting))


@described(Page[TaskTold], query=TasksQuery)
async def list_tasks(api: Api, request: web.Request) -> web.Response:
    query = read_query(TasksQuery, request)
    found = await api.db.read(rows.list_tasks, **dict(query))
    return answer(page([_told(each).model_dump(mode="json") for each in found], query.limit))


@described(TaskTold, body=Done)
async def do_task(api: Api, request: web.Request) -> web.Response:
    asked = parse(Done, await read_object(request))
    return await _answer(api, staff_tasks.do_task, Asked(path_id(request), asked.userid))


@described(TaskTold, body=PutOff)
async def put_off_task(api: Api, request: web.Request) -> web.Response:
    asked = parse(PutOff, await read_object(request))
    return await _answer(api, staff_tasks.put_off_task, Asked(path_id(request), asked.userid), asked.until)


@described(TaskTold, body=Refusal)
async def refuse_task(api: Api, request: web.Request) -> web.Response:
    asked = parse(Refusal, await read_object(request))
    return await _answer(api, staff_tasks.refuse_task, Asked(path_id(request), asked.userid), check_why(asked.why))


async def _answer(api: Api, act: Any, asked: Asked, *more: object) -> web.Response:
    return answer(_told(await api.db.write(act, asked, *more, api.settings, api.clock.now())))


def _fields(task: StaffTask) -> dict[str, Any]:
    day = task.first_listed_on
    return {**task.model_dump(), "first_listed_on": day.isoformat() if day else None}


def _told(task: StaffTask) -> TaskTold:
    return TaskTold.model_validate(_fields(task))


def _listed(listed: Listed) -> ListedTold:
    named = {"customer": listed.customer, "remark": listed.remark, "because": listed.because._asdict()}
    return ListedTold.model_validate({**_fields(listed.task), **named})
