"""Campaigns of people who see some customers only: whatever they make is for these.

The limits stand in the definition itself, as conditions like any others: planning asks the database for those customers
alone, also for those who come later, and through the API or a file the same is shown.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlmodel import Session

from bot.campaigns import Told, read_campaign
from bot.context import Context
from bot.phrases import Phrase
from bot.waves import KINDS
from data.errors import ConflictError
from data.models import Account, Role, Wave
from data.queries import campaign_views as rows
from data.queries import staff as staff_rows
from data.queries.accounts import list_visible
from data.queries.segment_names import read_audience
from data.rules.accounts import NO_CUSTOMERS, limited, unlimited
from data.rules.campaigns import Audience
from data.rules.problems import InvalidRuleError, Problem, parse
from data.rules.waves import CUSTOMERS, GROUPS, MOMENTS


def widened(account: Account, kind: str, audience: Mapping[str, Any]) -> dict[str, Any]:
    """An audience without the limits that `narrow` has put there: what its maker chose."""
    if account.role == Role.ADMIN:
        return dict(audience)
    mine = sorted(account.department_ids)
    if kind == CUSTOMERS:
        tree = audience.get("segment")
        chosen = unlimited(account, tree)
        if chosen is tree:
            return dict(audience)
        return {"everyone": True} if chosen is None else {"segment": chosen}
    found = dict(audience)
    if sorted(found.get("department_ids") or ()) == mine and not found.get("userids"):
        del found["department_ids"]
        if kind == GROUPS and not any(found.values()):
            return {"everyone": True}
    return found


async def narrow(ctx: Context, account: Account, wave: Mapping[str, Any]) -> dict[str, Any]:
    """A wave's definition for the customers whom somebody sees alone. Raises InvalidRuleError where it names others."""
    if account.role == Role.ADMIN:
        return dict(wave)
    return await ctx.db.read(_narrow, account, wave)


def _narrow(session: Session, account: Account, wave: Mapping[str, Any]) -> dict[str, Any]:
    kind = wave.get("kind", CUSTOMERS)
    visible = list_visible(session, account) or frozenset()
    if not visible:
        raise InvalidRuleError([Problem("audience", NO_CUSTOMERS)])
    if kind == CUSTOMERS:
        audience = wave.get("audience")
        return {**wave, "audience": _of_customers(session, account, visible, audience if audience else {})}
    name = "audience" if kind == GROUPS else "visible"
    return {**wave, name: _of_members(session, account, visible, kind, name, wave.get(name) or {})}


def _of_customers(
    session: Session, account: Account, visible: Collection[str], source: Mapping[str, Any]
) -> dict[str, Any]:
    audience = parse(Audience, widened(account, CUSTOMERS, source))
    if audience.is_list:
        pairs = rows.list_visible_pairs(session, audience.listed, visible)
        if not pairs:
            raise InvalidRuleError([Problem("audience", Phrase("名单里没有您能看到的客户"))])
        return {"pairs": [{"external_userid": whom, "userid": userid} for whom, userid in sorted(pairs)]}
    chosen = read_audience(session, audience).model_dump(mode="json", exclude_defaults=True)
    if "segment" in chosen or audience.everyone:
        return {"segment": limited(account, chosen.get("segment"))}
    return chosen


def _of_members(
    session: Session, account: Account, visible: Collection[str], kind: str, path: str, source: Mapping[str, Any]
) -> dict[str, Any]:
    """Groups by their owners, posts by who publishes them: members whom somebody sees alone."""
    found = widened(account, kind, source)
    named = "owners" if kind == GROUPS else "userids"
    strangers = [each for each in found.get(named) or () if each not in visible]
    inside = _below(session, account.department_ids)
    strangers += [str(each) for each in found.get("department_ids") or () if each not in inside]
    if strangers:
        raise InvalidRuleError([Problem(path, Phrase("不在您能看到的范围内：%(names)s", names=strangers[:5]))])
    found.pop("everyone", None)
    limited = found.get("department_ids") or found.get(named)
    if not limited and account.department_ids:
        found["department_ids"] = sorted(account.department_ids)
    elif not limited:
        found[named] = sorted(visible)
    return found


def _below(session: Session, department_ids: Collection[int]) -> set[int]:
    """These departments and those below them."""
    children: dict[int, list[int]] = {}
    for each in staff_rows.list_departments(session):
        children.setdefault(each.parent_id, []).append(each.id)
    found, waiting = set[int](), list(department_ids)
    while waiting:
        department_id = waiting.pop()
        if department_id not in found:
            found.add(department_id)
            waiting += children.get(department_id, ())
    return found


async def refuse_wider(ctx: Context, account: Account, campaign_id: int) -> None:
    """Raises ConflictError where a campaign is for customers whom somebody does not see: an admin has made it so, or
    their departments have changed since."""
    if account.role == Role.ADMIN:
        return
    told: Told = await ctx.db.read(read_campaign, campaign_id)
    for wave in told.waves:
        if not await ctx.db.read(_is_within, account, wave):
            raise ConflictError(
                Phrase("这个计划的接收范围超出了您能看到的客户。"), Phrase("请重新保存各个波次，或请管理员来开始。")
            )


def _is_within(session: Session, account: Account, wave: Wave) -> bool:
    draft = KINDS[wave.kind].draft_of(session, wave)
    audience = draft["visible" if wave.kind == MOMENTS else "audience"]
    if "external_userids" in audience:
        return False
    if "pairs" in audience:
        visible = list_visible(session, account) or frozenset()
        return all(each["userid"] in visible for each in audience["pairs"])
    try:
        return _narrow(session, account, draft) == draft
    except InvalidRuleError:
        return False
