"""Hand-overs asked for: looked at first if wished, then planned at once in our own rows; WeCom is not asked for that.

`scheduler/handovers.py` does what is planned, and goes on with a plan that was interrupted.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from sqlmodel import Session

from bot.context import Context
from bot.errors import ObservingError
from bot.leavers import read_unassigned
from bot.phrases import Phrase
from data.models import Handover, HandoverStatus
from data.queries import handovers as rows
from data.queries import leavers as leaver_rows
from data.queries import segment_names
from data.queries import staff as staff_rows
from data.rules.handovers import HandoverAudience, HandoverDraft, LeftOut, problems
from data.rules.problems import InvalidRuleError, Problem

#: Customers that are planned in one transaction.
PIECE = 2000


class Outlook(NamedTuple):
    """What a hand-over would do: who gets how many customers, how many are left out and why, and how many groups."""

    shares: dict[str, int]
    left_out: Counter[str]
    groups: int

    @property
    def customers(self) -> int:
        """How many would be handed over."""
        return sum(self.shares.values())


async def look_at(ctx: Context, draft: HandoverDraft) -> Outlook:
    """What a hand-over would do. Raises InvalidRuleError."""
    draft, resigned = await _check(ctx, draft)
    return await ctx.db.read(_look_at, draft, resigned, ctx)


async def ask_for_handover(ctx: Context, draft: HandoverDraft, asked_by: str) -> Handover:
    """Make a hand-over and plan it; it begins within seconds. Raises InvalidRuleError, ObservingError."""
    draft, resigned = await _check(ctx, draft)
    if ctx.observes:
        raise ObservingError
    made = await ctx.db.write(_make, draft, resigned, asked_by, ctx)
    await plan_handover(ctx, made)
    return await ctx.db.read(rows.get_handover, made)


async def plan_handover(ctx: Context, handover_id: int) -> None:
    """Plan a hand-over, from where that was interrupted."""
    found = await ctx.db.read(_read_candidates, handover_id, ctx)
    for start in range(0, len(found), PIECE):
        piece = found[start : start + PIECE]
        if not await ctx.db.write(rows.write_plan, handover_id, piece, ctx.clock.now()):
            return
    await ctx.db.write(rows.end_planning, handover_id, ctx.clock.now())


def to_json(session: Session, row: Handover) -> dict[str, Any]:
    """A hand-over as the API and the command line show it, with how far it is."""
    assert row.id is not None
    statuses, groups = rows.count_statuses(session, row.id), rows.count_statuses(session, row.id, rows.G)
    return {
        **row.model_dump(exclude={"planned_until", "next_at"}),
        "customers": dict(statuses),
        "groups": dict(groups),
    }


async def _check(ctx: Context, draft: HandoverDraft) -> tuple[HandoverDraft, bool]:
    """The draft with its segment read and members as WeCom writes them, and whether the member has left."""
    found = problems(draft)
    if found:
        raise InvalidRuleError(found)
    resigned = await ctx.db.read(leaver_rows.has_left, draft.userid)
    if resigned and not await ctx.db.read(leaver_rows.is_listed, draft.userid) and not ctx.observes:
        # Who has just left may not be on the list that was read within the hour.
        await read_unassigned(ctx)
    return await ctx.db.read(_read_draft, draft), resigned


def _read_draft(session: Session, draft: HandoverDraft) -> HandoverDraft:
    followers = {userid.casefold(): userid for userid in staff_rows.list_followers(session)}
    giver = staff_rows.find_staff(session, draft.userid)
    found, takeovers = [], []
    if giver is None and not leaver_rows.has_left(session, draft.userid):
        found.append(Problem("userid", Phrase("没有成员 %(userid)s", userid=draft.userid)))
    for place, each in enumerate(draft.takeovers):
        userid = followers.get(each.userid.casefold())
        if userid is None or leaver_rows.has_left(session, userid):
            words = f"{each.userid} 不能接手客户：需要在职、在应用可见范围内，并开通客户联系功能"
            found.append(Problem(f"takeovers[{place}].userid", words))
        else:
            takeovers.append(each.model_copy(update={"userid": userid}))
    customers = draft.customers
    if draft.wants_customers and not customers.external_userids:
        try:
            customers = segment_names.read_audience(session, customers)
        except InvalidRuleError as error:
            found += [Problem(each.path.replace("audience.", "customers.", 1), each.message) for each in error.problems]
    if found:
        raise InvalidRuleError(found)
    return draft.model_copy(update={"takeovers": tuple(takeovers), "customers": customers})


def _candidates(session: Session, draft: HandoverDraft, resigned: bool, ctx: Context) -> list[str]:
    if not draft.wants_customers:
        return []
    return rows.list_candidates(
        session, draft.userid, draft.customers, resigned=resigned, now=ctx.clock.now(), zone=ctx.settings.zone
    )


def _chat_ids(draft: HandoverDraft) -> frozenset[str] | None:
    """The groups meant; None: all."""
    return None if draft.groups else draft.chat_ids


def _strangers(draft: HandoverDraft, found: list[str]) -> Counter[str]:
    """Those listed who are not customers of the member."""
    missing = len(set(draft.customers.external_userids) - set(found))
    return Counter({LeftOut.NOT_THEIRS: missing} if missing else {})


def _look_at(session: Session, draft: HandoverDraft, resigned: bool, ctx: Context) -> Outlook:
    found = _candidates(session, draft, resigned, ctx)
    sorted_out = rows.sort_out(session, draft.userid, draft.takeovers, found, 0, resigned=resigned, now=ctx.clock.now())
    shares = dict.fromkeys((each.userid for each in draft.takeovers), 0)
    for _, whose in sorted_out.given:
        shares[whose] += 1
    groups = rows.count_groups(session, draft.userid, _chat_ids(draft)) if draft.wants_groups else 0
    return Outlook(shares, sorted_out.left_out + _strangers(draft, found), groups)


def _make(session: Session, draft: HandoverDraft, resigned: bool, asked_by: str, ctx: Context) -> int:
    now = ctx.clock.now()
    listed = draft.customers.external_userids
    # A list is not kept twice: its customers are rows at once.
    audience = {"listed": len(listed)} if listed else draft.customers.model_dump(mode="json", exclude_defaults=True)
    handover_id = rows.add_handover(
        session, draft.userid, resigned=resigned, takeovers=draft.takeovers, audience=audience, message=draft.message,
        asked_by=asked_by, now=now,
    )  # fmt: skip
    if draft.wants_groups:
        rows.plan_groups(session, handover_id, _chat_ids(draft), now)
    if listed:
        found = _candidates(session, draft, resigned, ctx)
        rows.write_plan(session, handover_id, found, now, more=_strangers(draft, found))
        rows.end_planning(session, handover_id, now)
    return handover_id


def _read_candidates(session: Session, handover_id: int, ctx: Context) -> list[str]:
    row = rows.get_handover(session, handover_id)
    if row.status != HandoverStatus.PLANNING or not row.audience:
        return []
    found = rows.list_candidates(
        session, row.userid, HandoverAudience.model_validate(row.audience), resigned=row.resigned,
        now=row.asked_at, zone=ctx.settings.zone,
    )  # fmt: skip
    return [each for each in found if each > row.planned_until]
