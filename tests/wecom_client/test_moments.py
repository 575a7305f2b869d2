"""Moments against the local WeCom: from the job to who liked it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.sandbox.faults import Fault
from bot.sandbox.server import Sandbox
from bot.wecom.client import WeComClient
from bot.wecom.errors import NotReadyError, UnknownOutcomeError
from bot.wecom.repeat import may_repeat
from tests.sandbox.test_media import PNG


async def test_a_post_from_its_job_to_its_likes(sandbox: Sandbox, local: WeComClient) -> None:
    world, contacts = sandbox.world, local.external_contact
    sender = world.population.service[0].userid
    mine = list(world.customers.listed_by(sender))
    picture = await local.media.upload_attachment("image", PNG, 1, "a.png")
    jobid = (
        await contacts.add_moment_task(
            text="新品到店",
            attachments=[{"msgtype": "image", "image": {"media_id": picture["media_id"]}}],
            visible_range={"sender_list": {"user_list": [sender]}},
        )
    )["jobid"]
    assert (await contacts.get_moment_task_result(jobid))["status"] == 1
    sandbox.clock.advance(timedelta(seconds=3))
    moment_id = (await contacts.get_moment_task_result(jobid))["result"]["moment_id"]
    now = world.now
    assert [row["moment_id"] async for row in contacts.gen_moment_list(now - 60, now + 60)] == [moment_id]
    assert [row["publish_status"] async for row in contacts.gen_moment_tasks(moment_id)] == [0]
    assert [row["external_userid"] async for row in contacts.gen_moment_customers(moment_id, sender)] == mine
    with pytest.raises(NotReadyError):
        await contacts.get_moment_comments(moment_id, sender)
    sandbox.machine.moment_acts.publish(sender, moment_id)
    sandbox.machine.moment_acts.react(sender, moment_id, mine[0])
    assert [row["external_userid"] async for row in contacts.gen_moment_send_results(moment_id, sender)] == mine
    likes = (await contacts.get_moment_comments(moment_id, sender))["like_list"]
    assert [like["external_userid"] for like in likes] == mine[:1]
    await contacts.cancel_moment_task(moment_id)


async def test_a_post_is_never_made_twice_by_itself(sandbox: Sandbox, local: WeComClient) -> None:
    sandbox.machine.faults.add(Fault(id=0, target="api", kind="lose_answer", on="externalcontact/add_moment_task"))
    with pytest.raises(UnknownOutcomeError):
        await local.external_contact.add_moment_task(text="早")
    assert len(list(sandbox.world.moments)) == 1
    assert not may_repeat("POST", "externalcontact/add_moment_task", {})
    assert may_repeat("POST", "externalcontact/cancel_moment_task", {})
