"""`/customers/…/notes` and `/customers/…/next-contacts`: what staff note about a customer, and when they mean to be in
touch next; `/staff/…/due-contacts`: with whom today."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from aiohttp import web
from pydantic import Field
from sqlmodel import Session

from bot.api.answers import ApiError, answer, answer_text, page, path_customer, path_id, read_object, read_query
from bot.api.described import described
from bot.api.repeats import do_once
from bot.api.service import CALLER, Api
from bot.api.shapes import Items, Nothing, Page
from bot.notes import list_due, plan_contact
from data.models import NextContact
from data.queries import notes as rows
from data.queries.repeated_requests import Answered
from data.rules.problems import RuleModel, parse
from data.rules.texts import Line

Userid = Annotated[Line, Field(min_length=1, max_length=64)]


class NotesQuery(RuleModel):
    """A page, newest first."""

    limit: int = Field(default=50, ge=1, le=200)
    before_id: int | None = Field(default=None, ge=1, le=2**62)


class NoteDraft(RuleModel):
    """What is noted, about a contact of the member `userid`."""

    userid: Userid
    words: str = Field(max_length=4000)


class NoteTold(RuleModel):
    """A note about the customer as a contact of `userid`. `author`: who wrote it, where that was not the member."""

    id: int
    userid: str
    external_userid: str
    words: str
    author: str
    written_at: datetime


class ContactDraft(RuleModel):
    """On which day the member `userid` means to be in touch; null: not any more."""

    userid: Userid
    on: date | None


class ContactTold(RuleModel):
    """On which day a member means to be in touch with the customer. `contacted_at`: when they had been, the last
    time."""

    userid: str
    external_userid: str
    on: date | None
    changed_at: datetime
    contacted_at: datetime | None


class DueTold(RuleModel):
    """A customer with whom a member means to be in touch. `userid`: whose intention it is, of whom the member stands in
    for; `remark`: what the member calls the customer."""

    userid: str
    external_userid: str
    name: str
    remark: str
    on: date


@described(Page[NoteTold], query=NotesQuery)
async def list_notes(api: Api, request: web.Request) -> web.Response:
    query = read_query(NotesQuery, request)
    found = await api.db.read(rows.list_notes, path_customer(request), query.limit, query.before_id)
    return answer(Page[NoteTold].model_validate(page([each.model_dump() for each in found], query.limit)))


@described(NoteTold, status=201, body=NoteDraft, keyed=True)
async def add_note(api: Api, request: web.Request) -> web.Response:
    draft, whose = parse(NoteDraft, await read_object(request)), path_customer(request)

    def save(session: Session, now: datetime) -> Answered:
        note = rows.add_note(session, draft.userid, whose, draft.words, now, author=request[CALLER])
        return Answered(201, answer_text(NoteTold.model_validate(note.model_dump())))

    return await do_once(api, request, save)


@described(Nothing)
async def remove_note(api: Api, request: web.Request) -> web.Response:
    await api.db.write(rows.remove_note, path_customer(request), path_id(request))
    return answer({})


@described(Items[ContactTold])
async def list_next_contacts(api: Api, request: web.Request) -> web.Response:
    found = await api.db.read(rows.list_next_contacts, path_customer(request))
    return answer(Items[ContactTold](items=[_told(each) for each in found]))


@described(ContactTold, body=ContactDraft)
async def set_next_contact(api: Api, request: web.Request) -> web.Response:
    draft = parse(ContactDraft, await read_object(request))
    row = await api.db.write(
        plan_contact, draft.userid, path_customer(request), draft.on, api.settings, api.clock.now()
    )
    return answer(_told(row))


@described(Items[DueTold])
async def list_due_contacts(api: Api, request: web.Request) -> web.Response:
    userid = request.match_info["userid"]
    if len(userid) > 64 or "\0" in userid:
        raise ApiError(404, "not_found", "There is no such member.")
    found = await api.db.read(list_due, userid, api.settings, api.clock.now())
    return answer(Items[DueTold](items=[DueTold.model_validate(each._asdict()) for each in found]))


def _told(row: NextContact) -> ContactTold:
    return ContactTold.model_validate({**row.model_dump(exclude={"due_on"}), "on": row.due_on})
