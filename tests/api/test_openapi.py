"""The OpenAPI document says what the API does: every route is in it, and answers are as it says, whatever is asked."""

from __future__ import annotations

import asyncio
import os
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from bot.api.described import description_of
from bot.api.routes import PREFIX, ROUTES
from tests.api.conformance import told as documented
from tests.api.conftest import Caller
from tests.drawing import draw

#: Requests to each route that is drawn, by turns about what is there and about anything; more with `make everywhere`.
EXAMPLES = 6 if "SIYU_EVERYWHERE" in os.environ else 3


def test_every_route_says_what_it_reads_and_answers() -> None:
    silent = [f"{route.method} {route.path}" for route in ROUTES if description_of(route.handle) is None]
    assert silent == [], "put @described (bot/api/described.py) on the handler"


def test_every_route_is_in_the_document_with_its_scope() -> None:
    paths = documented()["paths"]
    told = {
        (method.upper(), path.removeprefix(PREFIX)): operation["security"]
        for path, operations in paths.items()
        for method, operation in operations.items()
    }
    assert told == {
        (route.method, re.sub(r"{(\w+):.*?}(?=/|$)", r"{\1}", route.path)): [{"token": [route.scope]}]
        for route in ROUTES
    }


def test_operations_have_names_of_their_own() -> None:
    paths = documented()["paths"]
    names = [operation["operationId"] for operations in paths.values() for operation in operations.values()]
    assert len(names) == len(set(names)) == len(ROUTES)


async def test_the_document_is_open_to_read_and_tells_nothing_of_the_company(caller: Caller) -> None:
    async with caller.http.get(f"{caller.bot.url}/api/v1/openapi.json") as response:
        assert response.status == 200
        told = await response.json()
    assert told == documented()
    assert told["openapi"].startswith("3.1")
    assert caller.bot.settings.company.corpid not in str(told)


ERASES = f"DELETE {PREFIX}/customers/{{external_userid}}"


@pytest.mark.slow
@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
async def test_answers_are_as_the_document_says_whatever_is_asked(caller: Caller) -> None:
    await caller.call("POST", "/welcome-rules", {"name": "默认", "content": {"text": "您好"}})
    order = {"source": "shop", "number": "A1", "status": "paid", "amount_fen": 1, "placed_at": "2026-03-04T10:00:00Z"}
    await caller.call("POST", "/orders", order)
    await caller.call("POST", "/fields", {"name": "level", "kind": "text"})
    whom = caller.sandbox.machine.people.scan(state="store_poster").follow.external_userid
    await caller.settle()
    known = {"id": 1, "external_userid": whom, "name": "level"}
    failures = await asyncio.to_thread(ask_everything, caller.bot.url, caller.token, known)
    assert failures == []


def ask_everything(url: str, token: str, known: dict[str, Any]) -> list[str]:
    """Requests of every kind to every route; half of them about what is there. What was answered wrongly."""
    # To load it takes seconds, and most workers never need it.
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    conforms = (checks.status_code_conformance, checks.content_type_conformance, checks.response_schema_conformance)
    schema = schemathesis.openapi.from_dict(documented())
    headers = {"Authorization": f"Bearer {token}"}
    failures: list[str] = []
    for found in draw(list(schema.get_all_operations()), 5, "operations"):
        operation: Any = found.ok()  # type: ignore[union-attr]
        seen = 0

        @settings(
            max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            nonlocal seen
            seen += 1
            # Who was erased would be unknown to all others.
            for name in case.path_parameters if seen % 2 and case.operation.label != ERASES else ():
                case.path_parameters[name] = known.get(name, case.path_parameters[name])
            response = case.call(base_url=url, headers=headers)
            case.validate_response(response, checks=[not_a_server_error, *conforms])

        try:
            ask()
        except Exception as error:  # noqa: BLE001 - all routes are asked, and all faults told together
            failures.append(f"{operation.label}: {error}"[:3000])
    return failures
