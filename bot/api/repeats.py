"""`Idempotency-Key`: a request that was perhaps answered may be sent again, and is done once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime

from aiohttp import web
from sqlmodel import Session

from bot.api.answers import HEADERS, REPLAYED, ApiError, read_body
from bot.api.service import ADMITTED, Api
from data.queries.repeated_requests import Answered, Keyed, answer_once

HEADER = "Idempotency-Key"
KEY_MAX = 200


async def do_once(api: Api, request: web.Request, work: Callable[[Session, datetime], Answered]) -> web.Response:
    """Do `work` as one unit and answer what it says; with a key, once for all requests that carry it.

    The same key with another request is refused with 422. A key is remembered for a week. Raises ApiError.
    """
    keyed = await _keyed(request)
    now = api.clock.now()
    done = await api.db.write(_unit, keyed, work, now)
    headers = HEADERS | ({REPLAYED: "true"} if done.repeated else {})
    return web.Response(text=done.body, status=done.status, content_type="application/json", headers=headers)


def _unit(
    session: Session, keyed: Keyed | None, work: Callable[[Session, datetime], Answered], now: datetime
) -> Answered:
    if keyed is None:
        return work(session, now)
    return answer_once(session, keyed, lambda inner: work(inner, now), now)


async def _keyed(request: web.Request) -> Keyed | None:
    if HEADER not in request.headers:
        return None
    key = request.headers[HEADER]
    if not (0 < len(key) <= KEY_MAX and key.isascii() and key.isprintable()):
        raise ApiError(
            400, "bad_request", f"The header {HEADER} has 1 to {KEY_MAX} printable ASCII characters.",
            "A UUID will do.",
        )  # fmt: skip
    asked = hashlib.sha256(f"{request.method} {request.path_qs}\n".encode())
    asked.update(await read_body(request))
    return Keyed(request[ADMITTED].id or 0, key, asked.hexdigest())
