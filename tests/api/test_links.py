"""Tracked links through the API: made, changed, retired; who followed them."""

from __future__ import annotations

import pytest
from sqlmodel import Session

from bot import redirects
from data.models import Customer, Follow, Welcome
from data.queries import link_clicks
from data.queries import rules as rule_rows
from data.rules.links import ELSEWHERE, Via, mark_of
from data.rules.welcome import WelcomeRule
from tests.api.conftest import Caller
from tests.facts import settle


async def test_a_link_is_made_changed_and_retired_and_tells_who_followed_it(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redirects, "STORE_SECONDS", 30.0)
    await caller.read_directory()
    tag_ids = [tag.id for tag in caller.sandbox.world.tags][:1]
    asked = {"name": "春茶", "url": "https://shop.example.com/春茶", "tag_ids": tag_ids, "tells_staff": True}
    status, made = await caller.call("POST", "/links", asked)
    assert (status, made["made_by"], made["tag_ids"]) == (201, "everything", tag_ids)
    assert (made["url"], made["address"]) == ("https://shop.example.com/%E6%98%A5%E8%8C%B6", "")
    assert (await caller.call("POST", "/links", asked))[1]["error"]["code"] == "conflict"
    link = f"/links/{made['id']}"
    assert await caller.call("GET", link) == (200, made)
    assert (await caller.call("GET", "/links"))[1] == {"items": [made], "next_before_id": None}
    _, changed = await caller.call("PATCH", link, {"url": "https://shop.example.com/new", "tag_ids": []})
    assert (changed["url"], changed["tag_ids"], changed["tells_staff"]) == ("https://shop.example.com/new", [], True)

    async with caller.http.get(f"{caller.bot.url}/l/{made['code']}", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (302, "https://shop.example.com/new")
    now = caller.bot.clock.now()
    for whom in ("wmA", "wmA", "wmB"):
        await caller.bot.db.write(link_clicks.record_click, made["id"], whom, ELSEWHERE, now)
    assert [(await caller.call("GET", link))[1][name] for name in ("customers", "clicks")] == [2, 3]
    _, first = await caller.call("GET", f"{link}/clicks?limit=1")
    _, rest = await caller.call("GET", f"{link}/clicks?before_id={first['next_before_id']}")
    assert [(each["external_userid"], each["clicks"]) for each in first["items"] + rest["items"]] == [
        ("wmB", 1), ("wmA", 2),
    ]  # fmt: skip
    _, mine = await caller.call("GET", "/customers/wmA/clicks")
    assert [(each["link"], each["run_id"], each["campaign_id"]) for each in mine["items"]] == [("春茶", 0, None)]
    _, held = await caller.call("GET", "/customers/wmA/export")
    assert [row["clicks"] for row in held["tables"]["link_clicks"]] == [2]

    greeting = {"name": "默认", "content": {"text": "{{ link_春茶 }}"}}
    status, refused = await caller.call("POST", "/welcome-rules", greeting)
    assert (status, [each["path"] for each in refused["error"]["problems"]]) == (422, ["content.text"]), "no public_url"
    await caller.bot.db.write(rule_rows.save_welcome_rule, WelcomeRule.model_validate(greeting), now)
    status, refused = await caller.call("POST", f"{link}/retire")
    assert (status, "welcome rule 1 默认" in refused["error"]["message"]) == (409, True)
    _, retired = await caller.call("POST", f"{link}/retire?force=true")
    assert retired["retired_at"] is not None
    async with caller.http.get(f"{caller.bot.url}/l/{made['code']}", allow_redirects=False) as answer:
        assert (answer.status, "Location" in answer.headers) == (410, False)
        assert "这个链接已经失效" in await answer.text()
    for method, path in (("GET", "/links/77"), ("PATCH", "/links/77"), ("POST", "/links/77/retire"),
                         ("GET", "/links/77/clicks")):  # fmt: skip
        assert (await caller.call(method, path, {} if method == "PATCH" else None))[0] == 404


async def test_a_mini_program_reports_who_opened_it_once(caller: Caller) -> None:
    _, made = await caller.call("POST", "/links", {"name": "spring", "url": "https://a.example"})
    now, db = caller.bot.clock.now(), caller.bot.db

    def furnish(session: Session) -> None:
        for whom, unionid in (("wm1", "oU1"), ("wm2", "oTwo"), ("wm3", "oTwo")):
            session.add(Customer(external_userid=whom, unionid=unionid, first_seen_at=now))
            session.add(Follow(userid="ann", external_userid=whom, status="present", changed_at=now))
        settle(session)
        session.add(Welcome(
            event_id=70, kind="add", userid="ann", external_userid="wm1", rule_id=4, status="sent", received_at=now,
        ))  # fmt: skip

    await db.write(furnish)
    mark = mark_of(made["code"], Via(event_id=70))
    reports: list[tuple[dict[str, str], str]] = [
        ({"unionid": "oU1"}, "customer"), ({"external_userid": "wm1"}, "customer"), ({"unionid": "oTwo"}, "outsider"),
        ({"unionid": "oNobody"}, "outsider"), ({"external_userid": "wmNobody"}, "outsider"),
    ]  # fmt: skip
    for number, (who, visitor) in enumerate(reports):
        headers = {"Authorization": f"Bearer {caller.token}", "Idempotency-Key": str(number)}
        for _ in range(2):
            report = {"mark": mark, **who}
            url = f"{caller.bot.url}/api/v1/links/openings"
            async with caller.http.post(url, json=report, headers=headers) as answer:
                assert (answer.status, await answer.json()) == (200, {"visitor": visitor})
    _, told = await caller.call("GET", f"/links/{made['id']}")
    assert (told["customers"], told["clicks"], told["other_clicks"]) == (1, 2, {"outsider": 3})
    assert told["welcomes"] == [{"rule_id": 4, "name": "", "customers": 1, "clicks": 2}]
    for wrong, status in (
        ({"mark": mark}, 422), ({"mark": mark, "unionid": "a", "external_userid": "b"}, 422), ({"unionid": "a"}, 422),
        ({"mark": "x" * 99, "unionid": "a"}, 422), ({"mark": "4fQ0zKm9Xb-1", "unionid": "oU1"}, 404),
        ({"mark": "", "unionid": "oU1"}, 404),
    ):  # fmt: skip
        assert (await caller.call("POST", "/links/openings", wrong))[0] == status, wrong
    await caller.call("POST", f"/links/{made['id']}/retire")
    assert (await caller.call("POST", "/links/openings", {"mark": mark, "unionid": "oU1"}))[0] == 404


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
async def test_what_is_wrong_with_a_link_is_told_by_field(caller: Caller) -> None:
    for asked, path in (
        ({"name": "a b"}, "name"), ({"name": ""}, "name"), ({"name": "x" * 33}, "name"),
        ({"url": "javascript:alert(1)"}, "url"), ({"url": "https://a.example/\r\nX: y"}, "url"),
        ({"url": "https://u@a.example"}, "url"), ({"url": "https://中文.example"}, "url"),
        ({"tag_ids": ["etNone"]}, "tag_ids"), ({"code": "mine"}, "code"), ({"tag_ids": ["x"] * 21}, "tag_ids"),
    ):  # fmt: skip
        body = {"name": "spring", "url": "https://a.example", **asked}
        status, told = await caller.call("POST", "/links", body)
        assert (status, [each["path"] for each in told["error"]["problems"]]) == (422, [path]), asked
    _, made = await caller.call("POST", "/links", {"name": "spring", "url": "https://a.example"})
    for edit, path in (({"url": "//evil"}, "url"), ({"name": "x"}, "name"), ({"tag_ids": ["etNone"]}, "tag_ids")):
        status, told = await caller.call("PATCH", f"/links/{made['id']}", edit)
        assert (status, [each["path"] for each in told["error"]["problems"]]) == (422, [path]), edit
