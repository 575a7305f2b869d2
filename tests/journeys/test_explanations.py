"""Why a customer got something of a journey, or did not: all of it in one answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from bot.api.journey_explanations import CustomersJourneysTold
from bot.journey_explanations import explain_customer
from data.models import Batch, Follow, Recipient, RecipientState, Run, StaffTask, StaffTaskStatus
from data.queries.journeys import pause_journey
from data.queries.preferences import save_preference
from data.rules.preferences import Preference
from tests.journeys.conftest import START, Company, task

BROADCAST = {"do": "broadcast", "content": {"text": "周末好礼"}}
HIGH = {"add_way": {"add_ways": [202]}}


async def explain(company: Company, whom: str) -> dict[str, Any]:
    told = await company.ctx.db.read(explain_customer, whom, company.clock.now(), company.ctx.settings.zone)
    CustomersJourneysTold.model_validate(told)
    return told


async def test_every_step_is_told_with_what_came_of_it(open_company: Callable[..., Any]) -> None:
    company: Company = await open_company(cap_per_day=1)
    await company.add_customer("lin", "ann")
    steps = [task("ask", when={"days": 1, "at": "10:00"}), {"key": "gift", "when": {"days": 1}, "action": BROADCAST},
             task("vip", when={"days": 1}, only_if=HIGH), task("last", when={"days": 9})]  # fmt: skip
    number = await company.add_journey(*steps, name="新客", goal={"on": "ordered"})
    other = await company.add_journey(task(), name="另一个")
    never = await company.add_journey(task(), name="别人的", audience=HIGH)
    await company.enrol(number, "lin")
    await company.at(START + timedelta(days=1, hours=3))
    await company.enrol(other, "lin")
    await company.at(START + timedelta(days=2, hours=2))
    (asked,) = [each for each in await company.tasks() if each.journey_id == number]
    await company.change(StaffTask, lambda each: each.id == asked.id, status=StaffTaskStatus.REFUSED, why="刚联系过")

    told = await explain(company, "lin")
    newest, first = told["journeys"]
    assert (newest["name"], first["name"], first["cause"]) == ("另一个", "新客", "test")
    ask, gift = (each for each in first["steps"] if each["outcome"] == "done")
    assert (ask["step"], ask["task"]["userid"], ask["task"]["why"]) == ("ask", "ann", "刚联系过")
    assert (ask["task"]["words"], ask["task"]["status_words"]) == ("Lin，您好，我是ANN", "员工选择了不做")
    assert (gift["step"], gift["task"], gift["broadcast"]["state"]) == ("gift", None, "")
    assert gift["broadcast"]["state_words"] == "等同样内容的群发集齐后一起发送"
    assert first["next"]["step"] == "vip"
    assert [each["reason"] for each in newest["steps"]][:1] == ["已达到公司的触达上限"], (
        "the first one had taken the day"
    )
    (not_on,) = told["not_on"]
    assert (not_on["journey_id"], not_on["reasons"], not_on["may_begin"]) == (never, ["客户不在旅程的人群中"], False)

    await company.at(START + timedelta(days=2, hours=3))
    wave = (await explain(company, "lin"))["journeys"][1]["steps"][-1]["broadcast"]
    assert (wave["state_words"], wave["run_status"]) == ("群发还没有开始", "due")
    (follow,) = await company.all(Follow)
    run_id = wave["run_id"]

    def send(session: Any) -> None:
        run = session.get(Run, run_id)
        run.planned_at = run.started_at = START
        body = {"text": {"content": "周末好礼"}}
        session.add(Batch(run_id=run_id, batch_no=1, userid="ann", recipients=1, status="made", body=body))
        session.add(Recipient(run_id=run_id, follow_id=follow.id or 0, batch_no=1, state=RecipientState.SENT))

    await company.ctx.db.write(send)
    wave = (await explain(company, "lin"))["journeys"][1]["steps"][-1]["broadcast"]
    assert (wave["state"], wave["userid"], wave["words"]) == ("sent", "ann", "周末好礼")

    await company.at(START + timedelta(days=4))
    first = (await explain(company, "lin"))["journeys"][1]
    assert [(each["step"], each["outcome"]) for each in first["steps"]][-1] == ("vip", "not_for")
    await company.ctx.db.write(pause_journey, number, "x")
    assert (await explain(company, "lin"))["journeys"][1]["next"]["rests"]


async def test_why_a_journey_does_not_begin(company: Company) -> None:
    await company.add_customer("lin", "ann")
    await company.add_customer("gone")
    once = await company.add_journey(task(when={"minutes": 1}), name="一次")
    again = await company.add_journey(task(when={"minutes": 1}), name="再来", again={"after_days": 30})
    for number in (once, again):
        await company.enrol(number, "lin")
    await company.at(START + timedelta(days=1))
    told = await explain(company, "lin")
    assert {each["end_words"] for each in told["journeys"]} == {"所有步骤都已走完"}
    assert [each["next"] for each in told["journeys"]] == [None, None]
    assert [each["reasons"] for each in told["not_on"]] == [
        ["客户走过这个旅程，它不重复"], ["客户走过这个旅程，4月1日 08:00 之后才能重新开始"],
    ]  # fmt: skip
    await company.at(START + timedelta(days=40), tick=timedelta(days=40))
    assert (await explain(company, "lin"))["not_on"][1]["reasons"] == ["触发旅程的事还没有发生"]
    await company.ctx.db.write(save_preference, "gone", Preference(opted_out=True), "x", company.clock.now())
    assert (await explain(company, "gone"))["not_on"][0]["reasons"] == [
        "客户不是任何员工的联系人",
        "客户不希望收到消息",
    ]
