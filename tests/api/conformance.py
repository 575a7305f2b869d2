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
def validator(method: str, path: str, status: int) -> Any:
    """What checks the answer of a route; `path` as the document spells it."""
    responses = told()["paths"][path][method.lower()]["responses"]
    assert str(status) in responses, f"{method} {path} answered {status}, which the document does not tell"
    found = responses[str(status)]
    if "$ref" in found:
        found = told()["components"]["responses"][found["$ref"].rpartition("/")[2]]
    schema = found["content"]["application/json"]["schema"]
    return jsonschema_rs.validator_for({**schema, "components": told()["components"]})


def check_answer(method: str, path: str, status: int, body: Any) -> None:
    """Raises where the document says otherwise. A route that is not in it is not looked at."""
    found = [
        each
        for each, operations in told()["paths"].items()
        if method.lower() in operations and re.fullmatch(re.sub(r"{\w+}", "[^/]+", each), PREFIX + path.split("?")[0])
    ]
    # /rules/try is also /rules/{id}.
    for each in sorted(found, key=lambda template: template.count("{"))[:1]:
        if status != 404 or "{" in each:
            validator(method, each, status).validate(body)
