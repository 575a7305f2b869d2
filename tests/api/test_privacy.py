"""What customers want to hear and what reached them, through the API."""

from __future__ import annotations

import io

from bot.logs import configure_logs
from tests.api.conftest import Caller


async def add_customer(caller: Caller) -> str:
    await caller.call("POST", "/welcome-rules", {"name": "默认", "content": {"text": "您好，{{ customer_name }}"}})
    added = caller.sandbox.machine.people.scan(state="store_poster")
    await caller.settle()
    return added.follow.external_userid


async def test_what_a_customer_wants_is_written_changed_and_lifted(caller: Caller) -> None:
    path = f"/customers/{await add_customer(caller)}/preference"
    status, told = await caller.call("GET", path)
    assert (status, told["opted_out"], told["changed_at"]) == (200, False, None)
    wanted = {"paused_until": "2099-12-01T00:00:00+08:00", "cap_count": 2, "cap_days": 30, "reason": "by telephone"}
    status, told = await caller.call("PUT", path, wanted)
    assert (status, told["cap_count"], told["changed_by"], told["reason"]) == (200, 2, "everything", "by telephone")
    assert told["paused_until"].startswith("2099-11-30T16:00:00")
    status, told = await caller.call("PATCH", path, {"opted_out": True, "paused_until": None})
    assert (status, told["opted_out"], told["paused_until"], told["cap_days"]) == (200, True, None, 30)
    assert (await caller.call("GET", path))[1] == told
    status, told = await caller.call("DELETE", path)
    assert (status, told["opted_out"], told["cap_count"], told["changed_by"]) == (200, False, None, "everything")
    status, told = await caller.call("PATCH", path, {"cap_count": 1})
    assert (status, told["error"]["code"]) == (422, "invalid")
    status, told = await caller.call("PUT", path, {"cap_count": 0, "cap_days": 1})
    assert told["error"]["problems"][0]["path"] == "cap_count"


async def test_nobody_is_made_up(caller: Caller) -> None:
    for whom in ("wm_unknown", "x" * 200, "%00", "%E7%A7%81"):
        for method, path in (
            ("GET", "preference"),
            ("PUT", "preference"),
            ("DELETE", "preference"),
            ("GET", "touches"),
        ):
            status, told = await caller.call(method, f"/customers/{whom}/{path}", {} if method == "PUT" else None)
            assert (status, told["error"]["code"]) == (404, "not_found"), (whom, method, path)


async def test_why_a_customer_got_something(caller: Caller) -> None:
    await caller.read_directory()
    external_userid = await add_customer(caller)
    status, told = await caller.call("GET", f"/customers/{external_userid}/touches")
    assert status == 200
    (touch,) = told["items"]
    assert (touch["kind"], touch["external_userid"], told["next_before_id"]) == ("welcome", external_userid, None)
    because = touch["because"]
    assert (because["rule"], because["state"]) == ("默认", "store_poster")
    assert because["words"].startswith("您好，")
    assert touch["origin"] == f"welcome:{because['event_id']}"
    token = await caller.make_token("privacy:write")
    status, _ = await caller.call("GET", f"/customers/{external_userid}/touches", token=token)
    assert status == 403


async def test_everything_about_a_customer_is_exported_and_erased(caller: Caller) -> None:
    await caller.read_directory()
    external_userid = await add_customer(caller)
    status, told = await caller.call("GET", f"/customers/{external_userid}/export")
    assert (status, told["external_userid"]) == (200, external_userid)
    assert told["tables"]["customers"][0]["external_userid"] == external_userid
    assert external_userid in told["tables"]["inbox_events"][0]["body"]
    status, told = await caller.call("DELETE", f"/customers/{external_userid}")
    assert status == 200
    assert told["rows"]["customers"] == told["rows"]["welcomes"] == 1
    assert told["events"] >= 1
    status, told = await caller.call("GET", f"/customers/{external_userid}/export")
    assert (status, told["error"]["code"]) == (404, "not_found")
    assert (await caller.call("DELETE", f"/customers/{external_userid}"))[1] == {"rows": {}, "events": 0}
    status, _ = await caller.call("PUT", f"/customers/{external_userid}/preference", {"opted_out": True})
    assert status == 404
    for scope, method, path in (("privacy:write", "DELETE", ""), ("privacy:read", "GET", "/export")):
        token = await caller.make_token(scope)
        assert (await caller.call(method, f"/customers/{external_userid}{path}", token=token))[0] == 403


async def test_the_log_holds_no_customers_id(caller: Caller) -> None:
    log = io.StringIO()
    configure_logs(stream=log)
    external_userid = await add_customer(caller)
    await caller.call("PUT", f"/customers/{external_userid}/preference", {"opted_out": True})
    await caller.call("DELETE", f"/customers/{external_userid}")
    assert "/customers/{external_userid}/preference" in log.getvalue()
    assert external_userid not in log.getvalue()
