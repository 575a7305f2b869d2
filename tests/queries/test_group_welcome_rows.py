"""The ledger of group welcomes on real rows: one call at a time, none that could make a second one."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from bot.group_welcomes import change, make
from data.db import Database
from data.errors import ConflictError, NotFoundError
from data.models import GroupWelcome
from data.queries import group_welcomes as rows
from data.queries import media as media_rows
from data.queries.media_uses import list_uses
from data.rules.group_welcomes import CLAIM_SECONDS, GroupWelcomeDraft, Step
from data.rules.media import MediaUse
from data.rules.problems import InvalidRuleError

OVER = timedelta(seconds=CLAIM_SECONDS)


def draft(text: str = "欢迎", **more: object) -> GroupWelcomeDraft:
    return GroupWelcomeDraft.model_validate({"name": "新人", "content": {"text": text, **more}})


async def one(db: Database, id_: int) -> GroupWelcome:
    return await db.read(rows.get_group_welcome, id_)


async def step_of(db: Database, id_: int, now: datetime) -> Step | None:
    found = await db.read(rows.find_step, id_, now)
    return found[1] if found else None


async def test_a_life_from_planned_to_retired(db: Database, now: datetime) -> None:
    id_ = await db.write(make, draft(), "test", now)
    assert await db.read(rows.list_due, now) == [id_]
    assert await step_of(db, id_, now) is Step.ADD
    assert await db.write(rows.claim, id_, 1, Step.ADD, now)
    assert not await db.write(rows.claim, id_, 1, Step.ADD, now), "one call at a time"
    assert await db.read(rows.list_due, now) == []
    # Changed while it is added: written after that.
    await db.write(change, id_, {"content": {"text": "您好"}}, now)
    assert await step_of(db, id_, now) is None
    assert await db.write(rows.note_added, id_, now, 1, "msg1", now)
    assert await step_of(db, id_, now) is Step.EDIT
    assert not await db.write(rows.claim, id_, 1, Step.EDIT, now), "of another version"
    assert await db.write(rows.claim, id_, 2, Step.EDIT, now)
    await db.write(rows.note_edited, id_, now, 2, now)
    assert await db.read(rows.list_checkable) == [(id_, "msg1", 2)]
    # The same words are nothing to write.
    await db.write(change, id_, {"content": {"text": "您好"}, "name": "老友"}, now)
    assert await step_of(db, id_, now) is None
    assert await db.write(rows.note_checked, id_, 2, ["text"], now)
    assert [row.id for row in await db.read(rows.list_troubled)] == [id_]
    await db.write(rows.write_again, id_, now)
    assert await step_of(db, id_, now) is Step.EDIT
    await db.write(rows.retire_group_welcome, id_, now)
    assert await step_of(db, id_, now) is Step.DELETE
    assert await db.write(rows.claim, id_, 2, Step.DELETE, now)
    await db.write(rows.note_deleted, id_)
    assert (await one(db, id_)).status == "retired"
    assert await db.read(rows.list_group_welcomes) == []
    assert [row.name for row in await db.read(rows.list_group_welcomes, retired=True)] == ["老友"]
    with pytest.raises(ConflictError):
        await db.write(change, id_, {"name": "x"}, now)
    with pytest.raises(NotFoundError):
        await db.write(rows.retire_group_welcome, id_ + 1, now)


async def test_what_may_have_been_added_waits_for_a_person(db: Database, now: datetime) -> None:
    id_ = await db.write(make, draft(), "test", now)
    await db.write(rows.claim, id_, 1, Step.ADD, now)
    assert not await db.write(rows.note_interrupted, id_, now)
    later = now + OVER
    assert await db.read(rows.list_due, later) == [id_]
    assert await db.write(rows.note_interrupted, id_, later)
    assert await db.read(rows.list_due, later + OVER) == []
    assert await step_of(db, id_, later) is None
    with pytest.raises(ConflictError, match="Nobody knows"):
        await db.write(rows.write_again, id_, later)
    # An answer that comes this late is still the answer.
    assert await db.write(rows.note_added, id_, now, 1, "msg1", later)
    assert (await one(db, id_)).status == "made"
    with pytest.raises(ConflictError):
        await db.write(rows.add_again, id_, later)

    other = await db.write(make, draft(), "test", now)
    await db.write(rows.claim, other, 1, Step.ADD, now)
    await db.write(rows.note_unknown, other, now, "no answer")
    assert [row.id for row in await db.read(rows.list_troubled)] == [other]
    await db.write(rows.add_again, other, later)
    assert await db.write(rows.claim, other, 1, Step.ADD, later)
    assert not await db.write(rows.note_added, other, now, 1, "msg2", later), "another call is under way"
    await db.write(rows.note_unknown, other, later, "no answer")
    await db.write(rows.retire_group_welcome, other, later)
    assert (await one(db, other)).status == "retired"


async def test_what_came_to_nothing_is_tried_again_or_rests(db: Database, now: datetime) -> None:
    id_ = await db.write(make, draft(), "test", now)
    await db.write(rows.claim, id_, 1, Step.ADD, now)
    await db.write(rows.note_failed, id_, 1, Step.ADD, -1, "busy", now + OVER, now, now)
    assert await db.read(rows.list_due, now) == []
    assert await step_of(db, id_, now + OVER) is Step.ADD
    await db.write(rows.claim, id_, 1, Step.ADD, now + OVER)
    await db.write(rows.note_failed, id_, 1, Step.ADD, 41055, "full", None, now, now + OVER)
    row = await one(db, id_)
    assert (row.status, row.cause, row.next_at, row.tries) == ("refused", 41055, None, 2)
    await db.write(rows.write_again, id_, now)
    await db.write(rows.claim, id_, 1, Step.ADD, now + 2 * OVER)
    # Retired while it was asked for, and nothing came of it: there is nothing to delete.
    await db.write(rows.retire_group_welcome, id_, now)
    await db.write(rows.note_failed, id_, 1, Step.ADD, -1, "busy", now, now, now + 2 * OVER)
    assert (await one(db, id_)).status == "retired"

    made = await db.write(make, draft(), "test", now)
    await db.write(rows.claim, made, 1, Step.ADD, now)
    await db.write(rows.note_added, made, now, 1, "msg1", now)
    await db.write(change, made, {"content": {"text": "新"}}, now)
    await db.write(rows.claim, made, 2, Step.EDIT, now)
    await db.write(change, made, {"content": {"text": "更新"}}, now)
    await db.write(rows.note_failed, made, 2, Step.EDIT, 40058, "refused", None, now, now)
    assert await step_of(db, made, now) is Step.EDIT, "what was refused is not what it says now"
    await db.write(rows.note_gone, made, "msg1", now)
    assert (await one(db, made)).status == "gone"
    await db.write(rows.write_again, made, now)
    assert await step_of(db, made, now) is Step.ADD


async def test_a_failure_of_a_call_that_was_overtaken_ends_no_other_call(db: Database, now: datetime) -> None:
    id_ = await db.write(make, draft(), "test", now)
    await db.write(rows.claim, id_, 1, Step.ADD, now)
    await db.write(rows.note_interrupted, id_, now + OVER)
    await db.write(rows.add_again, id_, now + OVER)
    assert await db.write(rows.claim, id_, 1, Step.ADD, now + OVER)
    for called_at in (now, None):
        await db.write(rows.note_failed, id_, 1, Step.ADD, -1, "busy", now, now + OVER, called_at)
        row = await one(db, id_)
        assert (row.status, row.calling_until, row.tries) == ("adding", now + 2 * OVER, 0)
    assert not await db.write(rows.claim, id_, 1, Step.ADD, now + OVER), "the second call is still under way"


async def test_a_file_is_in_use_until_its_welcome_is_retired(db: Database, now: datetime) -> None:
    image = {"msgtype": "image", "image": {"media": "a" * 64}}
    with pytest.raises(InvalidRuleError, match="素材库里没有"):
        await db.write(make, draft(attachment=image), "test", now)
    image["image"]["media"] = key = await db.write(media_rows.add_media, "image", "a.png", b"picture", now)  # type: ignore[index]
    id_ = await db.write(make, draft(attachment=image), "test", now)
    assert await db.read(list_uses) == {key: [MediaUse("group_welcome", id_, "新人")]}
    await db.write(change, id_, {"content": {"attachment": None}}, now)
    assert await db.read(list_uses) == {}
    await db.write(change, id_, {"content": {"attachment": image}}, now)
    await db.write(rows.retire_group_welcome, id_, now)
    assert await db.read(list_uses) == {}


async def test_wecoms_stock_holds_a_hundred(db: Database, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MAX_IN_STOCK", 2)
    ids = [await db.write(make, draft(), "test", now) for _ in range(2)]
    with pytest.raises(ConflictError, match="2 group welcomes"):
        await db.write(make, draft(), "test", now)
    await db.write(rows.retire_group_welcome, ids[0], now)
    await db.write(make, draft(), "test", now)
