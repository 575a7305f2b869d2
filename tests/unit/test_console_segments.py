"""Segments as fields of a form: what is shown comes back as it was, and what is wrong is said beside it."""

from __future__ import annotations

import asyncio
from html import unescape
from typing import Any

import pytest
from multidict import MultiDict

from bot.console.painting import _environment
from bot.console.segment_forms import Fields, Whole, fill, read_form
from bot.console.segment_questions import LEAVES
from bot.console.turns import Turns
from data.queries.segment_choices import Choices
from data.rules.problems import InvalidRuleError, parse
from data.rules.segments import LEAVES as ALL_LEAVES
from data.rules.segments import Node
from tests.console import fields_of

HOSTILE = "<script>alert(1)</script>{{7*7}}\u202e🙂"
CHOICES = Choices(
    {
        "tags": {"et1": "等级 / 金卡", "et2": f"等级 / {HOSTILE}", "et3": "来源 / 金卡"},
        "staff": {"ann": "安", "bo": "博、士"},
        "departments": {"3": "华东"},
        "channels": {"shop": "门店"},
        "groups": {"wr1": "老客群"},
        "campaigns": {"4": "春季"},
        "links": {"5": "商城"},
        "rosters": {"6": "名单"},
        "forms": {"visit": "visit"},
        "fields": {"city": "城市", "score": "积分", "joined": "入会", "vip": "会员"},
    },
    {"city": "text", "score": "number", "joined": "date", "vip": "flag"},
)
TREES: list[dict[str, Any]] = [
    {"all": []},
    {"tags": {"tag_ids": ["et1", "et2", "gone"], "match": "none"}},
    {"any": [{"staff": {"userids": ["ann", "xx"]}}, {"not": {"department": {"department_ids": [3, 77]}}}]},
    {"all": [{"channel": {"states": ["shop"], "state_prefixes": ["a_"]}}, {"add_way": {"add_ways": [1, 16]}}]},
    {"all": [{"gender": {"genders": ["male"]}}, {"type": {"types": ["wecom"]}}, {"origin": {"origins": ["new"]}}]},
    {"added": {"within_days": 0, "since": "2026-01-02", "until": "2026-02-03"}},
    {"status": {"statuses": ["deleted_by_customer", "half"]}},
    {"all": [{"group": {"match": "any"}}, {"group": {"match": "all", "chat_ids": ["wr1"]}}]},
    {"any": [{"last_touch": {"never": True}}, {"last_touch": {"more_than_days_ago": 30}}]},
    {"touches": {"at_least": 0, "at_most": 2, "within_days": 30}},
    {"all": [{"campaign": {"campaign_id": 4, "did": "clicked"}}, {"campaign": {"campaign_id": 9}}]},
    {"all": [{"link": {"link_id": 5, "within_days": 3}}, {"roster": {"roster_id": 6}}]},
    {"form": {"form": "visit", "question": "q", "one_of": ["a", "b"], "within_days": 9}},
    {"form": {"form": "visit", "question": "q", "ticked": False}},
    {"orders": {"count_at_least": 1, "yuan_at_least": 99.5, "yuan_at_most": 1000, "last_within_days": 9}},
    {"orders": {"statuses": ["refunded"], "count_at_most": 0, "last_more_than_days_ago": 2, "within_days": 60}},
    {"any": [{"silent": {"for_days": 30}}, {"birthday": {"within_days": 0}}]},
    {"any": [{"field": {"name": "city", "one_of": ["上海", HOSTILE]}}, {"field": {"name": "city", "contains": "海"}}]},
    {"field": {"name": "score", "at_least": 1.5, "less_than": 20}},
    {"any": [{"field": {"name": "joined", "next_days": 3}}, {"field": {"name": "vip", "flag": False}}]},
    {"any": [{"field": {"name": "gone", "equals": "x"}}, {"field": {"name": "city", "is_set": False}}]},
    {"preference": {"wishes": ["opted_out", "paused"]}},
    {"all": [{"not": {"any": [{"gender": {"genders": ["male"]}}, {"all": [{"silent": {"for_days": 3}}]}]}}]},
    {"all": [{"any": [{"all": [{"any": [{"not": {"silent": {"for_days": 3}}}]}]}]}, {"not": {"not": {"all": []}}}]},
]  # fmt: skip


def show(fields: Fields) -> str:
    return _environment("zh").get_template("segment_part.html").render(fields=fields)


def sent(page: str, *more: tuple[str, str]) -> MultiDict[Any]:
    return MultiDict([*fields_of(page), *more])


def tree_of(definition: dict[str, Any]) -> Node:
    return parse(Whole, {"definition": definition}).definition


def meant(node: dict[str, Any]) -> Any:
    """A tree without groups of one."""
    ((key, value),) = node.items()
    if key in ("all", "any"):
        inner = [meant(each) for each in value]
        return inner[0] if len(inner) == 1 else {key: inner}
    return {"not": meant(value)} if key == "not" else node


