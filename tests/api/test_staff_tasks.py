"""A member's list and tasks over HTTP."""

from __future__ import annotations

from sqlmodel import Session

from tests.api.conftest import Caller
from tests.staff_tasks import add_contact, add_journey, add_task


async def test_a_list_is_read_and_answered(caller: Caller) -> None:
    await caller.read_directory()
    now = caller.bot.clock.now()
    userid, other = (member.userid for member in caller.sandbox.world.population.service[:2])

    def fill(session: Session) -> None:
        add_journey(session, now)
        for number, whom in enumerate(("wm1", "wm2", "wm3"), 1):
            add_contact(session, now, whom, userid, name="<b>小鱼</b>", remark="老客户")
            add_task(session, now, userid, whom, id=number, worth=number, hint="先看订单", step=1)

    await caller.bot.db.write(fill)
    status, told = await caller.call("GET", f"/staff/{userid}/tasks")
    assert (status, told["done"], told["waiting"], [each["id"] for each in told["tasks"]]) == (200, 0, 0, [3, 2, 1])
    first = told["tasks"][0]
    assert (first["customer"], first["remark"], first["hint"]) == ("<b>小鱼</b>", "老客户", "先看订单")
    assert (first["because"]["journey"], first["because"]["key"]) == ("新客 7 天", "ask")
    assert (await caller.call("GET", "/staff/nobody/tasks"))[0] == 404
    assert (await caller.call("POST", "/tasks/3/done", {"userid": other}))[0] == 404
    for _ in range(2):
        status, told = await caller.call("POST", "/tasks/3/done", {})
        assert (status, told["status"], told["answered_by"]) == (200, "done", userid)
    assert (await caller.call("POST", "/tasks/3/refuse", {"why": "太晚了"}))[0] == 409
    assert (await caller.call("POST", "/tasks/2/refuse", {"why": ""}))[0] == 422
    status, told = await caller.call("POST", "/tasks/2/refuse", {"userid": userid, "why": "刚买过"})
    assert (status, told["status"], told["why"]) == (200, "refused", "刚买过")
    assert (await caller.call("POST", "/tasks/1/later", {"until": "never"}))[0] == 422
    assert (await caller.call("POST", "/tasks/1/later", {"until": "tomorrow"}))[0] == 200
    told = (await caller.call("GET", f"/staff/{userid}/tasks"))[1]
    assert (told["tasks"], [each["id"] for each in told["later"]], told["done"]) == ([], [1], 1)
    told = (await caller.call("GET", "/tasks?status=refused&journey_id=3"))[1]
    assert [each["id"] for each in told["items"]] == [2]
    touched = (await caller.call("GET", "/customers/wm3/touches"))[1]["items"]
    assert [(each["kind"], each["because"]["journey"]) for each in touched] == [("task", "新客 7 天")]
