"""`siyu campaigns`: looked at, approved, started and acted on from a terminal."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

from sqlmodel import Session

from data.db import Database
from data.models import Batch, CustomerGroup, Recipient, RecipientState, Staff
from data.queries import campaigns as rows
from data.queries.campaigns import add_campaign
from data.rules.campaigns import CampaignDraft
from data.rules.schedule import TimeWindow
from data.rules.timings import Calendar
from tests.api.test_segments import make_follows
from tests.cli.conftest import Siyu, write_config
from tests.conftest import Urls

NOW = datetime(2026, 3, 4, tzinfo=UTC)
DRAFT = {"name": "三月上新", "waves": [{"content": {"text": "有新品"}, "audience": {"everyone": True}}]}
SPLIT = {
    "name": "对比",
    "waves": [
        {
            "variants": [{"name": name, "content": {"text": f"{name}版"}} for name in ("甲", "乙")],
            "hold_out_percent": 50,
            "audience": {"everyone": True},
        }
    ],
}
ALL_KINDS = {
    "name": "全部",
    "waves": [
        *DRAFT["waves"],
        {"kind": "groups", "content": {"text": "群里见"}, "audience": {"everyone": True}},
        {"kind": "moments", "content": {"text": "朋友圈见"}},
    ],
}


async def test_a_campaign_is_approved_started_and_cancelled(
    siyu: Siyu, urls: Urls, db: Database, tmp_path: Path
) -> None:
    await db.write(make_follows)
    for userid in ("seg", "boss", "lead"):
        staff = Staff(userid=userid, name=userid, status=1, follows_customers=True, seen_at=NOW)
        await db.write(lambda session, staff=staff: session.merge(staff))
    for draft in (DRAFT, DRAFT, ALL_KINDS, SPLIT):
        await db.write(add_campaign, CampaignDraft.model_validate(draft), "test", NOW)
    await db.write(lambda session: session.add(CustomerGroup(chat_id="wr1", name="茶友群", owner="seg")))
    config = write_config(tmp_path / "config.toml", urls, approval='above = 1\napprovers = ["boss", "lead"]')
    await asyncio.to_thread(_act, siyu, config)
    await db.write(begin_split)
    await asyncio.to_thread(_choose, siyu, config)
    await asyncio.to_thread(_look_at_calls, siyu, config, tmp_path)


def begin_split(session: Session) -> None:
    """One run of the campaign with variants is sent, another one is to come."""
    (run,) = rows.start_campaign(session, 4, NOW, Calendar(UTC, TimeWindow(), ()))
    run.status, run.started_at, run.planned_at = "awaiting", NOW, NOW
    session.add(
        Batch(run_id=run.id or 0, batch_no=1, userid="seg", variant="甲", recipients=1, status="created",
              first_called_at=NOW)
    )  # fmt: skip
    session.add(
        Batch(run_id=run.id or 0, batch_no=2, userid="seg", variant="乙", recipients=1, status="unknown",
              candidates=["msg1", "msg2"])
    )  # fmt: skip
    for number, state in ((1, RecipientState.WAITING), (2, RecipientState.WAITING), (None, RecipientState.HOLD_OUT)):
        follow_id = 9000 + (number or 0)
        session.add(Recipient(run_id=run.id or 0, follow_id=follow_id, batch_no=number, state=state))
    session.add(rows.new_run(rows.get_wave(session, run.wave_id), datetime(2099, 3, 8, tzinfo=UTC)))


def _choose(siyu: Siyu, config: Path) -> None:
    assert siyu("campaigns", "compare", 1, config=config).out.startswith("Nothing of it")
    assert "人数太少" in siyu("campaigns", "compare", 4, config=config).out
    (compared,) = siyu("campaigns", "compare", 4, "--json", config=config).json
    wave = compared["wave_id"]
    assert siyu("campaigns", "choose", wave, "丁", config=config).code == 2
    told = siyu("campaigns", "choose", wave, "乙", config=config).out
    assert told == f"Runs of wave {wave} that are still to begin send 乙 alone.\n"
    assert siyu("campaigns", "show", 4, config=config).json["winners"][0]["chosen_by"] == "command"
    assert siyu("campaigns", "unchoose", wave, config=config).code == 0
    assert siyu("campaigns", "unchoose", wave, config=config).code == 2


def _look_at_calls(siyu: Siyu, config: Path, folder: Path) -> None:
    """What was asked for, of whom, and what becomes of a call whose answer never came."""
    assert "0/2" in siyu("campaigns", "board", 4, config=config).out
    assert siyu("campaigns", "board", 4, "--json", config=config).json[0]["tasks"] == 2
    assert siyu("campaigns", "remind", 4, config=config).out == "Staff will be reminded of 1 tasks.\n"
    sent, coming = (each["id"] for each in siyu("campaigns", "show", 4, config=config).json["runs"])
    told = siyu("campaigns", "recipients", sent, config=config).out
    assert [each in told for each in ("wmseg1", "wmseg2", "hold_out", "甲")] == [True] * 4
    (found,) = siyu("campaigns", "recipients", sent, "--state", "hold_out", "--json", config=config).json
    assert found["external_userid"] == "wmseg0"
    assert "--state is one of" in siyu("campaigns", "recipients", sent, "--state", "x", config=config).err
    told = siyu("campaigns", "batches", 4, "--status", "unknown", config=config).out
    assert "unknown (a person decides)  msg1 or msg2" in told
    unknown, made = (each["id"] for each in siyu("campaigns", "batches", 4, "--json", config=config).json)
    assert "--status is one of" in siyu("campaigns", "batches", 4, "--status", "x", config=config).err
    refused = siyu("campaigns", "adopt", made, "msg1", config=config)
    assert (refused.code, "is created, not unknown" in refused.err) == (2, True)
    assert siyu("campaigns", "again", made, config=config).code == 2
    assert siyu("campaigns", "again", unknown, config=config).out == f"Batch {unknown} is cancelled.\n", "it is over"
    words = folder / "words.json"
    words.write_text('{"variants": [{"name": "甲", "content": {"text": "{{ customer_name }}"}}]}', "utf-8")
    refused = siyu("campaigns", "words", coming, words, config=config)
    assert (refused.code, "variants[0].content.text" in refused.err) == (2, True)
    contents = [{"name": name, "content": {"text": f"{name}的新话"}} for name in ("甲", "乙")]
    words.write_text(json.dumps({"variants": contents}), "utf-8")
    told = siyu("campaigns", "words", coming, words, config=config).out
    assert told == f"Run {coming} is due; what was approved of campaign 4 before is void.\n"
    assert siyu("campaigns", "words", sent, words, config=config).code == 2


def _act(siyu: Siyu, config: Path) -> None:
    told = siyu("campaigns", "list", config=config).out
    assert [each in told for each in ("三月上新", "draft")] == [True, True]
    assert siyu("campaigns", "show", 1, config=config).json["version"] == 1
    told = siyu("campaigns", "preview", 1, config=config).out
    assert "有新品" in told
    recipients = siyu("campaigns", "preview", 1, "--json", config=config).json[0]["recipients"]
    assert recipients > 1

    told = siyu("campaigns", "preview", 3, config=config).out
    assert "waves[1], wave 4: 1 of 1 groups with 0 customers" in told
    assert all(each in told for each in ("有新品", "群里见", "朋友圈见"))

    told = siyu("campaigns", "preview", 4, config=config).out
    assert all(each in told for each in ("hold_out: ", "甲版", "乙版"))

    refused = siyu("campaigns", "start", 1, config=config)
    assert (refused.code, "siyu campaigns submit" in refused.err) == (2, True)
    told = siyu("campaigns", "submit", 1, "--requested-by", "lead", config=config).out
    assert told == f"Approval asked for {recipients} customers. The card goes to boss.\n"
    for userid in ("lead", "seg"):
        assert siyu("campaigns", "approve", 1, "--userid", userid, config=config).code == 2
    assert siyu("campaigns", "approve", 1, "--userid", "boss", config=config).out == "Campaign 1 is approved.\n"
    refused = siyu("campaigns", "cancel", 1, config=config)
    assert "is not started: it cannot be cancelled" in refused.err
    for past in ("2020-03-08T10:00", "2h"):
        refused = siyu("campaigns", "start", 1, "--at", past, config=config)
        assert (refused.code, "时间已经过去" in refused.err) == (2, True), "a slip in a date sends nothing"
    assert siyu("campaigns", "start", 1, "--at", "2099-03-08T10:00", config=config).out == "Campaign 1 三月上新: due.\n"
    for act, status in (("pause", "paused (by command)"), ("resume", "due"), ("cancel", "cancelled")):
        assert siyu("campaigns", act, 1, config=config).out == f"Campaign 1 三月上新: {status}.\n"
    told = siyu("campaigns", "results", 1, config=config).out
    assert "cancelled" in told
    assert "OVER CAP" in told
    assert "waves[0]" in told
    assert siyu("campaigns", "results", 1, "--json", config=config).json[0]["sent"] == 0

    siyu("campaigns", "submit", 2, "--at", "2099-03-08T10:00", config=config)
    told = siyu("campaigns", "reject", 2, "--userid", "lead", "--reason", "太长", config=config).out
    assert told == "Campaign 2 is rejected.\n"
    assert siyu("campaigns", "show", 2, config=config).json["approval"]["reason"] == "太长"
    assert siyu("campaigns", "results", 2, config=config).out == "It was not started.\n"
    assert siyu("campaigns", "show", 9, config=config).code == 2
