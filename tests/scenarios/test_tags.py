"""The company's tags changed from our side and from WeCom's: our rows say what the local WeCom's world says."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlmodel import Session, col, select

from bot import tag_edits
from bot.errors import ObservingError, RetryLaterError
from bot.refresh import refresh_tags
from bot.sandbox.faults import Fault
from bot.tag_edits import ForeignTagError
from bot.wecom.errors import QuotaError
from data.errors import ConflictError, NotFoundError
from data.models import Tag, TagGroup
from data.queries import follow_tags as mark_rows
from data.queries import tags as rows
from data.queries.tags import TagChanges
from data.rules.problems import InvalidRuleError
from data.rules.tags import NewTags, TagEdit
from tests.scenarios.conftest import Company, Start

ADD = "externalcontact/add_corp_tag"


def new(names: list[str], **more: Any) -> NewTags:
    """Tags to be made."""
    where = more if "group_id" in more or "group_name" in more else {"group_name": "活动", **more}
    return NewTags.model_validate({**where, "tags": [{"name": name, "order": 9 - i} for i, name in enumerate(names)]})


def our_tags(session: Session) -> dict[str, tuple[Any, ...]]:
    """Every tag that exists, with its group."""
    both = select(Tag, TagGroup).join(TagGroup, col(TagGroup.group_id) == col(Tag.group_id))
    return {
        tag.tag_id: (tag.name, tag.order, group.group_id, group.name, group.order)
        for tag, group in session.exec(both.where(col(Tag.deleted_at).is_(None), col(TagGroup.deleted_at).is_(None)))
    }


def world_tags(company: Company) -> dict[str, tuple[Any, ...]]:
    """The same in the local WeCom."""
    return {
        tag.id: (tag.name, tag.order, group.group_id, group.group_name, group.order)
        for group in company.world.tags.groups.values()
        for tag in group.tags
    }


async def agree(company: Company) -> None:
    """Our rows are right without having been read again."""
    assert await company.read(our_tags) == world_tags(company)


async def test_tags_made_changed_and_deleted_by_us_stand_in_our_rows_at_once(company: Company) -> None:
    ctx = company.bot.context
    spring, autumn = await tag_edits.add_tags(ctx, new(["春季", "秋季"], group_name="活动", group_order=5))
    await agree(company)
    group_id = (await company.read(rows.get_tag, spring)).group_id
    (summer,) = await tag_edits.add_tags(ctx, new(["夏季"], group_id=group_id))
    await tag_edits.change_tag(ctx, autumn, TagEdit(name="立秋"))
    await tag_edits.change_tag(ctx, summer, TagEdit(order=100))
    await tag_edits.change_group(ctx, group_id, TagEdit(name="节气", order=77))
    await agree(company)
    made = [tag for tag in await company.read(rows.list_tags) if tag["group_id"] == group_id]
    assert [(tag["name"], tag["made_by_us"]) for tag in made] == [("夏季", True), ("春季", True), ("立秋", True)]

    added = company.scan()
    await company.settle()
    pair = added.follow.userid, added.follow.external_userid
    await ctx.wecom.external_contact.mark_tag(*pair, [autumn], None)
    await company.bot.db.write(mark_rows.change_tags, *pair, {autumn}, set(), ctx.clock.now())
    assert await company.read(tag_edits.read_use, [autumn]) == {"worn": 1, "rules": []}
    await tag_edits.delete_tag(ctx, autumn)
    await agree(company)
    assert await company.read(mark_rows.list_tag_ids, *pair) == []
    await tag_edits.delete_tag(ctx, spring)
    await tag_edits.delete_tag(ctx, summer)
    assert group_id not in company.world.tags.groups, "a group goes with its last tag"
    await agree(company)
    assert company.calls("externalcontact/get_corp_tag_list") == 1, "nothing had to be read again"


async def test_a_tag_of_others_can_be_worn_and_not_changed_and_is_shown_as_such(company: Company) -> None:
    ctx, foreign = company.bot.context, company.tag_ids[0]
    with pytest.raises(ForeignTagError, match="did not make it"):
        await tag_edits.change_tag(ctx, foreign, TagEdit(name="我们的"))
    group_id = (await company.read(rows.get_tag, foreign)).group_id
    with pytest.raises(ForeignTagError):
        await tag_edits.delete_group(ctx, group_id)
    (mine,) = await tag_edits.add_tags(ctx, new(["我们加的"], group_id=group_id))
    made = {tag["tag_id"]: tag["made_by_us"] for tag in await company.read(rows.list_tags)}
    assert (made[foreign], made[mine], made[company.tag_ids[1]]) == (False, True, None)
    assert (await company.read(rows.get_group, group_id)).made_by_us is False
    await refresh_tags(ctx)
    again = {tag["tag_id"]: tag["made_by_us"] for tag in await company.read(rows.list_tags)}
    assert again == made, "reading the tags does not forget it"
    company.sandbox.machine.settings.apps_edit_all_tags = True
    await tag_edits.change_tag(ctx, foreign, TagEdit(order=3))
    assert (await company.read(rows.get_tag, foreign)).made_by_us is True, "and what WeCom allows later is learnt too"
    await agree(company)


async def test_names_that_exist_are_refused_with_the_tag_that_has_them(company: Company) -> None:
    ctx = company.bot.context
    one, two = await tag_edits.add_tags(ctx, new(["甲", "乙"]))
    with pytest.raises(ConflictError, match=one):
        await tag_edits.add_tags(ctx, new(["丙", "甲"]))
    with pytest.raises(ConflictError, match=two):
        await tag_edits.change_tag(ctx, one, TagEdit(name="乙"))
    # Another made it a moment ago, and no event has told us.
    company.sandbox.machine.faults.add(Fault(0, "callback", "drop", on="change_external_tag"))
    theirs = company.people.add_tags("活动", ["丁"])
    with pytest.raises(ConflictError, match="already"):
        await tag_edits.change_tag(ctx, one, TagEdit(name="丁"))
    company.people.add_tags("活动", ["戊"])
    with pytest.raises(ConflictError, match="already"):
        await tag_edits.add_tags(ctx, new(["戊"]))
    assert theirs
    await agree(company)


async def test_what_was_deleted_under_us_is_told_and_learnt(company: Company) -> None:
    ctx = company.bot.context
    one, _two = await tag_edits.add_tags(ctx, new(["甲", "乙"]))
    group_id = (await company.read(rows.get_tag, one)).group_id
    company.sandbox.machine.faults.add(Fault(0, "callback", "drop", on="change_external_tag"))
    company.people.delete_tags([one], [])
    with pytest.raises(NotFoundError, match="deleted"):
        await tag_edits.change_tag(ctx, one, TagEdit(name="新名"))
    await agree(company)
    company.people.delete_tags([], [group_id])
    with pytest.raises(NotFoundError, match="any more"):
        await tag_edits.add_tags(ctx, new(["丙"], group_id=group_id))
    await agree(company)


async def test_an_add_whose_answer_was_lost_is_found_and_one_that_did_not_happen_is_told(company: Company) -> None:
    ctx, faults = company.bot.context, company.sandbox.machine.faults
    faults.add(Fault(0, "api", "lose_answer", on=ADD, count=1))
    (tag,) = await tag_edits.add_tags(ctx, new(["甲"]))
    assert (await company.read(rows.get_tag, tag)).made_by_us is True
    faults.add(Fault(0, "api", "http", on=ADD, count=1))
    with pytest.raises(RetryLaterError):
        await tag_edits.add_tags(ctx, new(["乙"]))
    await agree(company)


async def test_a_full_company_is_told(company: Company) -> None:
    company.sandbox.machine.faults.add(Fault(0, "api", "errcode", on=ADD, errcode=40126))
    with pytest.raises(QuotaError, match="10,000"):
        await tag_edits.add_tags(company.bot.context, new(["甲"]))


@pytest.mark.drawn
@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ({"group_name": "活动", "tags": []}, "tags"),
        ({"tags": [{"name": "甲"}]}, "group_id"),
        ({"group_name": "活动", "tags": [{"name": "  "}]}, "tags[0].name"),
        ({"group_name": "活动", "tags": [{"name": "长" * 31}]}, "tags[0].name"),
        ({"group_name": "活动", "tags": [{"name": "甲"}, {"name": " 甲 "}]}, "tags[1].name"),
        ({"group_name": "活\x07动", "tags": [{"name": "甲"}]}, "group_name"),
    ],
)
async def test_what_wecom_would_refuse_is_refused_before(company: Company, asked: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidRuleError) as refused:
        await tag_edits.add_tags(company.bot.context, NewTags.model_validate(asked))
    assert path in [problem.path for problem in refused.value.problems]
    assert company.calls(ADD) == 0


async def test_observing_changes_nothing(start: Start) -> None:
    company = await start("observe")
    with pytest.raises(ObservingError):
        await tag_edits.add_tags(company.bot.context, new(["甲"]))
    assert company.calls(ADD) == 0


async def test_a_reading_that_began_before_our_change_does_not_undo_it(company: Company) -> None:
    ctx = company.bot.context
    asked_at = ctx.clock.now()
    older = (await ctx.wecom.external_contact.get_corp_tag_list())["tag_group"]
    await asyncio.sleep(0.001)
    one, two = await tag_edits.add_tags(ctx, new(["甲", "乙"]))
    await tag_edits.delete_tag(ctx, two)
    changes = await ctx.db.write(rows.replace_tags, older, ctx.clock.now(), asked_at=asked_at)
    assert changes == TagChanges()
    assert (await company.read(rows.get_tag, one)).name == "甲"
    await agree(company)


async def test_a_second_reading_writes_nothing(company: Company) -> None:
    assert (await refresh_tags(company.bot.context)).changes == TagChanges()
    company.sandbox.machine.faults.add(Fault(0, "callback", "drop", on="change_external_tag"))
    company.people.rename_tag(company.tag_ids[0], "改过")
    company.people.delete_tags([company.tag_ids[1]], [])
    assert (await refresh_tags(company.bot.context)).changes == TagChanges(written=1, deleted=1)
    await agree(company)
