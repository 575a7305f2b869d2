"""What a person may do with a journey (旅程), and where that takes it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from data.models.journeys import JourneyStatus


class Act(StrEnum):
    """`close`: begin it for nobody any more. `stop`: end it for everybody."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    CLOSE = "close"
    STOP = "stop"


#: From which statuses.
ACTS: Mapping[Act, frozenset[JourneyStatus]] = {
    Act.START: frozenset({JourneyStatus.DRAFT}),
    Act.PAUSE: frozenset({JourneyStatus.RUNNING}),
    Act.RESUME: frozenset({JourneyStatus.PAUSED, JourneyStatus.CLOSED}),
    Act.CLOSE: frozenset({JourneyStatus.RUNNING, JourneyStatus.PAUSED}),
    Act.STOP: frozenset(JourneyStatus) - {JourneyStatus.STOPPED},
}
#: What may be said twice: of one that is stopped it goes on where it was interrupted.
REPEATED = frozenset({Act.PAUSE, Act.CLOSE, Act.STOP})

_AFTER: Mapping[Act, JourneyStatus] = {
    Act.START: JourneyStatus.RUNNING,
    Act.PAUSE: JourneyStatus.PAUSED,
    Act.RESUME: JourneyStatus.RUNNING,
    Act.CLOSE: JourneyStatus.CLOSED,
    Act.STOP: JourneyStatus.STOPPED,
}


def after(act: Act, *, was_closed: bool = False) -> JourneyStatus:
    """Where an act takes a journey. `was_closed`: it was so when it was paused, and is again."""
    return JourneyStatus.CLOSED if was_closed and act is Act.RESUME else _AFTER[act]
