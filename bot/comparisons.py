"""Comparisons of a run's variants, as they are shown: who clicked and ordered, and whether that is more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session

from data.errors import ConflictError
from data.queries import campaigns as campaign_rows
from data.queries import comparisons as rows
from data.rules.comparisons import Compared, Shares, compare, words_of
from data.rules.senders import SenderPolicy
from data.rules.variants import HELD_OUT_NAME


def read_comparison(session: Session, run_id: int, days: int, now: datetime) -> dict[str, Any]:
    """What the customers of each variant of a run did within so many days after it was planned, and of the hold-out.

    All who were planned count, also those whom staff did not send it to: who was sent to is not chosen by chance.
    Raises NotFoundError, and ConflictError where there is nothing to compare.
    """
    run = campaign_rows.get_run(session, run_id)
    wave = campaign_rows.get_wave(session, run.wave_id)
    split = campaign_rows.split_of_wave(wave)
    if split is None or run.planned_at is None:
        why = "has one content and no hold-out" if split is None else "is not planned yet"
        raise ConflictError(f"Run {run_id} {why}: there is nothing to compare.", "Look at its campaign.")
    since, until = run.planned_at, run.planned_at + timedelta(days=days)
    reached = rows.count_reached(session, run_id)
    several = wave.sender_policy == SenderPolicy.ALL
    customers = rows.count_customers(session, run_id, reached) if several else {}
    clicked = rows.count_clicked(session, run_id, since, until)
    bought = rows.count_bought(session, run_id, since, until)
    groups: list[dict[str, Any]] = []
    for name in (*split.names, *((rows.HELD_OUT,) if wave.hold_out_percent else ())):
        planned, sent = reached.get(name, rows.Reached(0, 0))
        mine = bought.get(name, rows.Bought())
        whole = customers.get(name, 0) if several else planned
        groups.append(
            {
                "name": HELD_OUT_NAME if name is None else name,
                "held_out": name is None,
                "customers": whole,
                "planned": 0 if name is None else planned,
                "sent": sent,
                "clickers": clicked.get(name, 0),
                "click_rate": clicked.get(name, 0) / whole if whole else 0.0,
                "buyers": mine.customers,
                "orders": mine.orders,
                "amount_fen": mine.amount_fen,
                "order_rate": mine.customers / whole if whole else 0.0,
            }
        )
    written_to = [each for each in groups if not each["held_out"]]
    return {
        "run_id": run_id,
        "since": since,
        "until": until,
        "complete": now >= until,
        "groups": groups,
        "comparisons": [
            *(_compare(written_to, "clicks", "clickers", "点击率") if clicked else ()),
            *_compare(groups, "orders", "buyers", "下单率"),
        ],
    }


def list_comparisons(session: Session, campaign_id: int, days: int, now: datetime) -> list[dict[str, Any]]:
    """The same of every run of a campaign that can be compared. Raises NotFoundError."""
    campaign_rows.get_campaign(session, campaign_id)
    split = {
        wave.id
        for wave in campaign_rows.list_waves(session, [campaign_id])
        if campaign_rows.split_of_wave(wave) is not None
    }
    runs = [
        run
        for run in campaign_rows.list_runs(session, [campaign_id])
        if run.wave_id in split and run.planned_at is not None
    ]
    return [read_comparison(session, run.id or 0, days, now) for run in runs]


def _compare(groups: Sequence[dict[str, Any]], by: str, count: str, what: str) -> list[dict[str, Any]]:
    shares = [Shares(each["name"] or "内容", each["customers"], each[count]) for each in groups]
    return [_to_json(each, by, what) for each in compare(shares)]


def _to_json(compared: Compared, by: str, what: str) -> dict[str, Any]:
    return {
        "by": by,
        "first": compared.first.name,
        "second": compared.second.name,
        "difference": compared.first.rate - compared.second.rate,
        "p": compared.p,
        "verdict": compared.verdict.value,
        "words": words_of(compared, what),
    }
