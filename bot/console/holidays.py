"""Holidays and the weekends that are worked (调休), by year; and when something would go out that is planned for a
moment."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from aiohttp import web

from bot import kept
from bot.campaign_plans import calendar_of
from bot.console.asks import Ask
from bot.console.kept_settings import change
from bot.console.painting import N_
from bot.phrases import Phrase
from bot.setting_values import days_of
from data.errors import NotFoundError, StaleError
from data.queries import kept as rows
from data.rules.journey_times import When, next_allowed
from data.rules.occurrences import SATURDAY, among, next_open
from data.rules.schedule import local_datetime

PATH = "/console/holidays"
KINDS = {"holidays": N_("放假"), "workdays": N_("周末上班（调休）")}
DAY = re.compile(r"\d{4}-\d{1,2}-\d{1,2}")
#: A year of them is a mistake, and makes every list long.
LINES_MAX = 60
LONGEST = timedelta(days=60)
YEARS = range(2000, 2100)


class Listed(NamedTuple):
    """Days in a row, as they are written in the settings."""

    kind: str
    words: str
    first: date
    last: date

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1


async def show(ask: Ask) -> web.Response:
    """One year."""
    return await _page(ask)


async def add(ask: Ask) -> web.Response:
    """Days that were typed, some in a line each: `2026-10-01..2026-10-07`, or one day."""
    kind = ask.text("kind")
    try:
        added = _read_days(ask, kind)
    except ValueError as error:
        return await _page(ask, 400, fault=str(error))
    other = [each for each in _list(ask) if each.kind != kind]
    for each in added:
        if clash := next((old for old in other if old.first <= each.last and each.first <= old.last), None):
            said = ask._(
                "%(days)s 和已有的「%(kind)s」%(other)s 重叠。",
                days=each.words,
                kind=ask._(KINDS[clash.kind]),
                other=clash.words,
            )
            return await _page(ask, 400, fault=said)
    mine = [each for each in _list(ask) if each.kind == kind]
    wanted = sorted({*(each.words for each in mine), *(each.words for each in added)})
    return await _keep(ask, kind, wanted, added[0].first.year)


async def remove(ask: Ask) -> web.Response:
    """Days that are not so."""
    kind, words = ask.text("kind"), ask.text("days", 32)
    there = [each.words for each in _list(ask) if each.kind == kind]
    if words not in there:
        raise NotFoundError(Phrase("没有这些日子。"), Phrase("请在列表里选择。"))
    return await _keep(ask, kind, [each for each in there if each != words], days_of(words)[0].year)


async def reset(ask: Ask) -> web.Response:
    """The file's days hold again."""
    row = await ask.db.read(rows.find_kept, rows.SETTINGS)
    wanted = {section: values for section, values in (row.value if row else {}).items() if section != "company"}
    await change(ask, "settings.reset", wanted, row.revision if row else 0)
    return ask.go(PATH, "as_filed")


async def _keep(ask: Ask, kind: str, words: list[str], year: int) -> web.Response:
    row = await ask.db.read(rows.find_kept, rows.SETTINGS)
    wanted = {section: dict(values) for section, values in (row.value if row else {}).items()}
    wanted.setdefault("company", {})[kind] = words
    try:
        await change(ask, "settings.change", wanted, row.revision if row else 0)
    except StaleError as error:
        return await _page(ask, 409, fault=f"{error.message}{error.remedy}")
    return ask.go(PATH, "saved", year=str(year))


def _read_days(ask: Ask, kind: str) -> list[Listed]:
    """Raises ValueError with what is wrong, in the reader's language."""
    if kind not in KINDS:
        raise ValueError(ask._("请选择放假还是上班。"))
    lines = [line.strip() for line in ask.text("days", 4000).splitlines() if line.strip()]
    if not 0 < len(lines) <= LINES_MAX:
        raise ValueError(ask._("请填写日期，每行一段。"))
    found = []
    for line in lines:
        days = DAY.findall(line)
        rest = DAY.sub("", line).strip()
        try:
            first, last = (date(*map(int, each.split("-"))) for each in (days[0], days[-1]))
        except (ValueError, IndexError):
            days = []
        if (
            len(days) not in (1, 2)
            or len(rest) > 4
            or not first <= last
            or last - first > LONGEST
            or (first.year not in YEARS or last.year not in YEARS)
        ):
            raise ValueError(ask._("看不懂「%(line)s」：写 2026-10-01 或 2026-10-01..2026-10-07。", line=line[:40]))
        words = f"{first}" if first == last else f"{first}..{last}"
        found.append(Listed(kind, words, first, last))
    return found


