"""Journeys through the API: made, changed as versions, started, moved to the newest version, ended."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlmodel import Session

from bot.campaign_plans import calendar_of
from data.models import Campaign, JourneyWave, Run, RunStatus, StaffTask, StaffTaskStatus, Wave
from data.queries.enrolments import Beginner, add_enrolments
from data.queries.journeys import pause_journey
from data.rules.journey_steps import first_standing
from data.rules.journeys import Journey
from tests.api.conftest import Caller


def step(key: str, days: int = 1) -> dict[str, Any]:
    return {"key": key, "when": {"days": days}, "action": {"do": "field", "field": "level", "value": 1}}


def journey(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "新客", "trigger": {"on": "added"}, "steps": [*steps] or [step("one"), step("two")], **more}


async def make(caller: Caller, **more: Any) -> tuple[str, dict[str, Any]]:
    """A journey, and its path."""
    assert (await caller.call("POST", "/fields", {"name": "level", "kind": "number"}))[0] in (200, 201)
    status, made = await caller.call("POST", "/journeys", journey(**more))
    assert (status, made["status"], made["version"], made["running"]) == (201, "draft", 1, 0)
    return f"/journeys/{made['id']}", made


async def enrol(caller: Caller, told: dict[str, Any], *customers: str, at: int = 0) -> None:
    """Customers begin a journey as it is now; `at`: the step that they wait for."""
    now, said = caller.bot.clock.now(), Journey.model_validate(told["definition"])
    standing = first_standing(said, now, calendar_of(caller.bot.settings), held_out=False)._replace(step=at)
    beginners = [Beginner(each, "ann", "加为好友", standing) for each in customers]
    await caller.bot.db.write(add_enrolments, told["id"], told["version"], beginners)


async def test_a_journey_is_made_and_changed_as_versions(caller: Caller) -> None:
    await caller.read_directory()
    path, made = await make(caller)
    assert made["definition"]["steps"][0]["when"]["days"] == 1
    assert await caller.call("GET", path) == (200, made)
    listed = {name: value for name, value in made.items() if name not in ("running", "definition")}
    assert (await caller.call("GET", "/journeys"))[1]["items"] == [listed]

    owner = caller.sandbox.world.population.service[0].userid
    status, told = await caller.call("PATCH", path, {"version": 1, "owner": owner, "priority": 5})
    assert (status, told["owner"], told["version"]) == (200, owner, 1), "it says the same"
    changes = {"version": 1, "goal": {"on": "ordered", "min_fen": 100}, "trigger": {"on": "event", "name": "signed"}}
    status, told = await caller.call("PATCH", path, changes)
    assert (status, told["version"], told["owner"], told["definition"]["trigger"]) == (
        200,
        2,
        owner,
        changes["trigger"],
    )
    status, told = await caller.call("PUT", path, {"version": 2, **journey(step("three"))})
    assert (status, told["version"], told["owner"], told["definition"]["goal"]) == (200, 3, "", None)
    _, versions = await caller.call("GET", f"{path}/versions")
    assert [each["version"] for each in versions["items"]] == [3, 2, 1]
    assert versions["items"][2]["definition"] == made["definition"]
    for method in ("PUT", "PATCH"):
        status, refused = await caller.call(method, path, {"version": 2, **journey(step("four"))})
        assert (status, "version 3, not 2" in refused["error"]["message"]) == (409, True)
        assert (await caller.call(method, path, journey()))[1]["error"]["problems"][0]["path"] == "version"

    for more, where in (
        ({"owner": "nobody"}, "owner"),
        ({"steps": [step("one"), step("one")]}, "steps[1].key"),
        ({"steps": [{"key": "x", "action": {"do": "tags", "put_on": ["gone"]}}]}, "steps[0].action.put_on"),
        ({"steps": [{"key": "x", "action": {"do": "task", "content": {"text": "{{ no }}"}}}]},
         "steps[0].action.content.text"),
        ({"steps": [{"key": "x", "action": {"do": "field", "field": "level", "value": "gold"}}]},
         "steps[0].action.value"),
        ({"colour": 1}, "colour"),
    ):  # fmt: skip
        for method, at, body in (("POST", "/journeys", journey()), ("PATCH", path, {"version": 3})):
            status, refused = await caller.call(method, at, body | more)
            assert (status, [each["path"] for each in refused["error"]["problems"]]) == (422, [where]), (method, more)
    for each in ("", "/versions", "/enrolments"):
        assert (await caller.call("GET", f"/journeys/77{each}"))[0] == 404


async def test_a_journey_goes_on_rests_and_is_over_for_everybody(caller: Caller) -> None:
    path, made = await make(caller)
    assert (await caller.call("POST", f"{path}/pause"))[0] == 409
    status, told = await caller.call("POST", f"{path}/start")
    assert (status, told["status"], told["scanned_until"]) == (200, "running", told["started_at"])
    assert (await caller.call("POST", f"{path}/start"))[0] == 409
    tried = {"journey_id": made["id"], "days": 3, "per_day": 2}
    status, would = await caller.call("POST", "/journeys/simulate", tried)
    assert (status, would["customers"], would["begun"]) == (200, 0, 0), "nobody is a contact"
    assert (await caller.call("POST", "/journeys/simulate"))[0] == 422
    _, numbers = await caller.call("GET", f"{path}/statistics")
    assert (numbers["entered"], numbers["goal"]) == (0, None)
    status, listed = await caller.call("POST", f"{path}/enrolments", {"external_userids": ["wmA"]})
    assert (status, listed["begun"], listed["not_on_it"]) == (200, 0, ["wmA"])
    await enrol(caller, made, "wmA", "wmB", "wmC")
    runs = await caller.bot.db.write(broadcast, made["id"], caller.bot.clock.now())

    for act, becomes, rest in (
        ("pause", "paused", "paused"), ("pause", "paused", "paused"), ("resume", "running", "due"),
        ("pause", "paused", "paused"), ("close", "closed", "due"),
    ):  # fmt: skip
        status, told = await caller.call("POST", f"{path}/{act}")
        assert (status, told["status"], told["running"]) == (200, becomes, 3)
        assert await caller.bot.db.read(statuses, runs) == {rest}, act
    await caller.bot.db.write(pause_journey, made["id"], "it cannot go on")
    _, told = await caller.call("GET", path)
    assert (told["status"], told["error"], told["was_closed"]) == ("paused", "it cannot go on", True)
    for becomes in ("closed", "running"):
        _, told = await caller.call("POST", f"{path}/resume")
        assert (told["status"], told["error"], told["was_closed"]) == (becomes, "", False)
    assert (await caller.call("POST", f"{path}/close"))[1]["status"] == "closed"

    _, listed = await caller.call("GET", f"{path}/enrolments?status=running&step=one&limit=2")
    assert [each["external_userid"] for each in listed["items"]] == ["wmC", "wmB"]
    _, rest = await caller.call("GET", f"{path}/enrolments?before_id={listed['next_before_id']}")
    (first,) = rest["items"]
    assert (first["external_userid"], first["cause"], first["step"], first["end_reason"]) == (
        "wmA",
        "加为好友",
        "one",
        "",
    )
    await caller.bot.db.write(give_tasks, [first, *listed["items"]], caller.bot.clock.now())
    status, taken_off = await caller.call("DELETE", f"/enrolments/{first['id']}")
    assert (status, taken_off["end_reason"]) == (200, "withdrawn")
    assert (await caller.call("DELETE", f"/enrolments/{first['id']}"))[0] == 409
    assert (await caller.call("DELETE", "/enrolments/77"))[0] == 404
    for query, found in (
        ("status=ended", ["wmA"]), ("status=withdrawn", ["wmA"]), ("status=goal", []), ("step=two", []),
        ("step=no", []), ("external_userid=wmB", ["wmB"]),
    ):  # fmt: skip
        _, listed = await caller.call("GET", f"{path}/enrolments?{query}")
        assert [each["external_userid"] for each in listed["items"]] == found, query

    status, refused = await caller.call("POST", f"{path}/enrolments", {"external_userids": ["wmA"]})
    assert (status, "is closed" in refused["error"]["message"]) == (409, True)
    for _ in range(2):
        status, told = await caller.call("POST", f"{path}/stop")
        assert (status, told["status"], told["running"]) == (200, "stopped", 0)
    assert await caller.bot.db.read(statuses, runs) == {"cancelled"}
    assert await caller.bot.db.read(open_of, made["id"]) == (0, 0)
    assert (await caller.call("POST", f"{path}/resume"))[0] == 409
    assert (await caller.call("PATCH", path, {"version": 1, "name": "x"}))[0] == 409


async def test_who_is_on_it_moves_to_the_newest_version_by_choice(caller: Caller) -> None:
    path, made = await make(caller)
    await enrol(caller, made, "wmA", "wmB")
    await enrol(caller, made, "wmC", at=1)
    await enrol(caller, made, "wmD", at=2)
    _, before = await caller.call("GET", f"{path}/enrolments")
    due = {each["external_userid"]: each["due_at"] for each in before["items"]}
    status, told = await caller.call("PATCH", path, {"version": 1, "steps": [step("zero"), step("two", 3)]})
    assert (status, told["running"]) == (200, 4)
    await enrol(caller, told, "wmE")

    gone = {"version": 1, "step": "one", "customers": 2, "to": None}
    status, counted = await caller.call("POST", f"{path}/move", {"dry_run": True})
    assert (status, counted["customers"], counted["steps"][0]) == (200, 4, gone)
    assert [each["to"] for each in counted["steps"]] == [None, "two", ""]
    for steps, where in (({}, "steps.one"), ({"one": "three"}, "steps.one"), ({"one": "two", "x": "two"}, "steps.x")):
        status, refused = await caller.call("POST", f"{path}/move", {"steps": steps})
        assert (status, [each["path"] for each in refused["error"]["problems"]]) == (422, [where])
    status, moved = await caller.call("POST", f"{path}/move", {"steps": {"one": "zero"}})
    assert (status, moved["customers"], moved["steps"][0]["to"]) == (200, 4, "zero")
    _, after = await caller.call("GET", f"{path}/enrolments")
    on = {each["external_userid"]: each for each in after["items"]}
    assert {whom: (each["version"], each["step"]) for whom, each in on.items()} == {
        "wmA": (2, "zero"), "wmB": (2, "zero"), "wmC": (2, "two"), "wmD": (2, ""), "wmE": (2, "zero"),
    }  # fmt: skip
    assert on["wmA"]["due_at"] == due["wmA"], "a step that is due as it was stays due then"
    assert on["wmC"]["due_at"] > due["wmC"]
    assert (await caller.call("POST", f"{path}/move"))[1]["customers"] == 0


def broadcast(session: Session, journey_id: int, now: Any) -> list[int]:
    """A run of the journey's own campaign that is not due before long."""
    campaign = Campaign(name="x", made_by="journey", made_at=now, journey_id=journey_id)
    session.add(campaign)
    session.flush()
    wave = Wave(
        campaign_id=campaign.id or 0, kind="customers", content={}, audience={}, sender_policy="", valid_hours=1
    )
    session.add(wave)
    session.flush()
    session.add(JourneyWave(wave_id=wave.id or 0, journey_id=journey_id, version=1, step=0, opened_at=now))
    due = now + timedelta(days=1)
    run = Run(wave_id=wave.id or 0, campaign_id=campaign.id or 0, status=RunStatus.DUE, due_at=due, valid_until=due)
    session.add(run)
    session.flush()
    return [run.id or 0]


def statuses(session: Session, run_ids: list[int]) -> set[str]:
    return {session.get_one(Run, run_id).status for run_id in run_ids}


def give_tasks(session: Session, enrolments: list[dict[str, Any]], now: Any) -> None:
    for each in enrolments:
        session.add(
            StaffTask(
                enrolment_id=each["id"], journey_id=each["journey_id"], step=0, userid="ann", content={}, worth=1,
                external_userid=each["external_userid"], due_at=now, valid_until=now, status=StaffTaskStatus.OPEN,
            )
        )  # fmt: skip


def open_of(session: Session, journey_id: int) -> tuple[int, int]:
    """Tasks and waves of a journey that are open."""
    tasks = select(StaffTask).filter_by(journey_id=journey_id, status=StaffTaskStatus.OPEN.value)
    waves = select(JourneyWave).filter_by(journey_id=journey_id, closed_at=None)
    return len(session.execute(tasks).all()), len(session.execute(waves).all())
