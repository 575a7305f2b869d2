"""What became of a sending: each customer, group or member, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from aiohttp import web
from sqlmodel import Session

from bot.console import campaign_words as words
from bot.console.asks import Ask
from bot.console.campaigns import names_of
from data.models import PublisherState, RecipientState, Run
from data.queries import batches as batch_rows
from data.queries import campaign_views as rows
from data.queries import group_waves as group_rows
from data.queries import publishers as publisher_rows
from data.queries import recipients as recipient_rows
from data.queries.campaign_views import Sight
from data.rules.waves import GROUPS, MOMENTS

ROWS = 50
_STATES = {each.name.lower(): each for each in RecipientState}


async def show_people(ask: Ask) -> web.Response:
    """Who a sending was for, those in one state if that is asked for."""
    run_id, state = ask.path_number(), ask.request.query.get("state", "")
    after = ask.request.query.get("after", "")[:64]
    found = await ask.db.read(partial(_read, account=ask.account, run_id=run_id, state=state, after=after))
    kind = found["wave"].kind
    page = {MOMENTS: "campaign_publishers", GROUPS: "campaign_groups"}.get(kind, "campaign_people")
    counted = _counted(found["run"], kind)
    return ask.show(page, **found, state=state, after=after, counted=counted, words=words, person=await names_of(ask))


def _counted(run: Any, kind: str) -> list[str]:
    """The states that can be chosen."""
    if kind == MOMENTS:
        return list(words.PUBLISHERS)
    first = ["waiting", "sent", "not_friend", "over_cap", "refused", "stopped"]
    return first + [each for each in sorted(run.left_out) if each in _STATES]


def _count(session: Session, run: Run, kind: str, sight: Sight) -> dict[str, int]:
    """How many are in which state: of all whom the reader sees; why others are left out is counted for all only."""
    run_id = run.id or 0
    if sight.userids is None and kind != MOMENTS:
        mine: Mapping[str, int] = batch_rows.count_results(session, [run_id]).get(run_id, {})
        left_out = run.left_out
    else:
        visible = sight.userids if sight.userids is not None else rows.list_publisher_ids(session, run_id)
        mine, left_out = rows.count_seen_results(session, [run_id], visible).get(run_id, {}), {}
    names = ("sent", "not_friend", "over_cap", "refused", "stopped")
    found = {name: mine.get(name, 0) for name in names}
    waiting = mine.get("recipients", 0) - sum(found.values())
    return {**found, **left_out, "waiting": waiting, "published": found["sent"]}


def _read(session: Session, *, account: Any, run_id: int, state: str, after: str) -> dict[str, Any]:
    sight = rows.read_sight(session, account)
    campaign, wave, run = rows.campaign_of_run(session, sight, run_id)
    told: dict[str, Any] = {
        "campaign": campaign, "wave": wave, "run": run, "numbers": _count(session, run, wave.kind, sight),
    }  # fmt: skip
    if wave.kind == MOMENTS:
        which = PublisherState(state) if state in words.PUBLISHERS else None
        found = publisher_rows.list_publishers(session, run_id, ROWS + 1, after, which, sight.userids)
        reactions = publisher_rows.list_reactions(session, run_id, ROWS, None, sight.userids)
        names = rows.map_customer_names(session, {each.external_userid for each in reactions})
        return {**told, "people": found[:ROWS], "reactions": reactions, "customers": names,
                "following": found[ROWS - 1].userid if len(found) > ROWS else None}  # fmt: skip
    if wave.kind == GROUPS:
        groups = group_rows.list_recipients(session, run_id, ROWS + 1, after, _STATES.get(state), sight.userids)
        return {**told, "people": groups[:ROWS],
                "following": groups[ROWS - 1]["chat_id"] if len(groups) > ROWS else None}  # fmt: skip
    behind = int(after) if after.isascii() and after.isdecimal() and len(after) <= 18 else 0
    people = recipient_rows.list_recipients(
        session, run_id, ROWS + 1, behind, _STATES.get(state), userids=sight.userids
    )
    names = rows.map_customer_names(session, {each["external_userid"] for each in people[:ROWS]})
    following = people[ROWS - 1]["follow_id"] if len(people) > ROWS else None
    return {**told, "people": people[:ROWS], "customers": names, "following": following}
