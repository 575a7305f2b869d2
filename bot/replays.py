"""Running stored events again: one, the dead letters, or a period.

Only rows are written: the bot that runs on this database, in this process or another, picks them up within a second.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlmodel import Session

from bot.wecom.event_base import Event
from bot.wecom.event_xml import parse_event
from data.db import Database
from data.errors import NotFoundError
from data.queries import events as event_rows
from data.queries.inbox import NewTask, add_tasks

#: Events given tasks per transaction: callbacks are stored in between.
BATCH = 200


class EventPlan(Protocol):
    """What the dispatcher says of an event."""

    @property
    def tasks(self) -> tuple[NewTask, ...]: ...


@dataclass(frozen=True, slots=True)
class Replayed:
    """What will run: `tasks` again, and `adopted` events that had no handler when they came and have one now."""

    tasks: int
    adopted: int


async def replay(
    inbox: Database,
    plan: Callable[[Event], EventPlan],
    now: datetime,
    *,
    event_id: int | None = None,
    dead_only: bool = False,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Replayed:
    """Have events handled again. `event_id` excludes the rest; without it at least one of the others must be given.

    Raises NotFoundError for an unknown event, ValueError when nothing narrows it down.
    """
    if event_id is None and not dead_only and since is None and until is None:
        raise ValueError("say what to replay: an event, the dead ones, or a period")
    if event_id is not None and not await inbox.read(event_rows.list_events, event_id=event_id):
        raise NotFoundError(f"There is no event {event_id}.", "List them with: siyu events list")
    tasks = await inbox.write(
        event_rows.replay_events, now, event_id=event_id, dead_only=dead_only, since=since, until=until
    )
    if dead_only:
        return Replayed(tasks, 0)
    idle = await inbox.read(event_rows.list_idle_events, since, until, event_id)
    wanted = [(idle_id, planned) for idle_id, body in idle if (planned := plan(parse_event(body)).tasks)]
    for start in range(0, len(wanted), BATCH):
        await inbox.write(_adopt, wanted[start : start + BATCH], now)
    return Replayed(tasks, len(wanted))


def _adopt(session: Session, wanted: Sequence[tuple[int, tuple[NewTask, ...]]], now: datetime) -> None:
    for event_id, tasks in wanted:
        add_tasks(session, event_id, tasks, now)
