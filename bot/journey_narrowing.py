"""Journeys of people who see some customers only: whatever they make is for these, and works through those members
alone whose customers they see.

The limits stand in the definition itself, as for campaigns (`bot.campaign_narrowing`): whoever begins later, by
whatever trigger, is one of these as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from sqlmodel import Session

from bot.config import ApprovalSettings
from bot.phrases import Phrase
from data.errors import ConflictError
from data.models import Account, JourneyRow, Role
from data.queries import journeys as rows
from data.queries.accounts import list_visible
from data.rules.accounts import NO_CUSTOMERS, limited, names_of, unlimited
from data.rules.journeys import CallWebhook, Journey, Members
from data.rules.problems import InvalidRuleError, Problem

Said = TypeVar("Said", bound=Journey)
#: Fields that are the account's, not the writer's.
LIMITS = ("audience", "members")


def may_change(account: Account, row: JourneyRow) -> bool:
    """Whether it is theirs, or they may do everything."""
    return account.role == Role.ADMIN or row.made_by in names_of(account)


def find_mine(session: Session, account: Account, journey_id: int) -> JourneyRow:
    """A journey that somebody may change. Raises NotFoundError, and ConflictError where they may only look."""
    row = rows.get_journey(session, journey_id)
    if not may_change(account, row):
        raise ConflictError(Phrase("这个旅程是别人创建的，您只能查看。"), Phrase("请联系创建人或管理员。"))
    return row


def narrow(session: Session, account: Account, said: Said) -> Said:
    """A journey that was checked, for the customers whom somebody sees alone. Raises InvalidRuleError for what only
    admins write."""
    if account.role == Role.ADMIN:
        return said
    if not list_visible(session, account):
        raise InvalidRuleError([Problem("audience", NO_CUSTOMERS)])
    calls = [number for number, step in enumerate(said.steps) if isinstance(step.action, CallWebhook)]
    if calls:
        words = Phrase("只有管理员能添加通知其他程序的步骤")
        raise InvalidRuleError([Problem(f"steps[{number}].action", words) for number in calls])
    source = said.model_dump(mode="json")
    chosen = unlimited(account, source["audience"])
    return type(said).model_validate(
        {**source, "audience": limited(account, chosen), "members": _members(account).model_dump(mode="json")}
    )


def widened(account: Account, definition: Mapping[str, Any]) -> dict[str, Any]:
    """What a journey says, without the limits that `narrow` has put there."""
    found = dict(definition)
    if account.role == Role.ADMIN:
        return found
    found["audience"] = unlimited(account, found.get("audience"))
    found.pop("members", None)
    return found


def refuse_wider(session: Session, account: Account, journey_id: int) -> None:
    """Raises ConflictError where a journey is for customers whom somebody does not see: an admin has made it so, or
    their departments have changed since."""
    if account.role == Role.ADMIN:
        return
    row = rows.get_journey(session, journey_id)
    said = rows.read_definition(session, journey_id, row.version)
    try:
        if narrow(session, account, said) == said:
            return
    except InvalidRuleError:
        pass
    raise ConflictError(
        Phrase("这个旅程的范围超出了您能看到的客户，或者有只有管理员能用的步骤。"),
        Phrase("请打开修改后重新保存，或请管理员来操作。"),
    )


def refuse_many(account: Account, customers: int, settings: ApprovalSettings) -> None:
    """Raises ConflictError where so many customers are to begin at once that somebody else has to agree: an admin, who
    asks for it then. What a journey broadcasts waits for its approval besides."""
    if account.role == Role.ADMIN or not settings.above or customers <= settings.above:
        return
    raise ConflictError(
        Phrase("会有 %(customers)s 位客户同时开始，超过 %(above)s 位。", customers=customers, above=settings.above),
        Phrase("请让管理员来操作，或缩小面向的客户。"),
    )


def _members(account: Account) -> Members:
    own = frozenset({account.userid} if account.userid else ())
    return Members(userids=own, department_ids=frozenset(account.department_ids))
