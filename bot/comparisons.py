"""Comparisons of variants after a run or all runs of a wave, as they are shown: who did what, and more than chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session

from bot.phrases import Phrase
from data.errors import ConflictError
from data.models import Run
from data.queries import campaigns as campaign_rows
from data.queries import comparisons as rows
from data.rules.comparisons import Compared, Shares, compare, words_of
from data.rules.senders import SenderPolicy
from data.rules.variants import HELD_OUT_NAME, Split


def read_comparison(session: Session, run_id: int, days: int, now: datetime) -> dict[str, Any]:
    """What the customers of each variant of a run did within so many days after it was planned, and of the hold-out.

    All who were planned count, also those whom staff did not send it to: who was sent to is not chosen by chance.
    Raises NotFoundError, and ConflictError where there is nothing to compare.
    """
    run = campaign_rows.get_run(session, run_id)
    wave = campaign_rows.get_wave(session, run.wave_id)
    split = campaign_rows.split_of_wave(wave, run.variant)
    if split is None or not split.compares or run.planned_at is None:
        why = "is not planned yet" if split is not None and split.compares else "has one content and no hold-out"
        raise ConflictError(f"Run {run_id} {why}: there is nothing to compare.", "Look at its campaign.")
    reached = rows.count_reached(session, [run_id])
    if wave.sender_policy == SenderPolicy.ALL:
        customers = rows.count_shared(session, run_id, reached)
    else:
        customers = {name: each.planned for name, each in reached.items()}
    return {"run_id": run_id, **_told(session, split, reached, customers, _windows([run], days), now)}


def read_wave_comparison(session: Session, wave_id: int, days: int, now: datetime) -> dict[str, Any]:
    """The same over all runs of a wave that have begun, each customer once; but not those that sent one variant alone.

    What a customer did counts within so many days after a run that was planned for them. Raises NotFoundError, and
    ConflictError where there is nothing to compare.
    """
    wave = campaign_rows.get_wave(session, wave_id)
    split = campaign_rows.split_of_wave(wave)
    runs = rows.list_begun(session, wave_id)
    if split is None or not runs:
        why = "has one content and no hold-out" if split is None else "has no run that has begun"
        raise ConflictError(f"Wave {wave_id} {why}: there is nothing to compare.", "Look at its campaign.")
    windows = _windows(runs, days)
    reached, customers = rows.count_reached(session, windows), rows.count_customers(session, windows)
    return {"wave_id": wave_id, "run_ids": list(windows), **_told(session, split, reached, customers, windows, now)}


def _windows(runs: Sequence[Run], days: int) -> dict[int, rows.Window]:
    return {
        run.id or 0: rows.Window(run.planned_at, run.planned_at + timedelta(days=days))
        for run in runs
        if run.planned_at is not None
    }


def _told(
    session: Session,
    split: Split,
    reached: Mapping[str | None, rows.Reached],
    customers: Mapping[str | None, int],
    windows: rows.Windows,
    now: datetime,
) -> dict[str, Any]:
    clicked, bought = rows.count_clicked(session, windows), rows.count_bought(session, windows)
    until = max(each.until for each in windows.values())
    groups: list[dict[str, Any]] = []
    for name in (*split.names, *((rows.HELD_OUT,) if split.hold_out_percent else ())):
        planned, sent = reached.get(name, rows.Reached(0, 0))
        mine, whole = bought.get(name, rows.Bought()), customers.get(name, 0)
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
        "since": min(each.since for each in windows.values()),
        "until": until,
        "complete": now >= until,
        "groups": groups,
        "comparisons": [
            *(_compare(written_to, "clicks", "clickers", Phrase("点击率")) if clicked else ()),
            *_compare(groups, "orders", "buyers", Phrase("下单率")),
        ],
    }


def list_comparisons(session: Session, campaign_id: int, days: int, now: datetime) -> list[dict[str, Any]]:
    """What `read_comparison` tells of every run of a campaign that can be compared. Raises NotFoundError."""
    campaign_rows.get_campaign(session, campaign_id)
    waves = {wave.id: wave for wave in campaign_rows.list_waves(session, [campaign_id])}
    found = []
    for run in campaign_rows.list_runs(session, [campaign_id]):
        split = campaign_rows.split_of_wave(waves[run.wave_id], run.variant)
        if split is not None and split.compares and run.planned_at is not None:
            found.append(read_comparison(session, run.id or 0, days, now))
    return found


def list_wave_comparisons(session: Session, campaign_id: int, days: int, now: datetime) -> list[dict[str, Any]]:
    """What `read_wave_comparison` tells of every wave of a campaign that can be compared. Raises NotFoundError."""
    campaign_rows.get_campaign(session, campaign_id)
    return [
        read_wave_comparison(session, wave.id or 0, days, now)
        for wave in campaign_rows.list_waves(session, [campaign_id])
        if campaign_rows.split_of_wave(wave) is not None and rows.list_begun(session, wave.id or 0)
    ]


def _compare(groups: Sequence[dict[str, Any]], by: str, count: str, what: str) -> list[dict[str, Any]]:
    shares = [Shares(each["name"] or Phrase("内容"), each["customers"], each[count]) for each in groups]
    return [compared_to_json(each, by, what) for each in compare(shares)]


def compared_to_json(compared: Compared, by: str, what: str) -> dict[str, Any]:
    """Two groups against each other, as they are shown."""
    return {
        "by": by,
        "first": compared.first.name,
        "second": compared.second.name,
        "difference": compared.first.rate - compared.second.rate,
        "p": compared.p,
        "verdict": compared.verdict.value,
        "words": words_of(compared, what),
    }
