"""`/rosters`: lists of customers handed in as files. A file is the body itself; its name is in the query."""

from __future__ import annotations

import asyncio
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from aiohttp import web
from pydantic import Field
from sqlmodel import Session

from bot import rosters
from bot.api.answers import ApiError, answer, path_id, read_query
from bot.api.described import described
from bot.api.service import CALLER, Api
from bot.api.shapes import Items, Nothing
from bot.roster_files import FILE_BYTES_MAX
from data.models import Roster
from data.queries import rosters as rows
from data.rules.problems import RuleModel

#: A large file over a slow line; a body that takes longer holds a connection for nothing.
UPLOAD_SECONDS = 120.0


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
    with tempfile.TemporaryDirectory(prefix="siyu-roster-") as folder:
        file = Path(folder) / "file"
        try:
            async with asyncio.timeout(UPLOAD_SECONDS):
                await _receive(request, file)
        except TimeoutError:
            raise ApiError(408, "too_slow", f"The file did not arrive within {UPLOAD_SECONDS:.0f} seconds.") from None
        made = await rosters.make_roster(
            api.db, file, upload.name, request[CALLER], api.clock.now, skip_faulty=upload.skip_faulty
        )
    return answer(await _told(api, made), 201, Location=f"/api/v1/rosters/{made.id}")


@described(Nothing, query=Removal)
async def delete_roster(api: Api, request: web.Request) -> web.Response:
    removal = read_query(Removal, request)
    await rosters.remove_roster(api.db, path_id(request), api.clock.now(), force=removal.force)
    return answer({})


async def _receive(request: web.Request, file: Path) -> None:
    # On disk: several uploads at once would hold hundreds of megabytes.
    received = 0
    with file.open("wb") as opened:
        async for chunk in request.content.iter_any():
            received += len(chunk)
            if received > FILE_BYTES_MAX:
                raise ApiError(413, "too_large", f"A file has at most {FILE_BYTES_MAX:,} bytes.", "Send several.")
            opened.write(chunk)


async def _told(api: Api, row: Roster) -> dict[str, Any]:
    (told,) = await api.db.read(rosters.tell_rosters, [row])
    return told
