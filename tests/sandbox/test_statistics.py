"""WeCom's figures of members: what was played is counted, the rest is the same for the same seed, within its limits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from bot.sandbox.statistics import midnight_of
from tests.sandbox.conftest import Client

PATH = "externalcontact/get_user_behavior_data"
DAY = 86_400


async def test_members_figures_add_up(client: Client) -> None:
    world = client.sandbox.world
    today = midnight_of(world.now)
    first, second = (member.userid for member in world.population.service[:2])
    base = {"start_time": today - 29 * DAY, "end_time": today - DAY}
    one = (await client.post(PATH, {"userid": [first], **base}))["behavior_data"]
    assert [each["stat_time"] for each in one] == [today - back * DAY for back in range(29, 0, -1)]
    assert (await client.post(PATH, {"userid": [first], **base}))["behavior_data"] == one
    other = (await client.post(PATH, {"userid": [second], **base}))["behavior_data"]
    both = (await client.post(PATH, {"userid": [first, second, first], **base}))["behavior_data"]
    for name in ("chat_cnt", "message_cnt", "new_contact_cnt", "new_apply_cnt", "negative_feedback_cnt"):
        sums = [mine[name] + theirs[name] for mine, theirs in zip(one, other, strict=True)]
        assert [each[name] for each in both] == sums, name
    assert sum(each["chat_cnt"] for each in one) > 0
    begun = [world.population.begun(first, row) for row in range(world.population.rows(first))]
    assert sum(each["new_contact_cnt"] for each in one) == sum(today - 29 * DAY <= at < today for at in begun)

    # What is played on a day comes on top of it, once the day is over.
    added = await client.control("add", userid=first, name="新客")
    pair = {"userid": first, "external_userid": added["external_userid"]}
    await client.control("write", **pair, sender="customer", text="在吗")
    world.clock.advance(timedelta(minutes=30))
    await client.control("write", **pair, sender="staff", text="在的")
    await client.control("delete_by_customer", **pair)
    assert await client.code(PATH, {"userid": [first], "start_time": today, "end_time": today}) == 600018
    world.clock.advance(timedelta(days=1))
    client.token = None
    (played,) = (await client.post(PATH, {"userid": [first], "start_time": today, "end_time": today}))["behavior_data"]
    assert (played["new_contact_cnt"], played["negative_feedback_cnt"]) == (1, 1)
    assert played["chat_cnt"] >= 1
    assert 0 <= played["reply_percentage"] <= 100
    assert played["avg_reply_time"] > 0

    # Departments hold who is below them; limits are WeCom's.
    root = (await client.post(PATH, {"partyid": [1], **base}))["behavior_data"]
    everybody = [member.userid for member in world.directory]
    assert root == (await client.post(PATH, {"userid": everybody, **base}))["behavior_data"]
    now = world.now
    refused: list[tuple[dict[str, Any], int]] = [
        ({"start_time": now - 31 * DAY, "end_time": now - DAY, "userid": [first]}, 0),
        ({"start_time": now - 32 * DAY, "end_time": now - DAY, "userid": [first]}, 600018),
        ({"start_time": now - 190 * DAY, "end_time": now - 185 * DAY, "userid": [first]}, 600018),
        ({"start_time": now - DAY, "end_time": now - 2 * DAY, "userid": [first]}, 600018),
        ({"start_time": now - DAY, "userid": [first]}, 600018),
        (base, 40058),
        ({"userid": ["nobody"], **base}, 40003),
        ({"userid": [first] * 101, **base}, 40032),
        ({"partyid": [4711], **base}, 60123),
    ]
    for body, code in refused:
        assert await client.code(PATH, body) == code, body
