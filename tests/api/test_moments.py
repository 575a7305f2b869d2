"""Moments posts through the API: planned, previewed, followed."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from tests.api.conftest import Caller
from tests.api.test_campaigns import synced
from tests.sandbox.test_media import PNG


def post(**more: Any) -> dict[str, Any]:
    """A post, as a part of a campaign."""
    return {"kind": "moments", "content": {"text": "{{ campaign_name }}：{{ date }}新品到店"}, **more}


async def test_a_post_is_made_looked_at_and_listed(caller: Caller) -> None:
    await synced(caller)
    world = caller.sandbox.world
    everybody = [member.userid for member in world.population.service]
    status, told = await caller.call("POST", "/campaigns/preview", post())
    assert status == 200
    assert (told["publishers"], told["matched"], told["left_out"]) == (len(everybody), len(everybody), {})
    assert {each["userid"] for each in told["members"]} == set(everybody)
    assert max(each["customers"] for each in told["members"]) <= told["customers"]
    assert (told["opted_out"], told["words"][:4]) == (0, "本次活动")
    userid = told["members"][0]["userid"]
    whom = next(iter(world.customers.listed_by(userid)))
    assert (await caller.call("PUT", f"/customers/{whom}/preference", {"opted_out": True}))[0] == 200
    _, mine = await caller.call("POST", "/campaigns/preview", post(visible={"userids": [userid.upper()]}))
    assert (mine["publishers"], mine["opted_out"]) == (1, 1)
    assert mine["customers"] == mine["members"][0]["customers"] == told["members"][0]["customers"]
    tag = next(tag.id for tag in world.tags if any(world.customers.tagged(userid, [{tag.id}])))
    _, tagged = await caller.call(
        "POST", "/campaigns/preview", post(visible={"userids": [everybody[0], userid], "tag_ids": [tag]})
    )
    assert 1 <= tagged["customers"] < mine["customers"] + len(list(world.customers.listed_by(everybody[0])))
    department = world.directory.get(userid).department[0]
    _, inside = await caller.call("POST", "/campaigns/preview", post(visible={"department_ids": [department]}))
    assert userid in {each["userid"] for each in inside["members"]}

    broadcast = {"content": {"text": "您好"}, "audience": {"everyone": True}}
    status, made = await caller.call(
        "POST", "/campaigns", {"name": "三月上新", "waves": [post(visible={"userids": [userid]}), broadcast]}
    )
    assert status == 201
    assert [each["kind"] for each in made["waves"]] == ["moments", "customers"]
    assert made["waves"][0]["visible"] == {"userids": [userid], "department_ids": [], "tag_ids": []}
    _, previews = await caller.call("POST", f"/campaigns/{made['id']}/preview")
    assert previews["waves"][0]["words"].startswith("三月上新")
    assert previews["waves"][1]["recipients"] > 0
    assert await caller.call("GET", f"/campaigns/{made['id']}") == (200, made)


async def test_what_cannot_be_posted_is_told_with_its_path(caller: Caller) -> None:
    await caller.read_directory()
    image = {"msgtype": "image", "image": {"media": "nothing"}}
    for body, path in (
        (post(content={"text": "{{ staff_name }}"}), "content.text"),
        (post(content={"text": "x" * 2001}), "content.text"),
        (post(content={"text": ""}), "content"),
        (post(content={"text": "x", "attachments": [image]}), "content.attachments[0].image.media"),
        (post(visible={"userids": ["nobody"]}), "visible.userids[0]"),
        (post(visible={"department_ids": [1, 987654]}), "visible.department_ids[1]"),
        (post(visible={"tag_ids": ["etNone"]}), "visible.tag_ids[0]"),
        (post(visible={}), "visible"),
        (post(visible={"userids": [], "tag_ids": []}), "visible"),
        (post(audience={"everyone": True}), "audience"),
    ):
        for route, asked, where in (
            ("/campaigns/preview", body, path),
            ("/campaigns", {"name": "x", "waves": [post(), body]}, f"waves[1].{path}"),
        ):
            status, told = await caller.call("POST", route, asked)
            assert status == 422
            assert [each["path"] for each in told["error"]["problems"]] == [where]


async def test_a_post_is_started_followed_and_told(caller: Caller) -> None:
    await synced(caller)
    acts, world = caller.sandbox.machine.moment_acts, caller.sandbox.world
    one, other = [member.userid for member in world.population.service][:2]
    status, kept = await caller.call("POST", "/media?filename=a.png", data=PNG)
    assert status == 201
    content = {"text": "新品", "attachments": [{"msgtype": "image", "image": {"media": kept["media"]}}]}
    wave = post(content=content, visible={"userids": [one, other]})
    _, made = await caller.call("POST", "/campaigns", {"name": "x", "waves": [wave]})
    campaign = f"/campaigns/{made['id']}"
    assert (await caller.call("POST", f"{campaign}/start"))[0] == 200

    async def until(status: str, **step: float) -> dict[str, Any]:
        async with asyncio.timeout(60):
            while True:
                _, told = await caller.call("GET", f"{campaign}/batches")
                _, runs = await caller.call("GET", campaign)
                if told["items"] and status in (told["items"][0]["status"], runs["runs"][0]["status"]):
                    return dict(runs["runs"][0])
                for job in ("campaigns", "moments", "campaign_results"):
                    await caller.bot.runner.run_now(job)
                caller.bot.clock.advance(timedelta(**step))

    run = await until("created", minutes=10)
    _, told = await caller.call("GET", f"{campaign}/batches")
    (batch,) = told["items"]
    assert (batch["kind"], batch["recipients"], batch["ignored"]) == ("moments", 2, None)
    (moment,) = world.moments
    assert batch["msgid"] == moment.moment_id
    acts.publish(one, moment.moment_id)
    seers = world.moments.tasks(moment.moment_id)[one].seers()
    acts.react(one, moment.moment_id, seers[0])
    acts.react(one, moment.moment_id, seers[1], "好看")
    await until("finished", hours=5)

    runs = f"/runs/{run['id']}"
    _, first = await caller.call("GET", f"{runs}/publishers?limit=1")
    _, rest = await caller.call("GET", f"{runs}/publishers?after={first['next_after']}")
    members = {each["userid"]: each for each in first["items"] + rest["items"]}
    assert {userid: each["state"] for userid, each in members.items()} == {one: "published", other: "stopped"}
    assert (members[one]["audience"], members[one]["likes"], members[one]["comments"]) == (len(seers), 1, 1)
    _, stopped = await caller.call("GET", f"{runs}/publishers?state=stopped")
    assert [each["userid"] for each in stopped["items"]] == [other]
    assert (await caller.call("GET", f"{runs}/publishers?state=x"))[0] == 422
    _, reactions = await caller.call("GET", f"{runs}/reactions")
    assert {(each["external_userid"], each["kind"]) for each in reactions["items"]} == {
        (seers[0], "like"), (seers[1], "comment"),
    }  # fmt: skip
    _, page = await caller.call("GET", f"{runs}/reactions?limit=1")
    _, older = await caller.call("GET", f"{runs}/reactions?before_id={page['next_before_id']}")
    assert page["items"] + older["items"] == reactions["items"]
    (result,) = (await caller.call("GET", f"{campaign}/results"))[1]["items"]
    assert (result["sent"], result["stopped"], result["waiting"]) == (1, 1, 0)
    assert result["moments"] == {"audience": len(seers), "likes": 1, "comments": 1}
    _, touches = await caller.call("GET", f"/customers/{seers[0]}/touches")
    assert touches["items"][0]["kind"] == "moment"
    because = touches["items"][0]["because"]
    assert (because["words"], because["moment_id"], because["campaign"]) == ("新品", moment.moment_id, "x")
    _, held = await caller.call("GET", f"/customers/{seers[0]}/export")
    assert [row["kind"] for row in held["tables"]["moment_reactions"]] == ["like"]
    for path in ("/runs/77/publishers", "/runs/77/reactions"):
        assert (await caller.call("GET", path))[0] == 404


async def test_a_post_is_changed_field_by_field_before_it_is_started(caller: Caller) -> None:
    await synced(caller)
    one, other = [member.userid for member in caller.sandbox.world.population.service][:2]
    _, made = await caller.call("POST", "/campaigns", {"name": "x", "waves": [post(visible={"userids": [one]})]})
    wave_id = made["waves"][0]["id"]
    path = f"/campaigns/{made['id']}"
    status, told = await caller.call(
        "PATCH", path, {"version": 1, "waves": [{"id": wave_id, "content": {"text": "新的话"}, "valid_hours": 5}]}
    )
    assert status == 200
    (wave,) = told["waves"]
    assert (wave["content"]["text"], wave["valid_hours"], wave["visible"]["userids"]) == ("新的话", 5, [one])
    _, told = await caller.call(
        "PATCH", path, {"version": 2, "waves": [{"id": wave_id, "visible": {"userids": [other]}}, post()]}
    )
    assert [each["visible"] and each["visible"]["userids"] for each in told["waves"]] == [[other], None]
    again = {"version": 3, "waves": [{"id": each["id"], "visible": each["visible"]} for each in told["waves"]]}
    status, same = await caller.call("PATCH", path, again)
    assert (status, [each["visible"] for each in same["waves"]]) == (200, [each["visible"] for each in told["waves"]])
    status, refused = await caller.call(
        "PATCH", path, {"version": same["version"], "waves": [{"id": wave_id, "visible": {"userids": ["nobody"]}}]}
    )
    assert status == 422
    assert refused["error"]["problems"][0]["path"] == "waves[0].visible.userids[0]"