def _list(ask: Ask) -> list[Listed]:
    company = ask.settings.company
    listed = [("holidays", words) for words in company.holidays] + [("workdays", words) for words in company.workdays]
    return sorted((Listed(kind, words, *days_of(words)) for kind, words in listed), key=lambda each: each.first)


async def _page(ask: Ask, status: int = 200, *, fault: str = "") -> web.Response:
    await kept.refresh(ask.ctx)
    listed, this = _list(ask), local_datetime(ask.now, ask.zone).year
    asked = ask.asked_number("year")
    year = asked if asked is not None and asked in YEARS else this
    filed, now = ask.ctx.filed.company, ask.settings.company
    return ask.show(
        "holidays", status, kinds=KINDS, year=year, fault=fault, typed=ask.form,
        listed=[each for each in listed if each.first.year <= year <= each.last.year],
        others=sorted({each.first.year for each in listed} | {this, this + 1, year}),
        is_set=(filed.holidays, filed.workdays) != (now.holidays, now.workdays), filed=filed,
    )  # fmt: skip


# -- when would it go out


class Sent(NamedTuple):
    """What would become of something that is planned for a moment: `at` None is never within more than a year."""

    what: str
    at: datetime | None
    why: str


def when_sent(ask: Ask, asked: str) -> dict[str, Any]:
    """When what is planned for a moment (`2026-10-01T20:00`, the company's time) goes out, and why then."""
    try:
        local = datetime.fromisoformat(asked)
        at = local.replace(tzinfo=local.tzinfo or ask.zone).astimezone(UTC)
        at.astimezone(ask.zone) + timedelta(days=800)
    except (ValueError, OverflowError):
        return {"fault": ask._("请填写日期和时间，如 2026-10-01 20:00。"), "rows": ()}
    calendar = calendar_of(ask.settings)
    day = local_datetime(at, ask.zone).date()
    if among(day, calendar.workdays):
        about = ask._("这天周末上班（调休）")
    elif among(day, calendar.holidays):
        about = ask._("这天放假")
    else:
        about = ask._("这天是周末") if day.isoweekday() >= SATURDAY else ask._("这天是平常的工作日")
    hours = f"{calendar.hours.start:%H:%M}–{calendar.hours.end:%H:%M}"
    inside = calendar.hours.holds(at, ask.zone)
    within = ask._("在可以发送的时间（%(hours)s）里", hours=hours)
    outside = ask._("不在可以发送的时间（%(hours)s）里，等到开始", hours=hours)
    resting = among(day, calendar.holidays)
    rows_found = [
        Sent(
            ask._("群发和朋友圈，定在这时"), at if inside else None,
            within if inside else ask._("保存时就会被拒绝：%(why)s", why=outside),
        ),
        Sent(
            ask._("重复的群发，遇节假日不发"), None if resting or not inside else at,
            ask._("这一次不发，等下一次") if resting else within if inside else outside,
        ),
        Sent(
            ask._("已经开始、还没发完的群发"), next_open(calendar.hours, at, ask.zone),
            within if inside else outside,
        ),
        *(
            _step(ask, what, only, at, inside, within, outside)
            for what, only in (
                (ask._("旅程的一步，任何一天都可以"), "any"),
                (ask._("旅程的一步，不在节假日"), "no_holidays"),
                (ask._("旅程的一步，只在工作日"), "workdays"),
            )
        ),
    ]  # fmt: skip
    return {"fault": "", "rows": rows_found, "about": about, "at": at}


def _step(ask: Ask, what: str, only: Any, at: datetime, inside: bool, within: str, outside: str) -> Sent:
    try:
        found = next_allowed(When(only=only), at, calendar_of(ask.settings), disturbs=True)
    except ValueError:
        return Sent(what, None, ask._("一年多以内没有可以的日子"))
    if found == at:
        return Sent(what, found, within)
    later = local_datetime(found, ask.zone).date() > local_datetime(at, ask.zone).date()
    moved_by_day = later and next_open(calendar_of(ask.settings).hours, at, ask.zone) != found
    return Sent(what, found, ask._("顺延到下一个可以的日子") if moved_by_day else outside)
