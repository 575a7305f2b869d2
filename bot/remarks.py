"""What a staff member notes about a customer, changed through WeCom: the name they go by, a description, telephone
numbers. WeCom calls nothing back for it, so our own rows are written here."""

from __future__ import annotations

from collections.abc import Iterator

from bot.context import Context
from bot.errors import ObservingError
from bot.rule_edits import unwritable
from data.queries import customers as rows
from data.rules.problems import InvalidRuleError, Problem
from data.rules.remarks import Remark


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
