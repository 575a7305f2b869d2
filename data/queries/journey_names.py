"""What words for customers name: the customers, who of the staff writes to them, and how they came."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from sqlalchemy import select
from sqlmodel import Session, col

from data.bulk import among
from data.models import Channel, Customer
from data.queries.staff import StaffCard, get_card


class Names(NamedTuple):
    """The names of customers, the staff's cards, and the names of channels, each by what they are known by."""

    customers: Mapping[str, str]
    staff: Mapping[str, StaffCard]
    channels: Mapping[str, str]


def read_names(
    session: Session, customers: Collection[str], userids: Collection[str], states: Collection[str]
) -> Names:
    """The names of some customers, of who writes to them, and of the channels (by WeCom's `state`)."""
    whom = select(col(Customer.external_userid), col(Customer.name)).where(
        among(session.get_bind().dialect.name, Customer.__table__.c.external_userid, "customers")  # type: ignore[attr-defined]
    )
    channels = select(col(Channel.state), col(Channel.name)).where(col(Channel.state).in_(sorted(states)))
    return Names(
        dict(session.execute(whom, {"customers": sorted(customers)}).all()),
        {userid: get_card(session, userid) for userid in userids},
        dict(session.execute(channels).all()) if states else {},
    )
