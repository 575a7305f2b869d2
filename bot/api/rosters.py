"""`/rosters`: lists of customers handed in as files. A file is the body itself; its name is in the query."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from aiohttp import web
from pydantic import Field
from sqlmodel import Session

from bot import rosters
from bot.api.answers import answer, path_id, read_query
from bot.api.described import described
from bot.api.service import CALLER, Api
from bot.api.shapes import Items, Nothing
from bot.api.uploads import received
from data.models import Roster
from data.queries import rosters as rows
from data.rules.problems import RuleModel


class Upload(RuleModel):
    """How the roster is called, and whether rows that are faulty are left out."""

    name: str = Field(min_length=1, max_length=rosters.NAME_MAX_LENGTH)
    skip_faulty: bool = False


class Removal(RuleModel):
    """`force`: also while it is used."""

    force: bool = False


class RosterUseTold(RuleModel):
    """Who uses a roster: a segment, a campaign that may still send, a marking that is still being planned."""

    kind: Literal["segment", "campaign", "marking", "journey"]
    id: int
    name: str


class RosterTold(RuleModel):
    """A roster: of the `rows` of its file `skipped` were left out, and the others named so many `customers`."""

    id: int
    name: str
    made_by: str
    made_at: datetime
    rows: int
    customers: int
    skipped: int
    used_by: list[RosterUseTold]


@described(Items[RosterTold])
async def list_rosters(api: Api, _request: web.Request) -> web.Response:
    def unit(session: Session) -> list[dict[str, Any]]:
        return rosters.tell_rosters(session, rows.list_rosters(session))

    return answer({"items": await api.db.read(unit)})


@described(RosterTold)
async def get_roster(api: Api, request: web.Request) -> web.Response:
    return answer(await _told(api, await api.db.read(rows.get_roster, path_id(request))))


@described(RosterTold, status=201, query=Upload, content="application/octet-stream")
async def create_roster(api: Api, request: web.Request) -> web.Response:
    upload = read_query(Upload, request)
    async with received(request) as file:
        made = await rosters.make_roster(
            api.db, file, upload.name, request[CALLER], api.clock.now, skip_faulty=upload.skip_faulty
        )
    return answer(await _told(api, made), 201, Location=f"/api/v1/rosters/{made.id}")


@described(Nothing, query=Removal)
async def delete_roster(api: Api, request: web.Request) -> web.Response:
    removal = read_query(Removal, request)
    await rosters.remove_roster(api.db, path_id(request), api.clock.now(), force=removal.force)
    return answer({})


async def _told(api: Api, row: Roster) -> dict[str, Any]:
    (told,) = await api.db.read(rosters.tell_rosters, [row])
    return told
