"""Leaves of the staff, written down under the same check by the API and the command."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session

from data.models import Leave
from data.queries import leaves as rows
from data.queries.senders import find_known
from data.rules.leaves import LeaveDraft, problems
from data.rules.problems import InvalidRuleError


def make_leave(session: Session, draft: LeaveDraft, made_by: str, now: datetime) -> Leave:
    """Write down a leave. Raises InvalidRuleError, and ConflictError where it overlaps another of the same member."""
    named = {draft.userid, *([draft.substitute] if draft.substitute else ())}
    found = problems(draft, find_known(session, named))
    if found:
        raise InvalidRuleError(found)
    return rows.add_leave(session, draft, made_by, now)
