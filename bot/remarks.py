"""What a staff member notes about a customer, changed through WeCom: the name they go by, a description, telephone
numbers. WeCom calls nothing back for it, so our own rows are written here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, StringConstraints

from bot.context import Context
from bot.errors import ObservingError
from bot.rule_edits import unwritable
from data.queries import customers as rows
from data.rules.problems import InvalidRuleError, Problem, RuleModel

#: Of WeCom.
REMARK_MAX, DESCRIPTION_MAX, MOBILES_MAX = 20, 150, 5

_Text = Annotated[str, StringConstraints(strip_whitespace=True)]


class Remark(RuleModel):
    """What is noted."""

    remark: _Text = Field(default="", max_length=REMARK_MAX)
    description: _Text = Field(default="", max_length=DESCRIPTION_MAX)
    remark_mobiles: tuple[Annotated[str, Field(min_length=3, max_length=32)], ...] = Field(
        default=(), max_length=MOBILES_MAX
    )


async def change_remark(ctx: Context, userid: str, external_userid: str, wanted: Remark) -> None:
    """Have WeCom and our rows say this. Raises InvalidRuleError, NotFoundError, ObservingError, WeComError."""
    if found := list(_problems(wanted)):
        raise InvalidRuleError(found)
    if ctx.observes:
        raise ObservingError
    await ctx.db.read(rows.get_contact, userid, external_userid)
    await ctx.wecom.external_contact.remark(
        userid,
        external_userid,
        wanted.remark,
        wanted.description,
        remark_mobiles=list(wanted.remark_mobiles) or [""],
    )
    await ctx.db.write(
        rows.record_remark, userid, external_userid, wanted.remark, wanted.description, wanted.remark_mobiles,
        ctx.clock.now(),
    )  # fmt: skip


def _problems(wanted: Remark) -> Iterator[Problem]:
    for problem in unwritable({**wanted.model_dump(mode="json"), "description": wanted.description.replace("\n", "")}):
        yield Problem(problem.path.partition("[")[0], problem.message)
