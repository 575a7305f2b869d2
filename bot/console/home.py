"""The first page: what waits for whoever looks, and the numbers of some days; those as CSV, too."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from aiohttp import web
from sqlmodel import Session

from bot.console.approvals import may_decide
from bot.console.asks import Ask
from bot.console.pages import FRESH, HEADERS
from bot.console.painting import N_
from bot.console.sheets import send_rows
from bot.notes import list_due
from bot.staff_tasks import read_list
from data.models import JobState, SyncStatus
from data.queries import channel_plans as plan_rows
from data.queries import channels as channel_rows
from data.queries import cohorts as cohort_rows
from data.queries import digests as digest_rows
from data.queries import effects, numbers, orders
from data.queries import events as event_rows
from data.queries import jobs as job_rows
from data.queries import rules as rule_rows
from data.queries import staff as staff_rows
from data.queries import sync_runs as sync_rows
from data.queries.campaign_views import read_sight
from data.queries.channel_days import count_added_today
from data.queries.channel_plans import PlanFilter
from data.queries.leavers import Leaver, list_leavers
from data.queries.segment_choices import read_choices
from data.rules.cohorts import AGES
from data.rules.reports import Kind
from data.rules.schedule import day_began, local_datetime

PERIODS = (7, 30)
#: From this share of its cap on a channel is near it.
NEAR = 0.8
#: So many campaigns and journeys are shown with what they led to.
EFFECTS = 8
BY = {"day": N_("按天"), "userid": N_("按成员"), "state": N_("按渠道")}


@dataclass(frozen=True, slots=True)
class Need:
    """Something that waits for a person: how many, what, and where it is seen to."""

    count: int
    text: str
    path: str
    is_urgent: bool = False


async def show(ask: Ask) -> web.Response:
    """What needs somebody now, and today's numbers."""
    days = _days(ask)
    found = await ask.db.read(_read_numbers, ask, days)
    cohorts = await ask.db.read(_read_cohorts, ask) if ask.may("manager") else None
    needs = await _list_needs(ask, found["welcomes"])
    steps = await ask.db.read(_list_steps, ask) if ask.may("admin") else []
    return ask.show(
        "home", needs=[each for each in needs if each.count], steps=steps, periods=PERIODS, period=days,
        cohorts=cohorts, ages=AGES, cohort_kind=_cohort_kind(ask), top=numbers.TOP, **found,
    )  # fmt: skip


class Step(NamedTuple):
    """Something to be done once, on the first day: whether it is, what, and where."""

    is_done: bool
    text: str
    path: str


def _list_steps(session: Session, ask: Ask) -> list[Step]:
    """What there is to be done on the first day; nothing when all of it is done."""
    steps = [
        Step(bool(staff_rows.list_followers(session)), ask._("读到了可以联系客户的成员"), "/console/check"),
        Step(
            any(run.status == SyncStatus.DONE for run in sync_rows.list_runs(session)),
            ask._("客户数据同步完成"),
            "/console/syncs",
        ),
        Step(
            any(rule.enabled for rule in rule_rows.list_welcome_rules(session)),
            ask._("启用了第一条欢迎语"),
            "/console/welcome-rules",
        ),
        Step(bool(channel_rows.list_channels(session)), ask._("有第一个渠道活码"), "/console/channels"),
        Step(ask.settings.mode == "live", ask._("观察模式已关闭，开始真正发送"), "/console/check"),
    ]
    return [] if all(step.is_done for step in steps) else steps


async def export(ask: Ask) -> web.StreamResponse:
    """The same numbers as CSV, for a spreadsheet."""
    by = ask.request.query.get("by", "day")
    found = await ask.db.read(_read_numbers, ask, _days(ask))
    head: tuple[str, ...]
    rows: list[tuple[object, ...]]
    if by == "day":
        head = (N_("日期"), N_("新增关系"), N_("新客户"), N_("流失"), N_("净增"))
        rows = [(each.day, each.added, each.people, each.left, each.net) for each in found["days"]]
    else:
        head = (BY["userid" if by == "userid" else "state"], N_("新增关系"), N_("新客户"), N_("流失"), N_("净增"))
        shares = found["members"] if by == "userid" else found["channels"]
        rows = [(each.key, each.added, each.people, each.left, each.net) for each in shares]
    return await send_rows(ask, f"siyu-{by}", [ask._(each) for each in head], rows)


async def export_cohorts(ask: Ask) -> web.StreamResponse:
    """How many relations of each week or month are still there, as CSV."""
    head = [ask._("开始于"), ask._("新增关系"), *(ask._("%(days)s 天后还在", days=age) for age in AGES)]
    lines = await ask.db.read(_read_cohorts, ask)
    return await send_rows(ask, "siyu-cohorts", head, [(each.period.first, each.began, *each.after) for each in lines])


async def show_effects(ask: Ask) -> web.Response:
    """What the campaigns of these days and the journeys that go on led to. It is counted over their recipients, which
    takes a moment: the first page fetches it when it is shown."""
    async with ask.parts.turns.take(f"{ask.reader.digest} effects") as is_mine:
        if not is_mine:
            return web.Response(status=204, headers={**HEADERS, **FRESH})
        campaigns, journeys = await ask.db.read(_read_effects, ask)
    return ask.show("effects", campaigns=campaigns, journeys=journeys, period=_days(ask), periods=PERIODS)


