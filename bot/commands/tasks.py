"""`siyu tasks`: what journeys ask of staff, listed and answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bot.commands.terminal import AsJson, Config, Workplace, refuse, say, say_json, say_table, work

if TYPE_CHECKING:
    from data.models import StaffTask
    from data.queries.staff_tasks import DayList, Listed

app = typer.Typer(no_args_is_help=True, help="Staff tasks (待办): what journeys ask of staff.")

TaskId = Annotated[int, typer.Argument(metavar="ID", min=1, help="The task's number.")]
By = Annotated[str, typer.Option("--by", metavar="USERID", help="Who stands in; without it, whose task it is.")]


@app.command("list")
def list_tasks(
    userid: Annotated[str, typer.Argument(metavar="USERID", help="Whose list.")],
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """A member's list of today, worth most first."""

    async def read(place: Workplace) -> DayList:
        from bot.staff_tasks import read_list

        return await place.db.read(read_list, userid, place.settings, place.now)

    found = work(config, read)
    if as_json:
        say_json([_told(each) for each in (*found.tasks, *found.later)])
        return
    say_table(
        ("ID", "CUSTOMER", "JOURNEY", "STEP", "WORDS"),
        (
            (each.task.id, each.remark or each.customer, each.because.journey, each.because.key, _words(each.task))
            for each in found.tasks
        ),
        "Nothing is to be done now.",
    )
    say(f"Done today: {found.done}. Put off: {len(found.later)}. For another day: {found.waiting}.")


@app.command("done")
def do_task(task_id: TaskId, by: By = "", config: Config = None) -> None:
    """Say that a task was done: the customer was reached."""

    async def action(place: Workplace) -> StaffTask:
        from bot.staff_tasks import Asked, do_task

        return await place.db.write(do_task, Asked(task_id, by), place.settings, place.now)

    say(f"Task {task_id} was done by {work(config, action).answered_by}.")


@app.command("later")
def put_off_task(
    task_id: TaskId,
    until: Annotated[
        str, typer.Option("--until", help="today: in two hours; tomorrow: when the day begins.")
    ] = "today",
    by: By = "",
    config: Config = None,
) -> None:
    """Say that a task is done later today, or tomorrow."""

    async def action(place: Workplace) -> str:
        from bot.staff_tasks import Asked, put_off_task
        from data.rules.staff_tasks import Later

        if until not in [each.value for each in Later]:
            refuse(f"{until!r} is neither today nor tomorrow.")
        later = Later(until)
        task = await place.db.write(put_off_task, Asked(task_id, by), later, place.settings, place.now)
        return place.local(task.later_until)

    say(f"Task {task_id} was put off until {work(config, action)}.")


@app.command("refuse")
def refuse_task(
    task_id: TaskId,
    why: Annotated[str, typer.Option("--why", help="Why this one is not to be done.")],
    by: By = "",
    config: Config = None,
) -> None:
    """Say that a task is not to be done."""

    async def action(place: Workplace) -> StaffTask:
        from bot.staff_tasks import Asked, refuse_task
        from data.rules.staff_tasks import check_why

        return await place.db.write(refuse_task, Asked(task_id, by), check_why(why), place.settings, place.now)

    say(f"Task {task_id} was refused by {work(config, action).answered_by}.")


def _words(task: StaffTask) -> str:
    return str(task.content.get("text", "")).partition("\n")[0][:60]


def _told(listed: Listed) -> dict[str, object]:
    named = {"customer": listed.customer, "remark": listed.remark, "because": listed.because._asdict()}
    return {**listed.task.model_dump(), **named}
