"""Channels over the API, with the local WeCom behind it: made once, changed, copied, switched, handed in as a file."""

from __future__ import annotations

import asyncio
import base64
import io
import zipfile

from data.queries import channel_days as day_rows
from tests.api.conftest import Caller

CSV = "name,userids,fallback\n门店一,{first},{last}\n坏行,nobody,{last}\n"


async def test_channels(caller: Caller) -> None:
    await caller.read_directory()
    first, last = (member.userid for member in (caller.sandbox.world.population.service[each] for each in (0, -1)))
    draft = {"name": "前台", "userids": [first], "fallback": last, "state": "front", "daily_cap": 30}
    status, wrong = await caller.call("POST", "/channels", {**draft, "userids": ["nobody"], "state": "a b"})
    assert (status, [each["path"] for each in wrong["error"]["problems"]]) == (422, ["state"])
    status, made = await caller.call("POST", "/channels", draft)
    assert (status, made["status"], made["on_code"], made["because"]) == (201, "made", [first], "planned"), made
    assert (await caller.call("POST", "/channels", draft))[0] == 409, "a state is nobody else's"
    path = f"/channels/{made['id']}"

    tags = [next(iter(caller.sandbox.world.tags)).id]
    status, changed = await caller.call("PATCH", path, {"welcome": {"text": "欢迎"}, "tag_ids": tags, "version": 1})
    assert (status, changed["welcome"]["text"], changed["version"]) == (200, "欢迎", 2), changed
    assert (await caller.call("PATCH", path, {"name": "x", "version": 1}))[0] == 409
    assert (await caller.call("PATCH", path, {"state": "other"}))[0] == 409, "it is printed"
    status, bare = await caller.call("PATCH", path, {"welcome": None, "tag_ids": []})
    assert (status, bare["welcome"], bare["welcome_rule_id"], bare["tag_ids"]) == (200, None, None, [])
    assert (await caller.call("GET", "/welcome-rules"))[1]["items"] == []

    for act, on_code in (("pause", last), ("resume", first), ("archive", last), ("restore", first)):
        assert (await caller.call("POST", f"{path}/{act}"))[1]["on_code"] == [on_code], act
    assert (await caller.call("POST", f"{path}/again"))[0] == 409, "nothing is wrong with it"
    status, copy = await caller.call("POST", f"{path}/copy", {"name": "副本"})
    assert (status, copy["daily_cap"], copy["state"] != "front") == (201, 30, True)
    for asked, names in (("", {"前台", "副本"}), ("?text=副本", {"副本"})):
        headers = {"Authorization": f"Bearer {caller.token}"}
        async with caller.http.get(f"{caller.bot.url}/api/v1/channels/codes.zip{asked}", headers=headers) as zipped:
            assert (zipped.status, zipped.content_type) == (200, "application/zip")
            with zipfile.ZipFile(io.BytesIO(await zipped.read())) as file:
                assert all(any(name in each for each in file.namelist()) for name in names), file.namelist()
                assert len([each for each in file.namelist() if each.endswith(".png")]) == len(names)
    assert (await caller.call("GET", "/channels/codes.zip?import_id=99"))[0] == 404
    _, code = await caller.call("GET", f"{path}/code")
    assert base64.b64decode(code["content"]).startswith(b"\x89PNG")
    assert "前台" in code["poster_svg"]
    _, listed = await caller.call("GET", "/channels/own?limit=1")
    assert [each["id"] for each in listed["items"]] == [copy["id"]]
    assert listed["next_before_id"] == copy["id"]
    assert made["config_id"] in {each["config_id"] for each in (await caller.call("GET", "/channels"))[1]["items"]}

    status, link = await caller.call("POST", "/channels", {**draft, "kind": "link", "name": "广告", "state": "ads"})
    assert (status, link["status"], link["address"][-21:]) == (201, "made", "?customer_channel=ads"[-21:]), link
    _, listed = await caller.call("GET", "/channels/own?kind=link")
    assert [each["id"] for each in listed["items"]] == [link["id"]]
    for asked, found in ((f"member={last}", 3), ("member=nobody", 0), (f"member={last}&trouble=true", 0)):
        assert len((await caller.call("GET", f"/channels/own?{asked}"))[1]["items"]) == found, asked
    assert (await caller.call("PATCH", f"/channels/{link['id']}", {"kind": "code"}))[0] == 409
    assert (await caller.call("GET", f"/channels/{link['id']}/link"))[1] == {"days": [], "customers": 0, "written": 0}
    assert (await caller.call("GET", f"{path}/link"))[0] == 404
    assert (await caller.call("GET", "/channels/quota"))[1]["balance"] == 500
    _, code = await caller.call("GET", f"/channels/{link['id']}/code")
    assert base64.b64decode(code["content"]).startswith(b"\x89PNG")
    assert (await caller.call("POST", f"{path}/delete"))[0] == 409, "a printed code must never die"
    assert (await caller.call("POST", f"/channels/{link['id']}/delete"))[1]["status"] == "deleted"

    content = CSV.format(first=first, last=last).encode()
    status, read = await caller.call("POST", "/channels/imports?filename=a.csv", data=content)
    assert (status, read["rows"], [each["row"] for each in read["faults"]]) == (201, 1, [3]), read
    assert (await caller.call("POST", f"/channels/imports/{read['id']}/start"))[0] == 200
    await caller.bot.runner.run_now("channels")
    async with asyncio.timeout(60):
        while (await caller.call("GET", f"/channels/imports/{read['id']}"))[1]["channels"] != {"made": 1}:
            await asyncio.sleep(0.05)

    caller.sandbox.machine.people.scan(state="front")
    await caller.settle()
    now, zone = caller.bot.clock.now(), caller.bot.settings.zone
    await caller.bot.db.write(day_rows.count_day, now.astimezone(zone).date(), now, zone)
    _, days = await caller.call("GET", f"{path}/statistics")
    assert (len(days["items"]), days["items"][-1]["added"], days["items"][-1]["people"]) == (30, 1, 1)
    _, numbers = await caller.call("GET", "/channels/statistics")
    assert [(each["state"], each["name"], each["added"]) for each in numbers["items"]] == [("front", "前台", 1)]
    assert (await caller.call("GET", "/channels/statistics?since=2020-01-01"))[0] == 400
    assert (await caller.call("GET", "/channels/999"))[0] == 404
