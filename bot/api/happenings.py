"""`POST /events`: another program of the company tells what happened to a customer."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from aiohttp import web
from pydantic import Field
from sqlmodel import Session

from bot.api.answers import answer_text, read_object
from bot.api.described import described
from bot.api.repeats import do_once
from bot.api.service import Api
from data.errors import ConflictError, NotFoundError
from data.queries import happenings as rows
from data.queries.order_matches import find_buyer
from data.queries.repeated_requests import Answered
from data.rules.happenings import EVENT, Happened
from data.rules.journey_triggers import EventName
from data.rules.orders import Clue, Clues, IsoInstant, Waits
from data.rules.problems import InvalidRuleError, Problem, RuleModel, parse
from data.rules.texts import Line, normalised_mobile


class EventGiven(RuleModel):
    """Something that happened to a customer, `at` an instant or now. Who it is, is said as orders say it."""

    name: EventName
    external_userid: Clue = ""
    unionid: Clue = ""
    mobile: Annotated[Line, Field(max_length=32)] = ""
    at: IsoInstant | None = None

    @property
    def clues(self) -> Clues:
        return Clues(self.external_userid, self.unionid, normalised_mobile(self.mobile))


class EventNoted(RuleModel):
    """To whom it happened, and whether a journey listens for it: otherwise nothing is kept."""

    external_userid: str
    heard: bool


@described(EventNoted, body=EventGiven, keyed=True)
async def tell_event(api: Api, request: web.Request) -> web.Response:
    given = parse(EventGiven, await read_object(request))
    if not any(given.clues):
        raise InvalidRuleError([Problem("external_userid", "请填写 external_userid、unionid 或 mobile")])
    if given.at is not None and given.at > api.clock.now():
        raise InvalidRuleError([Problem("at", "时间在将来")])

    def note(session: Session, now: datetime) -> Answered:
        whom = _find_customer(session, given.clues)
        noted = rows.note(session, [Happened(EVENT, whom, given.at or now, {"name": given.name})])
        return Answered(200, answer_text(EventNoted(external_userid=whom, heard=noted > 0)))

    return await do_once(api, request, note)


def _find_customer(session: Session, clues: Clues) -> str:
    """Raises NotFoundError, and ConflictError where it may be several."""
    found = find_buyer(session, clues)
    if found.external_userid is not None:
        return found.external_userid
    if found.waits_because in (Waits.AMBIGUOUS, Waits.CONTRADICTED):
        raise ConflictError("Several customers may be meant.", "Name the customer by external_userid.")
    raise NotFoundError("No customer is known by that.", "A customer who was just added takes a moment.")
