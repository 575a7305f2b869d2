"""What programs change through the API stands in the audit log, beside what people change.

Not what they feed: orders, events and openings come by the thousand, and each is a row that says where it is from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from bot.api.answers import BODY, REPLAYED
from data.queries.audit import API, Actor

READING = frozenset({"GET", "HEAD"})
FED = frozenset({"orders:write", "happenings:write", "openings:write"})
#: Scopes of settings: what was sent is kept. Of all others it may be about customers, or their words.
SETTINGS = frozenset(
    f"{noun}:write"
    for noun in (
        "rules", "scripts", "channels", "tags", "links", "forms", "campaigns", "journeys", "group-welcomes",
        "join-ways", "knowledge", "kf", "segments", "fields", "webhooks", "sending",
    )
)  # fmt: skip
#: Never kept, wherever they stand.
LEFT_OUT = frozenset({"secret", "external_userid", "external_userids", "pairs", "customers", "mobile", "unionid"})
VALUE_MAX = 2_000
#: Set by a handler that wrote its entry itself, in the transaction of the change.
NOTED = web.RequestKey("noted", bool)


def is_noted(method: str, scope: str) -> bool:
    """Whether what such a route does is a change to be written down: not a look that is asked for by POST."""
    return method not in READING and scope.rpartition(":")[2] != "read" and scope not in FED


def was_done(request: web.Request, response: web.StreamResponse) -> bool:
    """Whether something changed by it now: it was not refused, nor answered once more."""
    return response.status < 300 and REPLAYED not in response.headers and not request.get(NOTED)


def actor_of(request: web.Request, caller: str) -> Actor:
    """A program, by the name of its token, whose change is written down by whoever asks."""
    request[NOTED] = True
    return Actor(None, caller, API)


def what_was_sent(request: web.Request, scope: str) -> dict[str, Any] | None:
    """The fields of the body as they are kept, without secrets and customers; None: nothing of it is."""
    if scope not in SETTINGS or "external_userid" in request.match_info or not request.get(BODY):
        return None
    try:
        sent = json.loads(request[BODY])
    except ValueError:  # a file
        return None
    if not isinstance(sent, Mapping):
        return None
    kept = _without(sent)
    return {str(key): value if len(json.dumps(value)) <= VALUE_MAX else "…" for key, value in kept.items()}


def _without(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without(each) for key, each in value.items() if key not in LEFT_OUT}
    return [_without(each) for each in value] if isinstance(value, list) else value
