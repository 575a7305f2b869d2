"""Moments: a job makes a post, members publish it, customers see it and react."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.clock import FrozenClock
from bot.sandbox.machine import Machine
from bot.sandbox.world import World
from tests.sandbox.conftest import START, Client
from tests.sandbox.test_group_sends import customers_of, members
from tests.sandbox.test_media import PNG, upload

FOLDER = "externalcontact/"
ADD, JOB, CANCEL = FOLDER + "add_moment_task", FOLDER + "get_moment_task_result", FOLDER + "cancel_moment_task"
LIST, TASK, MEANT = FOLDER + "get_moment_list", FOLDER + "get_moment_task", FOLDER + "get_moment_customer_list"
SENT, COMMENTS = FOLDER + "get_moment_send_result", FOLDER + "get_moment_comments"
HELLO = {"text": {"content": "新品到店"}}


async def picture(client: Client) -> str:
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("media", PNG, filename="a.png")
    answer = await client.post("media/upload_attachment", form, media_type="image", attachment_type="1")
    media_id: str = answer["media_id"]
    return media_id


async def post(client: Client, **body: Any) -> str:
    """The moment_id of a new post, whose job has ended."""
    client.sandbox.machine.settings.moment_job_seconds = 0
    result = (await client.get(JOB, jobid=(await client.post(ADD, {**HELLO, **body}))["jobid"]))["result"]
    moment_id: str = result["moment_id"]
    return moment_id


def senders(*userids: str) -> dict[str, Any]:
    return {"visible_range": {"sender_list": {"user_list": list(userids)}}}


async def test_a_post_that_is_refused(client: Client) -> None:
    await client.control("limits", path=ADD, limits={"minute": 1000})
    media_id, other = await picture(client), (await upload(client, "image", "a.png", PNG))["media_id"]
    image = {"msgtype": "image", "image": {"media_id": media_id}}
    link = {"msgtype": "link", "link": {"title": "新", "url": "https://example.com/", "media_id": media_id}}
    for errcode, body in [
        (41089, {}),
        (41089, {"text": {"content": ""}, "attachments": []}),
        (40058, {"text": {"content": "x" * 2001}}),
        (40058, {"text": {"content": "长" * 1334}}),
        (0, {"text": {"content": "长" * 1333}}),
        (0, {"attachments": [image] * 9}),
        (0, {"attachments": [link]}),
        (41064, {"attachments": [image] * 10}),
        (41064, {"attachments": [link] * 2}),
        (41065, {"attachments": [image, link]}),
        (41065, {"attachments": [{"msgtype": "file", "file": {"media_id": media_id}}]}),
        (40007, {"attachments": [{"msgtype": "image", "image": {"media_id": other}}]}),
        (40058, {"attachments": [{"msgtype": "image", "image": {"media_id": ""}}]}),
        (40058, {"attachments": [{"msgtype": "link", "link": {**link["link"], "url": ""}}]}),  # type: ignore[dict-item]
    ]:
        answer = await client.post(ADD, body)
        assert answer["errcode"] == errcode, (str(body)[:150], answer)
    for _ in range(7):
        assert await client.code(ADD, HELLO) == 0
    assert await client.code(ADD, HELLO) == 41078
    for path in (CANCEL, TASK, MEANT, SENT, COMMENTS):
        assert await client.code(path, {}) == 41059
        assert await client.code(path, {"moment_id": "mom-unknown"}) == 41060


async def test_ten_posts_a_minute(client: Client) -> None:
    client.sandbox.machine.settings.moment_job_seconds = 0
    assert [await client.code(ADD, HELLO) for _ in range(11)] == [0] * 10 + [45009]


async def test_a_job_runs_and_tells_what_was_wrong(client: Client, clock: FrozenClock) -> None:
    sender = members(client)[0]
    tag = next(iter(client.sandbox.world.tags)).id
    visible = {
        "sender_list": {"user_list": [sender, "nobody"], "department_list": [99]},
        "external_contact_list": {"tag_list": [tag, "et-unknown"]},
    }
    jobid = (await client.post(ADD, {**HELLO, "visible_range": visible}))["jobid"]
    assert (await client.get(JOB, jobid=jobid))["status"] == 1
    (begun,) = client.sandbox.world.moments
    assert await client.code(TASK, {"moment_id": begun.moment_id}) == 41060
    clock.advance(timedelta(seconds=2))
    assert (await client.get(JOB, jobid=jobid))["status"] == 2
    span = {"start_time": client.sandbox.world.now - 60, "end_time": client.sandbox.world.now + 60}
    assert (await client.post(LIST, span))["moment_list"] == []
    clock.advance(timedelta(seconds=1))
    done = await client.get(JOB, jobid=jobid)
    assert (done["status"], done["type"], done["result"]["errcode"]) == (3, "add_moment_task", 0)
    assert done["result"]["invalid_sender_list"] == {"user_list": ["nobody"], "department_list": [99]}
    assert done["result"]["invalid_external_contact_list"] == {"tag_list": ["et-unknown"]}
    (row,) = (await client.post(LIST, span))["moment_list"]
    assert row == {
        "moment_id": done["result"]["moment_id"], "create_time": int(START.timestamp()), "create_type": 0,
        "visible_type": 0, **HELLO,
    }  # fmt: skip
    for change in ({"start_time": row["create_time"]}, {"end_time": row["create_time"]}, {"filter_type": 1}):
        assert (await client.post(LIST, {**span, **change}))["moment_list"] == []
    assert await client.code(LIST, {"start_time": 0, "end_time": 30 * 86_400 + 1}) == 40058
    assert await client.code(JOB, jobid="unknown") == 40058
    client.sandbox.machine.settings.moment_job_seconds = 0
    for wrong, errcode in (
        (senders("nobody"), 40003),
        ({"visible_range": {"external_contact_list": {"tag_list": ["x"]}}}, 40068),
    ):
        jobid = (await client.post(ADD, {**HELLO, **wrong}))["jobid"]
        assert (await client.get(JOB, jobid=jobid))["result"]["errcode"] == errcode
    clock.advance(timedelta(days=1))
    await client.get_token()
    assert await client.code(JOB, jobid=jobid) == 40058


async def test_who_gets_a_task(client: Client) -> None:
    world = client.sandbox.world

    async def tasks(**body: Any) -> set[str]:
        rows = (await client.post(TASK, {"moment_id": await post(client, **body)}))["task_list"]
        assert {row["publish_status"] for row in rows} <= {0}
        return {row["userid"] for row in rows}

    assert await tasks() == set(members(client))
    sender = members(client)[0]
    assert await tasks(**senders(sender.upper())) == {sender}
    department = world.directory.get(sender).department[0]
    inside = {
        member.userid
        for member in world.population.service
        if {one.id for one in world.directory.below(department)} & set(member.department)
    }
    assert await tasks(visible_range={"sender_list": {"department_list": [department]}}) == inside
    tag = world.tags.add(None, "新标签", 0, [("只此一人", 0)], world.now, 0)[1][0].id
    customer = customers_of(client, sender)[0]
    await client.control("edit", userid=sender, external_userid=customer, add_tags=[tag])
    moment_id = await post(client, visible_range={"external_contact_list": {"tag_list": [tag]}})
    assert [row["userid"] for row in (await client.post(TASK, {"moment_id": moment_id}))["task_list"]] == [sender]
    meant = (await client.post(MEANT, {"moment_id": moment_id, "userid": sender}))["customer_list"]
    assert meant == [{"userid": sender, "external_userid": customer}]
    assert await client.code(MEANT, {"moment_id": moment_id, "userid": members(client)[1]}) == 41061
    assert await client.code(MEANT, {"moment_id": moment_id, "userid": "nobody"}) == 40003


async def test_a_post_is_published_seen_and_liked(client: Client) -> None:
    sender, other = members(client)[:2]
    mine = customers_of(client, sender)
    moment_id = await post(client, **senders(sender, other))
    body = {"moment_id": moment_id, "userid": sender}
    for path in (SENT, COMMENTS):
        assert await client.code(path, body) == 41062
    await client.control("moments/react", 409, external_userid=mine[0], **body)
    await client.control("delete_by_customer", userid=sender, external_userid=mine[0])
    await client.control("staff/publish_moment", **body)
    await client.control("staff/publish_moment", 409, **body)
    first = await client.post(SENT, {**body, "limit": 10})
    rest = await client.post(SENT, {**body, "cursor": first["next_cursor"]})
    assert [row["external_userid"] for row in first["customer_list"] + rest["customer_list"]] == mine[1:]
    assert [post["moment_id"] for post in (await client.read(f"customers/{mine[1]}/moments"))["posts"]] == [moment_id]
    assert (await client.read(f"customers/{mine[0]}/moments"))["posts"] == []
    await client.control("moments/react", external_userid=mine[1], **body)
    await client.control("moments/react", 409, external_userid=mine[1], **body)
    await client.control("moments/react", 409, external_userid=mine[0], **body)
    await client.control("moments/react", external_userid=mine[2], comment="真好看", **body)
    await client.control("moments/react", comment="欢迎", **body)
    now = client.sandbox.world.now
    answer = await client.post(COMMENTS, body)
    assert answer["like_list"] == [{"external_userid": mine[1], "create_time": now}]
    assert answer["comment_list"] == [
        {"external_userid": mine[2], "create_time": now}, {"userid": sender, "create_time": now},
    ]  # fmt: skip
    assert await client.code(CANCEL, {"moment_id": moment_id}) == 0
    assert await client.code(CANCEL, {"moment_id": moment_id}) == 0
    await client.control("staff/publish_moment", 409, moment_id=moment_id, userid=other)
    rows = (await client.post(TASK, {"moment_id": moment_id}))["task_list"]
    assert {row["userid"]: row["publish_status"] for row in rows} == {sender: 1, other: 0}
    (shown,) = (await client.read("moments"))["moments"]
    assert [task["comments"] for task in shown["tasks"]] == [2, 0]


def test_posts_outlive_a_restart(tmp_path: Path) -> None:
    path, clock = tmp_path / "wecom.db", FrozenClock(START)
    machine = Machine.build(World.open(path, clock=clock))
    world = machine.world
    sender = world.population.service[0].userid
    now = clock.timestamp()
    made = world.moments.create([("text", {"content": "早"})], [sender], now=now, ready_at=now, agentid=1)
    machine.moment_acts.publish(sender, made.moment_id)
    machine.moment_acts.react(sender, made.moment_id, "", "欢迎")
    world.close()
    machine = Machine.build(World.open(path, clock=clock))
    moment, task = machine.moment_acts.find_task(sender, made.moment_id)
    assert moment == made
    assert [one.comment for one in task.reactions] == ["欢迎"]
    assert len(task.seers()) == len(list(machine.world.customers.listed_by(sender)))
    machine.world.close()


@pytest.mark.parametrize("limit", [0, 21, -1])
async def test_a_limit_out_of_bounds_is_the_default(limit: int, client: Client) -> None:
    await client.control("limits", path=ADD, limits={"minute": 1000})
    made = [await post(client, **senders(members(client)[0])) for _ in range(21)]
    span = {"start_time": client.sandbox.world.now - 60, "end_time": client.sandbox.world.now + 60}
    first = await client.post(LIST, {**span, "limit": limit})
    assert [row["moment_id"] for row in first["moment_list"]] == made[:20]
    rest = await client.post(LIST, {**span, "cursor": first["next_cursor"]})
    assert ([row["moment_id"] for row in rest["moment_list"]], rest["next_cursor"]) == (made[20:], "")