@pytest.mark.parametrize("definition", TREES, ids=str)
def test_what_is_shown_comes_back(definition: dict[str, Any]) -> None:
    fields, before = Fields(CHOICES), tree_of(definition).model_dump(mode="json")
    fill(fields, before)
    page = show(fields)
    assert "<script>alert" not in page
    back = read_form(sent(page), CHOICES, "segment")
    assert not back.pressed
    assert meant(tree_of(back.definition()).model_dump(mode="json")) == meant(before)


def test_every_leaf_has_fields() -> None:
    assert set(LEAVES) == set(ALL_LEAVES)


def test_conditions_are_added_filled_in_and_removed() -> None:
    page = show(Fields(CHOICES))

    def press(do: str, **chosen: str) -> tuple[Fields, str]:
        form = MultiDict(each for each in sent(page).items() if each[0] not in chosen)
        form.extend(chosen)
        form["segment.do"] = do
        back = read_form(form, CHOICES, "segment")
        assert back.pressed
        return back, show(back)

    _, page = press("add:", **{"segment.add": "tags"})
    # By name, by name without its group where that is one tag's, by id, and by what nobody knows.
    _, page = press("again", **{"segment.0.tag_ids.more": "等级 / 金卡、et3，没有的"})
    _, page = press("again", **{"segment.0.tag_ids.more": HOSTILE})
    _, page = press("add:", **{"segment.add": "several"})
    _, page = press("add:1", **{"segment.1.add": "staff"})
    _, page = press("add:1", **{"segment.1.add": "several"})
    _, page = press("add:1-1", **{"segment.1-1.add": "silent"})
    _, page = press(
        "again", **{"segment.1-0.userids.more": "博、士", "segment.1-1-0.for_days": "30", "segment.1.not": "yes"}
    )
    back, page = press("add:", **{"segment.add": "nonsense"})
    assert back.definition() == {"all": [
        {"tags": {"match": "any", "tag_ids": ["et1", "et3", "没有的", "et2"]}},
        {"not": {"any": [{"staff": {"userids": ["bo"]}}, {"any": [{"silent": {"for_days": "30"}}]}]}},
    ]}  # fmt: skip
    back, page = press("remove:1-0")
    back, page = press("remove:0", **{"segment.match": "any"})
    assert back.definition() == {"any": [{"not": {"any": [{"any": [{"silent": {"for_days": "30"}}]}]}}]}
    back, page = press("remove:7")
    back, page = press("remove:0")
    assert back.definition() == {"all": []}


def test_faults_stand_beside_their_fields() -> None:
    form: MultiDict[Any] = MultiDict(
        [
            ("segment.match", "all"), ("segment.row", "0"), ("segment.0.kind", "tags"), ("segment.row", "1"),
            ("segment.1.kind", "several"), ("segment.1.match", "any"), ("segment.1.not", "yes"),
            ("segment.row", "1-0"), ("segment.1-0.kind", "added"), ("segment.1-0.within_days", "abc"),
            ("segment.1-0.not", "yes"), ("segment.row", "1-1"), ("segment.1-1.kind", "touches"),
            ("segment.row", "1-2"), ("segment.1-2.kind", "json"), ("segment.1-2.json", '{"staff": {"userids": []}}'),
            ("segment.row", "1-3"), ("segment.1-3.kind", "json"), ("segment.1-3.json", "[" * 9_000),
            ("segment.row", "1-4"), ("segment.1-4.kind", "link"), ("segment.1-4.link_id", "x"),
            ("segment.row", "9-9-9-9"), ("segment.row", "2-0"), ("segment.row", "3"), ("segment.3.kind", "none such"),
        ]
    )  # fmt: skip
    fields = read_form(form, CHOICES, "segment")
    with pytest.raises(InvalidRuleError) as caught:
        tree_of(fields.definition())
    fields.note(caught.value.problems)
    tags, group = fields.rows
    assert fields.faults == []
    assert tags.faults == {"tag_ids": "缺少必填项"}
    assert [list(each.faults) for each in group.rows] == [["within_days"], [""], [""], [""], ["link_id"]]
    assert group.rows[0].faults["within_days"] == "应为整数"
    page = unescape(show(fields))
    assert 'id="segment-1-0-within_days" name="segment.1-0.within_days" value="abc"' in page
    assert 'aria-describedby="segment-1-0-within_days-fault"' in page


async def test_of_those_that_wait_only_the_last_has_its_turn() -> None:
    turns, told = Turns(), list[tuple[int, bool]]()
    going, done = asyncio.Event(), asyncio.Event()

    async def ask(number: int, key: str = "one") -> None:
        async with turns.take(key) as is_mine:
            told.append((number, is_mine))
            if number == 1:
                going.set()
                await done.wait()

    first = asyncio.create_task(ask(1))
    await going.wait()
    others = [asyncio.create_task(ask(number)) for number in (2, 3, 4)]
    await asyncio.create_task(ask(5, "another"))
    assert told == [(1, True), (5, True)]
    done.set()
    await asyncio.gather(first, *others)
    assert told[2:] == [(2, False), (3, False), (4, True)]
    await ask(6)
    assert told[-1] == (6, True)
