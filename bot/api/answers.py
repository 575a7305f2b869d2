"""The one shape of answers, the one shape of errors, and how requests are read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel

from bot.errors import SiyuError
from data.rules.problems import Problem, RuleModel, parse

Model = TypeVar("Model", bound=RuleModel)

#: Where a request keeps its body.
BODY = web.RequestKey("body", bytes)
#: A header of an answer that was given before.
REPLAYED = "Idempotency-Replayed"
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class ApiError(SiyuError):
    """A request that cannot be answered: HTTP `status` and one stable word `code`."""

    def __init__(self, status: int, code: str, message: str, remedy: str = "", **headers: str) -> None:
        super().__init__(message, remedy)
        self.status = status
        self.code = code
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def answer_text(value: Any) -> str:
    """`value` (JSON, or a model) as JSON text; instants in ISO 8601, UTC."""
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    text = json.dumps(plain, ensure_ascii=False, default=_plain)
    # A name cut inside a character elsewhere must not make the whole answer fail.
    return text.encode("utf-8", "replace").decode()


def answer(value: Any, status: int = 200, **headers: str) -> web.Response:
    """`value` (JSON, or a model) as the answer."""
    body = answer_text(value).encode()
    return web.Response(body=body, status=status, content_type="application/json", headers=HEADERS | headers)


def failure(
    status: int,
    code: str,
    message: str,
    remedy: str = "",
    problems: Iterable[Problem] = (),
    headers: dict[str, str] | None = None,
) -> web.Response:
    """An error; all four keys are always there."""
    told = [{"path": problem.path, "message": problem.message} for problem in problems]
    error = {"code": code, "message": message, "remedy": remedy, "problems": told}
    return answer({"error": error}, status, **(headers or {}))


async def read_body(request: web.Request, max_bytes: int | None = None) -> bytes:
    """The body, however often it is asked for; at most `max_bytes`, else of a callback's size. Raises like aiohttp."""
    if BODY not in request:
        if max_bytes is None:
            request[BODY] = await request.read()
        else:
            content = bytearray()
            async for chunk in request.content.iter_any():
                content += chunk
                if len(content) > max_bytes:
                    raise web.HTTPRequestEntityTooLarge(max_bytes, len(content))
            request[BODY] = bytes(content)
    return request[BODY]


async def read_object(request: web.Request, max_bytes: int | None = None) -> dict[str, Any]:
    """The JSON object of the body; empty where there is no body. Raises ApiError 400 or 413.

    `max_bytes`: for what may be larger than a callback.
    """
    try:
        raw = await read_body(request, max_bytes)
        value = json.loads(raw, parse_constant=_refuse_constant) if raw else {}
    except web.HTTPRequestEntityTooLarge:
        remedy = "See server.max_body_bytes." if max_bytes is None else f"At most {max_bytes:,} bytes: send several."
        raise ApiError(413, "too_large", "The body is too large.", remedy) from None
    except (ValueError, RecursionError):
        raise ApiError(400, "bad_request", "The body is not JSON in UTF-8.", "Send one JSON object.") from None
    if not isinstance(value, dict):
        raise ApiError(400, "bad_request", "The body is not a JSON object.", "Send one JSON object.")
    if _holds_nul(value):
        raise ApiError(400, "bad_request", "The body holds a NUL character.")
    return value


def read_query(model: type[Model], request: web.Request) -> Model:
    """The query's parameters. Raises InvalidRuleError, with a path per fault."""
    if any("\0" in value for value in request.query.values()):
        raise ApiError(400, "bad_request", "The query holds a NUL character.")
    if len(set(request.query)) < len(request.query):
        raise ApiError(400, "bad_request", "The query names a parameter twice.")
    return parse(model, dict(request.query))


def path_id(request: web.Request) -> int:
    """The number in the path."""
    return int(request.match_info["id"])


def path_customer(request: web.Request) -> str:
    """The external_userid in the path. Raises ApiError 404 for what cannot be one."""
    external_userid = request.match_info["external_userid"]
    if len(external_userid) > 64 or "\0" in external_userid:
        raise ApiError(404, "not_found", "There is no such customer.")
    return external_userid


def page(items: list[Any], limit: int) -> dict[str, Any]:
    """Items, newest first, and where the next page begins: `before_id` of the next request, None at the end."""
    return {"items": items, "next_before_id": items[-1]["id"] if len(items) == limit else None}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _holds_nul(value: Any) -> bool:
    """Whether a text within `value` holds what PostgreSQL takes in no text."""
    if isinstance(value, dict):
        return any("\0" in name or _holds_nul(inner) for name, inner in value.items())
    if isinstance(value, list):
        return any(_holds_nul(inner) for inner in value)
    return isinstance(value, str) and "\0" in value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
