"""The client against the local WeCom: its limits, errors and faults over real connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest

from bot.clock import Clock, FrozenClock
from bot.sandbox.faults import Fault
from bot.sandbox.server import Sandbox
from bot.sandbox.world import World
from bot.wecom.client import WeComClient
from bot.wecom.errors import (
    AlreadyDoneError,
    BusyError,
    CredentialsError,
    GoneError,
    InvalidMediaError,
    NotAFollowerError,
    NotPermittedError,
    RateLimitedError,
    UnknownOutcomeError,
    WelcomeDoneError,
    WelcomeLateError,
)
from bot.wecom.limits import Limits

WELCOME = "externalcontact/send_welcome_msg"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    clock = FrozenClock(datetime(2026, 3, 1, 8, 0, tzinfo=UTC))
    async with Sandbox(World(staff=8, customers=300, seed=1, clock=clock)) as running:
        yield running


async def quick(_: float) -> None:
    """Pauses between repeats take no time here."""
    await asyncio.sleep(0)


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[WeComClient]:
    world = sandbox.world
    async with WeComClient(
        world.company.corpid,
        world.app.secret,
        base_url=sandbox.api_base_url,
        clock=sandbox.clock,
        sleep=quick,
    ) as opened:
        yield opened


def break_api(sandbox: Sandbox, kind: str, path: str, **how: Any) -> None:
    sandbox.machine.faults.add(Fault(0, "api", kind, path, **{"count": 1, **how}))


def calls(sandbox: Sandbox, path: str) -> int:
    return len(sandbox.machine.calls.since(0, path))


def greet(client: WeComClient, code: str) -> Any:
    return client.external_contact.send_welcome_msg({"welcome_code": code, "text": {"content": "您好"}})


def scan(sandbox: Sandbox) -> tuple[str, str, str]:
    """A new customer scans a member's code: (userid, external_userid, welcome_code)."""
    member = next(iter(sandbox.world.directory))
    added = sandbox.machine.people.scan(userid=member.userid, name="王小明", codes="always")
    return member.userid, added.customer.external_userid, added.welcome_codes[0]


async def test_customers_of_everybody_are_read(client: WeComClient) -> None:
    followers = (await client.external_contact.get_follow_user_list())["follow_user"]
    rows = [row async for row in client.external_contact.gen_all_by_user(followers)]
    listed: list[str] = []
    for userid in followers:
        listed += (await client.external_contact.list(userid))["external_userid"]

    assert sorted(row["external_contact"]["external_userid"] for row in rows) == sorted(listed)
    assert len(set(listed)) > 200


async def test_customer_is_tagged_and_remarked(client: WeComClient) -> None:
    [userid, *_] = (await client.external_contact.get_follow_user_list())["follow_user"]
    customer = (await client.external_contact.list(userid))["external_userid"][0]
    group = (await client.external_contact.add_corp_tag(None, "渠道", None, [{"name": "门店"}]))["tag_group"]
    tag_id = group["tag"][0]["id"]

    await client.external_contact.mark_tag(userid, customer, add_tag=[tag_id])
    await client.external_contact.remark(userid, customer, remark="王老师")

    follows = (await client.external_contact.get(customer))["follow_user"]
    [follow] = [follow for follow in follows if follow["userid"] == userid]
    assert follow["remark"] == "王老师"
    assert tag_id in [tag.get("tag_id") for tag in follow["tags"]]
    with pytest.raises(AlreadyDoneError):
        await client.external_contact.add_corp_tag(group["group_id"], None, None, [{"name": "门店"}])
    with pytest.raises(GoneError):
        await client.external_contact.mark_tag(userid, customer, add_tag=["et-no-such-tag"])


async def test_contact_way_lives_and_ends(client: WeComClient) -> None:
    [userid, *_] = (await client.external_contact.get_follow_user_list())["follow_user"]
    made = await client.external_contact.add_contact_way(1, 2, user=[userid], state="门店", remark="门口")
    config_id = made["config_id"]

    assert config_id in [way["config_id"] async for way in client.external_contact.gen_contact_ways()]
    await client.external_contact.update_contact_way(config_id, state="网站")
    way = (await client.external_contact.get_contact_way(config_id))["contact_way"]
    assert (way["state"], way["remark"], way["user"]) == ("网站", "门口", [userid])
    await client.external_contact.del_contact_way(config_id)
    with pytest.raises(GoneError):
        await client.external_contact.get_contact_way(config_id)


async def test_directory_is_read(client: WeComClient) -> None:
    departments = await client.department.simple_list()
    members = [member for row in departments for member in await client.user.list(row["id"])]

    assert len({member["userid"] for member in members}) == 8
    assert (await client.user.get(members[0]["userid"]))["name"] == members[0]["name"]
    with pytest.raises(GoneError):
        await client.user.get("nobody")


async def test_groups_are_read(client: WeComClient) -> None:
    groups = await client.external_contact_group_chat.list_all(limit=2)

    assert groups
    chat = (await client.external_contact_group_chat.get(groups[0]["chat_id"]))["group_chat"]
    assert chat["member_list"][0]["name"]


async def test_file_goes_up_and_comes_down(client: WeComClient) -> None:
    media_id = (await client.media.upload("file", BytesIO("价目表，2026".encode()), "价目表.txt"))["media_id"]

    file = await client.media.download(media_id)

    assert (file.content.decode(), file.filename) == ("价目表，2026", "价目表.txt")
    with pytest.raises(InvalidMediaError):
        await client.media.download("no-such-media")


