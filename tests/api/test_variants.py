"""Several contents of one wave through the API: made, previewed, changed, written anew, explained."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session

from data.queries import campaigns as rows
from tests.api.conftest import Caller
from tests.api.test_campaigns import synced, until

NAMES = ("甲", "</td><script>")


def split_wave(**more: Any) -> dict[str, Any]:
    """A wave with two contents and a hold-out."""
    variants = [{"name": name, "weight": 1, "content": {"text": f"{name}，我是{{{{ staff_name }}}}"}} for name in NAMES]
    return {"variants": variants, "hold_out_percent": 20, "audience": {"everyone": True}, **more}


async def test_variants_are_counted_changed_and_explained(caller: Caller) -> None:
    await synced(caller)
    _, told = await caller.call("POST", "/campaigns/preview", split_wave())
    assert [each["name"] for each in told["variants"]] == list(NAMES)
    assert sum(each["recipients"] for each in told["variants"]) == told["recipients"]
    assert told["matched"] == told["recipients"] + sum(told["left_out"].values())
    assert told["left_out"]["hold_out"] > 0
    assert told["words"] == told["variants"][0]["words"]
    assert not any("{{" in each["words"] for each in told["variants"])

    status, made = await caller.call("POST", "/campaigns", {"name": "对比", "waves": [split_wave()]})
    assert (status, made["waves"][0]["hold_out_percent"]) == (201, 20)
    campaign, (kept,) = f"/campaigns/{made['id']}", made["waves"]
    new = [{**kept["variants"][0], "content": {"text": "新的话"}}, kept["variants"][1]]
    status, changed = await caller.call(
        "PATCH", campaign, {"version": 1, "waves": [{"id": kept["id"], "variants": new}]}
    )
    assert (status, changed["version"]) == (200, 2)
    assert changed["waves"][0]["variants"][0]["content"]["text"] == "新的话"
    assert changed["waves"][0]["hold_out_percent"] == 20
    single = {"id": kept["id"], "variants": [], "content": {"text": "只有一种"}}
    _, changed = await caller.call("PATCH", campaign, {"version": 2, "waves": [single]})
    assert changed["waves"][0]["variants"] == []
    again = {"id": kept["id"], "variants": new, "content": None}
    status, changed = await caller.call("PATCH", campaign, {"version": 3, "waves": [again]})
    assert (status, changed["waves"][0]["content"]) == (200, {"text": "", "attachments": []})

    _, previews = await caller.call("POST", f"{campaign}/preview")
    (told,) = previews["waves"]
    await caller.call("POST", f"{campaign}/start")
    run = await until(caller, campaign, "awaiting")
    assert (run["recipients"], run["left_out"]) == (told["recipients"], told["left_out"])
    _, batches = await caller.call("GET", f"{campaign}/batches?limit=200")
    assert {each["variant"] for each in batches["items"]} == set(NAMES)
    _, held = await caller.call("GET", f"/runs/{run['id']}/recipients?state=hold_out&limit=1000")
    assert len(held["items"]) == told["left_out"]["hold_out"]
    whom = held["items"][0]["external_userid"]
    _, why = await caller.call("GET", f"/runs/{run['id']}/recipients?external_userid={whom}")
    assert {each["external_userid"] for each in why["items"]} == {whom}
    assert [each["state"] for each in why["items"]].count("hold_out") == 1
    _, waiting = await caller.call("GET", f"/runs/{run['id']}/recipients?state=waiting&limit=1000")
    counted = [sum(each["variant"] == name for each in waiting["items"]) for name in NAMES]
    assert counted == [each["recipients"] for each in told["variants"]]

    order = {"source": "shop", "number": "1", "status": "paid", "amount_fen": 12_345, "external_userid": whom}
    await caller.call("POST", "/orders", {**order, "placed_at": caller.bot.clock.now().isoformat()})
    status, compared = await caller.call("GET", f"/runs/{run['id']}/comparison?days=30")
    assert (status, [each["name"] for each in compared["groups"]]) == (200, [*NAMES, "对照组"])
    assert [each["customers"] for each in compared["groups"]] == [*counted, len(held["items"])]
    assert [each["amount_fen"] for each in compared["groups"]] == [0, 0, 12_345]
    assert {each["verdict"] for each in compared["comparisons"]} == {"too_few"}
    assert (await caller.call("GET", f"/runs/{run['id']}/comparison?days=91"))[0] == 422
    assert (await caller.call("GET", "/runs/77/comparison"))[0] == 404

    wave = f"/waves/{kept['id']}"
    status, added_up = await caller.call("GET", f"{wave}/comparison?days=30")
    assert (status, added_up["run_ids"], added_up["groups"]) == (200, [run["id"]], compared["groups"])
    assert (await caller.call("GET", "/waves/77/comparison"))[0] == 404
    choice = {"variant": NAMES[1], "days": 30}
    assert (await caller.call("POST", f"{wave}/winner", choice))[0] == 409, "nothing is to come"
    await caller.bot.db.write(add_run, kept["id"], caller.bot.clock.now() + timedelta(days=1))
    status, told = await caller.call("POST", f"{wave}/winner", {"variant": "丁"})
    assert (status, told["error"]["problems"][0]["path"]) == (422, "variant")
    status, told = await caller.call("POST", f"{wave}/winner", choice)
    assert (status, told["version"]) == (200, changed["version"])
    (winner,) = told["winners"]
    assert (winner["wave_id"], winner["variant"], winner["chosen_by"]) == (kept["id"], NAMES[1], "everything")
    assert [each["variant"] for each in told["runs"]] == ["", ""], "one has begun, the other not yet"
    content = f"/runs/{told['runs'][1]['id']}/content"
    alone = {"variants": [{"name": NAMES[1], "content": {"text": "只有这一个"}}]}
    assert (await caller.call("PUT", content, {"variants": [{**alone["variants"][0], "name": "甲"}]}))[0] == 422
    assert (await caller.call("PUT", content, alone))[0] == 200
    assert (await caller.call("DELETE", f"{wave}/winner"))[0] == 409, "there are words for one alone"
    both = {"variants": [*alone["variants"], {"name": NAMES[0], "content": {"text": "又有了"}}]}
    assert (await caller.call("PUT", content, both))[0] == 200
    status, told = await caller.call("DELETE", f"{wave}/winner")
    assert (status, told["winners"]) == (200, [])
    assert (await caller.call("DELETE", f"{wave}/winner"))[0] == 409
    _, winners = await caller.call("GET", f"{wave}/winners")
    (winner,) = winners["items"]
    assert (winner["variant"], winner["undone_by"], winner["figures"]) == (NAMES[1], "everything", added_up)


def add_run(session: Session, wave_id: int, due_at: datetime) -> None:
    """One more sending of a wave."""
    session.add(rows.new_run(rows.get_wave(session, wave_id), due_at))


async def test_what_is_wrong_with_variants_is_told_with_its_path(caller: Caller) -> None:
    await caller.read_directory()
    (a, b) = split_wave()["variants"]
    image = {"msgtype": "image", "image": {"media": "nothing"}}
    for more, path in (
        ({"content": {"text": "x"}}, "content"),
        ({"variants": []}, "content"),
        ({"variants": [a]}, "variants"),
        ({"variants": [a, {**b, "name": "甲"}]}, "variants[1].name"),
        ({"variants": [a, {**b, "name": "乙\u0007"}]}, "variants[1].name"),
        ({"variants": [a, {**b, "weight": 0}]}, "variants[1].weight"),
        ({"variants": [a, {**b, "content": {"text": "长" * 1334}}]}, "variants[1].content.text"),
        ({"variants": [a, {**b, "content": {"text": "{{ customer_name }}"}}]}, "variants[1].content.text"),
        ({"variants": [a, {**b, "content": {"text": ""}}]}, "variants[1].content"),
        (
            {"variants": [a, {**b, "content": {"attachments": [image]}}]},
            "variants[1].content.attachments[0].image.media",
        ),
        ({"hold_out_percent": 91}, "hold_out_percent"),
    ):
        for route, asked, where in (
            ("/campaigns/preview", split_wave(**more), path),
            ("/campaigns", {"name": "x", "waves": [split_wave(**more)]}, f"waves[0].{path}"),
        ):
            status, told = await caller.call("POST", route, asked)
            assert (status, [each["path"] for each in told["error"]["problems"]]) == (422, [where])
    groups = {"kind": "groups", "content": {"text": "x"}, "audience": {"everyone": True}, "hold_out_percent": 5}
    status, told = await caller.call("POST", "/campaigns", {"name": "x", "waves": [groups]})
    assert (status, told["error"]["problems"][0]["path"]) == (422, "waves[0]")
    assert "发给客户的波次" in told["error"]["problems"][0]["message"]


async def test_each_sending_may_have_words_of_its_own_for_each_variant(caller: Caller) -> None:
    await synced(caller)
    _, made = await caller.call("POST", "/campaigns", {"name": "对比", "waves": [split_wave()]})
    at = (caller.bot.clock.now() + timedelta(hours=1)).isoformat()
    _, started = await caller.call("POST", f"/campaigns/{made['id']}/start", {"at": at})
    content = f"/runs/{started['runs'][0]['id']}/content"
    words = [{"name": name, "content": {"text": f"新{name}"}} for name in reversed(NAMES)]
    for body, path in (
        ({"text": "x"}, "variants"),
        ({"variants": words[:1]}, "variants"),
        (
            {"variants": [words[0], {**words[1], "content": {"text": "{{ customer_name }}"}}]},
            "variants[0].content.text",
        ),
    ):
        status, told = await caller.call("PUT", content, body)
        assert (status, path in [each["path"] for each in told["error"]["problems"]]) == (422, True)
    status, run = await caller.call("PUT", content, {"variants": words})
    assert status == 200
    assert [each["name"] for each in run["content"]["variants"]] == list(NAMES)
    await until(caller, f"/campaigns/{made['id']}", "awaiting", minutes=10)
    texts = {str(send.content[0][1]["content"]) for send in caller.sandbox.world.group_sends}
    assert texts == {f"新{name}" for name in NAMES}
    assert (await caller.call("PUT", content, {"variants": words}))[0] == 409
