"""`/customers/…`: what one customer wants to hear, what reached them, all that is kept about them, and its end."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from pydantic import Field

from bot.api.answers import answer, page, path_customer, read_object, read_query
from bot.api.described import described
from bot.api.service import CALLER, Api
from bot.api.shapes import ErasedTold, ExportTold, MergePatch, Page, PreferenceTold, TouchTold
from bot.erasing import erase_customer as erase
from bot.erasing import export_customer as export
from data.errors import NotFoundError
from data.models import Preference
from data.queries import customers as customer_rows
from data.queries import preferences as rows
from data.queries import touches as touch_rows
from data.rules import preferences as rules
from data.rules.problems import RuleModel, parse


class TouchesQuery(RuleModel):
    """A page, newest first."""

    limit: int = Field(default=50, ge=1, le=200)
    before_id: int | None = Field(default=None, ge=1, le=2**62)


#: Of a customer who never said what they want.
NOTHING_SAID: dict[str, Any] = {
    **dict.fromkeys(("opted_out_at", "paused_until", "cap_count", "cap_days", "changed_at")),
    "reason": "", "changed_by": "", "opted_out": False,
}  # fmt: skip


@described(PreferenceTold)
async def get_preference(api: Api, request: web.Request) -> web.Response:
    external_userid = await _known(api, request)
    row = await api.db.read(rows.find_preference, external_userid)
    return answer(_told(row) if row is not None else NOTHING_SAID | {"external_userid": external_userid})


@described(PreferenceTold, body=rules.Preference)
async def replace_preference(api: Api, request: web.Request) -> web.Response:
    wanted = parse(rules.Preference, await read_object(request))
    return await _saved(api, request, rows.save_preference, wanted)


@described(PreferenceTold, body=MergePatch)
async def change_preference(api: Api, request: web.Request) -> web.Response:
    return await _saved(api, request, rows.change_preference, await read_object(request))


@described(PreferenceTold)
async def delete_preference(api: Api, request: web.Request) -> web.Response:
    # Not the row: who lets somebody be written to again is kept as well.
    return await _saved(api, request, rows.save_preference, rules.Preference())


@described(ExportTold)
async def export_customer(api: Api, request: web.Request) -> web.Response:
    return answer(await export(api.db, api.inbox, path_customer(request), api.clock.now()))


@described(ErasedTold)
async def erase_customer(api: Api, request: web.Request) -> web.Response:
    done = await erase(api.db, api.inbox, path_customer(request), request[CALLER], api.clock.now())
    return answer({"rows": dict(done.rows), "events": done.events})


@described(Page[TouchTold], query=TouchesQuery)
async def list_touches(api: Api, request: web.Request) -> web.Response:
    query = read_query(TouchesQuery, request)
    external_userid = await _known(api, request)
    found = await api.db.read(touch_rows.list_explained, external_userid, query.limit, query.before_id)
    return answer(page([each.touch.model_dump() | {"because": each.because} for each in found], query.limit))


async def _saved(api: Api, request: web.Request, save: Any, wanted: Any) -> web.Response:
    row = await api.db.write(save, path_customer(request), wanted, request[CALLER], api.clock.now())
    return answer(_told(row))


async def _known(api: Api, request: web.Request) -> str:
    external_userid = path_customer(request)
    if await api.db.read(customer_rows.find_customer, external_userid) is None:
        raise NotFoundError("There is no such customer.")
    return external_userid


def _told(row: Preference) -> dict[str, Any]:
    return row.model_dump() | {"opted_out": row.opted_out_at is not None}