async def test_half_added_customer_cannot_be_read_but_greeted(sandbox: Sandbox, client: WeComClient) -> None:
    member = next(iter(sandbox.world.directory))
    added = sandbox.machine.people.scan(userid=member.userid, name="王小明", flow="half", codes="always")

    with pytest.raises(NotAFollowerError):
        await client.external_contact.get(added.customer.external_userid)
    await greet(client.within(8, urgent=True), added.welcome_codes[0])


async def test_welcome_is_sent_once(sandbox: Sandbox, client: WeComClient) -> None:
    *_, code = scan(sandbox)
    await greet(client, code)

    with pytest.raises(WelcomeDoneError) as done:
        await greet(client, code)
    assert not done.value.earlier_attempt_unanswered


async def test_welcome_is_late_after_twenty_seconds(sandbox: Sandbox, client: WeComClient) -> None:
    *_, code = scan(sandbox)
    sandbox.clock.advance(timedelta(seconds=21))

    with pytest.raises(WelcomeLateError):
        await greet(client, code)


async def test_welcome_whose_answer_is_lost_is_sent_once(sandbox: Sandbox, client: WeComClient) -> None:
    *_, code = scan(sandbox)
    break_api(sandbox, "lose_answer", WELCOME)

    with pytest.raises(WelcomeDoneError) as done:
        await greet(client, code)
    assert done.value.earlier_attempt_unanswered


async def test_creation_whose_answer_is_lost_is_made_once(sandbox: Sandbox, client: WeComClient) -> None:
    [userid, *_] = (await client.external_contact.get_follow_user_list())["follow_user"]
    before = [way["config_id"] async for way in client.external_contact.gen_contact_ways()]
    break_api(sandbox, "lose_answer", "externalcontact/add_contact_way")

    with pytest.raises(UnknownOutcomeError):
        await client.external_contact.add_contact_way(1, 2, user=[userid])

    after = [way["config_id"] async for way in client.external_contact.gen_contact_ways()]
    assert len(after) == len(before) + 1


@pytest.mark.parametrize("fault", ["drop", "http", "lose_answer", "expire_token"])
async def test_marking_survives_a_fault(fault: str, sandbox: Sandbox, client: WeComClient) -> None:
    [userid, *_] = (await client.external_contact.get_follow_user_list())["follow_user"]
    customer = (await client.external_contact.list(userid))["external_userid"][0]
    break_api(sandbox, fault, "externalcontact/remark")

    await client.external_contact.remark(userid, customer, remark="王老师")

    assert calls(sandbox, "externalcontact/remark") == 2


async def test_busy_three_times_is_borne_and_four_times_reported(sandbox: Sandbox, client: WeComClient) -> None:
    break_api(sandbox, "errcode", "externalcontact/get_follow_user_list", count=3)
    await client.external_contact.get_follow_user_list()

    break_api(sandbox, "errcode", "externalcontact/get_follow_user_list", count=4)
    with pytest.raises(BusyError):
        await client.external_contact.get_follow_user_list()


async def test_throttled_api_pauses_and_goes_on(sandbox: Sandbox, client: WeComClient) -> None:
    break_api(sandbox, "throttle", "externalcontact/get_follow_user_list", seconds=60)
    with pytest.raises(RateLimitedError) as limited:
        await client.external_contact.get_follow_user_list()
    sandbox.clock.advance(timedelta(seconds=limited.value.after_seconds or 0))

    await client.external_contact.get_follow_user_list()


async def test_own_budget_keeps_wecom_from_ever_refusing(sandbox: Sandbox) -> None:
    sandbox.machine.limits.default["minute"] = 50
    world, answered = sandbox.world, 0
    async with WeComClient(
        world.company.corpid,
        world.app.secret,
        base_url=sandbox.api_base_url,
        clock=sandbox.clock,
        limits=Limits(sandbox.clock, calls_per_minute=50),
    ) as client:
        eager = client.within(5, urgent=True)
        for _ in range(8):
            results = await asyncio.gather(
                *(eager.external_contact.get_follow_user_list() for _ in range(60)), return_exceptions=True
            )
            answered += sum(isinstance(result, dict) for result in results)
            refused = [result for result in results if isinstance(result, BaseException)]
            assert all(isinstance(error, RateLimitedError) and error.errcode is None for error in refused), refused
            sandbox.clock.advance(timedelta(seconds=20))

    assert answered >= 100


async def test_200_callers_with_an_expired_token_ask_for_one(sandbox: Sandbox, client: WeComClient) -> None:
    await client.external_contact.get_follow_user_list()
    sandbox.machine.tokens.expire()
    before = calls(sandbox, "gettoken")

    await asyncio.gather(*(client.external_contact.get_follow_user_list() for _ in range(200)))

    assert calls(sandbox, "gettoken") == before + 1


async def test_jump_of_the_clock_renews_the_token(sandbox: Sandbox, client: WeComClient) -> None:
    await client.external_contact.get_follow_user_list()
    sandbox.clock.advance(timedelta(days=30))

    await client.external_contact.get_follow_user_list()


async def test_wrong_secret_is_refused(sandbox: Sandbox) -> None:
    async with WeComClient(
        sandbox.world.company.corpid, "wrong", base_url=sandbox.api_base_url, clock=Clock()
    ) as client:
        for _ in range(20):
            with pytest.raises(CredentialsError):
                await client.external_contact.get_follow_user_list()

    assert calls(sandbox, "gettoken") == 1


async def test_what_an_operator_has_not_granted_is_named(sandbox: Sandbox, client: WeComClient) -> None:
    sandbox.world.app.customer_contact = False
    with pytest.raises(NotPermittedError, match="可调用接口的应用"):
        await client.external_contact.get_follow_user_list()

    sandbox.world.app.trusted_ips = ["203.0.113.7"]
    with pytest.raises(NotPermittedError, match="企业可信IP"):
        await client.agent.get(sandbox.world.app.agentid)
