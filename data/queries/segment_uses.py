"""Who asks what a saved segment asks: each keeps the conditions as they were when it was made."""

from __future__ import annotations

from sqlmodel import Session

from data.queries.journeys import list_definitions
from data.queries.roster_uses import RosterUse, list_campaign_trees
from data.rules.segments import Node


def list_same(session: Session, tree: Node) -> list[RosterUse]:
    """Campaigns that may still send and journeys that were not stopped with these very conditions."""
    told = tree.model_dump(mode="json")
    found = dict.fromkeys(use for use, definition in list_campaign_trees(session) if definition == told)
    for journey_id, name, journey in list_definitions(session):
        if any(each == tree for _, each in journey.list_trees()):
            found[RosterUse("journey", journey_id, name)] = None
    return list(found)
