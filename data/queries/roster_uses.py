"""Who uses rosters: what would be for nobody once one is removed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from sqlalchemy import or_, select
from sqlmodel import Session, col

from data.models import Campaign, Marking, MarkingStatus, Run, SegmentRow, Wave
from data.queries.journeys import list_definitions
from data.rules.segment_leaves import RosterLeaf
from data.rules.segments import Node, list_leaves


class RosterUse(NamedTuple):
    """Who uses a roster; a marking has no name."""

    kind: Literal["segment", "campaign", "marking", "journey"]
    id: int
    name: str


def list_uses(session: Session) -> dict[int, list[RosterUse]]:
    """By roster: saved segments, campaigns that may still send, markings of which it is still found out whom they are
    about, journeys that were not stopped.

    A campaign may still send while a wave of it was not started or a run of it has not ended.
    """
    uses: dict[int, dict[RosterUse, None]] = {}
    for use, definition in (*_segments(session), *list_campaign_trees(session), *_markings(session)):
        for roster_id in _rosters_of(Node.model_validate(definition)) if definition is not None else ():
            uses.setdefault(roster_id, {})[use] = None
    for journey_id, name, journey in list_definitions(session):
        for _, tree in journey.list_trees():
            for roster_id in _rosters_of(tree):
                uses.setdefault(roster_id, {})[RosterUse("journey", journey_id, name)] = None
    return {roster_id: list(found) for roster_id, found in uses.items()}


_Asked = Iterable[tuple[RosterUse, Mapping[str, Any] | None]]


def _segments(session: Session) -> _Asked:
    for row in session.execute(select(SegmentRow).order_by(col(SegmentRow.id))).scalars():
        yield RosterUse("segment", row.id or 0, row.name), row.definition


def list_campaign_trees(session: Session) -> _Asked:
    """Of campaigns that may still send, whom each of their waves is for; None: not a segment."""
    query = (
        select(col(Campaign.id), col(Campaign.name), col(Wave.audience))
        .join(Wave, col(Wave.campaign_id) == col(Campaign.id))
        .outerjoin(Run, col(Run.wave_id) == col(Wave.id))
        .where(or_(col(Run.id).is_(None), col(Run.ended_at).is_(None)))
        .order_by(col(Campaign.id), col(Wave.id))
    )
    for campaign_id, name, audience in session.execute(query):
        yield RosterUse("campaign", campaign_id or 0, name), audience.get("segment")


def _markings(session: Session) -> _Asked:
    query = (
        select(col(Marking.id), col(Marking.audience))
        .where(
            col(Marking.planned_at).is_(None),
            col(Marking.status).not_in([MarkingStatus.DONE, MarkingStatus.CANCELLED]),
        )
        .order_by(col(Marking.id))
    )
    for marking_id, audience in session.execute(query):
        yield RosterUse("marking", marking_id or 0, ""), audience.get("segment")


def _rosters_of(tree: Node) -> set[int]:
    return {leaf.roster_id for _, leaf in list_leaves(tree) if isinstance(leaf, RosterLeaf)}
