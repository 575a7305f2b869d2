"""Hand-overs, leavers and join codes through the API."""

from __future__ import annotations

from datetime import timedelta

from sqlmodel import Session

from bot.sandbox.faults import Fault
from data.models import OwnerDay
from tests.api.conftest import Caller
from tests.api.test_markings import synced


async def test_hand_overs_leavers_and_join_ways(caller: Caller) -> None:
    await synced(caller)
    world = caller.sandbox.world
    leaver, taker = [member.userid for member in world.population.service][:2]
    theirs = len(list(world.customers.listed_by(leaver)))
    caller.sandbox.machine.faults.add(Fault(0, "api", "errcode", on="externalcontact/resigned/transfer_customer",
                                            errcode=40205))  # fmt: skip
    caller.sandbox.machine.staff_acts.leave(leaver)
    await caller.bot.runner.run_now("poll_directory")
    _, told = await caller.call("POST", "/leavers/read")
    assert [(each["userid"], each["customers"]) for each in told["items"]] == [(leaver, theirs)]
    assert (await caller.call("GET", "/leavers"))[1] == told
    assert (await caller.call("GET", f"/leavers/{leaver}"))[1]["customers"] == theirs
    asked = {"userid": leaver, "takeovers": [{"userid": taker}], "customers": {"everyone": True}, "groups": True}
    status, looked = await caller.call("POST", "/handovers", {**asked, "dry_run": True})
    assert (status, looked["shares"]) == (200, {taker: theirs})
    status, refused = await caller.call("POST", "/handovers?dry_run=true", asked)
    assert (status, "dry_run" in refused["error"]["message"]) == (400, True), "it belongs into the body"
    status, refused = await caller.call("POST", "/handovers", {**asked, "takeovers": [{"userid": "nobody"}]})
    assert (status, refused["error"]["problems"][0]["path"]) == (422, "takeovers[0].userid")
    status, made = await caller.call("POST", "/handovers", asked)
    assert (status, made["customers"]) == (201, {"planned": theirs})
    path = f"/handovers/{made['id']}"
    await caller.bot.runner.run_now("handovers")
    _, paused = await caller.call("GET", path)
    assert (paused["status"], "40205" in paused["error"], paused["shares"]) == (
        "paused", True, {taker: {"planned": theirs}},
    )  # fmt: skip
    caller.sandbox.machine.faults.clear()
    assert (await caller.call("POST", f"{path}/resume"))[1]["status"] == "running"
    await caller.bot.runner.run_now("handovers")
    _, running = await caller.call("GET", path)
    assert (running["customers"], running["causes"]) == ({"waiting": theirs}, [])
    _, customers = await caller.call("GET", f"{path}/customers?status=waiting&limit=2")
    assert (len(customers["items"]), customers["next_before_id"]) == (2, customers["items"][-1]["id"])
    _, groups = await caller.call("GET", f"{path}/groups")
    assert {each["status"] for each in groups["items"]} <= {"done"}
    assert [each["id"] for each in (await caller.call("GET", "/handovers"))[1]["items"]] == [made["id"]]
    assert (await caller.call("POST", f"{path}/pause"))[0] == 200
    assert (await caller.call("POST", f"{path}/cancel"))[1]["status"] == "cancelled"
    assert (await caller.call("POST", f"{path}/resume"))[0] == 409
    assert (await caller.call("GET", "/handovers/77/customers"))[0] == 404

    group = next(each for each in world.groups if not each.dismissed)
    way = {"name": "门店", "chat_ids": [group.chat_id], "base_name": "会员群"}
    status, refused = await caller.call("POST", "/join-ways", {**way, "chat_ids": ["wrNone"]})
    assert (status, refused["error"]["problems"][0]["path"]) == (422, "chat_ids[0]")
    status, made = await caller.call("POST", "/join-ways", way)
    assert (status, made["status"], bool(made["qr_code"])) == (201, "made", True)
    path = f"/join-ways/{made['id']}"
    # All are full, and WeCom opens another by itself: a change by somebody who does not know of it yet leaves it there.
    caller.sandbox.machine.group_acts.members_max = 1
    opened = caller.sandbox.machine.group_acts.join("", [], config_id=made["config_id"])
    assert opened.chat_id != group.chat_id
    status, changed = await caller.call("PATCH", path, {"base_name": "老客户群"})
    assert (status, changed["base_name"], changed["chat_ids"]) == (200, "老客户群", [group.chat_id, opened.chat_id])
    on_code = world.ways.join[made["config_id"]]
    assert (on_code.room_base_name, on_code.chat_id_list) == ("老客户群", [group.chat_id, opened.chat_id])
    await caller.settle()
    assert (await caller.call("POST", f"{path}/again"))[0] == 409
    status, again = await caller.call("POST", f"{path}/read")
    assert (status, again["chat_ids"], again["joined"] in (0, 1)) == (200, changed["chat_ids"], True)
    assert (await caller.call("GET", path))[1]["state"] == made["state"]
    assert len((await caller.call("GET", "/join-ways"))[1]["items"]) == 1
    assert (await caller.call("DELETE", path))[1] == {"removed": made["id"]}
    assert (await caller.call("GET", path))[0] == 404
    await check_groups(caller, group.chat_id)


