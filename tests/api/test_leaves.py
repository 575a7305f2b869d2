"""Leaves of the staff through the API, and who reaches customers then."""

from __future__ import annotations

from datetime import timedelta

from tests.api.conftest import Caller
from tests.api.test_campaigns import synced, wave


async def test_whose_leave_it_is_reaches_nobody_while_it_lasts(caller: Caller) -> None:
    await synced(caller)
    _, told = await caller.call("POST", "/campaigns/preview", wave())
    first, second = (each["userid"] for each in told["senders"][:2])
    today = caller.bot.clock.now().astimezone(caller.bot.context.settings.zone).date()
    days = {"first_day": str(today), "last_day": str(today)}
    for faulty, path in (
        ({"userid": "nobody", **days}, "userid"),
        ({"userid": first, **days, "substitute": first}, "substitute"),
        ({"userid": first, "first_day": "morning", "last_day": str(today)}, "first_day"),
    ):
        status, refused = await caller.call("POST", "/staff/leaves", faulty)
        assert (status, [each["path"] for each in refused["error"]["problems"]]) == (422, [path])
    status, leave = await caller.call("POST", "/staff/leaves", {"userid": first, **days, "substitute": second})
    assert (status, leave["substitute"], leave["made_by"]) == (201, second, "everything")
    assert (await caller.call("POST", "/staff/leaves", {"userid": first, **days}))[0] == 409
    assert (await caller.call("GET", "/staff/leaves"))[1]["items"] == [leave]
    later = today + timedelta(days=1)
    assert (await caller.call("GET", f"/staff/leaves?since={later}"))[1]["items"] == []

    _, away = await caller.call("POST", "/campaigns/preview", wave())
    assert first not in {each["userid"] for each in away["senders"]}
    assert away["left_out"]["sender_on_leave"] > 0
    reached = {each["userid"]: each["recipients"] for each in told["senders"]}
    assert next(each for each in away["senders"] if each["userid"] == second)["recipients"] >= reached[second]
    assert (await caller.call("DELETE", f"/staff/leaves/{leave['id']}"))[0] == 200
    assert (await caller.call("DELETE", f"/staff/leaves/{leave['id']}"))[0] == 404
    assert (await caller.call("POST", "/campaigns/preview", wave()))[1] == told

    excluded = wave(excluded_userids=[first], sender_policy="last_added")
    status, made = await caller.call("POST", "/campaigns", {"name": "x", "waves": [excluded]})
    assert (status, made["waves"][0]["excluded_userids"]) == (201, [first])
    _, previews = await caller.call("POST", f"/campaigns/{made['id']}/preview")
    assert previews["waves"][0]["left_out"]["sender_excluded"] > 0
    _, tags = await caller.call("GET", "/tags")
    tag_id = tags["items"][0]["tag_id"]
    owner = wave(sender_policy="tag_owner", sender_tag_ids=[tag_id], sender_fallback="last_added")
    changes = {"version": 1, "waves": [{"id": made["waves"][0]["id"], "excluded_userids": [], **owner}]}
    status, made = await caller.call("PATCH", f"/campaigns/{made['id']}", changes)
    assert (status, made["waves"][0]["sender_tag_ids"]) == (200, [tag_id])
    _, previews = await caller.call("POST", f"/campaigns/{made['id']}/preview")
    assert previews["waves"][0]["recipients"] == told["recipients"]
    status, refused = await caller.call(
        "POST", "/campaigns", {"name": "x", "waves": [wave(sender_policy="tag_owner", sender_tag_ids=["etNone"])]}
    )
    assert (status, refused["error"]["problems"][0]["path"]) == (422, "waves[0].sender_tag_ids[0]")