async def export_effects(ask: Ask) -> web.StreamResponse:
    """The same as CSV."""
    campaigns, journeys = await ask.db.read(_read_effects, ask)
    if ask.request.query.get("of") == "journeys":
        head = [N_("客户旅程"), N_("开始过"), N_("触达（次）"), N_("正在进行"), N_("达成目标")]
        rows = [each[1:] for each in journeys]
    else:
        head = [N_("群发计划"), N_("要发给"), N_("已收到"), N_("点击客户"), N_("下单客户")]
        rows = [each[1:] for each in campaigns]
    return await send_rows(ask, "siyu-effects", [ask._(each) for each in head], rows)


def _read_effects(session: Session, ask: Ask) -> tuple[list[effects.CampaignEffect], list[effects.JourneyEffect]]:
    since = day_began(local_datetime(ask.now, ask.zone).date() - timedelta(days=_days(ask) - 1), ask.zone)
    sight = read_sight(session, ask.account)
    return effects.list_campaigns(session, sight, since, EFFECTS), effects.list_journeys(session, EFFECTS)


def _cohort_kind(ask: Ask) -> Kind:
    return "month" if ask.request.query.get("cohorts") == "month" else "week"


def _read_cohorts(session: Session, ask: Ask) -> list[cohort_rows.Line]:
    today = local_datetime(ask.now, ask.zone).date()
    visible = ask.visible(session)
    return cohort_rows.list_cohorts(session, _cohort_kind(ask), today, visible)


def _days(ask: Ask) -> int:
    asked = ask.asked_number("days")
    return asked if asked in PERIODS else PERIODS[0]


def _read_numbers(session: Session, ask: Ask, days: int) -> dict[str, Any]:
    userids = ask.visible(session)
    began = day_began(local_datetime(ask.now, ask.zone).date(), ask.zone)
    places = staff_rows.map_places(session)
    when = (ask.now, ask.zone, days, userids)
    return {
        "days": numbers.list_days(session, *when),
        "members": numbers.list_shares(session, "userid", *when),
        "channels": numbers.list_shares(session, "state", *when),
        "names": {
            "userid": {userid: place.name for userid, place in places.items()},
            "state": read_choices(session, kinds=frozenset({"channels"})).names["channels"],
        },
        "welcomes": numbers.count_welcomes(session, began, userids),
        "took": numbers.time_welcomes(session, began, userids),
    }


async def _list_needs(ask: Ask, welcomes: numbers.WelcomeNumbers) -> list[Need]:
    needs: list[Need] = []
    if ask.account.userid:
        tasks = await ask.db.read(lambda session: read_list(session, ask.account.userid or "", ask.settings, ask.now))
        needs.append(Need(len(tasks.tasks), ask._("今天要联系的客户"), "/staff/today"))
        due = await ask.db.read(list_due, ask.account.userid, ask.settings, ask.now)
        needs.append(Need(len(due), ask._("到了约好联系的日子"), "/staff/today#due"))
    needs.append(
        Need(welcomes.missed, ask._("今天没有发出的欢迎语"), "/console/welcomes?status=missed", is_urgent=True)
    )
    if ask.may("manager"):
        waiting = await ask.db.read(_count_waiting, ask)
        leavers = await ask.db.read(_list_leavers, ask)
        behind, near = await ask.db.read(_count_behind, ask)
        needs += [
            Need(waiting.approvals, ask._("待审批"), "/console/approvals", is_urgent=True),
            Need(waiting.words_due, ask._("群发等待填写内容"), "/console/campaigns?state=held", is_urgent=True),
            Need(waiting.paused, ask._("群发已暂停，等人处理"), "/console/campaigns?state=held", is_urgent=True),
            Need(sum(each.customers for each in leavers), ask._("离职成员的客户待交接"), "/console/handovers"),
            Need(waiting.unknown, ask._("群发结果待核对"), "/console/campaigns"),
            Need(behind, ask._("员工还没有确认群发或发表朋友圈"), "/console/campaigns?state=awaiting"),
            Need(near, ask._("渠道今天快到每人上限"), "/console/channels"),
            Need(
                await ask.db.read(_count_troubled, ask),
                ask._("渠道需要处理"),
                "/console/channels?trouble=yes",
                is_urgent=True,
            ),
        ]
    if ask.may("admin"):
        tasks_by_status = await ask.parts.inbox.read(event_rows.count_tasks)
        states = await ask.db.read(job_rows.list_states)
        unmatched = await ask.db.read(orders.count_unmatched)
        needs += [
            Need(tasks_by_status.get("dead", 0), ask._("处理失败的事件"), "/console/events?state=dead", is_urgent=True),
            Need(_count_failed(states), ask._("失败的任务"), "/console/jobs", is_urgent=True),
            Need(sum(unmatched.values()), ask._("没有对上客户的订单"), "/console/orders"),
        ]
    return needs


def _count_waiting(session: Session, ask: Ask) -> numbers.Waiting:
    return numbers.count_waiting(session, ask.now, read_sight(session, ask.account), decides=may_decide(ask))


def _list_leavers(session: Session, ask: Ask) -> list[Leaver]:
    return list_leavers(session, ask.visible(session))


def _count_behind(session: Session, ask: Ask) -> tuple[int, int]:
    """Members who have not confirmed, and channels on which somebody has been given most of what a day may bring."""
    visible = ask.visible(session)
    caps = plan_rows.map_caps(session, visible)
    added = count_added_today(session, caps, ask.now, ask.zone) if caps else {}
    near = sum(max(by.values()) >= NEAR * caps[state] for state, by in added.items())
    return digest_rows.count_behind(session, ask.now, visible), near


def _count_troubled(session: Session, ask: Ask) -> int:
    wanted = PlanFilter(ask.visible(session), trouble=True)
    return plan_rows.count_plans(session, wanted)


def _count_failed(states: dict[str, JobState]) -> int:
    return sum(state.outcome == "failed" for state in states.values())
