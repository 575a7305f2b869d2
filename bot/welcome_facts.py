"""What our own tables say about an add: everything that its welcome is decided by, in one reading."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from bot.render import Renderer
from bot.wecom.events import AddedEvent
from bot.welcome_links import read_places
from data.queries import channels as channel_rows
from data.queries import customers as customer_rows
from data.queries import erasures as erasure_rows
from data.queries import rules as rule_rows
from data.queries import staff as staff_rows
from data.queries import transfers as transfer_rows
from data.queries import welcomes as welcome_rows
from data.queries.links import Place
from data.queries.staff import StaffCard
from data.queries.transfers import TransferSigns
from data.queries.welcomes import WelcomeStart
from data.rules.welcome import WelcomeRule


@dataclass(frozen=True, slots=True)
class Known:
    """What our own tables say about an add."""

    rules: list[WelcomeRule]
    staff: StaffCard
    channel_name: str
    followed_by_colleague: bool
    transfer: TransferSigns
    start: WelcomeStart
    erased: bool
    places: dict[str, Place]


def load_known(
    session: Session, event: AddedEvent, event_id: int, received_at: datetime, now: datetime, renderer: Renderer
) -> Known:
    """Everything a decision needs, in one reading."""
    userid, external_userid = event.userid, event.external_userid
    channel = channel_rows.find_by_state(session, event.state)
    rules = rule_rows.list_welcome_rules(session, event.state)
    return Known(
        rules=rules,
        staff=staff_rows.get_card(session, userid),
        channel_name=channel.name if channel else "",
        followed_by_colleague=customer_rows.is_followed_by_colleague(session, userid, external_userid),
        transfer=transfer_rows.find_signs(session, userid, external_userid, now),
        start=welcome_rows.find_add(session, event_id, event.kind, userid, external_userid, received_at),
        erased=erasure_rows.find_erased_at(session, external_userid) is not None,
        places=read_places(session, (rule for rule in rules if rule.enabled), renderer),
    )
