"""Forms through the API: made, changed, closed, and what was answered."""

from __future__ import annotations

from typing import Any

from data.queries.form_answers import Page, record_answer
from tests.api.conftest import Caller
from tests.staff_tasks import add_contact

FORM: dict[str, Any] = {
    "name": "tea",
    "title": "喜好",
    "questions": [{"key": "since", "ask": "date", "title": "纪念日", "field": "anniversary"}],
}

#: What the program does about an answer meanwhile.
DEALT_WITH = {"due_at": None, "outcome": None}


async def test_a_form_is_made_changed_answered_and_closed(caller: Caller) -> None:
    status, refused = await caller.call("POST", "/forms", {**FORM, "tag_ids": ["etNone"]})
    assert status == 422
    assert [each["path"] for each in refused["error"]["problems"]] == ["questions[0].field", "tag_ids"]
    await caller.call("POST", "/fields", {"name": "anniversary", "kind": "text"})
    status, refused = await caller.call("POST", "/forms", FORM)
    assert (status, "类型是 text，这里要用 date" in refused["error"]["problems"][0]["message"]) == (422, True)
    await caller.call("DELETE", "/fields/anniversary")
    await caller.call("POST", "/fields", {"name": "anniversary", "kind": "date"})
    status, made = await caller.call("POST", "/forms", FORM)
    assert (status, made["version"], made["made_by"], made["address"]) == (201, 1, "everything", "")
    assert (await caller.call("POST", "/forms", FORM))[0] == 409
    form = f"/forms/{made['id']}"
    assert await caller.call("GET", form) == (200, made)
    assert (await caller.call("GET", "/forms"))[1] == {"items": [made], "next_before_id": None}
    _, link = await caller.call("GET", f"/links/{made['link_id']}")
    assert (link["name"], link["url"]) == ("tea", "/f/tea")
    assert (await caller.call("PATCH", f"/links/{made['link_id']}", {"url": "https://shop.example"}))[0] == 409

    status, refused = await caller.call("PATCH", form, {"version": 1, "name": "other"})
    assert (status, refused["error"]["problems"][0]["path"]) == (422, "name")
    assert (await caller.call("PATCH", form, {"title": "新"}))[0] == 422, "which version was read"
    _, changed = await caller.call("PATCH", form, {"version": 1, "title": "新", "tells_staff": True})
    assert (changed["version"], changed["definition"]["title"]) == (2, "新")
    assert (await caller.call("PATCH", form, {"version": 1, "title": "旧"}))[0] == 409
    assert (await caller.call("PATCH", form, {"version": 2, "title": "新"}))[1]["version"] == 2, "nothing is another"

    now, db = caller.bot.clock.now(), caller.bot.db
    await db.write(add_contact, now, "wm1", "ann")
    for number, day in enumerate(("2026-03-04", "2026-03-05")):
        await db.write(record_answer, Page(made["id"], 2, f"{number:032}"), "wm1", {"since": day}, now)
    _, first = await caller.call("GET", f"{form}/answers?limit=1")
    _, rest = await caller.call("GET", f"{form}/answers?before_id={first['next_before_id']}")
    found = [*first["items"], *rest["items"]]
    assert [each["answers"][0]["value"] for each in found] == ["2026-03-05", "2026-03-04"]
    _, mine = await caller.call("GET", "/customers/wm1/answers")
    assert [{**each, **DEALT_WITH} for each in mine["items"]] == [{**each, **DEALT_WITH} for each in found]
    assert (await caller.call("GET", "/customers/wm1/fields"))[1] == {"anniversary": "2026-03-05"}
    _, held = await caller.call("GET", "/customers/wm1/export")
    assert len(held["tables"]["form_answers"]) == 2

    journey = {
        "name": "x",
        "trigger": {"on": "form", "form": "none"},
        "steps": [{"key": "a", "action": {"do": "task", "content": {"text": "您好"}}}],
        "goal": {"on": "form", "form": "tea"},
    }
    status, refused = await caller.call("POST", "/journeys", journey)
    assert (status, [each["path"] for each in refused["error"]["problems"]]) == (422, ["trigger.form"])
    _, closed = await caller.call("POST", f"{form}/close")
    assert (closed["closed_at"] is not None, closed["customers"], closed["answers"]) == (True, 1, 2)
    assert (await caller.call("POST", f"{form}/open"))[1]["closed_at"] is None
