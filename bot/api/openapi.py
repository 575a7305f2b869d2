"""`/openapi.json`: the OpenAPI 3.1 document, made from the routes and the models that they read and answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any, Literal

from aiohttp import web
from pydantic import TypeAdapter

from bot.api.answers import answer
from bot.api.auditing import READING
from bot.api.described import Described, description_of
from bot.api.repeats import HEADER, KEY_MAX
from bot.api.service import Route
from bot.api.shapes import Failure

PATH = "/openapi.json"
REFERENCE = "#/components/schemas/{model}"
ABOUT = (
    "Every request carries a token: `Authorization: Bearer siyu_...`, made with `siyu token create`. "
    "Times are ISO 8601; amounts are in fen (分). docs/reference/api.md says more."
)
REFUSALS = {
    400: "The request cannot be read.",
    401: "No valid token.",
    403: "The token lacks the scope.",
    404: "Something that the request names is not there.",
    408: "The file did not arrive in time.",
    409: "It cannot be so beside what is there.",
    413: "The body is too large.",
    422: "A field is wrong: `problems` says which.",
    429: "Too many requests without a valid token came from this address.",
    502: "WeCom refused it.",
    503: "The database or WeCom cannot be used now: `Retry-After` is set.",
}
#: What any request may be answered.
ALWAYS = (400, 401, 403, 422, 429, 503)

Mode = Literal["validation", "serialization"]


def add_document(app: web.Application, prefix: str, routes: Sequence[Route]) -> None:
    """Serve the document. It needs no token: it tells what this version can do and nothing of the company."""
    made: list[dict[str, Any]] = []

    async def handle(_request: web.Request) -> web.Response:
        if not made:
            # A tenth of a second of work, once.
            made.append(await asyncio.to_thread(document, prefix, routes))
        return answer(made[0])

    app.router.add_get(prefix + PATH, handle)


def document(prefix: str, routes: Sequence[Route]) -> dict[str, Any]:
    """The OpenAPI document of these routes. Raises LookupError for one that does not say what it answers."""
    described = [(route, _described(route)) for route in routes]
    adapters: dict[tuple[str, Mode], TypeAdapter[Any]] = {("failure", "serialization"): TypeAdapter(Failure)}
    for route, told in described:
        adapters[_key(route, "answers"), "serialization"] = TypeAdapter(told.answers)
        if told.also is not None:
            adapters[_key(route, "also"), "serialization"] = TypeAdapter(told.also[1])
        if told.body is not None:
            adapters[_key(route, "body"), "validation"] = TypeAdapter(told.body)
        if told.query is not None:
            adapters[_key(route, "query"), "validation"] = TypeAdapter(told.query)
    inputs = [(key, mode, adapter) for (key, mode), adapter in adapters.items()]
    schemas, definitions = TypeAdapter.json_schemas(inputs, ref_template=REFERENCE)
    components = definitions.get("$defs", {})
    paths: dict[str, dict[str, Any]] = {}
    for route, told in described:
        operation = _operation(route, told, {key: schema for (key, _), schema in schemas.items()}, components)
        paths.setdefault(prefix + _plain(route.path), {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Siyu", "version": version("siyu"), "description": ABOUT},
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": {
                str(status): {
                    "description": says,
                    "content": {"application/json": {"schema": schemas["failure", "serialization"]}},
                }
                for status, says in REFUSALS.items()
            },
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _described(route: Route) -> Described:
    found = description_of(route.handle)
    if found is None:
        raise LookupError(f"{route.method} {route.path} does not say what it answers: put @described on its handler.")
    return found


def _operation(
    route: Route, told: Described, schemas: dict[str, Any], components: dict[str, Any]
) -> dict[str, Any]:  # fmt: skip
    module = route.handle.__module__.rpartition(".")[2]
    made: dict[str, Any] = {
        "operationId": f"{module}.{route.handle.__name__}",
        "summary": route.says,
        "description": f"Needs the scope `{route.scope}`.",
        "tags": [module],
        "security": [{"token": [route.scope]}],
        "parameters": [*_in_path(route.path), *_in_query(schemas.get(_key(route, "query")), components)],
        "responses": _responses(route, told, schemas),
    }
    if told.keyed:
        made["parameters"].append(
            {
                "name": HEADER, "in": "header", "required": False, "description": "The same request is done once.",
                "schema": {"type": "string", "minLength": 1, "maxLength": KEY_MAX, "pattern": "^[!-~]+$"},
            }
        )  # fmt: skip
    if told.content:
        made["requestBody"] = {"required": True, "content": {told.content: {}}}
    elif told.body is not None:
        schema = schemas[_key(route, "body")]
        made["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return made


def _responses(route: Route, told: Described, schemas: dict[str, Any]) -> dict[str, Any]:
    refusals = set(ALWAYS)
    if route.method not in READING:
        refusals |= {404, 409, 413, 502}
    if "{" in route.path:
        refusals.add(404)
    if told.content:
        refusals.add(408)
    if told.file:
        refusals.add(404)
    answers = {told.status: schemas[_key(route, "answers")]}
    if told.also is not None:
        answers[told.also[0]] = schemas[_key(route, "also")]
    return {
        **{
            str(status): {"description": route.says, "content": {told.file or "application/json": {"schema": schema}}}
            for status, schema in sorted(answers.items())
        },
        **{str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(refusals)},
    }


def _in_path(path: str) -> Iterator[dict[str, Any]]:
    for name, _, pattern in (part.partition(":") for part in re.findall(r"{((?:[^{}]|{[^{}]*})*)}", path)):
        schema: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 64}
        if pattern.startswith("[0-9]"):
            schema = {"type": "integer", "minimum": 0, "maximum": 10**18 - 1}
        elif pattern:
            schema = {"type": "string", "pattern": f"^{pattern}$"}
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _in_query(schema: Any, components: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if schema is None:
        return
    if "$ref" in schema:
        schema = components[schema["$ref"].rpartition("/")[2]]
    required = schema.get("required", ())
    for name, inner in schema.get("properties", {}).items():
        # null is a parameter that is not there.
        forms = [each for each in inner.get("anyOf", [inner]) if each.get("type") != "null"]
        rest = {key: value for key, value in inner.items() if key not in ("anyOf", "title", "default")}
        yield {
            "name": name,
            "in": "query",
            "required": name in required,
            "schema": {**rest, **forms[0]} if len(forms) == 1 else {**rest, "anyOf": forms},
        }


def _plain(path: str) -> str:
    """`/rules/{id}` of a path whose parameters have patterns."""
    return re.sub(r"{(\w+):(?:[^{}]|{[^{}]*})*}", r"{\1}", path)


def _key(route: Route, what: str) -> str:
    return f"{route.method} {route.path} {what}"
