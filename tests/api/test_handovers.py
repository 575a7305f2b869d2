"""Hand-overs, leavers and join codes through the API."""

from __future__ import annotations

from bot.sandbox.faults import Fault
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
    assert (await caller.call("PATCH", path, {"base_name": "老客户群"}))[1]["base_name"] == "老客户群"
    assert world.ways.join[made["config_id"]].room_base_name == "老客户群"
    assert (await caller.call("POST", f"{path}/again"))[0] == 409
    assert (await caller.call("GET", path))[1]["state"] == made["state"]
    assert len((await caller.call("GET", "/join-ways"))[1]["items"]) == 1
    assert (await caller.call("DELETE", path))[1] == {"removed": made["id"]}
    assert (await caller.call("GET", path))[0] == 404