async def check_groups(caller: Caller, chat_id: str) -> None:
    """Groups are listed, one shown with who is in it, and what WeCom counts of them."""
    group = caller.sandbox.world.groups.get(chat_id)
    status, page = await caller.call("GET", "/groups?limit=1")
    assert (status, len(page["items"])) == (200, 1)
    _, others = await caller.call("GET", f"/groups?limit=200&before={page['next_before']}")
    listed = [each["chat_id"] for each in (*page["items"], *others["items"])]
    assert sorted(listed) == sorted(each.chat_id for each in caller.sandbox.world.groups if not each.dismissed)
    assert (await caller.call("GET", "/groups?before=nonsense"))[0] == 400
    _, found = await caller.call("GET", f"/groups?q={chat_id}")
    assert [(each["name"], each["owner"]) for each in found["items"]] == [(group.name, group.owner)]
    _, one = await caller.call("GET", f"/groups/{chat_id}")
    assert (one["members"], len(one["days"])) == (len(group.members), 30)
    _, members = await caller.call("GET", f"/groups/{chat_id}/members?limit=500")
    assert {each["userid"] for each in members["items"]} == {each.userid for each in group.members}
    assert (await caller.call("POST", f"/groups/{chat_id}/read"))[1]["members"] == len(group.members)
    for method, path in (("GET", "/groups/wrNone/members"), ("POST", "/groups/wrNone/read")):
        assert (await caller.call(method, path))[0] == 404

    today = caller.bot.clock.now().astimezone(caller.bot.settings.zone).date()
    names = ("chats_total", "members_total", "messages")

    def count(session: Session) -> None:
        for back, owner, numbers in ((1, "ann", (2, 9, 5)), (1, "bo", (1, 3, 1)), (2, "ann", (2, 8, 7))):
            day = today - timedelta(days=back)
            session.add(OwnerDay(day=day, userid=owner, **dict(zip(names, numbers, strict=True))))

    await caller.bot.db.write(count)
    _, told = await caller.call("GET", "/groups/statistics")
    assert [tuple(each[name] for name in names) for each in told["days"]] == [(2, 8, 7), (3, 12, 6)]
    assert [(each["userid"], *(each[name] for name in names)) for each in told["owners"]] == [
        ("ann", 2, 9, 12), ("bo", 1, 3, 1),
    ]  # fmt: skip
    _, told = await caller.call("GET", f"/groups/statistics?owner=bo&since={today - timedelta(days=9)}")
    assert [each["members_total"] for each in told["days"]] == [3]
    assert (await caller.call("GET", "/groups/statistics?since=2020-01-01"))[0] == 400
