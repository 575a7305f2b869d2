"""Whatever is sent, the local WeCom answers with an error of WeCom's, never with a fault of its own."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import random
import re
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bot.clock import FrozenClock
from bot.sandbox import attachments
from bot.sandbox.api_customers import follow_info_json
from bot.sandbox.calls import Endpoint
from bot.sandbox.control import Nothing
from bot.sandbox.machine import Machine
from bot.sandbox.people import People
from bot.sandbox.records import LISTED
from bot.sandbox.server import CONTROL_ROUTES, ENDPOINTS
from bot.sandbox.world import World
from tests.drawing import draw
from tests.sandbox.conftest import START, Client

EXAMPLES = int(os.environ.get("SIYU_FUZZ_EXAMPLES", "25"))
#: Every parameter name that the endpoints read, so that random bodies reach what lies behind the first check.
NAMES = sorted(
    set(re.findall(r'"([a-z_]{2,32})"', "".join(inspect.getsource(endpoint.handler) for endpoint in ENDPOINTS)))
    | set(re.findall(r'"([a-z_]{2,32})"', inspect.getsource(attachments)))
)


class Bodies:
    """Random JSON objects, some of whose values mean something in the sample company."""

    def __init__(self, world: World, names: list[str], seed: str) -> None:
        self.rng, self.names = random.Random(seed), names
        member = world.population.service[0].userid
        self.known: list[Any] = [
            member, world.population.external_userid(0), next(world.customers.listed_by(member)),
            next(iter(world.tags)).id, next(iter(world.groups)).chat_id, next(iter(world.ways.contact)), "link",
            "image", "text", "@all", "1|2", "", "长" * 500, "\x00\ud800", None, True, False, 0, 1, 2, 5, -1, 2**70, 1.5,
            world.app.agentid,
        ]  # fmt: skip

    def value(self, depth: int = 0) -> Any:
        kind = self.rng.randrange(6)
        if kind == 0 and depth < 3:
            return [self.value(depth + 1) for _ in range(self.rng.randrange(4))]
        if kind == 1 and depth < 3:
            return self.body(depth + 1)
        return self.rng.choice(self.known)

    def body(self, depth: int = 0) -> dict[str, Any]:
        return {self.rng.choice(self.names): self.value(depth) for _ in range(self.rng.randrange(8))}


@pytest.mark.parametrize("endpoint", draw(ENDPOINTS, 3, "endpoints"), ids=lambda endpoint: endpoint.path)
async def test_random_parameters_never_break_an_endpoint(endpoint: Endpoint, client: Client) -> None:
    await client.get_token()
    client.sandbox.machine.limits.enabled = False
    bodies = Bodies(client.sandbox.world, NAMES, endpoint.path)
    for _ in range(EXAMPLES):
        body = bodies.body()
        query = {k: str(v)[:100].replace("\ud800", "") for k, v in body.items()} if endpoint.method == "GET" else {}
        raw = None if query else json.dumps(body).encode()
        answer = await client.call(endpoint.method, endpoint.path, None if endpoint.method == "GET" else raw, **query)
        assert answer["errcode"] != -1, body


async def test_random_bodies_never_break_a_control_route(client: Client) -> None:
    for route in draw(CONTROL_ROUTES, 3, "control routes"):
        if route.path in ("/callbacks/wait", "/clock", "/reset") or route.body is Nothing:
            continue
        bodies = Bodies(client.sandbox.world, [*route.body.model_fields], route.path)
        path = re.sub(r"\{\w+\}", "1", route.path)
        for _ in range(EXAMPLES):
            body = bodies.body()
            url = f"{client.sandbox.url}/sandbox{path}"
            async with client.http.request(route.method, url, data=json.dumps(body).encode()) as response:
                assert response.status < 500, (route.path, body)


class FriendshipMachine(RuleBasedStateMachine):
    """People act at random; a plain model says what WeCom must show."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.machine: Machine = self.loop.run_until_complete(self.build())
        self.people: People = self.machine.people
        self.world = self.machine.world
        self.members = [member.userid for member in self.world.population.service[:2]]
        base = list(self.world.customers.listed_by(self.members[0]))[:2]
        self.customers = [*base, self.world.customers.create("新人").external_userid]
        self.model: dict[tuple[str, str], str] = {}
        for userid in self.members:
            for external_userid in self.customers:
                follow = self.world.customers.find_follow(userid, external_userid)
                self.model[userid, external_userid] = follow.friendship if follow else "gone"

    @staticmethod
    async def build() -> Machine:
        return Machine.build(World(staff=4, customers=30, clock=FrozenClock(START)))

    pairs = st.tuples(st.integers(0, 1), st.integers(0, 2))

    def pair(self, numbers: tuple[int, int]) -> tuple[str, str]:
        return self.members[numbers[0]], self.customers[numbers[1]]

    @rule(numbers=pairs, flow=st.sampled_from(["direct", "half", "request", "half_then_add"]))
    def scan(self, numbers: tuple[int, int], flow: Any) -> None:
        userid, external_userid = self.pair(numbers)
        self.people.scan(userid=userid, external_userid=external_userid, flow=flow)
        if self.model[userid, external_userid] in ("gone", "left"):
            self.model[userid, external_userid] = {"half": "half", "request": "requested"}.get(flow, "mutual")

    @rule(numbers=pairs, act=st.sampled_from(["confirm", "delete_by_staff", "delete_by_customer"]))
    def act(self, numbers: tuple[int, int], act: str) -> None:
        pair = self.pair(numbers)
        now = self.model[pair]
        after = {
            "confirm": {"requested": "mutual", "half": "mutual"},
            "delete_by_staff": dict.fromkeys(("mutual", "left", "half", "requested"), "gone"),
            "delete_by_customer": {"mutual": "left", "half": "gone"},
        }[act].get(now)
        if after is not None:
            getattr(self.people, act)(*pair)
            self.model[pair] = after

    @invariant()
    def wecom_shows_what_the_model_says(self) -> None:
        for (userid, external_userid), state in self.model.items():
            listed = list(self.world.customers.listed_by(userid))
            assert listed.count(external_userid) == (state in LISTED)
            rows, cursor = self.world.customers.page([userid], "", 1000)
            assert cursor == ""
            shown = [row if isinstance(row, str) else str(follow_info_json(row)) + row.external_userid for row in rows]
            assert any(external_userid in text for text in shown) == (state in LISTED)

    def teardown(self) -> None:
        self.loop.close()


TestFriendship = FriendshipMachine.TestCase
TestFriendship.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
