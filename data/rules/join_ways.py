"""Join ways (群活码): what may be asked for. Limits are those of `groupchat/add_join_way` (WeCom doc 92229)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Annotated

from pydantic import Field, StringConstraints

from bot.phrases import Phrase
from data.rules.problems import Problem, RuleModel
from data.rules.segment_leaves import ChatID
from data.rules.texts import Line

GROUPS_MAX = 5
#: A code by which people join, not a button in a mini-program.
SCENE_CODE = 2
#: A call to WeCom has ended by then.
CALL_SECONDS = 60


class JoinWayDraft(RuleModel):
    """A code that is to be made."""

    name: Annotated[Line, StringConstraints(min_length=1, max_length=30)]
    chat_ids: tuple[ChatID, ...] = Field(min_length=1, max_length=GROUPS_MAX)
    auto_create: bool = True
    base_name: Annotated[Line, StringConstraints(max_length=40)] = ""
    base_id: int = Field(default=1, ge=1, le=100_000)


def with_opened(draft: JoinWayDraft, told: Iterable[str], known: Collection[str]) -> JoinWayDraft:
    """The draft with the groups that WeCom has opened by itself since. `told`: what it shows; `known`: what the draft
    was made of. Of more than it takes those go that were there first, which are full."""
    opened = [str(each) for each in told if each not in known and each not in draft.chat_ids]
    return draft.model_copy(update={"chat_ids": (*draft.chat_ids, *opened)[-GROUPS_MAX:]})


def problems(draft: JoinWayDraft, known: frozenset[str]) -> list[Problem]:
    """What is wrong with a draft; `known`: groups that there are."""
    found = [
        Problem(f"chat_ids[{place}]", Phrase("没有客户群 %(chat_id)s，或已解散", chat_id=chat_id))
        for place, chat_id in enumerate(draft.chat_ids)
        if chat_id not in known
    ]
    if len(set(draft.chat_ids)) < len(draft.chat_ids):
        found.append(Problem("chat_ids", Phrase("同一个群选了两次")))
    if draft.auto_create and not draft.base_name:
        found.append(Problem("base_name", Phrase("自动建群时请写新群的名字，如“会员群”")))
    return found
