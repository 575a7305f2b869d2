"""Who is on a channel's code at an instant: somebody always is, as long as anybody can."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from data.rules.channels import (
    Because,
    ChannelPlanned,
    Company,
    Out,
    find_duty,
    next_step,
    problems,
    read_shift,
    remark_for,
    state_of_row,
    wecom_body,
)
from data.rules.problems import parse

ZONE = ZoneInfo("Asia/Shanghai")
#: A Monday, 10:00 in Shanghai.
MONDAY = datetime(2026, 3, 2, 2, tzinfo=UTC)
MEMBERS = ("an", "bo", "chen", "deng")
EVERYBODY = Company(frozenset(MEMBERS))


def plan(**fields: object) -> ChannelPlanned:
    return parse(ChannelPlanned, {"userids": ["an"], "fallback": "deng", **fields})


def test_a_shift_adds_its_members_while_it_holds() -> None:
    wanted = plan(
        userids=[],
        shifts=[
            {"windows": [{"weekdays": [1], "start": "09:00", "end": "12:00"}], "userids": ["bo"]},
            {"windows": [{"weekdays": [1], "start": "10:00", "end": "18:00"}], "department_ids": [7]},
        ],
    )
    company = Company(frozenset(MEMBERS), members_of={7: frozenset({"chen"})})
    assert find_duty(wanted, company, MONDAY, ZONE, {}).userids == ("bo", "chen")
    evening = MONDAY.replace(hour=11)
    assert find_duty(wanted, company, evening, ZONE, {}) == find_duty(
        wanted, company, evening.replace(hour=23), ZONE, {}
    )
    night = find_duty(wanted, company, evening, ZONE, {})
    assert (night.userids, night.because) == (("deng",), Because.OFF_HOURS)


def test_a_department_of_which_nobody_is_left_is_not_a_time_without_a_shift() -> None:
    for wanted in (
        plan(userids=[], department_ids=[7]),
        plan(userids=[], shifts=[{"windows": [{"weekdays": [1]}], "department_ids": [7]}]),
    ):
        duty = find_duty(wanted, Company(frozenset({"deng"}), members_of={7: frozenset()}), MONDAY, ZONE, {})
        assert (duty.userids, duty.because, duty.out) == (("deng",), Because.NOBODY, {})


def test_whoever_is_away_full_or_gone_is_passed_over_and_told() -> None:
    wanted = plan(userids=["an", "bo", "chen"], daily_cap=5)
    company = Company(frozenset({"an", "bo", "deng"}), frozenset({"bo"}))
    duty = find_duty(wanted, company, MONDAY, ZONE, {"an": 5})
    assert (duty.userids, duty.because) == (("deng",), Because.NOBODY)
    assert duty.out == {"an": Out.FULL, "bo": Out.AWAY, "chen": Out.UNABLE}
    assert find_duty(wanted, company, MONDAY, ZONE, {"an": 4}).userids == ("an",)


def test_without_the_fallback_whoever_can_keeps_the_code_alive() -> None:
    wanted = plan(userids=["an", "bo"])
    paused = find_duty(wanted, Company(frozenset({"an"})), MONDAY, ZONE, {}, paused=True)
    assert (paused.userids, paused.because) == (("an",), Because.LAST_RESORT)
    stuck = find_duty(wanted, Company(frozenset()), MONDAY, ZONE, {})
    assert (stuck.userids, stuck.because) == ((), Because.STUCK)
    assert next_step("made", wecom_body(wanted, "x", ()), {"user": ["an"]}) is None, "WeCom takes no empty code"


def test_a_shift_is_read_as_people_write_it() -> None:
    def told(text: str) -> tuple[list[int], str, str, list[str]] | None:
        found = read_shift(text)
        return found and (*found.window.values(), found.names)

    assert told("1-5 09:00-18:00 an,bo") == ([1, 2, 3, 4, 5], "09:00", "18:00", ["an", "bo"])
    assert told(" 周一至周三、周日 9：00 到 18:00 张三、 李 四 ") == ([1, 2, 3, 7], "09:00", "18:00", ["张三", "李 四"])
    assert told("周末 22:00~06:00 an") == ([6, 7], "22:00", "06:00", ["an"])
    assert told("6-1 00:00-00:00 an") == ([1, 6, 7], "00:00", "00:00", ["an"])
    for wrong in (
        "",
        "1-8 09:00-18:00 an",
        "1-5 09:00-18:00",
        "an 09:00-18:00 1-5",
        "1-3-5 09:00-18:00 an",
        "1,, 9:00-9:30 a",
    ):
        assert told(wrong) is None, wrong


@given(
    able=st.frozensets(st.sampled_from(MEMBERS)),
    away=st.frozensets(st.sampled_from(MEMBERS)),
    userids=st.frozensets(st.sampled_from(MEMBERS), min_size=1),
    fallback=st.sampled_from(MEMBERS),
    added=st.dictionaries(st.sampled_from(MEMBERS), st.integers(0, 9)),
    rests=st.tuples(st.booleans(), st.booleans()),
)
def test_a_code_leads_to_somebody_who_can_whenever_anybody_named_can(
    able: frozenset[str],
    away: frozenset[str],
    userids: frozenset[str],
    fallback: str,
    added: dict[str, int],
    rests: tuple[bool, bool],
) -> None:
    wanted = plan(userids=sorted(userids), fallback=fallback, daily_cap=3)
    duty = find_duty(
        wanted, Company(able, away), MONDAY, ZONE, added, paused=rests[0], archived=rests[1]
    )  # fmt: skip
    assert set(duty.userids) <= able
    assert bool(duty.userids) == bool(able & {*userids, fallback})
    if duty.because in (Because.PAUSED, Because.ARCHIVED):
        assert duty.userids == (fallback,)


def test_what_keeps_a_channel_from_being_made_is_told_by_field() -> None:
    wanted = plan(userids=["an", "nobody"], fallback="bo", shifts=[{"windows": [{"weekdays": []}]}], remark="字" * 21)
    found = {
        each.path for each in problems(wanted, Company(frozenset({"an"})), frozenset({"an", "bo"}), frozenset({1}))
    }
    assert found == {"userids", "fallback", "shifts[0].userids", "shifts[0].windows[0].weekdays", "remark"}
    many = plan(department_ids=[1])
    company = Company(frozenset({"deng"}), members_of={1: frozenset(f"m{number}" for number in range(101))})
    told = problems(many, company, frozenset({"an", "deng"}), frozenset({1}))
    assert [each.path for each in told] == ["userids"]
    assert problems(many, company, frozenset({"an", "deng"}), frozenset({1}), "link") == [], "a link takes 500"


def test_a_remark_fits_whatever_the_name() -> None:
    assert remark_for("城西-{name}", "小鱼") == "城西-小鱼"
    assert remark_for("城西-{name}", "长" * 2000) == "城西-" + "长" * 17
    assert remark_for("老客户", "小鱼") == "老客户"
    assert len(remark_for("{name}{name}", "长" * 99)) <= 20


def test_equal_rows_have_equal_states_and_repeated_ones_have_others() -> None:
    row = {"name": "前台", "userids": "an"}
    assert state_of_row(row, 0) == state_of_row(dict(reversed(row.items())), 0)
    assert len({state_of_row(row, 0), state_of_row(row, 1), state_of_row({**row, "name": "后台"}, 0)}) == 3
    assert len(state_of_row(row, 0)) <= 30
