"""Cron times by the company's wall clock: as cron means them, through holidays and changes of the clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.rules.occurrences import last_occurrence, list_occurrences, next_occurrence, next_open, parse_cron
from data.rules.schedule import TimeWindow

SHANGHAI, NEW_YORK = ZoneInfo("Asia/Shanghai"), ZoneInfo("America/New_York")
ZONES = st.sampled_from(
    [SHANGHAI, NEW_YORK, ZoneInfo("Europe/London"), ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Pacific/Apia")]
)
INSTANTS = st.integers(1_740_000_000, 1_890_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
HOURS = [("08:00", "22:00"), ("22:00", "06:00"), ("00:00", "00:00"), ("02:00", "02:30")]


def local(line: str, after: datetime, zone: ZoneInfo = SHANGHAI, number: int = 3, **more: object) -> list[str]:
    found = islice(list_occurrences(parse_cron(line), after, zone, **more), number)  # type: ignore[arg-type]
    return [f"{at.astimezone(zone):%a %m-%d %H:%M}" for at in found]


FRIDAY = datetime(2026, 2, 27, 12, tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("0 10 * * 1", ["Mon 03-02 10:00", "Mon 03-09 10:00", "Mon 03-16 10:00"]),
        ("0 10 * * 0", ["Sun 03-01 10:00", "Sun 03-08 10:00", "Sun 03-15 10:00"]),
        ("0 10 * * 7", ["Sun 03-01 10:00", "Sun 03-08 10:00", "Sun 03-15 10:00"]),
        ("0 10 * * 5-7", ["Sat 02-28 10:00", "Sun 03-01 10:00", "Fri 03-06 10:00"]),
        ("0 10 * * fri-sun", ["Sat 02-28 10:00", "Sun 03-01 10:00", "Fri 03-06 10:00"]),
        ("0 10 * * 1-5/2", ["Mon 03-02 10:00", "Wed 03-04 10:00", "Fri 03-06 10:00"]),
        ("0 10 * * */3", ["Sat 02-28 10:00", "Sun 03-01 10:00", "Wed 03-04 10:00"]),
        ("30 9,18 * * *", ["Fri 02-27 18:30", "Sat 02-28 09:30", "Sat 02-28 18:30"]),
        ("0 10 31 * *", ["Tue 03-31 10:00", "Sun 05-31 10:00", "Fri 07-31 10:00"]),
        ("0 10 last * *", ["Sat 02-28 10:00", "Tue 03-31 10:00", "Thu 04-30 10:00"]),
        ("0 10 29 2 *", ["Tue 02-29 10:00", "Sun 02-29 10:00", "Fri 02-29 10:00"]),
    ],
)
def test_cron_means_what_cron_means(line: str, found: list[str]) -> None:
    assert local(line, FRIDAY) == found


@pytest.mark.parametrize(
    "line",
    ["", "0 10 * *", "* 10 * * *", "*/5 10 * * *", "0 10 1 * 1", "0 25 * * *", "0 10 32 * *", "0 10 * 13 *",
     "0 10 * * 8", "0 10 * * 5-1", "0 10 * * 3/2", "0 10 * * */0", "0 10 * * xyz", "60 10 * * *", "0 10 * * 1 2026",
     "0 " * 60],
)  # fmt: skip
def test_what_is_no_cron_line_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_cron(line)


def test_what_the_clock_has_just_skipped_is_still_to_come() -> None:
    skipped = datetime(2026, 3, 8, 3, 10, tzinfo=NEW_YORK)
    assert local("30 2 * * *", skipped, NEW_YORK, 2) == ["Sun 03-08 03:30", "Mon 03-09 02:30"]


def test_a_day_that_never_comes_has_no_occurrence() -> None:
    assert next_occurrence(parse_cron("0 10 31 2 *"), FRIDAY, SHANGHAI) is None
    assert next_occurrence(parse_cron("0 10 * * *"), FRIDAY, SHANGHAI, until=date(2026, 2, 27)) is None


def test_holidays_are_left_out_to_their_last_day() -> None:
    without = [(date(2026, 10, 1), date(2026, 10, 7))]
    after = datetime(2026, 9, 30, 12, tzinfo=SHANGHAI)
    assert local("0 10 * * *", after, without=without) == ["Thu 10-08 10:00", "Fri 10-09 10:00", "Sat 10-10 10:00"]
    always = [(date(2026, 1, 1), date(2100, 1, 1))]
    assert local("0 10 * * *", after, without=always) == []


def test_what_the_clock_skips_is_due_when_it_has_and_what_it_shows_twice_is_due_once() -> None:
    spring = datetime(2026, 3, 7, 12, tzinfo=NEW_YORK)
    assert local("30 2 * * *", spring, NEW_YORK) == ["Sun 03-08 03:30", "Mon 03-09 02:30", "Tue 03-10 02:30"]
    assert local("30 2,3 * * *", spring, NEW_YORK) == ["Sun 03-08 03:30", "Mon 03-09 02:30", "Mon 03-09 03:30"]
    autumn = datetime(2026, 10, 31, 12, tzinfo=NEW_YORK)
    assert local("30 1 * * *", autumn, NEW_YORK) == ["Sun 11-01 01:30", "Mon 11-02 01:30", "Tue 11-03 01:30"]
    within = datetime(2026, 11, 1, 6, 10, tzinfo=UTC)  # 01:10 for the second time
    assert local("30 1 * * *", within, NEW_YORK, 1) == ["Mon 11-02 01:30"]


lines = st.builds(
    "{} {} {} * {}".format,
    st.integers(0, 59), st.sampled_from(["*", "0", "1,2,3", "23", "0-4", "*/6"]), st.just("*"),
    st.sampled_from(["*", "0", "1-5", "6,7", "*/2"]),
)  # fmt: skip


@given(lines, INSTANTS, ZONES)
def test_occurrences_ascend_and_go_on_from_any_of_them(line: str, after: datetime, zone: ZoneInfo) -> None:
    cron = parse_cron(line)
    found = list(islice(list_occurrences(cron, after, zone), 40))
    assert len(found) == 40
    assert all(one < other for one, other in zip([after, *found], found, strict=False))
    assert [next_occurrence(cron, each, zone) for each in found[:-1]] == found[1:]
    walls = [at.astimezone(zone).strftime("%F %R") for at in found]
    assert len(set(walls)) == len(walls), "no wall clock time twice"


@given(lines, INSTANTS, st.integers(0, 400), ZONES)
def test_the_last_that_was_missed_is_the_last_of_all_that_were(
    line: str, after: datetime, hours: int, zone: ZoneInfo
) -> None:
    cron, upto = parse_cron(line), after + timedelta(hours=hours)
    missed = [at for at in islice(list_occurrences(cron, after, zone), hours + 2) if at <= upto]
    assert last_occurrence(cron, after, upto, zone) == (missed[-1] if missed else None)


@given(INSTANTS, ZONES, st.sampled_from(HOURS))
def test_the_next_opening_is_the_first_instant_that_lies_in_the_hours(
    at: datetime, zone: ZoneInfo, hours: tuple[str, str]
) -> None:
    window = TimeWindow.model_validate({"start": hours[0], "end": hours[1]})
    opens = next_open(window, at, zone)
    assert opens >= at
    assert window.holds(opens, zone)
    minute = timedelta(minutes=1)
    before = [at + number * minute for number in range(int((opens - at) / minute))]
    assert not any(window.holds(each, zone) for each in before)
