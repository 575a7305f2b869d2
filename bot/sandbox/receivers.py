"""Whom new customers may be led to: by contact ways and by customer-acquisition links."""

from __future__ import annotations

from collections.abc import Sequence

from bot.sandbox.calls import Call
from bot.sandbox.errors import ApiError


def count_receivers(call: Call, users: Sequence[str], parties: Sequence[int]) -> int:
    """How many members these and the departments come to. Raises ApiError for whom nobody can be led to."""
    directory, wanted = call.world.directory, set(users)
    for userid in users:
        member = directory.find(userid)
        if member is None or not directory.in_range(call.app, member):
            raise ApiError(40003)
        if member.status != 1:
            raise ApiError(41054)
        if not member.customer_contact:
            raise ApiError(84074)
    for party in parties:
        if party not in directory.departments:
            raise ApiError(60003)
        below = {department.id for department in directory.below(party)}
        wanted |= {member.userid for member in directory if below & set(member.department)}
    return len(wanted)
