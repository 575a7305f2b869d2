"""Rules applied to those who came before them: what the dry run counts is what then happens, and in WeCom too."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session

from bot import markings
from data.errors import NotFoundError
from data.models import Order
from data.queries import rules as rule_rows
from data.rules.markings import RulesDraft
from data.rules.problems import InvalidRuleError
from data.rules.tagging import TagRule
from tests.facts import settle
from tests.scenarios.conftest import Company
from tests.scenarios.test_markings import MARK, agree, finish
from tests.scenarios.test_sync import sync, world_rows


async def apply(company: Company, **draft: Any) -> Any:
    """Count, apply, and compare; the marking."""
    ctx, asked = company.bot.context, RulesDraft.model_validate(draft)
    before, calls = world_rows(company), company.calls(MARK)
    counted = await markings.count_rules(ctx, asked)
    assert company.calls(MARK) == calls
    made = await markings.apply_rules(ctx, asked, "test")
    marking = await finish(company, made.id or 0)
    assert (marking.status, marking.failed) == ("done", 0)
    assert (marking.examined, marking.items) == (counted.examined, counted.items)
    assert (marking.gains, marking.losses) == (dict(counted.gains), dict(counted.losses))
    after = world_rows(company)
    gained, lost = Counter[str](), Counter[str]()
    for pair, row in after.items():
        gained.update(row[-1] - before[pair][-1])
        lost.update(before[pair][-1] - row[-1])
    assert (gained, lost) == (counted.gains, counted.losses), "the local WeCom's world changed as counted"
    assert company.calls(MARK) - calls == counted.items
    await agree(company)
    again = await markings.count_rules(ctx, asked)
    assert again.items == 0
    return counted


async def test_channels_words_and_departments_are_judged_as_if_the_rules_had_been_there(company: Company) -> None:
    tags = company.tag_ids
    added = company.scan("live_room", name="团购小王")
    half = company.scan("live_room", flow="half")
    await company.settle()
    company.people.edit(added.follow.userid, added.follow.external_userid, remark="ＶＩＰ老客户")
    await company.settle()
    await sync(company)
    member = company.world.directory.get(company.followers[0])
    channel = await company.add_tag_rule(name="直播", put_on=[tags[0]], conditions={"states": ["live_room"]})
    words = await company.add_tag_rule(
        name="贵宾", triggers=["edit"], put_on=[tags[1]], take_off=[tags[2]], conditions={"words": ["vip"]}
    )
    department = await company.add_tag_rule(
        name="部门", priority=-1, put_on=[tags[2]], conditions={"department_ids": [member.department[0]]}
    )
    off = await company.add_tag_rule(name="关着", enabled=False, put_on=[tags[3]])
    counted = await apply(company)
    assert off.id not in counted.matched
    pair = added.follow.userid, added.follow.external_userid
    tagged = world_rows(company)[pair][-1]
    assert {tags[0], tags[1]} <= tagged
    assert tags[2] not in tagged, "the rule of higher priority takes it off"
    assert world_rows(company)[pair][-1] & {tags[3]} == set()
    assert counted.matched[channel.id] >= 1
    assert counted.matched[words.id] == counted.decided[words.id] == 1
    assert counted.matched[department.id] > 1
    assert half.follow.external_userid not in {whom for _, whom in world_rows(company)}
    # A rule that is named is meant, though it is off.
    counted = await apply(company, rule_ids=[off.id], audience={"userids": [member.userid]})
    assert counted.examined == len(list(company.world.customers.listed_by(member.userid)))
    assert set(counted.gains) <= {tags[3]}


async def test_group_members_and_buyers_get_theirs(company: Company) -> None:
    tags = company.tag_ids
    group = next(iter(company.world.groups))
    inside, outside = company.scan(), company.scan()
    await company.settle()
    await sync(company)
    company.sandbox.machine.group_acts.join(group.chat_id, [inside.follow.external_userid])
    await company.settle()
    await company.add_tag_rule(
        name="入群", triggers=["group_join"], put_on=[tags[0]], conditions={"chat_ids": [group.chat_id]}
    )
    await company.add_tag_rule(name="买过", triggers=["order"], put_on=[tags[1]], conditions={"order_count_min": 1})
    now = company.bot.clock.now()

    def order(session: Session) -> None:
        for number, status, whom in (("1", "paid", inside), ("2", "refunded", outside)):
            session.add(
                Order(source="shop", number=number, external_userid=whom.follow.external_userid, status=status,
                      amount_fen=100, placed_at=now - timedelta(days=3), received_at=now, changed_at=now)
            )  # fmt: skip
        settle(session)

    await company.bot.db.write(order)
    await apply(company)
    world = world_rows(company)
    assert {tags[0], tags[1]} <= world[inside.follow.userid, inside.follow.external_userid][-1]
    assert not {tags[0], tags[1]} & world[outside.follow.userid, outside.follow.external_userid][-1]


async def test_what_cannot_be_applied_is_refused(company: Company) -> None:
    ctx = company.bot.context
    with pytest.raises(InvalidRuleError, match="没有可用的规则"):
        await markings.apply_rules(ctx, RulesDraft(), "test")
    with pytest.raises(NotFoundError):
        await markings.count_rules(ctx, RulesDraft(rule_ids=frozenset({77})))
    listed = RulesDraft.model_validate({"audience": {"pairs": [{"userid": "a", "external_userid": "b"}]}})
    with pytest.raises(InvalidRuleError, match="名单"):
        await markings.count_rules(ctx, listed)


@pytest.fixture
async def synced(company: Company) -> Company:
    """A company whose customers are known."""
    await sync(company)
    return company


CONDITIONS = st.fixed_dictionaries(
    {},
    optional={
        "states": st.lists(st.sampled_from(["store_poster", "live_room", "website"]), max_size=2),
        "add_ways": st.lists(st.integers(0, 10), max_size=4),
        "words": st.lists(st.sampled_from(["王", "李", "张", "先生", "a"]), max_size=2),
        "windows": st.lists(
            st.fixed_dictionaries({"weekdays": st.lists(st.integers(1, 7), min_size=1, unique=True)}), max_size=1
        ),
    },
)
SIDE = st.frozensets(st.integers(0, 4), max_size=3)


@st.composite
def rule_sets(draw: st.DrawFn) -> list[dict[str, Any]]:
    found = []
    for number in range(draw(st.integers(1, 4))):
        put_on = draw(SIDE)
        take_off = draw(SIDE) - put_on
        if not put_on and not take_off:
            continue
        found.append(
            {
                "name": f"规则{number}", "priority": draw(st.integers(0, 2)), "put_on": put_on, "take_off": take_off,
                "triggers": draw(st.lists(st.sampled_from(["add", "edit", "group_join"]), min_size=1, unique=True)),
                "conditions": draw(CONDITIONS),
            }
        )  # fmt: skip
    return found


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
async def test_the_dry_run_equals_what_then_happens(synced: Company) -> None:
    company, tags = synced, synced.tag_ids
    drawn: list[list[dict[str, Any]]] = []

    @settings(max_examples=6, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(rule_sets())
    def collect(rules: list[dict[str, Any]]) -> None:
        drawn.append(rules)

    collect()
    for rules in drawn:
        ids = []
        for rule in rules:
            named = {side: frozenset(tags[number] for number in rule[side]) for side in ("put_on", "take_off")}
            saved = await company.bot.db.write(
                rule_rows.save_tag_rule, TagRule.model_validate({**rule, **named}), company.bot.clock.now()
            )
            ids.append(saved.id)
        if ids:
            await apply(company, rule_ids=ids)
        for rule_id in ids:
            await company.bot.db.write(rule_rows.delete_tag_rule, rule_id)
