"""Who gets in, and what a refusal looks like."""

from __future__ import annotations

import re

from bot.api.access import REFUSALS_PER_MINUTE
from bot.api.routes import ROUTES
from bot.scopes import SCOPES
from data.queries import access as access_rows
from tests.api.conftest import Caller

KEYS = {"code", "message", "remedy", "problems"}


def example(path: str) -> str:
    return re.sub(
        r"\{(\w+)(?::.*?\})?\}", lambda found: "1" if found[1].endswith("_id") or found[1] == "id" else "x1", path
    )


async def test_without_a_token_every_route_answers_401(caller: Caller) -> None:
    for route in ROUTES[: REFUSALS_PER_MINUTE - 1]:
        async with caller.http.request(route.method, f"{caller.bot.url}/api/v1{example(route.path)}") as response:
            assert response.status == 401, route.path
            assert response.headers["WWW-Authenticate"] == "Bearer"
            error = (await response.json())["error"]
            assert error.keys() == KEYS
            assert error["code"] == "not_authenticated"


async def test_every_route_asks_for_its_own_scope(caller: Caller) -> None:
    without = {
        each: await caller.make_token(*(scope for scope in SCOPES if scope != each))
        for each in {route.scope for route in ROUTES}
    }
    for route in ROUTES:
        status, told = await caller.call(route.method, example(route.path), token=without[route.scope])
        assert status == 403, (route.method, route.path)
        assert route.scope in told["error"]["message"]


async def test_a_revoked_token_opens_nothing(caller: Caller) -> None:
    token = await caller.make_token("rules:read", name="old")
    assert (await caller.call("GET", "/welcome-rules", token=token))[0] == 200
    await caller.bot.db.write(access_rows.revoke_api_token, "old", caller.bot.clock.now())
    assert (await caller.call("GET", "/welcome-rules", token=token))[0] == 401


async def test_a_header_that_is_no_token_is_refused(caller: Caller) -> None:
    for header in ("", "Bearer", "Bearer ", "Basic abc", "Bearer a b", "Bearer " + "x" * 5000, "Bearer 令牌"):
        async with caller.http.get(f"{caller.bot.url}/api/v1/tags", headers={"Authorization": header}) as response:
            assert response.status == 401, header


async def test_after_many_refusals_an_address_waits_but_a_known_token_does_not(caller: Caller) -> None:
    assert (await caller.call("GET", "/tags"))[0] == 200
    statuses = [(await caller.call("GET", "/tags", token=f"guess{n}"))[0] for n in range(REFUSALS_PER_MINUTE + 3)]
    assert statuses == [401] * REFUSALS_PER_MINUTE + [429] * 3
    assert (await caller.call("GET", "/tags"))[0] == 200


async def test_the_use_of_a_token_is_noted(caller: Caller) -> None:
    await caller.call("GET", "/tags")
    (token,) = await caller.bot.db.read(access_rows.list_api_tokens)
    assert token.last_used_at is not None


async def test_what_is_not_there_has_the_same_shape(caller: Caller) -> None:
    for method, path, status, code in (
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/", 404, "not_found"),
        ("GET", "/welcome-rules/x", 404, "not_found"),
        ("GET", "/welcome-rules/1234567890123456789", 404, "not_found"),
        ("DELETE", "/tags", 405, "method_not_allowed"),
        ("OPTIONS", "/tags", 405, "method_not_allowed"),
    ):
        got, told = await caller.call(method, path)
        assert got == status, path
        assert told["error"].keys() == KEYS
        assert told["error"]["code"] == code


async def test_no_page_from_elsewhere_may_read_answers(caller: Caller) -> None:
    async with caller.http.get(
        f"{caller.bot.url}/api/v1/tags",
        headers={"Authorization": f"Bearer {caller.token}", "Origin": "https://example.com"},
    ) as response:
        assert not [name for name in response.headers if name.startswith("Access-Control")]
        assert response.headers["Cache-Control"] == "no-store"
