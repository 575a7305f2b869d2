"""The company's tags as we may ask WeCom to make and change them (WeCom doc 92117)."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, StringConstraints

from bot.phrases import Phrase
from data.rules.problems import Problem, RuleModel

NAME_MAX_LENGTH = 30
ORDER_MAX = 2**32 - 1
#: WeCom names no limit for one call; a company has at most 10,000 tags.
TAGS_PER_CALL = 100

TagName = Annotated[str, StringConstraints(strip_whitespace=True)]
Order = Annotated[int, Field(ge=0, le=ORDER_MAX)]
Id = Annotated[str, Field(min_length=1, max_length=64)]


class NewTag(RuleModel):
    """A tag to be made; the larger `order` is shown first."""

    name: TagName
    order: Order = 0


class NewTags(RuleModel):
    """Tags for the group with `group_id`; or for the one named `group_name`, which is made if there is none."""

    group_id: Id | None = None
    group_name: TagName | None = None
    group_order: Order = 0
    tags: tuple[NewTag, ...] = Field(max_length=TAGS_PER_CALL)


class TagEdit(RuleModel):
    """What to change of a tag or a group; None stays."""

    name: TagName | None = None
    order: Order | None = None


def new_problems(asked: NewTags) -> list[Problem]:
    """What is wrong with tags to be made; empty: WeCom can be asked."""
    found: list[Problem] = []
    if (asked.group_id is None) == (asked.group_name is None):
        found.append(Problem("group_id", Phrase("请给出 group_id 或 group_name，二选一")))
    if asked.group_name is not None:
        found += _name_problems(asked.group_name, "group_name")
    if not asked.tags:
        found.append(Problem("tags", Phrase("至少要有一个标签：企业微信没有空的标签组")))
    for index, tag in enumerate(asked.tags):
        found += _name_problems(tag.name, f"tags[{index}].name")
    return found + _twice(asked.tags)


def edit_problems(edit: TagEdit) -> list[Problem]:
    """What is wrong with a change; empty: WeCom can be asked."""
    if edit.name is None and edit.order is None:
        return [Problem("name", Phrase("请给出新的 name 或 order"))]
    return [] if edit.name is None else _name_problems(edit.name, "name")


def _name_problems(name: str, path: str) -> list[Problem]:
    if not name:
        return [Problem(path, Phrase("名称不能为空"))]
    if len(name) > NAME_MAX_LENGTH:
        return [
            Problem(path, Phrase("名称最多 %(most)s 个字，现在有 %(count)s 个", most=NAME_MAX_LENGTH, count=len(name)))
        ]
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in name):
        return [Problem(path, Phrase("有不可见的控制字符，请删掉它后重新输入"))]
    return []


def _twice(tags: Sequence[NewTag]) -> list[Problem]:
    names = [tag.name for tag in tags]
    return [
        Problem(f"tags[{index}].name", Phrase("“%(name)s”出现了两次", name=name))
        for index, name in enumerate(names)
        if name and name in names[:index]
    ]
