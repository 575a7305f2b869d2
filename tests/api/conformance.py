"""Whether an answer is as the OpenAPI document says."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import jsonschema_rs

from bot.api.openapi import document
from bot.api.routes import PREFIX, ROUTES


@cache
def told() -> dict[str, Any]:
    """The document."""
    return document(PREFIX, ROUTES)


@cache
def paths() -> list[tuple[re.Pattern[str], str, frozenset[str]]]:
    """Each path of the document: what it looks like in a request, how it is spelt, and its methods."""
    return [
        (re.compile(re.sub(r"{\w+}", "[^/]+", each)), each, frozenset(operations))
        for each, operations in told()["paths"].items()
    ]


def named_in(said: Any, schemas: dict[str, Any]) -> None:
    """Add the components that are named in something, and in those, to `schemas`."""
    for reference in re.findall(r"'#/components/schemas/([^']+)'", repr(said)):
        if reference not in schemas:
            schemas[reference] = told()["components"]["schemas"][reference]
            named_in(schemas[reference], schemas)


@cache
def validator(method: str, path: str, status: int) -> Any:
    """What checks the answer of a route; `path` as the document spells it."""
    responses = told()["paths"][path][method.lower()]["responses"]
    assert str(status) in responses, f"{method} {path} answered {status}, which the document does not tell"
    found = responses[str(status)]
    if "$ref" in found:
        found = told()["components"]["responses"][found["$ref"].rpartition("/")[2]]
    schema, schemas = found["content"]["application/json"]["schema"], dict[str, Any]()
    named_in(schema, schemas)
    return jsonschema_rs.validator_for({**schema, "components": {"schemas": schemas}})


def check_answer(method: str, path: str, status: int, body: Any) -> None:
    """Raises where the document says otherwise. A route that is not in it is not looked at."""
    asked = PREFIX + path.split("?")[0]
    found = [each for pattern, each, methods in paths() if method.lower() in methods and pattern.fullmatch(asked)]
    # /rules/try is also /rules/{id}.
    for each in sorted(found, key=lambda template: template.count("{"))[:1]:
        if status != 404 or "{" in each:
            validator(method, each, status).validate(body)
