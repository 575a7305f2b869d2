"""What the pages of a sync tell that has happened since journeys listen for it. A first sync tells of nothing."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlmodel import Session

from data.models import FollowStatus
from data.queries.happenings import note, read_ears
from data.queries.markings import map_tag_nos
from data.rules.follows import FollowFacts
from data.rules.happenings import ADDED, TAGGED, Happened

#: A pair, the number of a tag, and whether the two are contacts.
PairTag = tuple[tuple[str, str], int, bool]


def note_changes(
    session: Session,
    new: Iterable[tuple[str, str, FollowFacts]],
    came: Iterable[tuple[tuple[str, str], datetime]],
    put_on: Iterable[PairTag],
    taken_off: Iterable[PairTag],
    now: datetime,
) -> None:
    """Follows that are new to us, those that have become contacts again, and tags.

    With a contact that is new to us come the tags that it was given since.
    """
    ears = read_ears(session)
    if not ears.since:
        return
    happened = [Happened(ADDED, whom, at, userid=userid) for (userid, whom), at in came]
    added_at: dict[tuple[str, str], datetime] = {}
    since = ears.since.get(ADDED)
    for userid, whom, facts in new:
        at = added_at[userid, whom] = facts.added_at or now
        if since is not None and at >= since and facts.status == FollowStatus.PRESENT:
            happened.append(Happened(ADDED, whom, at, userid=userid))
    for put, pairs in (("on", put_on), ("off", taken_off)):
        tag_ids = ears.list_tags(put)
        heard = map_tag_nos(session, tag_ids) if tag_ids else {}
        happened += [
            Happened(TAGGED, pair[1], added_at.get(pair, now), {"tag_id": heard[tag_no], "put": put}, pair[0])
            for pair, tag_no, live in pairs
            if live and tag_no in heard
        ]  # fmt: skip
    note(session, happened, ears)
