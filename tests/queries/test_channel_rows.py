"""Channels whose codes nobody stands behind, on both databases."""

from __future__ import annotations

from datetime import datetime
from itertools import product

from sqlmodel import Session

from data.db import Database
from data.models import ChannelKind, ChannelPlan, ChannelStatus
from data.queries.channel_plans import PlanFilter, list_plans
from data.queries.channels import list_untold
from data.rules.channels import Because, Duty, Out

#: Members may be called what the program calls a reason.
OUTS: tuple[dict[str, Out], ...] = (
    {},
    {"full": Out.UNABLE},
    {"an": Out.FULL, "bo": Out.UNABLE},
    {"away": Out.UNABLE, "an": Out.AWAY},
)
STRANDED = {(because, which) for because in (Because.LAST_RESORT, Because.STUCK) for which in range(4)}


async def test_a_code_is_stranded_when_none_of_its_members_can_come_back_soon(db: Database, now: datetime) -> None:
    wanted = {*STRANDED, (Because.NOBODY, 0), (Because.NOBODY, 1)}

    def add(session: Session, state: str, duty: dict[str, object], **more: object) -> None:
        row = {"name": state, "definition": {}, "wanted": {}, "made_by": "me", "made_at": now, "changed_at": now}
        session.add(
            ChannelPlan.model_validate({"state": state, "status": ChannelStatus.MADE, "duty": duty, **row, **more})
        )

    def check(session: Session) -> None:
        for because, which in product(Because, range(4)):
            add(session, f"{because.value}.{which}", Duty((), because, OUTS[which]).to_json())
        add(session, "new", {})
        stuck = Duty((), Because.STUCK).to_json()
        add(session, "link", stuck, kind=ChannelKind.LINK)
        add(session, "gone", stuck, status=ChannelStatus.GONE)
        add(session, "told", stuck, stranded_as=Because.STUCK.value)
        add(session, "worse", stuck, stranded_as=Because.NOBODY.value)
        add(session, "mended", Duty((), Because.PLANNED).to_json(), stranded_as=Because.STUCK.value)
        session.flush()
        states = {f"{because.value}.{which}" for because, which in wanted}
        trouble = {each.state for each in list_plans(session, PlanFilter(trouble=True), 100)}
        assert trouble == {*states, "link", "gone", "told", "worse"}
        untold = {plan.state: why for plan, why in list_untold(session, lock=True)}
        assert untold == {**{each: each.partition(".")[0] for each in states}, "worse": "stuck", "mended": ""}

    await db.write(check)
